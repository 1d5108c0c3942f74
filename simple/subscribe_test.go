package simple

import (
	"strings"
	"testing"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/bridge/policy"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

var (
	bobAddr   = presence.Addr{Scheme: presence.SIP, User: "bob", Host: "sip.example"}
	aliceAddr = presence.Addr{Scheme: presence.SIP, User: "alice", Host: "sip.example"}
	bobAlice  = bridge.Leg{Watcher: bobAddr, Presentity: aliceAddr}
)

// TestSUBSCRIBE holds the answers to single SUBSCRIBE requests of bob.
func TestSUBSCRIBE(t *testing.T) {
	const ok = "SIP/2.0 200 OK"
	for _, c := range []struct {
		name, uri, lines, start string
		fields                  []string
	}{
		{"SUB-01 unknown package", aliceURI, "Event: dialog", "SIP/2.0 489 Bad Event", []string{"Allow-Events: presence", "Event:"}},
		{"SUB-01 case counts", aliceURI, "Event: Presence", "SIP/2.0 489 Bad Event", nil},
		{"SUB-02 no Event", aliceURI, "", "SIP/2.0 489 Bad Event", nil},
		{"SUB-03 two lines", aliceURI, "Event: presence\nEvent: dialog", "SIP/2.0 400 more than one Event", nil},
		{"SUB-03 two values", aliceURI, "Event: presence, dialog", "SIP/2.0 400 *", nil},
		{"SUB-04 granted", aliceURI, "Event: presence\nExpires: 600", ok, []string{"Expires: 600"}},
		{"SUB-04 shortened", aliceURI, "Event: presence\nExpires: 4294967295", ok, []string{"Expires: 86400"}},
		{"SUB-05 default", aliceURI, "Event: presence", ok, []string{"Expires: 3600"}},
		{"SUB-06 too brief", aliceURI, "Event: presence\nExpires: 1", "SIP/2.0 423 Interval Too Brief", []string{"Min-Expires: 60"}},
		{"SUB-22 no Accept", aliceURI, "Event: presence", ok, nil},
		{"SUB-22 Accept", aliceURI, "Event: presence\nAccept: text/plain, application/pidf+xml;q=0.5", ok, nil},
		{"SUB-22 range", aliceURI, "Event: presence\nAccept: application/*", ok, nil},
		{"SUB-22 not acceptable", aliceURI, "Event: presence\nAccept: application/pidf+xml;q=0\nAccept: text/plain", "SIP/2.0 406 Not Acceptable", []string{"Accept: application/pidf+xml"}},
		{"SUB-35 unknown user", "sip:nobody@sip.example", "Event: presence", "SIP/2.0 404 Not Found", nil},
		{"unknown domain", "sip:a@other.example", "Event: presence", "SIP/2.0 404 Not Found", nil},
		{"unknown scheme", "mailto:alice@sip.example", "Event: presence", "SIP/2.0 416 Unsupported URI Scheme", nil},
		{"SUB-36 what there is", aliceURI, "Event: presence", ok, []string{"Allow-Events: presence", "Event:", "Subscription-State:"}},
		{"SUB-38 pres", "pres:alice@sip.example", "Event: presence", ok, nil},
		{"SUB-40 sips", "sips:alice@sip.example", "Event: presence\nContact: <sips:bob@192.0.2.10>", ok, []string{"Contact: <sips:" + server + ";gr>"}},
		{"IMS-12 a GRUU", aliceURI, "Event: presence", ok, []string{"Contact: <sip:" + server + ";gr>"}},
		{"no Contact", aliceURI, "Event: presence\nContact:", "SIP/2.0 400 no Contact, or no From tag", nil},
		{"bad Contact", aliceURI, "Event: presence\nContact: <mailto:bob@sip.example>", "SIP/2.0 400 Contact is not one SIP URI", nil},
		{"I5 sips to Jabber", "sips:juliet@im.example", "Event: presence", "SIP/2.0 480 Temporarily Unavailable", []string{`Warning: 380 porchlight "SIPS Not Allowed"`}},
		{"I5 sips in To", "sip:juliet@im.example", "Event: presence\nTo: <sips:juliet@im.example>", "SIP/2.0 480 Temporarily Unavailable", nil},
		{"RLS is not there", aliceURI, "Event: presence\nRequire: recipient-list-subscribe", "SIP/2.0 420 Bad Extension", []string{"Unsupported: recipient-list-subscribe"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := allowed
			s.users = map[string]bool{"alice": true}
			in(t, s, func(t *testing.T, w *world) {
				p := w.peer("sip:bob@sip.example")
				p.request("SUBSCRIBE "+c.uri, c.lines, "")
				p.response().want(t, c.start, c.fields...)
				if c.start != ok {
					p.silent(time.Minute)
					if a := w.home.take(); len(a) > 0 {
						t.Errorf("passed on: %v", a)
					}
				}
			})
		})
	}
}

// TestSUB_44_NoDeltaFormat: what a delta format must count (RFC 6665 §5.3.2)
// need not be counted, since none is offered: who asks for one beside PIDF
// gets whole documents, and who asks for nothing else is refused.
func TestSUB_44_NoDeltaFormat(t *testing.T) {
	watched(t, func(t *testing.T, w *world, alice, bob *peer) {
		const delta = "application/pidf-diff+xml"
		bob.request("SUBSCRIBE "+aliceURI, "Call-ID: two@test\nEvent: presence\nAccept: "+delta, "")
		bob.response().want(t, "SIP/2.0 406 *", "Accept: application/pidf+xml")
		bob.request("OPTIONS "+aliceURI, "", "")
		bob.response().want(t, "SIP/2.0 200 OK", "Accept: application/pidf+xml")

		bob.subscribe(aliceURI, "Call-ID: three@test\nAccept: "+delta+";q=1, application/pidf+xml;q=0.1")
		alice.publish("", doc("open", "one"))
		tag := alice.publish("", docOf(aliceURI, "t2", "open", "two")).get("SIP-ETag")
		alice.request("PUBLISH "+aliceURI, "Event: presence\nSIP-If-Match: "+tag, docOf(aliceURI, "t2", "closed", "three"))
		alice.response().want(t, "SIP/2.0 200 OK")
		for {
			n := bob.notify()
			if n.get("Call-ID") != "three@test" {
				continue
			}
			n.want(t, n.start, "Content-Type: application/pidf+xml")
			if !strings.Contains(n.body, "<presence ") {
				t.Errorf("not a whole document:\n%s", n.text)
			}
			if strings.Contains(n.body, "one") && strings.Contains(n.body, "three") {
				return
			}
		}
	})
}

// TestSUB_08_NotifyAfterEvery2xx follows one subscription through its life.
// Row B6: our presence server sends the first NOTIFY at once.
func TestSUB_08_NotifyAfterEvery2xx(t *testing.T) {
	in(t, allowed, func(t *testing.T, w *world) {
		alice, bob := w.peer(aliceURI), w.peer("sip:bob@sip.example")
		alice.publish("", doc("open", "here"))
		bob.request("SUBSCRIBE "+aliceURI, "Event: presence;id=7\nExpires: 600\nFrom: \"Bob \\\"B\\\" Ü\" <sip:bob@sip.example>;tag="+bob.id, "")
		res := bob.response()
		res.want(t, "SIP/2.0 200 OK", "Expires: 600")
		_, tag, _ := strings.Cut(res.get("To"), ";tag=")
		// SUB-09, SUB-10: the whole NOTIFY.
		n := bob.tells("here", `entity="sip:alice@sip.example"`)
		n.want(t, "NOTIFY sip:"+bob.addr+" SIP/2.0",
			"From: <sip:alice@sip.example>;tag="+tag,
			"To: \"Bob \\\"B\\\" Ü\" <sip:bob@sip.example>;tag="+bob.id,
			"Call-ID: "+bob.id+"@test", "CSeq: 1 NOTIFY", "Max-Forwards: *", "Via: *",
			"Contact: <sip:"+server+";gr>", "Event: presence;id=7",
			"Subscription-State: active;expires=600", "Content-Type: application/pidf+xml", "Content-Length: *")
		bob.silent(5 * time.Second)

		time.Sleep(95 * time.Second) // SUB-19: a refresh may shorten
		bob.again(res, "Event: presence;id=7\nExpires: 300")
		bob.response().want(t, "SIP/2.0 200 OK", "Expires: 300", "Contact: *")
		bob.tells("here").want(t, n.start, "Subscription-State: active;expires=300", "CSeq: 2 NOTIFY")
		bob.silent(5 * time.Second)

		bob.again(res, "Event: presence;id=7\nExpires: 0") // SUB-13
		bob.response().want(t, "SIP/2.0 200 OK", "Expires: 0")
		bob.notify().want(t, n.start, "Subscription-State: terminated;reason=timeout", "CSeq: 3 NOTIFY")

		bob.again(res, "Event: presence;id=7")
		bob.response().want(t, "SIP/2.0 481 Subscription Does Not Exist")
		alice.publish("", doc("open", "more"))
		bob.silent(2 * time.Hour)
	})
}

// TestSUB_37_WhereTheHeadersStand: Event stands in no response, and
// Subscription-State in NOTIFYs alone.
func TestSUB_37_WhereTheHeadersStand(t *testing.T) {
	in(t, allowed, func(t *testing.T, w *world) {
		bob := w.peer("sip:bob@sip.example")
		res, n := bob.subscribe(aliceURI, "Expires: 600")
		pub := bob.publish("", docOf(bob.aor, "t1", "open", "here"))
		bob.request("OPTIONS "+aliceURI, "", "")
		options := bob.response()
		bob.request("SUBSCRIBE "+aliceURI, "Event: other", "")
		refused := bob.response()
		for _, m := range []message{res, pub, options, refused} {
			if m.get("Event") != "" || m.get("Subscription-State") != "" {
				t.Errorf("in a response:\n%s", m.text)
			}
		}
		if n.get("Event") == "" || n.get("Subscription-State") == "" {
			t.Errorf("missing in the NOTIFY:\n%s", n.text)
		}
	})
}

func TestSUB_12_Fetch(t *testing.T) {
	in(t, allowed, func(t *testing.T, w *world) {
		alice, bob := w.peer(aliceURI), w.peer("sip:bob@sip.example")
		alice.publish("", doc("open", "here"))
		res, n := bob.subscribe(aliceURI, "Expires: 0")
		res.want(t, "SIP/2.0 200 OK", "Expires: 0")
		n.want(t, n.start, "Subscription-State: terminated;reason=timeout")
		if !strings.Contains(n.body, "here") {
			t.Errorf("no state:\n%s", n.text)
		}
		alice.publish("", doc("open", "more"))
		bob.silent(2 * time.Hour)
		bob.again(res, "")
		bob.response().want(t, "SIP/2.0 481 Subscription Does Not Exist")
	})
}

func TestSUB_14_Expiry(t *testing.T) {
	in(t, allowed, func(t *testing.T, w *world) {
		bob := w.peer("sip:bob@sip.example")
		res, _ := bob.subscribe(aliceURI, "Expires: 120")
		bob.silent(118 * time.Second)
		bob.notify().want(t, "NOTIFY sip:"+bob.addr+" SIP/2.0", "Subscription-State: terminated;reason=timeout")
		bob.again(res, "")
		bob.response().want(t, "SIP/2.0 481 Subscription Does Not Exist")
	})
}

// TestSUB_18_InDialog holds what is refused within a dialog, and that it
// changes nothing.
func TestSUB_18_InDialog(t *testing.T) {
	for _, c := range []struct{ name, lines, start string }{
		{"unknown tag", "To: <sip:alice@sip.example>;tag=nosuch", "SIP/2.0 481 Subscription Does Not Exist"},
		{"other Call-ID", "Call-ID: another@test", "SIP/2.0 481 Subscription Does Not Exist"},
		{"other From tag", "From: <sip:bob@sip.example>;tag=another", "SIP/2.0 481 Subscription Does Not Exist"},
		{"CSeq not increasing", "CSeq: 1 SUBSCRIBE", "SIP/2.0 500 CSeq Out Of Order"},
		{"SUB-20 another id", "Event: presence;id=2", "SIP/2.0 403 Dialog Sharing Not Supported"},
		{"SUB-22 no type left", "Accept: text/plain", "SIP/2.0 406 Not Acceptable"},
		{"SUB-06 too brief", "Expires: 30", "SIP/2.0 423 Interval Too Brief"},
		{"someone else", "P-Asserted-Identity: <sip:eve@sip.example>", "SIP/2.0 403 Forbidden"},
	} {
		t.Run(c.name, func(t *testing.T) {
			watched(t, func(t *testing.T, w *world, alice, bob *peer) {
				d := w.port.dialogs.get(w.only())
				res := message{lines: []string{"Contact: <" + d.contact + ">", "To: <sip:alice@sip.example>;tag=" + d.id}}
				bob.again(res, c.lines)
				bob.response().want(t, c.start)
				bob.silent(10 * time.Second)
				alice.publish("", doc("open", "still"))
				bob.tells("still")
				bob.again(res, "Expires: 600")
				bob.response().want(t, "SIP/2.0 200 OK", "Expires: 600")
				bob.notify()
			})
		})
	}
}

// only returns the id of the one subscription there is.
func (w *world) only() (id string) {
	w.t.Helper()
	n := 0
	w.port.dialogs.m.Range(func(k, _ any) bool { id = k.(string); n++; return true })
	if n != 1 {
		w.t.Fatalf("%d subscriptions, want one", n)
	}
	return id
}

func TestSUB_21_Cancel(t *testing.T) {
	in(t, allowed, func(t *testing.T, w *world) {
		bob := w.peer("sip:bob@sip.example")
		text := bob.request("SUBSCRIBE "+aliceURI, "Event: presence", "")
		bob.response().want(t, "SIP/2.0 200 OK")
		bob.notify()
		cancel := strings.Replace(strings.Replace(text, "SUBSCRIBE", "CANCEL", 1), "1 SUBSCRIBE", "1 CANCEL", 1)
		bob.raw(cancel)
		bob.response().want(t, "SIP/2.0 200 OK")
		w.peer(aliceURI).publish("", doc("open", "here"))
		bob.tells("here")
	})
}

func TestSUB_24_Pending(t *testing.T) {
	in(t, setup{defRule: policy.Confirm, config: atOnce}, func(t *testing.T, w *world) {
		alice, bob := w.peer(aliceURI), w.peer("sip:bob@sip.example")
		alice.publish("", doc("open", "secret"))
		res, n := bob.subscribe(aliceURI, "")
		res.want(t, "SIP/2.0 200 OK") // SUB-07: never 202
		// SUB-27: pending, with expires and without a body.
		n.want(t, n.start, "Subscription-State: pending;expires=3600", "Content-Type:", "Content-Length: 0")
		alice.publish("", doc("closed", "secret too"))
		bob.silent(time.Minute)
		// SUB-28: approved, the state follows at once.
		err := w.hub.Authorize(t.Context(), bobAlice, policy.Allow, "c")
		if err != nil {
			t.Fatal(err)
		}
		m := bob.tells("secret")
		m.want(t, n.start, "Subscription-State: active;expires=3540")
		// SUB-29: back to confirm.
		err = w.hub.Authorize(t.Context(), bobAlice, policy.Confirm, "c")
		if err != nil {
			t.Fatal(err)
		}
		bob.notify().want(t, n.start, "Subscription-State: pending;expires=3540", "Content-Type:")
		// SUB-29: refused.
		err = w.hub.Authorize(t.Context(), bobAlice, policy.Block, "c")
		if err != nil {
			t.Fatal(err)
		}
		bob.notify().want(t, n.start, "Subscription-State: terminated;reason=rejected", "Content-Type:")
		bob.again(res, "")
		bob.response().want(t, "SIP/2.0 481 Subscription Does Not Exist")
	})
}

func TestSUB_24_PendingFetch(t *testing.T) {
	in(t, setup{defRule: policy.Confirm, config: atOnce}, func(t *testing.T, w *world) {
		w.peer(aliceURI).publish("", doc("open", "secret"))
		_, n := w.peer("sip:bob@sip.example").subscribe(aliceURI, "Expires: 0")
		n.want(t, n.start, "Subscription-State: terminated;reason=timeout", "Content-Type:")
	})
}

func TestSUB_25_Blocked(t *testing.T) {
	in(t, setup{defRule: policy.Block, config: atOnce}, func(t *testing.T, w *world) {
		bob := w.peer("sip:bob@sip.example")
		bob.request("SUBSCRIBE "+aliceURI, "Event: presence", "")
		bob.response().want(t, "SIP/2.0 403 not authorized for presence")
		bob.silent(time.Minute)
		bob.request("SUBSCRIBE "+aliceURI, "Event: presence\nExpires: 0", "")
		bob.response().want(t, "SIP/2.0 403 not authorized for presence")
	})
}

// TestSUB_26_PoliteBlock: nothing that the watcher sees differs from a user
// who is not there.
func TestSUB_26_PoliteBlock(t *testing.T) {
	in(t, setup{defRule: policy.PoliteBlock, config: atOnce}, func(t *testing.T, w *world) {
		alice, bob := w.peer(aliceURI), w.peer("sip:bob@sip.example")
		alice.publish("", doc("open", "secret"))
		res, n := bob.subscribe(aliceURI, "")
		n.want(t, n.start, "Subscription-State: active;expires=3600", "Content-Type: application/pidf+xml")
		if strings.Contains(n.body, "secret") || strings.Contains(n.body, ">open<") || !strings.Contains(n.body, "closed") {
			t.Errorf("body:\n%s", n.body)
		}
		alice.publish("", doc("open", "more"))
		bob.silent(time.Minute)
		bob.again(res, "")
		bob.response().want(t, "SIP/2.0 200 OK")
		if again := bob.notify(); again.body != n.body {
			t.Errorf("the made-up state has changed:\n%s\n%s", n.body, again.body)
		}
	})
}

func TestSUB_41_OnlySubscribeCreates(t *testing.T) {
	in(t, allowed, func(t *testing.T, w *world) {
		bob := w.peer("sip:bob@sip.example")
		for _, method := range []string{"REFER", "REGISTER", "INVITE", "MESSAGE"} {
			bob.request(method+" "+aliceURI, "Event: presence\nRefer-To: <sip:x@y>", "")
			bob.response().want(t, "SIP/2.0 405 Method Not Allowed", "Allow: *")
		}
		w.peer(aliceURI).publish("", doc("open", ""))
		bob.silent(time.Minute)
	})
}

func TestIMS_27_EntityAsAsked(t *testing.T) {
	for uri, want := range map[string]string{
		"pres:alice@sip.example":                          "pres:alice@sip.example",
		"sip:alice@SIP.example":                           "sip:alice@SIP.example",
		"sip:alice@sip.example:5060;transport=udp;user=x": "sip:alice@sip.example;user=x",
	} {
		t.Run(uri, func(t *testing.T) {
			in(t, allowed, func(t *testing.T, w *world) {
				w.peer(aliceURI).publish("", doc("open", "here"))
				_, n := w.peer("sip:bob@sip.example").subscribe(uri, "")
				if !strings.Contains(n.body, `entity="`+want+`"`) {
					t.Errorf("entity is not %s:\n%s", want, n.body)
				}
			})
		})
	}
}
