package xmpp

import (
	"bytes"
	"errors"
	"io"
)

// errTooLarge: a stanza was above the limit and has been skipped.
var errTooLarge = errors.New("stanza too large")

// errNotXML: the stream cannot be cut into stanzas any more.
var errNotXML = errors.New("the stream is not the XML that RFC 6120 §11 allows")

// splitter cuts an XML stream into the elements at its first level, in time
// linear in their size. It knows just enough of XML to find their ends.
type splitter struct {
	r   io.Reader
	max int

	buf        []byte
	begin, pos int  // of the element, and of what is not yet looked at
	skip       bool // the element is above max

	state splitState
	depth int
	quote byte   // in a tag: the open quote
	last  byte   // in a tag: the byte before
	seen  string // in other markup: what it began with, or what may end it
}

type splitState uint8

const (
	inText splitState = iota
	atMarkup
	inStart
	inEnd
	inBang  // "<!"
	inOther // comment, CDATA section or processing instruction
)

func newSplitter(r io.Reader, max int) *splitter {
	return &splitter{r: r, max: max, buf: make([]byte, 0, 16<<10), begin: -1}
}

// next returns the next element; the bytes are valid until the next call. The
// end of the stream is io.EOF. After errTooLarge the next call goes on.
func (s *splitter) next() ([]byte, error) {
	for {
		for s.pos < len(s.buf) {
			done, err := s.step(s.buf[s.pos])
			s.pos++
			if err != nil {
				return nil, err
			}
			if done {
				return s.cut()
			}
		}
		err := s.more()
		if err != nil {
			return nil, err
		}
	}
}

// cut takes the element that has just ended.
func (s *splitter) cut() ([]byte, error) {
	el := s.buf[max(s.begin, 0):s.pos]
	skipped := s.skip || len(el) > s.max
	s.begin, s.skip = -1, false
	if skipped {
		return nil, errTooLarge
	}
	return el, nil
}

// more reads on, and forgets what has been handed out or is too large.
func (s *splitter) more() error {
	if s.begin >= 0 && s.pos-s.begin > s.max {
		s.skip = true
	}
	from := s.begin
	if s.begin < 0 || s.skip {
		from = s.pos
	}
	s.buf = append(s.buf[:0], s.buf[from:]...)
	s.pos -= from
	if s.begin >= 0 {
		s.begin = 0
	}
	if cap(s.buf) > 64<<10 && len(s.buf) < 8<<10 {
		s.buf = append(make([]byte, 0, 16<<10), s.buf...)
	}
	if len(s.buf) == cap(s.buf) {
		s.buf = append(make([]byte, 0, 2*cap(s.buf)), s.buf...)
	}
	n, err := s.r.Read(s.buf[len(s.buf):cap(s.buf)])
	s.buf = s.buf[:len(s.buf)+n]
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// step looks at the next byte; done tells that it ends an element of the first
// level.
func (s *splitter) step(c byte) (done bool, err error) {
	switch s.state {
	case inText:
		if c == '<' {
			s.state = atMarkup
			if s.depth == 0 {
				s.begin = s.pos
			}
		}
	case atMarkup:
		s.quote, s.last, s.seen = 0, c, ""
		switch c {
		case '/':
			s.state = inEnd
		case '!':
			s.state = inBang
		case '?':
			s.state, s.seen = inOther, "?>"
		case '>', '<':
			return false, errNotXML
		default:
			s.state = inStart
		}
	case inStart:
		return s.stepStart(c)
	case inEnd:
		if c == '>' {
			s.state = inText
			s.depth--
			if s.depth < 0 {
				return false, io.EOF // </stream:stream>
			}
			return s.depth == 0, nil
		}
	case inBang:
		s.seen += string(rune(c))
		switch {
		case s.seen == "--":
			s.state, s.seen = inOther, "-->"
		case s.seen == "[CDATA[" && s.depth > 0:
			s.state, s.seen = inOther, "]]>"
		case bytes.HasPrefix([]byte("[CDATA["), []byte(s.seen)), s.seen == "-":
		default:
			return false, errNotXML // RFC 6120 §11.1: no DTD
		}
	case inOther:
		s.stepOther(c)
	}
	return false, nil
}

func (s *splitter) stepStart(c byte) (done bool, err error) {
	switch {
	case s.quote != 0:
		if c == s.quote {
			s.quote = 0
		}
	case c == '"' || c == '\'':
		s.quote = c
	case c == '<':
		return false, errNotXML
	case c == '>':
		s.state = inText
		if s.last == '/' {
			return s.depth == 0, nil
		}
		s.depth++
	}
	s.last = c
	return false, nil
}

// stepOther waits for the end of a comment, CDATA section or instruction: the
// bytes of seen, one after the other. quote counts how many have come.
func (s *splitter) stepOther(c byte) {
	n := int(s.quote)
	switch {
	case c == s.seen[n]:
		n++
	case n == len(s.seen)-1 && n == 2 && c == s.seen[0]:
		// one more of what may be repeated: "--->", "]]]>"
	case c == s.seen[0]:
		n = 1
	default:
		n = 0
	}
	s.quote = byte(n)
	if n == len(s.seen) {
		s.state, s.quote = inText, 0
		if s.depth == 0 {
			s.begin, s.skip = -1, false
		}
	}
}
