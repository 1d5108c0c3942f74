package simple

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/bridge/policy"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

func TestSUB_15_NotifyRefused(t *testing.T) {
	for _, status := range []string{"404 Not Found", "405 Method Not Allowed", "410 Gone", "416 Unsupported URI Scheme",
		"480 Temporarily Unavailable", "481 Call/Transaction Does Not Exist", "482 Loop Detected", "483 Too Many Hops",
		"484 Address Incomplete", "485 Ambiguous", "489 Bad Event", "501 Not Implemented", "604 Does Not Exist Anywhere"} {
		t.Run(status, func(t *testing.T) {
			watched(t, func(t *testing.T, w *world, alice, bob *peer) {
				id := w.only()
				bob.mute = true
				alice.publish("", doc("open", "one"))
				bob.answer(bob.notify(), status, "")
				synctest.Wait()
				if w.port.dialogs.get(id) != nil {
					t.Error("the dialog is still there")
				}
				alice.publish("", doc("open", "two"))
				bob.silent(2 * time.Hour)
			})
		})
	}
}

func TestSUB_16_TimerF(t *testing.T) {
	watched(t, func(t *testing.T, w *world, alice, bob *peer) {
		bob.mute = true
		alice.publish("", doc("open", "one"))
		n := bob.notify()
		sent := 1
		for m, ok := bob.within(33 * time.Second); ok; m, ok = bob.within(33 * time.Second) {
			if m.text != n.text {
				t.Fatalf("not a retransmission:\n%s", m.text)
			}
			sent++
		}
		if sent != 11 { // RFC 3261 §17.1.2.1: at 0, .5, 1.5, 3.5, 7.5, 11.5 … 31.5 s
			t.Errorf("sent %d times", sent)
		}
		alice.publish("", doc("open", "two"))
		bob.silent(2 * time.Hour)
	})
}

func TestSUB_17_RetryAfter(t *testing.T) {
	watched(t, func(t *testing.T, w *world, alice, bob *peer) {
		bob.mute = true
		alice.publish("", doc("open", "one"))
		bob.answer(bob.notify(), "500 Server Internal Error", "Retry-After: 60 (soon);duration=10")
		bob.silent(10 * time.Second)
		etag := alice.publish("", docOf(aliceURI, "t2", "open", "two")).get("SIP-ETag")
		bob.silent(10 * time.Second)
		alice.publish("SIP-If-Match: "+etag, docOf(aliceURI, "t2", "open", "three"))
		bob.silent(39 * time.Second)
		m := bob.tells("three")
		if strings.Contains(m.body, "two") {
			t.Errorf("not the latest state alone:\n%s", m.text)
		}
		bob.answer(m, "200 OK", "")
		bob.silent(time.Minute)
	})
}

// TestSUB_30_Coalescing: a hundred changes in a second are at most one NOTIFY
// in five seconds, and the last has the final state.
func TestSUB_30_Coalescing(t *testing.T) {
	in(t, setup{defRule: policy.Allow}, func(t *testing.T, w *world) {
		alice, bob := w.peer(aliceURI), w.peer("sip:bob@sip.example")
		bob.subscribe(aliceURI, "")
		tag := alice.publish("", doc("open", "n0.")).get("SIP-ETag")
		for i := range 100 {
			time.Sleep(10 * time.Millisecond)
			tag = alice.publish("SIP-If-Match: "+tag, doc("open", fmt.Sprintf("n%d.", i+1))).get("SIP-ETag")
		}
		var got []message
		for m, ok := bob.within(30 * time.Second); ok; m, ok = bob.within(30 * time.Second) {
			got = append(got, m)
		}
		if len(got) != 1 || !strings.Contains(got[0].body, "n100.") {
			t.Errorf("%d NOTIFYs", len(got))
		}
		// SUB-31: a refresh is answered at once, however recent the last is.
		alice.publish("SIP-If-Match: "+tag, doc("open", "x"))
		bob.tells("x")
		start := time.Now()
		res := message{lines: []string{"Contact: <sip:x>", "To: <sip:alice@sip.example>;tag=" + w.only()}}
		bob.again(res, "")
		bob.response().want(t, "SIP/2.0 200 OK")
		bob.notify()
		if d := time.Since(start); d > time.Second {
			t.Errorf("delayed by %v", d)
		}
	})
}

func TestSUB_32_OneOutstanding(t *testing.T) {
	watched(t, func(t *testing.T, w *world, alice, bob *peer) {
		bob.mute = true
		tag := alice.publish("", doc("open", "n0.")).get("SIP-ETag")
		first := bob.tells("n0.")
		for i := range 5 {
			tag = alice.publish("SIP-If-Match: "+tag, doc("open", fmt.Sprintf("n%d.", i+1))).get("SIP-ETag")
		}
		end := time.Now().Add(10 * time.Second)
		for m, ok := bob.within(time.Until(end)); ok; m, ok = bob.within(time.Until(end)) {
			if m.text != first.text {
				t.Fatalf("a second NOTIFY while one is outstanding:\n%s", m.text)
			}
		}
		bob.answer(first, "200 OK", "")
		m := bob.notify()
		if m.get("CSeq") == first.get("CSeq") || !strings.Contains(m.body, "n5.") {
			t.Errorf("not the newest state:\n%s", m.text)
		}
	})
}

func TestSUB_10_ExpiresFalls(t *testing.T) {
	watched(t, func(t *testing.T, w *world, alice, bob *peer) {
		last := int64(3600)
		for i := range 5 {
			time.Sleep(7 * time.Minute)
			alice.publish("", docOf(aliceURI, "t", "open", fmt.Sprint(i)))
			var left int64
			_, err := fmt.Sscanf(bob.notify().get("Subscription-State"), "active;expires=%d", &left)
			if err != nil || left >= last {
				t.Errorf("expires %d after %d, %v", left, last, err)
			}
			last = left
		}
		if last > 3600-35*60 {
			t.Errorf("expires is not the rest: %d", last)
		}
	})
}

// TestSUB_11_Reasons: what the hub says of an end is what the NOTIFY says.
func TestSUB_11_Reasons(t *testing.T) {
	for want, v := range map[string]bridge.Verdict{
		"terminated;reason=noresource":               {State: bridge.Terminated, Reason: "noresource"}, // SUB-35
		"terminated;reason=deactivated":              {State: bridge.Terminated, Reason: "deactivated"},
		"terminated;reason=probation;retry-after=30": {State: bridge.Terminated, Reason: "probation", RetryAfter: 30 * time.Second},
		"terminated;reason=timeout":                  {State: bridge.Terminated},
	} {
		t.Run(want, func(t *testing.T) {
			watched(t, func(t *testing.T, w *world, alice, bob *peer) {
				w.port.box.Put(bridge.Item{Leg: bobAlice, ID: w.only(), Verdict: v, Mandatory: true, Final: true})
				bob.notify().want(t, "NOTIFY sip:"+bob.addr+" SIP/2.0", "Subscription-State: "+want, "Content-Type:")
			})
		})
	}
}

func TestIMS_11_RouteSet(t *testing.T) {
	in(t, allowed, func(t *testing.T, w *world) {
		proxy, bob := w.peerAt("", "192.0.2.200:5070"), w.peer("sip:bob@sip.example")
		bob.request("SUBSCRIBE "+aliceURI, "Event: presence\nRecord-Route: <sip:192.0.2.200:5070;lr;x=1>, <sip:r2.example;lr>\n"+
			"Contact: <sip:bob@192.0.2.77:5099>", "")
		res := bob.response()
		rr := strings.Join(res.all("Record-Route"), ", ")
		if rr != "<sip:192.0.2.200:5070;lr;x=1>, <sip:r2.example;lr>" {
			t.Errorf("Record-Route in the 200: %s", rr)
		}
		n := proxy.notify()
		n.want(t, "NOTIFY sip:bob@192.0.2.77:5099 SIP/2.0")
		if r := strings.Join(n.all("Route"), ", "); r != "<sip:192.0.2.200:5070;lr;x=1>, <sip:r2.example;lr>" {
			t.Errorf("Route: %s", r)
		}
		// A refresh moves the remote target, not the route set.
		bob.again(res, "Contact: <sip:bob@192.0.2.78>\nRecord-Route: <sip:other.example;lr>")
		bob.response()
		n = proxy.notify()
		n.want(t, "NOTIFY sip:bob@192.0.2.78 SIP/2.0")
		if r := strings.Join(n.all("Route"), ", "); r != "<sip:192.0.2.200:5070;lr;x=1>, <sip:r2.example;lr>" {
			t.Errorf("Route: %s", r)
		}
	})
}

// TestSEC_05_Victim: a Contact that is not where the SUBSCRIBE came from does
// not make us send there.
func TestSEC_05_Victim(t *testing.T) {
	in(t, allowed, func(t *testing.T, w *world) {
		victim, eve := w.peerAt("", "198.51.100.1:5060"), w.peer("sip:eve@sip.example")
		eve.subscribe(aliceURI, "Contact: <sip:198.51.100.1>")
		victim.silent(time.Minute)
	})
}

func TestSEC_05_NothingBeforeAuthentication(t *testing.T) {
	s := allowed
	s.config = withUsers
	in(t, s, func(t *testing.T, w *world) {
		eve := w.peerAt("sip:eve@sip.example", "198.51.100.1:5060")
		eve.request("SUBSCRIBE "+aliceURI, "Event: presence", "")
		eve.response().want(t, "SIP/2.0 401 Unauthorized", "Contact:")
		eve.silent(time.Minute)
	})
}

func TestIMS_10_NothingPrivateOut(t *testing.T) {
	in(t, allowed, func(t *testing.T, w *world) {
		bob := w.peer("sip:bob@sip.example")
		res, n := bob.subscribe(aliceURI, "P-Access-Network-Info: 3GPP-E-UTRAN-FDD;x=y\nP-Charging-Vector: icid-value=1\n"+
			"P-Visited-Network-ID: other\nP-Served-User: <sip:alice@sip.example>\nP-Charging-Function-Addresses: ccf=a\nP-Asserted-Service: urn:x")
		for _, m := range []message{res, n} {
			for _, name := range []string{"P-Access-Network-Info", "P-Charging-Vector", "P-Visited-Network-ID",
				"P-Served-User", "P-Charging-Function-Addresses", "P-Asserted-Service", "P-Asserted-Identity"} {
				m.want(t, m.start, name+":")
			}
		}
	})
}

var (
	julietAddr = presence.Addr{Scheme: presence.XMPP, User: "juliet", Host: "im.example"}
	bobJuliet  = bridge.Leg{Watcher: bobAddr, Presentity: julietAddr}
)

// TestC_JabberPresentity follows the rows C1 to C10 for a Jabber presentity.
func TestC_JabberPresentity(t *testing.T) {
	const juliet = "sip:juliet@im.example"
	in(t, allowed, func(t *testing.T, w *world) {
		bob := w.peer("sip:bob@sip.example")
		res, n := bob.subscribe(juliet, "") // C1, C3: pending, empty
		n.want(t, n.start, "Subscription-State: pending;expires=3600", "Content-Type:")
		synctest.Wait()
		if a := w.home.take(); len(a) != 1 || a[0] != "attach sip:bob@sip.example xmpp:juliet@im.example 1" {
			t.Errorf("asked of the home: %v", a)
		}
		w.hub.Settle(bobJuliet, bridge.Verdict{State: bridge.Active}, "c") // C3: active, empty, C9: with expires
		bob.notify().want(t, n.start, "Subscription-State: active;expires=3600", "Content-Type:")
		bob.again(res, "") // C6
		bob.response().want(t, "SIP/2.0 200 OK", "Expires: 3600")
		bob.notify().want(t, n.start, "Subscription-State: active;expires=3600", "Content-Type:")
		w.hub.Deliver(bobJuliet, "c", func(*presence.State) *presence.State {
			return &presence.State{Services: []presence.Service{{ID: "ID-balcony", Basic: presence.Open, Notes: []presence.Note{{Text: "here"}}}}}
		})
		bob.tells(`entity="`+juliet+`"`, "ID-balcony", ">open<", "here")
		bob.again(res, "") // C5
		bob.response()
		bob.tells("ID-balcony", ">open<")
		w.home.take()
		bob.again(res, "Expires: 0") // C7
		bob.response().want(t, "SIP/2.0 200 OK", "Expires: 0")
		m := bob.tells(`entity="`+juliet+`"`, ">closed<")
		m.want(t, n.start, "Subscription-State: terminated;reason=timeout", "Content-Type: application/pidf+xml")
		if strings.Contains(m.body, ">open<") {
			t.Errorf("still open:\n%s", m.text)
		}
		synctest.Wait()
		if a := w.home.take(); len(a) != 1 || !strings.HasPrefix(a[0], "detach") { // C8
			t.Errorf("asked of the home: %v", a)
		}
	})
}

func TestC_04_Unsubscribed(t *testing.T) {
	in(t, allowed, func(t *testing.T, w *world) {
		bob := w.peer("sip:bob@sip.example")
		_, n := bob.subscribe("sip:juliet@im.example", "")
		w.hub.Settle(bobJuliet, bridge.Verdict{State: bridge.Terminated, Reason: "rejected"}, "c")
		bob.notify().want(t, n.start, "Subscription-State: terminated;reason=rejected", "Content-Type:")
	})
}

func TestC_10_Expiry(t *testing.T) {
	in(t, allowed, func(t *testing.T, w *world) {
		bob := w.peer("sip:bob@sip.example")
		_, n := bob.subscribe("sip:juliet@im.example", "Expires: 60")
		w.hub.Settle(bobJuliet, bridge.Verdict{State: bridge.Active}, "c")
		bob.notify()
		time.Sleep(time.Minute)
		bob.tells(">closed<").want(t, n.start, "Subscription-State: terminated;reason=timeout")
		_, n = bob.subscribe("sip:juliet@im.example", "Call-ID: second@test") // the authorization stays
		n.want(t, n.start, "Subscription-State: active;expires=3600")
	})
}

// TestF_02_FetchJabber: one NOTIFY with what the home says, or without a body
// when it says nothing for a while.
func TestF_02_FetchJabber(t *testing.T) {
	in(t, allowed, func(t *testing.T, w *world) {
		bob := w.peer("sip:bob@sip.example")
		bob.request("SUBSCRIBE sip:juliet@im.example", "Event: presence\nExpires: 0", "")
		bob.response().want(t, "SIP/2.0 200 OK", "Expires: 0")
		bob.silent(time.Second)
		if a := w.home.take(); len(a) != 1 || a[0] != "attach sip:bob@sip.example xmpp:juliet@im.example 0" {
			t.Errorf("asked of the home: %v", a)
		}
		w.hub.Deliver(bobJuliet, "c", func(*presence.State) *presence.State {
			return &presence.State{Services: []presence.Service{{ID: "ID-balcony", Basic: presence.Open}}}
		})
		n := bob.tells("ID-balcony", ">open<")
		n.want(t, n.start, "Subscription-State: terminated;reason=timeout")
		_, n = bob.subscribe("sip:juliet@im.example", "Expires: 0\nCall-ID: two@test")
		n.want(t, n.start, "Subscription-State: terminated;reason=timeout", "Content-Type:")
		bob.silent(time.Minute)
	})
}
