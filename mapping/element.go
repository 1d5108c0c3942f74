package mapping

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/mapping/xmltext"
)

// element is one element of a small document, read whole.
type element struct {
	space, local string
	lang         string // by xml:lang, its own or inherited
	attrs        []presence.Attr
	kids         []element // a text between elements is one without local
	text         string    // all of it, when there is no element in it
}

// parseElement reads a document, which its caller has limited in size.
func parseElement(doc string) (*element, error) {
	var s xmltext.Scanner
	s.Reset([]byte(doc))
	kind, err := s.Next()
	if err != nil {
		return nil, err
	}
	if kind != xmltext.Start {
		return nil, errors.New("no element")
	}
	var x element
	err = x.read(&s)
	if err != nil {
		return nil, err
	}
	_, err = s.Next() // nothing may follow
	if err != nil {
		return nil, err
	}
	return &x, nil
}

// read reads the element whose start tag s has just read. The depth is limited
// by the scanner.
func (x *element) read(s *xmltext.Scanner) error {
	x.space, x.local = string(s.Space), string(s.Local)
	for _, a := range s.Attrs {
		v := presence.Attr{Space: string(a.Space), Local: string(a.Local), Value: string(a.Value)}
		if v.Space == xmltext.NS && v.Local == "lang" {
			x.lang = v.Value
		}
		x.attrs = append(x.attrs, v)
	}
	slices.SortFunc(x.attrs, func(a, b presence.Attr) int {
		return cmp.Or(cmp.Compare(a.Space, b.Space), cmp.Compare(a.Local, b.Local))
	})
	elements := false
	for {
		kind, err := s.Next()
		if err != nil {
			return err
		}
		switch kind {
		case xmltext.Start:
			elements = true
			kid := element{lang: x.lang}
			err = kid.read(s)
			if err != nil {
				return err
			}
			x.kids = append(x.kids, kid)
		case xmltext.Text:
			n := len(x.kids)
			if n == 0 || x.kids[n-1].local != "" {
				x.kids = append(x.kids, element{})
				n++
			}
			x.kids[n-1].text += string(s.Text)
		default:
			x.settle(elements)
			return nil
		}
	}
}

// settle puts the text of an element without others in it into text, and drops
// the white space between elements.
func (x *element) settle(elements bool) {
	if elements {
		x.kids = slices.DeleteFunc(x.kids, func(k element) bool {
			return k.local == "" && strings.TrimSpace(k.text) == ""
		})
		return
	}
	if len(x.kids) > 0 {
		x.text = x.kids[0].text
	}
	x.kids = nil
}

// empty reports whether there is nothing in x.
func (x *element) empty() bool { return len(x.kids) == 0 && strings.TrimSpace(x.text) == "" }

// first returns the first element in x that is of its namespace and is not
// called but, or nil.
func (x *element) first(but string) *element {
	for i := range x.kids {
		k := &x.kids[i]
		if k.local != "" && k.local != but && k.space == x.space {
			return k
		}
	}
	return nil
}

// texts returns the texts of the elements in x that are of its namespace and
// called local, one for each language.
func (x *element) texts(local string) []presence.Note {
	var out []presence.Note
	for i := range x.kids {
		k := &x.kids[i]
		if k.local == local && k.space == x.space && strings.TrimSpace(k.text) != "" {
			out = append(out, presence.Note{Lang: k.lang, Text: k.text})
		}
	}
	if len(out) == 0 {
		return nil
	}
	return eachLanguage(out)
}

// append appends x in canonical form: no prefixes but for attributes, the
// attributes in order, no white space between elements, no comments. outer is
// the namespace in force.
func (x *element) append(dst []byte, outer string) []byte {
	if x.local == "" {
		return xmltext.AppendText(dst, x.text)
	}
	dst = append(append(dst, '<'), x.local...)
	if x.space != outer {
		dst = appendAttr(dst, "xmlns", x.space)
	}
	for i, a := range x.attrs {
		name := a.Local
		switch a.Space {
		case "":
		case xmltext.NS:
			name = "xml:" + name
		default:
			prefix := "a" + strconv.Itoa(i)
			dst = appendAttr(dst, "xmlns:"+prefix, a.Space)
			name = prefix + ":" + name
		}
		dst = appendAttr(dst, name, a.Value)
	}
	if len(x.kids) == 0 && x.text == "" {
		return append(dst, "/>"...)
	}
	dst = append(dst, '>')
	dst = xmltext.AppendText(dst, x.text)
	for i := range x.kids {
		dst = x.kids[i].append(dst, x.space)
	}
	dst = append(append(dst, "</"...), x.local...)
	return append(dst, '>')
}

func appendAttr(dst []byte, name, value string) []byte {
	dst = append(append(append(dst, ' '), name...), `="`...)
	return append(xmltext.AppendAttr(dst, value), '"')
}

// kid returns the first element in x that is called local, of any namespace,
// or nil.
func (x *element) kid(local string) *element {
	i := slices.IndexFunc(x.kids, func(k element) bool { return k.local == local })
	if i < 0 {
		return nil
	}
	return &x.kids[i]
}

// attr returns the value of an attribute without a namespace, trimmed.
func (x *element) attr(local string) string {
	for _, a := range x.attrs {
		if a.Space == "" && a.Local == local {
			return strings.TrimSpace(a.Value)
		}
	}
	return ""
}

// langAttr is the attribute xml:lang, none when lang is not known.
func langAttr(lang string) []presence.Attr {
	if lang == "" {
		return nil
	}
	return []presence.Attr{{Space: xmltext.NS, Local: "lang", Value: lang}}
}
