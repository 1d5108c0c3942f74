package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/mapping/xmltext"
	"github.com/porchlight-im/porchlight/simple/pidf"
)

type mapCmd struct {
	File string `arg:"" help:"The document to translate, - for standard input."`
	From string `enum:"pidf,xmpp,json" default:"pidf" help:"Format of FILE: pidf, xmpp (presence stanzas) or json."`
	To   string `enum:"pidf,xmpp,json" default:"xmpp" help:"Format to write: pidf, xmpp or json."`
}

// Run translates one document offline. The result goes to the output, what was
// lost and why to the error output.
func (c *mapCmd) Run(s streams) error {
	in, err := readInput(c.File)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	now := time.Now()
	state, err := parseFormat(c.From, in, now)
	if err != nil {
		return fmt.Errorf("%s is not %s: %w", c.File, c.From, err)
	}
	addr := entityOf(state)
	out := writeFormat(c.To, addr, state, now)
	fmt.Fprintf(s.out, "%s\n", out)
	back, err := parseFormat(c.To, out, now)
	if err != nil {
		return fmt.Errorf("reading the result again: %w", err)
	}
	report(s.err, state, back, c.To)
	return nil
}

func readInput(file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(os.Stdin)
	}
	return os.ReadFile(file)
}

// entityOf is whom the document is about, as far as it says so.
func entityOf(s *presence.State) presence.Addr {
	i, err := mapping.ParseSIP(s.Entity, "phone.invalid")
	if err != nil {
		i, err = mapping.ParseJID(strings.TrimPrefix(s.Entity, "xmpp:"))
	}
	if err != nil {
		return presence.Addr{Scheme: presence.SIP, User: "someone", Host: "example.invalid"}
	}
	return i.Addr
}

func parseFormat(format string, b []byte, now time.Time) (*presence.State, error) {
	switch format {
	case "json":
		return mapping.FromJSON(b)
	case "xmpp":
		return parseStanzas(b, now)
	}
	return pidf.Decode(b)
}

func writeFormat(format string, a presence.Addr, s *presence.State, now time.Time) []byte {
	switch format {
	case "json":
		return mapping.AppendJSON(nil, a, s, now)
	case "xmpp":
		return writeStanzas(a, mapping.ToXMPP(s, now))
	}
	return pidf.Append(nil, s, mapping.SIP(a))
}

// stanza is a presence stanza as encoding/xml reads it.
type stanza struct {
	XMLName  xml.Name `xml:"presence"`
	From     string   `xml:"from,attr"`
	Type     string   `xml:"type,attr"`
	Lang     string   `xml:"http://www.w3.org/XML/1998/namespace lang,attr"`
	Show     string   `xml:"show"`
	Priority *int8    `xml:"priority"`
	Status   []struct {
		Lang string `xml:"http://www.w3.org/XML/1998/namespace lang,attr"`
		Text string `xml:",chardata"`
	} `xml:"status"`
	Idle *struct {
		Since time.Time `xml:"since,attr"`
	} `xml:"urn:xmpp:idle:1 idle"`
}

// parseStanzas reads one presence stanza or several, one after the other.
func parseStanzas(b []byte, now time.Time) (*presence.State, error) {
	dec := xml.NewDecoder(bytes.NewReader(b))
	var s *presence.State
	for {
		var st stanza
		err := dec.Decode(&st)
		if errors.Is(err, io.EOF) && s != nil {
			return s, nil
		}
		if err != nil {
			return nil, err
		}
		i, err := mapping.ParseJID(st.From)
		if err != nil {
			return nil, fmt.Errorf("from=%q: %w", st.From, err)
		}
		s = mapping.FromXMPP(s, st.presence(i), now)
		s.Entity = mapping.SIP(i.Addr)
	}
}

func (st *stanza) presence(from presence.Instance) mapping.Presence {
	p := mapping.Presence{From: from.Addr, Resource: from.Resource, Unavailable: st.Type == "unavailable", Show: st.Show}
	if st.Priority != nil {
		p.Priority, p.HasPriority = *st.Priority, true
	}
	for _, x := range st.Status {
		lang := x.Lang
		if lang == "" {
			lang = st.Lang
		}
		p.Status = append(p.Status, presence.Note{Lang: lang, Text: x.Text})
	}
	if st.Idle != nil {
		p.Idle = st.Idle.Since
	}
	return p
}

// writeStanzas writes presences, one a line.
func writeStanzas(a presence.Addr, ps []mapping.Presence) []byte {
	var b []byte
	for i, p := range ps {
		if i > 0 {
			b = append(b, '\n')
		}
		from, _ := mapping.FullJID(presence.Instance{Addr: a, Resource: p.Resource})
		b = append(b, `<presence from="`...)
		b = xmltext.AppendAttr(b, from)
		if p.Unavailable {
			b = append(b, `" type="unavailable`...)
		}
		b = append(b, `">`...)
		if p.Show != "" {
			b = fmt.Appendf(b, "<show>%s</show>", p.Show)
		}
		for _, n := range p.Status {
			b = append(b, "<status"...)
			if n.Lang != "" {
				b = append(b, ` xml:lang="`...)
				b = append(xmltext.AppendAttr(b, n.Lang), '"')
			}
			b = append(b, '>')
			b = append(xmltext.AppendText(b, n.Text), "</status>"...)
		}
		if p.HasPriority {
			b = fmt.Appendf(b, "<priority>%d</priority>", p.Priority)
		}
		if !p.Idle.IsZero() {
			b = fmt.Appendf(b, `<idle xmlns="urn:xmpp:idle:1" since="%s"/>`, p.Idle.UTC().Format(time.RFC3339))
		}
		b = append(b, "</presence>"...)
	}
	return b
}
