package pidf

import (
	"strconv"
	"sync"
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/mapping/xmltext"
)

// encoder writes the inside of one document, and notes which namespaces it
// needs.
type encoder struct {
	b    []byte
	used [nsCount]bool
}

var encoders = sync.Pool{New: func() any { return new(encoder) }}

// Append appends s as a compact presence document in canonical order, with
// entity as its presence@entity ("" takes s.Entity). PIDF has the default
// namespace, RPID the prefix rpid.
func Append(dst []byte, s *presence.State, entity string) []byte {
	if entity == "" {
		entity = s.Entity
	}
	e := encoders.Get().(*encoder)
	defer encoders.Put(e)
	e.b, e.used = e.b[:0], [nsCount]bool{}
	e.document(s)
	dst = append(dst, `<?xml version="1.0" encoding="UTF-8"?><presence xmlns="`...)
	dst = append(dst, names[nsPIDF].uri...)
	dst = append(dst, '"')
	for n := nsDM; n < nsCount; n++ {
		if e.used[n] && names[n].prefix != "" {
			dst = append(dst, " xmlns:"...)
			dst = append(dst, names[n].prefix...)
			dst = append(dst, '=', '"')
			dst = append(dst, names[n].uri...)
			dst = append(dst, '"')
		}
	}
	dst = append(dst, ` entity="`...)
	dst = xmltext.AppendAttr(dst, entity)
	dst = append(dst, '"')
	for i, a := range s.Attrs {
		dst = appendAttr(dst, i, a)
	}
	dst = append(dst, '>')
	dst = append(dst, e.b...)
	return append(dst, "</presence>"...)
}

// document writes what stands inside <presence> (RFC 4479 §5): tuples, notes,
// then persons, devices and the rest.
func (e *encoder) document(s *presence.State) {
	for i := range s.Services {
		e.tuple(&s.Services[i])
	}
	e.notes(nsPIDF, s.Notes)
	for i := range s.Persons {
		e.person(&s.Persons[i])
	}
	for i := range s.Devices {
		e.device(&s.Devices[i])
	}
	e.raws(s.Ext)
}

// open begins a start tag; its attributes and closed or ended follow.
func (e *encoder) open(n ns, local string) {
	e.b = append(e.b, '<')
	e.qname(n, local)
}

func (e *encoder) qname(n ns, local string) {
	e.used[n] = true
	if p := names[n].prefix; p != "" {
		e.b = append(e.b, p...)
		e.b = append(e.b, ':')
	}
	e.b = append(e.b, local...)
}

func (e *encoder) gt() { e.b = append(e.b, '>') }

func (e *encoder) empty() { e.b = append(e.b, '/', '>') }

func (e *encoder) close(n ns, local string) {
	e.b = append(e.b, '<', '/')
	e.qname(n, local)
	e.b = append(e.b, '>')
}

// attr writes an attribute of no namespace.
func (e *encoder) attr(name, value string) {
	e.b = append(e.b, ' ')
	e.b = append(e.b, name...)
	e.b = append(e.b, '=', '"')
	e.b = xmltext.AppendAttr(e.b, value)
	e.b = append(e.b, '"')
}

func (e *encoder) attrs(as []presence.Attr) {
	for i := range as {
		if n := known([]byte(as[i].Space)); n != nsOther && names[n].prefix != "" {
			e.used[n] = true
			e.attr(names[n].prefix+":"+as[i].Local, as[i].Value)
			continue
		}
		e.b = appendAttr(e.b, i, as[i])
	}
}

// appendAttr writes an attribute, declaring its namespace with it.
func appendAttr(b []byte, i int, a presence.Attr) []byte {
	b = append(b, ' ')
	switch a.Space {
	case "":
	case xmltext.NS:
		b = append(b, "xml:"...)
	default:
		p := "a" + strconv.Itoa(i)
		b = append(b, "xmlns:"...)
		b = append(b, p...)
		b = append(b, '=', '"')
		b = xmltext.AppendAttr(b, a.Space)
		b = append(b, '"', ' ')
		b = append(b, p...)
		b = append(b, ':')
	}
	b = append(b, a.Local...)
	b = append(b, '=', '"')
	b = xmltext.AppendAttr(b, a.Value)
	return append(b, '"')
}

// leaf writes an element with text; nothing for "".
func (e *encoder) leaf(n ns, local, text string) {
	if text == "" {
		return
	}
	e.open(n, local)
	e.gt()
	e.b = xmltext.AppendText(e.b, text)
	e.close(n, local)
}

func (e *encoder) notes(n ns, notes []presence.Note) {
	for _, x := range notes {
		e.lang(n, "note", x)
	}
}

// lang writes an element with text and a language.
func (e *encoder) lang(n ns, local string, x presence.Note) {
	e.open(n, local)
	if x.Lang != "" {
		e.attr("xml:lang", x.Lang)
	}
	e.gt()
	e.b = xmltext.AppendText(e.b, x.Text)
	e.close(n, local)
}

func (e *encoder) raws(rs []presence.RawXML) {
	for i := range rs {
		e.b = append(e.b, rs[i].Bytes...)
	}
}

// time writes an element with a time; nothing for the zero time.
func (e *encoder) time(n ns, local string, t time.Time) {
	if t.IsZero() {
		return
	}
	e.open(n, local)
	e.gt()
	e.b = t.AppendFormat(e.b, time.RFC3339Nano)
	e.close(n, local)
}

func (e *encoder) timeAttr(name string, t time.Time) {
	if t.IsZero() {
		return
	}
	e.b = append(e.b, ' ')
	e.b = append(e.b, name...)
	e.b = append(e.b, '=', '"')
	e.b = t.AppendFormat(e.b, time.RFC3339Nano)
	e.b = append(e.b, '"')
}

func (e *encoder) basic(n ns, b presence.Basic, odd string) {
	switch b {
	case presence.Open:
		e.leaf(n, "basic", "open")
	case presence.Closed:
		e.leaf(n, "basic", "closed")
	case presence.OddBasic:
		e.open(n, "basic")
		e.gt()
		e.b = xmltext.AppendText(e.b, odd)
		e.close(n, "basic")
	}
}
