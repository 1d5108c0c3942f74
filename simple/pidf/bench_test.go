package pidf

import (
	"os"
	"testing"
)

// large is the example of RFC 4480 §4: 2.5 kB with white space.
func large(b *testing.B) []byte {
	b.Helper()
	doc, err := os.ReadFile("../../testdata/pidf/rpid/rfc4480-4-full.xml")
	if err != nil {
		b.Fatal(err)
	}
	return doc
}

func BenchmarkDecode2KB(b *testing.B) {
	doc := large(b)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		_, err := Decode(doc)
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppend2KB(b *testing.B) {
	s, err := Decode(large(b))
	if err != nil {
		b.Fatal(err)
	}
	dst := Append(nil, s, "")
	b.SetBytes(int64(len(dst)))
	b.ReportAllocs()
	for b.Loop() {
		dst = Append(dst[:0], s, "sip:alice@example.com")
	}
}
