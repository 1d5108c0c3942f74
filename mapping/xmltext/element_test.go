package xmltext

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// at returns a scanner behind the start tag of the first element local.
func at(t *testing.T, doc, local string) *Scanner {
	t.Helper()
	var s Scanner
	s.Reset([]byte(doc))
	for {
		kind, err := s.Next()
		if err != nil || kind == EOF {
			t.Fatalf("no <%s>: %v", local, err)
		}
		if kind == Start && string(s.Local) == local {
			return &s
		}
	}
}

func TestRaw(t *testing.T) {
	for _, tt := range []struct{ name, doc, want string }{
		{"as it stands", `<a><r b = '1'><!--c--> <d>&#65;<![CDATA[e]]></d></r></a>`, `<r xmlns="" b = '1'><!--c--> <d>&#65;<![CDATA[e]]></d></r>`},
		{"outer default", `<a xmlns="u"><r/></a>`, `<r xmlns="u"/>`},
		{"own default", `<a xmlns="u"><r xmlns="v"><b/></r></a>`, `<r xmlns="v"><b/></r>`},
		{"undeclared default", `<a xmlns="u"><b xmlns=""><r/></b></a>`, `<r xmlns=""/>`},
		{"outer prefix", `<a xmlns:p="u" xmlns:q="v"><p:r/></a>`, `<p:r xmlns:p="u"/>`},
		{"prefix of an attribute", `<a xmlns:p="u" xmlns:q="v" xmlns="w"><p:r q:b="1"/></a>`, `<p:r xmlns:p="u" xmlns:q="v" q:b="1"/>`},
		{"prefix further in", `<a xmlns:p="u" xmlns:q="v"><p:r><p:b><q:c/></p:b></p:r></a>`, `<p:r xmlns:p="u" xmlns:q="v"><p:b><q:c/></p:b></p:r>`},
		{"own hides outer", `<a xmlns:p="u"><p:r xmlns:p="v"><p:b/></p:r></a>`, `<p:r xmlns:p="v"><p:b/></p:r>`},
		{"hidden further in only", `<a xmlns:p="u"><p:r><p:b xmlns:p="v"/></p:r></a>`, `<p:r xmlns:p="u"><p:b xmlns:p="v"/></p:r>`},
		{"nearest outer", `<a xmlns:p="u"><b xmlns:p="v"><p:r/></b></a>`, `<p:r xmlns:p="v"/>`},
		{"default further in", `<a xmlns="u" xmlns:p="v"><p:r><b/></p:r></a>`, `<p:r xmlns="u" xmlns:p="v"><b/></p:r>`},
		{"escaped name", `<a xmlns:p="u&amp;&quot;"><p:r/></a>`, `<p:r xmlns:p="u&amp;&quot;"/>`},
		{"xml prefix", `<a xmlns="u"><r xml:lang="en"/></a>`, `<r xmlns="u" xml:lang="en"/>`},
		{"xsi:type", `<a xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:p="u" xmlns:q="v" xmlns="w"><r><b xsi:type=" p:t"/></r></a>`,
			`<r xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:p="u" xmlns="w"><b xsi:type=" p:t"/></r>`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := at(t, tt.doc, "r")
			before, err := dump([]byte(tt.want))
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.Raw()
			if err != nil || got != tt.want {
				t.Fatalf("got  %s, %v\nwant %s", got, err, tt.want)
			}
			// Read once more, wherever it stands, it is the same.
			again, err := at(t, `<x xmlns="other" xmlns:p="more">`+got+`</x>`, "r").Raw()
			if err != nil || again != got {
				t.Errorf("again %s, %v", again, err)
			}
			if after, _ := dump([]byte(again)); after != before {
				t.Errorf("means %s, not %s", after, before)
			}
			for kind := Start; kind != EOF; {
				kind, err = s.Next()
				if err != nil {
					t.Fatalf("behind it: %v", err)
				}
			}
		})
	}
}

func TestContent(t *testing.T) {
	for _, tt := range []struct {
		doc, want string
		children  bool
	}{
		{`<c/>`, "", false},
		{`<c></c>`, "", false},
		{`<c>a</c>`, "a", false},
		{`<c>a&amp;b</c>`, "a&b", false},
		{`<c>a<!-- -->b<![CDATA[c]]>&lt;</c>`, "abc<", false},
		{`<c>&amp;<![CDATA[]]>&lt;<?p?>&gt;</c>`, "&<>", false},
		{`<c>a&amp;<b>c</b>d&lt;<b/></c>`, "a&d<", true},
		{`<c><b/></c>`, "", true},
	} {
		s := at(t, `<a>`+tt.doc+`<d/></a>`, "c")
		got, children, err := s.ContentBytes()
		if err != nil || string(got) != tt.want || children != tt.children {
			t.Errorf("%s: got %q, %v, %v", tt.doc, got, children, err)
		}
		if kind, err := s.Next(); kind != Start || string(s.Local) != "d" {
			t.Errorf("%s: then %v %q, %v", tt.doc, kind, s.Local, err)
		}
	}
}

func TestRewind(t *testing.T) {
	for _, doc := range []string{
		`<a xmlns:p="u"><p:r xmlns:q="v" q:b="1&amp;"><q:c>d&amp;e</q:c></p:r><f/></a>`,
		`<a xmlns:p="u"><p:r xmlns:q="v" q:b="1&amp;"/><f/></a>`,
	} {
		s := at(t, doc, "r")
		m := s.Mark()
		for range 3 {
			if string(s.Space) != "u" || string(s.Local) != "r" || len(s.Attrs) != 1 || string(s.Attrs[0].Value) != "1&" || s.Depth() != 2 {
				t.Fatalf("%s: at %s %v", doc, full(s.Space, s.Local), s.Attrs)
			}
			err := s.Skip()
			if err != nil {
				t.Fatal(err)
			}
			s.Rewind(m)
		}
		_, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		s.Rewind(m) // within it, or behind its end
		err = s.Skip()
		if err != nil {
			t.Fatal(err)
		}
		if kind, err := s.Next(); kind != Start || string(s.Local) != "f" {
			t.Errorf("%s: then %v %s, %v", doc, kind, s.Local, err)
		}
	}
}

func TestSpan(t *testing.T) {
	doc := `<?xml version="1.0"?> <a b = "1" xmlns:p="u" p:c='2'>d<!-- --><e/></a>`
	var s Scanner
	s.Reset([]byte(doc))
	var got []string
	for {
		kind, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		begin, end := s.Span()
		got = append(got, doc[begin:end])
		if kind == Start {
			for i := range s.Attrs {
				begin, end := s.Attrs[i].Span()
				got = append(got, doc[begin:end])
			}
		}
		if kind == EOF {
			break
		}
	}
	want := []string{`<a b = "1" xmlns:p="u" p:c='2'>`, `b = "1"`, `p:c='2'`, `d`, `<e/>`, ``, `</a>`, ``}
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestSpaces(t *testing.T) {
	s := Scanner{Spaces: map[string]int{"u": 1, NS: 2}}
	s.ResetIn([]byte(`<a p:b="1" xml:lang="en" xmlns:q="v"><q:c/></a>`), []Binding{{"", "u"}, {"p", "u"}})
	kind, err := s.Next()
	if err != nil || kind != Start || s.SpaceID != 1 || s.Attrs[0].SpaceID != 1 || s.Attrs[1].SpaceID != 2 {
		t.Errorf("got %d %+v, %v", s.SpaceID, s.Attrs, err)
	}
	if got := fmt.Sprint(s.Bindings()); got != "[{ u} {p u} {q v}]" {
		t.Errorf("bindings %s", got)
	}
	kind, err = s.Next()
	if err != nil || kind != Start || s.SpaceID != 0 {
		t.Errorf("got %d, %v", s.SpaceID, err)
	}
}

// DOC-19: what is above a limit is refused, in time linear in its size.
func TestDOC_19_Limits(t *testing.T) {
	many := func(n int, f string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, f, i)
		}
		return b.String()
	}
	for _, tt := range []struct {
		name, doc string
		tooLarge  bool
	}{
		{"depth 100", strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100), false},
		{"depth 101", strings.Repeat("<a>", 101) + strings.Repeat("</a>", 101), true},
		{"a million deep", strings.Repeat("<a>", 1e6), true},
		{"100 attributes", `<a` + many(100, ` b%d=""`) + `/>`, false},
		{"101 attributes", `<a` + many(101, ` b%d=""`) + `/>`, true},
		{"201 bindings", strings.Repeat(`<a`+many(67, ` xmlns:p%d="u"`)+`>`, 3), true},
		{"long namespace", `<a xmlns="` + strings.Repeat("u", MaxSpace+1) + `"/>`, true},
		{"1 MB of text", `<a>` + strings.Repeat("x", 1e6) + `</a>`, false},
		{"1 MB of references", `<a>` + strings.Repeat("&lt;", 250e3) + `</a>`, false},
		{"1 MB of ]", `<a>` + strings.Repeat("]", 1e6) + `</a>`, false},
		{"1 MB of CDATA", `<a>` + strings.Repeat("<![CDATA[]]>", 80e3) + `</a>`, false},
		{"1 MB of comments", `<a>` + strings.Repeat("<!---->", 140e3) + `</a>`, false},
		{"1 MB of elements far from their prefix", `<p:a xmlns:p="u"` + many(99, ` xmlns:q%d="u"`) + `>` +
			`<a` + many(100, ` xmlns:r%d="u"`) + `>` + strings.Repeat("<p:b/>", 150e3) + `</a></p:a>`, false},
		{"1 MB of attributes", `<a>` + strings.Repeat(`<b`+many(100, ` c%d=""`)+`/>`, 1200) + `</a>`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			began := time.Now()
			var s Scanner
			s.Reset([]byte(tt.doc))
			kind, err := s.Next()
			for kind != EOF && err == nil {
				kind, err = s.Next()
			}
			var e *Error
			if errors.As(err, &e) != tt.tooLarge || e != nil && !e.TooLarge {
				t.Errorf("got %v", err)
			}
			// Far above what linear time needs on a slow machine.
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestErrorsStayShort(t *testing.T) {
	long := strings.Repeat("é", 1e5)
	for _, doc := range []string{`<` + long, `<` + long + `></a>`, `<a ` + long + `="`, `<` + long + `:a/>`, `<a xmlns:` + long + `=""/>`} {
		_, err := dump([]byte(doc))
		if err == nil || len(err.Error()) > 300 {
			t.Errorf("an error of %d bytes", len(fmt.Sprint(err)))
		}
	}
}

func TestAppend(t *testing.T) {
	for _, tt := range []struct{ in, text, attr string }{
		{"plain", "plain", "plain"},
		{`<&>"'`, `&lt;&amp;&gt;"'`, `&lt;&amp;&gt;&quot;&#39;`},
		{"a\tb\nc\rd", "a\tb\nc&#13;d", "a&#9;b&#10;c&#13;d"},
		{"\x00\x1b\x7f", "\ufffd\ufffd\x7f", "\ufffd\ufffd\x7f"},
		{"é\xff\ufffe\U0001F600", "é\ufffd\ufffd\U0001F600", "é\ufffd\ufffd\U0001F600"},
		{"]]>", "]]&gt;", "]]&gt;"},
	} {
		if got := string(AppendText([]byte("x"), tt.in)); got != "x"+tt.text {
			t.Errorf("AppendText(%q) = %q", tt.in, got)
		}
		if got := string(AppendAttr([]byte("x"), tt.in)); got != "x"+tt.attr {
			t.Errorf("AppendAttr(%q) = %q", tt.in, got)
		}
	}
}
