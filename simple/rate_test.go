package simple

import (
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porchlight-im/porchlight/bridge/policy"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

// slow is allowed with at most n PUBLISHes a minute.
func slow(n int) setup {
	return setup{defRule: policy.Allow, config: func(c *Config) {
		atOnce(c)
		c.PublishPerMinute = n
	}}
}

// modify changes alice's publication and returns the response.
func modify(alice *peer, tag, note string) message {
	alice.request("PUBLISH "+aliceURI, "Event: presence\nSIP-If-Match: "+tag, doc("open", note))
	return alice.response()
}

// TestPUB_27_TooOften: over the rate → 503 with Retry-After, nothing is
// changed, and who waits that long is served.
func TestPUB_27_TooOften(t *testing.T) {
	in(t, slow(4), func(t *testing.T, w *world) {
		alice, bob := w.peer(aliceURI), w.peer("sip:bob@sip.example")
		tag := alice.publish("", doc("open", "note 0")).get("SIP-ETag")
		bob.subscribe(aliceURI, "")
		for i := range 3 {
			m := modify(alice, tag, fmt.Sprintf("note %d", i+1))
			m.want(t, "SIP/2.0 200 OK")
			tag = m.get("SIP-ETag")
			bob.tells(fmt.Sprintf("note %d", i+1))
		}
		m := modify(alice, tag, "too much")
		m.want(t, "SIP/2.0 503 publishing too often", "Retry-After: 15", "SIP-ETag:")
		bob.silent(time.Second)
		time.Sleep(13 * time.Second)
		modify(alice, tag, "too soon").want(t, "SIP/2.0 503 *", "Retry-After: 1")
		time.Sleep(time.Second)
		m = modify(alice, tag, "in time")
		m.want(t, "SIP/2.0 200 OK", "SIP-ETag: *")
		bob.tells("in time")
		bob.silent(time.Minute)
	})
}

// TestPUB_27_OnlyTheSource: others, removals and unknown tags are as before.
func TestPUB_27_OnlyTheSource(t *testing.T) {
	in(t, slow(1), func(t *testing.T, w *world) {
		alice, carol := w.peer(aliceURI), w.peer("sip:carol@sip.example")
		tag := alice.publish("", doc("open", "here")).get("SIP-ETag")
		modify(alice, tag, "more").want(t, "SIP/2.0 503 *", "Retry-After: 60")
		modify(alice, "nosuchtag", "more").want(t, "SIP/2.0 412 *")
		carol.publish("", docOf("sip:carol@sip.example", "t1", "open", "here"))
		alice.publish("Expires: 0\nSIP-If-Match: "+tag, "") // demands a 200
	})
}

// TestPUB_27_Off: it is off unless configured.
func TestPUB_27_Off(t *testing.T) {
	in(t, allowed, func(t *testing.T, w *world) {
		alice := w.peer(aliceURI)
		tag := alice.publish("", doc("open", "first")).get("SIP-ETag")
		for i := range 200 {
			m := modify(alice, tag, fmt.Sprint(i))
			m.want(t, "SIP/2.0 200 OK", "SIP-ETag: *")
			tag = m.get("SIP-ETag")
		}
		if n := len(w.port.rate.free); n > 0 {
			t.Errorf("%d presentities are counted", n)
		}
	})
}

// TestPUB_27_Bounded: what is remembered has an end, in number and in time.
func TestPUB_27_Bounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRate(1)
		user := func(i int) presence.Addr {
			return presence.Addr{Scheme: presence.SIP, User: strconv.Itoa(i), Host: "sip.example"}
		}
		for i := range maxRated + 10 {
			if wait := r.take(user(i)); wait != 0 {
				t.Fatalf("the first publication of %d waits %v", i, wait)
			}
		}
		if len(r.free) != maxRated {
			t.Errorf("%d are remembered, want %d", len(r.free), maxRated)
		}
		if wait := r.take(user(0)); wait != time.Minute {
			t.Errorf("the second one waits %v", wait)
		}
		time.Sleep(time.Minute)
		if wait := r.take(user(maxRated + 1)); wait != 0 || len(r.free) != 1 {
			t.Errorf("a minute later: waits %v, %d are remembered", wait, len(r.free))
		}
	})
}
