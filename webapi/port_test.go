package webapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/bridge/bridgetest"
	"github.com/porchlight-im/porchlight/bridge/policy"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/webapi/wire"
)

const (
	alice = "sip:alice@open.example"    // everyone may see her
	bob   = "sip:bob@ask.example"       // he is asked
	carl  = "sip:carl@closed.example"   // nobody may see him
	romeo = "xmpp:romeo@jabber.example" // lives elsewhere
	juli  = "sip:juliet@open.example"   // the holder of the token "tj"
)

// away is a port that is the home of jabber.example and only notes what it is
// asked.
type away struct{ attached, detached atomic.Int32 }

func (a *away) Name() string                       { return "away" }
func (a *away) Run(context.Context) error          { return nil }
func (a *away) Attach(bridge.Leg, bridge.Interest) { a.attached.Add(1) }
func (a *away) Detach(bridge.Leg)                  { a.detached.Add(1) }

// world is a hub with a web port on a network in memory.
type world struct {
	t    testing.TB
	hub  *bridge.Hub
	port *Port
	net  *bridgetest.Network
	away *away
	log  *bytes.Buffer
	stop func()
	// fails says that the test makes the port log an error.
	fails bool
}

var jsonCodec = bridge.Codec{
	Append: func(dst []byte, s *presence.State) []byte {
		b, err := json.Marshal(s)
		if err != nil {
			panic(err)
		}
		return append(dst, b...)
	},
	Decode: func(b []byte) (*presence.State, error) {
		s := new(presence.State)
		return s, json.Unmarshal(b, s)
	},
}

// newWorld starts a port; change may adjust its configuration.
func newWorld(t testing.TB, change ...func(*Config)) *world {
	t.Helper()
	w := &world{t: t, net: bridgetest.NewNetwork(), away: &away{}, log: &bytes.Buffer{}}
	log := slog.New(slog.NewTextHandler(w.log, nil))
	var err error
	w.hub, err = bridge.New(bridge.Config{Log: log, Codec: jsonCodec, Directory: bridge.NewDirectory([]bridge.Domain{
		{Name: "open.example", Scheme: presence.SIP, Here: true, Default: policy.Allow},
		{Name: "ask.example", Scheme: presence.SIP, Here: true, Default: policy.Confirm},
		{Name: "closed.example", Scheme: presence.SIP, Here: true, Default: policy.Block},
		{Name: "jabber.example", Scheme: presence.XMPP, Port: "away"},
	})})
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Listen: "127.0.0.1:8080", Open: w.net.Listen, Tokens: map[string]Account{
		"tj": {Address: juli}, "tb": {Address: bob}, "ta": {Address: alice}, "tx": {Address: "xmpp:x@jabber.example"}}}
	for _, f := range change {
		f(&cfg)
	}
	w.port, err = New(cfg, w.hub, log, prometheus.NewRegistry(), nil)
	if err != nil {
		t.Fatal(err)
	}
	w.hub.Register(w.port)
	w.hub.Register(w.away)
	w.run()
	return w
}

// run starts the port; w.stop, also called at the end of the test, ends it.
func (w *world) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.port.Run(ctx) }()
	stopped := false
	w.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		err := <-done
		if err != nil {
			w.t.Errorf("Run: %v", err)
		}
		err = w.hub.Close()
		if err != nil {
			w.t.Errorf("closing the hub: %v", err)
		}
		if bytes.Contains(w.log.Bytes(), []byte("level=ERROR")) != w.fails {
			w.t.Errorf("errors in the log, or none where one belongs:\n%s", w.log)
		}
	}
	w.t.Cleanup(w.stop)
	for w.port.Ready() != nil {
		time.Sleep(time.Millisecond)
	}
}

// publish publishes note for a, beside what the port does; it returns the tag.
func (w *world) publish(a, etag, note string) string {
	w.t.Helper()
	rec, err := w.hub.Publish(context.Background(), bridge.Publication{Presentity: addr(a), Source: "sip",
		IfMatch: etag, Expires: time.Hour, Change: bridge.NewChange(), State: &presence.State{
			Services: []presence.Service{{ID: "p", Basic: presence.Open}}, Notes: []presence.Note{{Text: note}}}})
	if err != nil {
		w.t.Fatal(err)
	}
	return rec.ETag
}

func addr(s string) presence.Addr {
	a, err := presence.ParseAddr(s)
	if err != nil {
		panic(err)
	}
	return a
}

// client is a feed client. It reads all the time, as a browser does.
type client struct {
	t    testing.TB
	ws   *websocket.Conn
	news chan frame
}

type frame struct {
	b   []byte
	err error
}

func newClient(t testing.TB, ws *websocket.Conn) *client {
	c := &client{t: t, ws: ws, news: make(chan frame, 1000)}
	go func() {
		defer close(c.news)
		for {
			_, b, err := ws.ReadMessage()
			c.news <- frame{b, err}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		ws.Close()
		for range c.news {
		}
	})
	return c
}

// dial opens a feed with the fields of head.
func (w *world) dial(head http.Header) (*websocket.Conn, *http.Response, error) {
	d := websocket.Dialer{NetDialContext: w.net.Dial, HandshakeTimeout: 10 * time.Second}
	return d.Dial("ws://127.0.0.1:8080/v1/feed", head)
}

// connect opens a feed and reads the hello frame; with a token it also
// authenticates.
func (w *world) connect(token string) *client {
	w.t.Helper()
	ws, _, err := w.dial(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	c := newClient(w.t, ws)
	c.expect(wire.OpHello)
	if token != "" {
		c.send(`{"op":"auth","token":"` + token + `"}`)
		c.expect(wire.OpAuthenticated)
	}
	return c
}

func (c *client) send(frame string) {
	c.t.Helper()
	err := c.ws.WriteMessage(websocket.TextMessage, []byte(frame))
	if err != nil {
		c.t.Fatalf("sending %.80s: %v", frame, err)
	}
}

// raw returns the next frame as it came; it fails after a minute.
func (c *client) raw() ([]byte, error) {
	select {
	case f := <-c.news:
		return f.b, f.err
	case <-time.After(time.Minute):
		return nil, os.ErrDeadlineExceeded
	}
}

func (c *client) read() (wire.Frame, error) {
	b, err := c.raw()
	if err != nil {
		return wire.Frame{}, err
	}
	var f wire.Frame
	err = json.Unmarshal(b, &f)
	if err != nil {
		return f, fmt.Errorf("%w in %s", err, b)
	}
	return f, nil
}

// expect returns the next frame, which must be op.
func (c *client) expect(op string) wire.Frame {
	c.t.Helper()
	f, err := c.read()
	if err != nil {
		c.t.Fatalf("waiting for %s: %v", op, err)
	}
	if f.Op != op {
		c.t.Fatalf("got %+v, want %s", f, op)
	}
	return f
}

// expectNote reads presence frames of a until one has the note.
func (c *client) expectNote(a, note string) wire.Frame {
	c.t.Helper()
	for {
		f := c.expect(wire.OpPresence)
		if f.Address == a && strings.Contains(string(f.Presence), note) {
			return f
		}
	}
}

// expectClose reads until the feed ends, and demands the close code.
func (c *client) expectClose(code int) {
	c.t.Helper()
	for {
		_, err := c.read()
		if websocket.IsCloseError(err, code) {
			return
		}
		if err != nil {
			c.t.Fatalf("got %v, want close code %d", err, code)
		}
	}
}

// quiet demands that nothing comes for a while.
func (c *client) quiet(d time.Duration) {
	c.t.Helper()
	select {
	case f := <-c.news:
		c.t.Fatalf("got %s, %v, want nothing", f.b, f.err)
	case <-time.After(d):
	}
}

// http does one request; token "" sends none.
func (w *world) http(method, path, token, body string) (*http.Response, string) {
	w.t.Helper()
	return w.httpHead(method, path, token, body, nil)
}

func (w *world) httpHead(method, path, token, body string, head http.Header) (*http.Response, string) {
	w.t.Helper()
	req, err := http.NewRequest(method, "http://127.0.0.1:8080"+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for k, v := range head {
		req.Header[k] = v
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	cl := http.Client{Transport: &http.Transport{DialContext: w.net.Dial, DisableKeepAlives: true}}
	res, err := cl.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res, string(b)
}

// bubble runs f in fake time, in which leaked goroutines fail the test.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}
