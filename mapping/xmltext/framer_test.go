package xmltext

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// cut feeds stream to a Framer in portions of n bytes and returns the pieces.
func cut(stream string, maximum, n int) (pieces []string, err error) {
	f := Framer{Max: maximum}
	var buf []byte
	for {
		for {
			p, begin, end, err := f.Next(buf)
			if err != nil {
				return pieces, err
			}
			if p != More {
				text := string(buf[begin:end])
				if p == TooLarge {
					text = ""
				}
				pieces = append(pieces, fmt.Sprintf("%d%s", p, text))
			}
			buf = buf[end:]
			if p == More {
				break
			}
		}
		if len(buf) > maximum+n {
			return pieces, fmt.Errorf("%d bytes are kept", len(buf))
		}
		if stream == "" {
			return pieces, nil
		}
		n := min(n, len(stream))
		buf = append(buf, stream[:n]...)
		stream = stream[n:]
	}
}

func TestFramer(t *testing.T) {
	const header = `<?xml version='1.0'?> <stream:stream xmlns='jabber:client' xmlns:stream='s' a=">">`
	const whole = `1` + header
	for _, tt := range []struct {
		name, stream string
		want         []string
	}{
		{"stanzas", header + ` <a/><b>c</b> <d e='/>'><f/>x</d>` + "\n" + `</stream:stream>`,
			[]string{whole, `2<a/>`, `2<b>c</b>`, `2<d e='/>'><f/>x</d>`, `4</stream:stream>`}},
		{"no declaration", `<s><a/></s>`, []string{`1<s>`, `2<a/>`, `4</s>`}},
		{"CDATA", `<s><a><![CDATA[</a>]]]>]]></a></s>`, []string{`1<s>`, `2<a><![CDATA[</a>]]]>]]></a>`, `4</s>`}},
		{"quotes in quotes", `<s><a b='">' c="'/>" ><d e='/'>/</d></a></s>`, []string{`1<s>`, `2<a b='">' c="'/>" ><d e='/'>/</d></a>`, `4</s>`}},
		{"white space keeps alive", "<s>\n \t\n<a/>  ", []string{`1<s>`, `2<a/>`}},
		{"not complete", `<s><a><b></b>`, []string{`1<s>`}},
		{"empty stream", `<s a='b'/> `, []string{`1<s a='b'/>`}},
		{"too large", `<s><a>` + strings.Repeat("<b>c</b>", 100) + `</a><d/><e>` + strings.Repeat("f", 199) + `</e></s>`,
			[]string{`1<s>`, `3`, `2<d/>`, `3`, `4</s>`}},
		{"as large as it may be", `<s><e>` + strings.Repeat("f", 193) + `</e></s>`, []string{`1<s>`, `2<e>` + strings.Repeat("f", 193) + `</e>`, `4</s>`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for n := 1; n <= len(tt.stream); n++ {
				got, err := cut(tt.stream, 200, n)
				if err != nil || fmt.Sprintf("%q", got) != fmt.Sprintf("%q", tt.want) {
					t.Fatalf("%d bytes at a time: %v\ngot  %q\nwant %q", n, err, got, tt.want)
				}
			}
		})
	}
}

func TestFramerRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, stream         string
		restricted, tooLarge bool
	}{
		{"RFC 6120 §11.1 comment", `<s><!-- --></s>`, true, false},
		{"RFC 6120 §11.1 comment in a stanza", `<s><a><!-- --></a></s>`, true, false},
		{"RFC 6120 §11.1 instruction", `<s><?a b?></s>`, true, false},
		{"RFC 6120 §11.1 document type", `<!DOCTYPE s><s>`, true, false},
		{"late declaration", `<s><?xml version='1.0'?></s>`, true, false},
		{"two declarations", `<?xml version='1.0'?><?xml version='1.0'?><s>`, true, false},
		{"instruction first", `<?xml-stylesheet a?><s>`, true, false},
		{"CDATA beside stanzas", `<s><![CDATA[ ]]></s>`, true, false},
		{"text beside stanzas", `<s>a</s>`, false, false},
		{"text before the stream", `a<s>`, false, false},
		{"only an end", `</s>`, false, false},
		{"behind the end", `<s></s><t>`, false, false},
		{"long header", `<s a='` + strings.Repeat("b", 300) + `'>`, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for n := 1; n <= len(tt.stream); n++ {
				got, err := cut(tt.stream, 200, n)
				var e *Error
				if !errors.As(err, &e) || e.Restricted != tt.restricted || e.TooLarge != tt.tooLarge {
					t.Fatalf("%d bytes at a time: %v, %q", n, err, got)
				}
			}
		})
	}
}

// One byte at a time, a stanza costs no more than linear time.
func TestFramerIsLinear(t *testing.T) {
	stanza := `<a b="` + strings.Repeat("c", 1<<20) + `">` + strings.Repeat("d", 1<<20) + `</a>`
	stream := []byte(`<s>` + stanza)
	f := Framer{Max: 4 << 20}
	_, _, end, err := f.Next(stream[:3])
	if err != nil {
		t.Fatal(err)
	}
	stream = stream[end:]
	for n := 0; n < len(stream); n++ {
		if p, _, _, err := f.Next(stream[:n]); p != More || err != nil {
			t.Fatalf("%d bytes: %v, %v", n, p, err)
		}
	}
	if p, _, end, err := f.Next(stream); p != Element || end != len(stream) || err != nil {
		t.Fatal(p, end, err)
	}
}

// The example of the package: a stream, header first, then its stanzas.
func ExampleFramer() {
	stream := `<stream:stream xmlns="jabber:client" xmlns:stream="http://etherx.jabber.org/streams">` +
		`<presence from="juliet@example.com"/> <presence type="unavailable"/></stream:stream>`
	var f Framer
	var s Scanner
	var scope []Binding
	for buf := []byte(stream); ; {
		piece, begin, end, err := f.Next(buf)
		if err != nil {
			fmt.Println(err)
			return
		}
		switch piece {
		case Header:
			s.Reset(buf[begin:end])
			s.Next()
			scope = s.Bindings()
		case Element:
			s.ResetIn(buf[begin:end], scope)
			s.Next()
			fmt.Printf("%s %s %s%s\n", s.Space, s.Local, s.Attr("from"), s.Attr("type"))
		case Footer:
			return
		}
		buf = buf[end:]
	}
	// Output:
	// jabber:client presence juliet@example.com
	// jabber:client presence unavailable
}
