package xmltext

import (
	"math/bits"
	"unicode/utf8"
)

// AppendText appends s as character data. Characters that XML does not allow,
// and bytes that are not UTF-8, become U+FFFD.
func AppendText(dst []byte, s string) []byte { return appendEscaped(dst, s, &inText) }

// AppendAttr appends s as it stands in an attribute value between double or
// single quotes, white space in it kept; otherwise as AppendText.
func AppendAttr(dst []byte, s string) []byte { return appendEscaped(dst, s, &inAttr) }

// escapes is what stands for the bytes below 0x80; "" for a byte that stands
// for itself.
type escapes [utf8.RuneSelf]string

var inText, inAttr = func() (text, attr escapes) {
	for c := range 0x20 {
		text[c] = "\uFFFD"
	}
	text['\t'], text['\n'], text['\r'] = "", "", "&#13;"
	text['&'], text['<'], text['>'] = "&amp;", "&lt;", "&gt;"
	attr = text
	attr['"'], attr['\''], attr['\t'], attr['\n'] = "&quot;", "&#39;", "&#9;", "&#10;"
	return text, attr
}()

func appendEscaped(dst []byte, s string, e *escapes) []byte {
	begin := 0
	for i := plainRun(s, 0); i < len(s); i = plainRun(s, i) {
		esc, n := "", 1
		if c := s[i]; c < utf8.RuneSelf {
			esc = e[c]
		} else {
			var r rune
			r, n = utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 || !isChar(r) {
				esc = "\uFFFD"
			}
		}
		if esc != "" {
			dst = append(dst, s[begin:i]...)
			dst = append(dst, esc...)
			begin = i + n
		}
		i += n
	}
	return append(dst, s[begin:]...)
}

// plainRun returns the offset, from i on, of the first byte of s that may not
// stand for itself in text or in an attribute value.
func plainRun(s string, i int) int {
	for ; len(s)-i >= 8; i += 8 {
		if m := notPlain(s[i:]); m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
	}
	if i < len(s) && len(s) >= 8 && notPlain(s[len(s)-8:]) == 0 {
		return len(s)
	}
	for i < len(s) && class[s[i]]&literal != 0 {
		i++
	}
	return i
}

// notPlain has the high bit in each of the first eight bytes of s that may not
// stand for itself.
func notPlain(s string) uint64 {
	s = s[:8]
	x := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
	const low = 0x7f * each
	// In each sum, a byte that is not what it looks for has the high bit.
	sums := (x&low + 0x60*each) & // below 0x20
		(((x|2*each)&low ^ '>'*each) + low) & // < and >
		(((x|1*each)&low ^ '\''*each) + low) & // & and '
		((x&low ^ '"'*each) + low)
	return (x | ^sums) & (0x80 * each)
}
