package xmltext

import (
	"bytes"
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

func addCorpus(f *testing.F) {
	f.Helper()
	files, err := filepath.Glob("../../testdata/pidf/*/*.xml")
	if err != nil || len(files) == 0 {
		f.Fatalf("no corpus: %v", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, s := range []string{
		`<a xmlns="u"><b xmlns="" p:c="&#65;&lt;" xmlns:p="v"/>x<![CDATA[y]]>z</a>`,
		"<a b='\r\n\t'>\r\n]]</a>", `<p:a xmlns:p="u"><p:b p:c="d"></p:b ></p:a >`, `<?a b?><a/><!-- -->`,
	} {
		f.Add([]byte(s))
	}
}

// oracle is dump with encoding/xml.
func oracle(doc []byte) (string, error) {
	d := xml.NewDecoder(bytes.NewReader(doc))
	var out, text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			out.WriteString(quote(text.String()))
			text.Reset()
		}
	}
	depth := 0
	for {
		tok, err := d.Token()
		if err == io.EOF {
			flush()
			return strings.TrimSpace(out.String()), nil
		}
		if err != nil {
			return out.String(), err
		}
		switch tok := tok.(type) {
		case xml.CharData:
			if depth > 0 {
				text.Write(tok)
			}
		case xml.StartElement:
			flush()
			depth++
			out.WriteString(full([]byte(tok.Name.Space), []byte(tok.Name.Local)))
			for _, a := range tok.Attr {
				if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
					continue
				}
				// encoding/xml leaves the prefix xml as it is, and does not
				// normalise white space.
				out.WriteString(" " + full([]byte(a.Name.Space), []byte(a.Name.Local)) + "=" + quote(a.Value))
			}
			out.WriteString(" ")
		case xml.EndElement:
			flush()
			depth--
			out.WriteString("/" + tok.Name.Local + " ")
		}
	}
}

func quote(s string) string { return "\"" + s + "\" " }

// plain is dump in the words of oracle.
func plain(doc []byte) (string, error) {
	var s Scanner
	s.Reset(doc)
	var out, text strings.Builder
	for {
		kind, err := s.Next()
		if err != nil {
			return "", err
		}
		if kind != Text && text.Len() > 0 {
			out.WriteString(quote(text.String()))
			text.Reset()
		}
		switch kind {
		case EOF:
			return strings.TrimSpace(out.String()), nil
		case Text:
			text.Write(s.Text)
		case End:
			out.WriteString("/" + string(s.Local) + " ")
		case Start:
			out.WriteString(full(s.Space, s.Local))
			for _, a := range s.Attrs {
				out.WriteString(" " + full(a.Space, a.Local) + "=" + quote(string(a.Value)))
			}
			out.WriteString(" ")
		}
	}
}

// Whatever the scanner accepts, encoding/xml accepts and sees the same in it.
func FuzzScanner(f *testing.F) {
	addCorpus(f)
	f.Fuzz(func(t *testing.T, doc []byte) {
		got, err := plain(doc)
		if err != nil {
			return
		}
		if !utf8.Valid(doc) {
			t.Fatal("accepted what is not UTF-8")
		}
		want, err := oracle(doc)
		if err != nil {
			// It has the names of XML 1.0's fourth edition, no versions but
			// 1.0, and no US-ASCII.
			for _, known := range []string{"invalid XML name", "unsupported version", "encoding", "invalid character entity"} {
				if strings.Contains(err.Error(), known) {
					return
				}
			}
			t.Fatalf("encoding/xml: %v\n%q", err, doc)
		}
		if bytes.HasPrefix(doc, []byte("\xef\xbb\xbf")) {
			want = strings.TrimPrefix(want, "\ufeff")
		}
		if squash(got) != squash(want) {
			t.Fatalf("got  %q\nwant %q\nfor %q", got, want, doc)
		}
	})
}

// squash makes alike what encoding/xml does otherwise: white space in
// attribute values, and names that have the prefix xml or are in its namespace.
func squash(s string) string {
	s = strings.ReplaceAll(s, "{"+NS+"}", "{xml}")
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r == '\r' {
			return ' '
		}
		return r
	}, s)
}

// What Raw returns stands alone, and means the same anywhere.
func FuzzRaw(f *testing.F) {
	addCorpus(f)
	f.Fuzz(func(t *testing.T, doc []byte) {
		_, err := dump(doc)
		if err != nil {
			return
		}
		var s Scanner
		s.Reset(doc)
		s.Next()
		err = s.Each(func() error {
			m := s.Mark()
			want := walk(t, &s)
			s.Rewind(m)
			raw, err := s.Raw()
			if err != nil {
				t.Fatal(err)
			}
			var alone Scanner
			alone.Reset([]byte(`<x xmlns="other">` + raw + `</x>`))
			alone.Next()
			kind, err := alone.Next()
			if kind != Start || err != nil {
				t.Fatalf("%v for %q", err, raw)
			}
			m = alone.Mark()
			if got := walk(t, &alone); got != want {
				t.Fatalf("got  %q\nwant %q", got, want)
			}
			alone.Rewind(m)
			if again, err := alone.Raw(); again != raw || err != nil {
				t.Fatalf("again %q, %v\nwas %q", again, err, raw)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// walk is what is in the current element.
func walk(t *testing.T, s *Scanner) string {
	t.Helper()
	out := full(s.Space, s.Local)
	for _, a := range s.Attrs {
		out += " " + full(a.Space, a.Local) + "=" + quote(string(a.Value))
	}
	for {
		kind, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		switch kind {
		case Start:
			out += "(" + walk(t, s) + ")"
		case Text:
			out += string(s.Text)
		default:
			return out
		}
	}
}

// Any text comes back from an element and an attribute, but for what XML does
// not allow.
func FuzzAppend(f *testing.F) {
	f.Add("a<b>&'\"\r\n\t]]>\x00\xff\ufffe")
	f.Fuzz(func(t *testing.T, text string) {
		want := strings.Map(func(r rune) rune {
			if !isChar(r) {
				return utf8.RuneError
			}
			return r
		}, text)
		doc := AppendAttr([]byte(`<a b="`), text)
		doc = AppendText(append(doc, `">`...), text)
		doc = append(doc, "</a>"...)
		var s Scanner
		s.Reset(doc)
		kind, err := s.Next()
		if kind != Start || err != nil {
			t.Fatal(err)
		}
		if got := string(s.Attr("b")); got != want {
			t.Errorf("attribute %q, want %q", got, want)
		}
		if got, err := s.Content(); got != want || err != nil {
			t.Errorf("text %q, want %q: %v", got, want, err)
		}
	})
}

func BenchmarkScan(b *testing.B) {
	doc, err := os.ReadFile("../../testdata/pidf/rpid/rfc4480-4-full.xml")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	var s Scanner
	for b.Loop() {
		s.Reset(doc)
		for kind := Start; kind != EOF; {
			kind, err = s.Next()
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
