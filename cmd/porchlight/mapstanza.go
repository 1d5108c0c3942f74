package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/mapping/xmltext"
	"github.com/porchlight-im/porchlight/xmpp/payload"
	"github.com/porchlight-im/porchlight/xmpp/sidechannel"
)

// stanza is a presence stanza as encoding/xml reads it.
type stanza struct {
	From     string  `xml:"from,attr"`
	ID       string  `xml:"id,attr"`
	Type     string  `xml:"type,attr"`
	Lang     string  `xml:"http://www.w3.org/XML/1998/namespace lang,attr"`
	Show     string  `xml:"show"`
	Priority *string `xml:"priority"`
	Status   []struct {
		Lang *string `xml:"http://www.w3.org/XML/1998/namespace lang,attr"`
		Text string  `xml:",chardata"`
	} `xml:"status"`
	Idle struct {
		Since string `xml:"since,attr"`
	} `xml:"urn:xmpp:idle:1 idle"`
	Delay struct {
		Stamp string `xml:"stamp,attr"`
	} `xml:"urn:xmpp:delay delay"`
	Exact *struct {
		Origin string `xml:"origin,attr"`
		Change string `xml:"change,attr"`
		Inner  string `xml:",innerxml"`
	} `xml:"urn:porchlight:presence:1 exact"`
	Items  []items                      `xml:"http://jabber.org/protocol/pubsub#event event>items"` // of a message
	Others []struct{ XMLName xml.Name } `xml:",any"`
}

// items are the children of a notification of personal eventing (XEP-0163).
type items struct {
	Node string `xml:"node,attr"`
	Item []struct {
		ID    string `xml:"id,attr"`
		Inner string `xml:",innerxml"`
	} `xml:"item"`
	Retract []struct {
		ID string `xml:"id,attr"`
	} `xml:"retract"`
}

// stanzas is what one address says in XMPP.
type stanzas struct {
	about     string // its SIP URI, "" when no stanza tells
	presences []mapping.Presence
	items     []mapping.Item
	dropped   []loss
}

// readStanzas reads presence stanzas, and messages with items of personal
// eventing, one after the other, of one address.
func readStanzas(b []byte) (*stanzas, error) {
	dec := xml.NewDecoder(bytes.NewReader(b))
	s := &stanzas{}
	for n := 1; ; n++ {
		start, err := nextStart(dec)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("stanza %d: %w", n, err)
		}
		if start.Name.Local != "presence" && start.Name.Local != "message" {
			return nil, fmt.Errorf("stanza %d: <%s> is neither presence nor message", n, start.Name.Local)
		}
		var st stanza
		err = dec.DecodeElement(&st, &start)
		if err == nil {
			err = s.add(&st, start.Name.Local)
		}
		if err != nil {
			return nil, fmt.Errorf("stanza %d: %w", n, err)
		}
	}
	if len(s.presences)+len(s.items) == 0 {
		return nil, errNoStanza
	}
	return s, nil
}

// nextStart passes over what is between stanzas.
func nextStart(dec *xml.Decoder) (xml.StartElement, error) {
	for {
		t, err := dec.Token()
		if err != nil {
			return xml.StartElement{}, err
		}
		if start, ok := t.(xml.StartElement); ok {
			return start, nil
		}
	}
}

// add takes in one stanza.
func (s *stanzas) add(st *stanza, kind string) error {
	if kind == "presence" && st.Type != "" && st.Type != "unavailable" {
		s.drop("a stanza of type "+st.Type, "only presence without type and of type unavailable is a notification (RFC 8048 §6.2 note 1)")
		return nil
	}
	var from presence.Instance
	if st.From != "" {
		var err error
		from, err = mapping.ParseJID(st.From)
		if err != nil {
			return err
		}
		about := mapping.SIP(from.Addr)
		if s.about != "" && s.about != about {
			return fmt.Errorf("it is from another address, %s after %s", about, s.about)
		}
		s.about = about
	}
	if kind == "presence" {
		s.presences = append(s.presences, s.presence(st, from))
		return nil
	}
	for _, list := range st.Items {
		for _, it := range list.Item {
			s.items = append(s.items, mapping.Item{Node: list.Node, ID: it.ID, Payload: strings.TrimSpace(it.Inner)})
		}
		for _, it := range list.Retract {
			s.items = append(s.items, mapping.Item{Node: list.Node, ID: it.ID})
		}
	}
	return nil
}

// state is what the stanzas say, as r translates it.
func (s *stanzas) state(r *mapping.Rules, now time.Time) *presence.State {
	var state *presence.State
	for _, p := range s.presences {
		if r != nil && r.SideChannelOff && p.HasPriority && p.Priority < 0 {
			s.drop("priority "+strconv.Itoa(int(p.Priority)), "a negative one must not be mapped (RFC 8048 §6.2 note 6)")
			p.HasPriority = false
		}
		state = r.FromXMPP(state, p, now)
	}
	for _, it := range s.items {
		state = r.FromPEP(state, it, now)
	}
	if state == nil {
		state = &presence.State{}
	}
	return state
}

func (s *stanzas) drop(what, why string) { s.dropped = append(s.dropped, loss{what, why}) }

// presence is the content of st; what has no place in it is dropped.
func (s *stanzas) presence(st *stanza, from presence.Instance) mapping.Presence {
	p := mapping.Presence{From: from.Addr, Resource: from.Resource, Unavailable: st.Type == "unavailable", Show: strings.TrimSpace(st.Show)}
	if st.ID != "" {
		s.drop("the stanza's id "+st.ID, "it is not mapped (RFC 8048 Table 1)")
	}
	switch p.Show {
	case "", "away", "chat", "dnd", "xa":
	default:
		s.drop("show "+p.Show, "there is no such value (RFC 6121 §4.7.2.1)")
	}
	if p.Unavailable && p.Show != "" {
		s.drop("show "+p.Show, "who is unavailable has none (RFC 6121 §4.7.2.1)")
	}
	if st.Priority != nil {
		n, err := strconv.ParseInt(strings.TrimSpace(*st.Priority), 10, 8)
		switch {
		case err != nil:
			s.drop("priority "+*st.Priority, "it is no whole number from -128 to 127 (RFC 6121 §4.7.2.3)")
		default:
			p.Priority, p.HasPriority = int8(n), true
		}
	}
	for _, x := range st.Status {
		n := presence.Note{Lang: st.Lang, Text: x.Text}
		if x.Lang != nil {
			n.Lang = *x.Lang
		}
		p.Status = append(p.Status, n)
	}
	p.Idle, p.Stamp = s.time("idle since", st.Idle.Since), s.time("delay stamp", st.Delay.Stamp)
	if x := st.Exact; x != nil {
		b := attribute([]byte("<"+sidechannel.Local+` xmlns="`+sidechannel.Space+`"`), "origin", x.Origin)
		b = append(attribute(b, "change", x.Change), '>')
		b = append(append(b, x.Inner...), "</"+sidechannel.Local+">"...)
		var err error
		p.Exact, p.Lineage, err = sidechannel.Read(b)
		if err != nil {
			s.drop("the side channel", err.Error())
		}
	}
	for _, o := range st.Others {
		s.drop("element {"+o.XMLName.Space+"}"+o.XMLName.Local, "RFC 8048 Table 1 has no row for it")
	}
	return p
}

func (s *stanzas) time(what, text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		s.drop(what+" "+text, "it is no time of XEP-0082 §3.2")
	}
	return t
}

// stanzasOf is what r says in XMPP of state.
func stanzasOf(r *mapping.Rules, state *presence.State, now time.Time) *stanzas {
	return &stanzas{presences: r.ToXMPP(state, now), items: r.ToPEP(state, now)}
}

// append appends the stanzas as a gateway sends them at now; a is the address
// that they are from, unless a presence has one of its own.
func (s *stanzas) append(b []byte, a presence.Addr, now time.Time) []byte {
	for i := range s.presences {
		p := &s.presences[i]
		from, ok := mapping.FullJID(presence.Instance{Addr: a, Resource: p.Resource})
		if !ok {
			from, _ = mapping.JID(a)
		}
		b = attribute(append(b, "<presence"...), "from", from)
		if p.Unavailable {
			b = attribute(b, "type", "unavailable")
		}
		b = append(b, '>')
		b = append(appendPresence(b, p, mapping.SIP(a), now), "</presence>"...)
	}
	bare, _ := mapping.JID(a)
	for _, it := range s.items {
		b = attribute(append(b, "<message"...), "from", bare)
		b = attribute(append(b, `><event xmlns="http://jabber.org/protocol/pubsub#event"><items`...), "node", it.Node)
		b = attribute(append(b, "><item"...), "id", it.ID)
		b = append(append(append(b, '>'), it.Payload...), "</item></items></event></message>"...)
	}
	return b
}

// appendPresence appends the children of a presence stanza.
func appendPresence(b []byte, p *mapping.Presence, entity string, now time.Time) []byte {
	if p.Show != "" && !p.Unavailable {
		b = element(b, "show", p.Show)
	}
	for _, n := range p.Status {
		b = append(b, "<status"...)
		if n.Lang != "" {
			b = attribute(b, "xml:lang", n.Lang)
		}
		b = append(b, '>')
		b = append(xmltext.AppendText(b, n.Text), "</status>"...)
	}
	if p.HasPriority && !p.Unavailable {
		b = element(b, "priority", strconv.Itoa(int(p.Priority)))
	}
	if !p.Stamp.IsZero() && now.Sub(p.Stamp) > mapping.StampAge {
		b = payload.AppendDelay(b, p.Stamp)
	}
	if !p.Idle.IsZero() && !p.Unavailable {
		b = payload.AppendIdle(b, p.Idle)
	}
	if p.Exact != nil {
		// Above its limit it is left out, as it is in the port.
		b, _ = sidechannel.Append(b, p.Exact, entity, p.Lineage)
	}
	return b
}

func attribute(b []byte, name, value string) []byte {
	b = append(b, ' ')
	b = append(b, name...)
	b = append(b, '=', '"')
	return append(xmltext.AppendAttr(b, value), '"')
}

func element(b []byte, name, text string) []byte {
	b = append(b, '<')
	b = append(b, name...)
	b = append(b, '>')
	b = xmltext.AppendText(b, text)
	b = append(b, '<', '/')
	b = append(b, name...)
	return append(b, '>')
}
