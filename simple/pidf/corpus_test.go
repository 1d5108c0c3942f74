package pidf

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// corpus returns every document of testdata/pidf by its path.
func corpus(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("../../testdata/pidf/*/*.xml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	docs := map[string][]byte{}
	for _, f := range files {
		docs[f], err = os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
	}
	return docs
}

// read returns one document of testdata/pidf.
func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("../../testdata/pidf/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Every document of the corpus survives decode → encode → decode unchanged,
// and the second encoding equals the first.
func TestCorpusRoundTrip(t *testing.T) {
	for name, doc := range corpus(t) {
		t.Run(strings.TrimPrefix(name, "../../testdata/pidf/"), func(t *testing.T) {
			s, err := Decode(doc)
			if strings.Contains(name, "own-doctype") {
				var e *Error
				if !errors.As(err, &e) || e.Line == 0 || !e.Restricted {
					t.Fatalf("should be refused with a place, got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			again(t, s)
		})
	}
}
