package bridge_test

import (
	"fmt"
	"maps"
	"runtime"
	"testing"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/bridge/policy"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

// A client that publishes anew without end does not fill the memory: what ends
// first goes, and the newest is always there.
func TestContract_SEC_PublicationsAreBounded(t *testing.T) {
	play(t, policy.Allow, func(t *testing.T, s *stage) {
		first := s.publish("", time.Minute, open("first"))
		for i := range 500 {
			s.publish("", time.Hour, open(name(i)))
		}
		if n := s.hub.Stats().Publications; n > 100 {
			t.Errorf("%d publications of one presentity", n)
		}
		_, err := s.tryPublish(first, time.Minute, nil)
		kind(t, err, bridge.Stale)
		s.publish(s.publish("", time.Hour, open("last")), time.Hour, nil)
	})
}

func TestContract_SEC_SubscriptionsOfALegAreBounded(t *testing.T) {
	play(t, policy.Allow, func(t *testing.T, s *stage) {
		for _, leg := range []bridge.Leg{legOf(bob, alice), legOf(bob, juliet)} {
			refused := 0
			for i := range 500 {
				_, err := s.tryWatch(leg, name(i), time.Hour)
				if err != nil {
					kind(t, err, bridge.Busy)
					refused++
				}
				_, err = s.tryWatch(legOf(carol, juliet), name(i), 0) // questions, too
				if err != nil {
					kind(t, err, bridge.Busy)
				}
			}
			s.watch(leg, name(0), time.Hour) // what there is can be refreshed
			if refused < 400 {
				t.Errorf("%v: %d of 500 refused", leg, refused)
			}
		}
	})
}

// Whoever asks for strangers and gets no answer leaves nothing behind for
// ever.
func TestContract_SEC_NothingStays(t *testing.T) {
	play(t, policy.Confirm, func(t *testing.T, s *stage) {
		for i := range 100 {
			who := presence.Addr{Scheme: presence.XMPP, User: name(i), Host: "im.example"}
			leg := legOf(bob, who)
			s.watch(leg, "d", time.Minute)
			switch i % 3 {
			case 1:
				s.settle(leg, bridge.Verdict{State: bridge.Terminated, Reason: "rejected"})
			case 2:
				s.watch(legOf(carol, who), "f", 0)
			}
		}
		s.watch(legOf(juliet, alice), "d", time.Minute)
		s.publish("", time.Minute, open("a"))
		time.Sleep(8 * 24 * time.Hour)
		s.told()
		got := s.hub.Stats()
		if got.Presentities+got.Publications+got.Subscriptions+got.Fetches+len(got.Legs) != 0 {
			t.Errorf("left: %+v", got)
		}
	})
}

func TestContract_Stats(t *testing.T) {
	play(t, policy.Allow, func(t *testing.T, s *stage) {
		s.publish("", time.Hour, open("a"))
		s.watch(legOf(bob, alice), "d", time.Hour)
		s.watch(legOf(bob, juliet), "d", time.Hour)
		s.watch(legOf(carol, juliet), "d", time.Hour)
		s.settle(legOf(carol, juliet), active)
		s.watch(legOf(bob, romeo), "f", 0)
		got := s.hub.Stats()
		if got.Presentities != 3 || got.Publications != 1 || got.Subscriptions != 3 || got.Fetches != 1 ||
			!maps.Equal(got.Legs, map[bridge.SubState]int{bridge.NoState: 1, bridge.Pending: 1, bridge.Active: 1}) {
			t.Errorf("%+v", got)
		}
	})
}

// BenchmarkContractIdle reports the memory of one idle subscription in the
// hub, without the port's own.
func BenchmarkContractIdle(b *testing.B) {
	s := newStage(b, policy.Allow, nil)
	defer s.hub.Close()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	n := 0
	for b.Loop() {
		w := presence.Addr{Scheme: presence.SIP, User: fmt.Sprintf("watcher%d", n), Host: "elsewhere.example"}
		_, _ = s.tryWatch(legOf(w, alice), "d", time.Hour)
		n++
		if n%1000 == 0 {
			s.box.Take(nil)
		}
	}
	s.box.Take(nil)
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n), "B/subscription")
}
