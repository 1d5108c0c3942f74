package pidf

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/mapping/xmltext"
)

// decoder reads one document.
type decoder struct {
	xmltext.Scanner
	s     *presence.State
	size  int // of the document
	parts int
	// services are those of s until the last of them is known: then they take
	// their place at once.
	services []presence.Service
	// stray collects what stands in a tuple, its status or a device but is
	// true of the person (RFC 4480 §3.1 Table 1, RFC 4479 §4).
	stray presence.Person

	choices  slab[choice]
	contacts slab[presence.Contact]
	notes    slab[presence.Note]
	strings  strings.Builder // the texts of the State, one behind the other
	buf      []byte          // for an element that is carried along
	words    []byte          // for text beside the values of an RPID element
	carried  int             // bytes of these so far
	odd      bool            // something may make the output larger than the input
}

// choice is a Choice with room for the one value that most have.
type choice struct {
	presence.Choice
	value [1]presence.Value
}

// slab hands out room for values one by one, and allocates several at a time.
type slab[T any] struct{ room []T }

// take returns room for one value of a document of n bytes: the larger it is,
// the more come from one allocation, so that what is left over stays a small
// part of the State.
func (s *slab[T]) take(n int) []T {
	if len(s.room) == 0 {
		s.room = make([]T, max(1, min(n/800, 8)))
	}
	one := s.room[:1:1]
	s.room = s.room[1:]
	return one
}

var decoders = sync.Pool{New: func() any {
	d := new(decoder)
	d.Spaces = spaces
	return d
}}

// Decode reads a presence document. It keeps no reference to b. Errors are of
// type *Error and name the place and what is wrong; a document type
// declaration is always one.
func Decode(b []byte) (*presence.State, error) {
	s, odd, err := decode(b)
	if err != nil || !odd {
		return s, err
	}
	// What carries so much along that it may be too large once it is made
	// self-contained must still be readable after it has been written.
	_, _, err = decode(Append(nil, s, ""))
	if err != nil {
		return nil, &Error{Line: 1, Col: 1, Msg: "too many attributes or namespaces", TooLarge: true}
	}
	return s, nil
}

func decode(b []byte) (s *presence.State, odd bool, err error) {
	if len(b) > maxDocument {
		return nil, false, &Error{Line: 1, Col: 1, Msg: "the document is too large", TooLarge: true}
	}
	d := decoders.Get().(*decoder)
	d.Reset(b)
	d.s, d.size = &presence.State{}, len(b)
	d.strings.Grow(max(64, min(len(b)/4, 4096)))
	err = d.document(b)
	s, odd = d.s, d.odd
	d.forget()
	decoders.Put(d)
	if err != nil {
		return nil, false, err
	}
	return s, odd, nil
}

// forget drops what belongs to one document, so that the decoder can read the
// next.
func (d *decoder) forget() {
	d.Reset(nil)
	clear(d.services)
	d.s, d.services, d.stray, d.parts = nil, d.services[:0], presence.Person{}, 0
	d.choices, d.contacts, d.notes = slab[choice]{}, slab[presence.Contact]{}, slab[presence.Note]{}
	d.strings, d.carried, d.odd = strings.Builder{}, 0, false
	d.buf, d.words = reuse(d.buf), reuse(d.words)
}

// reuse empties b, or lets it go when it is large.
func reuse(b []byte) []byte {
	if cap(b) > 64<<10 {
		return nil
	}
	return b[:0]
}

func (d *decoder) document(b []byte) error {
	kind, err := d.Next()
	if err != nil {
		return err
	}
	if kind != xmltext.Start || ns(d.SpaceID) != nsPIDF || string(d.Local) != "presence" {
		return d.Fail("the root element is not PIDF's presence")
	}
	d.s.Entity, d.s.Attrs = d.attrs("entity")
	err = d.Each(d.top)
	if len(d.services) > 0 {
		d.s.Services = slices.Clone(d.services)
	}
	if err != nil {
		return err
	}
	_, err = d.Next() // what follows the root
	if err != nil {
		return err
	}
	d.placeStray()
	uniqueIDs(d.s)
	return nil
}

// top reads one child of presence.
func (d *decoder) top() error {
	switch n := ns(d.SpaceID); n {
	case nsPIDF, nsDM:
		switch string(d.Local) {
		case "tuple":
			if n == nsPIDF {
				return d.counted(d.tuple)
			}
		case "note":
			return d.note(&d.s.Notes)
		case "person":
			if n == nsDM {
				return d.counted(d.person)
			}
		case "device":
			if n == nsDM {
				return d.counted(d.device)
			}
		}
	case nsRPID:
		handled, err := d.strayRPID()
		if handled {
			return err
		}
	}
	return d.raw(&d.s.Ext)
}

// counted reads a component, of which there may not be too many.
func (d *decoder) counted(read func() error) error {
	d.parts++
	if d.parts > maxParts {
		e := d.Fail("more than %d tuples, persons and devices", maxParts)
		e.TooLarge = true
		return e
	}
	return read()
}

// placeStray gives the person what stood elsewhere.
func (d *decoder) placeStray() {
	st := &d.stray
	if st.Activities == nil && st.Mood == nil && st.PlaceIs == nil && st.PlaceType == nil && st.Sphere == nil &&
		st.TimeOffset == nil && len(st.Geo) == 0 && len(st.Ext) == 0 {
		return
	}
	if len(d.s.Persons) == 0 {
		d.s.Persons = []presence.Person{{ID: "person"}}
	}
	p := &d.s.Persons[0]
	keep(&p.Activities, st.Activities)
	keep(&p.Mood, st.Mood)
	keep(&p.PlaceIs, st.PlaceIs)
	keep(&p.PlaceType, st.PlaceType)
	keep(&p.Sphere, st.Sphere)
	keep(&p.TimeOffset, st.TimeOffset)
	p.Geo = append(p.Geo, st.Geo...)
	p.Ext = append(p.Ext, st.Ext...)
}

// keep sets *dst when it is not set.
func keep[T any](dst **T, v *T) {
	if *dst == nil {
		*dst = v
	}
}

// uniqueIDs gives tuples, persons and devices that have no id, or that of one
// before, an id of their own (RFC 3863 §4.1.2, RFC 4479 §5): the same for the
// same document.
func uniqueIDs(s *presence.State) {
	ids := make([]*string, 0, 16)
	for i := range s.Services {
		ids = append(ids, &s.Services[i].ID)
	}
	for i := range s.Persons {
		ids = append(ids, &s.Persons[i].ID)
	}
	for i := range s.Devices {
		ids = append(ids, &s.Devices[i].ID)
	}
	taken := func(id string, among []*string) bool {
		for _, x := range among {
			if *x == id {
				return true
			}
		}
		return false
	}
	for i, id := range ids {
		if *id != "" && !taken(*id, ids[:i]) {
			continue
		}
		*id = newID(*id, i, func(id string) bool { return taken(id, ids) })
	}
}

// text copies v, to be kept.
func (d *decoder) text(v []byte) string {
	if len(v) == 0 {
		return ""
	}
	if d.strings.Cap()-d.strings.Len() < len(v) {
		// What has been handed out stays where it is.
		d.strings = strings.Builder{}
		d.strings.Grow(max(len(v), 512))
	}
	at := d.strings.Len()
	d.strings.Write(v)
	return d.strings.String()[at:]
}

// space is the current namespace name, to be kept.
func (d *decoder) space(id int, uri []byte) string {
	if ns(id) != nsOther {
		return names[id].uri
	}
	return d.text(uri)
}

// attrs returns the value of the attribute own, and the other attributes.
func (d *decoder) attrs(own string) (value string, others []presence.Attr) {
	for i := range d.Attrs {
		a := &d.Attrs[i]
		if len(a.Space) == 0 && string(a.Local) == own {
			value = d.text(a.Value)
		} else {
			d.attr(&others, a)
		}
	}
	return value, others
}

// attr keeps an attribute.
func (d *decoder) attr(dst *[]presence.Attr, a *xmltext.Attr) {
	*dst = append(*dst, presence.Attr{Space: d.space(a.SpaceID, a.Space), Local: d.text(a.Local), Value: d.text(a.Value)})
	d.odd = d.odd || len(*dst) > 8
}

// carry reads the current element as it stands. space and local are its names.
func (d *decoder) carry() (presence.RawXML, error) {
	r := presence.RawXML{Space: d.space(d.SpaceID, d.Space), Local: d.text(d.Local)}
	begin, _ := d.Span()
	var err error
	d.buf, err = d.AppendRaw(d.buf[:0])
	if err != nil {
		return r, err
	}
	_, end := d.Span()
	d.carried += len(d.buf)
	d.odd = d.odd || len(d.buf) > end-begin+512 || d.carried > maxDocument/8
	if d.carried > maxDocument {
		e := d.Fail("too much that is not understood")
		e.TooLarge = true
		return r, e
	}
	r.Bytes = d.text(d.buf)
	return r, nil
}

func (d *decoder) raw(dst *[]presence.RawXML) error {
	r, err := d.carry()
	if err != nil {
		return err
	}
	*dst = append(*dst, r)
	return nil
}

// lang is xml:lang of the current start tag.
func (d *decoder) lang() string {
	for i := range d.Attrs {
		a := &d.Attrs[i]
		if string(a.Local) == "lang" && string(a.Space) == xmltext.NS {
			return d.text(a.Value)
		}
	}
	return ""
}

// note reads a text with a language. White space in it is kept.
func (d *decoder) note(dst *[]presence.Note) error {
	lang := d.lang()
	b, _, err := d.ContentBytes()
	if err != nil {
		return err
	}
	n := presence.Note{Lang: lang, Text: d.text(b)}
	if *dst != nil {
		*dst = append(*dst, n)
		return nil
	}
	*dst = d.notes.take(d.size)
	(*dst)[0] = n
	return nil
}

// trim removes XML's white space around b.
func trim(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// word reads the text of the current element without the white space around
// it, unless *dst has one.
func (d *decoder) word(dst *string) error {
	b, _, err := d.ContentBytes()
	if err == nil && *dst == "" {
		*dst = d.text(trim(b))
	}
	return err
}

// timestamp reads a time, unless *dst has one. One that is broken is absent.
func (d *decoder) timestamp(dst *time.Time) error {
	b, _, err := d.ContentBytes()
	if err == nil && dst.IsZero() {
		*dst, _ = parseTime(b)
	}
	return err
}
