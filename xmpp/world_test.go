package xmpp

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/bridge/bridgetest"
	"github.com/porchlight-im/porchlight/bridge/picture"
	"github.com/porchlight-im/porchlight/bridge/policy"
	"github.com/porchlight-im/porchlight/bridge/store"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/xmpp/payload"
)

var (
	alice  = presence.Addr{Scheme: presence.SIP, User: "alice", Host: "sip.example"}
	bob    = presence.Addr{Scheme: presence.SIP, User: "bob", Host: "sip.example"}
	carol  = presence.Addr{Scheme: presence.SIP, User: "carol", Host: "sip.example"}
	remo   = presence.Addr{Scheme: presence.SIP, User: "remo", Host: "far.example"} // foreign
	romeo  = presence.Addr{Scheme: presence.XMPP, User: "romeo", Host: "im.example"}
	juliet = presence.Addr{Scheme: presence.XMPP, User: "juliet", Host: "im.example"}
)

func TestMain(m *testing.M) {
	code := m.Run()
	if n := panics.Load(); n > 0 {
		fmt.Println("internal faults:", n)
		code = 1
	}
	os.Exit(code)
}

// world is a hub with the port under test, a SIP port that only records, and
// the XMPP server of im.example with its two component listeners.
type world struct {
	t     *testing.T
	store store.Store // outlives hubs
	hub   *bridge.Hub
	sip   *recorder
	port  *Port
	srv   *bridgetest.ComponentServer // of sip.example
	far   *bridgetest.ComponentServer // of far.example
	stop  func()                      // ends the port, and waits
	pics  *picture.Store              // nil: none
}

// jsonCodec keeps states in the store, for tests.
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

// recorder is a SIP port without SIP.
type recorder struct {
	outbox *bridge.Outbox
	mu     sync.Mutex
	calls  []string
}

func (r *recorder) Name() string                  { return "sip" }
func (r *recorder) Run(ctx context.Context) error { <-ctx.Done(); return nil }
func (r *recorder) Attach(leg bridge.Leg, how bridge.Interest) {
	r.record(fmt.Sprintf("%s %s>%s", [...]string{"fetch", "follow"}[how], leg.Watcher, leg.Presentity))
}
func (r *recorder) Detach(leg bridge.Leg) {
	r.record(fmt.Sprintf("detach %s>%s", leg.Watcher, leg.Presentity))
}
func (r *recorder) record(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, s)
}

// take returns what was called since the last take.
func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	calls := r.calls
	r.calls = nil
	return calls
}

// inWorld runs f in a synctest bubble with a world that is joined.
func inWorld(t *testing.T, f func(w *world)) {
	t.Helper()
	inWorldWith(t, nil, f)
}

// inWorldWith is inWorld with a store of pictures.
func inWorldWith(t *testing.T, pics *picture.Store, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, pics)
		w.wait()
		if err := w.port.Ready(); err != nil {
			t.Fatalf("not ready: %v", err)
		}
		w.srv.Forget()
		w.far.Forget()
		f(w)
		w.stop()
	})
}

func newWorld(t *testing.T, pics *picture.Store) *world {
	w := &world{
		pics:  pics,
		t:     t,
		store: store.NewMemory(),
		sip:   &recorder{outbox: bridge.NewOutbox()},
		srv:   bridgetest.NewComponentServer(t, "sip.example", "s3cret"),
		far:   bridgetest.NewComponentServer(t, "far.example", "s3cret"),
	}
	w.srv.Answer(bridgetest.AnswerPings)
	w.far.Answer(bridgetest.AnswerPings)
	w.start()
	return w
}

// start makes a hub on what is stored, and runs a port on it.
func (w *world) start() {
	w.t.Helper()
	hub, err := bridge.New(bridge.Config{Store: w.store, Codec: jsonCodec, Directory: bridge.NewDirectory([]bridge.Domain{
		{Name: "sip.example", Scheme: presence.SIP, Here: true, Default: policy.Confirm,
			Users: map[string]bool{"alice": true, "bob": true, "carol": true, "o'malley": true}},
		{Name: "far.example", Scheme: presence.SIP, Port: "sip"},
		{Name: "im.example", Scheme: presence.XMPP, Port: "xmpp"},
	})})
	if err != nil {
		w.t.Fatal(err)
	}
	w.hub = hub
	hub.Register(w.sip)
	port, err := New(Config{
		Components: []Component{
			{Server: "xmpp.test:5347", Domain: "sip.example", Secret: "s3cret"},
			{Server: "xmpp.test:5348", Domain: "far.example", Secret: "s3cret"},
		},
		Domains:  []string{"im.example"},
		Pictures: w.pics,
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			if strings.HasSuffix(address, "8") {
				return w.far.Dial(ctx, network, address)
			}
			return w.srv.Dial(ctx, network, address)
		},
	}, w.hub, nil, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.port = port
	w.hub.Register(port)
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := port.Run(ctx); err != nil {
			w.t.Errorf("Run: %v", err)
		}
	}()
	var once sync.Once
	w.stop = func() {
		once.Do(func() {
			cancel()
			<-done
			if err := hub.Close(); err != nil {
				w.t.Errorf("closing the hub: %v", err)
			}
		})
	}
}

func (w *world) wait() {
	time.Sleep(time.Millisecond)
	synctest.Wait()
}

// send lets the XMPP server send stanzas to the component of sip.example.
func (w *world) send(stanzas ...string) {
	w.t.Helper()
	w.sendOn(w.srv, stanzas...)
}

func (w *world) sendOn(srv *bridgetest.ComponentServer, stanzas ...string) {
	w.t.Helper()
	for _, s := range stanzas {
		err := srv.Send("%s", s)
		if err != nil {
			w.t.Fatal(err)
		}
	}
	w.wait()
}

// short is a stanza in one line: type, from and to, and for available presence
// what it shows.
func sprintf(format string, args ...any) string { return fmt.Sprintf(format, args...) }

func short(st bridgetest.Stanza) string {
	kind := st.Type
	if kind == "" {
		kind = st.Name
	}
	if st.Name == "iq" || st.Name == "message" {
		kind = st.Name + " " + st.Type
	}
	return fmt.Sprintf("%s %s>%s", kind, st.From, st.To)
}

// expect compares what the server got from sip.example since the last expect.
func (w *world) expect(want ...string) []bridgetest.Stanza {
	w.t.Helper()
	return w.expectOn(w.srv, want...)
}

func (w *world) expectOn(srv *bridgetest.ComponentServer, want ...string) []bridgetest.Stanza {
	w.t.Helper()
	w.wait()
	got := srv.Stanzas()
	srv.Forget()
	lines := make([]string, 0, len(got))
	others := got[:0:0]
	for _, st := range got {
		if personalOnly(st) {
			continue
		}
		others = append(others, st)
		lines = append(lines, short(st))
	}
	got = others
	if diff := cmp.Diff(append([]string{}, want...), lines); diff != "" {
		w.t.Errorf("stanzas (-want +got):\n%s", diff)
		w.t.FailNow()
	}
	return got
}

// personalOnly reports whether st is about personal eventing alone, which most
// tests are not about.
func personalOnly(st bridgetest.Stanza) bool {
	return strings.HasPrefix(st.ID, questionIDs) || st.Has(payload.NSPubSubEvent) ||
		strings.HasSuffix(st.From, "/"+watcherResource) && strings.Contains(st.XML, "<priority>-1</priority>")
}

// onlyUnavailable checks that nothing of got shows anyone as available.
func (w *world) onlyUnavailable(got []bridgetest.Stanza) {
	w.t.Helper()
	for _, st := range got {
		if st.Type != unavailable {
			w.t.Errorf("%s", st.XML)
		}
	}
}

// calls compares what was asked of the SIP port since the last calls.
func (w *world) calls(want ...string) {
	w.t.Helper()
	w.wait()
	if diff := cmp.Diff(append([]string(nil), want...), w.sip.take()); diff != "" {
		w.t.Errorf("SIP port (-want +got):\n%s", diff)
	}
}

// publish publishes s for a, in the place of the publication tag.
func (w *world) publish(a presence.Addr, tag string, s *presence.State) string {
	w.t.Helper()
	r, err := w.hub.Publish(w.t.Context(), bridge.Publication{Presentity: a, Source: "sip", IfMatch: tag,
		Expires: time.Hour, State: s, Change: bridge.NewChange()})
	if err != nil {
		w.t.Fatalf("Publish: %v", err)
	}
	return r.ETag
}

// allow lets watcher see presentity.
func (w *world) allow(watcher, presentity presence.Addr) { w.answer(watcher, presentity, policy.Allow) }

func (w *world) answer(watcher, presentity presence.Addr, h policy.SubHandling) {
	w.t.Helper()
	err := w.hub.Authorize(w.t.Context(), bridge.Leg{Watcher: watcher, Presentity: presentity}, h, bridge.NewChange())
	if err != nil {
		w.t.Fatalf("Authorize: %v", err)
	}
	w.wait()
}

// watch is a SIP user's SUBSCRIBE, expires 0 to end or fetch.
func (w *world) watch(watcher, presentity presence.Addr, expires time.Duration) {
	w.t.Helper()
	_, err := w.hub.Watch(w.t.Context(), bridge.WatchRequest{
		Leg: bridge.Leg{Watcher: watcher, Presentity: presentity}, Port: "sip", ID: "dialog-" + watcher.User,
		Expires: expires, Outbox: w.sip.outbox, Change: bridge.NewChange(),
	})
	if err != nil {
		w.t.Fatalf("Watch: %v", err)
	}
	w.wait()
}

// last returns the newest item for a SIP watcher.
func (w *world) last(watcher presence.Addr) (it bridge.Item, ok bool) {
	w.t.Helper()
	w.wait()
	for _, i := range w.sip.outbox.Take(nil) {
		if i.Leg.Watcher == watcher {
			it, ok = i, true
		}
	}
	return it, ok
}

// open is a state with one open tuple, and a note when there is one. By its
// contact it is another service than those of other ids.
func open(id, note string) *presence.State {
	s := &presence.State{Services: []presence.Service{{ID: id, Basic: presence.Open, Contact: at(id)}}}
	if note != "" {
		s.Services[0].Notes = []presence.Note{{Text: note}}
	}
	return s
}

// at is the contact of the tuple id.
func at(id string) *presence.Contact { return &presence.Contact{URI: "sip:alice@" + id + ".example"} }
