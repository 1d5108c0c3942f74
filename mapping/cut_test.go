package mapping

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

func TestCut(t *testing.T) {
	const flag, family, accented = "🇩🇪", "👨‍👩‍👧‍👦", "e\u0301"
	for _, c := range []struct {
		text  string
		limit int
		want  string
	}{
		{"short", 5, "short"},
		{"longer", 5, "lo…"},
		{"ab" + flag + "cd", 10, "ab…"},
		{"ab" + flag + "cdefgh", 13, "ab" + flag + "…"},
		{family + family, 30, family + "…"},
		{accented + accented + "x", 6, accented + "…"},
		{family + family, 4, "…"},
	} {
		if got := Cut(c.text, c.limit); got != c.want {
			t.Errorf("Cut(%q, %d) = %q, want %q", c.text, c.limit, got, c.want)
		}
	}
}

func FuzzCut(f *testing.F) {
	f.Add("👨‍👩‍👧‍👦 family", 9)
	f.Add("e\u0301\u0301\u0301", 4)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		limit = 3 + max(limit, -limit)%1000
		got := Cut(text, limit)
		if len(got) > limit {
			t.Fatalf("%d bytes of %d", len(got), limit)
		}
		if utf8.ValidString(text) && !utf8.ValidString(got) {
			t.Fatalf("%q became %q", text, got)
		}
		if kept, cut := strings.CutSuffix(got, ellipsis); got != text && (!cut || !strings.HasPrefix(text, kept)) {
			t.Fatalf("%q is not the beginning of %q", got, text)
		}
	})
}

// A note of a megabyte shows as its beginning; the side channel has it whole,
// as far as that goes.
func TestToXMPP_LongNoteIsCut(t *testing.T) {
	s := &presence.State{Services: []presence.Service{{ID: "t", Basic: presence.Open,
		Notes: []presence.Note{{Lang: "en", Text: strings.Repeat("🇩🇪", 1<<17)}, {Lang: "de", Text: "kurz"}}}}}
	p := Standard.ToXMPP(s, time.Now())[0]
	if !p.Cut || len(p.Status) != 2 || len(p.Status[0].Text) > maxText || p.Status[1].Text != "kurz" {
		t.Errorf("cut %v: %d texts, the first of %d bytes", p.Cut, len(p.Status), len(p.Status[0].Text))
	}
	if !strings.HasSuffix(p.Status[0].Text, "🇩🇪…") {
		t.Errorf("ends with %q", p.Status[0].Text[len(p.Status[0].Text)-20:])
	}
	if p.Exact == nil || len(p.Exact.Services[0].Notes[0].Text) != 1<<20 {
		t.Error("the side channel does not have it whole")
	}
}
