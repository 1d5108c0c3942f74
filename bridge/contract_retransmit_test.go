package bridge_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/bridge/policy"
	"github.com/porchlight-im/porchlight/bridge/store"
)

// A removal whose answer is lost with the process is answered the same by the
// next one, for as long as it can come again, and then nothing of it is left.
func TestContract_PUB_13_RemovalAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := store.NewMemory()
		s := newStage(t, policy.Allow, st)
		removal := bridge.Publication{Presentity: alice, IfMatch: s.publish("", time.Hour, open("a")), Request: "r1"}
		first, err := s.hub.Publish(t.Context(), removal)
		if err != nil {
			t.Fatal(err)
		}
		s2, st2 := killed(t, policy.Allow, st)
		for range 2 {
			again, err := s2.hub.Publish(t.Context(), removal)
			if err != nil || again != first {
				t.Errorf("%+v, %v, want %+v", again, err, first)
			}
		}
		other := removal
		other.Request = "r2"
		_, err = s2.hub.Publish(t.Context(), other)
		kind(t, err, bridge.Stale)
		late := st2.Copy() // of a process that is down for longer
		time.Sleep(33 * time.Second)
		for _, x := range []*store.Memory{st, st2} {
			x.Copy().Load(t.Context(), func(r store.Record) error {
				if r.Key != "o" { // the gateway's name
					t.Errorf("left: %q", r.Key)
				}
				return nil
			})
		}
		s3 := newStage(t, policy.Allow, late)
		for _, x := range []*stage{s2, s3} {
			_, err = x.hub.Publish(t.Context(), removal)
			kind(t, err, bridge.Stale)
			if n := x.hub.Stats().Presentities; n != 0 {
				t.Errorf("%d presentities left", n)
			}
			x.close()
		}
		s.close()
	})
}

func TestContract_PUB_05_Known(t *testing.T) {
	play(t, policy.Allow, func(t *testing.T, s *stage) {
		old := s.publish("", time.Hour, open("a"))
		tag := s.publish(old, time.Hour, nil)
		if !s.hub.Known(alice, tag) {
			t.Error("a live tag is not known")
		}
		if s.hub.Known(alice, old) || s.hub.Known(alice, "") || s.hub.Known(bob, tag) || s.hub.Known(far, tag) {
			t.Error("known: an old tag, none, or that of another")
		}
		time.Sleep(61 * time.Minute)
		if s.hub.Known(alice, tag) {
			t.Error("an expired tag is known")
		}
	})
}

// The end of a subscription whose answer, or last item, is lost with the
// process is given to its port by the next one, once, for as long as the
// request can come again; then nothing of it is left.
func TestContract_SUB_13_EndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := store.NewMemory()
		s := newStage(t, policy.Allow, st)
		s.publish("", time.Hour, open("a"))
		f := legOf(bob, juliet)
		s.watch(f, "d2", time.Hour)
		s.settle(f, active)
		s.watch(legOf(carol, alice), "d3", time.Hour)
		s.watch(legOf(carol, alice), "d3", 0) // without data: not to be known again
		for id, leg := range map[string]bridge.Leg{"d1": legOf(bob, alice), "d2": f} {
			s.watch(leg, id, time.Hour)
			_, err := s.hub.Watch(t.Context(), bridge.WatchRequest{Leg: leg, Port: "sip", ID: id, Outbox: s.box, Data: []byte("end of " + id)})
			if err != nil {
				t.Fatal(err)
			}
		}
		s2, st2 := killed(t, policy.Allow, st)
		late := st.Copy()
		var got []string
		s2.hub.Resume("sip", func(r bridge.Resumed) *bridge.Outbox {
			if !r.Ended || r.Verdict.State != bridge.Active {
				t.Errorf("resumed %+v", r)
			}
			got = append(got, r.ID+" "+string(r.Data))
			return s2.box
		})
		slices.Sort(got)
		if want := []string{"d1 end of d1", "d2 end of d2"}; !slices.Equal(got, want) {
			t.Errorf("resumed %q, want %q", got, want)
		}
		s2.is("d1 terminated(timeout) M F: open a", "d2 terminated(timeout) M F: -")
		s2.asked(s2.xmpp)
		s2.hub.Resume("sip", func(r bridge.Resumed) *bridge.Outbox { t.Errorf("resumed twice: %+v", r); return nil })

		time.Sleep(33 * time.Second)
		for _, x := range []*store.Memory{st, st2} {
			x.Copy().Load(t.Context(), func(r store.Record) error {
				if r.Key[0] == 's' {
					t.Errorf("left: %q", r.Key)
				}
				return nil
			})
		}
		s3 := newStage(t, policy.Allow, late) // down for longer
		s3.hub.Resume("sip", func(r bridge.Resumed) *bridge.Outbox { t.Errorf("resumed too late: %+v", r); return nil })
		for _, x := range []*stage{s, s2, s3} {
			x.close()
		}
	})
}
