package xmpp

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/mapping/xmltext"
	"github.com/porchlight-im/porchlight/xmpp/payload"
	"github.com/porchlight-im/porchlight/xmpp/sidechannel"
)

// parser reads stanzas, one after the other.
type parser struct {
	x xmltext.Scanner
}

// parse reads one element of the stream into s. What it does not know it
// ignores.
func (p *parser) parse(b []byte, s *stanza) error {
	if bytes.HasPrefix(b, []byte("<stream:")) {
		return p.streamError(b, s)
	}
	p.x.Reset(b)
	kind, err := p.x.Next()
	if err != nil {
		return err
	}
	if kind != xmltext.Start {
		return errors.New("no element")
	}
	s.name = "unknown"
	if p.own() {
		switch name := string(p.x.Local); name {
		case "presence", "iq", "message":
			s.name = name
		}
	}
	for _, a := range p.x.Attrs {
		if len(a.Space) > 0 {
			continue
		}
		switch string(a.Local) {
		case "type":
			s.kind = string(a.Value)
		case "from":
			s.from = string(a.Value)
		case "to":
			s.to = string(a.Value)
		case "id":
			s.id = string(a.Value)
		}
	}
	s.lang = p.x.Lang()
	err = p.x.Each(func() error { return p.child(s) })
	if err != nil {
		return err
	}
	return p.end()
}

// end makes sure that nothing follows the element.
func (p *parser) end() error {
	kind, err := p.x.Next()
	if err == nil && kind != xmltext.EOF {
		err = errors.New("more than one element")
	}
	return err
}

// own reports whether the element is of the stream's own namespace, which the
// stream's header has declared.
func (p *parser) own() bool {
	return len(p.x.Space) == 0 || string(p.x.Space) == payload.NSComponent
}

func (p *parser) child(s *stanza) error {
	switch {
	case p.own() && string(p.x.Local) == "error":
		s.err.Type = string(p.x.Attr("type"))
		return p.errorChildren(&s.err, payload.NSStanzas)
	case s.name == "iq" && s.local == "":
		s.space, s.local, s.node = string(p.x.Space), string(p.x.Local), string(p.x.Attr("node"))
		return p.iqChild(s)
	case s.name == "message" && string(p.x.Space) == payload.NSPubSubEvent && string(p.x.Local) == "event":
		return p.x.Each(func() error { return p.eventChild(s) })
	case s.name == "presence":
		return p.presenceChild(s)
	}
	return p.x.Skip()
}

func (p *parser) presenceChild(s *stanza) error {
	local := string(p.x.Local)
	if !p.own() {
		switch space := string(p.x.Space); {
		case space == payload.NSDelay && local == "delay":
			s.stamp = stampOf(string(p.x.Attr("stamp")))
		case space == payload.NSIdle && local == "idle":
			s.idle = stampOf(string(p.x.Attr("since")))
		case space == payload.NSLast && local == "query":
			s.lastActive = secondsOf(string(p.x.Attr("seconds")))
		case space == payload.NSCaps && local == "c":
			s.caps = caps{string(p.x.Attr("hash")), string(p.x.Attr("node")), string(p.x.Attr("ver"))}
		case space == payload.NSVCardUpdate && local == "x":
			return p.photoHash(s)
		case space == sidechannel.Space && local == sidechannel.Local:
			return p.sideChannel(s)
		}
		return p.x.Skip()
	}
	switch local {
	case "show":
		text, err := p.x.Content()
		s.show = strings.TrimSpace(text)
		return err
	case "status":
		lang := p.x.Lang()
		if lang == "" {
			lang = s.lang
		}
		text, err := p.x.Content()
		if len(s.status) < maxStatus {
			s.status = append(s.status, presence.Note{Lang: lang, Text: text})
		}
		return err
	case "priority":
		text, err := p.x.Content()
		n, perr := strconv.ParseInt(strings.TrimSpace(text), 10, 8)
		if perr == nil {
			s.priority, s.hasPriority = int8(n), true
		}
		return err
	}
	return p.x.Skip()
}

// sideChannel reads what the stanza carries beside XMPP's own words. What is
// wrong with that costs only that.
func (p *parser) sideChannel(s *stanza) error {
	raw, err := p.x.Raw()
	if err != nil {
		return err
	}
	s.exact, s.lineage, s.unread = sidechannel.Read([]byte(raw))
	return nil
}

// maxStatus is how many <status/> of a stanza are read, one for each language.
const maxStatus = 32

// errorChildren reads the children of a stanza error (RFC 6120 §8.3.2) or a
// stream error (RFC 6120 §4.9.2), whose own are in the namespace space.
func (p *parser) errorChildren(e *mapping.StanzaError, space string) error {
	return p.x.Each(func() error {
		own, local := string(p.x.Space) == space, string(p.x.Local)
		text, err := p.x.Content()
		switch {
		case !own:
		case local == "text":
			e.Text = text
		case e.Condition == "":
			e.Condition, e.Address = local, strings.TrimSpace(text)
		}
		return err
	})
}

// streamError reads an element whose prefix the stream's header has declared.
func (p *parser) streamError(b []byte, s *stanza) error {
	wrapped := []byte("<s xmlns:stream='" + payload.NSStream + "'>")
	wrapped = append(append(wrapped, b...), "</s>"...)
	p.x.Reset(wrapped)
	_, err := p.x.Next()
	if err != nil {
		return err
	}
	s.name = "unknown"
	return p.x.Each(func() error {
		if string(p.x.Local) != errorType {
			return p.x.Skip()
		}
		s.name = errorType
		return p.errorChildren(&s.err, payload.NSStreams)
	})
}

// stampOf reads a time of XEP-0082; a wrong one is no time.
func stampOf(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}
	}
	return t
}
