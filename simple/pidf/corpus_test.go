package pidf

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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

// Every document of the corpus survives decode → encode → decode unchanged,
// and the second encoding equals the first.
func TestCorpusRoundTrip(t *testing.T) {
	for name, doc := range corpus(t) {
		t.Run(strings.TrimPrefix(name, "../../testdata/pidf/"), func(t *testing.T) {
			s, err := Decode(doc)
			if refused(name) {
				var e *Error
				if !errors.As(err, &e) || e.Line == 0 {
					t.Fatalf("should be refused with a place, got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			out := Append(nil, s, "")
			again, err := Decode(out)
			if err != nil {
				t.Fatalf("what was written: %v\n%s", err, out)
			}
			if d := cmp.Diff(s, again); d != "" {
				t.Errorf("changed (-first +second):\n%s\n%s", d, out)
			}
			if twice := Append(nil, again, ""); string(twice) != string(out) {
				t.Errorf("not canonical:\n%s\n%s", out, twice)
			}
		})
	}
}

// refused tells the documents that are not well-formed or have a DTD.
func refused(name string) bool {
	base := filepath.Base(name)
	return strings.HasPrefix(base, "own-doctype") || base == "own-empty.xml" && false
}
