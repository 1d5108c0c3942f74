package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/porchlight-im/porchlight/webapi/wire"
)

// output is a buffer that waits for what is written to it.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func (o *output) wait(t *testing.T, want string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(o.String(), want); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never says %q:\n%s", want, o)
		}
	}
}

// feedServer is a server whose nth feed sends the nth list of frames and then
// ends with the code; 0 keeps the feed open.
func feedServer(t *testing.T, code int, lists ...[]string) (url string, opened <-chan wire.Request) {
	requests := make(chan wire.Request, 100)
	var mu sync.Mutex
	n := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer demo" {
			http.Error(w, "", http.StatusUnauthorized)
			return
		}
		ws, err := (&websocket.Upgrader{Subprotocols: []string{wire.Subprotocol}}).Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer ws.Close()
		mu.Lock()
		frames := lists[min(n, len(lists)-1)]
		n++
		mu.Unlock()
		var req wire.Request
		err = ws.ReadJSON(&req)
		if err != nil {
			return
		}
		requests <- req
		for _, f := range frames {
			err = ws.WriteMessage(websocket.TextMessage, []byte(f))
			if err != nil {
				return
			}
		}
		if code != 0 {
			_ = ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, "as the test says"), time.Now().Add(time.Second))
		}
		_, _, _ = ws.ReadMessage() // until the client goes
	}))
	t.Cleanup(srv.Close)
	return "ws" + strings.TrimPrefix(srv.URL, "http") + "/v1/feed", requests
}

// startWatch runs the command; the returned function ends it and gives its exit
// code.
func startWatch(out *output, args ...string) (end func() int) {
	ctx, cancel := context.WithCancel(context.Background())
	code := make(chan int, 1)
	go func() { code <- run(ctx, append([]string{"watch"}, args...), out, out) }()
	return func() int {
		cancel()
		return <-code
	}
}

const watchAlice = "sip:alice@sip.example"

var watchFrames1 = []string{
	`{"op":"hello","v":1}`, `{"op":"authenticated","address":"sip:carol@sip.example"}`,
	`{"op":"subscribed","ref":1,"results":[{"address":"` + watchAlice + `","result":"ok"},{"address":"sip:x@no.example","result":"unknown","detail":"no such presentity"}]}`,
	`{"op":"presence","address":"` + watchAlice + `","rev":1,"presence":{"availability":"busy","reason":"in_meeting","note":{"text":"Room 5\u001b[31m"},"since":"2026-01-02T03:04:05Z","person":{"activities":{"values":[{"name":"meeting"}]}}}}`,
	`{"op":"state","address":"` + watchAlice + `","state":"terminated","reason":"rejected"}`,
}

func TestWatch_Lines(t *testing.T) {
	url, requests := feedServer(t, 0, watchFrames1)
	out := &output{}
	end := startWatch(out, "--url", url, "--token", "demo", watchAlice, "sip:x@no.example")
	out.wait(t, "(terminated)")
	if req := <-requests; req.Op != wire.OpSubscribe || len(req.Addresses) != 2 {
		t.Errorf("asked %+v", req)
	}
	if code := end(); code != exitOK {
		t.Errorf("exit code %d after Ctrl-C", code)
	}
	for _, want := range []string{"# live, as sip:carol@sip.example\n", watchAlice + "\tbusy\tin_meeting\tRoom 5[31m\tmeeting\t",
		"sip:x@no.example\t(unknown)\t-\tno such presentity\t-\t-\n", watchAlice + "\t(terminated)\trejected\t-\t-\t-\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("missing %q in\n%s", want, out)
		}
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Errorf("control characters in\n%q", out)
	}
}

func TestWatch_JSON(t *testing.T) {
	url, _ := feedServer(t, 0, watchFrames1)
	out := &output{}
	end := startWatch(out, "--json", "--url", url, "--token", "demo", watchAlice)
	out.wait(t, strings.Join(watchFrames1, "\n")+"\n")
	if code := end(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

// It comes back after the server has gone away.
func TestWatch_Reconnects(t *testing.T) {
	url, requests := feedServer(t, websocket.CloseGoingAway, watchFrames1[:2], watchFrames1)
	out := &output{}
	end := startWatch(out, "--url", url, "--token", "demo", watchAlice)
	out.wait(t, "not connected (as the test says)")
	out.wait(t, "in_meeting")
	<-requests
	if req := <-requests; req.Addresses[0] != watchAlice {
		t.Errorf("asked %+v", req)
	}
	end()
}

func TestWatch_Faults(t *testing.T) {
	url, _ := feedServer(t, wire.CloseBadToken, watchFrames1[:1])
	page := httptest.NewServer(http.NotFoundHandler())
	defer page.Close()
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"no server", []string{"--url", "ws://127.0.0.1:1/v1/feed", "--token", "demo", watchAlice}, exitNoReach, "porchlight serve"},
		{"no feed", []string{"--url", "ws" + strings.TrimPrefix(page.URL, "http"), "--token", "demo", watchAlice}, exitFailed, "404"},
		{"unknown token", []string{"--url", url, "--token", "other", watchAlice}, exitFailed, "web.tokens"},
		{"refused", []string{"--url", url, "--token", "demo", watchAlice}, exitFailed, "as the test says"},
		{"not a URL", []string{"--url", "127.0.0.1:8080", "--token", "demo", watchAlice}, exitUsage, "ws://127.0.0.1:8080/v1/feed"},
		{"no token", []string{watchAlice}, exitUsage, "--token"},
		{"nobody", []string{"--token", "demo"}, exitUsage, "address"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out output
			code := run(context.Background(), append([]string{"watch"}, c.args...), &out, &out)
			if code != c.code || !strings.Contains(out.String(), c.says) {
				t.Errorf("exit code %d, want %d, with %q:\n%s", code, c.code, c.says, &out)
			}
		})
	}
}

// On a terminal the table is drawn in place and restored at the end.
func TestWatch_Table(t *testing.T) {
	var b bytes.Buffer
	s := &watchTable{w: &b, terminal: true, rows: map[string]*watchRow{}}
	s.link("live")
	f := wire.Frame{Op: wire.OpPresence, Address: watchAlice, Presence: []byte(`{"availability":"away","note":{"text":"` + strings.Repeat("long ", 30) + `"}}`)}
	s.frame(nil, &f)
	first := b.Len()
	if !strings.HasPrefix(b.String(), home) || !strings.Contains(b.String(), "…") {
		t.Errorf("drawn as %q", b.String())
	}
	s.close()
	if rest := b.String()[first:]; !strings.HasPrefix(rest, leaveScreen) || !strings.Contains(rest, "away") {
		t.Errorf("left as %q", rest)
	}
}
