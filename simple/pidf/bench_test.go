package pidf

import (
	"fmt"
	"os"
	"testing"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// large is the example of RFC 4480 §4: 2.5 kB with white space.
func large(b *testing.B) []byte {
	b.Helper()
	doc, err := os.ReadFile("../../testdata/pidf/rpid/rfc4480-4-full.xml")
	if err != nil {
		b.Fatal(err)
	}
	return doc
}

func BenchmarkDecode2KB(b *testing.B) {
	doc := large(b)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		_, err := Decode(doc)
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppend2KB(b *testing.B) {
	s, err := Decode(large(b))
	if err != nil {
		b.Fatal(err)
	}
	dst := Append(nil, s, "")
	b.SetBytes(int64(len(dst)))
	b.ReportAllocs()
	for b.Loop() {
		dst = Append(dst[:0], s, "sip:alice@example.com")
	}
}

// BenchmarkDecodeTuples reads a document of tuples alone, of which a decoder
// without RPID makes all as well.
func BenchmarkDecodeTuples(b *testing.B) {
	doc := []byte(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="pres:someone@example.com">` + "\n")
	for i := range 8 {
		doc = fmt.Appendf(doc, `  <tuple id="bs35r%[1]d">
    <status><basic>%[2]s</basic></status>
    <contact priority="0.%[3]d">im:someone%[1]d@mobilecarrier.example.net</contact>
    <note xml:lang="en">Don't Disturb Please, number %[1]d!</note>
    <note xml:lang="fr">Ne derangez pas, s'il vous plait</note>
    <timestamp>2005-10-27T16:49:2%[1]dZ</timestamp>
  </tuple>
`, i, []string{"closed", "open"}[i%2], i+1)
	}
	doc = append(doc, "</presence>\n"...)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		_, err := Decode(doc)
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkModel2KB is the share of the allocations in BenchmarkDecode2KB: a
// State of the same pieces, with nothing in it.
func BenchmarkModel2KB(b *testing.B) {
	type model struct {
		state    *presence.State
		services []presence.Service
		persons  []presence.Person
		devices  []presence.Device
		choices  [3][]choice
		notes    [2][]presence.Note
		contacts []presence.Contact
		icons    [2][]presence.Icon
		ids      [2][]string
		placeIs  *presence.PlaceIs
		offset   *presence.TimeOffset
		input    *presence.UserInput
		values   [2][]presence.Value
		text     []byte
	}
	m := new(model)
	b.ReportAllocs()
	for b.Loop() {
		m.state, m.services = &presence.State{}, make([]presence.Service, 3)
		m.persons, m.devices = make([]presence.Person, 1), make([]presence.Device, 1)
		for i := range m.choices {
			m.choices[i] = make([]choice, 3)
		}
		for i := range 2 {
			m.notes[i], m.icons[i] = make([]presence.Note, 3), make([]presence.Icon, 1)
			m.ids[i], m.values[i] = make([]string, 1), make([]presence.Value, 1+i)
		}
		m.contacts, m.text = make([]presence.Contact, 3), make([]byte, 640)
		m.placeIs, m.offset, m.input = &presence.PlaceIs{}, &presence.TimeOffset{}, &presence.UserInput{}
	}
	if len(m.services) != 3 {
		b.Fatal(m)
	}
}
