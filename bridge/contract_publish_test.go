package bridge_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/bridge/policy"
	"github.com/porchlight-im/porchlight/bridge/store"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

func TestContract_PUB_11_Refresh(t *testing.T) {
	play(t, policy.Allow, func(t *testing.T, s *stage) {
		tag := s.publish("", 60*time.Second, open("a"))
		s.watch(legOf(bob, alice), "d1", time.Hour)
		s.is("d1 active M: open a")
		time.Sleep(50 * time.Second)
		next := s.publish(tag, 60*time.Second, nil)
		if next == tag {
			t.Error("a refresh kept the entity-tag")
		}
		s.is()
		time.Sleep(50 * time.Second) // beyond the first expiry
		s.is()
		_, v := s.hub.Standing(legOf(bob, alice))
		if content(v) != "open a" {
			t.Errorf("shown %s", content(v))
		}
		time.Sleep(11 * time.Second)
		s.is("d1 active: closed")
	})
}

func TestContract_PUB_12_13_16_ModifyRemoveStale(t *testing.T) {
	play(t, policy.Allow, func(t *testing.T, s *stage) {
		s.watch(legOf(bob, alice), "d1", time.Hour)
		s.is("d1 active M: closed")
		t1 := s.publish("", time.Hour, open("a"))
		s.is("d1 active: open a")
		t2 := s.publish(t1, time.Hour, open("b"))
		s.is("d1 active: open b")
		_, err := s.tryPublish(t1, time.Hour, open("c"))
		kind(t, err, bridge.Stale)
		_, err = s.tryPublish(t1, 0, nil)
		kind(t, err, bridge.Stale)
		_, err = s.tryPublish("unknown", time.Hour, nil)
		kind(t, err, bridge.Stale)
		s.is()
		s.publish(t2, 0, nil)
		s.is("d1 active: closed")
		_, err = s.tryPublish(t2, time.Hour, nil)
		kind(t, err, bridge.Stale)
	})
}

func TestContract_PUB_05_TagOfAnotherUser(t *testing.T) {
	play(t, policy.Allow, func(t *testing.T, s *stage) {
		tag := s.publish("", time.Hour, open("a"))
		_, err := s.hub.Publish(t.Context(), bridge.Publication{Presentity: bob, IfMatch: tag, Expires: time.Hour, State: open("b")})
		kind(t, err, bridge.Stale)
		for _, a := range []presence.Addr{{Scheme: presence.SIP, User: "nobody", Host: "sip.example"}, juliet, far,
			{Scheme: presence.SIP, User: "x", Host: "unknown.example"}, {}} {
			_, err = s.hub.Publish(t.Context(), bridge.Publication{Presentity: a, Expires: time.Hour, State: open("b")})
			kind(t, err, bridge.NotFound)
		}
	})
}

func TestContract_PUB_14_InitialWithExpires0(t *testing.T) {
	play(t, policy.Allow, func(t *testing.T, s *stage) {
		s.watch(legOf(bob, alice), "d1", time.Hour)
		s.is("d1 active M: closed")
		tag := s.publish("", 0, open("a"))
		s.is()
		_, err := s.tryPublish(tag, time.Hour, nil)
		kind(t, err, bridge.Stale)
	})
}

func TestContract_PUB_15_TagsNeverRepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := store.NewMemory()
		seen := map[string]bool{}
		tag := ""
		for range 2 {
			s := newStage(t, policy.Allow, st)
			for i := range 5000 {
				var state *presence.State
				if tag == "" {
					state = open("a")
				}
				tag = s.publish(tag, time.Hour, state)
				if seen[tag] {
					t.Fatalf("tag %q given twice, at %d", tag, i)
				}
				seen[tag] = true
			}
			s.close()
			st = st.Copy()
		}
	})
}

func TestContract_PUB_17_OneWinner(t *testing.T) {
	s := newStage(t, policy.Allow, nil)
	defer s.close()
	tag := s.publish("", time.Hour, open("a"))
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for i := range 50 {
		wg.Go(func() {
			_, err := s.tryPublish(tag, time.Hour, open(name(i)))
			if err == nil {
				mu.Lock()
				won++
				mu.Unlock()
			} else if !errors.Is(err, &bridge.Error{Kind: bridge.Stale}) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d modifications with one tag succeeded", won)
	}
}

func TestContract_PUB_18_StoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := store.NewMemory()
		s := newStage(t, policy.Allow, st)
		defer s.close()
		s.watch(legOf(bob, alice), "d1", 10*time.Hour)
		tag := s.publish("", time.Hour, open("a"))
		s.told()
		state := func() string { _, v := s.hub.Standing(legOf(bob, alice)); return content(v) }
		for _, step := range []struct {
			what string
			tag  string
			d    time.Duration
			st   *presence.State
		}{
			{"initial", "", time.Hour, open("b")},
			{"modify", tag, time.Hour, open("c")},
			{"refresh", tag, 2 * time.Hour, nil},
			{"remove", tag, 0, nil},
		} {
			st.SetFail(errors.New("disk full"))
			r, err := s.tryPublish(step.tag, step.d, step.st)
			if err == nil || r.ETag != "" {
				t.Errorf("%s: receipt %+v, error %v", step.what, r, err)
			}
			if state() != "open a" {
				t.Errorf("%s: state is %s", step.what, state())
			}
			st.SetFail(nil)
			// Whatever was told in between, the last word is the truth.
			for _, it := range s.box.Take(nil) {
				if content(it.View) != "open a" {
					t.Errorf("%s: the last thing told is %s", step.what, content(it.View))
				}
			}
			tag2, err := s.tryPublish(tag, time.Hour, nil)
			if err != nil {
				t.Fatalf("%s: the old tag is not valid any more: %v", step.what, err)
			}
			tag = tag2.ETag
		}
		// What a new process finds is what this one says.
		s2 := newStage(t, policy.Allow, st.Copy())
		defer s2.close()
		if _, v := s2.hub.Standing(legOf(bob, alice)); content(v) != "open a" {
			t.Errorf("after a restart: %s", content(v))
		}
		time.Sleep(61 * time.Minute)
		if state() != "closed" {
			t.Errorf("after expiry: %s", state())
		}
	})
}

func TestContract_PUB_18_WatchAndAuthorizeFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := store.NewMemory()
		s := newStage(t, policy.Confirm, st)
		defer s.close()
		st.SetFail(errors.New("disk full"))
		_, err := s.tryWatch(legOf(bob, alice), "d1", time.Hour)
		if err == nil {
			t.Error("Watch succeeded without being stored")
		}
		_, err = s.tryWatch(legOf(bob, juliet), "d2", time.Hour)
		if err == nil {
			t.Error("Watch of a foreign presentity succeeded without being stored")
		}
		err = s.hub.Authorize(t.Context(), legOf(bob, alice), policy.Allow, bridge.NewChange())
		if err == nil {
			t.Error("Authorize succeeded without being stored")
		}
		synctest.Wait()
		if last := s.xmpp.state[legOf(bob, juliet)]; last == "follow" {
			t.Error("a leg that nobody watches stays attached")
		}
		st.SetFail(nil)
		s.told()
		s.publish("", time.Hour, open("a"))
		s.is() // no subscription is left
		s.watch(legOf(bob, alice), "d1", time.Hour)
		s.is("d1 pending M: -") // the answer was not stored
	})
}

func TestContract_PUB_21_22_TwoSources(t *testing.T) {
	play(t, policy.Allow, func(t *testing.T, s *stage) {
		s.watch(legOf(bob, alice), "d1", time.Hour)
		s.told()
		two := func(a, b string) *presence.State {
			st := open(a)
			st.Services = append(st.Services, open(b).Services...)
			return st
		}
		tag1 := s.publish("", time.Hour, two("a", "b"))
		s.is("d1 active: open a, open b")
		tag2 := s.publish("", time.Hour, two("b2", "c"))
		s.is("d1 active: open a, open b, open b2, open c")
		tag1 = s.publish(tag1, time.Hour, two("a", "d"))
		s.is("d1 active: open a, open b2, open c, open d")
		s.publish(tag1, 0, nil)
		s.is("d1 active: open b2, open c")
		s.publish(tag2, 0, nil)
		s.is("d1 active: closed")
	})
}

func TestContract_PUB_23_ExpiryToldOnce(t *testing.T) {
	play(t, policy.Allow, func(t *testing.T, s *stage) {
		s.watch(legOf(bob, alice), "d1", time.Hour)
		for i := range 3 {
			s.publish("", time.Minute, open(name(i)))
		}
		s.told()
		version := uint64(0)
		if _, v := s.hub.Standing(legOf(bob, alice)); v != nil {
			version = v.Version
		}
		time.Sleep(61 * time.Second)
		s.is("d1 active: closed")
		_, v := s.hub.Standing(legOf(bob, alice))
		if v.Version <= version {
			t.Errorf("version %d after %d", v.Version, version)
		}
	})
}

// RFC 4480 §3.1: what has ended is dropped at that instant; what has not begun
// is not current.
func TestContract_DOC_08_FromUntil(t *testing.T) {
	play(t, policy.Allow, func(t *testing.T, s *stage) {
		s.watch(legOf(bob, alice), "d1", 10*time.Hour)
		now := time.Now()
		st := open("a")
		st.Persons = []presence.Person{{ID: "p",
			Activities: &presence.Activities{Range: presence.Range{From: now.Add(time.Minute), Until: now.Add(2 * time.Minute)},
				Values: []presence.Value{{Name: "meeting"}}}}}
		s.publish("", time.Hour, st)
		busy := func() string {
			items := s.box.Take(nil)
			if len(items) != 1 {
				return fmt.Sprintf("%d items", len(items))
			}
			if items[0].View == nil || len(items[0].View.State.Persons) == 0 || items[0].View.State.Persons[0].Activities == nil {
				return "free"
			}
			return "busy"
		}
		synctest.Wait()
		for _, want := range []string{"free", "busy", "free", "0 items"} {
			if got := busy(); got != want {
				t.Errorf("at %v: %s, want %s", time.Since(now), got, want)
			}
			time.Sleep(time.Minute + time.Millisecond)
			synctest.Wait()
		}
	})
}

func TestContract_EqualStateIsNotTold(t *testing.T) {
	play(t, policy.Allow, func(t *testing.T, s *stage) {
		tag := s.publish("", time.Hour, open("a"))
		s.watch(legOf(bob, alice), "d1", time.Hour)
		s.told()
		s.publish(tag, time.Hour, open("a"))
		s.is()
	})
}
