package mapping

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

var allWords = []Word{"", Unknown, Offline, ExtendedAway, Away, Available, Chat, Busy, DND}

// someEvidence draws anything that a source can say, with few different times,
// so that they meet.
func someEvidence() *rapid.Generator[Evidence] {
	return rapid.Custom(func(t *rapid.T) Evidence {
		moment := func(name string) time.Time {
			if n := rapid.IntRange(-4, 4).Draw(t, name); n != -4 {
				return noon.Add(time.Duration(n) * 7 * time.Second)
			}
			return time.Time{}
		}
		return Evidence{
			Source:  rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "source"),
			Class:   presence.SourceClass(rapid.IntRange(0, int(presence.Static)).Draw(t, "class")),
			Word:    rapid.SampledFrom(allWords).Draw(t, "word"),
			Reason:  rapid.SampledFrom([]string{"", "in_call", "in_meeting", "calendar"}).Draw(t, "reason"),
			Idle:    rapid.Bool().Draw(t, "idle"),
			OOF:     rapid.Bool().Draw(t, "oof"),
			Network: rapid.IntRange(0, 1).Draw(t, "network"),
			Since:   moment("since"), ValidUntil: moment("until"), LastInput: moment("input"),
			ObservedAt: moment("observed"), Refresh: time.Duration(rapid.IntRange(0, 2).Draw(t, "refresh")) * 5 * time.Second,
			Was: rapid.SampledFrom(allWords).Draw(t, "was"), WentDown: moment("down"), Lost: rapid.Bool().Draw(t, "lost"),
		}
	})
}

func TestD5_Property_Order(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		of := rapid.SliceOfN(someEvidence(), 0, 6).Draw(t, "evidence")
		a, next := Decide(of, noon)
		for range 3 {
			of = rapid.Permutation(of).Draw(t, "order")
			b, later := Decide(of, noon)
			if a != b || !next.Equal(later) {
				t.Fatalf("another order, another answer: %+v %v, %+v %v", a, next, b, later)
			}
		}
		// Idempotence: the same evidence twice is the same evidence.
		b, later := Decide(slices.Concat(of, of), noon)
		if a != b || !next.Equal(later) {
			t.Fatalf("said twice: %+v, %+v", a, b)
		}
	})
}

// Totality: there is always a word of the list, with the flags that go with it.
func TestD5_Property_Total(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, next := Decide(rapid.SliceOfN(someEvidence(), 0, 6).Draw(t, "evidence"), noon)
		if !slices.Contains(allWords[1:], a.Word) {
			t.Fatalf("word %q", a.Word)
		}
		if _, ok := reasonRank[a.Reason]; !ok {
			t.Fatalf("reason %q", a.Reason)
		}
		if !next.IsZero() && !next.After(noon) || !a.Until.IsZero() && !a.Until.After(noon) || a.Since.After(noon) {
			t.Fatalf("%+v, next %v", a, next)
		}
	})
}

func TestD5_Property_Invisible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		of := rapid.SliceOfN(someEvidence(), 0, 6).Draw(t, "evidence")
		hidden := Evidence{Class: presence.Manual, Word: Offline, OOF: true, LastInput: noon, Reason: "in_meeting"}
		a, _ := Decide(append(of, hidden), noon)
		if a != (Availability{Word: Offline}) {
			t.Fatalf("hints of more: %+v", a)
		}
	})
}

// The extension alone makes dnd: without it in the evidence nobody is, and with
// the user's own word nothing makes less of it.
func TestD5_Property_DNDApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		of := rapid.SliceOfN(someEvidence(), 0, 6).Draw(t, "evidence")
		for i := range of {
			if of[i].Word == DND {
				of[i].Word = Busy
			}
			if of[i].Was == DND {
				of[i].Was = Busy
			}
		}
		a, _ := Decide(of, noon)
		if a.Word == DND {
			t.Fatalf("nobody says dnd: %+v", a)
		}
		of = slices.DeleteFunc(of, func(e Evidence) bool { return e.Class == presence.Manual })
		a, _ = Decide(append(of, Evidence{Class: presence.Manual, Word: DND}), noon)
		if a.Word != DND || !a.Manual {
			t.Fatalf("the user says dnd: %+v", a)
		}
	})
}

// Nothing changes before next, and what has an end is over at its end, not a
// nanosecond later.
func TestD5_Property_Until(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		of := rapid.SliceOfN(someEvidence(), 0, 6).Draw(t, "evidence")
		for now := noon; ; {
			a, next := Decide(of, now)
			if next.IsZero() {
				later, _ := Decide(of, now.Add(1000*time.Hour))
				if a != later {
					t.Fatalf("never changes, and does: %+v, %+v", a, later)
				}
				return
			}
			b, _ := Decide(of, next.Add(-1))
			if a != b {
				t.Fatalf("changes before %v: %+v, %+v", next, a, b)
			}
			ended := slices.DeleteFunc(slices.Clone(of), func(e Evidence) bool { return e.ValidUntil.Equal(next) })
			at, _ := Decide(of, next)
			without, _ := Decide(ended, next)
			if at != without {
				t.Fatalf("at %v what ends then counts: %+v, %+v", next, at, without)
			}
			now = next
		}
	})
}
