package simple

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/bridge/policy"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/simple/pidf"
)

// farServer is a second gateway, the home of far.example, in place of the
// scripted notifier.
func farServer(t *testing.T, w *world, rule policy.SubHandling) (hub *bridge.Hub, p *Port, stop func()) {
	t.Helper()
	hub, err := bridge.New(bridge.Config{
		Directory: bridge.NewDirectory([]bridge.Domain{
			{Name: "far.example", Scheme: presence.SIP, Here: true, Default: rule},
			{Name: "im.example", Scheme: presence.XMPP, Port: "xmpp"},
		}),
		Codec: codec,
	})
	if err != nil {
		t.Fatal(err)
	}
	p, err = New(Config{Listen: []string{"udp://" + proxyAddr}, Trusted: []string{"192.0.2.1"}, Net: w.net}, hub,
		slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})).With("at", "far"), nil)
	if err != nil {
		t.Fatal(err)
	}
	hub.Register(p)
	hub.Register(&jabber{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	synctest.Wait()
	return hub, p, func() {
		cancel()
		err := <-done
		if err != nil {
			t.Error(err)
		}
		err = hub.Close()
		if err != nil {
			t.Error(err)
		}
	}
}

// romeoPublishes puts a state at romeo's home.
func romeoPublishes(t *testing.T, hub *bridge.Hub, note string) {
	t.Helper()
	s, err := pidf.Decode([]byte(romeoIs(note)))
	if err != nil {
		t.Fatal(err)
	}
	_, err = hub.Publish(t.Context(), bridge.Publication{
		Presentity: romeo, Source: "test", Expires: 24 * time.Hour, State: s, Change: bridge.NewChange(),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestX2S_TwoGateways: this watcher against this presence server, over days
// of refreshes, approval, and a restart that forgets everything.
func TestX2S_TwoGateways(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, setup{config: func(c *Config) { c.Outbound = "sip:" + proxyAddr + ";lr" }})
		e := &elsewhere{world: w, box: bridge.NewOutbox()}
		hub, _, stop := farServer(t, w, policy.Confirm)
		romeoPublishes(t, hub, "one")
		e.watch(theLeg, bridge.Forever)
		time.Sleep(time.Second)
		e.wantTold("pending")
		err := hub.Authorize(t.Context(), theLeg, policy.Allow, bridge.NewChange())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		e.wantTold("active=one")
		time.Sleep(12 * time.Hour)
		romeoPublishes(t, hub, "two")
		time.Sleep(10 * time.Second)
		if got := e.told(); got != "probe active=twoone" && got != "probe active=onetwo" && got != "active=twoone probe" && got != "active=onetwo probe" {
			t.Errorf("told %q", got)
		}
		stop() // the first process ends without a word
		// Its next process knows nothing; the watcher finds out by itself.
		hub, home, stop := farServer(t, w, policy.Allow)
		romeoPublishes(t, hub, "three")
		time.Sleep(2 * time.Hour)
		v, view := e.hub.Standing(theLeg)
		if v.State != bridge.Active || view.State.Services[0].Notes[0].Text != "three" {
			t.Errorf("%v, %+v", v, view)
		}
		e.watch(theLeg, 0)
		time.Sleep(time.Second)
		home.dialogs.m.Range(func(id, _ any) bool {
			t.Errorf("subscription %v is left", id)
			return true
		})
		w.stop()
		stop()
	})
}
