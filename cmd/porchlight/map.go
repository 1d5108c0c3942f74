package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/simple/pidf"
)

// mapCmd translates one document offline, or measures what translations keep.
type mapCmd struct {
	Files       []string `arg:"" optional:"" name:"file" help:"The document to translate, - for standard input. With --report any number; none takes the documents that are built in."`
	From        string   `enum:"pidf,xmpp,json" default:"pidf" help:"Format of FILE: pidf, xmpp (presence stanzas, and messages with items of personal eventing) or json."`
	To          string   `enum:"pidf,xmpp,json" default:"xmpp" help:"Format to write: pidf, xmpp or json."`
	Address     string   `help:"Address of the presentity, such as sip:alice@sip.example, when FILE does not tell it."`
	SideChannel bool     `help:"Write and read what the other network has no words for in an extension, as gateways do."`
	Report      bool     `help:"Tell how much comes back of documents that go to each other network and return, with the side channel and without."`
	JSON        bool     `name:"json" help:"Print the report as JSON."`
}

// maxMapInput is the size of the largest document that is translated.
const maxMapInput = 4 << 20

// Run prints the translation on the output, and on the error output what was
// lost and why.
func (c *mapCmd) Run(s streams) error {
	if c.Report {
		return c.runReport(s)
	}
	if len(c.Files) != 1 || c.JSON {
		return &exitError{exitUsage, errors.New("map takes one document, - for standard input; only --report takes several, or none, and --json")}
	}
	file, rules := c.Files[0], words
	if c.SideChannel {
		rules = mapping.Standard
	}
	in, err := readInput(file)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	now := time.Now()
	doc, err := parseFormat(rules, c.From, in, now)
	if err != nil {
		return fmt.Errorf("%s is no %s document: %w", file, c.From, err)
	}
	addr, err := c.address(doc, s.err)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	out := writeFormat(rules, c.To, addr, doc.state, now)
	_, err = s.out.Write(pretty(c.To, out))
	if err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	back := &document{state: &presence.State{}}
	if len(out) > 0 {
		back, err = parseFormat(rules, c.To, out, now)
		if err != nil {
			return fmt.Errorf("reading the result again: %w", err)
		}
	}
	report(s.err, c.To, doc.dropped, lost(doc.state, back.state, c.To))
	return nil
}

// readInput returns the content of file, or of the standard input for "-".
func readInput(file string) ([]byte, error) {
	var in io.Reader = os.Stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxMapInput+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	if len(b) > maxMapInput {
		return nil, fmt.Errorf("%s is larger than %d bytes", file, maxMapInput)
	}
	return b, nil
}

// document is what a file says.
type document struct {
	state *presence.State
	// about is whom it is about, "" when it does not tell.
	about string
	// dropped is what the file said and a State cannot say.
	dropped []loss
}

// address is the presentity's: the one of the command line, else the
// document's.
func (c *mapCmd) address(d *document, stderr io.Writer) (presence.Addr, error) {
	about := d.about
	if c.Address != "" {
		about = c.Address
	}
	i, err := mapping.ParseSIP(about, "phone.invalid")
	if err != nil {
		i, err = mapping.ParseJID(strings.TrimPrefix(about, "xmpp:"))
	}
	if err != nil && c.Address != "" {
		return presence.Addr{}, fmt.Errorf("--address %q is no address", c.Address)
	}
	if err != nil {
		i.Addr = presence.Addr{Scheme: presence.SIP, User: "someone", Host: "example.invalid"}
		fmt.Fprintf(stderr, "%s does not tell whom it is about; written as %s (see --address).\n", c.Files[0], i.Addr)
	}
	return i.Addr, nil
}

func parseFormat(r *mapping.Rules, format string, b []byte, now time.Time) (*document, error) {
	switch format {
	case "json":
		s, err := mapping.FromJSON(b)
		if err != nil {
			return nil, err
		}
		var head struct{ Address string }
		err = json.Unmarshal(b, &head)
		if err != nil {
			return nil, err
		}
		return &document{state: s, about: head.Address}, nil
	case "xmpp":
		st, err := readStanzas(b)
		if err != nil {
			return nil, err
		}
		return &document{state: st.state(r, now), about: st.about, dropped: st.dropped}, nil
	}
	s, err := pidf.Decode(b)
	if err != nil {
		return nil, err
	}
	return &document{state: s, about: s.Entity}, nil
}

func writeFormat(r *mapping.Rules, format string, a presence.Addr, s *presence.State, now time.Time) []byte {
	switch format {
	case "json":
		return r.AppendJSON(nil, a, s, now)
	case "xmpp":
		return stanzasOf(r, s, now).append(nil, a, now)
	}
	entity := s.Entity
	if entity == "" {
		entity = mapping.SIP(a)
	}
	return pidf.Append(nil, r.WithoutSideChannel(s), entity)
}

// pretty breaks a compact document into lines.
func pretty(format string, doc []byte) []byte {
	if format == "json" {
		var b bytes.Buffer
		err := json.Indent(&b, doc, "", "  ")
		if err != nil {
			return doc
		}
		b.WriteByte('\n')
		return b.Bytes()
	}
	if len(doc) == 0 {
		return nil
	}
	return append(indent(doc), '\n')
}

// indent puts each tag that follows another one on a line of its own. It is
// for people to read: white space between elements is added.
func indent(doc []byte) []byte {
	out := make([]byte, 0, len(doc)+len(doc)/2)
	depth := 0
	for len(doc) > 0 {
		if doc[0] != '<' {
			n := bytes.IndexByte(doc, '<')
			if n < 0 {
				n = len(doc)
			}
			if text := doc[:n]; len(bytes.TrimSpace(text)) > 0 {
				out = append(out, text...)
			}
			doc = doc[n:]
			continue
		}
		tag := nextTag(doc)
		if len(tag) < 3 || tag[len(tag)-1] != '>' {
			return append(out, doc...) // no markup after all
		}
		closing := bytes.HasPrefix(tag, []byte("</"))
		if closing {
			depth--
		}
		if len(out) > 0 && out[len(out)-1] == '>' && !(closing && opens(out)) {
			out = append(out, '\n')
			out = append(out, strings.Repeat("  ", max(0, depth))...)
		}
		out = append(out, tag...)
		if !closing && tag[1] != '?' && tag[1] != '!' && tag[len(tag)-2] != '/' {
			depth++
		}
		doc = doc[len(tag):]
	}
	return out
}

// opens reports whether out ends with a start tag.
func opens(out []byte) bool {
	tag := out[bytes.LastIndexByte(out, '<'):]
	return tag[1] != '/' && tag[1] != '?' && tag[1] != '!' && tag[len(tag)-2] != '/'
}

// nextTag returns the markup that b begins with.
func nextTag(b []byte) []byte {
	for _, m := range [][2]string{{"<!--", "-->"}, {"<![CDATA[", "]]>"}, {"<?", "?>"}} {
		if !bytes.HasPrefix(b, []byte(m[0])) {
			continue
		}
		if end := bytes.Index(b, []byte(m[1])); end >= 0 {
			return b[:end+len(m[1])]
		}
	}
	var quote byte
	for i, c := range b {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			return b[:i+1]
		}
	}
	return b
}

// words are the rules of the command unless told otherwise: it shows what each
// network's own words can say, without the side channel.
var words = &mapping.Rules{SideChannelOff: true}

var errNoStanza = errors.New("no presence stanza in it")
