package simple

import (
	"slices"
	"strings"
	"testing"

	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/simple/pidf"
)

// tupleDoc is a document of alice with one RCS tuple: what stands in its
// status, and beside it.
func tupleDoc(status, version, more string) string {
	return `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:alice@sip.example" xmlns:dm="` + dmNS + `" xmlns:rpid="` + rpidNS +
		`" xmlns:op="` + omaNS + `" xmlns:caps="` + capsNS + `" xmlns:x="urn:example:x"><tuple id="t">` + status +
		`<op:service-description><op:service-id>s</op:service-id><op:version>` + version + `</op:version></op:service-description>` + more +
		`<contact>sip:alice@sip.example</contact></tuple></presence>`
}

const (
	openStatus = `<status><basic>open</basic></status>`
	asOpen     = "open s 1.0"
)

// androidRules are rules P1 to P5 of Android's parser, and ANDR-09.
var androidRules = []struct {
	name, doc string
	want      string // what the phone finds of the tuple
	person    string // what the person says in the phone's document
}{
	{"ANDR-09 as it should be", tupleDoc(openStatus, "1.0", ""), asOpen, ""},
	{"P1 duplex with spaces", tupleDoc(openStatus, "1.0", "<caps:servcaps>\n <caps:duplex>\n  <caps:supported>\n   <caps:full/>\n  </caps:supported>\n </caps:duplex>\n</caps:servcaps>"),
		asOpen + " supported full", ""},
	{"P1 duplex with spaces, carried along", tupleDoc(openStatus, "1.0", `<caps:servcaps><caps:duplex> <caps:supported> <caps:full/> </caps:supported> <caps:supported> <caps:half/> </caps:supported></caps:duplex></caps:servcaps>`),
		asOpen + " supported full supported half", ""},
	{"P1 two directions in one element", tupleDoc(openStatus, "1.0", "<caps:servcaps><caps:duplex><caps:supported><caps:full/><caps:half/></caps:supported><caps:notsupported><caps:send-only/></caps:notsupported></caps:duplex></caps:servcaps>"),
		asOpen + " supported full supported half notsupported send-only", ""},
	{"P3 foreign note", tupleDoc(openStatus, "1.0", "<x:y><x:note>n</x:note></x:y>"), asOpen, "<x:note>"},
	{"P3 foreign contact", tupleDoc(openStatus, "1.0", "<x:contact/>"), asOpen, "<x:contact"},
	{"P3 foreign status", tupleDoc(openStatus, "1.0", "<x:y><x:status/></x:y>"), asOpen, "<x:status"},
	{"P3 a tuple in something else", tupleDoc(openStatus, "1.0", "<x:tuple/>"), asOpen, ""},
	{"P3 note in relationship", tupleDoc(openStatus, "1.0", "<rpid:relationship><rpid:note>n</rpid:note><rpid:friend/></rpid:relationship>"), asOpen, ""},
	{"P3 note in privacy", tupleDoc(openStatus, "1.0", "<rpid:privacy><rpid:note>n</rpid:note><rpid:text/></rpid:privacy>"), asOpen, "<rpid:privacy>"},
	{"P3 note in activities", tupleDoc(openStatus, "1.0", "<rpid:activities><rpid:note>n</rpid:note><rpid:away/></rpid:activities>"), asOpen, "<rpid:away/>"},
	{"P3 timestamp of the data model", tupleDoc(openStatus, "1.0", "<dm:timestamp>2026-03-01T11:00:00Z</dm:timestamp>"), asOpen, ""},
	{"P3 timed-status", tupleDoc(openStatus, "1.0", `<t:timed-status xmlns:t="urn:ietf:params:xml:ns:pidf:timed-status" from="2026-03-01T11:00:00Z"><t:basic>open</t:basic><t:note>n</t:note></t:timed-status>`), asOpen, ""},
	{"P3 in the description", strings.Replace(tupleDoc(openStatus, "1.0", ""), "</op:version>", "</op:version><x:version>1</x:version>", 1), asOpen, ""},
	{"P3 in willingness", tupleDoc(openStatus, "1.0", "<op:willingness><op:basic>open</op:basic><x:note/></op:willingness>"), asOpen, ""},
	{"P3 in the capabilities", tupleDoc(openStatus, "1.0", "<caps:servcaps><x:audio>true</x:audio><caps:audio>true</caps:audio><caps:actor><x:video/></caps:actor></caps:servcaps>"), asOpen + " audio", ""},
	{"P4 extension before basic", tupleDoc("<status><x:y/><basic>open</basic></status>", "1.0", ""), asOpen, ""},
	{"P4 show before basic", tupleDoc(`<status><show xmlns="jabber:client">dnd</show><basic>open</basic></status>`, "1.0", ""), asOpen, "<rpid:busy/>"},
	{"P4 show for basic", tupleDoc(`<status><show xmlns="jabber:client">away</show></status>`, "1.0", ""), asOpen, "<rpid:away/>"},
	{"P4 spaces", tupleDoc("<status> <basic> open </basic> </status>", "1.0", ""), asOpen, ""},
	{"P4 no basic", tupleDoc("<status/>", "1.0", ""), "closed s 1.0", ""},
	{"P4 odd basic", tupleDoc("<status><basic>busy</basic></status>", "1.0", ""), "closed s 1.0", ""},
	{"P5 no version", tupleDoc(openStatus, "", ""), "open", ""},
	{"P5 one number", tupleDoc(openStatus, "1", ""), "open", ""},
	{"P5 letters", tupleDoc(openStatus, "1.x", ""), "open", ""},
	{"P5 too large", tupleDoc(openStatus, "99999999999.0", ""), "open", ""},
	{"P5 three numbers", tupleDoc(openStatus, "1.0.0", ""), "open", ""},
	{"P5 sign", tupleDoc(openStatus, "-1.0", ""), "open", ""},
	{"P5 a second description", tupleDoc(openStatus, "1.0", "<op:service-description><op:version>a.b</op:version></op:service-description>"), asOpen, ""},
	{"P5 priority", strings.Replace(tupleDoc(openStatus, "1.0", ""), "<contact>", `<contact priority="high">`, 1), asOpen, ""},
}

// TestAndroid: what a document must not have does not reach a phone.
func TestAndroid(t *testing.T) {
	for _, tt := range androidRules {
		s := decoded(t, tt.doc)
		doc := written("android", s)
		entity, tuples, err := readAndroid(doc)
		if err != nil || len(tuples) != 1 || entity != aliceURI {
			t.Errorf("%s: %q, %d tuples, %v\n%s", tt.name, entity, len(tuples), err, doc)
			continue
		}
		if got := foundBy(tuples[0]); got != tt.want {
			t.Errorf("%s: the phone finds %q, want %q\n%s", tt.name, got, tt.want, doc)
		}
		_, person, _ := strings.Cut(doc, "<dm:person")
		if tt.person != "" && !strings.Contains(strings.ReplaceAll(person, ` xmlns:x="urn:example:x"`, ""), tt.person) {
			t.Errorf("%s: the person does not say %s\n%s", tt.name, tt.person, doc)
		}
		for _, prefix := range []string{"rpid:", "dm:", "x:"} {
			if tuple, _, _ := strings.Cut(doc, "</tuple>"); strings.Contains(tuple, "<"+prefix) {
				t.Errorf("%s: an element of %s in the tuple\n%s", tt.name, prefix, doc)
			}
		}
		if strings.ContainsAny(doc, "\t\r\n") || strings.Contains(doc, "> <") {
			t.Errorf("%s: not compact\n%q", tt.name, doc)
		}
	}
}

func foundBy(a androidTuple) string {
	if a.malformed {
		return "malformed"
	}
	words := []string{a.basic, a.service, a.version}
	if a.audio {
		words = append(words, "audio")
	}
	if a.video {
		words = append(words, "video")
	}
	return strings.Join(slices.DeleteFunc(append(words, a.duplex...), func(s string) bool { return s == "" }), " ")
}

// TestAndroidReader: the reader of these tests fails as the phone does, where
// the generic document does not suit it.
func TestAndroidReader(t *testing.T) {
	for name, doc := range map[string]string{
		"P1 lost duplex": tupleDoc(openStatus, "1.0", "<caps:servcaps><caps:duplex><caps:supported> <caps:full/></caps:supported></caps:duplex></caps:servcaps>"),
		"P2 namespace":   `<presence entity="sip:a@b"/>`,
		"P2 no entity":   `<presence xmlns="` + pidfNS + `"/>`,
		"P3":             tupleDoc(openStatus, "1.0", "<x:y><x:note/></x:y>"),
		"P4":             tupleDoc("<status><x:y/><basic>open</basic></status>", "1.0", ""),
		"P5":             tupleDoc(openStatus, "1.x", ""),
	} {
		_, tuples, err := readAndroid(doc)
		if err == nil && len(tuples) == 1 && !tuples[0].malformed && !(name == "P1 lost duplex" && tuples[0].duplex == nil) {
			t.Errorf("%s: the reader takes it", name)
		}
	}
}

// TestP2_P7: a document always has an entity, and no tuple that is malformed.
func TestP2_P7(t *testing.T) {
	s := &presence.State{Services: []presence.Service{{ID: "a", NotUnderstood: true, Basic: presence.Open, StatusExt: []presence.RawXML{
		{Space: "urn:x", Local: "m", Bytes: `<m xmlns="urn:x" mustUnderstand="1"/>`}}}, {ID: "b", Basic: presence.OddBasic, BasicText: "?"}}}
	entity, tuples, err := readAndroid(written("android", s))
	if err != nil || entity == "" || len(tuples) != 1 || tuples[0].malformed || tuples[0].basic != "" {
		t.Errorf("%q %+v %v", entity, tuples, err)
	}
}

// TestNothingLeaks: no profile tells what the state does not say: of a
// politely blocked watcher's document, and of one whose person is hidden, the
// clients see what they see of a user who is offline, or available.
func TestNothingLeaks(t *testing.T) {
	for _, p := range mapping.Profiles() {
		s := &presence.State{Services: []presence.Service{{ID: "t1", Basic: presence.Closed}}}
		b := string(pidf.Append(nil, p.Shape(nil, s, noon), aliceURI))
		for _, word := range []string{"busy", "away", "<rpid:", "<note", "open"} {
			if strings.Contains(b, word) {
				t.Errorf("%s: %s in what tells nothing:\n%s", p.Name, word, b)
			}
		}
	}
}
