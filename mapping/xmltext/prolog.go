package xmltext

import "bytes"

// check looks at the whole input once: UTF-8, XML characters, and the XML
// declaration.
func (s *Scanner) check() error {
	s.checked = true
	if i := badChar(s.b); i >= 0 {
		if s.b[i] < 0x20 {
			return s.fail(i, "the control character U+%04X", s.b[i])
		}
		return s.fail(i, "not UTF-8, or no XML character")
	}
	if bytes.HasPrefix(s.b, []byte("\xef\xbb\xbf")) {
		s.pos = 3
	}
	r := s.b[s.pos:]
	if !bytes.HasPrefix(r, []byte("<?xml")) || len(r) < 6 || class[r[5]]&space == 0 {
		return nil
	}
	i := bytes.Index(r, []byte("?>"))
	if i < 0 {
		return s.fail(s.pos, "the XML declaration does not end")
	}
	msg := declaration(r[5:i])
	if msg != "" {
		return s.fail(s.pos, "%s", msg)
	}
	s.pos += i + 2
	return nil
}

// declaration reads the pseudo-attributes of an XML declaration (XML 1.0 §2.8)
// and returns what is wrong with them.
func declaration(d []byte) string {
	for step := 0; ; {
		n := leadingSpace(d)
		if n == len(d) {
			if step == 0 {
				return "an XML declaration without a version"
			}
			return ""
		}
		name, value, rest, ok := pseudo(d[n:])
		if !ok || n == 0 {
			return "a broken XML declaration"
		}
		d = rest
		switch {
		case step == 0 && string(name) == "version":
			if len(value) < 3 || string(value[:2]) != "1." || !digits(value[2:]) {
				return "not XML 1.0"
			}
			step = 1
		case step == 1 && string(name) == "encoding":
			// XML 1.0 §4.3.3: names of encodings are case-insensitive.
			if !bytes.EqualFold(value, []byte("UTF-8")) && !bytes.EqualFold(value, []byte("US-ASCII")) {
				return "the encoding is not UTF-8"
			}
			step = 2
		case step > 0 && step < 3 && string(name) == "standalone" && (string(value) == "yes" || string(value) == "no"):
			step = 3
		default:
			return "a broken XML declaration"
		}
	}
}

// pseudo reads name="value" at the start of d.
func pseudo(d []byte) (name, value, rest []byte, ok bool) {
	i := bytes.IndexByte(d, '=')
	if i < 0 {
		return nil, nil, nil, false
	}
	name = bytes.TrimRight(d[:i], " \t\r\n")
	d = d[i+1:]
	d = d[leadingSpace(d):]
	if len(d) == 0 || d[0] != '"' && d[0] != '\'' {
		return nil, nil, nil, false
	}
	i = bytes.IndexByte(d[1:], d[0])
	if i < 0 {
		return nil, nil, nil, false
	}
	return name, d[1 : 1+i], d[i+2:], true
}

func digits(s []byte) bool {
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(s) > 0
}

// instruction passes over a processing instruction (XML 1.0 §2.6).
func (s *Scanner) instruction() error {
	i := bytes.Index(s.b[s.pos+2:], []byte("?>"))
	if i < 0 {
		return s.fail(s.pos, "a processing instruction does not end")
	}
	end := s.pos + 2 + i
	s.pos += 2
	begin := s.pos
	local, err := s.name()
	switch {
	case err != nil:
		return err
	case bytes.EqualFold(s.b[begin:s.pos], []byte("xml")):
		return s.fail(s.begin, "an XML declaration that is not at the beginning")
	case local > begin:
		// Namespaces in XML §7: no colon in a target.
		return s.fail(s.begin, "a colon in the target of a processing instruction")
	case s.pos != end && class[s.b[s.pos]]&space == 0:
		return s.fail(s.pos, "no space behind the target of a processing instruction")
	}
	s.pos = end + 2
	return nil
}

// declared reads what begins with "<!": a comment or a CDATA section.
func (s *Scanner) declared() (Kind, error) {
	r := s.b[s.pos:]
	switch {
	case bytes.HasPrefix(r, []byte("<!--")):
		i := bytes.Index(r[4:], []byte("--"))
		if i < 0 || len(r) < i+7 {
			return EOF, s.fail(s.pos, "a comment does not end")
		}
		if r[i+6] != '>' {
			return EOF, s.fail(s.pos+4+i, "-- in a comment")
		}
		s.pos += i + 7
		return EOF, nil
	case bytes.HasPrefix(r, []byte("<![CDATA[")):
		i := bytes.Index(r, []byte("]]>"))
		if i < 0 {
			return EOF, s.fail(s.pos, "a CDATA section does not end")
		}
		if len(s.stack) == 0 {
			return EOF, s.fail(s.pos, "a CDATA section outside the root element")
		}
		s.pos += i + 3
		s.Text = r[9:i]
		if s.ahead(&s.next.cr, "\r") {
			s.buf = appendLines(s.buf[:0], s.Text)
			s.Text = s.buf
		}
		return Text, nil
	case bytes.HasPrefix(r, []byte("<!DOCTYPE")):
		e := s.fail(s.pos, "a document type declaration, which is refused")
		e.Restricted = true
		return EOF, e
	}
	return EOF, s.fail(s.pos, "unknown markup that begins with <!")
}
