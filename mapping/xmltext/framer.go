package xmltext

import "bytes"

// Piece is what a Framer found.
type Piece uint8

// The pieces of a stream.
const (
	More     Piece = iota // nothing complete
	Header                // the root's start tag, with the XML declaration if there is one
	Element               // a complete child of the root
	TooLarge              // a child that was above Max has ended, and is passed over
	Footer                // the root's end tag
)

// Framer cuts a stream of bytes into the header, the children and the end of
// its root element, as XMPP's is (RFC 6120 §4). It knows just enough of XML to
// find where these end: the pieces are to be read with a Scanner, which finds
// what else is wrong with them. Comments, processing instructions and document
// type declarations are refused (RFC 6120 §11.1), and so is text beside the
// children (§11.7 has white space alone). It remembers what it has looked at,
// so that the time is linear in the bytes however few come at a time. The zero
// Framer is ready to use.
type Framer struct {
	// Max is the size in bytes above which a child is passed over, and a
	// header refused; 0: 64 KiB.
	Max int

	pos   int // of what is not yet looked at
	depth int // of open elements, or closed
	in    uint8
	quote byte
	slash bool // the last byte in a tag was '/'
	begun bool // an element of the first level has begun
	drop  bool // it is above Max, and its first bytes are gone
	// declared: something has come, so that an XML declaration may not.
	declared bool
}

// Where a Framer is.
const (
	between uint8 = iota // outside of markup
	inStart
	inEnd
	inCDATA
	inDecl // the XML declaration
)

const defaultMax = 64 << 10

// closed is the depth behind the root element.
const closed = -1

// Next looks for the next piece in b, which begins with what has not been
// consumed. b[begin:end] is the piece, and end bytes are consumed: the next
// call must be given what follows them. After More, end bytes (white space, or
// a part of an element that is too large) may be dropped, and the rest must
// come again with more behind it. After an error, or Footer, the Framer is
// done.
func (f *Framer) Next(b []byte) (p Piece, begin, end int, err error) {
	if f.Max == 0 {
		f.Max = defaultMax
	}
	for f.pos < len(b) {
		if f.in == between {
			var wait bool
			begin, wait, err = f.between(b, begin)
			if err != nil {
				return More, 0, 0, err
			}
			if wait {
				break
			}
		}
		var done bool
		p, done = f.step(b)
		if !done && f.in != between {
			break
		}
		if !done {
			continue
		}
		end = f.pos
		if p != Footer && end-begin > f.Max {
			f.drop = true
		}
		if f.drop && p == Header {
			return More, 0, 0, f.large(b, begin)
		}
		if f.drop {
			p = TooLarge
		}
		f.pos, f.begun, f.drop = 0, false, false
		return p, begin, end, nil
	}
	return f.more(b, begin)
}

// more is called when b holds no complete piece.
func (f *Framer) more(b []byte, begin int) (Piece, int, int, error) {
	switch {
	case f.drop:
		begin = f.pos
	case len(b)-begin > f.Max && f.depth == 0:
		return More, 0, 0, f.large(b, begin)
	case len(b)-begin > f.Max:
		f.drop, begin = true, f.pos
	}
	f.pos -= begin
	return More, begin, begin, nil
}

func (f *Framer) large(b []byte, at int) error {
	e := errorAt(b, at, "the header of the stream is longer than %d bytes", f.Max)
	e.TooLarge = true
	return e
}

// between passes over text up to the next markup, and looks at what it is.
// begin is where the piece begins; wait asks for more bytes.
func (f *Framer) between(b []byte, begin int) (at int, wait bool, err error) {
	i := bytes.IndexByte(b[f.pos:], '<')
	if i < 0 {
		i = len(b) - f.pos
	}
	if !f.begun {
		if j := notSpace(b[f.pos : f.pos+i]); j < i {
			return begin, false, errorAt(b, f.pos+j, "text between the elements of the stream")
		}
		begin = f.pos + i
	}
	f.pos += i
	r := b[f.pos:]
	if len(r) < 2 {
		return begin, true, nil
	}
	if f.depth == closed || f.depth == 0 && r[1] == '/' {
		return begin, false, errorAt(b, f.pos, "an element outside of the stream")
	}
	switch r[1] {
	case '/':
		f.in = inEnd
	case '!':
		const cdata = "<![CDATA["
		n := min(len(r), len(cdata))
		if !f.begun || f.depth < 2 || string(r[:n]) != cdata[:n] {
			return begin, false, restricted(b, f.pos)
		}
		if n < len(cdata) {
			return begin, true, nil
		}
		f.in = inCDATA
		f.pos += len(cdata) - 2
	case '?':
		const xml = "<?xml"
		if len(r) <= len(xml) && string(r) == xml[:len(r)] {
			return begin, true, nil
		}
		if f.declared || len(r) <= len(xml) || string(r[:len(xml)]) != xml || class[r[len(xml)]]&space == 0 {
			return begin, false, restricted(b, f.pos)
		}
		f.in = inDecl
	default:
		f.in, f.quote, f.slash = inStart, 0, false
	}
	f.begun, f.declared = true, true
	f.pos += 2
	return begin, false, nil
}

func restricted(b []byte, at int) error {
	e := errorAt(b, at, "a comment, processing instruction or declaration in a stream")
	e.Restricted = true
	return e
}

// step looks at what follows in b up to the end of the markup that the Framer
// is in. done tells that a piece has ended.
func (f *Framer) step(b []byte) (p Piece, done bool) {
	switch f.in {
	case inStart:
		return f.start(b)
	case inEnd:
		if f.upTo(b, ">") {
			return f.ended()
		}
	case inCDATA:
		f.upTo(b, "]]>")
	case inDecl:
		f.upTo(b, "?>")
	}
	return More, false
}

// ended is called after the end tag of an element.
func (f *Framer) ended() (p Piece, done bool) {
	f.depth--
	switch f.depth {
	case 1:
		return Element, true
	case 0:
		f.depth = closed
		return Footer, true
	}
	return More, false
}

// upTo passes over the bytes up to and with end, and reports whether it came.
func (f *Framer) upTo(b []byte, end string) bool {
	i := bytes.Index(b[f.pos:], []byte(end))
	if i < 0 {
		// A part of end may stand at the end of b.
		f.pos = max(f.pos, len(b)-len(end)+1)
		return false
	}
	f.pos += i + len(end)
	f.in = between
	return true
}

// start passes over a start tag.
func (f *Framer) start(b []byte) (p Piece, done bool) {
	for f.pos < len(b) {
		if f.quote != 0 {
			i := bytes.IndexByte(b[f.pos:], f.quote)
			if i < 0 {
				f.pos = len(b)
				return More, false
			}
			f.pos += i + 1
			f.quote = 0
			continue
		}
		c := b[f.pos]
		f.pos++
		switch c {
		case '"', '\'':
			f.quote = c
		case '>':
			f.in = between
			f.depth++
			switch {
			case f.slash && f.depth == 1:
				f.depth = closed
				return Header, true
			case f.slash:
				return f.ended()
			}
			return Header, f.depth == 1
		}
		f.slash = c == '/'
	}
	return More, false
}
