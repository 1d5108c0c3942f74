package main

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/mapping/presence/sample"
	"github.com/porchlight-im/porchlight/mapping/tables"
	"github.com/porchlight-im/porchlight/simple/pidf"
	"github.com/porchlight-im/porchlight/testdata"
)

// generated is how many documents of each network the built-in set has beside
// the corpus.
const generated = 400

// seeded are choices that are the same each time for the same seed.
func seeded(seed uint64) sample.Pick {
	pcg := rand.NewPCG(seed, seed)
	return func(n int) int { return int(pcg.Uint64() % uint64(n)) }
}

// builtIn is the set of documents that the report is about when no files are
// named: the corpus, and generated ones. States also come as JSON.
func builtIn() ([]source, error) {
	var out []source
	both := func(set, name string, s *presence.State) {
		s.Entity = "" // as it is composed; the address does not belong to the content
		out = append(out, source{set, name, "pidf", pidf.Append(nil, s, mapping.SIP(reportAddr))},
			source{set, name, "json", mapping.Standard.AppendJSON(nil, reportAddr, s, reportTime)})
	}
	err := fs.WalkDir(testdata.PIDF, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := testdata.PIDF.ReadFile(path)
		if err != nil {
			return err
		}
		s, err := pidf.Decode(b)
		if err != nil {
			return nil // it is one of those that must be refused
		}
		both(corpusSet, path, s)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the corpus: %w", err)
	}
	for i := range uint64(generated) {
		both(generatedSet, fmt.Sprintf("generated %d", i), sample.State(seeded(i)))
		st := sampleStanzas(seeded(1<<32 + i))
		out = append(out, source{generatedSet, fmt.Sprintf("generated stanzas %d", i), "xmpp", st.append(nil, xmppAddr, reportTime)})
	}
	return out, nil
}

var xmppAddr = presence.Addr{Scheme: presence.XMPP, User: "juliet", Host: "im.example"}

// sampleStanzas makes what one Jabber user says: presence of up to three
// resources, or the last one leaving, and items of personal eventing.
func sampleStanzas(pick sample.Pick) *stanzas {
	oneOf := func(words ...string) string { return words[pick(len(words))] }
	s := &stanzas{}
	if pick(8) == 7 {
		p := mapping.Presence{From: xmppAddr, Resource: "balcony", Unavailable: true, Status: sampleStatus(pick),
			Stamp: reportTime.Add(-time.Duration(pick(300)) * time.Minute)}
		s.presences = append(s.presences, p)
		return s
	}
	for i := range 1 + pick(3) {
		p := mapping.Presence{
			From:     xmppAddr,
			Resource: []string{oneOf("balcony", "Телефон"), oneOf("orchard 1", "ID-x.y"), "gajim.7f/ü"}[i],
			Show:     oneOf("", "away", "chat", "dnd", "xa"), Status: sampleStatus(pick),
		}
		if pick(3) > 0 {
			p.Priority, p.HasPriority = []int8{0, 5, 127, 1, 126, 64, -1, -128}[pick(8)], true
		}
		if pick(3) == 0 {
			p.Idle = reportTime.Add(-time.Duration(1+pick(300)) * time.Minute)
		}
		if pick(3) == 0 {
			p.Stamp = reportTime.Add(-time.Duration(2+pick(300)) * time.Minute)
		}
		s.presences = append(s.presences, p)
	}
	for _, payloads := range samplePayloads {
		if pick(2) == 1 {
			payload := payloads[pick(len(payloads))]
			node := payload[strings.Index(payload, `"`)+1:]
			node, _, _ = strings.Cut(node, `"`)
			s.items = append(s.items, mapping.Item{Node: node, ID: "current", Payload: payload})
		}
	}
	return s
}

func sampleStatus(pick sample.Pick) (out []presence.Note) {
	if pick(2) == 0 {
		return nil
	}
	all := []presence.Note{{Text: "back at one"}, {Lang: "de", Text: "bin <weg> & so"}, {Lang: "ja", Text: "日本語\nのメモ"}, {Lang: "ar", Text: "مشغول 👩‍👩‍👧‍👦"}}
	from := pick(len(all))
	return all[from:min(len(all), from+1+pick(3))]
}

// samplePayloads are what items of personal eventing say, by node: every mood
// and activity of the tables, with a text and without, and some of the others.
var samplePayloads = [][]string{
	sampleVocabulary("moods", "mood"),
	sampleVocabulary("activities", "activity"),
	{
		`<geoloc xmlns="http://jabber.org/protocol/geoloc" xml:lang="en"><accuracy>20</accuracy><country>Italy</country><lat>45.44</lat><locality>Venice</locality><lon>12.33</lon></geoloc>`,
		`<geoloc xmlns="http://jabber.org/protocol/geoloc"><alt>1609.5</alt><lat>39.75</lat><lon>-104.99</lon><timestamp>2026-03-01T11:00:00Z</timestamp></geoloc>`,
		`<geoloc xmlns="http://jabber.org/protocol/geoloc"><building>The Empire State Building</building><countrycode>US</countrycode><floor>102</floor><locality>New York</locality></geoloc>`,
	},
	{
		`<tune xmlns="http://jabber.org/protocol/tune"><artist>Yes</artist><length>686</length><rating>8</rating><source>Yessongs</source><title>Heart of the Sunrise</title><track>3</track></tune>`,
	},
	{
		`<nick xmlns="http://jabber.org/protocol/nick">Ishmael</nick>`,
		`<nick xmlns="http://jabber.org/protocol/nick">Ismaël &lt;der Seemann&gt;</nick>`,
	},
}

// sampleVocabulary returns a payload for each value of a table, and for some
// beyond it.
func sampleVocabulary(table, root string) []string {
	ns := "http://jabber.org/protocol/" + root
	one := func(inside string) string { return "<" + root + ` xmlns="` + ns + `">` + inside + "</" + root + ">" }
	var out []string
	for _, row := range tables.Must(table).Rows {
		general, specific, _ := strings.Cut(row.Get("xmpp"), "/")
		if general == "-" {
			continue
		}
		value := "<" + general + "/>"
		if specific != "" {
			value = "<" + general + "><" + specific + "/></" + general + ">"
		}
		out = append(out, one(value))
		if len(out)%3 == 0 {
			out = append(out, one(value+`<text>von <![CDATA[<mir>]]></text>`))
		}
	}
	return append(out, one(`<undreamed_of/>`), one(`<happy><ecstatic xmlns="https://example.org/moods"/></happy>`),
		one(`<relaxing><other/></relaxing><text xml:lang="en">at last</text>`))
}
