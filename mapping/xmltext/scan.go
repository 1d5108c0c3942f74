// Package xmltext reads and writes the XML of everything hot: presence
// documents and stanzas.
//
// The Scanner is a strict pull scanner over one whole document in memory. It
// accepts what XML 1.0 and Namespaces in XML call well-formed, in UTF-8, less
// document type declarations, which are refused, and with limits on depth and
// attributes. It takes time linear in the size of the document, and neither
// copies nor converts what it need not. A caller that does not know an element
// takes it as it stands, made self-contained, with Raw.
//
//	var s xmltext.Scanner
//	s.Reset(document)
//	for {
//		kind, err := s.Next()
//		…
//	}
package xmltext

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// Kind is the kind of a token.
type Kind uint8

// The kinds of tokens. Comments and processing instructions are passed over.
const (
	EOF   Kind = iota
	Start      // a start tag: Space, Local and Attrs are set
	End        // an end tag, also of an empty-element tag
	Text       // character data or a CDATA section: Text is set
)

// Limits of every document.
const (
	MaxDepth = 100
	MaxAttrs = 100 // in one start tag, namespace declarations included
)

// NS is the namespace of the prefix xml.
const NS = "http://www.w3.org/XML/1998/namespace"

// Error says what is wrong with a document, and where. Lines and columns (in
// bytes) count from 1.
type Error struct {
	Line, Col int
	Msg       string
	// TooLarge: the document is above a limit, not against the rules.
	TooLarge bool
}

func (e *Error) Error() string { return fmt.Sprintf("line %d:%d: %s", e.Line, e.Col, e.Msg) }

// Attr is an attribute that is no namespace declaration.
type Attr struct {
	Space, Local, Value []byte
	prefix              []byte
	at                  int
}

// binding is a namespace declaration in scope.
type binding struct {
	prefix, uri []byte
	depth       int
}

// Scanner reads one document after the other. The zero Scanner is ready for
// Reset. The slices it hands out are valid until the next call.
type Scanner struct {
	Space, Local []byte
	Attrs        []Attr
	Text         []byte

	b          []byte
	pos        int
	begin      int // of the token
	depth      int
	stack      [][]byte // open elements' names
	ns         []binding
	selfClosed bool
	rootSeen   bool
	checked    bool
	used       *usage // set while Raw reads
	prefix     []byte
}

// Reset begins the document b, which the caller must not change meanwhile.
func (s *Scanner) Reset(b []byte) {
	*s = Scanner{b: b, stack: s.stack[:0], ns: s.ns[:0], Attrs: s.Attrs[:0]}
}

// Depth is the number of elements that are open.
func (s *Scanner) Depth() int { return s.depth }

// Mark is a start tag to come back to.
type Mark struct{ s Scanner }

// Mark remembers the start tag that has just been read.
func (s *Scanner) Mark() Mark { return Mark{*s} }

// Rewind goes back to behind the start tag of m, which must be of the element
// that has just ended, or of one that is still open.
func (s *Scanner) Rewind(m Mark) {
	*s = m.s
	s.stack = s.stack[:s.depth]
	s.selfClosed = false
	s.pop()
	s.pos = s.begin
	s.startTag() // it has been read before, without a fault
}

// Next returns the next token. After the root's end tag comes EOF.
func (s *Scanner) Next() (Kind, error) {
	if !s.checked {
		err := s.check()
		if err != nil {
			return EOF, err
		}
	}
	if s.selfClosed {
		s.selfClosed = false
		s.pop()
		return End, nil
	}
	for {
		if s.pos >= len(s.b) {
			return s.end()
		}
		s.begin = s.pos
		if s.b[s.pos] != '<' {
			kind, err := s.text()
			if kind != EOF || err != nil {
				return kind, err
			}
			continue
		}
		kind, err := s.markup()
		if kind != EOF || err != nil {
			return kind, err
		}
	}
}

// end is called at the end of the input.
func (s *Scanner) end() (Kind, error) {
	switch {
	case s.depth > 0:
		return EOF, s.fail(s.pos, "the document ends inside <%s>", s.stack[s.depth-1])
	case !s.rootSeen:
		return EOF, s.fail(s.pos, "the document is empty")
	}
	return EOF, nil
}

// check looks at the whole input once: UTF-8, XML characters, and the XML
// declaration.
func (s *Scanner) check() error {
	s.checked = true
	if bytes.HasPrefix(s.b, []byte("\xef\xbb\xbf")) {
		s.pos = 3
	}
	for i, c := range s.b {
		if c < 0x20 && c != '\t' && c != '\n' && c != '\r' {
			return s.fail(i, "control character %#02x", c)
		}
		if c == 0xef && bytes.HasPrefix(s.b[i+1:], []byte{0xbf, 0xbe}) || c == 0xef && bytes.HasPrefix(s.b[i+1:], []byte{0xbf, 0xbf}) {
			return s.fail(i, "a noncharacter")
		}
	}
	if !utf8.Valid(s.b) {
		return s.fail(invalidAt(s.b), "not UTF-8")
	}
	return s.declaration()
}

func invalidAt(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(b)
}

// declaration passes over <?xml … ?> and refuses encodings other than UTF-8.
func (s *Scanner) declaration() error {
	r := s.b[s.pos:]
	if !bytes.HasPrefix(r, []byte("<?xml")) || len(r) < 6 || !isSpace(r[5]) {
		return nil
	}
	i := bytes.Index(r, []byte("?>"))
	if i < 0 {
		return s.fail(s.pos, "the XML declaration does not end")
	}
	decl := bytes.ToLower(r[5:i])
	if e := bytes.Index(decl, []byte("encoding")); e >= 0 {
		v := bytes.Trim(decl[e+len("encoding"):], " \t\r\n=")
		if len(v) < 7 || !bytes.HasPrefix(v[1:], []byte("utf-8")) && !bytes.HasPrefix(v[1:], []byte("us-ascii")) {
			return s.fail(s.pos, "the encoding is not UTF-8")
		}
	}
	s.pos += i + 2
	return nil
}

// text reads character data. Outside the root only white space may stand.
func (s *Scanner) text() (Kind, error) {
	i := bytes.IndexByte(s.b[s.pos:], '<')
	if i < 0 {
		i = len(s.b) - s.pos
	}
	t := s.b[s.pos : s.pos+i]
	s.pos += i
	if s.depth == 0 {
		if len(bytes.Trim(t, " \t\r\n")) > 0 {
			return EOF, s.fail(s.begin, "text outside the root element")
		}
		return EOF, nil
	}
	if bytes.Contains(t, []byte("]]>")) {
		return EOF, s.fail(s.begin, "]]> in text")
	}
	var err error
	s.Text, err = s.unescape(t, s.begin, false)
	return Text, err
}

// markup reads what begins with '<'. EOF without an error means that it was
// passed over.
func (s *Scanner) markup() (Kind, error) {
	r := s.b[s.pos:]
	if len(r) < 2 {
		return EOF, s.fail(s.pos, "the document ends in a tag")
	}
	switch r[1] {
	case '/':
		return s.endTag()
	case '?':
		return EOF, s.instruction(r)
	case '!':
		return s.declared(r)
	}
	return s.startTag()
}

func (s *Scanner) instruction(r []byte) error {
	i := bytes.Index(r, []byte("?>"))
	if i < 0 {
		return s.fail(s.pos, "a processing instruction does not end")
	}
	at := s.pos
	s.pos += 2
	target, err := s.name()
	if err != nil {
		return err
	}
	if bytes.EqualFold(target, []byte("xml")) {
		return s.fail(at, "an XML declaration that is not at the beginning")
	}
	if c := s.b[s.pos]; !isSpace(c) && c != '?' {
		return s.fail(s.pos, "no space behind the target of a processing instruction")
	}
	s.pos = at + i + 2
	return nil
}

// declared reads what begins with "<!".
func (s *Scanner) declared(r []byte) (Kind, error) {
	switch {
	case bytes.HasPrefix(r, []byte("<!--")):
		i := bytes.Index(r[4:], []byte("--"))
		if i < 0 || len(r) < i+7 || r[i+6] != '>' {
			return EOF, s.fail(s.pos, "a comment that does not end, or has -- in it")
		}
		s.pos += i + 7
		return EOF, nil
	case bytes.HasPrefix(r, []byte("<![CDATA[")):
		i := bytes.Index(r, []byte("]]>"))
		if i < 0 || s.depth == 0 {
			return EOF, s.fail(s.pos, "a CDATA section that does not end, or stands outside the root")
		}
		s.Text = normalLines(r[9:i])
		s.pos += i + 3
		return Text, nil
	}
	return EOF, s.fail(s.pos, "a document type declaration, which is refused")
}

func (s *Scanner) endTag() (Kind, error) {
	s.pos += 2
	n, err := s.name()
	if err != nil {
		return EOF, err
	}
	s.space()
	if s.pos >= len(s.b) || s.b[s.pos] != '>' {
		return EOF, s.fail(s.pos, "the end tag </%s does not end", n)
	}
	if s.depth == 0 || !bytes.Equal(n, s.stack[s.depth-1]) {
		return EOF, s.fail(s.begin, "the end tag </%s> matches no start tag", n)
	}
	s.pos++
	s.pop()
	return End, nil
}

// pop closes the innermost element.
func (s *Scanner) pop() {
	for len(s.ns) > 0 && s.ns[len(s.ns)-1].depth == s.depth {
		s.ns = s.ns[:len(s.ns)-1]
	}
	s.depth--
	s.stack = s.stack[:s.depth]
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// space passes over white space and reports whether there was some.
func (s *Scanner) space() bool {
	i := s.pos
	for i < len(s.b) && isSpace(s.b[i]) {
		i++
	}
	moved := i > s.pos
	s.pos = i
	return moved
}

// fail returns an Error for offset at.
func (s *Scanner) fail(at int, format string, args ...any) *Error {
	at = min(at, len(s.b))
	line := 1 + bytes.Count(s.b[:at], []byte("\n"))
	col := at - bytes.LastIndexByte(s.b[:at], '\n')
	return &Error{Line: line, Col: col, Msg: fmt.Sprintf(format, args...)}
}

// Fail returns an Error at the current token, for callers that find a fault
// in what it says.
func (s *Scanner) Fail(format string, args ...any) *Error { return s.fail(s.begin, format, args...) }
