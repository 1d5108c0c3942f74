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
	used uint32 // a bit for each namespace
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
	e.b, e.used = reuse(e.b), 1<<nsPIDF
	e.document(s)
	dst = append(dst, `<?xml version="1.0" encoding="UTF-8"?><presence`...)
	for n, x := range declarations {
		if e.used>>n&1 != 0 {
			dst = append(dst, x...)
		}
	}
	dst = append(dst, " entity"...)
	dst = appendValue(dst, entity)
	for i := range s.Attrs {
		dst = appendAttr(dst, s.Attrs, i)
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
	e.notes(elNote, s.Notes)
	for i := range s.Persons {
		e.person(&s.Persons[i])
	}
	for i := range s.Devices {
		e.device(&s.Devices[i])
	}
	e.raws(s.Ext)
}

// open begins a start tag; its attributes and gt or empty follow.
func (e *encoder) open(x *element) {
	e.used |= 1 << x.ns
	e.b = x.open.append(e.b)
}

// start writes a start tag without attributes.
func (e *encoder) start(x *element) {
	e.used |= 1 << x.ns
	e.b = x.start.append(e.b)
}

func (e *encoder) close(x *element) { e.b = x.end.append(e.b) }

func (e *encoder) gt() { e.b = append(e.b, '>') }

func (e *encoder) empty() { e.b = append(e.b, '/', '>') }

// openNamed and closeNamed are open and close for a name that comes from the
// State.
func (e *encoder) openNamed(n ns, local string) {
	e.used |= 1 << n
	e.b = append(begins[n].append(e.b), local...)
}

func (e *encoder) closeNamed(n ns, local string) {
	e.b = append(e.qname(append(e.b, '<', '/'), n, local), '>')
}

// qname appends the name of an element of n to b.
func (e *encoder) qname(b []byte, n ns, local string) []byte {
	e.used |= 1 << n
	b = append(b, names[n].prefix...)
	return append(b, local...)
}

// attr writes an attribute; name is its name with what stands around it, such
// as ` id="`.
func (e *encoder) attr(name, value string) {
	b := xmltext.AppendAttr(append(e.b, name...), value)
	e.b = append(b, '"')
}

// attrs writes attributes the model has no field for.
func (e *encoder) attrs(as []presence.Attr) {
	for i := range as {
		n := ns(spaces[as[i].Space])
		if names[n].prefix == "" || !xmltext.IsName(as[i].Local) {
			e.b = appendAttr(e.b, as, i)
			continue
		}
		e.b = e.qname(append(e.b, ' '), n, as[i].Local)
		e.b = appendValue(e.b, as[i].Value)
	}
}

// appendAttr writes as[i], and declares its namespace if it is the first in
// it.
func appendAttr(b []byte, as []presence.Attr, i int) []byte {
	a := &as[i]
	if !xmltext.IsName(a.Local) {
		return b
	}
	b = append(b, ' ')
	switch a.Space {
	case "":
	case xmltext.NS:
		b = append(b, "xml:"...)
	default:
		first := 0
		for as[first].Space != a.Space || !xmltext.IsName(as[first].Local) {
			first++
		}
		var p [24]byte
		prefix := strconv.AppendInt(append(p[:0], 'a'), int64(first), 10)
		if first == i {
			b = append(b, "xmlns:"...)
			b = append(b, prefix...)
			b = append(appendValue(b, a.Space), ' ')
		}
		b = append(b, prefix...)
		b = append(b, ':')
	}
	b = append(b, a.Local...)
	return appendValue(b, a.Value)
}

func appendValue(b []byte, value string) []byte {
	b = append(b, '=', '"')
	b = xmltext.AppendAttr(b, value)
	return append(b, '"')
}

// leaf writes an element with text; nothing for "".
func (e *encoder) leaf(x *element, text string) {
	if text != "" {
		e.text(x, text)
	}
}

// text writes an element with text.
func (e *encoder) text(x *element, text string) {
	e.used |= 1 << x.ns
	e.b = x.end.append(xmltext.AppendText(x.start.append(e.b), text))
}

// notes writes texts with their languages, each in an element.
func (e *encoder) notes(x *element, notes []presence.Note) {
	for i := range notes {
		n := &notes[i]
		if n.Lang == "" {
			e.text(x, n.Text)
			continue
		}
		e.open(x)
		e.attr(` xml:lang="`, n.Lang)
		e.gt()
		e.b = xmltext.AppendText(e.b, n.Text)
		e.close(x)
	}
}

func (e *encoder) raws(rs []presence.RawXML) {
	for i := range rs {
		e.b = append(e.b, rs[i].Bytes...)
	}
}

// time writes an element with a time; nothing for the zero time.
func (e *encoder) time(x *element, t time.Time) {
	if t.IsZero() {
		return
	}
	e.start(x)
	e.b = t.AppendFormat(e.b, time.RFC3339Nano)
	e.close(x)
}

func (e *encoder) timeAttr(name string, t time.Time) {
	if t.IsZero() {
		return
	}
	b := t.AppendFormat(append(e.b, name...), time.RFC3339Nano)
	e.b = append(b, '"')
}

// basic writes a basic. OddBasic is not written here: its text is with what
// is carried along.
func (e *encoder) basic(x *element, b presence.Basic) {
	switch b {
	case presence.Open:
		e.text(x, "open")
	case presence.Closed:
		e.text(x, "closed")
	}
}
