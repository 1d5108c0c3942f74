package pidf

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// doc puts body into a presence document in which the prefixes of tree_test.go
// are declared, and PIDF's is also the default.
func doc(body string) string {
	return `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="pres:a@example.com"` + prolog + `>` + body + `</presence>`
}

func decoded(t *testing.T, text string) *presence.State {
	t.Helper()
	s, err := Decode([]byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	again(t, s)
	return s
}

// written returns what Append makes of text, without the root element's tags.
func written(t *testing.T, text string) string {
	t.Helper()
	_, out, _ := strings.Cut(string(Append(nil, decoded(t, text), "")), "?>")
	_, out, _ = strings.Cut(out, ">")
	return strings.TrimSuffix(out, "</presence>")
}

func TestDOC_01_Output(t *testing.T) {
	got := string(Append(nil, decoded(t, `<p:presence xmlns:p="urn:ietf:params:xml:ns:pidf" entity="pres:a@example.com" xml:lang="en">
		<p:note xml:lang="de"> Grüße &amp; "mehr" </p:note>
		<p:tuple id="t1"> <p:status> <p:basic> open </p:basic> </p:status> <p:contact priority="0.85"> sip:a@example.com </p:contact>
		<p:note>plain</p:note> <p:timestamp>2005-10-27t16:49:29.250z</p:timestamp> </p:tuple>
		<p:tuple id="t1"><p:status><p:basic>closed</p:basic></p:status><p:timestamp>2005-10-27T16:49:29-05:00</p:timestamp></p:tuple>
		</p:presence>`), "sip:a&b@example.com"))
	want := `<?xml version="1.0" encoding="UTF-8"?><presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:a&amp;b@example.com" xml:lang="en">` +
		`<tuple id="t1"><status><basic>open</basic></status><contact priority="0.85">sip:a@example.com</contact><note>plain</note><timestamp>2005-10-27T16:49:29.25Z</timestamp></tuple>` +
		`<tuple id="t1-2"><status><basic>closed</basic></status><timestamp>2005-10-27T16:49:29-05:00</timestamp></tuple>` +
		`<note xml:lang="de"> Grüße &amp; "mehr" </note></presence>`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for p, valid := range map[string]bool{"0": true, "1": true, "0.": true, "0.021": true, "1.000": true, "1.001": false, "0.1234": false, "2": false, "09": false, "-0": false, ".5": false, "": false, "1.0 ": true, "x": false} {
		s := decoded(t, doc(`<tuple id="t"><contact priority="`+p+`">a</contact></tuple>`))
		if got := s.Services[0].Contact.Priority; (got != "") != valid {
			t.Errorf("priority %q is read as %q", p, got)
		}
	}
}

func TestDOC_02_UnknownIsCarried(t *testing.T) {
	body := `<tuple id="t"><status><x:s a="1">b<x:c/></x:s></status><x:t/><foo/></tuple><d:person id="p"><x:p y:a="1"/></d:person>` +
		`<d:device id="d"><x:d/></d:device><x:top/>`
	s := decoded(t, doc(body))
	// Through composition, too.
	s, _ = presence.Compose([]presence.Source{{ID: "one", State: s}}, time.Now())
	out := string(Append(nil, s, "pres:a@example.com"))
	for _, want := range []string{
		`<status><x:s xmlns:x="urn:x" a="1">b<x:c/></x:s></status>`, `<x:t xmlns:x="urn:x"/><foo xmlns="urn:ietf:params:xml:ns:pidf"/></tuple>`,
		`<x:p xmlns:x="urn:x" xmlns:y="urn:y" y:a="1"/></dm:person>`, `<x:d xmlns:x="urn:x"/></dm:device>`, `<x:top xmlns:x="urn:x"/></presence>`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%s is not in %s", want, out)
		}
	}
}

func TestDOC_03_MustUnderstand(t *testing.T) {
	for _, tt := range []struct {
		name, tuple string
		want        bool
	}{
		{"in status", `<status><basic>open</basic><x:a p:mustUnderstand="1"/></status>`, true},
		{"without a prefix, true", `<status><x:a mustUnderstand=" true "/></status>`, true},
		{"0", `<status><x:a p:mustUnderstand="0"/></status>`, false},
		{"of another namespace", `<status><x:a x:mustUnderstand="1"/></status>`, false},
		{"RFC 3863 §4.2.3: within what is ignored", `<status><x:a><x:b p:mustUnderstand="1"/></x:a></status>`, false},
		{"outside of status", `<status/><x:a p:mustUnderstand="1"/>`, false},
		{"on what is understood", `<status><basic p:mustUnderstand="1">open</basic><r:activities p:mustUnderstand="1"/></status>`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := decoded(t, doc(`<tuple id="t">`+tt.tuple+`</tuple>`))
			if got := s.Services[0].NotUnderstood; got != tt.want {
				t.Errorf("NotUnderstood = %v", got)
			}
			if out := written(t, doc(`<tuple id="t">`+tt.tuple+`</tuple>`)); strings.Contains(tt.tuple, "<x:a") && !strings.Contains(out, "mustUnderstand") {
				t.Errorf("not forwarded: %s", out)
			}
		})
	}
}

func TestDOC_04_Order(t *testing.T) {
	got := written(t, doc(`<x:e/><d:device id="same"/><note>n</note><d:person id="same"/>`+
		`<tuple id="same"><timestamp>2005-10-27T16:49:29Z</timestamp><note>m</note><contact>c</contact><x:f/><d:deviceID>urn:d</d:deviceID>`+
		`<status><j:show>away</j:show><x:g/><basic>open</basic></status></tuple>`))
	want := `<tuple id="same"><status><basic>open</basic><show xmlns="jabber:client">away</show><x:g xmlns:x="urn:x"/></status>` +
		`<dm:deviceID>urn:d</dm:deviceID><x:f xmlns:x="urn:x"/><contact>c</contact><note>m</note><timestamp>2005-10-27T16:49:29Z</timestamp></tuple>` +
		`<note>n</note><dm:person id="same-2"></dm:person><dm:device id="same-3"></dm:device><x:e xmlns:x="urn:x"/>`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestDOC_05_Occurrences(t *testing.T) {
	text := doc(`<d:person id="a"><r:mood><r:happy/></r:mood></d:person><d:person id="a"><r:mood><r:sad/></r:mood></d:person><d:person/>`)
	s := decoded(t, text)
	var ids []string
	for _, p := range s.Persons {
		ids = append(ids, p.ID)
	}
	if !slices.Equal(ids, []string{"a", "a-2", "id3"}) {
		t.Errorf("ids %q", ids)
	}
	if !presence.Equal(s, decoded(t, text)) {
		t.Error("read twice, and not the same")
	}
}

func TestDOC_06_Location(t *testing.T) {
	const geo = `<g:geopriv><g:location-info/></g:geopriv>`
	const raw = `<g:geopriv xmlns:g="urn:ietf:params:xml:ns:pidf:geopriv10"><g:location-info/></g:geopriv>`
	for in, want := range map[string]string{
		`<tuple id="t"><status>` + geo + `</status></tuple>`:  `<tuple id="t"><status/></tuple><dm:person id="person">` + raw + `</dm:person>`,
		`<tuple id="t">` + geo + `</tuple><d:person id="p"/>`: `<tuple id="t"><status/></tuple><dm:person id="p">` + raw + `</dm:person>`,
		`<d:person id="p">` + geo + `</d:person>`:             `<dm:person id="p">` + raw + `</dm:person>`,
		`<d:device id="d">` + geo + `</d:device>`:             `<dm:device id="d">` + raw + `</dm:device>`,
	} {
		if got := written(t, doc(in)); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", in, got, want)
		}
	}
}

func TestDOC_07_Placement(t *testing.T) {
	const empty = `<tuple id="t"><status/></tuple>`
	for _, tt := range []struct{ name, in, want string }{
		{"legacy in status", `<tuple id="t"><status><basic>open</basic><r:activities><r:away/></r:activities><r:class>c</r:class></status></tuple>`,
			`<tuple id="t"><status><basic>open</basic></status><rpid:class>c</rpid:class></tuple><dm:person id="person"><rpid:activities><rpid:away/></rpid:activities></dm:person>`},
		{"of the person, in a tuple", `<tuple id="t"><r:mood/><r:place-is/><r:place-type/><r:sphere/><r:time-offset>0</r:time-offset></tuple><d:person id="p"><r:mood><r:sad/></r:mood></d:person>`,
			empty + `<dm:person id="p"><rpid:mood><rpid:sad/></rpid:mood><rpid:place-is></rpid:place-is><rpid:place-type/><rpid:sphere/><rpid:time-offset>0</rpid:time-offset></dm:person>`},
		{"of the person, in a device", `<d:device id="d"><r:activities/></d:device>`, `<dm:person id="person"><rpid:activities/></dm:person><dm:device id="d"></dm:device>`},
		{"of the person, at the top", `<r:activities/>`, `<dm:person id="person"><rpid:activities/></dm:person>`},
		{"of tuple and person", `<tuple id="t"><r:privacy/><r:status-icon>i</r:status-icon></tuple><d:person id="p"><r:privacy/><r:status-icon>i</r:status-icon></d:person>`,
			`<tuple id="t"><status/><rpid:privacy/><rpid:status-icon>i</rpid:status-icon></tuple><dm:person id="p"><rpid:privacy/><rpid:status-icon>i</rpid:status-icon></dm:person>`},
		{"of all three", `<tuple id="t"><r:class>c</r:class><r:user-input>idle</r:user-input></tuple><d:person id="p"><r:class>c</r:class><r:user-input>idle</r:user-input></d:person><d:device id="d"><r:class>c</r:class><r:user-input>idle</r:user-input></d:device>`,
			`<tuple id="t"><status/><rpid:class>c</rpid:class><rpid:user-input>idle</rpid:user-input></tuple><dm:person id="p"><rpid:class>c</rpid:class><rpid:user-input>idle</rpid:user-input></dm:person><dm:device id="d"><rpid:class>c</rpid:class><rpid:user-input>idle</rpid:user-input></dm:device>`},
		{"of the tuple", `<tuple id="t"><r:relationship><r:self/></r:relationship><r:service-class><r:electronic/></r:service-class><d:deviceID>urn:d</d:deviceID></tuple>`,
			`<tuple id="t"><status/><rpid:relationship><rpid:self/></rpid:relationship><rpid:service-class><rpid:electronic/></rpid:service-class><dm:deviceID>urn:d</dm:deviceID></tuple>`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := written(t, doc(tt.in)); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestDOC_08_Ranges(t *testing.T) {
	const span = ` from="2026-01-05T09:00:00Z" until="2026-01-05T10:00:00+01:00"`
	now := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	for _, name := range strings.Fields("activities mood place-is place-type privacy sphere status-icon time-offset") {
		s := decoded(t, doc(`<d:person id="p"><r:`+name+` id="i"`+span+`>5</r:`+name+`></d:person>`))
		out := string(Append(nil, s, ""))
		if !strings.Contains(out, "<rpid:"+name+` id="i"`+span) {
			t.Errorf("%s: %s", name, out)
		}
		// It has ended as it began, so that a composition has it at no time.
		composed, _ := presence.Compose([]presence.Source{{ID: "s", State: s}}, now)
		if out := string(Append(nil, composed, "")); strings.Contains(out, name) {
			t.Errorf("%s is current: %s", name, out)
		}
	}
	if got := written(t, doc(`<d:person id="p"><r:mood from="soon" until=""/></d:person>`)); got != `<dm:person id="p"><rpid:mood from="soon" until=""/></dm:person>` {
		t.Errorf("broken times: %s", got)
	}
}

// names returns the names of values.
func valueNames(vs []presence.Value) (out []string) {
	for _, v := range vs {
		out = append(out, v.Name)
	}
	slices.Sort(out)
	return out
}

func TestDOC_09_Activities(t *testing.T) {
	want := strings.Fields(`appointment away breakfast busy dinner holiday in-transit looking-for-work lunch meal meeting
		on-the-phone other performance permanent-absence playing presentation shopping sleeping spectator steering travel tv
		unknown vacation working worship`)
	in := ""
	for _, name := range want {
		in += "<rpid:" + name + "/>"
	}
	in = `<dm:person id="p"><rpid:activities>` + in + `</rpid:activities></dm:person>`
	text := strings.NewReplacer("rpid:", "r:", "dm:", "d:").Replace(in)
	if got := written(t, doc(text)); got != in {
		t.Errorf("got  %s\nwant %s", got, in)
	}
	s := decoded(t, doc(`<d:person id="p"><r:activities><r:note>n</r:note><r:other xml:lang="en">juggling</r:other><x:swim/>loose words</r:activities></d:person>`))
	a := s.Persons[0].Activities
	if len(a.Notes) != 1 || len(a.Values) != 3 || a.Values[0] != (presence.Value{Name: "other", Text: "juggling", Lang: "en"}) ||
		a.Values[1].Space != "urn:x" || a.Values[1].Name != "swim" || a.Values[1].Raw.Bytes != `<x:swim xmlns:x="urn:x"/>` ||
		a.Values[2] != (presence.Value{Name: "other", Text: "loose words"}) {
		t.Errorf("%+v", a)
	}
	s = decoded(t, string(read(t, "rpid/own-all-activities.xml")))
	if got := valueNames(s.Persons[0].Activities.Values); len(got) < 26 {
		t.Errorf("the corpus' activities: %q", got)
	}
	if s := decoded(t, doc(`<d:person id="p"><r:activities/></d:person>`)); s.Persons[0].Activities == nil {
		t.Error("an empty element is not the same as none")
	}
}

func TestDOC_10_Moods(t *testing.T) {
	want := strings.Fields(`afraid amazed angry annoyed anxious ashamed bored brave calm cold confused contented cranky curious
		depressed disappointed disgusted distracted embarrassed excited flirtatious frustrated grumpy guilty happy hot humbled
		humiliated hungry hurt impressed in_awe in_love indignant interested invincible jealous lonely mean moody nervous neutral
		offended other playful proud relieved remorseful restless sad sarcastic serious shocked shy sick sleepy stressed
		surprised thirsty unknown worried`)
	in := ""
	for _, name := range want {
		in += "<r:" + name + "/>"
	}
	s := decoded(t, doc(`<d:person id="p"><r:mood>`+in+`</r:mood></d:person>`))
	if got := valueNames(s.Persons[0].Mood.Values); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	out := fmt.Sprintf(`<dm:person id="p"><rpid:mood>%s</rpid:mood></dm:person>`, strings.ReplaceAll(in, "<r:", "<rpid:"))
	if got := written(t, doc(`<d:person id="p"><r:mood>`+in+`</r:mood></d:person>`)); got != out {
		t.Errorf("got %s", got)
	}
}
