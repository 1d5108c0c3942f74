package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/simple/pidf"
)

const mappingData = "../../testdata/mapping"

func readData(t *testing.T, path ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{mappingData}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// translate runs porchlight map.
func translate(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	code = run(context.Background(), append([]string{"map"}, args...), &out, &errOut)
	return code, out.String(), errOut.String()
}

// What SIP clients publish, and what a Jabber user then sees and a web page
// shows (interworking §5).
func TestMapWhatClientsPublish(t *testing.T) {
	for _, c := range []struct {
		file string
		want string // resource and show of each presence, "-" for unavailable
		word mapping.Word
	}{
		{"android-uce.xml", "device-h4y47c:", mapping.Available},
		{"baresip-unknown.xml", "t4109:-", mapping.Unknown},
		{"blink-available.xml", "SID-40f28fa9:", mapping.Available},
		{"blink-busy.xml", "SID-40f28fa9:dnd in a meeting", mapping.Busy},
		{"blink-offline.xml", "SID-40f28fa9:-", mapping.Offline},
		{"boghe-brb.xml", "t1:xa be right back", mapping.ExtendedAway},
		{"boghe-online.xml", "t1: hyper available", mapping.Available},
		{"linphone-busy.xml", "qmht-z:dnd", mapping.Busy},
		{"linphone-dnd.xml", "qmht-z:-", mapping.Offline}, // RFC 8048 §6.3 note 1: closed MUST be unavailable
		{"linphone-online.xml", "qmht-z:", mapping.Available},
		{"rcsjta-social.xml", "device-w4vsuj:dnd On my way", mapping.DND},
	} {
		t.Run(c.file, func(t *testing.T) {
			s, err := pidf.Decode(readData(t, "clients", c.file))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
			for _, p := range words.ToXMPP(s, now) {
				show := p.Show
				if p.Unavailable {
					show = "-"
				}
				line := p.Resource + ":" + show
				for _, n := range p.Status {
					line += " " + n.Text
				}
				got = append(got, line)
			}
			if strings.Join(got, "|") != c.want {
				t.Errorf("ToXMPP: %q, want %q", got, c.want)
			}
			if e := words.Effective(s, now); e.Word != c.word {
				t.Errorf("Effective: %+v, want %s", e, c.word)
			}
		})
	}
}

// pair is one of an RFC's examples in both languages.
type pair struct{ Direction, XMPP, SIP, PIDF, What string }

func pairs(t *testing.T, rfc string) []pair {
	t.Helper()
	var ps []pair
	err := json.Unmarshal(readData(t, rfc, "pairs.json"), &ps)
	if err != nil {
		t.Fatal(err)
	}
	return ps
}

// body is the body of a SIP message, nil when there is none.
func body(sip []byte) []byte {
	_, b, _ := bytes.Cut(sip, []byte("\r\n\r\n"))
	return b
}

func TestRFC8048Examples(t *testing.T) {
	now := time.Now()
	seen := 0
	for _, p := range pairs(t, "rfc8048") {
		sip := body(readData(t, strings.TrimPrefix(p.SIP, "mapping/")))
		if len(sip) == 0 {
			continue // a subscription
		}
		seen++
		t.Run(p.Direction+" "+filepath.Base(p.SIP), func(t *testing.T) {
			state, err := pidf.Decode(sip)
			if err != nil {
				t.Fatal(err)
			}
			doc, err := parseFormat(words, "xmpp", readData(t, strings.TrimPrefix(p.XMPP, "mapping/")), now)
			if err != nil {
				t.Fatal(err)
			}
			if p.Direction == "sip-to-xmpp" {
				got := words.ToXMPP(state, now)
				unavailable := doc.state.Services[0].Basic == presence.Closed
				if len(got) != 1 || got[0].Unavailable != unavailable || got[0].Resource != "dr4hcr0st3lup4c" {
					t.Errorf("E1 E2 E4: %+v, want unavailable %v", got, unavailable)
				}
				if show := state.Services[0].Show; got[0].Show != show {
					t.Errorf("E7: show %q, want %q", got[0].Show, show)
				}
				return
			}
			got := doc.state.Services[0]
			// The example's stanza lacks the show that its PIDF has.
			got.Show, got.Timestamp, got.Contact = state.Services[0].Show, time.Time{}, nil
			if d := cmp.Diff(state.Services, []presence.Service{got}); d != "" {
				t.Errorf("D2 D4 D9: -want +got:\n%s", d)
			}
		})
	}
	if seen != 3 {
		t.Errorf("%d examples with a document, want 3", seen)
	}
}

func TestRFC3922Examples(t *testing.T) {
	now := time.Now()
	for _, p := range pairs(t, "rfc3922") {
		t.Run(p.XMPP, func(t *testing.T) {
			state, err := pidf.Decode(readData(t, "rfc3922", p.PIDF))
			if err != nil {
				t.Fatal(err)
			}
			doc, err := parseFormat(words, "xmpp", readData(t, "rfc3922", p.XMPP), now)
			if err != nil {
				t.Fatal(err)
			}
			want, got := words.ToXMPP(doc.state, now)[0], words.ToXMPP(state, now)[0]
			// Its namespace of <im/> was never registered, so that show is lost,
			// and its resources are tuple ids as they are.
			want.Show, want.Stamp, got.Stamp = got.Show, time.Time{}, time.Time{}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("-from XMPP +from PIDF:\n%s", d)
			}
		})
	}
}

// mapCase is one call of the command; out and err must contain the texts.
type mapCase struct {
	name     string
	args     []string
	code     int
	out, err []string
}

func mapCases(t *testing.T) []mapCase {
	client := func(name string) string { return filepath.Join(mappingData, "clients", name) }
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		err := os.WriteFile(path, []byte(content), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	negative := file("n.xml", `<presence from='j@im.example/b' id='x'><priority>-1</priority><show>out</show><c xmlns='http://jabber.org/protocol/caps'/></presence>
<presence from='j@im.example' type='probe'/><presence from='j@im.example/c'><status xml:lang='de'>da</status><idle xmlns='urn:xmpp:idle:1' since='2026-03-01T11:00:00Z'/></presence>`)
	return []mapCase{
		{"PIDF to XMPP", []string{client("blink-busy.xml")}, exitOK,
			[]string{`<presence from="carol@sip.example/SID-40f28fa9">`, "\n  <show>dnd</show>\n", "<status>in a meeting</status>"},
			[]string{"Lost on the way to xmpp:", "user-input active of the person", "{urn:ag-projects:xml:ns:pidf}extended", "capability audio"}},
		{"PIDF to XMPP, an activity that show cannot say", []string{client("boghe-brb.xml")}, exitOK,
			[]string{"<show>xa</show>", "<on_vacation/>"}, []string{"overriding-willingness basic open of the person: what the willingness means"}},
		{"PIDF to JSON", []string{client("blink-busy.xml"), "--to", "json"}, exitOK,
			[]string{`"availability": "busy"`, `"address": "sip:carol@sip.example"`}, []string{"Nothing is lost on the way to json."}},
		{"PIDF to PIDF loses nothing", []string{client("android-uce.xml"), "--to", "pidf"}, exitOK,
			[]string{"<caps:full/>", `entity="sip:+15550001@ims.example"`}, []string{"Nothing is lost"}},
		{"D1 D7 XMPP to PIDF", []string{negative, "--from", "xmpp", "--to", "pidf"}, exitOK,
			[]string{`entity="sip:j@im.example"`, `<tuple id="ID-b">`, `<tuple id="ID-c">`, `<note xml:lang="de">da</note>`, `last-input="2026-03-01T11:00:00Z">idle<`},
			[]string{"a stanza of type probe: only", "id x: it is not mapped", "priority -1: a negative one", "show out: there is no such value", "{http://jabber.org/protocol/caps}c"}},
		{"JSON to XMPP", []string{file("j.json", `{"address":"sip:a@h","availability":"away","manual":false,"note":{"text":"<x>"}}`), "--from", "json"}, exitOK,
			[]string{`<presence from="a@h/web">`, "<show>away</show>", "<status>&lt;x&gt;</status>"}, []string{"Nothing is lost"}},
		{"nobody's document", []string{file("k.json", `{"availability":"away"}`), "--from", "json", "--to", "pidf"}, exitOK,
			[]string{`entity="sip:someone@example.invalid"`}, []string{"does not tell whom", "--address"}},
		{"with an address", []string{file("k.json", `{"availability":"away"}`), "--from", "json", "--to", "pidf", "--address", "sip:b@h"}, exitOK, []string{`entity="sip:b@h"`}, []string{"Nothing is lost"}},
		{"a wrong address", []string{file("k.json", `{}`), "--from", "json", "--address", "b b"}, exitUsage, nil, []string{`"b b" is no address`}},
		{"no file", []string{filepath.Join(dir, "none")}, exitUsage, nil, []string{"no such file"}},
		{"no such format", []string{negative, "--from", "ics"}, exitUsage, nil, []string{"--from"}},
		{"not PIDF", []string{negative}, exitFailed, nil, []string{"is no pidf document", "line 1"}},
		{"not JSON", []string{file("l.json", `{"availability":"purple"}`), "--from", "json"}, exitFailed, nil, []string{"availability"}},
		{"two addresses", []string{file("m.xml", `<presence from='a@h'/><presence from='b@h'/>`), "--from", "xmpp"}, exitFailed, nil, []string{"stanza 2: it is from another address"}},
		{"no stanza", []string{file("o.xml", ``), "--from", "xmpp"}, exitFailed, nil, []string{"no presence stanza"}},
		{"not a stanza", []string{file("p.xml", `<iq/>`), "--from", "xmpp"}, exitFailed, nil, []string{"stanza 1", "iq"}},
		{"a bad JID", []string{file("q.xml", `<presence from='a b@h'/>`), "--from", "xmpp"}, exitFailed, nil, []string{"stanza 1", "a b@h"}},
	}
}

func TestMapCommand(t *testing.T) {
	for _, c := range mapCases(t) {
		t.Run(c.name, func(t *testing.T) { c.run(t) })
	}
}

func (c *mapCase) run(t *testing.T) {
	code, out, errOut := translate(t, c.args...)
	if code != c.code {
		t.Errorf("exit code %d, want %d", code, c.code)
	}
	for _, want := range c.out {
		if !strings.Contains(out, want) {
			t.Errorf("output lacks %q:\n%s", want, out)
		}
	}
	for _, want := range c.err {
		if !strings.Contains(errOut, want) {
			t.Errorf("error output lacks %q:\n%s", want, errOut)
		}
	}
}

// The pretty form says the same as the compact one.
func TestIndent(t *testing.T) {
	files, err := filepath.Glob("../../testdata/pidf/*/*.xml")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		s, err := pidf.Decode(b)
		if err != nil || len(s.Ext) > 0 || strings.Contains(string(b), "geopriv") {
			continue // what is carried as it stands gets white space
		}
		compact := pidf.Append(nil, s, s.Entity)
		back, err := pidf.Decode(indent(compact))
		if err != nil {
			t.Errorf("%s: %v", f, err)
			continue
		}
		if l := lost(s, back, "pidf"); len(l) > 0 {
			t.Errorf("%s: %v", f, l)
		}
	}
	for in, want := range map[string]string{
		"":                             "",
		"<a/>":                         "<a/>",
		"<a><b x='>'/><c>t</c></a>":    "<a>\n  <b x='>'/>\n  <c>t</c>\n</a>",
		"<a><!-- <b> --><![CDATA[<]]>": "<a>\n  <!-- <b> -->\n  <![CDATA[<]]>",
		"<a></a>":                      "<a></a>",
		"text<":                        "text<",
		"</a></b>":                     "</a>\n</b>",
	} {
		if got := string(indent([]byte(in))); got != want {
			t.Errorf("indent(%q) = %q, want %q", in, got, want)
		}
	}
}
