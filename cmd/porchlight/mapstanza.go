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
)

// stanza is a presence stanza as encoding/xml reads it.
type stanza struct {
	XMLName  xml.Name `xml:"presence"`
	From     string   `xml:"from,attr"`
	ID       string   `xml:"id,attr"`
	Type     string   `xml:"type,attr"`
	Lang     string   `xml:"http://www.w3.org/XML/1998/namespace lang,attr"`
	Show     string   `xml:"show"`
	Priority *string  `xml:"priority"`
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
	Others []struct{ XMLName xml.Name } `xml:",any"`
}

// parseStanzas reads one presence stanza or several, one after the other, of
// one address.
func parseStanzas(b []byte, now time.Time) (*document, error) {
	dec := xml.NewDecoder(bytes.NewReader(b))
	d := &document{}
	for n := 1; ; n++ {
		var st stanza
		err := dec.Decode(&st)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("stanza %d: %w", n, err)
		}
		if st.Type != "" && st.Type != "unavailable" {
			d.drop("a stanza of type "+st.Type, "only presence without type and of type unavailable is a notification (RFC 8048 §6.2 note 1)")
			continue
		}
		var from presence.Instance
		if st.From != "" {
			from, err = mapping.ParseJID(st.From)
			if err != nil {
				return nil, fmt.Errorf("stanza %d: %w", n, err)
			}
		}
		about := mapping.SIP(from.Addr)
		if st.From != "" && d.about != "" && d.about != about {
			return nil, fmt.Errorf("stanza %d is from another address, %s after %s", n, about, d.about)
		}
		if st.From != "" {
			d.about = about
		}
		d.state = words.FromXMPP(d.state, d.presence(&st, from), now)
	}
	if d.state == nil {
		return nil, errNoStanza
	}
	return d, nil
}

func (d *document) drop(what, why string) { d.dropped = append(d.dropped, loss{what, why}) }

// presence is the content of st; what has no place in it is dropped.
func (d *document) presence(st *stanza, from presence.Instance) mapping.Presence {
	p := mapping.Presence{From: from.Addr, Resource: from.Resource, Unavailable: st.Type == "unavailable", Show: strings.TrimSpace(st.Show)}
	if st.ID != "" {
		d.drop("the stanza's id "+st.ID, "it is not mapped (RFC 8048 Table 1)")
	}
	switch p.Show {
	case "", "away", "chat", "dnd", "xa":
	default:
		d.drop("show "+p.Show, "there is no such value (RFC 6121 §4.7.2.1)")
	}
	if p.Unavailable && p.Show != "" {
		d.drop("show "+p.Show, "who is unavailable has none (RFC 6121 §4.7.2.1)")
	}
	if st.Priority != nil {
		n, err := strconv.ParseInt(strings.TrimSpace(*st.Priority), 10, 8)
		switch {
		case err != nil:
			d.drop("priority "+*st.Priority, "it is no whole number from -128 to 127 (RFC 6121 §4.7.2.3)")
		case n < 0:
			d.drop("priority "+*st.Priority, "a negative one must not be mapped (RFC 8048 §6.2 note 6)")
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
	p.Idle, p.Stamp = d.time("idle since", st.Idle.Since), d.time("delay stamp", st.Delay.Stamp)
	for _, o := range st.Others {
		d.drop("element {"+o.XMLName.Space+"}"+o.XMLName.Local, "RFC 8048 Table 1 has no row for it")
	}
	return p
}

func (d *document) time(what, s string) time.Time {
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		d.drop(what+" "+s, "it is no time of XEP-0082 §3.2")
	}
	return t
}

// appendStanzas appends presences as a gateway would send them.
func appendStanzas(b []byte, a presence.Addr, ps []mapping.Presence) []byte {
	for i := range ps {
		p := &ps[i]
		from, ok := mapping.FullJID(presence.Instance{Addr: a, Resource: p.Resource})
		if !ok {
			from, _ = mapping.JID(a)
		}
		b = attribute(append(b, "<presence"...), "from", from)
		if p.Unavailable {
			b = attribute(b, "type", "unavailable")
		}
		b = append(b, '>')
		if p.Show != "" {
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
		if p.HasPriority {
			b = element(b, "priority", strconv.Itoa(int(p.Priority)))
		}
		if !p.Stamp.IsZero() {
			b = attribute(append(b, `<delay xmlns="urn:xmpp:delay"`...), "stamp", p.Stamp.UTC().Format(time.RFC3339Nano))
			b = append(b, "/>"...)
		}
		if !p.Idle.IsZero() {
			b = attribute(append(b, `<idle xmlns="urn:xmpp:idle:1"`...), "since", p.Idle.UTC().Format(time.RFC3339Nano))
			b = append(b, "/>"...)
		}
		b = append(b, "</presence>"...)
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
