package mapping

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/mapping/presence/sample"
)

// Any documents at all: one answer whatever the order, the document says what
// was decided, sources stay as they are, and ids differ.
func TestComposeProperty_Any(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var of []presence.Source
		for n := range rapid.IntRange(1, 4).Draw(t, "sources") {
			c := rapid.SampledFrom([]presence.SourceClass{session, session, call, calendar, manual}).Draw(t, "class")
			src := from(n+1, c, sample.State(func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "pick") }))
			src.Rank = rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(t, "rank")
			of = append(of, src)
		}
		now := noon.Add(0)
		var before []string
		for i := range of {
			before = append(before, string(Standard.AppendJSON(nil, presence.Addr{}, of[i].State, now)))
		}
		r := &Rules{Composition: presence.Composition{Strict: rapid.Bool().Draw(t, "strict")}}
		s, next := r.Compose(of, now)
		shuffled, later := r.Compose(rapid.Permutation(of).Draw(t, "order"), now)
		if !presence.Equal(s, shuffled) || !next.Equal(later) {
			t.Fatalf("another order, another state: %+v, %+v", s, shuffled)
		}
		if !next.IsZero() && !next.After(now) {
			t.Fatalf("changes in the past: %v", next)
		}
		for i := range of {
			if before[i] != string(Standard.AppendJSON(nil, presence.Addr{}, of[i].State, now)) {
				t.Fatal("a source was changed")
			}
		}
		ids := map[string]bool{}
		for _, x := range s.Services {
			if ids[x.ID] {
				t.Fatalf("twice the id %q", x.ID)
			}
			ids[x.ID] = true
		}
		if r.Strict() {
			return
		}
		got, want := r.Effective(s, now), whatIsDecided(of)
		if !agree(got, want) && want.Word != Offline {
			t.Fatalf("says %+v, decided was %+v\n%+v", got, want, s)
		}
	})
}
