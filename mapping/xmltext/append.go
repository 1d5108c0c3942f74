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
// for itself, which plain tells faster.
type escapes struct {
	with  [utf8.RuneSelf]string
	plain [256]bool
}

var inText, inAttr escapes

func init() {
	t := &inText.with
	for c := range 0x20 {
		t[c] = "\uFFFD"
	}
	t['\t'], t['\n'], t['\r'] = "", "", "&#13;"
	t['&'], t['<'], t['>'] = "&amp;", "&lt;", "&gt;"
	inAttr.with = *t
	a := &inAttr.with
	a['"'], a['\''], a['\t'], a['\n'] = "&quot;", "&#39;", "&#9;", "&#10;"
	for c := range utf8.RuneSelf {
		inText.plain[c], inAttr.plain[c] = t[c] == "", a[c] == ""
	}
}

func appendEscaped(dst []byte, s string, e *escapes) []byte {
	begin := 0
	for i := 0; i < len(s); {
		if len(s)-i >= 8 {
			n := plainRun(s[i : i+8])
			i += n
			if n == 8 {
				continue
			}
		}
		c := s[i]
		if e.plain[c] {
			i++
			continue
		}
		esc, n := "", 1
		if c < utf8.RuneSelf {
			esc = e.with[c]
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

// plainRun returns how many of the eight bytes of s surely stand for themselves,
// in text and in attribute values, before one that may not.
func plainRun(s string) int {
	x := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
	const low = 0x7f * each
	// In each sum, a byte that is not what it looks for has the high bit.
	sums := (x&low + 0x60*each) & // below 0x20
		(((x|2*each)&low ^ '>'*each) + low) & // < and >
		(((x|1*each)&low ^ '\''*each) + low) & // & and '
		((x&low ^ '"'*each) + low)
	return bits.TrailingZeros64((x|^sums)&(0x80*each)) / 8
}
