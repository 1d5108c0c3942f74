package webapi

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/webapi/wire"
)

// A client that stops reading costs one item per presentity, and finds the
// newest state when it reads again.
func TestSlow_NewestStateAndNoQueue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		ws, _, err := w.dial(map[string][]string{"Authorization": {"Bearer tj"}})
		if err != nil {
			t.Fatal(err)
		}
		defer ws.Close()
		err = ws.WriteMessage(websocket.TextMessage, []byte(`{"op":"subscribe","addresses":["`+alice+`"]}`))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		// It does not read. 3,000 changes of 1 kB each are far more than the
		// network's buffers hold.
		etag := ""
		var before, after runtime.MemStats
		for i := range 3000 {
			if i == 500 {
				runtime.GC()
				runtime.ReadMemStats(&before)
			}
			etag = w.publish(alice, etag, fmt.Sprintf("note %d %s", i, strings.Repeat("x", 1000)))
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
			t.Errorf("the heap has grown by %d bytes", grown)
		}
		frames, last := 0, ""
		for !strings.Contains(last, "note 2999 ") {
			_ = ws.SetReadDeadline(time.Now().Add(5 * time.Second))
			_, b, err := ws.ReadMessage()
			if err != nil {
				t.Fatalf("after %d frames: %v", frames, err)
			}
			frames, last = frames+1, string(b)
		}
		if frames > 200 {
			t.Errorf("%d frames for a client that did not read: they were queued", frames)
		}
	})
}

// A client that never reads again is cut off, and others do not wait for it.
func TestSlow_CutOff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		ws, _, err := w.dial(map[string][]string{"Authorization": {"Bearer tj"}})
		if err != nil {
			t.Fatal(err)
		}
		defer ws.Close()
		err = ws.WriteMessage(websocket.TextMessage, []byte(`{"op":"subscribe","addresses":["`+alice+`"]}`))
		if err != nil {
			t.Fatal(err)
		}
		c := w.connect("tb")
		c.send(`{"op":"subscribe","addresses":["` + alice + `"]}`)
		c.expect(wire.OpSubscribed)
		etag := ""
		for i := range 1000 {
			etag = w.publish(alice, etag, fmt.Sprintf("note %d %s", i, strings.Repeat("x", 1000)))
			c.expectNote(alice, fmt.Sprintf("note %d ", i))
		}
		time.Sleep(writeTimeout + time.Second)
		if n := w.feeds(); n != 1 {
			t.Errorf("%d feeds are open, want 1", n)
		}
	})
}

func (w *world) feeds() int {
	w.port.mu.Lock()
	defer w.port.mu.Unlock()
	return w.port.feeds
}

// A client that reads, but too slowly for what is new at one time, is told so.
func TestSlow_Trickle(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		var names []string
		for i := range 300 {
			names = append(names, fmt.Sprintf(`"sip:u%d@open.example"`, i))
			w.publish(fmt.Sprintf("sip:u%d@open.example", i), "", strings.Repeat("x", 1000))
		}
		ws, _, err := w.dial(map[string][]string{"Authorization": {"Bearer tj"}})
		if err != nil {
			t.Fatal(err)
		}
		defer ws.Close()
		err = ws.WriteMessage(websocket.TextMessage, []byte(`{"op":"subscribe","addresses":[`+strings.Join(names, ",")+`]}`))
		if err != nil {
			t.Fatal(err)
		}
		for {
			time.Sleep(2 * time.Second)
			_, _, err := ws.ReadMessage()
			if websocket.IsCloseError(err, wire.CloseSlow) {
				return
			}
			if err != nil {
				t.Fatalf("got %v, want close code %d", err, wire.CloseSlow)
			}
		}
	})
}

// The heartbeat: a client that answers pings lives, one that does not is
// closed, and one whose machine has died is forgotten.
func TestHeartbeat(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		ws, _, err := w.dial(map[string][]string{"Authorization": {"Bearer tj"}})
		if err != nil {
			t.Fatal(err)
		}
		pings := 0
		ws.SetPingHandler(func(string) error {
			pings++
			if pings > 20 {
				return nil // from now on it is silent
			}
			return ws.WriteControl(websocket.PongMessage, nil, time.Now().Add(time.Second))
		})
		start := time.Now()
		c := newClient(t, ws)
		c.expect(wire.OpHello)
		c.expect(wire.OpAuthenticated)
		for {
			_, err := c.read()
			if websocket.IsCloseError(err, wire.CloseSilent) {
				break
			}
			if err == nil || !isTimeout(err) {
				t.Fatalf("got %v, want close code %d", err, wire.CloseSilent)
			}
		}
		took := time.Since(start)
		if took < 20*heartbeat || took > 22*(heartbeat+laneTick)+pongPatience {
			t.Errorf("closed after %v, with %d pings", took, pings)
		}
	})
}

func isTimeout(err error) bool {
	t, ok := err.(interface{ Timeout() bool })
	return ok && t.Timeout()
}

// note returns the notes of a as the hub composes them.
func (w *world) note(t *testing.T, a string) string {
	t.Helper()
	box := bridge.NewOutbox()
	_, err := w.hub.Watch(context.Background(), bridge.WatchRequest{Leg: bridge.Leg{Watcher: addr(a), Presentity: addr(a)},
		Port: "test", ID: "x", Outbox: box})
	if err != nil {
		t.Fatal(err)
	}
	items := box.Take(nil)
	if len(items) != 1 || items[0].View == nil {
		t.Fatalf("got %+v", items)
	}
	notes := []string{}
	for _, s := range items[0].View.State.Services {
		for _, n := range s.Notes {
			notes = append(notes, n.Text)
		}
	}
	return strings.Join(notes, ",")
}

// What a feed publishes lives as long as the feed, or as the client has said,
// and a moment longer than the socket.
func TestPublish_Lifetime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.connect("ta")
		c.send(`{"op":"publish","presence":{"availability":"available","note":{"text":"here"}}}`)
		first := c.expect(wire.OpPublished).ETag
		time.Sleep(3 * time.Hour)
		if got := w.note(t, alice); got != "here" {
			t.Errorf("after hours: %q", got)
		}
		c.send(`{"op":"publish","presence":{"availability":"available","note":{"text":"there"}}}`)
		if tag := c.expect(wire.OpPublished).ETag; tag == first {
			t.Error("the entity-tag has not changed")
		}
		if got := w.note(t, alice); got != "there" {
			t.Errorf("after a change: %q", got)
		}
		c.ws.Close()
		time.Sleep(publishGrace - 2*time.Second)
		if got := w.note(t, alice); got != "there" {
			t.Errorf("within the grace: %q", got)
		}
		time.Sleep(4 * time.Second)
		if got := w.note(t, alice); got != "" {
			t.Errorf("after the grace: %q", got)
		}
	})
}

func TestPublish_ClientsOwnExpiry(t *testing.T) {
	for _, seconds := range []int{1, 20, 400} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			c := w.connect("ta")
			c.send(fmt.Sprintf(`{"op":"publish","expires_s":%d,"presence":{"note":{"text":"brief"}}}`, seconds))
			c.expect(wire.OpPublished)
			time.Sleep(time.Duration(seconds)*time.Second - 100*time.Millisecond)
			if got := w.note(t, alice); got != "brief" {
				t.Errorf("%d s: before the end: %q", seconds, got)
			}
			time.Sleep(200 * time.Millisecond)
			if got := w.note(t, alice); got != "" {
				t.Errorf("%d s: after the end: %q", seconds, got)
			}
			if f := c.expect(wire.OpUnpublished); f.Ref != 0 {
				t.Errorf("told as %+v", f)
			}
		})
	}
}

// Two feeds of one token publish beside each other; each removes its own.
func TestPublish_TwoFeeds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.connect("ta"), w.connect("ta")
		a.send(`{"op":"publish","presence":{"note":{"text":"from a"}}}`)
		a.expect(wire.OpPublished)
		b.send(`{"op":"publish","presence":{"note":{"text":"from b"}}}`)
		b.expect(wire.OpPublished)
		b.send(`{"op":"unpublish"}`)
		b.expect(wire.OpUnpublished)
		if got := w.note(t, alice); got != "from a" {
			t.Errorf("got %q", got)
		}
	})
}

// A publication whose entity-tag the hub has lost is made anew.
func TestPublish_StaleTag(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.connect("ta")
		c.send(`{"op":"publish","presence":{"note":{"text":"here"}}}`)
		etag := c.expect(wire.OpPublished).ETag
		_, err := w.hub.Publish(context.Background(), bridge.Publication{Presentity: addr(alice), IfMatch: etag})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(publishHorizon)
		if got := w.note(t, alice); got != "here" {
			t.Errorf("got %q", got)
		}
	})
}

// When the server stops, nothing of the feeds is left in the hub but their
// publications, for a moment.
func TestStop_LeavesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		for range 100 {
			c := w.connect([]string{"tj", "tb"}[w.feeds()%2])
			c.send(`{"op":"subscribe","addresses":["` + alice + `","` + bob + `","` + romeo + `"]}`)
			c.expect(wire.OpSubscribed)
		}
		start := time.Now()
		w.stop()
		if took := time.Since(start); took > stopGrace {
			t.Errorf("stopping took %v", took)
		}
		for _, who := range []string{juli, bob} {
			v, _ := w.hub.Standing(bridge.Leg{Watcher: addr(who), Presentity: addr(alice)})
			if v.State != bridge.NoState {
				t.Errorf("%s still watches: %v", who, v.State)
			}
		}
		if a, d := w.away.attached.Load(), w.away.detached.Load(); a != d {
			t.Errorf("attached %d times, detached %d times", a, d)
		}
	})
}

// Everything at once, for the race detector.
func TestRace_Everything(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Limits.FramesPerMinute = 100000 })
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 6 {
				token := []string{"tj", "ta", "tb"}[(i+j)%3]
				c := w.connect(token)
				for k := range 10 {
					c.send(`{"op":"subscribe","addresses":["` + alice + `","` + bob + `","` + romeo + `"]}`)
					c.send(fmt.Sprintf(`{"op":"publish","presence":{"note":{"text":"%d %d %d"}}}`, i, j, k))
					c.send(`{"op":"authorize","watcher":"` + juli + `","answer":"` + []string{"allow", "block"}[k%2] + `"}`)
					if k%3 == 0 {
						c.send(`{"op":"unsubscribe","addresses":["` + alice + `"]}`)
					}
				}
				c.send(`{"op":"ping","ref":77}`)
				for {
					f, err := c.read()
					if err != nil {
						t.Error(err)
						return
					}
					if f.Ref == 77 {
						break
					}
				}
				c.ws.Close()
			}
		})
	}
	wg.Go(func() {
		leg := bridge.Leg{Watcher: addr(juli), Presentity: addr(romeo)}
		for i := range 300 {
			w.hub.Settle(leg, bridge.Verdict{State: bridge.Active}, bridge.NewChange())
			w.hub.Deliver(leg, bridge.NewChange(), func(*presence.State) *presence.State {
				return &presence.State{Notes: []presence.Note{{Text: fmt.Sprint(i)}}}
			})
			w.http("GET", "/v1/presence/"+alice, "tj", "")
		}
	})
	wg.Wait()
}
