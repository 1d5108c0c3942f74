package simple

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porchlight-im/porchlight/bridge/bridgetest"
	"github.com/porchlight-im/porchlight/bridge/store"
)

// again runs f with alice and bob in a world (theirs) that next replaces by
// another process on the same store. Requests sent before it and once more after it
// are as if their response had been lost with the first process.
func again(t *testing.T, f func(t *testing.T, alice, bob *peer, next func())) {
	t.Helper()
	againFrom(t, allowed, (*world).peer, f)
}

// againFrom is again in another setup, with alice and bob made by peer.
func againFrom(t *testing.T, s setup, peer func(*world, string) *peer, f func(t *testing.T, alice, bob *peer, next func())) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s.store, s.net = store.NewMemory(), bridgetest.NewNetwork()
		w := newWorld(t, s)
		alice, bob := peer(w, aliceURI), peer(w, "sip:bob@sip.example")
		f(t, alice, bob, func() {
			w.stop()
			w = newWorld(t, s)
			alice.w, bob.w = w, w
		})
		w.stop()
	})
}

func TestPUB_15_SameReceiptAfterRestart(t *testing.T) {
	again(t, func(t *testing.T, alice, bob *peer, next func()) {
		bob.subscribe(aliceURI, "")
		for _, lines := range []string{"", "SIP-If-Match: %"} { // an initial one, then a change
			tag := ""
			if lines != "" {
				tag = alice.publish("", doc("open", "other")).get("SIP-ETag")
				bob.notify()
			}
			text := alice.request("PUBLISH "+aliceURI, "Event: presence\n"+strings.Replace(lines, "%", tag, 1), doc("open", "once"))
			first := alice.response()
			bob.tells("once")
			next()
			bob.notify() // resumed
			alice.raw(text)
			second := alice.response()
			second.want(t, "SIP/2.0 200 OK", "SIP-ETag: "+first.get("SIP-ETag"), "Expires: 3600")
			bob.silent(time.Minute) // PUB-28: applied once
			alice.publish("Expires: 0\nSIP-If-Match: "+first.get("SIP-ETag"), "")
			bob.notify()
		}
	})
}

func TestPUB_13_RemovalAgain(t *testing.T) {
	again(t, func(t *testing.T, alice, bob *peer, next func()) {
		tag := alice.publish("", doc("open", "here")).get("SIP-ETag")
		text := alice.request("PUBLISH "+aliceURI, "Event: presence\nExpires: 0\nSIP-If-Match: "+tag, "")
		alice.response().want(t, "SIP/2.0 200 OK", "Expires: 0")
		next()
		alice.raw(text)
		alice.response().want(t, "SIP/2.0 200 OK", "Expires: 0", "SIP-ETag: *")
		alice.request("PUBLISH "+aliceURI, "Event: presence\nSIP-If-Match: "+tag, "")
		alice.response().want(t, "SIP/2.0 412 Conditional Request Failed")
	})
}

func TestSUB_45_InitialAgain(t *testing.T) {
	again(t, func(t *testing.T, alice, bob *peer, next func()) {
		alice.publish("", doc("open", "here"))
		text := bob.request("SUBSCRIBE "+aliceURI, "Event: presence\nExpires: 600", "")
		first := bob.response()
		ntf := bob.tells("here")
		next()
		bob.raw(text)
		res := bob.response()
		res.want(t, "SIP/2.0 200 OK", "To: "+first.get("To"), "Contact: "+first.get("Contact"), "Expires: 600")
		m := bob.tells("here")
		m.want(t, ntf.start, "From: "+ntf.get("From"), "Subscription-State: active;expires=600")
		if cseq(t, m) <= cseq(t, ntf) {
			t.Errorf("CSeq %d after %d", cseq(t, m), cseq(t, ntf))
		}
		bob.silent(time.Minute) // one subscription, one NOTIFY
		alice.publish("", docOf(aliceURI, "t2", "open", "more"))
		bob.tells("more")
		bob.silent(time.Minute)
		bob.again(res, "Expires: 0")
		bob.response().want(t, "SIP/2.0 200 OK")
		bob.notify()
		if n := len(bob.w.ids()); n > 0 {
			t.Errorf("%d subscriptions left", n)
		}
	})
}

// ids are those of all subscriptions.
func (w *world) ids() (ids []string) {
	w.port.dialogs.m.Range(func(k, _ any) bool { ids = append(ids, k.(string)); return true })
	return ids
}

// TestSUB_45_AnotherSubscription: what is not the same request again makes a
// subscription of its own.
func TestSUB_45_AnotherSubscription(t *testing.T) {
	for _, c := range []struct{ name, uri, lines string }{
		{"another Call-ID", aliceURI, "Call-ID: other@test"},
		{"another tag", aliceURI, "From: <sip:bob@sip.example>;tag=other"},
		{"another presentity", "sip:carol@sip.example", ""},
		{"another event id", aliceURI, "Event: presence;id=2"},
		{"another watcher", aliceURI, "P-Asserted-Identity: <sip:eve@sip.example>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			again(t, func(t *testing.T, alice, bob *peer, next func()) {
				first, _ := bob.subscribe(aliceURI, "")
				next()
				bob.notify()
				bob.cseq = 0
				res, _ := bob.subscribe(c.uri, c.lines)
				if res.get("To") == first.get("To") {
					t.Errorf("the same dialog:\n%s", res.text)
				}
			})
		})
	}
}

func TestSUB_45_RefreshAgain(t *testing.T) {
	again(t, func(t *testing.T, alice, bob *peer, next func()) {
		alice.publish("", doc("open", "here"))
		first, _ := bob.subscribe(aliceURI, "")
		uri := strings.Trim(first.get("Contact"), "<>")
		text := bob.request("SUBSCRIBE "+uri, "Event: presence\nExpires: 600\nTo: "+first.get("To"), "")
		bob.response().want(t, "SIP/2.0 200 OK")
		bob.notify()
		next()
		bob.raw(text)
		bob.response().want(t, "SIP/2.0 200 OK", "Expires: 600", "To: "+first.get("To"))
		bob.tells("here").want(t, "NOTIFY *", "Subscription-State: active;expires=600")
		bob.silent(time.Minute)
		// A lower number is still out of order, and the same one too when it
		// comes in another transaction: it has been answered by this process.
		for _, c := range []string{"CSeq: 1 SUBSCRIBE", "CSeq: 2 SUBSCRIBE"} {
			bob.again(first, c)
			bob.response().want(t, "SIP/2.0 500 CSeq Out Of Order")
		}
		bob.cseq = 9
		bob.again(first, "Expires: 600")
		bob.response().want(t, "SIP/2.0 200 OK")
		bob.notify()
	})
}

// TestSUB_45_TooLate: no client sends a request again that long after.
func TestSUB_45_TooLate(t *testing.T) {
	again(t, func(t *testing.T, alice, bob *peer, next func()) {
		text := bob.request("SUBSCRIBE "+aliceURI, "Event: presence", "")
		first := bob.response()
		bob.notify()
		next()
		bob.notify()
		time.Sleep(clientPatience + time.Second)
		bob.again(first, "CSeq: 1 SUBSCRIBE")
		bob.response().want(t, "SIP/2.0 500 CSeq Out Of Order")
		bob.raw(text)
		res := bob.response()
		res.want(t, "SIP/2.0 200 OK")
		if res.get("To") == first.get("To") {
			t.Error("the dialog was kept in mind for ever")
		}
		bob.notify()
		if bob.w.port.earlier.dialog != nil {
			t.Error("what nobody asks for any more is held")
		}
	})
}

// TestSUB_45_EndedMeanwhile: the watcher has answered the NOTIFY of the next
// process with 481, since it did not know the dialog yet, and asks again.
func TestSUB_45_EndedMeanwhile(t *testing.T) {
	again(t, func(t *testing.T, alice, bob *peer, next func()) {
		text := bob.request("SUBSCRIBE "+aliceURI, "Event: presence", "")
		first := bob.response()
		bob.notify()
		next()
		bob.mute = true
		bob.answer(bob.notify(), "481 Subscription Does Not Exist", "")
		bob.mute = false
		time.Sleep(time.Second)
		bob.raw(text)
		res := bob.response()
		res.want(t, "SIP/2.0 200 OK")
		if res.get("To") == first.get("To") {
			t.Error("a dialog that has ended goes on")
		}
		bob.notify()
	})
}

// TestSUB_45_NoStorm: what has to be told after a restart is spread, also what
// has ended meanwhile, and everyone is told.
func TestSUB_45_NoStorm(t *testing.T) {
	const n = 1000 // a fifth of a second
	synctest.Test(t, func(t *testing.T) {
		s := allowed
		s.store, s.net, s.log = store.NewMemory(), bridgetest.NewNetwork(), io.Discard
		w := newWorld(t, s)
		bob := w.peer("sip:bob@sip.example")
		for i := range n {
			expires := "Expires: 3600"
			if i%2 == 0 {
				expires = "Expires: 60"
			}
			bob.id = "peer-" + time.Duration(i).String()
			bob.subscribe("sip:u"+time.Duration(i).String()+"@sip.example", expires)
		}
		w.stop()
		time.Sleep(2 * time.Minute)
		w = newWorld(t, s)
		bob.w = w
		begin, told, ended, at := time.Now(), 0, 0, map[time.Time]int{}
		for m, ok := bob.within(time.Minute); ok; m, ok = bob.within(time.Minute) {
			at[time.Now()]++
			told++
			if strings.HasPrefix(m.get("Subscription-State"), "terminated;reason=timeout") {
				ended++
			}
			if d := time.Since(begin); d > 5*time.Second {
				t.Fatalf("told after %v", d)
			}
		}
		if told != n || ended != n/2 {
			t.Errorf("%d told, %d of them ended, want %d and %d", told, ended, n, n/2)
		}
		for moment, k := range at {
			if k > n/10 {
				t.Errorf("%d NOTIFYs at %v", k, moment.Sub(begin))
			}
		}
		w.stop()
	})
}
