package simple

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porchlight-im/porchlight/bridge/policy"
	"github.com/porchlight-im/porchlight/simple/transport"
)

func withUsers(c *Config) {
	atOnce(c)
	c.Auth = AuthConfig{Realm: "sip.example", Users: map[string]string{
		"alice": "secret", "bob@sip.example": "hunter2", "anonymous": ""}}
}

// stranger is a peer outside the trust domain.
func (w *world) stranger(aor string) *peer {
	return w.peerAt(aor, fmt.Sprintf("198.51.100.%d:5060", 10+w.n))
}

// digest makes the Authorization for the MD5 challenge of m.
func authorize(m message, user, secret, method, uri string, nc int) string {
	h := func(s string) string { b := md5.Sum([]byte(s)); return hex.EncodeToString(b[:]) }
	for _, v := range m.all("WWW-Authenticate") {
		if strings.Contains(v, "SHA-256") {
			continue
		}
		nonce := param(v, "nonce")
		ha1 := h(user + ":" + param(v, "realm") + ":" + secret)
		res := h(fmt.Sprintf("%s:%s:%08x:c:auth:%s", ha1, nonce, nc, h(method+":"+uri)))
		return fmt.Sprintf(`Authorization: Digest username="%s", realm="%s", nonce="%s", uri="%s", `+
			`algorithm=MD5, qop=auth, nc=%08x, cnonce="c", response="%s"`, user, param(v, "realm"), nonce, uri, nc, res)
	}
	return ""
}

func param(v, name string) string {
	_, rest, _ := strings.Cut(v, name+`="`)
	val, _, _ := strings.Cut(rest, `"`)
	return val
}

func TestIMS_01_ForgedIdentity(t *testing.T) {
	for name, c := range map[string]struct {
		config func(*Config)
		start  string
	}{
		"with Digest":    {withUsers, "SIP/2.0 401 Unauthorized"},
		"without Digest": {atOnce, "SIP/2.0 403 Identity Not Asserted"},
	} {
		t.Run(name, func(t *testing.T) {
			s := allowed
			s.config = c.config
			in(t, s, func(t *testing.T, w *world) {
				eve := w.stranger("sip:bob@sip.example")
				for _, start := range []string{"SUBSCRIBE " + aliceURI, "PUBLISH sip:bob@sip.example"} {
					eve.request(start, "Event: presence", docOf("sip:bob@sip.example", "t", "open", ""))
					eve.response().want(t, c.start)
				}
				eve.silent(time.Minute)
			})
		})
	}
}

func TestIMS_02_AssertedIsNotChallenged(t *testing.T) {
	s := setup{config: withUsers, defRule: policy.Confirm}
	in(t, s, func(t *testing.T, w *world) {
		// From says nothing; the asserted identity is approved.
		err := w.hub.Authorize(t.Context(), bobAlice, policy.Allow, "c")
		if err != nil {
			t.Fatal(err)
		}
		_, n := w.peer("sip:bob@sip.example").subscribe(aliceURI, "From: <sip:mallory@sip.example>;tag=x")
		n.want(t, n.start, "Subscription-State: active;expires=3600")
		// A trusted peer that asserts nothing is challenged as others are.
		p := w.peer("sip:bob@sip.example")
		p.request("SUBSCRIBE "+aliceURI, "Event: presence\nP-Asserted-Identity:", "")
		p.response().want(t, "SIP/2.0 401 Unauthorized")
	})
}

// TestIMS_05_AssertedValues holds whom P-Asserted-Identity names.
func TestIMS_05_AssertedValues(t *testing.T) {
	in(t, allowed, func(t *testing.T, w *world) {
		for _, c := range []struct{ lines, want string }{
			{"P-Asserted-Identity: <sip:a@sip.example>", "sip:a@sip.example"},
			{"P-Asserted-Identity: \"A, B\" <sip:a@sip.example>, <tel:+1555>", "sip:a@sip.example sip:+1555@sip.example"},
			{"P-Asserted-Identity: <tel:+1555>\r\nP-Asserted-Identity: <sip:a@sip.example>", "sip:a@sip.example sip:+1555@sip.example"},
			{"P-Asserted-Identity: <sip:a@sip.example>, <sip:b@sip.example>, <tel:+1555>", "sip:a@sip.example sip:+1555@sip.example"},
			{"P-Asserted-Identity: <mailto:a@sip.example>, <sip:a@sip.example>", "sip:a@sip.example"},
			{"P-Asserted-Identity: <sip:>, sip:a@sip.example", "sip:a@sip.example"},
			{"P-Asserted-Identity: <sip:juliet@im.example>", "xmpp:juliet@im.example"},
			{"P-Preferred-Identity: <sip:a@sip.example>", ""},
		} {
			r, err := transport.ParseRequest([]byte("SUBSCRIBE "+aliceURI+" SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n"+
				"From: <sip:f@x>;tag=1\r\nTo: <sip:t@x>\r\nCall-ID: 1\r\nCSeq: 1 SUBSCRIBE\r\n"+c.lines+"\r\n\r\n"),
				transport.Flow{}, func(transport.Reply) {})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, a := range w.port.asserted(r) {
				got = append(got, a.String())
			}
			if g := strings.Join(got, " "); g != c.want {
				t.Errorf("%s: %q, want %q", c.lines, g, c.want)
			}
		}
	})
}

func TestIMS_06_PrivacyLeavesNoTrace(t *testing.T) {
	in(t, allowed, func(t *testing.T, w *world) {
		bob := w.peer("sip:bob@sip.example")
		// A Jabber user would see him.
		bob.request("SUBSCRIBE sip:juliet@im.example", "Event: presence\nPrivacy: id", "")
		bob.response().want(t, "SIP/2.0 433 Anonymity Disallowed")
		bob.silent(time.Minute)
		if a := w.home.take(); len(a) > 0 {
			t.Errorf("passed on: %v", a)
		}
		// Within the trust domain he is who he is.
		_, n := bob.subscribe(aliceURI, "Privacy: critical; ID\nFrom: Anonymous <sip:anonymous@anonymous.invalid>;tag=x")
		n.want(t, n.start, "Subscription-State: active;expires=3600")
		// SEC-10: but not in logs.
		d := w.port.dialogs.get(w.only())
		if d.watcher() != anonymous || d.owner != bobAddr || d.leg.Watcher != bobAddr {
			t.Errorf("watcher %v, owner %v, leg %v", d.watcher(), d.owner, d.leg)
		}
	})
}

// TestIMS_06_ForeignDomain: the SUBSCRIBE to another domain does not say who
// watches.
func TestIMS_06_ForeignDomain(t *testing.T) {
	s := allowed
	s.config = func(c *Config) { c.Outbound = "sip:192.0.2.99:5060;lr" }
	in(t, s, func(t *testing.T, w *world) {
		far, bob := w.peerAt("", "192.0.2.99:5060"), w.peer("sip:bob@sip.example")
		bob.request("SUBSCRIBE sip:romeo@far.example", "Event: presence\nPrivacy: id", "")
		bob.response().want(t, "SIP/2.0 200 OK")
		m, ok := far.read(10 * time.Second)
		if !ok || !strings.HasPrefix(m.start, "SUBSCRIBE sip:romeo@far.example ") {
			t.Fatalf("the other domain is not asked: %q", m.text)
		}
		m.want(t, m.start, "P-Asserted-Identity:")
		if !strings.Contains(m.get("From"), "anonymous@anonymous.invalid") || strings.Contains(m.text, "bob") {
			t.Errorf("not anonymous:\n%s", m.text)
		}
		n := bob.notify()
		n.want(t, n.start, "Subscription-State: pending;expires=3600")
		far.answer(m, "403 Forbidden", "")
		bob.notify().want(t, n.start, "Subscription-State: terminated;reason=rejected")
	})
}

func TestSEC_02_Digest(t *testing.T) {
	s := setup{config: withUsers, defRule: policy.Allow}
	in(t, s, func(t *testing.T, w *world) {
		p := w.stranger("sip:alice@sip.example")
		p.request("PUBLISH "+aliceURI, "Event: presence", doc("open", ""))
		m := p.response()
		m.want(t, "SIP/2.0 401 Unauthorized")
		if n := len(m.all("WWW-Authenticate")); n != 2 {
			t.Errorf("%d challenges, want MD5 and SHA-256", n)
		}
		good := authorize(m, "alice", "secret", "PUBLISH", aliceURI, 1)
		p.request("PUBLISH "+aliceURI, "Event: presence\n"+good, doc("open", ""))
		p.response().want(t, "SIP/2.0 200 OK", "SIP-ETag: *")
		// PUB-24: a replay is refused.
		p.request("PUBLISH "+aliceURI, "Event: presence\n"+good, doc("open", ""))
		p.response().want(t, "SIP/2.0 401 Unauthorized")
		p.request("PUBLISH "+aliceURI, "Event: presence\n"+authorize(m, "alice", "wrong", "PUBLISH", aliceURI, 2), doc("open", ""))
		p.response().want(t, "SIP/2.0 401 Unauthorized")
		// PUB-25: bob is bob, and may not speak for alice.
		p.request("PUBLISH "+aliceURI, "Event: presence\n"+authorize(m, "bob@sip.example", "hunter2", "PUBLISH", aliceURI, 3), doc("open", ""))
		p.response().want(t, "SIP/2.0 403 Forbidden")
		// SUB-23, IMS-08: "anonymous" is nobody.
		p.request("SUBSCRIBE "+aliceURI, "Event: presence\n"+authorize(m, "anonymous", "", "SUBSCRIBE", aliceURI, 4), "")
		p.response().want(t, "SIP/2.0 401 Unauthorized")
		p.silent(time.Minute)
	})
}

func TestSUB_23_ChallengedWatcher(t *testing.T) {
	s := setup{config: withUsers, defRule: policy.Allow}
	in(t, s, func(t *testing.T, w *world) {
		p := w.stranger("sip:bob@sip.example")
		p.request("SUBSCRIBE "+aliceURI, "Event: presence", "")
		m := p.response()
		m.want(t, "SIP/2.0 401 Unauthorized")
		p.request("SUBSCRIBE "+aliceURI, "Event: presence\n"+authorize(m, "bob@sip.example", "hunter2", "SUBSCRIBE", aliceURI, 1), "")
		res := p.response()
		res.want(t, "SIP/2.0 200 OK")
		p.notify()
		if d := w.port.dialogs.get(w.only()); d.leg != bobAlice {
			t.Errorf("leg %v", d.leg)
		}
		// A refresh has to show who it is, too.
		p.again(res, "")
		p.response().want(t, "SIP/2.0 401 Unauthorized")
		synctest.Wait()
		p.silent(time.Minute)
	})
}

func TestTrust(t *testing.T) {
	tr, err := newTrust([]string{"10.0.0.0/8", "2001:db8::1", "SCSCF.example"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		flow transport.Flow
		want bool
	}{
		{transport.Flow{Remote: "10.1.2.3:5060"}, true},
		{transport.Flow{Remote: "[::ffff:10.1.2.3]:5060"}, true},
		{transport.Flow{Remote: "11.1.2.3:5060"}, false},
		{transport.Flow{Remote: "[2001:db8::1]:5060"}, true},
		{transport.Flow{Remote: "[2001:db8::2]:5060"}, false},
		{transport.Flow{Remote: "11.1.2.3:5060", Secure: true, PeerNames: []string{"a.example", "scscf.example"}}, true},
		{transport.Flow{Remote: "11.1.2.3:5060", Secure: true, PeerNames: []string{"a.example"}}, false},
		{transport.Flow{Remote: "11.1.2.3:5060", PeerNames: []string{"scscf.example"}}, false},
		{transport.Flow{Remote: "scscf.example:5060"}, false},
		{transport.Flow{}, false},
	} {
		if got := tr.holds(c.flow); got != c.want {
			t.Errorf("%+v: %v", c.flow, got)
		}
	}
}
