package xmpp

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/xmpp/payload"
)

// parseStanza reads one element of the stream. What it does not know it
// ignores.
func parseStanza(b []byte, s *stanza) error {
	d := xml.NewDecoder(bytes.NewReader(b))
	tok, err := d.Token()
	if err != nil {
		return fmt.Errorf("first tag: %w", err)
	}
	start, ok := tok.(xml.StartElement)
	if !ok {
		return errors.New("no element")
	}
	s.name = start.Name.Local
	if streamNS := start.Name.Space == "stream" || start.Name.Space == payload.NSStream; streamNS != (s.name == errorType) {
		s.name = "unknown"
	}
	for _, a := range start.Attr {
		switch {
		case a.Name.Space == nsXML && a.Name.Local == "lang":
			s.lang = a.Value
		case a.Name.Space != "":
		case a.Name.Local == "type":
			s.kind = a.Value
		case a.Name.Local == "from":
			s.from = a.Value
		case a.Name.Local == "to":
			s.to = a.Value
		case a.Name.Local == "id":
			s.id = a.Value
		}
	}
	return s.children(d, start)
}

func (s *stanza) children(d *xml.Decoder, parent xml.StartElement) error {
	for {
		tok, err := d.Token()
		if err != nil {
			return fmt.Errorf("in %s: %w", parent.Name.Local, err)
		}
		switch t := tok.(type) {
		case xml.EndElement:
			_, err = d.Token()
			if err != io.EOF {
				return errors.New("more than one element")
			}
			return nil
		case xml.StartElement:
			err = s.child(d, t)
			if err != nil {
				return err
			}
		}
	}
}

func (s *stanza) child(d *xml.Decoder, t xml.StartElement) error {
	own := t.Name.Space == "" || t.Name.Space == payload.NSComponent
	switch {
	case s.name == errorType: // the children of a stream error
		return s.streamErrorChild(d, t)
	case t.Name.Local == "error" && own:
		s.err.Type = attr(t, "type")
		return s.errorChildren(d)
	case s.name == "iq":
		if s.local == "" {
			s.space, s.local, s.node = t.Name.Space, t.Name.Local, attr(t, "node")
		}
		return d.Skip()
	case s.name != "presence":
		return d.Skip()
	}
	return s.presenceChild(d, t, own)
}

func (s *stanza) presenceChild(d *xml.Decoder, t xml.StartElement, own bool) error {
	switch {
	case own && t.Name.Local == "show":
		text, err := content(d)
		s.show = strings.TrimSpace(text)
		return err
	case own && t.Name.Local == "status":
		text, err := content(d)
		n := presence.Note{Lang: s.lang, Text: text}
		for _, a := range t.Attr {
			if a.Name.Space == nsXML && a.Name.Local == "lang" {
				n.Lang = a.Value
			}
		}
		if len(s.status) < maxStatus {
			s.status = append(s.status, n)
		}
		return err
	case own && t.Name.Local == "priority":
		text, err := content(d)
		n, perr := strconv.ParseInt(strings.TrimSpace(text), 10, 8)
		if perr == nil {
			s.priority, s.hasPriority = int8(n), true
		}
		return err
	case t.Name.Space == payload.NSDelay && t.Name.Local == "delay":
		s.stamp = stampOf(attr(t, "stamp"))
	case t.Name.Space == payload.NSIdle && t.Name.Local == "idle":
		s.idle = stampOf(attr(t, "since"))
	}
	return d.Skip()
}

const nsXML = "http://www.w3.org/XML/1998/namespace"

// maxStatus is how many <status/> of a stanza are read, one for each language.
const maxStatus = 32

// errorChildren reads a stanza error (RFC 6120 §8.3.2).
func (s *stanza) errorChildren(d *xml.Decoder) error {
	for {
		tok, err := d.Token()
		if err != nil {
			return fmt.Errorf("in error: %w", err)
		}
		switch t := tok.(type) {
		case xml.EndElement:
			return nil
		case xml.StartElement:
			text, err := content(d)
			if err != nil {
				return err
			}
			switch {
			case t.Name.Space != payload.NSStanzas:
			case t.Name.Local == "text":
				s.err.Text = text
			case s.err.Condition == "":
				s.err.Condition, s.err.Address = t.Name.Local, strings.TrimSpace(text)
			}
		}
	}
}

// streamErrorChild reads a child of a stream error (RFC 6120 §4.9.2).
func (s *stanza) streamErrorChild(d *xml.Decoder, t xml.StartElement) error {
	text, err := content(d)
	switch {
	case t.Name.Space != payload.NSStreams:
	case t.Name.Local == "text":
		s.err.Text = text
	case s.err.Condition == "":
		s.err.Condition = t.Name.Local
	}
	return err
}

// content returns the text up to the end of the element, without that of
// elements inside it.
func content(d *xml.Decoder) (string, error) {
	var text []byte
	for {
		tok, err := d.Token()
		if err != nil {
			return "", err
		}
		switch t := tok.(type) {
		case xml.CharData:
			text = append(text, t...)
		case xml.StartElement:
			err = d.Skip()
			if err != nil {
				return "", err
			}
		case xml.EndElement:
			return string(text), nil
		}
	}
}

func attr(t xml.StartElement, name string) string {
	for _, a := range t.Attr {
		if a.Name.Space == "" && a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// stampOf reads a time of XEP-0082; a wrong one is no time.
func stampOf(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}
	}
	return t
}
