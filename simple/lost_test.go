package simple

import (
	"strings"
	"testing"
	"time"

	"github.com/porchlight-im/porchlight/bridge/policy"
)

// strangers runs f as again does, with alice and bob outside the trust domain.
func strangers(t *testing.T, f func(t *testing.T, alice, bob *peer, next func())) {
	t.Helper()
	againFrom(t, setup{config: withUsers, defRule: policy.Allow}, (*world).stranger, f)
}

// challenged sends a request and, when it is challenged, the same with the
// answer. It returns the last text and response.
func (p *peer) challenged(start, lines, body string) (text string, res message) {
	p.w.t.Helper()
	method, uri, _ := strings.Cut(start, " ")
	p.request(start, lines, body)
	res = p.response()
	res.want(p.w.t, "SIP/2.0 401 Unauthorized")
	user, secret := "alice", "secret"
	if strings.Contains(p.aor, "bob") {
		user, secret = "bob@sip.example", "hunter2"
	}
	text = p.request(start, lines+"\n"+authorize(res, user, secret, method, uri, 1), body)
	return text, p.response()
}

// TestPUB_24_AnswerLostWithItsNonce: a phone that uses Digest sends again what
// the process before has done. Its nonce is not good any more, but the answer
// is the one that was lost: an initial PUBLISH, a change, a removal.
func TestPUB_24_AnswerLostWithItsNonce(t *testing.T) {
	strangers(t, func(t *testing.T, alice, bob *peer, next func()) {
		tag := ""
		for _, c := range []struct{ lines, note, expires string }{
			{"Event: presence", "one", "3600"},
			{"Event: presence\nSIP-If-Match: %", "two", "3600"},
			{"Event: presence\nExpires: 0\nSIP-If-Match: %", "", "0"},
		} {
			body := ""
			if c.note != "" {
				body = doc("open", c.note)
			}
			text, first := alice.challenged("PUBLISH "+aliceURI, strings.Replace(c.lines, "%", tag, 1), body)
			first.want(t, "SIP/2.0 200 OK", "SIP-ETag: *", "Expires: "+c.expires)
			tag = first.get("SIP-ETag")
			next()
			alice.raw(text)
			alice.response().want(t, "SIP/2.0 200 OK", "SIP-ETag: "+tag, "Expires: "+c.expires)
		}
	})
}

// TestPUB_24_NothingIsDoneWithAnOldNonce: what the process before has not done
// is challenged, whoever sends it, and no body that is slipped in is taken.
func TestPUB_24_NothingIsDoneWithAnOldNonce(t *testing.T) {
	strangers(t, func(t *testing.T, alice, bob *peer, next func()) {
		text, first := alice.challenged("PUBLISH "+aliceURI, "Event: presence", doc("open", "mine"))
		tag := first.get("SIP-ETag")
		alice.challenged("SUBSCRIBE "+aliceURI, "Event: presence\nCall-ID: own@test", "")
		alice.notify()
		for _, c := range [][2]string{
			{"CSeq: 2 PUBLISH", "CSeq: 7 PUBLISH"},         // another request
			{"Call-ID: peer1@test", "Call-ID: other@test"}, // another one
			{"branch=z9hG4bK", "branch=z9hG4bKx"},          // and another one
			{`response="`, `response="0`},                  // not who he says
			{`username="alice"`, `username="bob"`},         // neither
			{"Authorization:", "Organization:"},            // says nothing
		} {
			next()
			alice.tells("mine")
			changed := strings.Replace(text, c[0], c[1], 1)
			if changed == text {
				t.Fatalf("no %s in\n%s", c[0], text)
			}
			alice.raw(changed)
			alice.response().want(t, "SIP/2.0 401 Unauthorized", "SIP-ETag:")
		}
		next()
		alice.tells("mine")
		alice.raw(strings.Replace(text, doc("open", "mine"), doc("open", "evil"), 1))
		alice.response().want(t, "SIP/2.0 200 OK", "SIP-ETag: "+tag)
		alice.silent(clientPatience + time.Second)
		late := strings.Replace(text, doc("open", "mine"), doc("open", "late"), 1)
		alice.raw(late) // no client has that much patience
		alice.response().want(t, "SIP/2.0 401 Unauthorized", "SIP-ETag:")
		alice.silent(time.Minute)
	})
}

// TestSUB_45_ChallengedAgain: a phone that uses Digest subscribes once over a
// restart in between, though its SUBSCRIBE is challenged once more.
func TestSUB_45_ChallengedAgain(t *testing.T) {
	strangers(t, func(t *testing.T, alice, bob *peer, next func()) {
		text, first := bob.challenged("SUBSCRIBE "+aliceURI, "Event: presence", "")
		bob.notify()
		next()
		bob.notify()
		bob.raw(text)
		res := bob.response()
		res.want(t, "SIP/2.0 401 Unauthorized")
		bob.request("SUBSCRIBE "+aliceURI, "Event: presence\n"+authorize(res, "bob@sip.example", "hunter2", "SUBSCRIBE", aliceURI, 1), "")
		bob.response().want(t, "SIP/2.0 200 OK", "To: "+first.get("To"))
		bob.notify()
		if n := len(bob.w.ids()); n != 1 {
			t.Errorf("%d subscriptions", n)
		}
	})
}

// TestSUB_13_EndAgain: the end of a subscription, whose 200 is lost with the
// process, is answered the same by the next one, which also sends the last
// NOTIFY once more; with Digest too.
func TestSUB_13_EndAgain(t *testing.T) {
	for name, of := range map[string]func(*world, string) *peer{"trusted": (*world).peer, "Digest": (*world).stranger} {
		t.Run(name, func(t *testing.T) {
			againFrom(t, setup{config: withUsers, defRule: policy.Allow}, of, func(t *testing.T, alice, bob *peer, next func()) {
				endAgain(t, bob, name == "Digest", next)
			})
		})
	}
}

func endAgain(t *testing.T, bob *peer, digest bool, next func()) {
	end := func(first message) (string, message) {
		start, lines := "SUBSCRIBE "+strings.Trim(first.get("Contact"), "<>"), "Event: presence\nExpires: 0\nTo: "+first.get("To")
		if digest {
			return bob.challenged(start, lines, "")
		}
		text := bob.request(start, lines, "")
		return text, bob.response()
	}
	var first message
	if digest {
		_, first = bob.challenged("SUBSCRIBE "+aliceURI, "Event: presence", "")
	} else {
		bob.request("SUBSCRIBE "+aliceURI, "Event: presence", "")
		first = bob.response()
	}
	first.want(t, "SIP/2.0 200 OK")
	bob.notify()
	text, last := end(first)
	last.want(t, "SIP/2.0 200 OK", "Expires: 0")
	ntf := bob.notify()
	ntf.want(t, ntf.start, "Subscription-State: terminated;reason=timeout")

	next()
	m := bob.notify()
	m.want(t, ntf.start, "Subscription-State: terminated;reason=timeout", "Call-ID: "+ntf.get("Call-ID"))
	if cseq(t, m) <= cseq(t, ntf) {
		t.Errorf("CSeq %d after %d", cseq(t, m), cseq(t, ntf))
	}
	if digest {
		_, last = end(first) // its nonce has ended with the process
	} else {
		bob.raw(text)
		last = bob.response()
	}
	last.want(t, "SIP/2.0 200 OK", "Expires: 0", "To: "+first.get("To"), "Contact: "+first.get("Contact"))
	bob.silent(time.Second)
	if n := len(bob.w.ids()); n > 0 {
		t.Errorf("%d subscriptions left", n)
	}
	if !digest {
		bob.again(first, "Expires: 600") // what has ended does not begin again
		bob.response().want(t, "SIP/2.0 481 *")
		time.Sleep(clientPatience)
		bob.again(first, "Expires: 0")
		bob.response().want(t, "SIP/2.0 481 *")
	}
}
