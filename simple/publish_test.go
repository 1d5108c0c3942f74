package simple

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porchlight-im/porchlight/bridge/bridgetest"
	"github.com/porchlight-im/porchlight/bridge/policy"
	"github.com/porchlight-im/porchlight/bridge/store"
)

const aliceURI = "sip:alice@sip.example"

// allowed is a domain in which everyone may watch, and NOTIFYs are not
// spaced.
var allowed = setup{defRule: policy.Allow, config: atOnce}

func atOnce(c *Config) {
	var d time.Duration
	c.NotifyInterval = &d
}

// in runs f in a synctest bubble with a world.
func in(t *testing.T, s setup, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, s)
		f(t, w)
		w.stop()
	})
}

// TestPUBLISH holds the answers to single PUBLISH requests of alice.
func TestPUBLISH(t *testing.T) {
	const ok = "SIP/2.0 200 OK"
	for _, c := range []struct {
		name, uri, lines, body string
		start                  string
		fields                 []string
	}{
		{"PUB-01 not ours", "sip:alice@other.example", "Event: presence", doc("open", ""), "SIP/2.0 404 Not Found", nil},
		{"PUB-01 not a user", "sip:nobody@sip.example", "Event: presence", doc("open", ""), "SIP/2.0 404 Not Found", nil},
		{"PUB-01 a Jabber user", "sip:juliet@im.example", "Event: presence", doc("open", ""), "SIP/2.0 404 Not Found", nil},
		{"PUB-02 no Event", aliceURI, "", doc("open", ""), "SIP/2.0 489 Bad Event", []string{"Allow-Events: presence"}},
		{"PUB-02 other Event", aliceURI, "Event: dialog", doc("open", ""), "SIP/2.0 489 Bad Event", []string{"Allow-Events: presence"}},
		{"PUB-02 case counts", aliceURI, "Event: Presence", doc("open", ""), "SIP/2.0 489 Bad Event", []string{"Allow-Events: presence"}},
		{"PUB-03 initial", aliceURI, "Event: presence\nExpires: 600", doc("open", ""), ok, []string{"SIP-ETag: *", "Expires: 600"}},
		{"PUB-04 two tags", aliceURI, "Event: presence\nSIP-If-Match: a, b", "", "SIP/2.0 400 SIP-If-Match is not a single entity-tag", nil},
		{"PUB-04 two lines", aliceURI, "Event: presence\nSIP-If-Match: a\nSIP-If-Match: b", "", "SIP/2.0 400 SIP-If-Match is not a single entity-tag", nil},
		{"PUB-04 no token", aliceURI, "Event: presence\nSIP-If-Match: \"a\"", "", "SIP/2.0 400 SIP-If-Match is not a single entity-tag", nil},
		{"PUB-05 unknown tag", aliceURI, "Event: presence\nSIP-If-Match: nosuchtag", doc("open", ""), "SIP/2.0 412 Conditional Request Failed", []string{"SIP-ETag:"}},
		{"PUB-05 unknown tag, too brief", aliceURI, "Event: presence\nSIP-If-Match: nosuchtag\nExpires: 1", doc("open", ""), "SIP/2.0 412 Conditional Request Failed", []string{"Min-Expires:"}},
		{"PUB-05 unknown tag, no number", aliceURI, "Event: presence\nSIP-If-Match: nosuchtag\nExpires: soon", doc("open", ""), "SIP/2.0 412 Conditional Request Failed", nil},
		{"PUB-05 unknown tag, other type", aliceURI, "Event: presence\nSIP-If-Match: nosuchtag\nContent-Type: text/plain", "hello", "SIP/2.0 412 Conditional Request Failed", []string{"Accept:"}},
		{"PUB-05 unknown tag, not XML", aliceURI, "Event: presence\nSIP-If-Match: nosuchtag", "<presence", "SIP/2.0 412 Conditional Request Failed", nil},
		{"PUB-05 unknown tag, other Event", aliceURI, "Event: dialog\nSIP-If-Match: nosuchtag", doc("open", ""), "SIP/2.0 489 Bad Event", nil},
		{"PUB-06 shortened", aliceURI, "Event: presence\nExpires: 99999999999", doc("open", ""), ok, []string{"Expires: 86400"}},
		{"PUB-07 default", aliceURI, "Event: presence", doc("open", ""), ok, []string{"Expires: 3600"}},
		{"PUB-08 too brief", aliceURI, "Event: presence\nExpires: 59", doc("open", ""), "SIP/2.0 423 Interval Too Brief", []string{"Min-Expires: 60"}},
		{"PUB-08 just enough", aliceURI, "Event: presence\nExpires: 60", doc("open", ""), ok, []string{"Expires: 60"}},
		{"PUB-08 no number", aliceURI, "Event: presence\nExpires: soon", doc("open", ""), "SIP/2.0 400 Expires is not a number of seconds", nil},
		{"PUB-09 other type", aliceURI, "Event: presence\nContent-Type: text/plain", "hello", "SIP/2.0 415 Unsupported Media Type", []string{"Accept: application/pidf+xml"}},
		{"PUB-10 nothing", aliceURI, "Event: presence", "", "SIP/2.0 400 neither a presence document nor SIP-If-Match", nil},
		{"PUB-14 initial with 0", aliceURI, "Event: presence\nExpires: 0", doc("open", ""), ok, []string{"Expires: 0", "SIP-ETag: *"}},
		{"PUB-19 Record-Route ignored", aliceURI, "Event: presence\nRecord-Route: <sip:192.0.2.99;lr>", doc("open", ""), ok, []string{"Record-Route:", "Contact:"}},
		{"PUB-25 another's state", "sip:bob@sip.example", "Event: presence", doc("open", ""), "SIP/2.0 403 Forbidden", nil},
		{"PUB-26 sips", "sips:alice@sip.example", "Event: presence", doc("open", ""), ok, nil},
		{"PUB-29 unknown encoding", aliceURI, "Event: presence\nContent-Encoding: br", doc("open", ""), "SIP/2.0 415 *", []string{"Accept-Encoding: gzip, deflate, identity"}},
		{"PUB-30 not XML", aliceURI, "Event: presence", "<presence", "SIP/2.0 400 *", nil},
		{"PUB-30 DTD", aliceURI, "Event: presence", `<!DOCTYPE p [<!ENTITY x "y">]>` + doc("open", "&x;"), "SIP/2.0 400 *", nil},
		{"PUB-31 another's document", aliceURI, "Event: presence", docOf("sip:bob@sip.example", "t", "open", ""), "SIP/2.0 400 the document is about another entity than the Request-URI", nil},
		{"PUB-31 pres spelling", aliceURI, "Event: presence", docOf("pres:alice@SIP.example", "t", "open", ""), ok, nil},
		{"PUB-33 foreign content", aliceURI, "Event: presence", strings.Replace(doc("open", ""), "</tuple>", `<x xmlns="urn:x" y="1"/></tuple>`, 1), ok, nil},
		{"SEC-07 compact and folded", aliceURI, "o: presence\nSubject: a\n\tb", doc("open", ""), ok, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			in(t, setup{users: map[string]bool{"alice": true, "bob": true}}, func(t *testing.T, w *world) {
				p := w.peer(aliceURI)
				p.request("PUBLISH "+c.uri, c.lines, c.body)
				fields := c.fields
				if c.start == ok {
					fields = append(fields, "SIP-ETag: *", "Expires: *")
				}
				p.response().want(t, c.start, fields...)
			})
		})
	}
}

// watched is a world with alice, who publishes, and bob, who watches her.
func watched(t *testing.T, f func(t *testing.T, w *world, alice, bob *peer)) {
	t.Helper()
	in(t, allowed, func(t *testing.T, w *world) {
		alice, bob := w.peer(aliceURI), w.peer("sip:bob@sip.example")
		bob.subscribe(aliceURI, "")
		f(t, w, alice, bob)
	})
}

// tells demands that the next NOTIFY has all of words.
func (p *peer) tells(words ...string) message {
	p.w.t.Helper()
	m := p.notify()
	for _, w := range words {
		if !strings.Contains(m.body, w) {
			p.w.t.Errorf("NOTIFY without %q:\n%s", w, m.text)
		}
	}
	return m
}

func TestPUB_11_Refresh(t *testing.T) {
	watched(t, func(t *testing.T, w *world, alice, bob *peer) {
		first := alice.publish("Expires: 600", doc("open", "at work"))
		bob.tells("at work")
		time.Sleep(500 * time.Second)
		second := alice.publish("Expires: 600\nSIP-If-Match: "+first.get("SIP-ETag"), "")
		if first.get("SIP-ETag") == second.get("SIP-ETag") {
			t.Error("the entity-tag is the old one")
		}
		bob.silent(590 * time.Second) // extended, and nothing is told
		m := bob.notify()             // until it expires, PUB-23
		if strings.Contains(m.body, "at work") {
			t.Errorf("the state outlived its publication:\n%s", m.text)
		}
		bob.silent(time.Minute)
	})
}

func TestPUB_12_Modify(t *testing.T) {
	watched(t, func(t *testing.T, w *world, alice, bob *peer) {
		first := alice.publish("", strings.Replace(doc("open", "one"), "</presence>",
			`<tuple id="t2"><status><basic>open</basic></status></tuple></presence>`, 1))
		bob.tells("one")
		second := alice.publish("SIP-If-Match: "+first.get("SIP-ETag"), doc("closed", "two"))
		m := bob.tells("two", "closed")
		// PUB-21: what is not in the new document is gone.
		if strings.Contains(m.body, "one") || strings.Contains(m.body, ">open<") {
			t.Errorf("merged with the old state:\n%s", m.text)
		}
		// PUB-16: the old tag is worth nothing now.
		alice.request("PUBLISH "+aliceURI, "Event: presence\nSIP-If-Match: "+first.get("SIP-ETag"), doc("open", "three"))
		alice.response().want(t, "SIP/2.0 412 Conditional Request Failed")
		bob.silent(time.Minute)
		if second.get("SIP-ETag") == first.get("SIP-ETag") {
			t.Error("the entity-tag is the old one")
		}
	})
}

func TestPUB_13_Remove(t *testing.T) {
	watched(t, func(t *testing.T, w *world, alice, bob *peer) {
		m := alice.publish("", doc("open", "here"))
		bob.tells("here")
		m = alice.publish("Expires: 0\nSIP-If-Match: "+m.get("SIP-ETag"), "")
		m.want(t, "SIP/2.0 200 OK", "Expires: 0")
		n := bob.notify()
		if strings.Contains(n.body, "here") {
			t.Errorf("the state is still there:\n%s", n.text)
		}
		alice.request("PUBLISH "+aliceURI, "Event: presence\nSIP-If-Match: "+m.get("SIP-ETag"), "")
		alice.response().want(t, "SIP/2.0 412 Conditional Request Failed")
	})
}

func TestPUB_14_InitialWithExpires0(t *testing.T) {
	watched(t, func(t *testing.T, w *world, alice, bob *peer) {
		alice.publish("Expires: 0", doc("open", "ghost"))
		bob.silent(time.Minute)
	})
}

// TestPUB_05_KnownTag: with a tag that is known, the later steps say what is
// wrong, and the publication stays.
func TestPUB_05_KnownTag(t *testing.T) {
	in(t, allowed, func(t *testing.T, w *world) {
		alice := w.peer(aliceURI)
		tag := alice.publish("", doc("open", "")).get("SIP-ETag")
		for _, c := range []struct{ lines, body, start string }{
			{"Expires: 1", "", "SIP/2.0 423 Interval Too Brief"},
			{"Expires: soon", "", "SIP/2.0 400 *"},
			{"Content-Type: text/plain", "hello", "SIP/2.0 415 *"},
		} {
			alice.request("PUBLISH "+aliceURI, "Event: presence\nSIP-If-Match: "+tag+"\n"+c.lines, c.body)
			alice.response().want(t, c.start)
		}
		alice.publish("SIP-If-Match: "+tag, "")
	})
}

func TestPUB_05_TagOfAnotherUser(t *testing.T) {
	in(t, allowed, func(t *testing.T, w *world) {
		m := w.peer(aliceURI).publish("", doc("open", ""))
		carol := w.peer("sip:carol@sip.example")
		carol.request("PUBLISH "+carol.aor, "Event: presence\nSIP-If-Match: "+m.get("SIP-ETag"), docOf(carol.aor, "t", "open", ""))
		carol.response().want(t, "SIP/2.0 412 Conditional Request Failed")
	})
}

func TestPUB_15_TagsNeverRepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := allowed
		s.store, s.net = store.NewMemory(), bridgetest.NewNetwork()
		s.log = io.Discard
		w := newWorld(t, s)
		alice := w.peer(aliceURI)
		m := alice.publish("", doc("open", ""))
		seen := map[string]bool{m.get("SIP-ETag"): true}
		for i := range 10_000 {
			if i == 5000 { // another process takes over
				w.stop()
				w = newWorld(t, s)
				alice.w = w
			}
			m = alice.publish("SIP-If-Match: "+m.get("SIP-ETag"), "")
			tag := m.get("SIP-ETag")
			if seen[tag] {
				t.Fatalf("%s was given before", tag)
			}
			seen[tag] = true
		}
		w.stop()
	})
}

func TestPUB_17_InOrder(t *testing.T) {
	watched(t, func(t *testing.T, w *world, alice, bob *peer) {
		tag := alice.publish("", doc("open", "n0")).get("SIP-ETag")
		for i := range 50 {
			tag = alice.publish("SIP-If-Match: "+tag, doc("open", fmt.Sprintf("n%d", i+1))).get("SIP-ETag")
		}
		last := message{}
		for m, ok := bob.within(time.Minute); ok; m, ok = bob.within(time.Minute) {
			last = m
		}
		if !strings.Contains(last.body, "n50") {
			t.Errorf("the last NOTIFY does not have the last state:\n%s", last.text)
		}
	})
}

func TestPUB_18_StoreFails(t *testing.T) {
	disk := store.NewMemory()
	s := allowed
	s.store = disk
	in(t, s, func(t *testing.T, w *world) {
		alice := w.peer(aliceURI)
		m := alice.publish("", doc("open", "kept"))
		disk.SetFail(errors.New("disk full"))
		alice.request("PUBLISH "+aliceURI, "Event: presence\nSIP-If-Match: "+m.get("SIP-ETag"), doc("open", "lost"))
		r := alice.response()
		// §5.6 rule 5: never 404 or 504 for what passes.
		if r.start != "SIP/2.0 500 Server Internal Error" && r.start != "SIP/2.0 503 Service Unavailable" {
			t.Errorf("got %s", r.start)
		}
		r.want(t, r.start, "Retry-After: *", "SIP-ETag:")
		if strings.Contains(r.text, "disk") {
			t.Errorf("our fault is told to the peer:\n%s", r.text)
		}
	})
}

func TestPUB_22_TwoSources(t *testing.T) {
	watched(t, func(t *testing.T, w *world, alice, bob *peer) {
		one := alice.publish("", docOf(aliceURI, "phone", "open", "phone"))
		bob.tells("phone")
		alice.publish("", docOf(aliceURI, "desk", "open", "desk"))
		bob.tells("phone", "desk")
		alice.publish("Expires: 0\nSIP-If-Match: "+one.get("SIP-ETag"), "")
		m := bob.tells("desk")
		if strings.Contains(m.body, "<note>phone") {
			t.Errorf("the removed source is still there:\n%s", m.text)
		}
	})
}

func TestPUB_28_Retransmission(t *testing.T) {
	watched(t, func(t *testing.T, w *world, alice, bob *peer) {
		text := alice.request("PUBLISH "+aliceURI, "Event: presence", doc("open", "once"))
		first := alice.response()
		alice.raw(text)
		second := alice.response()
		if first.text != second.text {
			t.Errorf("the responses differ:\n%s\n%s", first.text, second.text)
		}
		bob.tells("once")
		bob.silent(time.Minute)
	})
}

func TestPUB_32_Multipart(t *testing.T) {
	watched(t, func(t *testing.T, w *world, alice, bob *peer) {
		icon := `<status-icon xmlns="urn:ietf:params:xml:ns:pidf:rpid">cid:icon@x</status-icon>`
		body := "--b\r\nContent-Type: image/png\r\nContent-ID: <icon@x>\r\n\r\nPNG\r\n" +
			"--b\r\nContent-Type: application/pidf+xml\r\nContent-ID: <root@x>\r\n\r\n" +
			strings.Replace(doc("open", "rooted"), "<note>", icon+"<note>", 1) + "\r\n--b--\r\n"
		alice.publish(`Content-Type: multipart/related;boundary=b;type="application/pidf+xml";start="<root@x>"`, body)
		m := bob.tells("rooted")
		if strings.Contains(m.body, "cid:") {
			t.Errorf("a part is named that the watcher does not get:\n%s", m.text)
		}
	})
}
