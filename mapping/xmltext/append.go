package xmltext

import "unicode/utf8"

// AppendText appends s as character data. Characters that XML does not allow,
// and bytes that are not UTF-8, become U+FFFD.
func AppendText(dst []byte, s string) []byte { return appendEscaped(dst, s, &inText) }

// AppendAttr appends s as it stands in an attribute value between double or
// single quotes, white space in it kept; otherwise as AppendText.
func AppendAttr(dst []byte, s string) []byte { return appendEscaped(dst, s, &inAttr) }

// escapes is what stands for the bytes below 0x80; "" for a byte that stands
// for itself.
type escapes [utf8.RuneSelf]string

var inText, inAttr escapes

func init() {
	for c := range 0x20 {
		inText[c] = "\uFFFD"
	}
	inText['\t'], inText['\n'] = "", ""
	inText['\r'] = "&#13;"
	inText['&'], inText['<'], inText['>'] = "&amp;", "&lt;", "&gt;"
	inAttr = inText
	inAttr['"'], inAttr['\''], inAttr['\t'], inAttr['\n'] = "&quot;", "&#39;", "&#9;", "&#10;"
}

func appendEscaped(dst []byte, s string, with *escapes) []byte {
	begin := 0
	for i := 0; i < len(s); {
		c := s[i]
		esc, n := "", 1
		if c < utf8.RuneSelf {
			esc = with[c]
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
