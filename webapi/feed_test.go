package webapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/webapi/wire"
)

// The life of a feed: hello, token, snapshot, changes, end.
func TestFeed_SnapshotThenChanges(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		etag := w.publish(alice, "", "at my desk")
		c := w.connect("tj")
		c.send(`{"op":"subscribe","ref":7,"addresses":["` + alice + `"]}`)
		f := c.expect(wire.OpSubscribed)
		if f.Ref != 7 || len(f.Results) != 1 || f.Results[0].Result != "ok" || f.Results[0].Address != alice {
			t.Fatalf("subscribed: %+v", f)
		}
		first := c.expectNote(alice, "at my desk")
		etag = w.publish(alice, etag, "out for lunch")
		second := c.expectNote(alice, "out for lunch")
		if second.Rev <= first.Rev || second.Change == "" || first.Change == "" {
			t.Errorf("rev %d then %d, change %q then %q", first.Rev, second.Rev, first.Change, second.Change)
		}
		c.send(`{"op":"unsubscribe","ref":8,"addresses":["` + alice + `"]}`)
		f = c.expect(wire.OpUnsubscribed)
		if f.Ref != 8 || f.Results[0].Result != "ok" {
			t.Errorf("unsubscribed: %+v", f)
		}
		w.publish(alice, etag, "back")
		c.quiet(5 * time.Second)
	})
}

var longAddress = "sip:" + strings.Repeat("a", maxAddress) + "@open.example"

// requests are one request each, with what its answer has.
var requests = []struct{ name, token, frame, want string }{
	{"ping", "tj", `{"op":"ping","ref":1}`, `{"op":"pong","ref":1}`},
	{"unknown op", "tj", `{"op":"dance","ref":2}`, `{"op":"error","ref":2,"code":"unknown_op"}`},
	{"no op", "tj", `{"ref":2}`, `{"op":"error","ref":2,"code":"unknown_op"}`},
	{"not JSON", "tj", `{"op":`, `{"op":"error","code":"malformed"}`},
	{"not an object", "tj", `[1]`, `{"op":"error","code":"malformed"}`},
	{"wrong type", "tj", `{"op":"subscribe","ref":3,"addresses":"x"}`, `{"op":"error","ref":3,"code":"malformed"}`},
	{"unknown members", "tj", `{"op":"ping","ref":1,"shoe":{"size":9}}`, `{"op":"pong","ref":1}`},
	{"before auth", "", `{"op":"subscribe","ref":4,"addresses":["` + alice + `"]}`, `{"op":"error","ref":4,"code":"unauthenticated"}`},
	{"auth", "", `{"op":"auth","ref":5,"token":"tj"}`, `{"op":"authenticated","ref":5,"address":"` + juli + `"}`},
	{"auth twice", "tj", `{"op":"auth","ref":6,"token":"tj"}`, `{"op":"error","ref":6,"code":"forbidden"}`},
	{"nothing to watch", "tj", `{"op":"subscribe","ref":1}`, `{"op":"subscribed","ref":1,"results":[]}`},
	{"ok", "tj", `{"op":"subscribe","addresses":["` + alice + `"]}`, `{"op":"subscribed","results":[{"address":"` + alice + `","result":"ok"}]}`},
	{"pending", "tj", `{"op":"subscribe","addresses":["` + bob + `"]}`, `{"op":"subscribed","results":[{"address":"` + bob + `","result":"pending"}]}`},
	{"foreign", "tj", `{"op":"subscribe","addresses":["` + romeo + `"]}`, `{"op":"subscribed","results":[{"address":"` + romeo + `","result":"pending"}]}`},
	{"denied", "tj", `{"op":"subscribe","addresses":["` + carl + `"]}`, `{"op":"subscribed","results":[{"address":"` + carl + `","result":"denied","detail":"not authorized for presence"}]}`},
	{"unknown", "tj", `{"op":"subscribe","addresses":["sip:x@nowhere.example"]}`, `{"op":"subscribed","results":[{"address":"sip:x@nowhere.example","result":"unknown","detail":"no such presentity"}]}`},
	{"invalid", "tj", `{"op":"subscribe","addresses":["tom & jerry"]}`, `{"op":"subscribed","results":[{"address":"tom & jerry","result":"invalid"}]}`},
	{"control characters", "tj", `{"op":"subscribe","addresses":["sip:a\u0000@open.example"]}`, `{"op":"subscribed","results":[{"result":"invalid"}]}`},
	{"too long", "tj", `{"op":"subscribe","addresses":["` + longAddress + `"]}`, `{"op":"subscribed","results":[{"address":"","result":"invalid"}]}`},
	{"other spelling", "tj", `{"op":"subscribe","addresses":["XMPP:alice@OPEN.example"]}`, `{"op":"subscribed","results":[{"address":"` + alice + `","asked":"XMPP:alice@OPEN.example","result":"ok"}]}`},
	{"no scheme", "tj", `{"op":"subscribe","addresses":["romeo@jabber.example"]}`, `{"op":"subscribed","results":[{"address":"` + romeo + `","asked":"romeo@jabber.example","result":"pending"}]}`},
	{"named twice", "tj", `{"op":"subscribe","addresses":["` + alice + `","alice@open.example"]}`, `{"op":"subscribed","results":[{"result":"ok"},{"result":"ok","detail":"named twice"}]}`},
	{"unsubscribe what is not watched", "tj", `{"op":"unsubscribe","ref":1,"addresses":["` + alice + `","?"]}`, `{"op":"unsubscribed","ref":1,"results":[{"address":"` + alice + `","result":"ok"},{"address":"?","result":"invalid"}]}`},
	{"publish", "tj", `{"op":"publish","ref":9,"presence":{"availability":"available"},"expires_s":60}`, `{"op":"published","ref":9,"expires_s":60}`},
	{"publish nothing", "tj", `{"op":"publish","ref":9}`, `{"op":"error","ref":9,"code":"malformed"}`},
	{"publish nonsense", "tj", `{"op":"publish","ref":9,"presence":{"availability":"purple"}}`, `{"op":"error","ref":9,"code":"malformed"}`},
	{"publish for no time", "tj", `{"op":"publish","ref":9,"presence":{},"expires_s":-1}`, `{"op":"error","ref":9,"code":"malformed"}`},
	{"publish where we are not home", "tx", `{"op":"publish","ref":9,"presence":{"availability":"available"}}`, `{"op":"error","ref":9,"code":"not_found"}`},
	{"unpublish nothing", "tj", `{"op":"unpublish","ref":9}`, `{"op":"unpublished","ref":9}`},
	{"authorize", "tb", `{"op":"authorize","ref":1,"watcher":"` + juli + `","answer":"polite-block"}`, `{"op":"authorized","ref":1,"watcher":"` + juli + `","answer":"polite-block"}`},
	{"authorize nobody", "tb", `{"op":"authorize","ref":1,"answer":"allow"}`, `{"op":"error","ref":1,"code":"malformed"}`},
	{"authorize how", "tb", `{"op":"authorize","ref":1,"watcher":"` + juli + `","answer":"perhaps"}`, `{"op":"error","ref":1,"code":"malformed"}`},
	{"authorize where we are not home", "tx", `{"op":"authorize","ref":1,"watcher":"` + juli + `","answer":"allow"}`, `{"op":"error","ref":1,"code":"not_found"}`},
}

// Every answer and every kind of fault.
func TestFeed_Requests(t *testing.T) {
	for _, tc := range requests {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				c := w.connect(tc.token)
				c.send(tc.frame)
				b, err := c.raw()
				if err != nil {
					t.Fatal(err)
				}
				covers(t, b, tc.want)
				// The feed lives on.
				c.send(`{"op":"ping","ref":99}`)
				for {
					f, err := c.read()
					if err != nil {
						t.Fatalf("the feed has ended: %v", err)
					}
					if f.Ref == 99 {
						return
					}
				}
			})
		})
	}
}

// covers demands that got has every member of want.
func covers(t *testing.T, got []byte, want string) {
	t.Helper()
	var g, w any
	err := json.Unmarshal(got, &g)
	if err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	err = json.Unmarshal([]byte(want), &w)
	if err != nil {
		t.Fatal(err)
	}
	if !contains(g, w) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func contains(g, w any) bool {
	switch w := w.(type) {
	case map[string]any:
		gm, ok := g.(map[string]any)
		if !ok {
			return false
		}
		for k, v := range w {
			if !contains(gm[k], v) {
				return false
			}
		}
		return true
	case []any:
		ga, ok := g.([]any)
		if !ok || len(ga) != len(w) {
			return false
		}
		for i := range w {
			if !contains(ga[i], w[i]) {
				return false
			}
		}
		return true
	}
	return g == w
}

// A pending subscription tells how it is settled.
func TestFeed_StateFrames(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.publish(bob, "", "on the beach")
		c, owner := w.connect("tj"), w.connect("tb")
		c.send(`{"op":"subscribe","addresses":["` + bob + `"]}`)
		c.expect(wire.OpSubscribed)
		c.quiet(3 * time.Second)
		owner.send(`{"op":"authorize","watcher":"` + juli + `","answer":"allow"}`)
		owner.expect(wire.OpAuthorized)
		f := c.expect(wire.OpState)
		if f.Address != bob || f.State != "active" {
			t.Errorf("got %+v, want active", f)
		}
		c.expectNote(bob, "on the beach")
		owner.send(`{"op":"authorize","watcher":"` + juli + `","answer":"block"}`)
		owner.expect(wire.OpAuthorized)
		f = c.expect(wire.OpState)
		if f.State != "terminated" || f.Reason != "rejected" {
			t.Errorf("got %+v, want terminated, rejected", f)
		}
		c.send(`{"op":"subscribe","addresses":["` + bob + `"]}`)
		f = c.expect(wire.OpSubscribed)
		if f.Results[0].Result != wire.ResultDenied {
			t.Errorf("got %+v, want denied", f.Results)
		}
	})
}

// A foreign presentity: pending, then active by its home's word, its state for
// this watcher, and detached when the feed has gone.
func TestFeed_Foreign(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.connect("tj")
		c.send(`{"op":"subscribe","addresses":["` + romeo + `"]}`)
		c.expect(wire.OpSubscribed)
		leg := bridge.Leg{Watcher: addr(juli), Presentity: addr(romeo)}
		w.hub.Settle(leg, bridge.Verdict{State: bridge.Active}, "c1")
		if f := c.expect(wire.OpState); f.State != "active" || f.Change != "c1" {
			t.Errorf("got %+v, want active by c1", f)
		}
		if f := c.expect(wire.OpPresence); f.Rev != 0 || !strings.Contains(string(f.Presence), "unknown") {
			t.Errorf("got %+v, want nothing known", f)
		}
		w.hub.Settle(leg, bridge.Verdict{State: bridge.Terminated, Reason: "noresource"}, "c2")
		if f := c.expect(wire.OpState); f.State != "terminated" || f.Reason != "noresource" {
			t.Errorf("got %+v, want terminated", f)
		}
		c.send(`{"op":"subscribe","addresses":["` + romeo + `"]}`)
		c.expect(wire.OpSubscribed)
		c.ws.Close()
		w.stop()
		if a, d := w.away.attached.Load(), w.away.detached.Load(); a != 2 || d != 1 {
			t.Errorf("attached %d times, detached %d times, want 2 and 1", a, d)
		}
	})
}

// A politely blocked watcher cannot tell (RFC 5025 §3.2.1): the frames have
// the same members as another's.
func TestFeed_PoliteBlockShowsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.publish(bob, "", "secret")
		shapes := map[string]string{}
		for _, answer := range []string{"allow", "polite-block"} {
			owner := w.connect("tb")
			owner.send(`{"op":"authorize","watcher":"` + juli + `","answer":"` + answer + `"}`)
			owner.expect(wire.OpAuthorized)
			c := w.connect("tj")
			c.send(`{"op":"subscribe","addresses":["` + bob + `"]}`)
			f := c.expect(wire.OpSubscribed)
			p := c.expect(wire.OpPresence)
			shapes[answer] = fmt.Sprint(f.Results, p.Change != "", p.Rev > 0)
			if answer == "polite-block" && strings.Contains(string(p.Presence), "secret") {
				t.Errorf("told the blocked: %s", p.Presence)
			}
		}
		if shapes["allow"] != shapes["polite-block"] {
			t.Errorf("they differ: %v", shapes)
		}
	})
}

// Subscribing again is no error and shows the state anew; the limit counts
// what is watched.
func TestFeed_SubscriptionLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, func(c *Config) { c.Limits.Subscriptions = 2 })
		c := w.connect("tj")
		c.send(`{"op":"subscribe","addresses":["sip:a@open.example","sip:b@open.example","sip:c@open.example"]}`)
		f := c.expect(wire.OpSubscribed)
		if got := []string{f.Results[0].Result, f.Results[1].Result, f.Results[2].Result}; got[0] != "ok" || got[1] != "ok" || got[2] != "limit" {
			t.Errorf("got %v, want ok ok limit", got)
		}
		c.expect(wire.OpPresence)
		c.expect(wire.OpPresence)
		c.send(`{"op":"subscribe","addresses":["sip:a@open.example"]}`)
		if f = c.expect(wire.OpSubscribed); f.Results[0].Result != "ok" {
			t.Errorf("again: %+v", f.Results)
		}
		c.expect(wire.OpPresence)
		c.send(`{"op":"unsubscribe","addresses":["sip:a@open.example"]}`)
		c.expect(wire.OpUnsubscribed)
		c.send(`{"op":"subscribe","addresses":["sip:c@open.example"]}`)
		if f = c.expect(wire.OpSubscribed); f.Results[0].Result != "ok" {
			t.Errorf("after unsubscribing: %+v", f.Results)
		}
	})
}

// What ends a feed, and with which code.
func TestFeed_CloseCodes(t *testing.T) {
	for _, tc := range []struct {
		name string
		code int
		do   func(w *world, c *client)
	}{
		{"no token in time", wire.CloseNoAuth, func(*world, *client) {}},
		{"pings do not buy time", wire.CloseNoAuth, func(_ *world, c *client) {
			for range 3 {
				time.Sleep(4 * time.Second)
				_ = c.ws.WriteControl(websocket.PingMessage, nil, time.Time{})
			}
		}},
		{"unknown token", wire.CloseBadToken, func(_ *world, c *client) { c.send(`{"op":"auth","token":"zz"}`) }},
		{"no token", wire.CloseBadToken, func(_ *world, c *client) { c.send(`{"op":"auth"}`) }},
		{"binary", unsupported, func(_ *world, c *client) { _ = c.ws.WriteMessage(websocket.BinaryMessage, []byte("{}")) }},
		{"not UTF-8 (RFC 6455 §8.1)", notUTF8, func(_ *world, c *client) { c.send("{\"op\":\"\xff\"}") }},
		{"too large", tooBig, func(_ *world, c *client) { c.send(`{"op":"` + strings.Repeat("x", 17<<10) + `"}`) }},
		{"flood", wire.CloseFlood, func(_ *world, c *client) {
			for range 241 {
				c.send(`{"op":"ping"}`)
			}
		}},
		{"the server goes away", goingAway, func(w *world, _ *client) { go w.stop() }},
		{"too many of one token", wire.CloseTooMany, func(w *world, c *client) {
			w.connect("tj")
			w.connect("tj")
			c.send(`{"op":"auth","token":"tj"}`)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, func(c *Config) { c.Limits.PerToken = 2 })
				c := w.connect("")
				tc.do(w, c)
				c.expectClose(tc.code)
			})
		})
	}
}

// A frame that is not WebSocket ends the feed, and only it.
func TestFeed_BrokenFraming(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		c, other := w.connect("tj"), w.connect("tb")
		_, err := c.ws.NetConn().Write([]byte{0xff, 0x00, 0x01, 0x02, 0x03})
		if err != nil {
			t.Fatal(err)
		}
		c.expectClose(protocol)
		other.send(`{"op":"ping"}`)
		other.expect(wire.OpPong)
	})
}

// A fault of ours ends the feed in which it happens, and only that.
func TestFeed_PanicIsContained(t *testing.T) {
	ops["panic"] = func(*conn, context.Context, *wire.Request) error { panic("for the test") }
	defer delete(ops, "panic")
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.fails = true
		c, other := w.connect("tj"), w.connect("tb")
		c.send(`{"op":"subscribe","addresses":["` + alice + `"]}`)
		c.expect(wire.OpSubscribed)
		c.send(`{"op":"panic"}`)
		c.expectClose(ourFault)
		other.send(`{"op":"ping"}`)
		other.expect(wire.OpPong)
		synctest.Wait() // the feed's subscriptions end after its socket
		if v, _ := w.hub.Standing(bridge.Leg{Watcher: addr(juli), Presentity: addr(alice)}); v.State != bridge.NoState {
			t.Errorf("it still watches: %v", v.State)
		}
	})
}

// Too many frames are refused until the minute is over.
func TestFeed_RateLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, func(c *Config) { c.Limits.FramesPerMinute = 3 })
		c := w.connect("tj")
		for range 2 {
			c.send(`{"op":"ping"}`)
			c.expect(wire.OpPong)
		}
		c.send(`{"op":"ping","ref":4}`)
		f := c.expect(wire.OpError)
		if f.Ref != 4 || f.Code != "rate_limited" || !f.Temporary || f.RetryMS <= 0 || f.RetryMS > 60000 {
			t.Errorf("got %+v", f)
		}
		time.Sleep(time.Duration(f.RetryMS) * time.Millisecond)
		c.send(`{"op":"ping"}`)
		c.expect(wire.OpPong)
	})
}

// Who may open a feed.
func TestFeed_Opening(t *testing.T) {
	for _, tc := range []struct {
		name string
		head http.Header
		code int
	}{
		{"plain", nil, 101},
		{"our subprotocol", http.Header{"Sec-Websocket-Protocol": {wire.Subprotocol}}, 101},
		{"ours among others", http.Header{"Sec-Websocket-Protocol": {"chat, " + wire.Subprotocol}}, 101},
		{"another subprotocol", http.Header{"Sec-Websocket-Protocol": {"chat"}}, 400},
		{"same origin (RFC 6455 §10.2)", http.Header{"Origin": {"http://127.0.0.1:8080"}}, 101},
		{"another origin", http.Header{"Origin": {"http://evil.example"}}, 403},
		{"null origin", http.Header{"Origin": {"null"}}, 403},
		{"another port", http.Header{"Origin": {"http://127.0.0.1:8081"}}, 403},
		{"allowed origin", http.Header{"Origin": {"https://app.example"}}, 101},
		{"allowed host, any port", http.Header{"Origin": {"https://app.example:8443"}}, 101},
		{"allowed only as a suffix", http.Header{"Origin": {"https://notapp.example"}}, 403},
		{"token", http.Header{"Authorization": {"Bearer tj"}}, 101},
		{"unknown token", http.Header{"Authorization": {"Bearer zz"}}, 401},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, func(c *Config) { c.Origins = []string{"app.example"} })
				ws, res, err := w.dial(tc.head)
				if res == nil || res.StatusCode != tc.code {
					t.Fatalf("got %v, %v, want %d", res, err, tc.code)
				}
				if err == nil {
					ws.Close()
					return
				}
				if ct := res.Header.Get("Content-Type"); ct != "application/problem+json" {
					t.Errorf("the refusal is %q", ct)
				}
			})
		})
	}
}

// The token may come in the Authorization field or as a subprotocol.
func TestFeed_TokenBeforehand(t *testing.T) {
	for _, head := range []http.Header{
		{"Authorization": {"Bearer tj"}},
		{"Sec-Websocket-Protocol": {wire.Subprotocol + ", " + wire.TokenProtocol + "tj"}},
	} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			ws, _, err := w.dial(head)
			if err != nil {
				t.Fatal(err)
			}
			c := newClient(t, ws)
			h := c.expect(wire.OpHello)
			if h.V != 1 || h.Session == "" || h.HeartbeatMS != 25000 || h.ServerTime.IsZero() ||
				h.Limits != (wire.Limits{FrameBytes: 16384, FramesPerMinute: 120, Subscriptions: 2000, Connections: 64}) {
				t.Errorf("hello: %+v", h)
			}
			if f := c.expect(wire.OpAuthenticated); f.Address != juli {
				t.Errorf("authenticated: %+v", f)
			}
		})
	}
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		ws, _, err := w.dial(http.Header{"Sec-Websocket-Protocol": {wire.Subprotocol + ", " + wire.TokenProtocol + "zz"}})
		if err != nil {
			t.Fatal(err)
		}
		newClient(t, ws).expectClose(wire.CloseBadToken)
	})
}

// The total of open feeds, and of those without a token, is bounded.
func TestFeed_ConnectionLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, func(c *Config) { c.Limits.Connections = 2 })
		a := w.connect("tj")
		w.connect("tb")
		_, res, err := w.dial(nil)
		if err == nil || res.StatusCode != 503 || res.Header.Get("Retry-After") == "" {
			t.Fatalf("got %v, %v, want 503 with Retry-After", res, err)
		}
		a.ws.Close()
		time.Sleep(time.Second)
		w.connect("tj")
	})
}
