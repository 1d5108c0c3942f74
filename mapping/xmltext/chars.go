package xmltext

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// The classes of bytes. Those of names are of ASCII; bytes from 0x80 are of
// both, and looked at more closely.
const (
	nameStart = 1 << iota // may begin a name
	nameLater             // may stand in a name
	namePlain             // may stand in a name, is ASCII and no colon
	space                 // XML 1.0 §2.3 S
	special               // must be looked at in an attribute value
	delimiter             // may end an attribute value
	literal               // stands for itself in a text or attribute value that is written
)

var class [256]uint8

func init() {
	for c := range class {
		b := byte(c)
		switch {
		case b >= 0x80:
			class[c] = nameStart | nameLater
		case b == ':':
			class[c] = nameLater
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b == '_':
			class[c] = nameStart | nameLater | namePlain
		case b >= '0' && b <= '9', b == '-', b == '.':
			class[c] = nameLater | namePlain
		case b == ' ':
			class[c] = space
		case b == '\t', b == '\n', b == '\r':
			class[c] = space | special
		case b == '&', b == '<':
			class[c] = special
		case b == '"', b == '\'':
			class[c] = delimiter
		}
		if b >= 0x20 && b < 0x80 && class[c]&(special|delimiter) == 0 && b != '>' {
			class[c] |= literal
		}
	}
}

// badChar returns the offset of the first byte that begins no XML character in
// UTF-8 (XML 1.0 §2.2), or -1.
func badChar(b []byte) int {
	// Most documents are seen to be good by their numbers.
	low := lows(b) - bytes.Count(b, []byte("\n"))
	if low > 0 {
		low -= bytes.Count(b, []byte("\t")) + bytes.Count(b, []byte("\r"))
	}
	if low == 0 && utf8.Valid(b) && !bytes.Contains(b, []byte("\xEF\xBF")) {
		// Valid, and none of U+FFFE and U+FFFF.
		return -1
	}
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 || !isChar(r) {
			return i
		}
		i += n
	}
	return -1
}

// lows counts the bytes below 0x20.
func lows(b []byte) (n int) {
	for len(b) >= 32 {
		c := b[:32:32]
		high := notLow(c) + notLow(c[8:]) + notLow(c[16:]) + notLow(c[24:])
		n += 32 - int(high*each>>56)
		b = b[32:]
	}
	for _, c := range b {
		if c < 0x20 {
			n++
		}
	}
	return n
}

// each multiplies a byte into all eight of a word.
const each = 0x0101010101010101

// notLow has a 1 in each byte that is not below 0x20 in the first eight of b.
func notLow(b []byte) uint64 {
	x := binary.LittleEndian.Uint64(b)
	return (x | ((x | 0x80*each) - 0x20*each)) >> 7 & each
}

// isChar is XML 1.0 §2.2 Char.
func isChar(r rune) bool {
	return r >= 0x20 && r <= 0xD7FF || r == '\n' || r == '\t' || r == '\r' ||
		r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= 0x10FFFF
}

// space passes over white space and reports whether there was some.
func (s *Scanner) space() bool {
	if s.pos >= len(s.b) || s.b[s.pos] > ' ' {
		return false
	}
	s.pos += leadingSpace(s.b[s.pos:])
	return true
}

// leadingSpace is the length of the white space that b, of a document that has
// been checked, begins with: in it nothing else is below 0x21.
func leadingSpace(b []byte) int {
	i := 0
	for ; len(b)-i >= 8; i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		other := (x | ((x | 0x80*each) - 0x21*each)) & (0x80 * each)
		if other != 0 {
			return i + bits.TrailingZeros64(other)/8
		}
	}
	for i < len(b) && b[i] <= ' ' {
		i++
	}
	return i
}

// name reads a qualified name (Namespaces in XML §4), up to pos. local is
// where its local part begins: behind the colon, or where the name begins.
func (s *Scanner) name() (local int, err error) {
	b, i := s.b, s.pos
	local = i
	for i < len(b) && class[b[i]]&namePlain != 0 {
		i++
	}
	if i < len(b) && b[i] == ':' {
		i++
		local = i
		for i < len(b) && class[b[i]]&namePlain != 0 {
			i++
		}
	}
	if local == i || class[b[local]]&class[b[s.pos]]&nameStart == 0 || i < len(b) && class[b[i]]&nameLater != 0 {
		return s.oddName()
	}
	s.pos = i
	return local, nil
}

// oddName is name for one that is wrong, or has characters above ASCII.
func (s *Scanner) oddName() (local int, err error) {
	n := s.b[s.pos:]
	for i, c := range n {
		if class[c]&nameLater == 0 {
			n = n[:i]
			break
		}
	}
	if len(n) == 0 || class[n[0]]&nameStart == 0 && n[0] != ':' || !wideName(n) {
		return 0, s.fail(s.pos, "not a name")
	}
	begin, colon := s.pos, bytes.IndexByte(n, ':')
	if colon >= 0 && (colon == 0 || !startsName(n[colon+1:]) || bytes.IndexByte(n[colon+1:], ':') >= 0) {
		return 0, s.fail(s.pos, "%s is not a qualified name", n)
	}
	s.pos += len(n)
	return begin + colon + 1, nil
}

// startsName tells whether n, of characters of names, begins as a name does.
func startsName(n []byte) bool {
	if len(n) == 0 || class[n[0]]&nameStart == 0 {
		return false
	}
	if n[0] < utf8.RuneSelf {
		return true
	}
	r, _ := utf8.DecodeRune(n)
	return wideStart(r)
}

// IsName reports whether s is a name without a colon, such as may stand behind
// a prefix (Namespaces in XML §3 NCName).
func IsName(s string) bool {
	for i := range len(s) {
		if class[s[i]]&namePlain == 0 {
			return isWideName(s)
		}
	}
	return s != "" && class[s[0]]&nameStart != 0
}

// isWideName is IsName for one that is wrong, or has characters above ASCII.
func isWideName(s string) bool {
	for i, r := range s {
		switch {
		case r < utf8.RuneSelf:
			if class[r]&namePlain == 0 || i == 0 && class[r]&nameStart == 0 {
				return false
			}
		case !wideStart(r) && (i == 0 || !wideLater(r)):
			return false
		case r == utf8.RuneError && !utf8.ValidString(s):
			return false
		}
	}
	return true
}

// wideName checks the characters of a name above ASCII.
func wideName(n []byte) bool {
	for i, r := range string(n) {
		if r >= utf8.RuneSelf && !wideStart(r) && (i == 0 || !wideLater(r)) {
			return false
		}
	}
	return true
}

// wideStart is XML 1.0 §2.3 NameStartChar above ASCII.
func wideStart(r rune) bool {
	return r >= 0xC0 && r <= 0x2FF && r != 0xD7 && r != 0xF7 || r >= 0x370 && r <= 0x1FFF && r != 0x37E ||
		r == 0x200C || r == 0x200D || r >= 0x2070 && r <= 0x218F || r >= 0x2C00 && r <= 0x2FEF ||
		r >= 0x3001 && r <= 0xD7FF || r >= 0xF900 && r <= 0xFDCF || r >= 0xFDF0 && r <= 0xFFFD ||
		r >= 0x10000 && r <= 0xEFFFF
}

// wideLater is what XML 1.0 §2.3 NameChar adds to it.
func wideLater(r rune) bool {
	return r == 0xB7 || r >= 0x300 && r <= 0x36F || r == 0x203F || r == 0x2040
}

// unescape returns v, which stands at offset at, with references undone and
// line ends normalised, and in attribute values white space (XML 1.0 §2.11,
// §3.3.3, §4.1). The result is in s.buf.
func (s *Scanner) unescape(v []byte, at int, attr bool) ([]byte, error) {
	begin := len(s.buf)
	for i := 0; i < len(v); i++ {
		c := v[i]
		switch {
		case c == '&':
			r, n := reference(v[i:])
			if n == 0 {
				return nil, s.fail(at+i, "an undefined entity or a broken reference")
			}
			s.buf = utf8.AppendRune(s.buf, r)
			i += n - 1
			continue
		case c == '\r':
			if i+1 < len(v) && v[i+1] == '\n' {
				continue
			}
			c = '\n'
		}
		if attr && (c == '\n' || c == '\t') {
			c = ' '
		}
		s.buf = append(s.buf, c)
	}
	return s.buf[begin:len(s.buf):len(s.buf)], nil
}

// appendLines appends t with each line end as a line feed (XML 1.0 §2.11).
func appendLines(dst, t []byte) []byte {
	for i, c := range t {
		if c != '\r' {
			dst = append(dst, c)
		} else if i+1 == len(t) || t[i+1] != '\n' {
			dst = append(dst, '\n')
		}
	}
	return dst
}

// reference reads a predefined entity or a character reference at the start of
// v (XML 1.0 §4.1, §4.6), and returns its length, 0 when it is none.
func reference(v []byte) (rune, int) {
	const longest = 64 // leading zeros are allowed
	end := bytes.IndexByte(v[:min(len(v), longest)], ';')
	if end < 0 {
		return 0, 0
	}
	name := v[1:end]
	switch string(name) {
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

func number(d []byte) (n rune, ok bool) {
	base := rune(10)
	if d[0] == 'x' {
		base, d = 16, d[1:]
	}
	for _, c := range d {
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
	return n, len(d) > 0
}
