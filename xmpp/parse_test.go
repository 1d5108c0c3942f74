package xmpp

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

func TestSplitter(t *testing.T) {
	const header = ""
	stanzas := []string{
		"<presence from='a@b' to='c@d'/>",
		"<iq type='get'><query xmlns='x'><a><b/></a></query></iq>",
		"<message><body>1 > 0 and &lt; too</body></message>",
		`<presence a="1>0" b='/>'><status>x</status></presence>`,
		"<presence><!-- > </presence> --><status><![CDATA[</presence>]]]>]]></status></presence>",
		"<a\n/>",
		"<presence><?php ?></presence>",
		"<p><!----><![CDATA[]]></p>",
	}
	in := header + strings.Join(stanzas, " \n") + "<!-- between --> <?pi?>" + "<last/></stream:stream>"
	for name, r := range map[string]io.Reader{
		"whole": strings.NewReader(in), "bytes": iotest.OneByteReader(strings.NewReader(in)),
		"halves": iotest.HalfReader(strings.NewReader(in)), "data with error": iotest.DataErrReader(strings.NewReader(in)),
	} {
		s := newSplitter(r, 1000)
		var got []string
		for {
			b, err := s.next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v after %q", name, err, got)
			}
			got = append(got, string(b))
		}
		if diff := cmp.Diff(append(stanzas, "<last/>"), got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestSplitter_TooLargeCostsOnlyItself(t *testing.T) {
	big := "<message><body>" + strings.Repeat("x", 300_000) + "</body></message>"
	s := newSplitter(iotest.HalfReader(strings.NewReader("<a/>"+big+"<b/>"+big+big+"<c/>")), 1000)
	var got []string
	for {
		b, err := s.next()
		if errors.Is(err, errTooLarge) {
			got = append(got, "too large")
			continue
		}
		if err != nil {
			break
		}
		got = append(got, string(b))
	}
	want := []string{"<a/>", "too large", "<b/>", "too large", "too large", "<c/>"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if cap(s.buf) > 64<<10 {
		t.Errorf("kept %d bytes", cap(s.buf))
	}
}

func TestSplitter_WhatIsNotXML(t *testing.T) {
	for _, in := range []string{
		"<!DOCTYPE x [<!ENTITY e 'boo'>]><a/>", "<>", "<<a/>", "<a <b/>", "<![CDATA[x]]>", "<!-x",
	} {
		_, err := newSplitter(strings.NewReader(in), 1000).next()
		if !errors.Is(err, errNotXML) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestParseStanza(t *testing.T) {
	day := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	for in, want := range map[string]stanza{
		`<presence from='j@im.example/b' to='a@sip.example' xml:lang='en'><show> away </show><status>Out</status><status xml:lang='de'>Weg &amp; fort</status><priority>-5</priority><x xmlns='vcard-temp:x:update'><photo/><show>dnd</show></x><delay xmlns='urn:xmpp:delay' stamp='2026-11-24T10:00:00Z'/><idle xmlns='urn:xmpp:idle:1' since='2026-11-24T11:00:00+01:00'/></presence>`: {
			name: "presence", from: "j@im.example/b", to: "a@sip.example", lang: "en", show: "away",
			status:   []presence.Note{{Lang: "en", Text: "Out"}, {Lang: "de", Text: "Weg & fort"}},
			priority: -5, hasPriority: true, stamp: day, idle: day, photo: new(string),
		},
		`<presence xmlns='jabber:component:accept' type='error' id='p-1'><error type='cancel' by='x'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>xmpp:n@x</gone><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>Moved</text><own xmlns='urn:own'/></error></presence>`: {
			name: "presence", kind: "error", id: "p-1",
			err: mapping.StanzaError{Type: "cancel", Condition: "gone", Text: "Moved", Address: "xmpp:n@x"},
		},
		`<iq type='get' id='1' from='a' to='b'><query xmlns='http://jabber.org/protocol/disco#info' node='n#v'/></iq>`: {
			name: "iq", kind: "get", id: "1", from: "a", to: "b",
			space: "http://jabber.org/protocol/disco#info", local: "query", node: "n#v",
		},
		`<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>Replaced</text></stream:error>`: {
			name: "error", err: mapping.StanzaError{Condition: "conflict", Text: "Replaced"},
		},
		`<error/>`: {name: "unknown"},
		`<presence><priority>128</priority><show xmlns='other'>away</show></presence>`: {name: "presence"},
	} {
		var got stanza
		err := new(parser).parse([]byte(in), &got)
		if err != nil {
			t.Errorf("%s: %v", in, err)
		}
		got.idle = got.idle.UTC()
		if want.idle.IsZero() {
			got.idle = time.Time{}
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(stanza{}, caps{}, vcard{})); diff != "" {
			t.Errorf("%s: %s", in, diff)
		}
	}
}

func TestParseStanza_Refused(t *testing.T) {
	for _, in := range []string{"", "text", "<a>", "<a></b>", "<a>&boo;</a>", "<a/><b/>", "<a b=1/>", "<a>\x00</a>", "<a>\xff</a>"} {
		if err := new(parser).parse([]byte(in), new(stanza)); err == nil {
			t.Errorf("%q was read", in)
		}
	}
}

// FuzzReader feeds the reader hostile bytes: it must end, and not panic.
func FuzzReader(f *testing.F) {
	f.Add([]byte("<presence from='☃@im.example/a' to='b'><status>&amp;</status></presence><iq/>"))
	f.Add([]byte("<message><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='n'><item id='1'><x/></item><retract/></items><purge/></event></message>"))
	f.Add([]byte("<iq type='result'><query xmlns='http://jabber.org/protocol/disco#info'><identity/><feature/><x xmlns='jabber:x:data'><field var='FORM_TYPE'><value>y</value></field></x></query></iq>"))
	f.Add([]byte("<iq type='result'><vCard xmlns='vcard-temp'><PHOTO><BINVAL>x</BINVAL></PHOTO></vCard></iq>"))
	f.Add([]byte("<presence><c xmlns='http://jabber.org/protocol/caps' ver='v'/><x xmlns='vcard-temp:x:update'><photo/></x></presence>"))
	f.Add([]byte("<a><![CDATA[x]]><!-- --></a><b c='d>'/>"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := newSplitter(iotest.HalfReader(strings.NewReader(string(b))), 1<<10)
		total := 0
		var p parser
		for {
			el, err := s.next()
			if errors.Is(err, errTooLarge) {
				continue
			}
			if err != nil {
				return
			}
			total += len(el)
			if total > len(b) {
				t.Fatal("more out than in")
			}
			_ = p.parse(el, new(stanza))
		}
	})
}
