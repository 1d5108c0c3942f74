package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// flowText is a message in canonical lines: raw as it is, masked with "*" for
// what differs from run to run.
type flowText struct{ raw, masked []string }

// compared returns the canonical lines of what has to arrive, and of what has.
// An empty s.text says nothing.
func compared(s *flowStep, a *flowArrival) (want []string, got flowText, err error) {
	switch s.ext {
	case "sip":
		m := parseSIP(s.text)
		if s.text != "" {
			want, err = sipLines(m, nil)
		}
		if err == nil {
			got.raw, err = sipLines(parseSIP(a.text), m)
		}
	case "xml":
		want, err = xmlLines(s.text)
		if err == nil {
			got.raw, err = xmlLines(a.text)
		}
	case "json":
		return jsonLines(s.text, a.text)
	default:
		return nil, got, fmt.Errorf("%q cannot arrive", s.ext)
	}
	for _, l := range got.raw {
		got.masked = append(got.masked, mask(l))
	}
	return want, got, err
}

// Header fields that tell a reader nothing: they are compared only where the
// flow has them.
var dullFields = map[string]bool{"via": true, "max-forwards": true, "content-length": true, "call-id": true,
	"cseq": true, "allow": true, "allow-events": true, "supported": true, "accept": true, "date": true, "server": true, "user-agent": true}

// sipLines are start line, header fields in order of their names, and body.
// like, when there is one, is what m is compared with.
func sipLines(m, like *flowSIP) ([]string, error) {
	out := []string{m.start}
	fields := append([]string(nil), m.lines...)
	sort.SliceStable(fields, func(i, j int) bool { return fieldName(fields[i]) < fieldName(fields[j]) })
	for _, f := range fields {
		if n := fieldName(f); like == nil || !dullFields[n] || like.get(n) != "" {
			out = append(out, f)
		}
	}
	if m.body == "" {
		return out, nil
	}
	body, err := xmlLines(m.body)
	return append(append(out, ""), body...), err
}

func fieldName(line string) string {
	n, _, _ := strings.Cut(line, ":")
	return strings.ToLower(strings.TrimSpace(n))
}

// xmlLines are the elements one a line, with their attributes in order.
func xmlLines(text string) ([]string, error) {
	d := xml.NewDecoder(strings.NewReader(text))
	var out []string
	depth, open := 0, false // open: the last line is a start tag without content yet
	for {
		tok, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w in %s", err, text)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			out = append(out, strings.Repeat("  ", depth)+startTag(tok))
			depth++
			open = true
		case xml.EndElement:
			depth--
			if open {
				out[len(out)-1] = closeTag(out[len(out)-1], nameOf(tok.Name))
			} else {
				out = append(out, strings.Repeat("  ", depth)+"</"+nameOf(tok.Name)+">")
			}
			open = false
		case xml.CharData:
			s := strings.TrimSpace(string(tok))
			if s != "" && len(out) > 0 {
				out[len(out)-1] += escapeXML(s)
			}
		}
	}
}

func startTag(e xml.StartElement) string {
	var as []string
	for _, a := range e.Attr {
		as = append(as, " "+nameOf(a.Name)+`="`+escapeXML(a.Value)+`"`)
	}
	sort.Strings(as)
	return "<" + nameOf(e.Name) + strings.Join(as, "") + ">"
}

func closeTag(line, name string) string {
	if strings.HasSuffix(line, ">") {
		return strings.TrimSuffix(line, ">") + "/>"
	}
	return line + "</" + name + ">"
}

func nameOf(n xml.Name) string {
	if n.Space == "" {
		return n.Local
	}
	return n.Space + ":" + n.Local
}

var xmlEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

func escapeXML(s string) string { return xmlEscapes.Replace(s) }

// jsonLines are both documents with their members in order; what is "*" in
// want is "*" in got.
func jsonLines(want, got string) (w []string, g flowText, err error) {
	var wv, gv any
	if want != "" {
		err = json.Unmarshal([]byte(want), &wv)
	}
	if err != nil {
		return nil, g, fmt.Errorf("%w in %s", err, want)
	}
	err = json.Unmarshal([]byte(got), &gv)
	if err != nil {
		return nil, g, fmt.Errorf("%w in %s", err, got)
	}
	g.raw = indentJSON(star(wv, gv))
	for _, l := range g.raw {
		g.masked = append(g.masked, mask(l))
	}
	return indentJSON(wv), g, nil
}

func indentJSON(v any) []string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	if err != nil {
		return []string{err.Error()}
	}
	return strings.Split(strings.TrimSpace(b.String()), "\n")
}

// star puts "*" into got where want has it.
func star(want, got any) any {
	if want == "*" {
		return "*"
	}
	switch g := got.(type) {
	case map[string]any:
		w, _ := want.(map[string]any)
		for k := range g {
			g[k] = star(w[k], g[k])
		}
	case []any:
		w, _ := want.([]any)
		for i := range g {
			if i < len(w) {
				g[i] = star(w[i], g[i])
			}
		}
	}
	return got
}

// volatile is what differs from run to run.
var volatile = []struct {
	is *regexp.Regexp
	by string
}{
	{regexp.MustCompile(`^(SIP-ETag|Call-ID|Via|Date): .*`), "$1: *"},
	{regexp.MustCompile(`^CSeq: \d+`), "CSeq: *"},
	{regexp.MustCompile(`;tag=[^;>\s]*`), ";tag=*"},
	{regexp.MustCompile(`^(<(?:presence|iq|message)\b.*) id="[^"]*"`), `$1 id="*"`},
	{regexp.MustCompile(`(<exact change="[^"]*" origin=")[^"]*`), `$1*`},
	{regexp.MustCompile(`(<exact change=")[^"]+`), `$1*`},
	{regexp.MustCompile(`("(?:change|etag|session)": )"[^"]*"`), `$1"*"`},
	{regexp.MustCompile(`("(?:rev|server_time)": )[^,]*`), `$1"*"`},
}

func mask(line string) string {
	for _, v := range volatile {
		line = v.is.ReplaceAllString(line, v.by)
	}
	return line
}

var placeholder = regexp.MustCompile(`\\\*|\\\{[a-z][a-z0-9-]*\\\}`)

// match compares line by line. "*" stands for anything; {name} for anything
// the first time, and for the same from then on. What names that differ stand
// for differs too. It returns "" or what does not match.
func match(want, got []string, vars map[string]string) string {
	for i, w := range want {
		if i >= len(got) {
			return fmt.Sprintf("it ends before %q", w)
		}
		err := matchLine(w, got[i], vars)
		if err != nil {
			return err.Error()
		}
	}
	if len(got) > len(want) {
		return fmt.Sprintf("it goes on with %q", got[len(want)])
	}
	return ""
}

func matchLine(want, got string, vars map[string]string) error {
	re, names := lineRegexp(want, vars)
	m := re.FindStringSubmatch(got)
	if m == nil {
		for name, v := range vars {
			want = strings.ReplaceAll(want, "{"+name+"}", v)
		}
		return fmt.Errorf("got %q, want %q", got, want)
	}
	for i, name := range names {
		v := m[i+1]
		if old, ok := vars[name]; ok && old != v {
			return fmt.Errorf("{%s} is %q and %q", name, old, v)
		}
		for other, ov := range vars {
			if other != name && ov == v {
				return fmt.Errorf("{%s} is the same as {%s}: %q", name, other, v)
			}
		}
		vars[name] = v
	}
	return nil
}

// lineRegexp makes a line with placeholders into a pattern; names are those
// that it captures.
func lineRegexp(want string, vars map[string]string) (re *regexp.Regexp, names []string) {
	text := placeholder.ReplaceAllStringFunc(regexp.QuoteMeta(want), func(p string) string {
		if p == `\*` {
			return `.*?`
		}
		name := p[2 : len(p)-2]
		if v, ok := vars[name]; ok {
			return regexp.QuoteMeta(v)
		}
		names = append(names, name)
		return `([^"<>\s]+?)`
	})
	return regexp.MustCompile("^" + text + "$"), names
}

// merge makes the lines that -update writes: those of want that match what
// has come, since they may say more, and otherwise the masked ones.
func merge(want []string, got flowText, vars map[string]string) string {
	var out []string
	for i, raw := range got.raw {
		line := got.masked[i]
		for j, w := range want {
			if matchLine(w, raw, vars) == nil {
				line = w
				want = append(want[:j:j], want[j+1:]...)
				break
			}
		}
		out = append(out, line)
	}
	return short(strings.Join(out, "\n"))
}

// short writes JSON in as few lines as are easy to read.
func short(text string) string {
	var v any
	err := json.Unmarshal([]byte(text), &v)
	if err != nil {
		return text // not JSON
	}
	return shortJSON(v, "")
}

func shortJSON(v any, indent string) string {
	one := strings.Join(strings.Fields(strings.Join(indentJSON(v), " ")), " ")
	if len(indent)+len(one) <= 100 {
		return one
	}
	in := indent + "  "
	var parts []string
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, in+strconv.Quote(k)+": "+shortJSON(v[k], in))
		}
		return "{\n" + strings.Join(parts, ",\n") + "\n" + indent + "}"
	case []any:
		for _, e := range v {
			parts = append(parts, in+shortJSON(e, in))
		}
		return "[\n" + strings.Join(parts, ",\n") + "\n" + indent + "]"
	}
	return one
}

var plainPlaceholder = regexp.MustCompile(`\{[a-z][a-z0-9-]*\}`)

// fillIn puts the values of {name} into what is sent.
func fillIn(text string, vars map[string]string) (string, error) {
	var err error
	out := plainPlaceholder.ReplaceAllStringFunc(text, func(p string) string {
		v, ok := vars[p[1:len(p)-1]]
		if !ok {
			err = fmt.Errorf("%s stands for nothing yet", p)
		}
		return v
	})
	return out, err
}

// The runner itself: what it must not let through.
func TestFlowMatch(t *testing.T) {
	for _, tc := range []struct {
		name, ext, want, got string
		ok                   bool
	}{
		{"attributes in any order", "xml", `<presence to='a' from='b'/>`, `<presence from="b" to="a"></presence>`, true},
		{"another value", "xml", `<presence to='a'/>`, `<presence to='b'/>`, false},
		{"an element more", "xml", `<presence/>`, `<presence><show>away</show></presence>`, false},
		{"an element less", "xml", `<presence><show>*</show></presence>`, `<presence/>`, false},
		{"members in any order", "json", `{"a":1,"b":[true]}`, `{"b":[true],"a":1.0}`, true},
		{"anything", "json", `{"a":"*"}`, `{"a":{"b":2}}`, true},
		{"a member more", "json", `{"a":1}`, `{"a":1,"b":2}`, false},
		{"dull fields", "sip", "SIP/2.0 200 OK\nExpires: 5", "SIP/2.0 200 OK\r\nVia: x\r\nExpires: 5\r\n\r\n", true},
		{"other fields", "sip", "SIP/2.0 200 OK", "SIP/2.0 200 OK\r\nExpires: 5\r\n\r\n", false},
		{"another status", "sip", "SIP/2.0 200 OK", "SIP/2.0 202 Accepted\r\n\r\n", false},
		{"another body", "sip", "SIP/2.0 200 OK\n\n<a/>", "SIP/2.0 200 OK\r\n\r\n<b/>", false},
		{"no body", "sip", "SIP/2.0 200 OK\n\n<a/>", "SIP/2.0 200 OK\r\n\r\n", false},
		{"the same name, another value", "xml", `<a x="{n}" y="{n}"/>`, `<a x="1" y="2"/>`, false},
		{"another name, the same value", "sip", "SIP/2.0 200 OK\nExpires: {e}\nX: {x}", "SIP/2.0 200 OK\r\nExpires: 5\r\nX: 5\r\n\r\n", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want, got, err := compared(&flowStep{ext: tc.ext, text: tc.want}, &flowArrival{text: tc.got})
			if err != nil {
				t.Fatal(err)
			}
			diff := match(want, got.raw, map[string]string{})
			if (diff == "") != tc.ok {
				t.Errorf("want %q, got %q: %q", want, got.raw, diff)
			}
		})
	}
}
