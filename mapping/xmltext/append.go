package xmltext

import "unicode/utf8"

// AppendText appends s as character data. Characters that XML does not allow
// become U+FFFD.
func AppendText(dst []byte, s string) []byte { return appendEscaped(dst, s, false) }

// AppendAttr appends s as it stands in a quoted attribute value.
func AppendAttr(dst []byte, s string) []byte { return appendEscaped(dst, s, true) }

func appendEscaped(dst []byte, s string, attr bool) []byte {
	begin := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			esc := escape(c, attr)
			if esc == "" {
				i++
				continue
			}
			dst = append(dst, s[begin:i]...)
			dst = append(dst, esc...)
			i++
			begin = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || !isChar(r) {
			dst = append(dst, s[begin:i]...)
			dst = append(dst, "\uFFFD"...)
			begin = i + n
		}
		i += n
	}
	return append(dst, s[begin:]...)
}

// escape returns what stands for c, "" when it stands for itself.
func escape(c byte, attr bool) string {
	switch c {
	case '&':
		return "&amp;"
	case '<':
		return "&lt;"
	case '>':
		return "&gt;"
	case '\r':
		return "&#13;"
	case '"':
		if attr {
			return "&quot;"
		}
	case '\t':
		if attr {
			return "&#9;"
		}
	case '\n':
		if attr {
			return "&#10;"
		}
	default:
		if c < 0x20 {
			return "\uFFFD"
		}
	}
	return ""
}
