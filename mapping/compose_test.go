package mapping

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// from is the n-th source, of class c.
func from(n int, c presence.SourceClass, s *presence.State) presence.Source {
	return presence.Source{ID: fmt.Sprint("s", n), Class: c, Seq: uint64(n), Changed: uint64(n),
		Arrived: noon.Add(time.Duration(n-100) * time.Minute), State: s}
}

// chosen is what the web publishes for a word that its user chose.
func chosen(t testing.TB, doc string) *presence.State {
	t.Helper()
	s, err := FromJSON([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// deskPhone is a phone that is signed in.
func deskPhone(a *presence.Activities) *presence.State {
	s := state(a, presence.Service{ID: "phone", Basic: presence.Open, Contact: &presence.Contact{URI: "sip:a@192.0.2.1"}})
	return s
}

func person(names ...string) *presence.State { return state(doing(names...)) }

// Two sources disagree, and every network is shown the same.
func TestComposeDecides(t *testing.T) {
	for _, c := range []struct {
		name string
		want Availability
		show string // to Jabber watchers, of the phone
		of   []presence.Source
	}{
		{"calendar busy, phone open", Availability{Word: Busy, Reason: "in_meeting"}, "dnd", []presence.Source{
			from(1, calendar, person("meeting")), from(2, session, deskPhone(nil))}},
		{"calendar busy, phone away", Availability{Word: Away}, "away", []presence.Source{
			from(1, session, deskPhone(doing("away"))), from(2, calendar, person("meeting"))}},
		{"calendar busy, nobody signed in", Availability{Word: Offline}, "", []presence.Source{from(1, calendar, person("meeting"))}},
		{"calendar out of office, phone open", Availability{Word: Available, OOF: true}, "", []presence.Source{
			from(1, calendar, person("away", "+out-of-office")), from(2, session, deskPhone(nil))}},
		{"manual away, phone open", Availability{Word: Away, Manual: true}, "away", []presence.Source{
			from(1, session, chosen(t, `{"availability":"away"}`)), from(2, session, deskPhone(nil))}},
		{"manual dnd, phone newly busy", Availability{Word: DND, Manual: true}, "dnd", []presence.Source{
			from(1, session, chosen(t, `{"availability":"dnd"}`)), from(2, session, deskPhone(doing("meeting")))}},
		{"manual available, phone newly busy", Availability{Word: Available, Manual: true}, "", []presence.Source{
			from(1, session, chosen(t, `{"availability":"available"}`)), from(2, session, deskPhone(doing("busy")))}},
		{"manual available, call", Availability{Word: Busy, Reason: "in_call"}, "dnd", []presence.Source{
			from(1, call, person("on-the-phone")), from(2, session, chosen(t, `{"availability":"available"}`)), from(3, session, deskPhone(nil))}},
		{"manual dnd, call", Availability{Word: DND, Reason: "in_call", Manual: true}, "dnd", []presence.Source{
			from(1, call, person("on-the-phone")), from(2, session, chosen(t, `{"availability":"dnd"}`)), from(3, session, deskPhone(nil))}},
		{"a call and nobody signed in", Availability{Word: Busy, Reason: "in_call"}, "", []presence.Source{
			from(1, call, person("on-the-phone")), from(2, session, state(nil, closed))}},
		{"two manual", Availability{Word: DND, Manual: true}, "dnd", []presence.Source{
			from(1, session, chosen(t, `{"availability":"away"}`)), from(2, session, chosen(t, `{"availability":"dnd"}`)), from(3, session, deskPhone(nil))}},
		{"manual by class", Availability{Word: Away, Manual: true}, "away", []presence.Source{
			from(1, manual, person("away")), from(2, session, deskPhone(nil))}},
		{"two phones", Availability{Word: Busy}, "dnd", []presence.Source{from(1, session, deskPhone(nil)), from(2, session, person("busy"))}},
		{"manual, a phone shows a client's own", Availability{Word: Busy, Manual: true}, "dnd", []presence.Source{
			from(1, session, chosen(t, `{"availability":"busy"}`)), from(2, session, state(nil, presence.Service{ID: "phone", Basic: presence.Open, Show: "chat"}))}},
		{"a call, a phone shows a client's own", Availability{Word: Busy, Reason: "in_call"}, "dnd", []presence.Source{
			from(1, call, person("on-the-phone")), from(2, session, state(nil, presence.Service{ID: "phone", Basic: presence.Open, Show: "chat"}))}},
		{"manual available, a phone that is not willing", Availability{Word: Available, Manual: true}, "", []presence.Source{
			from(1, session, chosen(t, `{"availability":"available"}`)), from(2, session, overriding(presence.Closed, time.Time{}, open("")))}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := Standard.Compose(c.of, noon)
			got := Standard.Effective(s, noon)
			got.Since = time.Time{}
			if got != c.want {
				t.Errorf("got %+v, want %+v\n%+v", got, c.want, s)
			}
			for _, p := range wordsOnly.ToXMPP(s, noon) {
				if p.Resource == "phone" && (p.Unavailable || p.Show != c.show) {
					t.Errorf("Jabber watchers see %+v, want show %q", p, c.show)
				}
			}
		})
	}
}

// D5_e in documents: nothing tells someone who does not want to be seen from
// someone who is not there.
func TestComposeInvisible(t *testing.T) {
	for _, doc := range []string{`{"availability":"offline","note":{"text":"gone fishing"}}`,
		`{"availability":"offline","person":{"activities":{"values":[{"name":"vacation"}]}}}`} {
		hidden := []presence.Source{from(1, session, deskPhone(doing("busy"))), from(2, session, chosen(t, doc)), from(3, call, person("on-the-phone"))}
		got, _ := Standard.Compose(hidden, noon)
		nothing, _ := Standard.Compose(nil, noon)
		if !presence.Equal(got, nothing) {
			t.Errorf("%s: %+v", doc, got)
		}
	}
	invisible := []presence.Source{from(1, session, deskPhone(doing("+invisible", "busy")))}
	got, _ := Standard.Compose(invisible, noon)
	if a := Standard.Effective(got, noon); a != (Availability{Word: Offline}) {
		t.Errorf("invisible: %+v", a)
	}
}

// until of what the user has chosen is kept at that instant, by everything that
// he chose.
func TestComposeUntil(t *testing.T) {
	for _, c := range []struct {
		doc  string
		want Word
	}{
		{`{"availability":"dnd","until":"2026-03-01T12:30:00Z"}`, DND},
		{`{"availability":"available","until":"2026-03-01T12:30:00Z"}`, Available},
		{`{"availability":"away","until":"2026-03-01T12:30:00Z","person":{"activities":{"values":[{"name":"lunch"}]}}}`, Away},
		{`{"availability":"offline","until":"2026-03-01T12:30:00Z"}`, Offline},
	} {
		of := []presence.Source{from(1, session, chosen(t, c.doc)), from(2, session, deskPhone(doing("busy")))}
		end := noon.Add(30 * time.Minute)
		for _, at := range []struct {
			now  time.Time
			want Word
			next time.Time
		}{{noon, c.want, end}, {end.Add(-1), c.want, end}, {end, Busy, time.Time{}}} {
			s, next := Standard.Compose(of, at.now)
			if a := Standard.Effective(s, at.now); a.Word != at.want || !next.Equal(at.next) {
				t.Errorf("%s at %v: %+v, next %v", c.doc, at.now, a, next)
			}
		}
	}
}

// One source alone is shown as it is, whatever it says, unless it hides.
func TestComposeLeavesOneAlone(t *testing.T) {
	for _, c := range effective {
		if c.s == nil || len(c.s.Persons) > 1 {
			continue
		}
		of := []presence.Source{from(1, session, c.s)}
		got, next := Standard.Compose(of, noon)
		want, when := presence.Compose(of, noon)
		if c.name != "invisible leaves no hint" && (!presence.Equal(got, want) || !next.Equal(when)) {
			t.Errorf("%s: %+v, want %+v", c.name, got, want)
		}
	}
}

var docs = []string{`{"availability":"away"}`, `{"availability":"available"}`, `{"availability":"dnd","reason":"in_meeting"}`,
	`{"availability":"chat"}`, `{"availability":"extended_away","oof":true}`, `{"availability":"busy","until":"2026-03-01T12:30:00Z"}`,
	`{"availability":"offline"}`, `{"availability":"busy","manual":false}`, `{"availability":"away","idle":true,"manual":false}`}

// Whatever the sources say and in whatever order they are asked: the document
// that goes to the networks says what was decided, and once composed it says the
// same when it is composed again.
func TestComposeProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var of []presence.Source
		for n := range rapid.IntRange(1, 4).Draw(t, "sources") {
			c := rapid.SampledFrom([]presence.SourceClass{session, session, call, calendar, manual}).Draw(t, "class")
			s := rapid.SampledFrom(effective).Draw(t, "state").s
			if s == nil || rapid.Bool().Draw(t, "web") {
				s, _ = FromJSON([]byte(rapid.SampledFrom(docs).Draw(t, "doc")))
			}
			of = append(of, from(n+1, c, s))
		}
		s, _ := Standard.Compose(of, noon)
		shuffled, _ := Standard.Compose(rapid.Permutation(of).Draw(t, "order"), noon)
		if !presence.Equal(s, shuffled) {
			t.Fatalf("another order, another state: %+v, %+v", s, shuffled)
		}
		got, want := Standard.Effective(s, noon), whatIsDecided(of)
		if !agree(got, want) {
			t.Fatalf("says %+v, decided was %+v\n%+v", got, want, s)
		}
	})
}

// whatIsDecided puts the evidence of the sources together without their
// documents.
func whatIsDecided(of []presence.Source) Availability {
	var evidence []Evidence
	var sessions []presence.Source
	take := func(e *Evidence) { evidence = append(evidence, *e) }
	of = Standard.asTheyCount(of, noon)
	for i := range of {
		if isSession(&of[i]) {
			sessions = append(sessions, of[i])
		} else {
			Standard.evidenceFrom(&of[i], noon, take)
		}
	}
	s, _ := presence.Compose(sessions, noon)
	Standard.evidenceOf(s, noon, func(e Evidence) { take(&e) })
	a, _ := Decide(evidence, noon)
	return a
}

// BenchmarkCompose is a phone alone, and beside it what its user chose on the
// web, with which it agrees or not.
func BenchmarkCompose(b *testing.B) {
	phone := from(1, session, deskPhone(doing("busy")))
	for _, c := range []struct {
		name string
		of   []presence.Source
	}{
		{"one", []presence.Source{phone}},
		{"agree", []presence.Source{phone, from(2, session, chosen(b, `{"availability":"dnd"}`))}},
		{"decide", []presence.Source{from(2, session, chosen(b, `{"availability":"dnd"}`)), from(3, session, deskPhone(doing("busy")))}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Standard.Compose(c.of, noon)
			}
		})
	}
}
