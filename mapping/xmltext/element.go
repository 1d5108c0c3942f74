package xmltext

import "bytes"

// Each calls f at the start tag of each child of the current element, and
// returns behind the end tag. f must consume the child: by Each, Content, Raw
// or Skip. Text between the children is passed over.
func (s *Scanner) Each(f func() error) error {
	for {
		if len(s.stack) > 0 && !s.selfClosed {
			s.space() // for the most part all there is between them
		}
		kind, err := s.Next()
		if err != nil {
			return err
		}
		switch kind {
		case Start:
			err = f()
			if err != nil {
				return err
			}
		case End, EOF:
			return nil
		}
	}
}

// Skip passes over the rest of the current element.
func (s *Scanner) Skip() error {
	for depth := len(s.stack); len(s.stack) >= depth; {
		_, err := s.Next()
		if err != nil {
			return err
		}
	}
	return nil
}

// Content returns the text of the current element and passes over it. The
// text of child elements does not count.
func (s *Scanner) Content() (string, error) {
	b, _, err := s.ContentBytes()
	return string(b), err
}

// ContentBytes is Content without a copy: the text is valid until the next
// call. children tells whether there were child elements.
func (s *Scanner) ContentBytes() (text []byte, children bool, err error) {
	s.acc = s.acc[:0]
	for parts := 0; ; {
		kind, err := s.Next()
		if err != nil {
			return nil, false, err
		}
		switch kind {
		case Text:
			// Only a text that does not go on may stay where it is.
			if parts == 0 && s.atEndTag() {
				text = s.Text
				continue
			}
			s.acc = append(s.acc, s.Text...)
			text = s.acc
			parts++
		case Start:
			children = true
			err = s.Skip()
			if err != nil {
				return nil, false, err
			}
		default:
			return text, children, nil
		}
	}
}

// atEndTag reports whether an end tag comes next.
func (s *Scanner) atEndTag() bool {
	return s.pos+1 < len(s.b) && s.b[s.pos] == '<' && s.b[s.pos+1] == '/'
}

// Raw returns the current element, whose start tag has just been read, as it
// stands, and passes over it. It is self-contained: namespace declarations
// outside it that it uses, in names or in xsi:type, are written into its start
// tag; the default namespace's also when there is none, so that the element
// means the same wherever it is put.
func (s *Scanner) Raw() (string, error) {
	b, err := s.AppendRaw(nil)
	return string(b), err
}

// AppendRaw is Raw, appended to dst.
func (s *Scanner) AppendRaw(dst []byte) ([]byte, error) {
	outer := s.stack[len(s.stack)-1].ns
	for i := range s.ns[:outer] {
		s.ns[i].used = false
	}
	begin, nameEnd := s.begin, s.stack[len(s.stack)-1].end
	s.raw = outer
	s.Rewind(s.Mark()) // to see what its own start tag uses
	err := s.skipRaw()
	s.raw = 0
	if err != nil {
		return dst, err
	}
	dst = append(dst, s.b[begin:nameEnd]...)
	if s.ns[0].used {
		dst = append(dst, ` xmlns=""`...)
	}
	for i := predeclared; i < outer; i++ {
		if s.ns[i].used {
			dst = appendBinding(dst, &s.ns[i])
		}
	}
	return append(dst, s.b[nameEnd:s.pos]...), nil
}

// skipRaw is Skip that looks for names in the values of xsi:type.
func (s *Scanner) skipRaw() error {
	const xsi = "http://www.w3.org/2001/XMLSchema-instance"
	for depth, kind := len(s.stack), Start; ; {
		if kind == Start {
			for i := range s.Attrs {
				a := &s.Attrs[i]
				if string(a.Local) == "type" && string(a.Space) == xsi {
					s.useQName(a.Value)
				}
			}
		}
		if len(s.stack) < depth {
			return nil
		}
		var err error
		kind, err = s.Next()
		if err != nil {
			return err
		}
	}
}

// useQName notes that the prefix of a qualified name in a value is used.
func (s *Scanner) useQName(v []byte) {
	v = v[leadingSpace(v):]
	i := bytes.IndexByte(v, ':')
	if i > 0 {
		s.resolve(v[:i])
	}
}

func appendBinding(dst []byte, b *binding) []byte {
	dst = append(dst, " xmlns"...)
	if len(b.prefix) > 0 {
		dst = append(dst, ':')
		dst = append(dst, b.prefix...)
	}
	dst = append(dst, '=', '"')
	dst = AppendAttr(dst, string(b.uri))
	return append(dst, '"')
}
