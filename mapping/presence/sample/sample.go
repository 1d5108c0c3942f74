// Package sample makes presence states for tests and for the report on what a
// translation keeps. They use every field of the model, are what a valid
// presence document says, and are as package pidf reads it: written and read
// again, each comes back equal.
//
// A state is made from choices, so that one generator serves all: math/rand
// with a fixed seed, the bytes of a fuzzer, or pgregory.net/rapid, which makes
// a failing example small because a choice of 0 is always the simplest:
//
//	rapid.Check(t, func(t *rapid.T) {
//		s := sample.State(func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "pick") })
//		…
//	})
package sample

import (
	"fmt"
	"strconv"
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// Pick returns a choice from 0 to n-1. n is at least 1.
type Pick func(n int) int

// State makes a state of up to three services, persons and devices. As JSON
// it is well below 64 KiB.
func State(pick Pick) *presence.State {
	g := &maker{pick: pick}
	s := &presence.State{
		Entity:   g.oneOf("pres:alice@example.com", "sip:alice@sip.example", "sip:+15550001@ims.example;user=phone", ""),
		Services: several(g, 3, g.service),
		Notes:    several(g, 2, g.note),
		Persons:  several(g, 2, g.person),
		Devices:  several(g, 2, g.device),
		Ext:      several(g, 1, g.raw),
		Attrs:    g.attrs(),
	}
	return s
}

// Choices returns choices that are read from b, for fuzzing; all are 0 when it
// has run out.
func Choices(b []byte) Pick {
	return func(n int) int {
		if len(b) == 0 {
			return 0
		}
		v := int(b[0])
		b = b[1:]
		if n > 256 && len(b) > 0 {
			v = v<<8 | int(b[0])
			b = b[1:]
		}
		return v % n
	}
}

// maker makes one state.
type maker struct {
	pick Pick
	ids  int // how many there are
}

// rare is true about once in n times.
func (g *maker) rare(n int) bool { return g.pick(n) == n-1 }

func (g *maker) oneOf(words ...string) string { return words[g.pick(len(words))] }

// several returns up to most of what one makes, mostly few.
func several[T any](g *maker, most int, one func() T) (out []T) {
	if g.pick(2) == 0 {
		return nil
	}
	for range 1 + g.pick(most) {
		out = append(out, one())
	}
	return out
}

// maybe returns what one makes, or nil.
func maybe[T any](g *maker, one func() T) *T {
	if !g.rare(3) {
		return nil
	}
	v := one()
	return &v
}

// id makes an xs:ID that the document has not had.
func (g *maker) id() string {
	g.ids++
	return g.oneOf("t", "ID-balcony-", "ID-.d0.90-", "é-", "_") + strconv.Itoa(g.ids)
}

// text is anything that can stand in a note.
func (g *maker) text() string {
	return g.oneOf("back at one", "", "im <Gespräch> & \"weg\"", "日本語のメモ", "مشغول", "👩‍👩‍👧‍👦 e\u0301 \u2028",
		" two\n\tlines \r", "]]>", "https://example.com/?a=1&b=2")
}

// token is a text without white space around it; not "".
func (g *maker) token() string {
	return g.oneOf("work", "a b", "<&>\"'", "zwölf", "日本", "]]>", "🎈", "x\u2029y")
}

func (g *maker) lang() string { return g.oneOf("", "en", "de-AT", "zh-Hant", "ar", "sr-Latn-RS") }

func (g *maker) note() presence.Note { return presence.Note{Lang: g.lang(), Text: g.text()} }

// moment is a time of one of several offsets and precisions.
func (g *maker) moment() time.Time {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(g.pick(200)-100) * 37 * time.Minute)
	at = at.Add([]time.Duration{0, 250 * time.Millisecond, 999999999}[g.pick(3)])
	if offset := []int{0, 60, -330, 845}[g.pick(4)]; offset != 0 {
		at = at.In(time.FixedZone("", offset*60))
	}
	return at
}

// time is a moment, or none.
func (g *maker) time() time.Time {
	if !g.rare(3) {
		return time.Time{}
	}
	return g.moment()
}

// raw is an element that nobody understands.
func (g *maker) raw() presence.RawXML {
	all := [...]presence.RawXML{
		{Space: "urn:example:y", Local: "b", Bytes: `<b xmlns="urn:example:y"/>`},
		{Space: "urn:example:x", Local: "a", Bytes: `<x:a xmlns:x="urn:example:x" b='c'>d<x:e/>&amp;<!-- f --></x:a>`},
		{Local: "c", Bytes: `<c xmlns=""><![CDATA[<]]>ü</c>`},
		{Space: "urn:ag-projects:xml:ns:pidf", Local: "extended", Bytes: `<agp-pidf:extended xmlns:agp-pidf="urn:ag-projects:xml:ns:pidf">busy</agp-pidf:extended>`},
		{Space: "urn:example:z", Local: "d", Bytes: "<d xmlns=\"urn:example:z\" xml:lang='de'>\n <q:r xmlns:q='urn:example:q' q:s=\"&#10;\"/>\n</d>"},
	}
	return all[g.pick(len(all))]
}

// attrs returns attributes that the model has no field for, seldom any.
func (g *maker) attrs() []presence.Attr {
	if !g.rare(6) {
		return nil
	}
	all := []presence.Attr{{Space: "urn:example:x", Local: "a", Value: g.text()}, {Local: "other", Value: g.text()},
		{Space: "urn:example:x", Local: "b"}, {Space: "urn:oma:xml:pde:pidf:ext", Local: "etag", Value: "7"},
		{Space: "http://www.w3.org/XML/1998/namespace", Local: "base", Value: "http://example.com/"}}
	from := g.pick(len(all))
	return all[from:min(len(all), from+1+g.pick(3))]
}

// geo is a position (RFC 4119).
func (g *maker) geo() presence.RawXML {
	x := fmt.Sprintf(`<gp:geopriv xmlns:gp="urn:ietf:params:xml:ns:pidf:geopriv10"><gp:location-info>`+
		`<gml:Point xmlns:gml="http://www.opengis.net/gml" srsName="urn:ogc:def:crs:EPSG::4326"><gml:pos>%d.25 -0.5</gml:pos></gml:Point>`+
		`</gp:location-info><gp:usage-rules/></gp:geopriv>`, g.pick(90))
	return presence.RawXML{Space: "urn:ietf:params:xml:ns:pidf:geopriv10", Local: "geopriv", Bytes: x}
}
