package xmpp

import (
	"testing"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

const (
	julietApproves = "<presence type='subscribed' from='juliet@im.example' to='bob@sip.example'/>"
	julietRefuses  = "<presence type='unsubscribed' from='juliet@im.example' to='bob@sip.example'><status>Not you</status></presence>"
	julietHere     = "<presence from='juliet@im.example/balcony' to='bob@sip.example'><show>away</show><status>Here</status></presence>"
	julietGone     = "<presence type='unavailable' from='juliet@im.example/balcony' to='bob@sip.example'/>"
)

var bobJuliet = bridge.Leg{Watcher: bob, Presentity: juliet}

// following is a world in which juliet has approved bob and is there.
func following(t *testing.T, f func(w *world)) {
	inWorld(t, func(w *world) {
		w.watch(bob, juliet, time.Hour)
		w.send(julietApproves, julietHere)
		w.expect("subscribe bob@sip.example>juliet@im.example", "probe bob@sip.example>juliet@im.example")
		it, ok := w.last(bob)
		if !ok || it.Verdict.State != bridge.Active || it.View == nil || !anyOpen(it.View.State) {
			t.Fatalf("bob has %+v", it)
		}
		f(w)
	})
}

func TestS2X_C1_C2_SubscribeAndApproval(t *testing.T) {
	inWorld(t, func(w *world) {
		w.watch(bob, juliet, time.Hour)
		w.expect("subscribe bob@sip.example>juliet@im.example")
		it, _ := w.last(bob)
		if it.Verdict.State != bridge.Pending || it.View != nil {
			t.Errorf("before the approval: %+v", it)
		}
		w.send(julietApproves)
		it, _ = w.last(bob)
		if it.Verdict.State != bridge.Active || it.View != nil && it.View.State != nil {
			t.Errorf("C3, after the approval, no state known: %+v", it)
		}
	})
}

func TestS2X_C3_AcknowledgementIsNotClosed(t *testing.T) {
	inWorld(t, func(w *world) {
		w.watch(bob, juliet, time.Hour)
		// Prosody's acknowledgement of a request (RFC 6121 §3.1.3 step 3).
		w.send("<presence type='unavailable' from='juliet@im.example' to='bob@sip.example'/>", julietApproves)
		it, _ := w.last(bob)
		if it.View != nil && it.View.State != nil {
			t.Errorf("state made up: %+v", it.View.State)
		}
	})
}

func TestS2X_C4_Refusal(t *testing.T) {
	inWorld(t, func(w *world) {
		w.watch(bob, juliet, time.Hour)
		w.send(julietRefuses)
		it, _ := w.last(bob)
		if v := it.Verdict; v.State != bridge.Terminated || v.Reason != "rejected" || v.Err == nil || v.Err.Detail != "Not you" {
			t.Errorf("verdict %+v", v)
		}
		w.expect("subscribe bob@sip.example>juliet@im.example")
		w.watch(bob, juliet, time.Hour) // asks again
		w.expect("subscribe bob@sip.example>juliet@im.example")
	})
	t.Run("later", func(t *testing.T) {
		following(t, func(w *world) {
			w.send(julietRefuses)
			if it, _ := w.last(bob); it.Verdict.State != bridge.Terminated || it.Verdict.Reason != "rejected" {
				t.Errorf("verdict %+v", it.Verdict)
			}
		})
	})
}

func TestS2X_AnswersNobodyAskedFor(t *testing.T) {
	inWorld(t, func(w *world) { // RFC 6121 §3.1.6, §3.2.3: silently ignored
		w.send(julietApproves, julietRefuses, julietHere)
		if v, view := w.hub.Standing(bobJuliet); v.State != bridge.NoState || view != nil {
			t.Errorf("standing %+v, view %+v", v, view)
		}
		w.expect()
	})
}

func TestS2X_C5_RefreshHasTheState(t *testing.T) {
	following(t, func(w *world) {
		w.watch(bob, juliet, time.Hour)
		w.expect() // what is known is not asked for
		if it, _ := w.last(bob); it.View == nil || !anyOpen(it.View.State) {
			t.Errorf("bob has %+v", it)
		}
		w.port.Attach(bobJuliet, bridge.Follow) // asks anew, without a new request
		w.expect("probe bob@sip.example>juliet@im.example")
	})
}

func TestS2X_C8_UnavailableAndNoUnsubscribe(t *testing.T) {
	following(t, func(w *world) {
		w.watch(bob, juliet, 0)
		w.expect("unavailable bob@sip.example>juliet@im.example", "unavailable bob@sip.example/porchlight>juliet@im.example")
		if v, _ := w.hub.Standing(bobJuliet); v.State != bridge.Active {
			t.Errorf("the authorization is %v", v.State)
		}
		// The next SUBSCRIBE: a server that knows bob answers by itself.
		w.watch(bob, juliet, time.Hour)
		w.expect("subscribe bob@sip.example>juliet@im.example", "probe bob@sip.example>juliet@im.example")
	})
	t.Run("a mutual contact still sees him", func(t *testing.T) {
		following(t, func(w *world) {
			w.send("<presence type='subscribe' from='juliet@im.example' to='bob@sip.example'/>")
			w.expect("unavailable bob@sip.example/porchlight>juliet@im.example") // as a watcher: she sees him now
			w.watch(bob, juliet, 0)
			w.expect("unavailable bob@sip.example/porchlight>juliet@im.example")
		})
	})
}

func TestS2X_D_WhatTheWatcherSees(t *testing.T) {
	following(t, func(w *world) {
		_, view := w.hub.Standing(bobJuliet)
		s := view.State.Services
		if len(s) != 1 || s[0].Basic != presence.Open || s[0].Show != "away" || len(s[0].Notes) != 1 || s[0].Notes[0].Text != "Here" {
			t.Fatalf("D4, D9, D10: %+v", s)
		}
		w.send("<presence from='juliet@im.example/chamber' to='bob@sip.example' xml:lang='de'><priority>127</priority><status>Da</status></presence>")
		_, view = w.hub.Standing(bobJuliet)
		if s = view.State.Services; len(s) != 2 || s[0].ID == s[1].ID {
			t.Fatalf("D11: %+v", s)
		}
		w.send(julietGone)
		_, view = w.hub.Standing(bobJuliet)
		if s = view.State.Services; !anyOpen(view.State) || len(s) == 0 {
			t.Fatalf("D12: %+v", s)
		}
		w.send("<presence type='unavailable' from='juliet@im.example/chamber' to='bob@sip.example'/>")
		_, view = w.hub.Standing(bobJuliet)
		if view == nil || anyOpen(view.State) || len(view.State.Services) == 0 {
			t.Fatalf("D5: %+v", view)
		}
		for _, kind := range []string{"probe", "subscribe", "error", "unsubscribe", "nonsense"} { // D1
			w.send("<presence type='" + kind + "' from='juliet@im.example/balcony' to='bob@sip.example'><show>chat</show></presence>")
		}
		if _, view = w.hub.Standing(bobJuliet); anyOpen(view.State) {
			t.Errorf("D1: a stanza that is no notification became one: %+v", view.State)
		}
	})
}

func TestS2X_SilenceMeansOffline(t *testing.T) {
	inWorld(t, func(w *world) {
		w.watch(bob, juliet, time.Hour)
		w.send(julietApproves)
		if it, _ := w.last(bob); it.View != nil {
			t.Fatalf("C3: bob has %+v", it)
		}
		time.Sleep(2*probePatience + time.Second)
		if it, _ := w.last(bob); it.View == nil || anyOpen(it.View.State) || len(it.View.State.Services) == 0 {
			t.Errorf("bob has %+v", it)
		}
	})
}

// The answer to the first probe may be lost with a connection that has ended:
// the second is as good.
func TestS2X_LostAnswerIsNotOffline(t *testing.T) {
	inWorld(t, func(w *world) {
		w.watch(bob, juliet, time.Hour)
		w.send(julietApproves)
		time.Sleep(probePatience + time.Second)
		w.wait()
		probes := 0
		for _, st := range w.srv.Stanzas() {
			if st.Type == probe {
				probes++
			}
		}
		if it, _ := w.last(bob); probes != 2 || it.View != nil {
			t.Errorf("%d probes, and then bob has %+v", probes, it)
		}
		w.send(julietHere)
		time.Sleep(3 * probePatience)
		if it, _ := w.last(bob); it.View == nil || !anyOpen(it.View.State) {
			t.Errorf("the second probe was answered, and bob has %+v", it)
		}
	})
}

func TestS2X_F2_FetchProbes(t *testing.T) {
	inWorld(t, func(w *world) {
		w.watch(bob, juliet, 0)
		w.expect("probe bob@sip.example>juliet@im.example")
		w.send(julietHere)
		it, ok := w.last(bob)
		if !ok || !it.Final || it.View == nil || !anyOpen(it.View.State) {
			t.Errorf("bob has %+v", it)
		}
		w.expect()
	})
}

func TestS2X_I3_OnlyTheIntendedRecipient(t *testing.T) {
	following(t, func(w *world) {
		w.watch(carol, juliet, time.Hour)
		w.send("<presence from='juliet@im.example/balcony' to='bob@sip.example'><status>for bob</status></presence>")
		if it, _ := w.last(carol); it.View != nil {
			t.Errorf("carol sees %+v", it.View.State)
		}
		w.expect("subscribe carol@sip.example>juliet@im.example")
	})
}

func TestS2X_Errors(t *testing.T) {
	const stanza = "<presence type='error' id='%s' from='juliet@im.example' to='bob@sip.example'><error type='%s'><%s xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>So it is</text></error></presence>"
	for _, c := range []struct {
		kind, condition string
		state           bridge.SubState
		reason          string
		code            bridge.Kind
	}{
		{"cancel", "item-not-found", bridge.Terminated, "noresource", bridge.NotFound},
		{"modify", "gone", bridge.Terminated, "noresource", bridge.NotFound},
		{"auth", "forbidden", bridge.Terminated, "rejected", bridge.Forbidden},
		{"cancel", "not-allowed", bridge.Terminated, "rejected", bridge.Forbidden},
		{"cancel", "remote-server-not-found", bridge.Terminated, "noresource", bridge.NotFound},
		{"wait", "remote-server-timeout", bridge.Pending, "", 0},
		{"wait", "resource-constraint", bridge.Pending, "", 0},
	} {
		t.Run("RFC 7247 §7.1 "+c.condition, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.watch(bob, juliet, time.Hour)
				id := w.expect("subscribe bob@sip.example>juliet@im.example")[0].ID
				w.send(sprintf(stanza, id, c.kind, c.condition))
				it, _ := w.last(bob)
				if v := it.Verdict; v.State != c.state || v.Reason != c.reason || v.Err != nil && (v.Err.Kind != c.code || v.Err.Detail != "So it is") {
					t.Errorf("verdict %+v", v)
				}
				if c.state == bridge.Pending {
					time.Sleep(retryLater + time.Minute)
					w.expect("subscribe bob@sip.example>juliet@im.example")
				}
			})
		})
	}
	t.Run("in answer to a notification", func(t *testing.T) {
		following(t, func(w *world) {
			w.send(sprintf(stanza, "", "cancel", "item-not-found"), sprintf(stanza, "x", "cancel", "item-not-found"))
			if v, _ := w.hub.Standing(bobJuliet); v.State != bridge.Active {
				t.Errorf("standing %+v", v)
			}
		})
	})
}

func TestS2X_WatchersThatCannotBe(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, leg := range []bridge.Leg{
			{Watcher: presence.Addr{Scheme: presence.SIP, User: "x", Host: "other.example"}, Presentity: juliet},
			{Watcher: romeo, Presentity: juliet},
			{Watcher: presence.Addr{Scheme: presence.SIP, User: "☃", Host: "sip.example"}, Presentity: juliet},
		} {
			w.watch(leg.Watcher, leg.Presentity, time.Hour)
			it, ok := w.last(leg.Watcher)
			if !ok || it.Verdict.State != bridge.Terminated || it.Verdict.Err == nil || it.Verdict.Err.Detail == "" {
				t.Errorf("%v: %+v", leg, it)
			}
		}
		w.expect()
	})
}

func TestS2X_ParkWhenTheLastResourceLeaves(t *testing.T) {
	inWorld(t, func(w *world) { // RFC 8048 §8.1; remo and juliet see each other
		watch := bridge.Leg{Watcher: juliet, Presentity: remo}
		w.sendOn(w.far, "<presence type='subscribe' from='juliet@im.example' to='remo@far.example'/>")
		w.hub.Settle(watch, bridge.Verdict{State: bridge.Active}, "c")
		w.watch(remo, juliet, time.Hour)
		w.sendOn(w.far, "<presence type='subscribed' from='juliet@im.example' to='remo@far.example'/>",
			"<presence from='juliet@im.example/a' to='remo@far.example'/>",
			"<presence from='juliet@im.example/b' to='remo@far.example'/>",
			"<presence type='unavailable' from='juliet@im.example/a' to='remo@far.example'/>")
		w.calls("follow xmpp:juliet@im.example>sip:remo@far.example")
		w.sendOn(w.far, "<presence type='unavailable' from='juliet@im.example/b' to='remo@far.example'/>")
		w.calls("detach xmpp:juliet@im.example>sip:remo@far.example")
	})
}
