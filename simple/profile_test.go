package simple

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/bridge/bridgetest"
	"github.com/porchlight-im/porchlight/bridge/policy"
	"github.com/porchlight-im/porchlight/bridge/store"
	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/simple/pidf"
)

var update = flag.Bool("update", false, "rewrite the golden documents")

// agents are User-Agents of each profile.
var agents = map[string]string{
	"generic":      "baresip v1.0.0 (x86_64/linux)",
	"linphone":     "LinphoneAndroid/6.0.20 (Infinix ZERO 40 5G) LinphoneSDK/5.4.60 (tags/5.4.60^5E0)",
	"linphone-old": "Linphone-Desktop/5.0.17 (host) mageia/9 Qt/5.15.7 LinphoneSDK/5.2.70",
	"blink":        "Blink 6.0.4 (Linux)",
	"boghe":        "IM-client/OMA1.0 Boghe-Win32/v2.0.186.1024",
	"android":      "Google_Pixel 7_Android14_UP1A.231005.007",
}

func golden(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "testdata", "profiles", name+".xml"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(b), "\n")
}

func decoded(t *testing.T, doc string) *presence.State {
	t.Helper()
	s, err := pidf.Decode([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestBusyUser: the same busy user as seen by each client (rule 1 of §5.6).
func TestBusyUser(t *testing.T) {
	s, _ := presence.Compose([]presence.Source{{ID: "a", State: decoded(t, golden(t, "busy"))}}, noon)
	for profile := range agents {
		got := written(profile, s)
		if *update {
			err := os.WriteFile(filepath.Join("..", "testdata", "profiles", profile+".xml"), []byte(got+"\n"), 0o644)
			if err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(golden(t, profile), got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", profile, diff)
		}
	}
	want := map[string]string{"linphone": "busy", "linphone-old": "busy", "blink": "busy", "boghe": "Busy"}
	for profile, c := range seen {
		got, err := c.read(golden(t, profile))
		if err != nil || got != want[profile] {
			t.Errorf("the user of %s sees %q, %v; want %s", profile, got, err, want[profile])
		}
	}
	_, note, _ := readBlink(golden(t, "blink"))
	if note != "In a meeting until three" {
		t.Errorf("the user of Blink reads %q", note)
	}
	_, tuples, err := readAndroid(golden(t, "android"))
	wantTuples := []androidTuple{
		{basic: "open", service: "org.3gpp.urn:urn-7:3gpp-service.ims.icsi.mmtel", version: "1.0", contact: "sip:alice@sip.example;gr=phone",
			audio: true, video: true, duplex: []string{"supported full", "supported receive-only"}},
		{basic: "closed", contact: "sip:alice@desk.sip.example"},
	}
	if diff := cmp.Diff(wantTuples, tuples, cmp.AllowUnexported(androidTuple{})); diff != "" || err != nil {
		t.Errorf("Android: %v (-want +got)\n%s", err, diff)
	}
}

// inTime starts a bubble at noon.
func inTime(t *testing.T, f func(t *testing.T)) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(noon))
		f(t)
	})
}

// TestProfilesByNotify: watchers of each client get their document by NOTIFY,
// also after a restart.
func TestProfilesByNotify(t *testing.T) {
	inTime(t, func(t *testing.T) {
		s := allowed
		s.store, s.net = store.NewMemory(), bridgetest.NewNetwork()
		w := newWorld(t, s)
		watchers := map[string]*peer{}
		for profile, agent := range agents {
			p := w.peer("sip:" + profile + "@sip.example")
			_, n := p.subscribe(aliceURI, "User-Agent: "+agent)
			n.want(t, "NOTIFY *", "Subscription-State: active;expires=3600")
			watchers[profile] = p
		}
		alice := w.peer(aliceURI)
		check := func(when string) {
			for profile, p := range watchers {
				n := p.notify()
				event := "presence"
				if profile == "linphone-old" {
					event = "Presence" // §5.4
				}
				n.want(t, "NOTIFY *", "Event: "+event, "Content-Type: application/pidf+xml")
				if diff := cmp.Diff(golden(t, profile), n.body); diff != "" {
					t.Errorf("%s, %s: (-want +got)\n%s", profile, when, diff)
				}
			}
		}
		time.Sleep(time.Minute)
		etag := alice.publish("", golden(t, "busy")).get("SIP-ETag")
		check("when published")
		w.stop()
		w = newWorld(t, s)
		alice.w = w
		for _, p := range watchers {
			p.w = w
		}
		check("after the restart")
		alice.publish("SIP-If-Match: "+etag, strings.ReplaceAll(golden(t, "busy"), "three", "four"))
		for profile, p := range watchers {
			if want := strings.ReplaceAll(golden(t, profile), "three", "four"); p.notify().body != want {
				t.Errorf("%s: not what was published", profile)
			}
		}
		w.stop()
	})
}

// TestProfileByAddress: whoever names the presentity in his own way gets the
// same under that name, and whoever is known by his tags alone as well.
func TestProfileByAddress(t *testing.T) {
	inTime(t, func(t *testing.T) {
		w := newWorld(t, allowed)
		w.peer(aliceURI).publish("", golden(t, "busy"))
		_, n := w.peer("sip:bob@sip.example").subscribe("pres:alice@sip.example", "User-Agent: "+agents["blink"])
		if want := strings.Replace(golden(t, "blink"), "sip:alice@sip.example", "pres:alice@sip.example", 1); n.body != want {
			t.Errorf("got\n%s\nwant\n%s", n.body, want)
		}
		_, n = w.peer("sip:carol@sip.example").subscribe(aliceURI, "Accept-Contact: *;+g.oma.sip-im;explicit;require")
		if n.body != golden(t, "android") {
			t.Errorf("the tags do not tell: \n%s", n.body)
		}
	})
}

// TestRules2And3: §5.6 for one presentity: the NOTIFY comes at once, says how
// long the subscription lasts, and is not encoded, whatever is accepted.
func TestRules2And3(t *testing.T) {
	inTime(t, func(t *testing.T) {
		w := newWorld(t, allowed)
		w.peer(aliceURI).publish("Expires: 600", golden(t, "busy")).want(t, "SIP/2.0 200 OK", "Expires: 600", "SIP-ETag: *")
		for profile, agent := range agents {
			start := time.Now()
			_, n := w.peer("sip:"+profile+"@sip.example").subscribe(aliceURI, "Accept-Encoding: gzip\nUser-Agent: "+agent)
			n.want(t, "NOTIFY *", "Subscription-State: active;expires=3600", "Content-Encoding:", "Content-Type: application/pidf+xml")
			if n.body != golden(t, profile) || time.Since(start) > 0 {
				t.Errorf("%s: after %v:\n%s", profile, time.Since(start), n.body)
			}
		}
	})
}

// TestOneEncoding: a View is written once for all watchers of a profile.
func TestOneEncoding(t *testing.T) {
	v := &bridge.View{Presentity: aliceAddr, State: decoded(t, golden(t, "busy"))}
	seen := map[*byte]bool{}
	for _, p := range mapping.Profiles() {
		a, b := v.Bytes(formats[p]), v.Bytes(formats[mapping.ProfileNamed(p.Name)])
		if &a[0] != &b[0] || seen[&a[0]] {
			t.Errorf("%s: not one encoding of its own", p.Name)
		}
		seen[&a[0]] = true
	}
	if len(v.Bytes(formats[mapping.Generic])) == 0 || len((&bridge.View{}).Bytes(formats[mapping.Generic])) > 0 {
		t.Error("nothing for a state, or something for none")
	}
}

// TestBlinkWatchesItself: §5.5: a Blink takes its own state from what it sees
// of itself, so that is what it has published.
func TestBlinkWatchesItself(t *testing.T) {
	inTime(t, func(t *testing.T) {
		w := newWorld(t, allowed)
		alice := w.peer(aliceURI)
		alice.publish("User-Agent: "+agents["blink"], golden(t, "busy"))
		_, n := alice.subscribe(aliceURI, "User-Agent: "+agents["blink"])
		if n.body != golden(t, "generic") {
			t.Errorf("got\n%s", n.body)
		}
	})
}

// TestLinphoneDND: §5.4: what a Linphone publishes for "do not disturb" is
// that to each watcher, and its permanent-activities are kept.
func TestLinphoneDND(t *testing.T) {
	inTime(t, func(t *testing.T) {
		w := newWorld(t, allowed)
		alice := w.peer(aliceURI)
		const permanent = `<rpid-pa:permanent-activities xmlns:rpid-pa="urn:ietf:params:xml:ns:pidf:rpid"><rpid-pa:away></rpid-pa:away></rpid-pa:permanent-activities>`
		alice.publish("User-Agent: "+agents["linphone"], `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:alice@sip.example" `+
			`xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid">`+
			`<tuple id="qmht-z"><status><basic>closed</basic></status><contact priority="0.8">sip:alice@sip.example</contact></tuple>`+
			`<dm:person id="p"><rpid:activities><rpid:away/></rpid:activities>`+permanent+`</dm:person></presence>`)
		for profile, want := range map[string]string{"linphone": "do not disturb", "linphone-old": "do not disturb", "blink": "busy", "boghe": "Busy"} {
			_, n := w.peer("sip:"+profile+"@sip.example").subscribe(aliceURI, "User-Agent: "+agents[profile])
			got, err := seen[profile].read(n.body)
			if err != nil || got != want {
				t.Errorf("%s sees %q, %v; want %q\n%s", profile, got, err, want, n.body)
			}
			if !strings.Contains(n.body, permanent) {
				t.Errorf("%s: permanent-activities are lost\n%s", profile, n.body)
			}
		}
		_, n := w.peer("sip:bob@sip.example").subscribe(aliceURI, "")
		a := mapping.Standard.Effective(decoded(t, n.body), noon)
		if a.Word != mapping.DND {
			t.Errorf("others see %s\n%s", a.Word, n.body)
		}
	})
}

// TestRefusalsOfPhones: rule 5 of §5.6 and P8: the phrases that phones look
// for, and no reason that makes of a contact one without RCS.
func TestRefusalsOfPhones(t *testing.T) {
	inTime(t, func(t *testing.T) {
		blocked := setup{defRule: policy.Block}
		w := newWorld(t, blocked)
		phone := w.peer("sip:bob@sip.example")
		phone.request("SUBSCRIBE sip:alice@sip.example", "Event: presence\nUser-Agent: "+agents["android"], "")
		phone.response().want(t, "SIP/2.0 403 not authorized for presence")
		w.stop()

		w = newWorld(t, setup{defRule: policy.Allow, users: map[string]bool{"alice": true}})
		phone = w.peer("sip:bob@sip.example")
		lines := "Event: presence\nExpires: 0\nUser-Agent: " + agents["android"]
		phone.request("SUBSCRIBE sip:nobody@sip.example", lines, "")
		phone.response().want(t, "SIP/2.0 404 *")
		_, n := w.peer("sip:carol@sip.example").subscribe(aliceURI, lines)
		n.want(t, "NOTIFY *", "Subscription-State: terminated;reason=timeout")
		if entity, _, err := readAndroid(n.body); err != nil || entity != aliceURI {
			t.Errorf("a user who has published nothing: %v\n%s", err, n.body) // ANDR-05
		}
	})
}

// TestTupleIDs: rule 6 of §5.6: ids that a phone makes anew are no news.
func TestTupleIDs(t *testing.T) {
	inTime(t, func(t *testing.T) {
		s := allowed
		s.store, s.net = store.NewMemory(), bridgetest.NewNetwork()
		w := newWorld(t, s)
		alice, bob := w.peer(aliceURI), w.peer("sip:bob@sip.example")
		doc := golden(t, "busy")
		etag := alice.publish("", doc).get("SIP-ETag")
		bob.subscribe(aliceURI, "")
		etag = alice.publish("SIP-If-Match: "+etag, strings.Replace(doc, "tid3", "tid17", 1)).get("SIP-ETag")
		bob.silent(time.Minute)
		alice.publish("SIP-If-Match: "+etag, strings.NewReplacer("tid3", "tid18", "three", "four").Replace(doc))
		bob.tells("four", `<tuple id="tid3">`)
		// The phone was off and knows its entity-tag no more.
		etag = alice.publish("", strings.NewReplacer("tid3", "tid0", "three", "four").Replace(doc)).get("SIP-ETag")
		bob.silent(time.Minute)
		w.stop()
		w = newWorld(t, s)
		alice.w, bob.w = w, w
		bob.tells("four", `<tuple id="tid3">`)
		alice.publish("SIP-If-Match: "+etag, strings.NewReplacer("tid3", "tid1", "three", "five").Replace(doc))
		bob.tells("five", `<tuple id="tid3">`)
		w.stop()
	})
}
