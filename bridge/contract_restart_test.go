package bridge_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/bridge/policy"
	"github.com/porchlight-im/porchlight/bridge/store"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

// killed returns a stage on what st holds at this moment, as after kill -9.
func killed(t *testing.T, def policy.SubHandling, st *store.Memory) (*stage, *store.Memory) {
	t.Helper()
	c := st.Copy()
	return newStage(t, def, c), c
}

func TestContract_SUB_45_Restart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := store.NewMemory()
		s := newStage(t, policy.Confirm, st)
		s.authorize(legOf(bob, alice), policy.Allow)
		tag := s.publish("", time.Hour, open("a"))
		_, err := s.hub.Watch(t.Context(), bridge.WatchRequest{Leg: legOf(bob, alice), Port: "sip", ID: "d1",
			Expires: time.Hour, Outbox: s.box, Data: []byte("dialog 1")})
		if err != nil {
			t.Fatal(err)
		}
		s.watch(legOf(bob, alice), "d1", 2*time.Hour) // nil Data keeps what is stored
		s.hub.Note(legOf(bob, alice), "sip", "d1", []byte("dialog 2"))
		s.watch(legOf(carol, alice), "d2", time.Hour)
		f := legOf(bob, juliet)
		s.watch(f, "d3", bridge.Forever)
		s.settle(f, active)
		s.deliver(f, open("j"))
		s.hub.Keep(f, []byte("kept"))
		time.Sleep(time.Minute)

		s2, _ := killed(t, policy.Confirm, st)
		s.close()
		defer s2.close()
		var got []string
		s2.hub.Resume("web", func(r bridge.Resumed) *bridge.Outbox { t.Errorf("web resumes %+v", r); return nil })
		s2.hub.Resume("sip", func(r bridge.Resumed) *bridge.Outbox {
			left := "forever"
			if !r.Expires.IsZero() {
				left = time.Until(r.Expires).Round(time.Minute).String()
			}
			got = append(got, r.ID+" "+r.Verdict.State.String()+" "+left+" "+string(r.Data))
			return s2.box
		})
		slices.Sort(got)
		want := []string{"d1 active 1h59m0s dialog 2", "d2 pending 59m0s ", "d3 active forever "}
		if !slices.Equal(got, want) {
			t.Errorf("resumed %q, want %q", got, want)
		}
		s2.told()
		n := 0
		s2.hub.Attached("xmpp", func(l bridge.Leg, v bridge.Verdict, x *presence.State, data []byte) {
			n++
			if l != f || v.State != bridge.Active || !same(x, open("j")) || string(data) != "kept" {
				t.Errorf("attached %v %+v %v %s", l, v, x, data)
			}
		})
		if n != 1 {
			t.Errorf("%d legs attached", n)
		}
		s2.asked(s2.xmpp)
		s2.publish(tag, time.Hour, open("b"))
		s2.is("d1 active: open b")
		s2.watch(legOf(bob, alice), "d1", time.Hour) // the next refresh works
		s2.is("d1 active M: open b")
		s2.deliver(f, open("j2"))
		s2.is("d3 active: open j2")
	})
}

func TestContract_SUB_45_ExpiredWhileDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := store.NewMemory()
		s := newStage(t, policy.Allow, st)
		tag := s.publish("", time.Minute, open("a"))
		s.watch(legOf(bob, alice), "d1", time.Minute)
		s.watch(legOf(carol, alice), "d2", time.Hour)
		f := legOf(bob, juliet)
		s.watch(f, "d3", time.Minute)
		s.settle(f, active)
		dead := st.Copy()
		s.close()
		time.Sleep(10 * time.Minute)

		s = newStage(t, policy.Allow, dead)
		defer s.close()
		s.hub.Resume("sip", func(bridge.Resumed) *bridge.Outbox { return s.box })
		time.Sleep(2 * time.Second)
		final := map[string]bool{}
		for _, it := range s.box.Take(nil) {
			final[it.ID] = it.Final
			if it.Final && it.Verdict.Reason != "timeout" {
				t.Errorf("%s ended for %q", it.ID, it.Verdict.Reason)
			}
			if it.ID == "d2" && content(it.View) != "closed" {
				t.Errorf("d2 was told %s: the publication has expired", content(it.View))
			}
		}
		if !final["d1"] || final["d2"] || !final["d3"] {
			t.Errorf("ended: %v", final)
		}
		if _, told := final["d2"]; !told {
			t.Error("d2 was not told that the publication expired while the server was down")
		}
		_, err := s.tryPublish(tag, time.Hour, nil)
		kind(t, err, bridge.Stale)
		if v := s.watch(f, "d4", time.Minute); v.State != bridge.Active {
			t.Errorf("the authorization is lost: %v", v.State) // C10
		}
	})
}

func TestContract_ResumeNilEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := store.NewMemory()
		s := newStage(t, policy.Allow, st)
		s.watch(legOf(bob, alice), "d1", time.Hour)
		s2, st2 := killed(t, policy.Allow, st)
		s.close()
		s2.hub.Resume("sip", func(bridge.Resumed) *bridge.Outbox { return nil })
		s3, _ := killed(t, policy.Allow, st2)
		s2.close()
		defer s3.close()
		s3.hub.Resume("sip", func(r bridge.Resumed) *bridge.Outbox { t.Errorf("resumed again: %+v", r); return nil })
	})
}

// Whatever address a peer invents, it does not keep the next process from
// starting.
func TestContract_OddAddressesSurvive(t *testing.T) {
	for _, w := range []presence.Addr{
		{},
		{Scheme: presence.SIP, Host: "only.example"},
		{User: "anonymous", Host: "anonymous.invalid"},
		{Scheme: presence.SIP, User: "a@b", Host: "x.example"},
		{Scheme: presence.SIP, User: "a\x00b", Host: "x.example"},
		{Scheme: presence.SIP, User: "a", Host: "x;y"},
		{Scheme: presence.SIP, User: "a", Host: "x y"},
		{Scheme: presence.SIP, User: "\xff", Host: "x.example"},
		{Scheme: presence.SIP, User: "a", Host: "[2001:db8::1]"},
	} {
		st := store.NewMemory()
		s := newStage(t, policy.Allow, st)
		_, err := s.tryWatch(legOf(w, alice), "id", time.Hour)
		s.close()
		if err != nil {
			continue // refused is fine
		}
		hub, err := bridge.New(bridge.Config{Directory: s.hub.Directory(), Store: st.Copy(), Codec: jsonCodec})
		if err != nil {
			t.Errorf("watcher %+v: the next process does not start: %v", w, err)
			continue
		}
		n := 0
		hub.Resume("sip", func(r bridge.Resumed) *bridge.Outbox {
			n++
			if r.Leg.Watcher != w || r.ID != "id" {
				t.Errorf("watcher %+v came back as %+v, id %q", w, r.Leg.Watcher, r.ID)
			}
			return bridge.NewOutbox()
		})
		if n != 1 {
			t.Errorf("watcher %+v: %d subscriptions came back", w, n)
		}
		_ = hub.Close()
	}
}

// A start with a domain left out of the configuration must not cost its users
// the answers they gave "for ever".
func TestContract_ADomainLeftOutOnce(t *testing.T) {
	st := store.NewMemory()
	s := newStage(t, policy.Confirm, st)
	s.authorize(legOf(bob, alice), policy.Allow)
	s.close()
	hub, err := bridge.New(bridge.Config{Directory: bridge.NewDirectory([]bridge.Domain{{Name: "other.example", Here: true}}), Store: st, Codec: jsonCodec})
	if err != nil {
		t.Fatal(err)
	}
	_ = hub.Close()
	s = newStage(t, policy.Confirm, st)
	defer s.close()
	v := s.watch(legOf(bob, alice), "d", time.Hour)
	if v.State != bridge.Active {
		t.Errorf("the answer is gone: %v", v.State)
	}
}

// A refresh or an end that could not be stored leaves the subscription as it
// was.
func TestContract_PUB_18_RefreshAndEndFail(t *testing.T) {
	for _, leg := range []bridge.Leg{legOf(bob, alice), legOf(bob, juliet)} {
		t.Run(leg.Presentity.User, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := store.NewMemory()
				s := newStage(t, policy.Allow, st)
				defer s.close()
				s.watch(leg, "d1", time.Hour)
				s.settle(leg, active)
				s.told()
				for _, d := range []time.Duration{2 * time.Hour, 0} {
					st.SetFail(errors.New("disk full"))
					_, err := s.tryWatch(leg, "d1", d)
					if err == nil {
						t.Error("not stored, and no error")
					}
					st.SetFail(nil)
					s.told()
				}
				if leg.Presentity == alice {
					s.publish("", 10*time.Hour, open("a"))
				} else {
					s.deliver(leg, open("a"))
				}
				s.is("d1 active: open a")
				time.Sleep(61 * time.Minute)
				items := s.box.Take(nil)
				if len(items) != 1 || !items[0].Final {
					t.Errorf("at the old expiry: %+v", items)
				}
			})
		})
	}
}
