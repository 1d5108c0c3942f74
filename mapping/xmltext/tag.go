package xmltext

import (
	"bytes"
	"unicode/utf8"
)

// nameByte tells the ASCII bytes of names; those from 0x80 are looked at more
// closely.
var nameByte [256]bool

func init() {
	for c := range nameByte {
		b := byte(c)
		nameByte[c] = b >= 0x80 || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' ||
			b == '_' || b == '-' || b == '.' || b == ':'
	}
}

// name reads a qualified name.
func (s *Scanner) name() ([]byte, error) {
	i, plain := s.pos, true
	for i < len(s.b) && nameByte[s.b[i]] {
		plain = plain && s.b[i] < 0x80
		i++
	}
	n := s.b[s.pos:i]
	if len(n) == 0 || n[0] == '-' || n[0] == '.' || n[0] >= '0' && n[0] <= '9' || !plain && !nameRunes(n) {
		return nil, s.fail(s.pos, "not a name")
	}
	s.pos = i
	return n, nil
}

// nameRunes checks the characters of a name above ASCII (XML 1.0 §2.3).
func nameRunes(n []byte) bool {
	for i, r := range string(n) {
		if r >= 0x80 && !nameStart(r) && (i == 0 || !nameLater(r)) {
			return false
		}
	}
	return true
}

func nameStart(r rune) bool {
	return r >= 0xC0 && r <= 0x2FF && r != 0xD7 && r != 0xF7 || r >= 0x370 && r <= 0x1FFF && r != 0x37E ||
		r == 0x200C || r == 0x200D || r >= 0x2070 && r <= 0x218F || r >= 0x2C00 && r <= 0x2FEF ||
		r >= 0x3001 && r <= 0xD7FF || r >= 0xF900 && r <= 0xFDCF || r >= 0xFDF0 && r <= 0xFFFD ||
		r >= 0x10000 && r <= 0xEFFFF
}

func nameLater(r rune) bool {
	return r == 0xB7 || r >= 0x300 && r <= 0x36F || r == 0x203F || r == 0x2040
}

// split cuts a qualified name at its colon; ok is false when it has more than
// one, or nothing on a side, or a local part that is no name.
func split(n []byte) (prefix, local []byte, ok bool) {
	i := bytes.IndexByte(n, ':')
	if i < 0 {
		return nil, n, true
	}
	prefix, local = n[:i], n[i+1:]
	if len(prefix) == 0 || len(local) == 0 || bytes.IndexByte(local, ':') >= 0 {
		return nil, nil, false
	}
	c := local[0]
	return prefix, local, c != '-' && c != '.' && (c < '0' || c > '9')
}

// startTag reads a start or empty-element tag.
func (s *Scanner) startTag() (Kind, error) {
	if s.depth == 0 && s.rootSeen {
		return EOF, s.fail(s.pos, "a second root element")
	}
	s.pos++
	n, err := s.name()
	if err != nil {
		return EOF, err
	}
	if s.depth >= MaxDepth {
		e := s.fail(s.begin, "elements are nested deeper than %d", MaxDepth)
		e.TooLarge = true
		return EOF, e
	}
	s.rootSeen = true
	s.depth++
	s.stack = append(s.stack, n)
	s.Attrs = s.Attrs[:0]
	err = s.attributes()
	if err != nil {
		return EOF, err
	}
	var ok bool
	s.prefix, s.Local, ok = split(n)
	if !ok {
		return EOF, s.fail(s.begin, "<%s> is not a qualified name", n)
	}
	s.Space, ok = s.resolve(s.prefix)
	if !ok {
		return EOF, s.fail(s.begin, "the prefix %s is not declared", s.prefix)
	}
	return Start, s.resolveAttrs()
}

// attributes reads the attributes up to the end of the tag.
func (s *Scanner) attributes() error {
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
			e := s.fail(s.pos, "more than %d attributes", MaxAttrs)
			e.TooLarge = true
			return e
		}
		err := s.attribute()
		if err != nil {
			return err
		}
	}
}

// attribute reads one attribute or namespace declaration.
func (s *Scanner) attribute() error {
	at := s.pos
	n, err := s.name()
	if err != nil {
		return err
	}
	s.space()
	if s.pos >= len(s.b) || s.b[s.pos] != '=' {
		return s.fail(s.pos, "the attribute %s has no value", n)
	}
	s.pos++
	s.space()
	if s.pos >= len(s.b) || s.b[s.pos] != '"' && s.b[s.pos] != '\'' {
		return s.fail(s.pos, "the value of %s is not quoted", n)
	}
	i := bytes.IndexByte(s.b[s.pos+1:], s.b[s.pos])
	if i < 0 {
		return s.fail(s.pos, "the value of %s does not end", n)
	}
	v := s.b[s.pos+1 : s.pos+1+i]
	if bytes.IndexByte(v, '<') >= 0 {
		return s.fail(s.pos, "a < in the value of %s", n)
	}
	v, err = s.unescape(v, s.pos+1, true)
	if err != nil {
		return err
	}
	s.pos += i + 2
	prefix, local, ok := split(n)
	switch {
	case !ok:
		return s.fail(at, "%s is not a qualified name", n)
	case string(n) == "xmlns":
		return s.declare(nil, v, at)
	case string(prefix) == "xmlns":
		return s.declare(local, v, at)
	}
	s.Attrs = append(s.Attrs, Attr{Local: local, Value: v, prefix: prefix, at: at})
	return nil
}

// declare takes in a namespace declaration (Namespaces in XML §3, §5).
func (s *Scanner) declare(prefix, uri []byte, at int) error {
	for i := len(s.ns) - 1; i >= 0 && s.ns[i].depth == s.depth; i-- {
		if bytes.Equal(s.ns[i].prefix, prefix) {
			return s.fail(at, "the prefix %q is declared twice", prefix)
		}
	}
	isXML := string(uri) == NS
	switch {
	case len(prefix) > 0 && len(uri) == 0:
		return s.fail(at, "the prefix %s is declared empty", prefix)
	case string(prefix) == "xmlns", isXML != (string(prefix) == "xml"), string(uri) == "http://www.w3.org/2000/xmlns/":
		return s.fail(at, "a reserved prefix or namespace is declared")
	}
	s.ns = append(s.ns, binding{prefix, uri, s.depth})
	return nil
}

// resolve returns the namespace of prefix.
func (s *Scanner) resolve(prefix []byte) ([]byte, bool) {
	for i := len(s.ns) - 1; i >= 0; i-- {
		if bytes.Equal(s.ns[i].prefix, prefix) {
			s.used.note(s.ns[i])
			return s.ns[i].uri, true
		}
	}
	if len(prefix) == 0 {
		s.used.note(binding{})
		return nil, true
	}
	if string(prefix) == "xml" {
		return []byte(NS), true
	}
	return nil, false
}

// resolveAttrs gives the attributes their namespaces and refuses doubles.
func (s *Scanner) resolveAttrs() error {
	for i := range s.Attrs {
		a := &s.Attrs[i]
		if len(a.prefix) > 0 {
			var ok bool
			a.Space, ok = s.resolve(a.prefix)
			if !ok {
				return s.fail(a.at, "the prefix %s is not declared", a.prefix)
			}
		}
		for _, b := range s.Attrs[:i] {
			if bytes.Equal(b.Local, a.Local) && bytes.Equal(b.Space, a.Space) {
				return s.fail(a.at, "the attribute %s stands twice", a.Local)
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

// unescape undoes references, and normalises line ends and, in attribute
// values, white space (XML 1.0 §2.11, §3.3.3).
func (s *Scanner) unescape(v []byte, at int, attr bool) ([]byte, error) {
	if bytes.IndexByte(v, '&') < 0 && bytes.IndexByte(v, '\r') < 0 && (!attr || bytes.IndexAny(v, "\t\n") < 0) {
		return v, nil
	}
	out := make([]byte, 0, len(v))
	for i := 0; i < len(v); i++ {
		c := v[i]
		switch {
		case c == '&':
			r, n := reference(v[i:])
			if n == 0 {
				return nil, s.fail(at+i, "an undefined entity or a broken reference")
			}
			out = utf8.AppendRune(out, r)
			i += n - 1
		case c == '\r':
			if i+1 < len(v) && v[i+1] == '\n' {
				continue
			}
			c = '\n'
			fallthrough
		case c == '\n', c == '\t':
			if attr {
				c = ' '
			}
			out = append(out, c)
		default:
			out = append(out, c)
		}
	}
	return out, nil
}

// reference reads a predefined entity or character reference at the start of
// v, and returns its length, 0 when it is none.
func reference(v []byte) (rune, int) {
	end := bytes.IndexByte(v[:min(len(v), 12)], ';')
	if end < 0 {
		return 0, 0
	}
	name := string(v[1:end])
	switch name {
	case "amp":
		return '&', end + 1
	case "lt":
		return '<', end + 1
	case "gt":
		return '>', end + 1
	case "quot":
		return '"', end + 1
	case "apos":
		return '\'', end + 1
	}
	if len(name) < 2 || name[0] != '#' {
		return 0, 0
	}
	r, ok := number(name[1:])
	if !ok || !isChar(r) {
		return 0, 0
	}
	return r, end + 1
}

func number(d string) (rune, bool) {
	base := rune(10)
	if d[0] == 'x' {
		base, d = 16, d[1:]
	}
	var n rune
	for _, c := range []byte(d) {
		switch {
		case c >= '0' && c <= '9':
			n = n*base + rune(c-'0')
		case base == 16 && c|0x20 >= 'a' && c|0x20 <= 'f':
			n = n*base + rune(c|0x20-'a') + 10
		default:
			return 0, false
		}
		if n > utf8.MaxRune {
			return 0, false
		}
	}
	return n, d != ""
}

// isChar is XML 1.0 §2.2.
func isChar(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000
}

// normalLines makes every line end a line feed.
func normalLines(b []byte) []byte {
	if bytes.IndexByte(b, '\r') < 0 {
		return b
	}
	b = bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
	return bytes.ReplaceAll(b, []byte("\r"), []byte("\n"))
}
