package pidf

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

func TestDOC_11_Choices(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"place-is", `<r:place-is><r:text><r:uncomfortable/><r:inappropriate/></r:text><r:audio><r:noisy/><r:ok/><r:quiet/><r:unknown/></r:audio><r:video><r:toobright/><r:dark/></r:video></r:place-is>`,
			`<rpid:place-is><rpid:audio><rpid:noisy/><rpid:ok/><rpid:quiet/><rpid:unknown/></rpid:audio><rpid:video><rpid:toobright/><rpid:dark/></rpid:video><rpid:text><rpid:uncomfortable/><rpid:inappropriate/></rpid:text></rpid:place-is>`},
		{"privacy", `<r:privacy><r:audio/><r:text/><r:video/><r:unknown/></r:privacy>`, `<rpid:privacy><rpid:audio/><rpid:text/><rpid:video/><rpid:unknown/></rpid:privacy>`},
		{"sphere", `<r:sphere><r:home/></r:sphere>`, `<rpid:sphere><rpid:home/></rpid:sphere>`},
		{"sphere of words", `<r:sphere> bowling <![CDATA[league]]> </r:sphere>`, `<rpid:sphere>bowling league</rpid:sphere>`},
		{"sphere of another namespace", `<r:sphere><foo/></r:sphere>`, `<rpid:sphere><foo/></rpid:sphere>`},
		{"sphere of no namespace", `<r:sphere><foo xmlns=""/></r:sphere>`, `<rpid:sphere><foo xmlns=""/></rpid:sphere>`},
		{"place-type", `<r:place-type><l:airport/><l:other>a raft</l:other><r:other>b</r:other></r:place-type>`,
			`<rpid:place-type><lt:airport/><lt:other>a raft</lt:other><rpid:other>b</rpid:other></rpid:place-type>`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, want := written(t, doc(`<d:person id="p">`+tt.in+`</d:person>`)), `<dm:person id="p">`+tt.want+`</dm:person>`; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
	in := `<relationship><assistant/><associate/><family/><friend/><other>x</other><self/><supervisor/><unknown/></relationship>` +
		`<service-class><courier/><electronic/><freight/><in-person/><postal/><unknown/></service-class>`
	rpid := strings.NewReplacer("</", "</rpid:", "<", "<rpid:").Replace(in)
	short := strings.NewReplacer("</", "</r:", "<", "<r:").Replace(in)
	if got := written(t, doc(`<tuple id="t">`+short+`</tuple>`)); got != `<tuple id="t"><status/>`+rpid+`</tuple>` {
		t.Errorf("got %s", got)
	}
}

func TestDOC_12_UserInput(t *testing.T) {
	s := decoded(t, doc(`<d:device id="d"><r:user-input id="u" idle-threshold="600" last-input="2004-10-21T13:20:00.000-05:00" x:a="b"> idle </r:user-input></d:device>`))
	want := &presence.UserInput{ID: "u", Idle: true, IdleThreshold: 600, LastInput: time.Date(2004, 10, 21, 13, 20, 0, 0, time.FixedZone("", -5*3600)), Attrs: []presence.Attr{{Space: "urn:x", Local: "a", Value: "b"}}}
	if d := cmp.Diff(want, s.Devices[0].UserInput); d != "" {
		t.Error(d)
	}
	if got := written(t, doc(`<tuple id="t"><r:user-input>active</r:user-input></tuple>`)); !strings.Contains(got, `<rpid:user-input>active</rpid:user-input>`) {
		t.Error(got)
	}
	// What is neither is no input, but goes on.
	s = decoded(t, doc(`<d:person id="p"><r:user-input>away</r:user-input></d:person>`))
	if s.Persons[0].UserInput != nil || len(s.Persons[0].Ext) != 1 {
		t.Errorf("%+v", s.Persons[0])
	}
}

func TestDOC_13_TimeOffset(t *testing.T) {
	s := decoded(t, string(read(t, "rpid/rfc4480-3.13-time-offset.xml")))
	if got := s.Persons[0].TimeOffset; got == nil || got.Minutes != -300 || got.Description != "America/New_York" {
		t.Errorf("%+v", got)
	}
	s = decoded(t, string(read(t, "rpid/own-invalid-time-offset.xml")))
	if p := s.Persons[0]; p.TimeOffset != nil || len(p.Ext) != 1 || !strings.Contains(p.Ext[0].Bytes, "+01:00") {
		t.Errorf("%+v", p)
	}
}

func TestDOC_14_TimedStatus(t *testing.T) {
	s := decoded(t, doc(`<tuple id="t"><status><basic>open</basic></status>`+
		`<t:timed-status from="2005-08-15T10:20:00.000-05:00" until="2005-08-22T19:30:00.000-05:00"><t:basic>closed</t:basic><t:note>n</t:note><x:a/></t:timed-status>`+
		`<t:timed-status from="2005-08-16T00:00:00Z"><t:basic>maybe</t:basic></t:timed-status></tuple>`))
	ts := s.Services[0].Timed
	if s.Services[0].Basic != presence.Open || len(ts) != 2 || ts[0].Basic != presence.Closed || ts[0].From.IsZero() || ts[0].Until.IsZero() ||
		len(ts[0].Notes) != 1 || len(ts[0].Ext) != 1 || ts[1].Basic != presence.OddBasic || len(ts[1].Ext) != 1 {
		t.Errorf("%+v", ts)
	}
	if out := string(Append(nil, s, "")); !strings.Contains(out, `<ts:timed-status from="2005-08-15T10:20:00-05:00" until="2005-08-22T19:30:00-05:00"><ts:basic>closed</ts:basic><ts:note>n</ts:note>`) {
		t.Error(out)
	}
}

func TestDOC_15_Card(t *testing.T) {
	in := `<card>a</card><display-name>b</display-name><homepage>c</homepage><icon>d</icon><map>e</map><sound>f</sound>`
	in = strings.NewReplacer("</", "</c:", "<", "<c:").Replace(in)
	s := decoded(t, doc(`<tuple id="t">`+in+`</tuple><d:person id="p">`+in+`</d:person>`))
	want := presence.CIPID{Card: "a", DisplayName: "b", Homepage: "c", Icon: "d", Map: "e", Sound: "f"}
	if s.Services[0].Card != want || s.Persons[0].Card != want {
		t.Errorf("%+v %+v", s.Services[0].Card, s.Persons[0].Card)
	}
	if out := string(Append(nil, s, "")); strings.Count(out, strings.ReplaceAll(in, "c:", "ci:")) != 2 {
		t.Error(out)
	}
}

func TestDOC_16_Capabilities(t *testing.T) {
	s := decoded(t, string(read(t, "pidf/rfc5196-5-caps.xml")))
	byName := map[string]presence.Capability{}
	for _, c := range s.Services[0].Caps.Items {
		byName[c.Name] = c
	}
	for name, want := range map[string]presence.Capability{
		"audio":   {Name: "audio", Text: "true"},
		"video":   {Name: "video", Text: "false"},
		"duplex":  {Name: "duplex", Supported: []string{"full"}},
		"methods": {Name: "methods", Supported: []string{"ACK", "BYE", "INVITE", "MESSAGE"}},
	} {
		if d := cmp.Diff(want, byName[name]); d != "" {
			t.Error(d)
		}
	}
	for _, name := range []string{"priority", "schemes", "description"} {
		if c := byName[name]; c.Raw == nil || !strings.Contains(c.Raw.Bytes, "xmlns:caps=") {
			t.Errorf("%s: %+v", name, c)
		}
	}
	if got := s.Devices[0].Caps.Items; len(got) != 1 || got[0].Name != "mobility" || got[0].Supported[0] != "mobile" {
		t.Errorf("%+v", got)
	}
	got := written(t, doc(`<tuple id="t"><k:servcaps x:a="b"><k:class><k:notsupported><k:business/></k:notsupported></k:class><x:y/><k:text>true</k:text></k:servcaps></tuple>`))
	want := `<tuple id="t"><status/><caps:servcaps xmlns:a0="urn:x" a0:a="b"><caps:class><caps:notsupported><caps:business/></caps:notsupported></caps:class><caps:text>true</caps:text><x:y xmlns:x="urn:x"/></caps:servcaps></tuple>`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestDOC_17_NothingIsMadeUp(t *testing.T) {
	if s := decoded(t, doc("")); !presence.Equal(s, &presence.State{Entity: "pres:a@example.com"}) {
		t.Errorf("%+v", s)
	}
	s := decoded(t, doc(`<tuple id="t"/><d:person id="p"/><d:device id="d"/>`))
	want := &presence.State{Entity: "pres:a@example.com", Services: []presence.Service{{ID: "t"}}, Persons: []presence.Person{{ID: "p"}}, Devices: []presence.Device{{ID: "d"}}}
	if !presence.Equal(s, want) {
		t.Error(cmp.Diff(want, s))
	}
}

func TestDOC_18_PrefixesThatCollide(t *testing.T) {
	one := decoded(t, `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:x="urn:one"><tuple id="t"><x:e/></tuple><x:top/></presence>`)
	two := decoded(t, `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:x="urn:two" xmlns:dm="urn:three"><tuple id="u"><x:e/></tuple><x:top dm:a="1"/></presence>`)
	s, _ := presence.Compose([]presence.Source{{ID: "1", Seq: 1, State: one}, {ID: "2", Seq: 2, State: two}}, time.Now())
	s = decoded(t, string(Append(nil, s, "pres:a@example.com")))
	var got []string
	for _, r := range []presence.RawXML{s.Services[0].Ext[0], s.Services[1].Ext[0], s.Ext[0], s.Ext[1]} {
		got = append(got, r.Space+" "+r.Bytes)
	}
	want := []string{`urn:one <x:e xmlns:x="urn:one"/>`, `urn:two <x:e xmlns:x="urn:two"/>`, `urn:one <x:top xmlns:x="urn:one"/>`,
		`urn:two <x:top xmlns:x="urn:two" xmlns:dm="urn:three" dm:a="1"/>`}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestDOC_19_Limits(t *testing.T) {
	long := strings.Repeat("u", 1000)
	for _, tt := range []struct {
		name, doc string
		tooLarge  bool
	}{
		{"1 MB and more", doc(`<note>` + strings.Repeat("x", maxDocument) + `</note>`), true},
		{"250 tuples", doc(strings.Repeat(`<tuple/>`, 250)), false},
		{"1,000 tuples", doc(strings.Repeat(`<tuple/>`, 1000)), true},
		{"1,000 persons", doc(strings.Repeat(`<d:person/>`, 1000)), true},
		{"depth 101", doc(strings.Repeat(`<x:a>`, 100) + strings.Repeat(`</x:a>`, 100)), true},
		{"long text", doc(`<note>` + strings.Repeat("x&amp;", 100e3) + `</note>`), false},
		{"a long name repeated", `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:x="` + long + `">` + strings.Repeat(`<x:a/>`, 1e4) + `</presence>`, true},
		{"many that are carried", doc(strings.Repeat(`<x:a/>`, 3000)), false},
		{"many with a text", doc(strings.Repeat(`<x:a>t</x:a>`, 10e3) + strings.Repeat(" ", 800e3)), false},
		{"a text in many parts", doc(`<d:person><r:mood>` + strings.Repeat(`a<!---->`, 100e3) + `</r:mood></d:person>`), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			began := time.Now()
			s, err := Decode([]byte(tt.doc))
			var e *Error
			if errors.As(err, &e) != tt.tooLarge || e != nil && !e.TooLarge {
				t.Errorf("got %v", err)
			}
			if err == nil {
				again(t, s)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// What grows when it is made self-contained must still be readable, or is
// refused at once.
func TestDOC_19_WhatGrows(t *testing.T) {
	var decl, attrs strings.Builder
	for i := range 90 {
		p := "n" + strings.Repeat("x", i)
		decl.WriteString(` xmlns:` + p + `="urn:` + p + `"`)
		attrs.WriteString(` ` + p + `:a=""`)
	}
	for _, body := range []string{`<x:a` + attrs.String() + `/>`, `<tuple` + attrs.String() + `/>`} {
		s, err := Decode([]byte(`<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:x="urn:x"` + decl.String() + `>` + body + `</presence>`))
		var e *Error
		if err == nil {
			again(t, s)
		} else if !errors.As(err, &e) || !e.TooLarge {
			t.Error(err)
		}
	}
}

func TestPUB_30_NotWellFormed(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":         "",
		"not closed":      `<presence xmlns="urn:ietf:params:xml:ns:pidf">`,
		"DTD":             `<!DOCTYPE presence><presence xmlns="urn:ietf:params:xml:ns:pidf"/>`,
		"entity":          doc(`<note>&nbsp;</note>`),
		"other root":      `<presence-list xmlns="urn:ietf:params:xml:ns:pidf"/>`,
		"no namespace":    `<presence/>`,
		"XMPP's presence": `<presence xmlns="jabber:client"/>`,
		"two roots":       doc("") + doc(""),
		"junk behind":     doc("") + "junk",
		"late fault":      doc(`<tuple id="t"/>`+"\n"+`<note>`+"\x01"+`</note>`) + "",
		"prefix":          doc(`<z:a/>`),
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Decode([]byte(text))
			var e *Error
			if s != nil || !errors.As(err, &e) || e.Line < 1 || e.Col < 1 || e.Msg == "" || e.TooLarge {
				t.Errorf("%+v, %v", s, err)
			}
		})
	}
}

// What is well-formed but not valid is accepted, and what is known is read.
func TestPUB_33_SchemaInvalid(t *testing.T) {
	for name, check := range map[string]func(s *presence.State) bool{
		"pidf/own-invalid-basic-case.xml": func(s *presence.State) bool {
			return s.Services[0].Basic == presence.OddBasic && s.Services[0].BasicText == "OPEN"
		},
		"pidf/own-invalid-duplicate-id.xml": func(s *presence.State) bool { return len(s.Services) == 2 && s.Services[1].ID == "t1-2" },
		"pidf/own-invalid-no-entity.xml":    func(s *presence.State) bool { return s.Entity == "" && s.Services[0].Basic == presence.Open },
		"pidf/own-invalid-order.xml": func(s *presence.State) bool {
			return s.Services[0].Basic == presence.Open && s.Services[0].Contact.URI != ""
		},
		"pidf/own-invalid-priority.xml": func(s *presence.State) bool {
			return s.Services[0].Contact.Priority == "" && s.Services[0].Contact.URI != ""
		},
		"pidf/own-empty.xml": func(s *presence.State) bool { return s.Entity != "" && len(s.Services) == 0 },
		"rpid/own-invalid-activity-text.xml": func(s *presence.State) bool {
			return s.Persons[0].Activities.Values[0] == presence.Value{Name: "other", Text: "meeting"}
		},
		"rpid/own-invalid-time-offset.xml": func(s *presence.State) bool { return len(s.Persons[0].Ext) == 1 },
		"rpid/own-invalid-user-input.xml":  func(s *presence.State) bool { return len(s.Persons[0].Ext) == 1 },
		"oma/own-invalid-willingness.xml": func(s *presence.State) bool {
			w := s.Persons[0].OMA.OverridingWillingness
			return w.Basic == presence.OddBasic && len(w.Ext) == 1
		},
		"oma/own-invalid-service-description.xml": func(s *presence.State) bool {
			return s.Services[0].OMA.Description.Version == "1.0" && s.Services[0].OMA.Description.ID == ""
		},
	} {
		t.Run(name, func(t *testing.T) {
			if s := decoded(t, string(read(t, name))); !check(s) {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestOMA(t *testing.T) {
	s := decoded(t, string(read(t, "oma/own-willingness-service.xml")))
	o := s.Services[0].OMA
	if o.Willingness.Basic != presence.Closed || o.Willingness.Until.IsZero() || o.SessionParticipation.Basic != presence.Open ||
		o.RegistrationState != "active" || o.BarringState != "terminated" || o.Description.ID != "org.openmobilealliance:PoC-session" {
		t.Errorf("%+v", o)
	}
	if n := s.Devices[0].Networks; len(n) != 2 || n[0].ID != "IMS" || !n[0].Active || !n[1].Terminated {
		t.Errorf("%+v", n)
	}
	got := written(t, string(read(t, "oma/own-social-presence.xml")))
	for _, want := range []string{
		`<op:overriding-willingness opd:until="2026-01-05T17:00:00Z"><op:basic>open</op:basic></op:overriding-willingness>`,
		`<rpid:status-icon opd:etag="26362" opd:fsize="11202" opd:contenttype="image/jpeg" opd:resolution="120x120">`,
		`<opd11:link opd11:label="my page" opd11:priority="0.8">http://www.example.com/alice</opd11:link>`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
}
