package bridge_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/bridge/policy"
	"github.com/porchlight-im/porchlight/bridge/store"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

// The people of the contract's tests. Alice and Bob are homed here; Juliet and
// Romeo are Jabber users; Far is on another SIP server.
var (
	alice  = presence.Addr{Scheme: presence.SIP, User: "alice", Host: "sip.example"}
	bob    = presence.Addr{Scheme: presence.SIP, User: "bob", Host: "sip.example"}
	carol  = presence.Addr{Scheme: presence.SIP, User: "carol", Host: "sip.example"}
	juliet = presence.Addr{Scheme: presence.XMPP, User: "juliet", Host: "im.example"}
	romeo  = presence.Addr{Scheme: presence.XMPP, User: "romeo", Host: "im.example"}
	far    = presence.Addr{Scheme: presence.SIP, User: "far", Host: "far.example"}
)

// jsonCodec is lossless and needs no other package.
var jsonCodec = bridge.Codec{
	Append: func(dst []byte, s *presence.State) []byte {
		b, err := json.Marshal(s)
		if err != nil {
			panic(err)
		}
		return append(dst, b...)
	},
	Decode: func(b []byte) (*presence.State, error) {
		s := &presence.State{}
		err := json.Unmarshal(b, s)
		return s, err
	},
}

// home is a home port that notes what is asked of it.
type home struct {
	name string
	on   func(what string, leg bridge.Leg) // called in Attach and Detach
	late bool                              // on is called before the note is made

	mu    sync.Mutex
	asked []string
	state map[bridge.Leg]string // last word per leg
}

func (p *home) Name() string              { return p.name }
func (p *home) Run(context.Context) error { return nil }
func (p *home) Attach(leg bridge.Leg, how bridge.Interest) {
	p.note([]string{"fetch", "follow"}[how], leg)
}
func (p *home) Detach(leg bridge.Leg) { p.note("detach", leg) }

func (p *home) note(what string, leg bridge.Leg) {
	p.mu.Lock()
	on, late := p.on, p.late
	p.mu.Unlock()
	if on != nil && late {
		on(what, leg)
	}
	p.mu.Lock()
	p.asked = append(p.asked, what+" "+leg.Watcher.User+" "+leg.Presentity.User)
	if p.state == nil {
		p.state = map[bridge.Leg]string{}
	}
	p.state[leg] = what
	p.mu.Unlock()
	if on != nil && !late {
		on(what, leg)
	}
}

func (p *home) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.asked
	p.asked = nil
	return a
}

// stage is a hub with recording home ports and one outbox.
type stage struct {
	t         *testing.T
	hub       *bridge.Hub
	xmpp, sip *home
	box       *bridge.Outbox
}

func newStage(t testing.TB, def policy.SubHandling, st store.Store) *stage {
	t.Helper()
	hub, err := bridge.New(bridge.Config{
		Directory: bridge.NewDirectory([]bridge.Domain{
			{Name: "sip.example", Scheme: presence.SIP, Here: true, Default: def,
				Users: map[string]bool{"alice": true, "bob": true, "carol": true}},
			{Name: "im.example", Scheme: presence.XMPP, Port: "xmpp"},
			{Name: "far.example", Scheme: presence.SIP, Port: "sip"},
		}),
		Log:   slog.New(slog.DiscardHandler),
		Store: st,
		Codec: jsonCodec,
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{hub: hub, xmpp: &home{name: "xmpp"}, sip: &home{name: "sip"}, box: bridge.NewOutbox()}
	s.t, _ = t.(*testing.T)
	hub.Register(s.xmpp)
	hub.Register(s.sip)
	return s
}

func (s *stage) close() {
	s.t.Helper()
	err := s.hub.Close()
	if err != nil {
		s.t.Errorf("Close: %v", err)
	}
}

// play runs f with a fresh stage in fake time.
func play(t *testing.T, def policy.SubHandling, f func(t *testing.T, s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, def, nil)
		defer s.close()
		f(t, s)
	})
}

func legOf(watcher, presentity presence.Addr) bridge.Leg {
	return bridge.Leg{Watcher: watcher, Presentity: presentity}
}

func (s *stage) tryWatch(leg bridge.Leg, id string, d time.Duration) (bridge.Verdict, error) {
	return s.hub.Watch(context.Background(), bridge.WatchRequest{Leg: leg, Port: "sip", ID: id, Expires: d, Outbox: s.box, Change: bridge.NewChange()})
}

func (s *stage) watch(leg bridge.Leg, id string, d time.Duration) bridge.Verdict {
	s.t.Helper()
	v, err := s.tryWatch(leg, id, d)
	if err != nil {
		s.t.Fatalf("Watch(%s→%s, %s): %v", leg.Watcher, leg.Presentity, id, err)
	}
	return v
}

func (s *stage) tryPublish(tag string, d time.Duration, st *presence.State) (bridge.Receipt, error) {
	return s.hub.Publish(context.Background(), bridge.Publication{Presentity: alice, Source: "sip", IfMatch: tag, Expires: d, State: st, Change: bridge.NewChange()})
}

func (s *stage) publish(tag string, d time.Duration, st *presence.State) string {
	s.t.Helper()
	r, err := s.tryPublish(tag, d, st)
	if err != nil {
		s.t.Fatalf("Publish: %v", err)
	}
	if r.ETag == "" || r.Expires != d {
		s.t.Fatalf("Publish: receipt %+v for Expires %v", r, d)
	}
	return r.ETag
}

func (s *stage) authorize(leg bridge.Leg, a policy.SubHandling) {
	s.t.Helper()
	err := s.hub.Authorize(context.Background(), leg, a, bridge.NewChange())
	if err != nil {
		s.t.Fatalf("Authorize: %v", err)
	}
}

func (s *stage) deliver(leg bridge.Leg, st *presence.State) {
	s.hub.Deliver(leg, bridge.NewChange(), func(*presence.State) *presence.State { return st })
}

func (s *stage) settle(leg bridge.Leg, v bridge.Verdict) { s.hub.Settle(leg, v, bridge.NewChange()) }

var active = bridge.Verdict{State: bridge.Active}

// open makes the state of one service whose contact and note tell it apart.
func open(name string) *presence.State { return service(name, presence.Open) }

func service(name string, b presence.Basic) *presence.State {
	return &presence.State{Services: []presence.Service{{ID: "t-" + name, Basic: b,
		Contact: &presence.Contact{URI: "sip:" + name + "@192.0.2.1"}, Notes: []presence.Note{{Text: name}}}}}
}

// told writes what is in the box, one line for each item, in the order of ids:
// "id state(reason) [M]andatory [F]inal [P]robe: content".
func (s *stage) told() string {
	items := s.box.Take(nil)
	lines := make([]string, 0, len(items))
	for _, it := range items {
		lines = append(lines, describe(it))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func describe(it bridge.Item) string {
	l := it.ID + " " + it.Verdict.State.String()
	if it.Verdict.Reason != "" {
		l += "(" + it.Verdict.Reason + ")"
	}
	for _, f := range []struct {
		on   bool
		mark string
	}{{it.Mandatory, "M"}, {it.Final, "F"}, {it.Probe, "P"}} {
		if f.on {
			l += " " + f.mark
		}
	}
	return l + ": " + content(it.View)
}

// content writes what a View shows: "-" for no View, "empty" for no service.
func content(v *bridge.View) string {
	if v == nil || v.State == nil {
		return "-"
	}
	var parts []string
	for _, t := range v.State.Services {
		p := [...]string{"none", "open", "closed", "odd"}[t.Basic]
		for _, n := range t.Notes {
			p += " " + n.Text
		}
		parts = append(parts, p)
	}
	slices.Sort(parts)
	if len(parts) == 0 {
		return "empty"
	}
	return strings.Join(parts, ", ")
}

// is demands that exactly want has been told since the last time.
func (s *stage) is(want ...string) {
	s.t.Helper()
	synctest.Wait()
	slices.Sort(want)
	got := s.told()
	if got != strings.Join(want, "\n") {
		s.t.Errorf("told:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
}

// asked demands what p was asked since the last time, in order.
func (s *stage) asked(p *home, want ...string) {
	s.t.Helper()
	synctest.Wait()
	got := p.take()
	if !slices.Equal(got, want) {
		s.t.Errorf("%s was asked %q, want %q", p.name, got, want)
	}
}

// kind demands an error of kind k.
func kind(t *testing.T, err error, k bridge.Kind) {
	t.Helper()
	e, ok := err.(*bridge.Error)
	if !ok || e.Kind != k {
		t.Errorf("error %v, want kind %v", err, k)
	}
}

func encode(s *presence.State) []byte { return jsonCodec.Append(nil, s) }

func same(a, b *presence.State) bool { return bytes.Equal(encode(a), encode(b)) }

func name(i int) string { return fmt.Sprintf("n%03d", i) }
