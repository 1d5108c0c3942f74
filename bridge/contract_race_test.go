package bridge_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/bridge/policy"
	"github.com/porchlight-im/porchlight/bridge/store"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

// RFC 8048 §8.2: whatever happens on whichever legs, no watcher is ever shown
// what was delivered for another.
func TestContract_I3_NoLeak(t *testing.T) {
	watchers := []presence.Addr{alice, bob, carol}
	presentities := []presence.Addr{juliet, romeo, far}
	rapid.Check(t, func(rt *rapid.T) {
		s := newStage(t, policy.Allow, nil)
		defer s.hub.Close()
		check := func() {
			for _, it := range s.box.Take(nil) {
				if it.View == nil || it.View.State == nil {
					continue
				}
				for _, svc := range it.View.State.Services {
					for _, n := range svc.Notes {
						if n.Text != it.Leg.Watcher.User+" "+it.Leg.Presentity.User {
							rt.Fatalf("%v was shown %q", it.Leg, n.Text)
						}
					}
				}
			}
		}
		leg := func() bridge.Leg {
			return legOf(rapid.SampledFrom(watchers).Draw(rt, "watcher"), rapid.SampledFrom(presentities).Draw(rt, "presentity"))
		}
		rt.Repeat(map[string]func(*rapid.T){
			"watch": func(rt *rapid.T) {
				_, _ = s.tryWatch(leg(), rapid.SampledFrom([]string{"x", "y"}).Draw(rt, "id"),
					rapid.SampledFrom([]time.Duration{0, time.Hour, bridge.Forever}).Draw(rt, "expires"))
			},
			"deliver": func(rt *rapid.T) {
				l := leg()
				s.hub.Deliver(l, "c", func(old *presence.State) *presence.State {
					if old != nil && len(old.Services) > 0 && old.Services[0].Notes[0].Text != l.Watcher.User+" "+l.Presentity.User {
						rt.Fatalf("%v was given the state of another leg to change", l)
					}
					return open(l.Watcher.User + " " + l.Presentity.User)
				})
			},
			"settle": func(rt *rapid.T) {
				s.settle(leg(), rapid.SampledFrom([]bridge.Verdict{active, {State: bridge.Pending},
					{State: bridge.Terminated, Reason: "rejected"}, {State: bridge.Terminated, Reason: "timeout"}}).Draw(rt, "verdict"))
			},
			"park": func(rt *rapid.T) { s.hub.Park(leg()) },
			"standing": func(rt *rapid.T) {
				l := leg()
				_, v := s.hub.Standing(l)
				if c := content(v); c != "-" && c != "empty" && c != "open "+l.Watcher.User+" "+l.Presentity.User {
					rt.Fatalf("%v may see %s", l, c)
				}
			},
			"": func(rt *rapid.T) { check() },
		})
	})
}

// A Detach never overtakes the Attach before it, however late that one is: the
// home port's last word agrees with the hub.
func TestContract_C8_AttachAndDetachInOrder(t *testing.T) {
	play(t, policy.Allow, func(t *testing.T, s *stage) {
		leg, hold := legOf(bob, juliet), make(chan struct{})
		s.xmpp.late = true
		s.xmpp.on = func(what string, _ bridge.Leg) {
			if what == "follow" {
				<-hold
			}
		}
		go func() { _, _ = s.tryWatch(leg, "d1", time.Hour) }()
		synctest.Wait() // the Attach is on its way
		done := make(chan struct{})
		go func() { defer close(done); _, _ = s.tryWatch(leg, "d1", 0) }()
		synctest.Wait()
		select {
		case <-done:
		default:
			t.Error("a slow home port holds up another watcher's request")
		}
		close(hold)
		<-done
		s.asked(s.xmpp, "follow bob juliet", "detach bob juliet")
	})
}

// Many goroutines do everything at once; afterwards the last thing each
// watcher was told is the truth, and so is what a new process finds.
func TestContract_StressLastWordIsTheTruth(t *testing.T) {
	for round := range 20 { // only the last change of each counts
		stress(t, uint64(round))
	}
}

func stress(t *testing.T, round uint64) {
	t.Helper()
	st := store.NewMemory()
	s := newStage(t, policy.Confirm, st)
	defer s.close()
	watchers := make([]presence.Addr, 8)
	for i := range watchers {
		watchers[i] = presence.Addr{Scheme: presence.SIP, User: "w" + name(i), Host: "elsewhere.example"}
	}
	all := append([]presence.Addr{alice, bob, juliet, romeo}, far)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(round, uint64(g)))
			tags := map[presence.Addr]string{}
			for i := range 150 {
				p := all[r.IntN(len(all))]
				leg := legOf(watchers[r.IntN(len(watchers))], p)
				switch r.IntN(6) {
				case 0, 1:
					rec, err := s.hub.Publish(context.Background(), bridge.Publication{Presentity: p, IfMatch: tags[p],
						Expires: time.Hour, State: open(fmt.Sprintf("g%d-%d", g, i))})
					if err == nil {
						tags[p] = rec.ETag
					}
				case 2:
					_, _ = s.tryWatch(leg, "w", time.Hour)
				case 3:
					_ = s.hub.Authorize(context.Background(), leg, policy.SubHandling(r.IntN(4)), "")
				case 4:
					s.deliver(leg, open(fmt.Sprintf("%s %s %d", leg.Watcher.User, p.User, i)))
				case 5:
					s.settle(leg, bridge.Verdict{State: bridge.SubState(1 + r.IntN(2))})
				}
			}
		})
	}
	wg.Wait()
	s.compare(t, st)
}

// compare demands that the last thing each watcher was told is the truth, and
// what a process that starts on st finds.
func (s *stage) compare(t *testing.T, st *store.Memory) {
	t.Helper()
	last := map[bridge.Leg]bridge.Item{}
	for _, it := range s.box.Take(nil) {
		last[it.Leg] = it
	}
	st2 := st.Copy()
	s2 := newStage(t, policy.Confirm, st2)
	defer s2.close()
	s2.hub.Resume("sip", func(bridge.Resumed) *bridge.Outbox { return s2.box })
	n := 0
	for leg, it := range last {
		v, view := s.hub.Standing(leg)
		if it.Final {
			continue
		}
		n++
		if it.Verdict.State != v.State || it.Verdict.Hidden != v.Hidden || v.State == bridge.Active && content(it.View) != content(view) {
			t.Errorf("%v was told %v %s, but it stands %v %s", leg, it.Verdict.State, content(it.View), v.State, content(view))
		}
		v2, view2 := s2.hub.Standing(leg)
		if v2.State != v.State || v.State == bridge.Active && content(view2) != content(view) {
			t.Errorf("%v: after a restart %v %s, before %v %s", leg, v2.State, content(view2), v.State, content(view))
		}
	}
	if n < 10 {
		t.Errorf("only %d legs are left to be compared", n)
	}
}

func TestContract_NothingRunsAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, policy.Allow, nil)
		s.watch(legOf(bob, alice), "d1", time.Minute)
		s.publish("", time.Minute, open("a"))
		s.told()
		s.close()
		time.Sleep(time.Hour)
		s.is()
	})
}
