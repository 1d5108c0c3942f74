package xmltext

import "bytes"

// Kind is the kind of a token.
type Kind uint8

// The kinds of tokens. Comments and processing instructions are passed over.
const (
	EOF   Kind = iota
	Start      // a start tag: Space, Local and Attrs are set
	End        // an end tag: Space and Local are set; also of an empty-element tag
	Text       // character data or a CDATA section, perhaps in parts: Text is set
)

// Limits of every document, above which an Error has TooLarge set. They keep
// time and memory linear in the size of the document; the size itself is the
// caller's to limit.
const (
	MaxDepth    = 100  // elements in each other
	MaxAttrs    = 100  // in one start tag, namespace declarations included
	MaxBindings = 200  // namespace declarations in scope
	MaxSpace    = 1024 // bytes of a namespace name
)

// NS is the namespace of the prefix xml.
const NS = "http://www.w3.org/XML/1998/namespace"

// xmlnsNS is the namespace of the prefix xmlns, which nothing may be bound to.
const xmlnsNS = "http://www.w3.org/2000/xmlns/"

// Attr is an attribute that is no namespace declaration.
type Attr struct {
	Space, Local, Value []byte // Value with references undone and white space normalised
	// SpaceID is the number of Space in the Scanner's Spaces, or 0.
	SpaceID    int
	begin, end int // where it stands in the document
	local      int // where its local name begins
}

// Span returns where the attribute stands in the document: from the first byte
// of its name to behind the closing quote.
func (a *Attr) Span() (begin, end int) { return a.begin, a.end }

// Binding is a namespace declaration: Prefix is "" for the default namespace.
type Binding struct{ Prefix, Space string }

// binding is a namespace declaration in scope.
type binding struct {
	prefix, uri []byte
	id          int
	used        bool // by the element that Raw reads
}

// predeclared is how many bindings are there without a declaration: of the
// empty prefix to no namespace, and of xml.
const predeclared = 2

// open is an element whose end has not come. It has no pointers, so that it
// costs the garbage collector nothing.
type open struct {
	begin, local, end int // where its name, and the local part of it, stand
	space             int // the binding of its namespace
	ns                int // how many bindings there were before its own
}

// Scanner reads one document after the other. The zero Scanner is ready for
// Reset. What it hands out in its fields is valid until the next call, and not
// to be changed. After an error it must be Reset.
type Scanner struct {
	// Spaces numbers, from 1, the namespaces that the caller wants to tell
	// apart by SpaceID. It is kept over Reset.
	Spaces map[string]int

	Space, Local []byte
	SpaceID      int // the number of Space in Spaces, 0 when it has none
	Attrs        []Attr
	Text         []byte

	b          []byte
	pos        int // of what is not yet read
	begin, end int // of the token
	stack      []open
	ns         []binding
	buf        []byte // of the values that are not as they stand in b
	acc        []byte // of texts that come in parts
	selfClosed bool
	rootSeen   bool
	checked    bool
	raw        int // while Raw reads: the number of bindings outside
	next       places
}

// places are where something stands next that text must be searched for, each
// found once and for as long as the scanner has not passed it; odd is the
// first of them.
type places struct{ amp, cr, close, odd int }

// Reset begins the document b, which the caller must not change meanwhile.
func (s *Scanner) Reset(b []byte) {
	s.Space, s.Local, s.SpaceID, s.Attrs, s.Text = nil, nil, 0, s.Attrs[:0], nil
	s.b, s.pos, s.begin, s.end = b, 0, 0, 0
	s.stack, s.buf, s.acc = s.stack[:0], reuse(s.buf), reuse(s.acc)
	s.selfClosed, s.rootSeen, s.checked, s.raw = false, false, false, 0
	s.next = places{-1, -1, -1, -1}
	s.ns = append(s.ns[:0], binding{}, binding{prefix: xmlPrefix, uri: xmlNS, id: s.Spaces[NS]})
}

// reuse empties b, or lets it go when it is large.
func reuse(b []byte) []byte {
	if cap(b) > 64<<10 {
		return nil
	}
	return b[:0]
}

// ResetIn begins b, an element that stands where the namespace declarations of
// scope are in force, such as a stanza in a stream.
func (s *Scanner) ResetIn(b []byte, scope []Binding) {
	s.Reset(b)
	for _, x := range scope {
		s.ns = append(s.ns, binding{prefix: []byte(x.Prefix), uri: []byte(x.Space), id: s.Spaces[x.Space]})
	}
}

// Bindings returns the namespace declarations in force at the current token,
// without those that others hide.
func (s *Scanner) Bindings() []Binding {
	var out []Binding
	for i := predeclared; i < len(s.ns); i++ {
		if j := s.binding(s.ns[i].prefix); j == i {
			out = append(out, Binding{string(s.ns[i].prefix), string(s.ns[i].uri)})
		}
	}
	return out
}

// Depth is the number of elements that are open: 1 after the root's start tag.
func (s *Scanner) Depth() int { return len(s.stack) }

// Span returns where the current token stands in the document. The end of an
// empty-element tag has no length, and stands behind the tag.
func (s *Scanner) Span() (begin, end int) { return s.begin, s.end }

// Mark is a start tag to come back to.
type Mark struct {
	begin, depth int
	next         places
}

// Mark remembers the start tag that has just been read.
func (s *Scanner) Mark() Mark { return Mark{s.begin, len(s.stack), s.next} }

// Rewind goes back to behind the start tag of m, which must be of the element
// that has just ended, or of one that is still open.
func (s *Scanner) Rewind(m Mark) {
	for len(s.stack) >= m.depth {
		s.pop()
	}
	s.selfClosed, s.rootSeen = false, len(s.stack) > 0
	s.begin, s.pos, s.next = m.begin, m.begin, m.next
	s.startTag() // it has been read before, without a fault
}

// Next returns the next token. After the root's end tag comes EOF, for good.
func (s *Scanner) Next() (Kind, error) {
	if s.selfClosed {
		s.selfClosed = false
		s.begin = s.pos
		s.pop()
		return End, nil
	}
	if !s.checked {
		err := s.check()
		if err != nil {
			return EOF, err
		}
	}
	for s.pos < len(s.b) {
		kind, err := s.token()
		if err != nil {
			return EOF, err
		}
		if kind != EOF {
			s.end = s.pos
			return kind, nil
		}
	}
	return EOF, s.atEnd()
}

// atEnd tells whether the document may end here.
func (s *Scanner) atEnd() error {
	s.begin, s.end = len(s.b), len(s.b)
	switch {
	case len(s.stack) > 0:
		o := &s.stack[len(s.stack)-1]
		return s.fail(s.pos, "the document ends inside <%s>", s.b[o.begin:o.end])
	case !s.rootSeen:
		return s.fail(s.pos, "the document has no root element")
	}
	return nil
}

// token reads what comes next. EOF without an error means that it was passed
// over.
func (s *Scanner) token() (Kind, error) {
	s.begin = s.pos
	if s.b[s.pos] != '<' {
		return s.text()
	}
	if s.pos+1 == len(s.b) {
		return EOF, s.fail(s.pos, "the document ends in a tag")
	}
	switch s.b[s.pos+1] {
	case '/':
		return End, s.endTag()
	case '?':
		return EOF, s.instruction()
	case '!':
		return s.declared()
	}
	return Start, s.startTag()
}

// text reads character data. Outside the root only white space may stand.
func (s *Scanner) text() (Kind, error) {
	i := bytes.IndexByte(s.b[s.pos:], '<')
	if i < 0 {
		i = len(s.b) - s.pos
	}
	begin := s.pos
	s.pos += i
	t := s.b[begin:s.pos]
	if len(s.stack) == 0 {
		if i := leadingSpace(t); i < len(t) {
			return EOF, s.fail(begin+i, "text outside the root element")
		}
		return EOF, nil
	}
	s.Text = t
	if s.pos <= s.next.odd {
		return Text, nil
	}
	return Text, s.oddText()
}

// oddText looks at a text that may have something in it.
func (s *Scanner) oddText() error {
	// Each must look, to keep its own place.
	amp, cr, end := s.ahead(&s.next.amp, "&"), s.ahead(&s.next.cr, "\r"), s.ahead(&s.next.close, "]]>")
	s.next.odd = min(s.next.amp, s.next.cr, s.next.close)
	if end {
		return s.fail(s.next.close, "]]> in text")
	}
	if !amp && !cr {
		return nil
	}
	var err error
	s.buf = s.buf[:0]
	s.Text, err = s.unescape(s.Text, s.begin, false)
	return err
}

// ahead reports whether what stands in the document between the beginning of
// the token and pos. next is where it stands next, so that the document is
// searched once.
func (s *Scanner) ahead(next *int, what string) bool {
	if *next < s.begin {
		var i int
		if len(what) == 1 {
			i = bytes.IndexByte(s.b[s.begin:], what[0])
		} else {
			i = bytes.Index(s.b[s.begin:], []byte(what))
		}
		*next = len(s.b)
		if i >= 0 {
			*next = s.begin + i
		}
	}
	return *next < s.pos
}

// endTag reads an end tag.
func (s *Scanner) endTag() error {
	if len(s.stack) == 0 {
		return s.fail(s.pos, "an end tag without a start tag")
	}
	o := &s.stack[len(s.stack)-1]
	name := s.b[o.begin:o.end]
	s.pos += 2
	if n := s.pos + len(name); n < len(s.b) && s.b[n] == '>' && string(s.b[s.pos:n]) == string(name) {
		s.pos = n + 1
		s.pop()
		return nil
	}
	return s.oddEnd(name)
}

// oddEnd reads the rest of an end tag that is not just name.
func (s *Scanner) oddEnd(name []byte) error {
	begin := s.pos
	_, err := s.name()
	if err != nil {
		return err
	}
	got := s.b[begin:s.pos]
	s.space()
	if s.pos >= len(s.b) || s.b[s.pos] != '>' {
		return s.fail(s.pos, "the end tag </%s does not end", got)
	}
	if string(got) != string(name) {
		return s.fail(s.begin, "the end tag </%s> does not match <%s>", got, name)
	}
	s.pos++
	s.pop()
	return nil
}

// pop closes the innermost element.
func (s *Scanner) pop() {
	o := &s.stack[len(s.stack)-1]
	b := &s.ns[o.space]
	s.Space, s.SpaceID, s.Local = b.uri, b.id, s.b[o.local:o.end]
	s.ns = s.ns[:o.ns]
	s.stack = s.stack[:len(s.stack)-1]
}
