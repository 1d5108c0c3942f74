package xmltext

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// dump writes what the scanner sees, one token after the other: {space}local
// [attributes], /local, and text in quotes; parts of a text are joined.
func dump(doc []byte, scope ...Binding) (string, error) {
	var s Scanner
	s.ResetIn(doc, scope)
	var out, text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			fmt.Fprintf(&out, "%q ", text.String())
			text.Reset()
		}
	}
	for {
		kind, err := s.Next()
		if err != nil {
			return out.String(), err
		}
		if kind != Text {
			flush()
		}
		switch kind {
		case EOF:
			return strings.TrimSpace(out.String()), nil
		case Text:
			text.Write(s.Text)
		case End:
			fmt.Fprintf(&out, "/%s ", s.Local)
		case Start:
			out.WriteString(full(s.Space, s.Local))
			for _, a := range s.Attrs {
				fmt.Fprintf(&out, " %s=%q", full(a.Space, a.Local), a.Value)
			}
			out.WriteString(" ")
		}
	}
}

func full(space, local []byte) string {
	if len(space) == 0 {
		return string(local)
	}
	return "{" + string(space) + "}" + string(local)
}

func TestScan(t *testing.T) {
	for _, tt := range []struct{ name, doc, want string }{
		{"empty element", `<a/>`, `a /a`},
		{"text", `<a>b</a>`, `a "b" /a`},
		{"byte order mark", "\xef\xbb\xbf<a/>", `a /a`},
		{"declaration", "<?xml version='1.0' encoding='utf-8' standalone='no' ?>\n<a/>\n", `a /a`},
		{"XML 1.0 §2.8: other 1.x", `<?xml version="1.7"?><a/>`, `a /a`},
		{"default namespace", `<a xmlns="u"><b/><c xmlns=""><d/></c></a>`, `{u}a {u}b /b c d /d /c /a`},
		{"prefixes", `<p:a xmlns:p="u" p:x="1" x="2"><p:b xmlns:p="v"/><p:c/></p:a>`, `{u}a {u}x="1" x="2" {v}b /b {u}c /c /a`},
		{"declaration behind use", `<p:a p:x="1" xmlns:p="u"/>`, `{u}a {u}x="1" /a`},
		{"xml:lang", `<a xml:lang="en"/>`, `a {` + NS + `}lang="en" /a`},
		{"xml declared", `<a xmlns:xml="` + NS + `" xml:lang="en"/>`, `a {` + NS + `}lang="en" /a`},
		{"references", `<a b="&lt;&quot;&#x41;&#10;">&amp;&gt;&apos;&#65;&#x1F600;</a>`, `a b="<\"A\n" "&>'A😀" /a`},
		{"leading zeros", `<a>&#000000000000000065;</a>`, `a "A" /a`},
		{"CDATA", `<a>b<![CDATA[<&]]]]><![CDATA[>]]>c</a>`, `a "b<&]]>c" /a`},
		{"comments and instructions", "<!-- - --><?p q?><a>b<!--c-->d<?e?>f</a><!----><?g?>", `a "bdf" /a`},
		{"XML 1.0 §2.11 line ends", "<a b='c\r\nd\re'>f\r\ng\rh<![CDATA[\r\ni\r]]></a>", `a b="c d e" "f\ng\nh\ni\n" /a`},
		{"XML 1.0 §3.3.3 white space", "<a b=' \t\n&#9;&#10;'/>", `a b="   \t\n" /a`},
		{"quotes in quotes", `<a b='"' c="'>"/>`, `a b="\"" c="'>" /a`},
		{"white space in tags", "<a\n b = '1'\t></a >", `a b="1" /a`},
		{"names", `<_a.b-c1 é="1"><öl/></_a.b-c1>`, `_a.b-c1 é="1" öl /öl /_a.b-c1`},
		{"wide text", "<a>é\u00a0\ufffd\U0010ffff</a>", `a "é\u00a0�\U0010ffff" /a`},
		{"> and ] in text", `<a>]] > ]]</a>`, `a "]] > ]]" /a`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := dump([]byte(tt.doc))
			if err != nil {
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// refused are documents with their fault and its place.
var refused = []struct{ name, doc, place, msg string }{
	{"nothing", ``, "1:1", "no root"},
	{"white space", "\n ", "2:2", "no root"},
	{"text alone", `a`, "1:1", "outside the root"},
	{"not closed", "<a>\n<b/>", "2:5", "inside <a>"},
	{"not ended", `<a`, "1:3", "ends in a tag"},
	{"one bracket", `<a><`, "1:4", "ends in a tag"},
	{"mismatch", `<a></b>`, "1:4", "does not match <a>"},
	{"longer end tag", `<a></ab>`, "1:4", "does not match"},
	{"prefix mismatch", `<p:a xmlns:p="u" xmlns:q="u"></q:a>`, "1:30", "does not match"},
	{"only an end", `</a>`, "1:1", "without a start"},
	{"one end too many", `<a/></a>`, "1:5", "without a start"},
	{"attribute in end tag", `<a></a b="c">`, "1:8", "does not end"},
	{"second root", `<a/><b/>`, "1:5", "second root"},
	{"junk behind", "<a/>\nx", "2:1", "outside the root"},
	{"CDATA behind", `<a/><![CDATA[]]>`, "1:5", "outside the root"},
	{"reference behind", `<a/>&#32;`, "1:5", "outside the root"},
	{"DOCTYPE", `<!DOCTYPE a><a/>`, "1:1", "document type"},
	{"element declaration", `<!ELEMENT a ANY><a/>`, "1:1", "unknown markup"},
	{"entity", `<a>&nbsp;</a>`, "1:4", "undefined entity"},
	{"bare &", `<a>a & b</a>`, "1:6", "undefined entity"},
	{"entity in attribute", `<a b="&c;"/>`, "1:7", "undefined entity"},
	{"reference to nothing", `<a>&#;</a>`, "1:4", "broken reference"},
	{"reference to nothing", `<a>&#x;</a>`, "1:4", "broken reference"},
	{"capital X", `<a>&#X41;</a>`, "1:4", "broken reference"},
	{"reference to NUL", `<a>&#0;</a>`, "1:4", "broken reference"},
	{"reference to a surrogate", `<a>&#xD800;</a>`, "1:4", "broken reference"},
	{"reference to FFFE", `<a>&#xFFFE;</a>`, "1:4", "broken reference"},
	{"reference beyond", `<a>&#x110000;</a>`, "1:4", "broken reference"},
	{"reference overflow", `<a>&#99999999999999999999;</a>`, "1:4", "broken reference"},
	{"control character", "<a>\x01</a>", "1:4", "U+0001"},
	{"NUL", "<a/>\x00", "1:5", "U+0000"},
	{"broken UTF-8", "<a>\xff</a>", "1:4", "UTF-8"},
	{"overlong", "<a>\xc0\x80</a>", "1:4", "UTF-8"},
	{"surrogate", "<a>\xed\xa0\x80</a>", "1:4", "UTF-8"},
	{"U+FFFE", "<a>\ufffe</a>", "1:4", "XML character"},
	{"U+FFFF in a comment", "<a><!--\uffff--></a>", "1:8", "XML character"},
	{"UTF-16", "\xfe\xff\x00<\x00a", "1:1", "UTF-8"},
	{"]]>", `<a>b]]>c</a>`, "1:5", "]]> in text"},
	{"-- in comment", `<a><!-- -- --></a>`, "1:9", "-- in a comment"},
	{"--->", `<a><!-- ---></a>`, "1:9", "-- in a comment"},
	{"comment", `<a><!-- -</a>`, "1:4", "comment does not end"},
	{"<!-->", `<a><!--></a>`, "1:4", "comment does not end"},
	{"CDATA", `<a><![CDATA[</a>`, "1:4", "CDATA section does not end"},
	{"cdata", `<a><![cdata[]]></a>`, "1:4", "unknown markup"},
	{"instruction", `<a><?b></a>`, "1:4", "instruction does not end"},
	{"instruction without a target", `<a><? b?></a>`, "1:6", "not a name"},
	{"instruction with a colon", `<a><?b:c?></a>`, "1:4", "colon"},
	{"late declaration", ` <?xml version="1.0"?><a/>`, "1:2", "not at the beginning"},
	{"second declaration", `<?xml version="1.0"?><?XML version="1.0"?><a/>`, "1:22", "not at the beginning"},
	{"declaration without version", `<?xml encoding="UTF-8"?><a/>`, "1:1", "broken XML declaration"},
	{"empty declaration", `<?xml ?><a/>`, "1:1", "without a version"},
	{"XML 2.0", `<?xml version="2.0"?><a/>`, "1:1", "not XML 1.0"},
	{"other encoding", `<?xml version="1.0" encoding="ISO-8859-1"?><a/>`, "1:1", "not UTF-8"},
	{"order in declaration", `<?xml version="1.0" standalone="yes" encoding="UTF-8"?><a/>`, "1:1", "broken XML declaration"},
	{"no space in declaration", `<?xml version="1.0"encoding="UTF-8"?><a/>`, "1:1", "broken XML declaration"},
	{"standalone", `<?xml version="1.0" standalone="maybe"?><a/>`, "1:1", "broken XML declaration"},
	{"attribute twice", `<a b="1" b="2"/>`, "1:10", "twice"},
	{"expanded name twice", `<a xmlns:p="u" xmlns:q="u" p:b="1" q:b="2"/>`, "1:36", "twice"},
	{"declaration twice", `<a xmlns:p="u" xmlns:p="u"/>`, "1:16", "declared twice"},
	{"default twice", `<a xmlns="u" xmlns="v"/>`, "1:14", "declared twice"},
	{"undeclared prefix", `<p:a/>`, "1:1", "p is not declared"},
	{"undeclared in attribute", `<a p:b="1"/>`, "1:4", "p is not declared"},
	{"out of scope", `<a><b xmlns:p="u"/><p:c/></a>`, "1:20", "p is not declared"},
	{"prefix undeclared", `<a xmlns:p=""/>`, "1:4", "declared empty"},
	{"prefix xmlns", `<a xmlns:xmlns="u"/>`, "1:4", "reserved"},
	{"element xmlns", `<xmlns:a/>`, "1:1", "not declared"},
	{"prefix xml bound away", `<a xmlns:xml="u"/>`, "1:4", "reserved"},
	{"xml bound to another", `<a xmlns:p="` + NS + `"/>`, "1:4", "reserved"},
	{"xml as default", `<a xmlns="` + NS + `"/>`, "1:4", "reserved"},
	{"xmlns as a name", `<a xmlns="` + xmlnsNS + `"/>`, "1:4", "reserved"},
	{"two colons", `<a:b:c xmlns:a="u"/>`, "1:2", "qualified name"},
	{"colon first", `<:a/>`, "1:2", "qualified name"},
	{"colon last", `<a: xmlns:a="u"/>`, "1:2", "qualified name"},
	{"digit behind the colon", `<a:1 xmlns:a="u"/>`, "1:2", "qualified name"},
	{"colon attribute", `<a :b="1"/>`, "1:4", "qualified name"},
	{"xmlns with two colons", `<a xmlns:p:q="u"/>`, "1:4", "qualified name"},
	{"xmlns with a digit", `<a xmlns:1="u"/>`, "1:4", "qualified name"},
	{"xmlns: alone", `<a xmlns:="u"/>`, "1:4", "qualified name"},
	{"name with a digit", `<1a/>`, "1:2", "not a name"},
	{"space before the name", `< a/>`, "1:2", "not a name"},
	{"wide non-name", "<a\u00d7/>", "1:2", "not a name"},
	{"combining mark first", "<\u0300a/>", "1:2", "not a name"},
	{"combining mark behind the colon", "<p:\u0300a xmlns:p='u'/>", "1:2", "qualified name"},
	{"no value", `<a b/>`, "1:5", "has no value"},
	{"no quotes", `<a b=c/>`, "1:6", "not quoted"},
	{"no end of value", `<a b="c/>`, "1:6", "does not end"},
	{"< in value", `<a b="<"/>`, "1:7", "a < in"},
	{"no space between attributes", `<a b="1"c="2"/>`, "1:9", "no space"},
	{"/ in tag", `<a / >`, "1:4", "a / inside"},
	{"& in a namespace", `<a xmlns="&b;"/>`, "1:11", "undefined entity"},
}

func TestScanRefuses(t *testing.T) {
	for _, tt := range refused {
		t.Run(tt.name, func(t *testing.T) {
			got, err := dump([]byte(tt.doc))
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %s, %v", got, err)
			}
			if e.TooLarge || e.Restricted != (tt.name == "DOCTYPE") {
				t.Errorf("TooLarge %v, Restricted %v", e.TooLarge, e.Restricted)
			}
			if place := fmt.Sprintf("%d:%d", e.Line, e.Col); place != tt.place || !strings.Contains(e.Msg, tt.msg) {
				t.Errorf("got %s %q, want %s %q", place, e.Msg, tt.place, tt.msg)
			}
		})
	}
}
