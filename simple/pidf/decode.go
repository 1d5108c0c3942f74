package pidf

import (
	"strings"
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/mapping/xmltext"
)

// decoder reads one document.
type decoder struct {
	xmltext.Scanner
	s     *presence.State
	parts int
	// stray collects what stands in a tuple but is true of the person
	// (RFC 4480 §3.1 Table 1).
	stray presence.Person
}

// Decode reads a presence document. It keeps no reference to b. Errors are of
// type *Error and name the place and what is wrong; a document type
// declaration is always one.
func Decode(b []byte) (*presence.State, error) {
	if len(b) > maxDocument {
		return nil, &Error{Line: 1, Col: 1, Msg: "the document is too large", TooLarge: true}
	}
	d := &decoder{s: &presence.State{}}
	d.Reset(b)
	kind, err := d.Next()
	if err != nil {
		return nil, err
	}
	if kind != xmltext.Start || known(d.Space) != nsPIDF || string(d.Local) != "presence" {
		return nil, d.Fail("the root element is not PIDF's presence")
	}
	for _, a := range d.Attrs {
		if len(a.Space) == 0 && string(a.Local) == "entity" {
			d.s.Entity = string(a.Value)
		} else {
			d.s.Attrs = append(d.s.Attrs, attr(a))
		}
	}
	err = d.Each(d.top)
	if err != nil {
		return nil, err
	}
	_, err = d.Next() // what follows the root
	if err != nil {
		return nil, err
	}
	d.placeStray()
	return d.s, nil
}

// top reads one child of presence.
func (d *decoder) top() error {
	local := string(d.Local)
	switch n := known(d.Space); {
	case n == nsPIDF && local == "tuple":
		return d.counted(d.tuple)
	case n == nsPIDF && local == "note", n == nsDM && local == "note":
		return d.note(&d.s.Notes)
	case n == nsDM && local == "person":
		return d.counted(d.person)
	case n == nsDM && local == "device":
		return d.counted(d.device)
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
	if st.Activities == nil && st.Mood == nil && st.PlaceIs == nil && st.PlaceType == nil && st.Sphere == nil && st.TimeOffset == nil {
		return
	}
	if len(d.s.Persons) == 0 {
		d.s.Persons = []presence.Person{{ID: d.freeID("person")}}
	}
	p := &d.s.Persons[0]
	keep(&p.Activities, st.Activities)
	keep(&p.Mood, st.Mood)
	keep(&p.PlaceIs, st.PlaceIs)
	keep(&p.PlaceType, st.PlaceType)
	keep(&p.Sphere, st.Sphere)
	keep(&p.TimeOffset, st.TimeOffset)
}

// keep sets *dst when it is not set.
func keep[T any](dst **T, v *T) {
	if *dst == nil {
		*dst = v
	}
}

// freeID returns id, or a longer one when a tuple or device has it.
func (d *decoder) freeID(id string) string {
	for i := 0; ; i++ {
		taken := false
		for _, t := range d.s.Services {
			taken = taken || t.ID == id
		}
		for _, t := range d.s.Devices {
			taken = taken || t.ID == id
		}
		if !taken {
			return id
		}
		id += "-"
	}
}

// attr copies an attribute.
func attr(a xmltext.Attr) presence.Attr {
	return presence.Attr{Space: string(a.Space), Local: string(a.Local), Value: string(a.Value)}
}

// rawElement reads the current element as it stands.
func (d *decoder) rawElement() (presence.RawXML, error) {
	r := presence.RawXML{Space: string(d.Space), Local: string(d.Local)}
	var err error
	r.Bytes, err = d.Raw()
	return r, err
}

func (d *decoder) raw(dst *[]presence.RawXML) error {
	r, err := d.rawElement()
	*dst = append(*dst, r)
	return err
}

func (d *decoder) note(dst *[]presence.Note) error {
	n := presence.Note{Lang: d.Lang()}
	var err error
	n.Text, err = d.Content()
	*dst = append(*dst, n)
	return err
}

// word reads the text of the current element without the white space around
// it.
func (d *decoder) word(dst *string) error {
	s, err := d.Content()
	*dst = strings.TrimSpace(s)
	return err
}

// text reads the text of the current element as it is.
func (d *decoder) text(dst *string) error {
	var err error
	*dst, err = d.Content()
	return err
}

// timestamp reads a time. One that is broken is absent.
func (d *decoder) timestamp(dst *time.Time) error {
	s, err := d.Content()
	if t, ok := parseTime(strings.TrimSpace(s)); ok {
		*dst = t
	}
	return err
}

// parseTime reads RFC 3339 and, as some clients write it, without an offset.
func parseTime(s string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t, err = time.Parse(time.RFC3339Nano, strings.ToUpper(s))
	}
	if err != nil {
		t, err = time.Parse("2006-01-02T15:04:05.999999999", s)
	}
	if err != nil || t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, false
	}
	return t, true
}
