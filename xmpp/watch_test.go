package xmpp

import (
	"strings"
	"testing"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/bridge/policy"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

const (
	subscribeAlice = "<presence type='subscribe' from='romeo@im.example' to='alice@sip.example'/>"
	subscribeRemo  = "<presence type='subscribe' from='romeo@im.example' to='remo@far.example'/>"
)

var romeoRemo = bridge.Leg{Watcher: romeo, Presentity: remo}

// befriended is a world in which alice has approved romeo and shows one tuple.
func befriended(t *testing.T, f func(w *world, tag string)) {
	inWorld(t, func(w *world) {
		tag := w.publish(alice, "", open("phone", "Hello"))
		w.send(subscribeAlice)
		w.allow(romeo, alice)
		w.expect("subscribed alice@sip.example>romeo@im.example", "presence alice@sip.example/phone>romeo@im.example")
		f(w, tag)
	})
}

func TestX2S_B2_B3_NothingWhilePending(t *testing.T) {
	inWorld(t, func(w *world) {
		tag := w.publish(alice, "", open("phone", ""))
		w.send(subscribeAlice, subscribeAlice)
		w.publish(alice, tag, open("phone", "changed"))
		w.expect()
		w.sendOn(w.far, subscribeRemo)
		w.hub.Settle(romeoRemo, bridge.Verdict{State: bridge.Pending}, "c")
		w.expectOn(w.far)
	})
}

func TestX2S_B4_SubscribedThenPresence(t *testing.T) {
	befriended(t, func(w *world, tag string) {
		w.publish(alice, tag, open("phone", "News"))
		got := w.expect("presence alice@sip.example/phone>romeo@im.example")
		if !got[0].Has("<status>News</status>", "http://jabber.org/protocol/caps") {
			t.Errorf("stanza %s", got[0].XML)
		}
		// RFC 6121 §3.1.3 step 2: subscribed again, and no second prompt.
		w.send(subscribeAlice)
		w.expect("subscribed alice@sip.example>romeo@im.example", "presence alice@sip.example/phone>romeo@im.example")
	})
}

func TestX2S_B5_UnknownIsNotAvailable(t *testing.T) {
	inWorld(t, func(w *world) {
		w.send(subscribeAlice)
		w.allow(romeo, alice)
		got := w.srv.Stanzas()
		if len(got) == 0 || got[0].Type != subscribed {
			t.Fatalf("stanzas %v", got)
		}
		w.onlyUnavailable(got[1:])
		w.sendOn(w.far, subscribeRemo)
		w.hub.Settle(romeoRemo, bridge.Verdict{State: bridge.Active}, "c")
		w.expectOn(w.far, "subscribed remo@far.example>romeo@im.example")
	})
}

// A server may send the stanzas of one component over the stream of another;
// the answers go over the right one.
func TestX2S_OverTheOtherStream(t *testing.T) {
	inWorld(t, func(w *world) {
		w.send(subscribeRemo)
		w.calls("follow xmpp:romeo@im.example>sip:remo@far.example")
		w.hub.Settle(romeoRemo, bridge.Verdict{State: bridge.Active}, "c")
		w.expectOn(w.far, "subscribed remo@far.example>romeo@im.example")
		w.expect()
	})
}

// Rows H1 to H7: what a foreign SIP server answers comes as RFC 7247 Table 3
// says.
func TestX2S_H_ForeignErrors(t *testing.T) {
	for code, condition := range map[int]string{404: "item-not-found", 410: "gone", 480: "recipient-unavailable", 499: "bad-request"} {
		inWorld(t, func(w *world) {
			w.sendOn(w.far, subscribeRemo)
			w.hub.Settle(romeoRemo, bridge.Verdict{State: bridge.Terminated, Reason: "noresource",
				Err: &bridge.Error{Kind: bridge.NotFound, Status: code, Detail: "Not here"}}, "c")
			got := w.expectOn(w.far, "error remo@far.example>romeo@im.example")
			if !got[0].Has("<"+condition+" ", "Not here") {
				t.Errorf("%d: %s", code, got[0].XML)
			}
		})
	}
}

func TestX2S_B11_RefusedWithReason(t *testing.T) {
	inWorld(t, func(w *world) {
		w.sendOn(w.far, subscribeRemo)
		w.hub.Settle(romeoRemo, bridge.Verdict{State: bridge.Terminated, Reason: "rejected",
			Err: bridge.Errorf(bridge.Forbidden, "Decline & go")}, "c")
		got := w.expectOn(w.far, "unavailable remo@far.example>romeo@im.example", "unsubscribed remo@far.example>romeo@im.example")
		if !got[1].Has("<status>Decline &amp; go</status>") {
			t.Errorf("no reason in %s", got[1].XML)
		}
	})
	t.Run("homed", func(t *testing.T) {
		befriended(t, func(w *world, _ string) {
			w.answer(romeo, alice, policy.Block)
			w.expect("unavailable alice@sip.example/phone>romeo@im.example",
				"unavailable alice@sip.example>romeo@im.example", "unsubscribed alice@sip.example>romeo@im.example")
			w.send(subscribeAlice)
			w.expect("unsubscribed alice@sip.example>romeo@im.example")
		})
	})
	t.Run("unknown user", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.send("<presence type='subscribe' id='x1' from='romeo@im.example' to='nobody@sip.example'/>")
			got := w.expect("error nobody@sip.example>romeo@im.example")
			if !got[0].Has("type='cancel'", "<item-not-found") || got[0].ID != "x1" {
				t.Errorf("stanza %s", got[0].XML)
			}
		})
	})
}

func TestX2S_B12_TransientEndIsNotTold(t *testing.T) {
	inWorld(t, func(w *world) {
		w.sendOn(w.far, subscribeRemo)
		w.hub.Settle(romeoRemo, bridge.Verdict{State: bridge.Active}, "c")
		w.expectOn(w.far, "subscribed remo@far.example>romeo@im.example")
		w.calls("follow xmpp:romeo@im.example>sip:remo@far.example")
		w.hub.Settle(romeoRemo, bridge.Verdict{State: bridge.Terminated, Reason: "probation", RetryAfter: time.Minute}, "c")
		w.expectOn(w.far)
		time.Sleep(2 * time.Minute)
		w.calls("follow xmpp:romeo@im.example>sip:remo@far.example") // subscribed again
	})
}

func TestX2S_B13_B14_Unsubscribe(t *testing.T) {
	befriended(t, func(w *world, tag string) {
		w.send("<presence type='unsubscribe' from='romeo@im.example' to='alice@sip.example'/>")
		w.expect("unavailable alice@sip.example/phone>romeo@im.example",
			"unavailable alice@sip.example>romeo@im.example", "unsubscribed alice@sip.example>romeo@im.example")
		w.publish(alice, tag, open("phone", "not for romeo"))
		w.expect()
		w.sendOn(w.far, subscribeRemo, "<presence type='unsubscribe' from='romeo@im.example' to='remo@far.example'/>")
		w.expectOn(w.far, "unavailable remo@far.example>romeo@im.example", "unsubscribed remo@far.example>romeo@im.example")
		w.calls("follow xmpp:romeo@im.example>sip:remo@far.example", "detach xmpp:romeo@im.example>sip:remo@far.example")
	})
}

func TestX2S_B15_OtherDirectionStays(t *testing.T) {
	befriended(t, func(w *world, _ string) {
		w.watch(alice, romeo, time.Hour)
		w.send("<presence type='subscribed' from='romeo@im.example' to='alice@sip.example'/>")
		// The last for his server, which takes capabilities only from now on.
		w.expect("subscribe alice@sip.example>romeo@im.example", "probe alice@sip.example>romeo@im.example",
			"presence alice@sip.example/phone>romeo@im.example")
		w.send("<presence type='unsubscribe' from='romeo@im.example' to='alice@sip.example'/>")
		v, _ := w.hub.Standing(bridge.Leg{Watcher: alice, Presentity: romeo})
		if v.State != bridge.Active {
			t.Errorf("alice's own subscription is %v", v.State)
		}
	})
}

func TestX2S_B8_LoginAfterPark(t *testing.T) {
	inWorld(t, func(w *world) {
		w.sendOn(w.far, subscribeRemo)
		w.hub.Settle(romeoRemo, bridge.Verdict{State: bridge.Active}, "c")
		w.expectOn(w.far, "subscribed remo@far.example>romeo@im.example")
		w.hub.Park(romeoRemo)
		w.calls("follow xmpp:romeo@im.example>sip:remo@far.example", "detach xmpp:romeo@im.example>sip:remo@far.example")
		w.sendOn(w.far, "<presence type='probe' from='romeo@im.example/orchard' to='remo@far.example'/>")
		w.calls("follow xmpp:romeo@im.example>sip:remo@far.example")
	})
}

func TestX2S_B17_ProbeBeforeRefresh(t *testing.T) {
	inWorld(t, func(w *world) {
		w.sendOn(w.far, subscribeRemo)
		w.hub.Settle(romeoRemo, bridge.Verdict{State: bridge.Active}, "c")
		w.expectOn(w.far, "subscribed remo@far.example>romeo@im.example")
		w.calls("follow xmpp:romeo@im.example>sip:remo@far.example")
		w.hub.Renew(romeoRemo)
		w.expectOn(w.far, "probe remo@far.example>romeo@im.example")
		w.sendOn(w.far, "<presence type='unavailable' from='romeo@im.example' to='remo@far.example'/>")
		w.calls("detach xmpp:romeo@im.example>sip:remo@far.example")
	})
}

func TestX2S_F1_ProbeSubscribesOrAsksOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		w.sendOn(w.far, subscribeRemo)
		w.hub.Settle(romeoRemo, bridge.Verdict{State: bridge.Active}, "c")
		w.expectOn(w.far, "subscribed remo@far.example>romeo@im.example")
		w.calls("follow xmpp:romeo@im.example>sip:remo@far.example")
		w.hub.Deliver(romeoRemo, "c", func(*presence.State) *presence.State { return open("desk", "") })
		w.expectOn(w.far, "presence remo@far.example/desk>romeo@im.example")
		w.sendOn(w.far, "<presence type='probe' from='romeo@im.example/orchard' to='remo@far.example'/>")
		w.expectOn(w.far, "presence remo@far.example/desk>romeo@im.example/orchard")

		w.sendOn(w.far, "<presence type='probe' from='juliet@im.example/balcony' to='remo@far.example'/>")
		w.calls("fetch xmpp:juliet@im.example>sip:remo@far.example")
		w.hub.Deliver(bridge.Leg{Watcher: juliet, Presentity: remo}, "c", func(*presence.State) *presence.State { return open("desk", "") })
		w.expectOn(w.far, "presence remo@far.example/desk>juliet@im.example")
	})
}

func TestX2S_F3_ProbeWithoutAuthorization(t *testing.T) {
	inWorld(t, func(w *world) {
		w.publish(alice, "", open("phone", "secret"))
		w.send("<presence type='probe' id='p7' from='romeo@im.example/orchard' to='alice@sip.example'/>")
		got := w.expect("unsubscribed alice@sip.example>romeo@im.example")
		if got[0].ID != "p7" { // RFC 6121 §4.3.2.1
			t.Errorf("id %q", got[0].ID)
		}
		w.send(subscribeAlice, "<presence type='probe' from='romeo@im.example/orchard' to='alice@sip.example'/>")
		w.expect()
		w.send("<presence type='probe' from='romeo@im.example/orchard' to='nobody@sip.example'/>")
		w.expect("unsubscribed nobody@sip.example>romeo@im.example")
	})
}

func TestX2S_LoginSeesTheState(t *testing.T) {
	befriended(t, func(w *world, tag string) {
		w.send("<presence type='probe' id='p8' from='romeo@im.example/orchard' to='alice@sip.example'/>")
		w.expect("presence alice@sip.example/phone>romeo@im.example/orchard")
		_, err := w.hub.Publish(t.Context(), bridge.Publication{Presentity: alice, IfMatch: tag, Change: "c"})
		if err != nil {
			t.Fatal(err)
		}
		w.wait()
		got := w.srv.Stanzas()
		w.onlyUnavailable(got)
		if len(got) == 0 || short(got[len(got)-1]) != "unavailable alice@sip.example/phone>romeo@im.example" {
			t.Errorf("stanzas %v", got)
		}
		w.srv.Forget()
		w.send("<presence type='probe' id='p8' from='romeo@im.example/orchard' to='alice@sip.example'/>")
		got = w.srv.Stanzas()
		w.onlyUnavailable(got)
		if len(got) == 0 || got[0].To != "romeo@im.example/orchard" { // RFC 6121 §4.3.2 step 3
			t.Errorf("stanzas %v", got)
		}
	})
}

func TestX2S_ApprovalTakenBack(t *testing.T) {
	befriended(t, func(w *world, _ string) {
		w.answer(romeo, alice, policy.Confirm)
		w.expect("unavailable alice@sip.example/phone>romeo@im.example")
		w.answer(romeo, alice, policy.Allow)
		w.expect("subscribed alice@sip.example>romeo@im.example", "presence alice@sip.example/phone>romeo@im.example")
	})
}

func TestX2S_I1_I2_OtherDomains(t *testing.T) {
	inWorld(t, func(w *world) {
		w.publish(alice, "", open("phone", "secret"))
		w.send("<presence type='subscribe' from='eve@evil.example' to='alice@sip.example'/>",
			"<presence type='probe' from='eve@evil.example/x' to='alice@sip.example'/>",
			"<presence from='eve@evil.example/x' to='alice@sip.example'/>",
			"<iq type='get' id='1' from='eve@evil.example/x' to='sip.example'><ping xmlns='urn:xmpp:ping'/></iq>",
			"<iq type='result' id='2' from='eve@evil.example/x' to='sip.example'/>")
		got := w.expect("error alice@sip.example>eve@evil.example", "iq error sip.example>eve@evil.example/x")
		if !strings.Contains(got[0].XML, "not-allowed") {
			t.Errorf("stanza %s", got[0].XML)
		}
		if v, _ := w.hub.Standing(bridge.Leg{Watcher: romeo, Presentity: alice}); v.State != bridge.NoState {
			t.Errorf("standing %v", v)
		}
	})
}

func TestX2S_I6_LoopIsIgnored(t *testing.T) {
	inWorld(t, func(w *world) {
		w.send("<presence type='subscribe' from='remo@far.example' to='alice@sip.example'/>",
			"<presence type='subscribe' from='bob@sip.example' to='alice@sip.example'/>",
			"<iq type='get' id='1' from='bob@sip.example/x' to='sip.example'><ping xmlns='urn:xmpp:ping'/></iq>")
		w.expect()
	})
}

func TestX2S_SurvivesRestartOfThePort(t *testing.T) {
	befriended(t, func(w *world, tag string) {
		w.stop()
		w.publish(alice, tag, open("laptop", "moved"))
		w.start()
		// What was shown before the restart is known: the phone goes.
		w.expect("presence alice@sip.example/laptop>romeo@im.example", "unavailable alice@sip.example/phone>romeo@im.example")
	})
}
