package bridge_test

import (
	"slices"
	"testing"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/bridge/policy"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

func TestContract_B2_B3_B4_B5_NeutralUntilActive(t *testing.T) {
	play(t, policy.Allow, func(t *testing.T, s *stage) {
		leg := legOf(juliet, far)
		v := s.watch(leg, "w", bridge.Forever)
		if v.State != bridge.Pending {
			t.Errorf("verdict %+v", v)
		}
		s.is("w pending M: -")
		s.asked(s.sip, "follow juliet far")
		s.settle(leg, bridge.Verdict{State: bridge.Pending})
		s.is()
		s.settle(leg, active) // B5: active without a body
		s.is("w active M: -")
		s.deliver(leg, open("a"))
		s.is("w active: open a")
		s.settle(leg, active) // nothing new
		s.deliver(leg, open("a"))
		s.is()
		s.deliver(leg, nil) // nothing is known any more
		s.is("w active: -")
		s.asked(s.xmpp)
	})
}

func TestContract_C8_C10_AuthorizationStays(t *testing.T) {
	for _, how := range []string{"ended", "expired"} {
		t.Run(how, func(t *testing.T) {
			play(t, policy.Allow, func(t *testing.T, s *stage) {
				leg := legOf(bob, juliet)
				s.watch(leg, "d1", time.Minute)
				s.is("d1 pending M: -")
				s.settle(leg, active)
				s.deliver(leg, open("a"))
				s.is("d1 active M: open a")
				s.watch(leg, "d2", 30*time.Second)
				s.is("d2 active M: open a")
				s.asked(s.xmpp, "follow bob juliet") // the second shares the first's
				time.Sleep(31 * time.Second)
				s.is("d2 terminated(timeout) M F: closed") // C7
				s.asked(s.xmpp)
				if how == "ended" {
					s.watch(leg, "d1", 0)
				} else {
					time.Sleep(30 * time.Second)
				}
				s.is("d1 terminated(timeout) M F: closed")
				s.asked(s.xmpp, "detach bob juliet")
				v := s.watch(leg, "d3", time.Minute)
				if v.State != bridge.Active {
					t.Errorf("the authorization is lost: %+v", v)
				}
				s.is("d3 active M: -")
				s.asked(s.xmpp, "follow bob juliet")
				s.deliver(leg, open("new"))
				s.is("d3 active: open new")
			})
		})
	}
}

func TestContract_C5_C6_Refresh(t *testing.T) {
	play(t, policy.Allow, func(t *testing.T, s *stage) {
		leg := legOf(bob, juliet)
		s.watch(leg, "d1", time.Minute)
		s.settle(leg, active)
		s.told()
		s.watch(leg, "d1", time.Minute)
		s.is("d1 active M: -") // C6
		s.deliver(leg, open("a"))
		s.told()
		s.watch(leg, "d1", time.Minute)
		s.is("d1 active M: open a") // C5
		s.asked(s.xmpp, "follow bob juliet")
	})
}

func TestContract_C4_B11_Rejected(t *testing.T) {
	play(t, policy.Allow, func(t *testing.T, s *stage) {
		leg := legOf(bob, juliet)
		s.watch(leg, "d1", time.Hour)
		s.watch(leg, "d2", time.Hour)
		s.settle(leg, active)
		s.deliver(leg, open("a"))
		s.told()
		s.asked(s.xmpp, "follow bob juliet")
		refused := bridge.Verdict{State: bridge.Terminated, Reason: "rejected", Err: bridge.Errorf(bridge.Forbidden, "no")}
		s.settle(leg, refused)
		items := s.box.Take(nil)
		if len(items) != 2 {
			t.Fatalf("%d items", len(items))
		}
		for _, it := range items {
			if !it.Final || !it.Mandatory || it.Verdict.Reason != "rejected" || it.Verdict.Err == nil {
				t.Errorf("item %+v", it)
			}
			if content(it.View) == "open a" {
				t.Error("a refused watcher is still shown the state")
			}
		}
		s.deliver(leg, open("b"))
		s.is()
		v, view := s.hub.Standing(leg)
		if v.State == bridge.Active || v.State == bridge.Pending || view != nil {
			t.Errorf("stands %+v %v", v, view)
		}
		s.watch(leg, "d3", time.Hour) // a later one asks again
		s.is("d3 pending M: -")
		s.asked(s.xmpp, "follow bob juliet")
	})
}

// The home's refusal is known to probes: they are answered by it, with no new
// question.
func TestContract_B11_RefusalIsKept(t *testing.T) {
	play(t, policy.Allow, func(t *testing.T, s *stage) {
		leg := legOf(juliet, far)
		s.watch(leg, "w", bridge.Forever)
		s.settle(leg, bridge.Verdict{State: bridge.Terminated, Reason: "rejected"})
		v, _ := s.hub.Standing(leg)
		if v.State != bridge.Terminated || v.Reason != "rejected" {
			t.Errorf("stands %+v", v)
		}
	})
}

// RFC 8048 §5.2.2: 423 and 481 are transient; the authorization stays.
func TestContract_B12_TransientEndKeepsAuthorization(t *testing.T) {
	for _, reason := range []string{"deactivated", "probation", "timeout", "giveup"} {
		t.Run(reason, func(t *testing.T) {
			play(t, policy.Allow, func(t *testing.T, s *stage) {
				leg := legOf(juliet, far)
				s.watch(leg, "w", bridge.Forever)
				s.settle(leg, active)
				s.deliver(leg, open("a"))
				s.told()
				s.settle(leg, bridge.Verdict{State: bridge.Terminated, Reason: reason, RetryAfter: time.Minute})
				items := s.box.Take(nil)
				if len(items) != 1 || !items[0].Final || items[0].Verdict.Reason != reason || items[0].Verdict.RetryAfter != time.Minute {
					t.Errorf("told %+v", items)
				}
				s.asked(s.sip, "follow juliet far")
				v := s.watch(leg, "w", bridge.Forever)
				if v.State != bridge.Active {
					t.Errorf("after %s the leg is %v: the authorization is lost", reason, v.State)
				}
				s.asked(s.sip, "follow juliet far")
			})
		})
	}
}

func TestContract_B17_RenewAndPark(t *testing.T) {
	play(t, policy.Allow, func(t *testing.T, s *stage) {
		leg := legOf(juliet, far)
		s.watch(leg, "w", bridge.Forever)
		s.settle(leg, active)
		s.deliver(leg, open("a"))
		s.told()
		s.asked(s.sip, "follow juliet far")
		s.hub.Renew(leg)
		items := s.box.Take(nil)
		if len(items) != 1 || !items[0].Probe || items[0].View != nil || items[0].ID != "w" {
			t.Fatalf("a probe: %+v", items)
		}
		s.hub.Park(leg)
		s.hub.Park(leg)
		s.is()
		s.asked(s.sip, "detach juliet far")
		v, _ := s.hub.Standing(leg)
		if v.State != bridge.Active {
			t.Errorf("parked, the leg stands %+v", v)
		}
		time.Sleep(24 * time.Hour)
		v = s.watch(leg, "w", bridge.Forever) // she is back
		if v.State != bridge.Active {
			t.Errorf("back, the leg stands %+v", v)
		}
		// What was seen before nobody followed it may be a day old.
		s.is("w active M: -")
		s.asked(s.sip, "follow juliet far")
		s.deliver(leg, open("b"))
		s.is("w active: open b")
	})
}

func TestContract_F2_Fetch(t *testing.T) {
	play(t, policy.Allow, func(t *testing.T, s *stage) {
		leg := legOf(bob, juliet)
		s.watch(leg, "f1", 0)
		s.is()
		s.asked(s.xmpp, "fetch bob juliet")
		s.deliver(leg, open("a"))
		s.is("f1 terminated(timeout) M F: open a")
		s.asked(s.xmpp)
		s.watch(leg, "f2", 0) // not followed: not known any more
		s.asked(s.xmpp, "fetch bob juliet")
		time.Sleep(bridge.FetchPatience - time.Millisecond)
		s.is()
		time.Sleep(2 * time.Millisecond)
		s.is("f2 terminated(timeout) M F: -")
		s.deliver(leg, open("late"))
		s.is()
		s.watch(leg, "d1", time.Hour)
		s.settle(leg, active)
		s.deliver(leg, open("b"))
		s.told()
		s.xmpp.take()
		s.watch(leg, "f3", 0) // known: no probe
		s.is("f3 terminated(timeout) M F: open b")
		s.asked(s.xmpp)
	})
}

// Two probes of one watcher have one id: both are one question, and neither
// costs the other its answer.
func TestContract_F2_SameFetchTwice(t *testing.T) {
	play(t, policy.Allow, func(t *testing.T, s *stage) {
		leg := legOf(bob, juliet)
		s.watch(leg, "f", 0)
		time.Sleep(time.Second)
		s.watch(leg, "f", 0)
		s.is()
		s.deliver(leg, open("a"))
		s.is("f terminated(timeout) M F: open a")
	})
}

func TestContract_F2_RefusedFetchEndsAtOnce(t *testing.T) {
	play(t, policy.Allow, func(t *testing.T, s *stage) {
		leg := legOf(bob, juliet)
		s.watch(leg, "f", 0)
		s.settle(leg, bridge.Verdict{State: bridge.Terminated, Reason: "rejected", Err: bridge.Errorf(bridge.Forbidden, "no")})
		items := s.box.Take(nil)
		if len(items) != 1 || !items[0].Final || items[0].View != nil {
			t.Errorf("told %+v", items)
		}
	})
}

func TestContract_I3_SettleWithoutQuestion(t *testing.T) {
	play(t, policy.Allow, func(t *testing.T, s *stage) {
		// RFC 6121 §3.1.6: an approval that nobody asked for is ignored.
		s.settle(legOf(bob, juliet), active)
		s.deliver(legOf(bob, juliet), open("a"))
		v := s.watch(legOf(bob, juliet), "d1", time.Hour)
		if v.State != bridge.Pending {
			t.Errorf("verdict %+v", v)
		}
		s.is("d1 pending M: -")
		// Nor does it touch a presentity that is homed here.
		s.settle(legOf(bob, alice), active)
		s.deliver(legOf(bob, alice), open("forged"))
		s.watch(legOf(bob, alice), "d2", time.Hour)
		s.deliver(legOf(bob, alice), open("forged"))
		s.settle(legOf(bob, alice), bridge.Verdict{State: bridge.Terminated, Reason: "rejected"})
		s.is("d2 active M: closed")
	})
}

// A home port may answer within Attach.
func TestContract_AnswerWithinAttach(t *testing.T) {
	play(t, policy.Allow, func(t *testing.T, s *stage) {
		s.xmpp.on = func(what string, leg bridge.Leg) {
			switch what {
			case "follow":
				s.settle(leg, active)
				s.deliver(leg, open("a"))
			case "fetch":
				s.deliver(leg, open("b"))
			}
		}
		s.watch(legOf(bob, juliet), "d1", time.Hour)
		s.is("d1 active M: open a")
		s.watch(legOf(bob, romeo), "f", 0)
		s.is("f terminated(timeout) M F: open b")
		s.xmpp.on = func(_ string, leg bridge.Leg) {
			s.settle(leg, bridge.Verdict{State: bridge.Terminated, Reason: "noresource"})
		}
		s.watch(legOf(carol, romeo), "d2", time.Hour)
		s.is("d2 terminated(noresource) M F: -")
	})
}

// A fault in a port's update must not lock a presentity for ever.
func TestContract_DeliverPanics(t *testing.T) {
	s := newStage(t, policy.Allow, nil)
	leg := legOf(bob, juliet)
	s.watch(leg, "d1", time.Hour)
	s.settle(leg, active)
	func() {
		defer func() { _ = recover() }()
		s.hub.Deliver(leg, "c", func(*presence.State) *presence.State { panic("a fault of the port") })
	}()
	done := make(chan struct{})
	go func() { s.hub.Standing(leg); close(done) }()
	select {
	case <-done:
		s.close()
	case <-time.After(2 * time.Second):
		t.Fatal("the shard stays locked")
	}
}

func TestContract_KeepAndAttached(t *testing.T) {
	play(t, policy.Allow, func(t *testing.T, s *stage) {
		leg := legOf(juliet, far)
		s.watch(leg, "w", bridge.Forever)
		s.settle(leg, active)
		s.deliver(leg, open("a"))
		s.hub.Keep(leg, []byte("dialog"))
		s.watch(legOf(bob, romeo), "d", time.Hour) // another port's
		var got []string
		s.hub.Attached("sip", func(l bridge.Leg, v bridge.Verdict, st *presence.State, data []byte) {
			got = append(got, l.Watcher.User+" "+v.State.String()+" "+st.Services[0].Notes[0].Text+" "+string(data))
		})
		if !slices.Equal(got, []string{"juliet active a dialog"}) {
			t.Errorf("attached: %q", got)
		}
		s.hub.Park(leg)
		s.hub.Attached("sip", func(l bridge.Leg, _ bridge.Verdict, _ *presence.State, _ []byte) {
			t.Errorf("parked %v is attached", l)
		})
		s.asked(s.sip, "follow juliet far", "detach juliet far")
	})
}
