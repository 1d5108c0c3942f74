package xmltext

import "bytes"

// Each calls f at the start tag of each child of the current element, and
// returns behind the end tag. f must consume the child: by Each, Content, Raw
// or Skip.
func (s *Scanner) Each(f func() error) error {
	for {
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
	return s.Each(s.Skip)
}

// Content returns the text of the current element and passes over it. The
// text of child elements does not count.
func (s *Scanner) Content() (string, error) {
	var one []byte
	var more []byte
	for {
		kind, err := s.Next()
		if err != nil {
			return "", err
		}
		switch kind {
		case Text:
			if one == nil {
				one = s.Text
			} else {
				if more == nil {
					more = append(more, one...)
				}
				more = append(more, s.Text...)
			}
		case Start:
			err = s.Skip()
			if err != nil {
				return "", err
			}
		case End, EOF:
			if more != nil {
				return string(more), nil
			}
			return string(one), nil
		}
	}
}

// usage collects the outer namespace declarations that an element uses.
type usage struct {
	depth int // of the element
	outer []binding
}

func (u *usage) note(b binding) {
	if u == nil || b.depth >= u.depth {
		return
	}
	for _, o := range u.outer {
		if bytes.Equal(o.prefix, b.prefix) {
			return
		}
	}
	u.outer = append(u.outer, b)
}

// Raw returns the current element, whose start tag has just been read, as it
// stands, and passes over it. It is self-contained: namespace declarations
// outside it that it uses are written into its start tag, the default
// namespace's also when there is none.
func (s *Scanner) Raw() (string, error) {
	begin := s.begin
	u := &usage{depth: s.depth}
	nameEnd := begin + 1 + len(s.stack[s.depth-1])
	s.used = u
	s.renote()
	err := s.Skip()
	s.used = nil
	if err != nil {
		return "", err
	}
	src := s.b[begin:s.pos]
	if len(u.outer) == 0 {
		return string(src), nil
	}
	out := make([]byte, 0, len(src)+64*len(u.outer))
	out = append(out, s.b[begin:nameEnd]...)
	for _, o := range u.outer {
		out = append(out, " xmlns"...)
		if len(o.prefix) > 0 {
			out = append(out, ':')
			out = append(out, o.prefix...)
		}
		out = append(out, '=', '"')
		out = AppendAttr(out, string(o.uri))
		out = append(out, '"')
	}
	return string(append(out, s.b[nameEnd:s.pos]...)), nil
}

// renote resolves the current start tag's prefixes again, for usage.
func (s *Scanner) renote() {
	s.resolve(s.prefix)
	for i := range s.Attrs {
		if len(s.Attrs[i].prefix) > 0 {
			s.resolve(s.Attrs[i].prefix)
		}
	}
}
