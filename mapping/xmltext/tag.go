package xmltext

import (
	"bytes"
	"slices"
)

// startTag reads a start or empty-element tag.
func (s *Scanner) startTag() error {
	if len(s.stack) == 0 && s.rootSeen {
		return s.fail(s.pos, "a second root element")
	}
	s.pos++
	begin, outer := s.pos, len(s.ns)
	local, err := s.name()
	if err != nil {
		return err
	}
	if len(s.stack) >= MaxDepth {
		return s.tooLarge(s.begin, "elements are nested deeper than %d", MaxDepth)
	}
	s.rootSeen = true
	end := s.pos
	s.buf = s.buf[:0]
	s.Attrs = s.Attrs[:0]
	if s.pos < len(s.b) && s.b[s.pos] == '>' {
		s.pos++
	} else {
		err = s.attributes(outer)
		if err != nil {
			return err
		}
	}
	prefix := s.prefix(begin, local)
	space := s.resolve(prefix)
	if space < 0 {
		return s.fail(s.begin, "the prefix %s is not declared", prefix)
	}
	o := push(&s.stack)
	o.begin, o.local, o.end, o.space, o.ns = begin, local, end, space, outer
	b := &s.ns[space]
	s.Space, s.SpaceID, s.Local = b.uri, b.id, s.b[local:end]
	if len(s.Attrs) > 0 {
		return s.resolveAttrs()
	}
	return nil
}

// attributes reads the attributes up to the end of the tag. outer is the
// number of bindings before those of this tag.
func (s *Scanner) attributes(outer int) error {
	for count := 0; ; count++ {
		spaced := s.space()
		if s.pos >= len(s.b) {
			return s.fail(s.pos, "the document ends in a tag")
		}
		switch s.b[s.pos] {
		case '>':
			s.pos++
			return nil
		case '/':
			if s.pos+1 >= len(s.b) || s.b[s.pos+1] != '>' {
				return s.fail(s.pos, "a / inside a tag")
			}
			s.pos += 2
			s.selfClosed = true
			return nil
		}
		if !spaced {
			return s.fail(s.pos, "no space before an attribute")
		}
		if count == MaxAttrs {
			return s.tooLarge(s.pos, "more than %d attributes", MaxAttrs)
		}
		err := s.attribute(outer)
		if err != nil {
			return err
		}
	}
}

// attribute reads one attribute or namespace declaration.
func (s *Scanner) attribute(outer int) error {
	begin := s.pos
	local, err := s.name()
	if err != nil {
		return err
	}
	n, prefix := s.b[begin:s.pos], s.prefix(begin, local)
	if s.pos < len(s.b) && s.b[s.pos] != '=' {
		s.space()
	}
	if s.pos >= len(s.b) || s.b[s.pos] != '=' {
		return s.fail(s.pos, "the attribute %s has no value", n)
	}
	s.pos++
	s.space()
	v, err := s.value(n)
	if err != nil {
		return err
	}
	switch {
	case string(n) == "xmlns":
		return s.declare(nil, v, begin, outer)
	case string(prefix) == "xmlns":
		return s.declare(n[local-begin:], v, begin, outer)
	}
	a := push(&s.Attrs)
	a.Space, a.SpaceID, a.Local, a.Value = nil, 0, n[local-begin:], v
	a.begin, a.end, a.local = begin, s.pos, local
	return nil
}

// push makes *list one longer and returns its new element, in which something
// may still stand. Filled in its place it is cheaper than appended.
func push[T any](list *[]T) *T {
	n := len(*list)
	if n == cap(*list) {
		*list = slices.Grow(*list, n+8)
	}
	*list = (*list)[:n+1]
	return &(*list)[n]
}

// prefix is the prefix of the name at begin whose local part is at local.
func (s *Scanner) prefix(begin, local int) []byte {
	if local == begin {
		return nil
	}
	return s.b[begin : local-1]
}

// value reads the quoted value of the attribute n.
func (s *Scanner) value(n []byte) ([]byte, error) {
	if s.pos >= len(s.b) || s.b[s.pos] != '"' && s.b[s.pos] != '\'' {
		return nil, s.fail(s.pos, "the value of %s is not quoted", n)
	}
	b, begin := s.b, s.pos+1
	i := begin
	for i < len(b) && class[b[i]]&(delimiter|special) == 0 {
		i++
	}
	if i < len(b) && b[i] == b[begin-1] {
		s.pos = i + 1
		return b[begin:i], nil
	}
	return s.oddValue(n, begin)
}

// oddValue reads the value of n from begin on, which is not just text up to
// the first quote.
func (s *Scanner) oddValue(n []byte, begin int) ([]byte, error) {
	length := bytes.IndexByte(s.b[begin:], s.b[begin-1])
	v := s.b[begin : begin+max(length, 0)]
	if length < 0 {
		v = s.b[begin:]
	}
	if i := bytes.IndexByte(v, '<'); i >= 0 {
		return nil, s.fail(begin+i, "a < in the value of %s", n)
	}
	if length < 0 {
		return nil, s.fail(s.pos, "the value of %s does not end", n)
	}
	s.pos = begin + length + 1
	return s.unescape(v, begin, true)
}

// declare takes in a namespace declaration.
func (s *Scanner) declare(prefix, uri []byte, at, outer int) error {
	for i := outer; i < len(s.ns); i++ {
		if bytes.Equal(s.ns[i].prefix, prefix) {
			return s.fail(at, "the prefix %q is declared twice", prefix)
		}
	}
	isXML := string(uri) == NS
	switch {
	case len(prefix) > 0 && len(uri) == 0:
		// Namespaces in XML §5: only the default namespace is undeclared.
		return s.fail(at, "the prefix %s is declared empty", prefix)
	case string(prefix) == "xmlns", isXML != (string(prefix) == "xml"), string(uri) == xmlnsNS:
		// Namespaces in XML §3: reserved prefixes and namespace names.
		return s.fail(at, "a reserved prefix or namespace is declared")
	case len(uri) > MaxSpace:
		return s.tooLarge(at, "a namespace name longer than %d bytes", MaxSpace)
	case len(s.ns) >= predeclared+MaxBindings:
		return s.tooLarge(at, "more than %d namespace declarations", MaxBindings)
	}
	if len(s.buf) > 0 {
		uri = bytes.Clone(uri) // it outlives buf
	}
	s.ns = append(s.ns, binding{prefix: prefix, uri: uri, id: s.Spaces[string(uri)]})
	return nil
}

// binding returns the index of the binding of prefix in force, or -1.
func (s *Scanner) binding(prefix []byte) int {
	for i := len(s.ns) - 1; i >= 0; i-- {
		if string(s.ns[i].prefix) == string(prefix) {
			return i
		}
	}
	return -1
}

// resolve is binding for a name in the document, which Raw takes note of.
func (s *Scanner) resolve(prefix []byte) int {
	i := s.binding(prefix)
	if i >= 0 && i < s.raw {
		s.ns[i].used = true
	}
	return i
}

var xmlPrefix, xmlNS = []byte("xml"), []byte(NS)

// resolveAttrs gives the attributes their namespaces and refuses doubles, also
// by expanded name (Namespaces in XML §6.3).
func (s *Scanner) resolveAttrs() error {
	for i := range s.Attrs {
		a := &s.Attrs[i]
		if prefix := s.prefix(a.begin, a.local); prefix != nil {
			n := s.resolve(prefix)
			if n < 0 {
				return s.fail(a.begin, "the prefix %s is not declared", prefix)
			}
			a.Space, a.SpaceID = s.ns[n].uri, s.ns[n].id
		}
		for j := range s.Attrs[:i] {
			b := &s.Attrs[j]
			if string(b.Local) == string(a.Local) && string(b.Space) == string(a.Space) {
				return s.fail(a.begin, "the attribute %s stands twice", a.Local)
			}
		}
	}
	return nil
}

// Attr returns the value of the attribute local without a namespace, or nil.
func (s *Scanner) Attr(local string) []byte {
	for i := range s.Attrs {
		if len(s.Attrs[i].Space) == 0 && string(s.Attrs[i].Local) == local {
			return s.Attrs[i].Value
		}
	}
	return nil
}

// Lang returns the value of xml:lang of the current start tag, or "".
func (s *Scanner) Lang() string {
	for i := range s.Attrs {
		if string(s.Attrs[i].Local) == "lang" && string(s.Attrs[i].Space) == NS {
			return string(s.Attrs[i].Value)
		}
	}
	return ""
}
