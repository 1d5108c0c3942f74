package xmltext

import "bytes"

// startTag reads a start or empty-element tag.
func (s *Scanner) startTag() error {
	if len(s.stack) == 0 && s.rootSeen {
		return s.fail(s.pos, "a second root element")
	}
	s.pos++
	n, colon, err := s.name()
	if err != nil {
		return err
	}
	if len(s.stack) >= MaxDepth {
		return s.tooLarge(s.begin, "elements are nested deeper than %d", MaxDepth)
	}
	s.rootSeen = true
	o := open{name: n, prefix: colon + 1, ns: len(s.ns)}
	s.buf = s.buf[:0]
	s.Attrs = s.Attrs[:0]
	err = s.attributes(o.ns)
	if err != nil {
		return err
	}
	var ok bool
	o.space, o.id, ok = s.resolve(n[:max(colon, 0)], true)
	if !ok {
		return s.fail(s.begin, "the prefix %s is not declared", n[:colon])
	}
	s.stack = append(s.stack, o)
	s.Space, s.SpaceID, s.Local = o.space, o.id, n[o.prefix:]
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
	n, colon, err := s.name()
	if err != nil {
		return err
	}
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
	case colon < 0 && string(n) == "xmlns":
		return s.declare(nil, v, begin, outer)
	case colon == len("xmlns") && string(n[:colon]) == "xmlns":
		return s.declare(n[colon+1:], v, begin, outer)
	}
	s.Attrs = append(s.Attrs, Attr{Local: n[colon+1:], Value: v, prefix: n[:max(colon, 0)], begin: begin, end: s.pos})
	return nil
}

// value reads the quoted value of the attribute n.
func (s *Scanner) value(n []byte) ([]byte, error) {
	if s.pos >= len(s.b) || s.b[s.pos] != '"' && s.b[s.pos] != '\'' {
		return nil, s.fail(s.pos, "the value of %s is not quoted", n)
	}
	quote := s.b[s.pos]
	begin, i, seen := s.pos+1, s.pos+1, uint8(0)
	for ; i < len(s.b) && s.b[i] != quote; i++ {
		if s.b[i] == '<' {
			return nil, s.fail(i, "a < in the value of %s", n)
		}
		seen |= class[s.b[i]]
	}
	if i == len(s.b) {
		return nil, s.fail(s.pos, "the value of %s does not end", n)
	}
	s.pos = i + 1
	if seen&special == 0 {
		return s.b[begin:i], nil
	}
	return s.unescape(s.b[begin:i], begin, true)
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
	case len(s.ns) >= MaxBindings:
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

// resolve returns the namespace of prefix. An element without one is in the
// default namespace.
func (s *Scanner) resolve(prefix []byte, element bool) (uri []byte, id int, ok bool) {
	if i := s.binding(prefix); i >= 0 {
		b := &s.ns[i]
		if i < s.raw-1 {
			b.used = true
		}
		return b.uri, b.id, true
	}
	switch {
	case len(prefix) == 0:
		s.bare = s.bare || element
		return nil, 0, true
	case string(prefix) == "xml":
		return xmlNS, s.Spaces[NS], true
	}
	return nil, 0, false
}

var xmlNS = []byte(NS)

// resolveAttrs gives the attributes their namespaces and refuses doubles, also
// by expanded name (Namespaces in XML §6.3).
func (s *Scanner) resolveAttrs() error {
	for i := range s.Attrs {
		a := &s.Attrs[i]
		if len(a.prefix) > 0 {
			var ok bool
			a.Space, a.SpaceID, ok = s.resolve(a.prefix, false)
			if !ok {
				return s.fail(a.begin, "the prefix %s is not declared", a.prefix)
			}
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
