package mapping

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

var juliet = presence.Addr{Scheme: presence.XMPP, User: "juliet", Host: "im.example"}

func text(lang, s string) []presence.Note { return []presence.Note{{Lang: lang, Text: s}} }

func TestFromXMPP_Table1(t *testing.T) {
	for _, c := range []struct {
		name string
		p    Presence
		want presence.Service
	}{
		{"D2 D4 available", Presence{Resource: "balcony"},
			presence.Service{ID: "ID-balcony", Basic: presence.Open}},
		{"D5 unavailable", Presence{Resource: "balcony", Unavailable: true},
			presence.Service{ID: "ID-balcony", Basic: presence.Closed}},
		{"D6 D10 status by language", Presence{Resource: "r", Status: []presence.Note{{Lang: "en", Text: "here"}, {Lang: "de", Text: "da"}, {Lang: "EN", Text: "again"}, {Lang: "fr"}}},
			presence.Service{ID: "ID-r", Basic: presence.Open, Notes: []presence.Note{{Lang: "en", Text: "here"}, {Lang: "de", Text: "da"}}}},
		{"D7 negative priority", Presence{Resource: "r", HasPriority: true, Priority: -1},
			presence.Service{ID: "ID-r", Basic: presence.Open, StatusExt: []presence.RawXML{{Space: Ext, Local: "priority",
				Bytes: `<priority xmlns="urn:porchlight:presence:1">-1</priority>`}}}},
		{"D8 priority", Presence{Resource: "r", From: juliet, HasPriority: true, Priority: 13},
			presence.Service{ID: "ID-r", Basic: presence.Open, Contact: &presence.Contact{URI: "xmpp:juliet@im.example/r", Priority: "0.102"}}},
		{"contact is a URI (RFC 5122)", Presence{Resource: "é?#/x", From: presence.Addr{Scheme: presence.XMPP, User: "o'malley?", Host: "im.example"}},
			presence.Service{ID: "ID-.c3.a9.3f.23.2fx", Basic: presence.Open, Contact: &presence.Contact{URI: "xmpp:o%5C27malley%3F@im.example/%C3%A9%3F%23%2Fx"}}},
		{"D9 show", Presence{Resource: "r", Show: "xa"},
			presence.Service{ID: "ID-r", Basic: presence.Open, Show: "xa"}},
		{"D9 no such show", Presence{Resource: "r", Show: "<b>"},
			presence.Service{ID: "ID-r", Basic: presence.Open}},
		{"unavailable has no show", Presence{Resource: "r", Show: "xa", Unavailable: true, HasPriority: true, Status: text("", "gone")},
			presence.Service{ID: "ID-r", Basic: presence.Closed, Notes: text("", "gone")}},
		{"XEP-0203 delay", Presence{Resource: "r", Stamp: noon.Add(-time.Hour)},
			presence.Service{ID: "ID-r", Basic: presence.Open, Timestamp: noon.Add(-time.Hour)}},
		{"XEP-0319 idle", Presence{Resource: "r", Idle: noon.Add(-time.Minute)},
			presence.Service{ID: "ID-r", Basic: presence.Open, UserInput: &presence.UserInput{Idle: true, IdleThreshold: 60, LastInput: noon.Add(-time.Minute)}}},
		{"XEP-0319 idle for ten minutes and some", Presence{Resource: "r", Idle: noon.Add(-10*time.Minute - 7*time.Second)},
			presence.Service{ID: "ID-r", Basic: presence.Open, UserInput: &presence.UserInput{Idle: true, IdleThreshold: 600, LastInput: noon.Add(-10*time.Minute - 7*time.Second)}}},
		{"XEP-0319 idle for hours", Presence{Resource: "r", Idle: noon.Add(-5 * time.Hour)},
			presence.Service{ID: "ID-r", Basic: presence.Open, UserInput: &presence.UserInput{Idle: true, LastInput: noon.Add(-5 * time.Hour)}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Standard.FromXMPP(nil, c.p, noon)
			if c.want.Timestamp.IsZero() {
				c.want.Timestamp = noon
			}
			if d := cmp.Diff([]presence.Service{c.want}, got.Services); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func TestFromXMPP_Person(t *testing.T) {
	for _, c := range []struct {
		name   string
		shows  []string
		idle   int // how many of them
		want   []string
		isIdle bool
	}{
		{"D.2 available", []string{""}, 0, nil, false},
		{"D.2 away", []string{"away"}, 0, []string{"away"}, false},
		{"D.2 xa", []string{"xa"}, 0, []string{"away", "+extended-away"}, false},
		{"D.2 dnd is busy", []string{"dnd"}, 0, []string{"busy"}, false},
		{"D.2 chat", []string{"chat"}, 0, []string{"+free-for-chat"}, false},
		{"the foremost counts", []string{"xa", "away", ""}, 0, nil, false},
		{"dnd before all", []string{"chat", "dnd", ""}, 0, []string{"busy"}, false},
		{"idle everywhere", []string{"", "away"}, 2, nil, true},
		{"idle somewhere", []string{"", "away"}, 1, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s *presence.State
			for i, show := range c.shows {
				p := Presence{Resource: string(rune('a' + i)), Show: show}
				if i < c.idle {
					p.Idle = noon.Add(time.Duration(-i) * time.Minute)
				}
				s = Standard.FromXMPP(s, p, noon)
			}
			var want []presence.Person
			if c.want != nil || c.isIdle {
				p := presence.Person{ID: "person"}
				if c.want != nil {
					p.Activities = doing(c.want...)
				}
				if c.isIdle {
					p.UserInput = &presence.UserInput{Idle: true, LastInput: noon}
				}
				want = []presence.Person{p}
			}
			if d := cmp.Diff(want, s.Persons); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

// The idle presence that comes again says nothing new, however late it is.
func TestIdleThresholdStays(t *testing.T) {
	p := Presence{Resource: "r", Idle: noon.Add(-5 * time.Minute)}
	s := Standard.FromXMPP(nil, p, noon)
	if u := s.Services[0].UserInput; u.IdleThreshold != 300 || s.Persons[0].UserInput.IdleThreshold != 300 {
		t.Errorf("threshold = %+v", u)
	}
	if again := Standard.FromXMPP(s, p, noon.Add(12*time.Minute)); again != s {
		t.Errorf("the same again is news: %+v", again.Services[0].UserInput)
	}
}

func ids(s *presence.State) string {
	var b strings.Builder
	for _, t := range s.Services {
		fmt.Fprintf(&b, "%s:%d ", t.ID, t.Basic)
	}
	return strings.TrimSpace(b.String())
}

func TestD12_ManyResources(t *testing.T) {
	var s *presence.State
	for i, c := range []struct {
		p    Presence
		want string
	}{
		{Presence{Resource: "a"}, "ID-a:1"},
		{Presence{Resource: "b", Show: "away"}, "ID-a:1 ID-b:1"},
		{Presence{Resource: "a", Show: "dnd"}, "ID-a:1 ID-b:1"},
		{Presence{Resource: "x", Unavailable: true}, "ID-a:1 ID-b:1"},
		{Presence{Resource: "a", Unavailable: true}, "ID-b:1"},
		{Presence{Resource: "b", Unavailable: true}, "ID-b:2"},
		{Presence{Resource: "b", Unavailable: true}, "ID-b:2"},
		{Presence{Resource: "c"}, "ID-c:1"},
		{Presence{Resource: "d"}, "ID-c:1 ID-d:1"},
		{Presence{Unavailable: true, Status: text("", "server")}, "ID-c:2"},
		{Presence{Resource: "c"}, "ID-c:1"},
	} {
		before := s
		var copyBefore presence.State
		if before != nil {
			copyBefore = *before
			copyBefore.Services = append([]presence.Service(nil), before.Services...)
		}
		s = Standard.FromXMPP(s, c.p, noon)
		if got := ids(s); got != c.want {
			t.Fatalf("step %d, %+v: %s, want %s", i, c.p, got, c.want)
		}
		if before != nil && !presence.Equal(before, &copyBefore) {
			t.Fatalf("step %d changed the old state", i)
		}
	}
	if got := ids(Standard.FromXMPP(nil, Presence{Unavailable: true}, noon)); got != "ID-:2" {
		t.Errorf("nothing known, all unavailable: %s", got)
	}
}

func TestFromXMPPRepeatedIsNoChange(t *testing.T) {
	p := Presence{Resource: "a", Show: "away", From: juliet, Idle: noon, Status: text("en", "x")}
	s := Standard.FromXMPP(Standard.FromXMPP(nil, Presence{Resource: "b"}, noon), p, noon)
	if again := Standard.FromXMPP(s, p, noon.Add(time.Hour)); again != s {
		t.Error("a repeated presence is a new state")
	}
	p.Show = ""
	changed := Standard.FromXMPP(s, p, noon.Add(time.Hour))
	if got := changed.Services[1].Timestamp; !got.Equal(noon.Add(time.Hour)) {
		t.Errorf("timestamp of the change: %s", got)
	}
	off := Standard.FromXMPP(nil, Presence{Resource: "a", Unavailable: true}, noon)
	if again := Standard.FromXMPP(off, Presence{Resource: "a", Unavailable: true}, noon.Add(time.Hour)); again != off {
		t.Error("a repeated unavailable is a new state")
	}
}

func TestFromXMPPKeepsTheRestOfThePerson(t *testing.T) {
	s := Standard.FromXMPP(nil, Presence{Resource: "a", Show: "away"}, noon)
	s.Persons[0].Mood = &presence.Mood{Values: []presence.Value{{Name: "happy"}}}
	s = Standard.FromXMPP(s, Presence{Resource: "a"}, noon)
	if len(s.Persons) != 1 || s.Persons[0].Mood == nil || s.Persons[0].Activities != nil {
		t.Errorf("%+v", s.Persons)
	}
}

func TestFromXMPPIsBounded(t *testing.T) {
	var s *presence.State
	for i := range 3 * maxResources {
		now := noon.Add(time.Duration(i) * time.Second)
		s = Standard.FromXMPP(s, Presence{Resource: fmt.Sprint(i)}, now)
		s = Standard.FromXMPP(s, Presence{Resource: "talks", Status: text("", fmt.Sprint(i))}, now)
	}
	if len(s.Services) != maxResources || s.Services[maxResources-1].ID != tupleID(fmt.Sprint(3*maxResources-1)) || !strings.Contains(ids(s), "ID-talks") {
		t.Errorf("%d tuples are kept: %s", len(s.Services), ids(s))
	}
}

func TestD8_E5_Priority(t *testing.T) {
	seen := map[string]bool{}
	for p := 0; p <= 127; p++ {
		text := priorityText(int8(p))
		back, ok := priorityOf(text)
		if !ok || int(back) != p {
			t.Errorf("%d is %s, and that %d, %v", p, text, back, ok)
		}
		if seen[text] || len(text) > 5 {
			t.Errorf("%d is %s, which is not unique or too long", p, text)
		}
		seen[text] = true
	}
	for p, want := range map[int8]string{0: "0", 1: "0.007", 2: "0.015", 126: "0.992", 127: "1", -1: "", -128: ""} {
		if got := priorityText(p); got != want {
			t.Errorf("RFC 8048 §6.2 note 6: %d is %q, want %q", p, got, want)
		}
	}
	for text, want := range map[string]int8{"0.5": 64, "0.8": 102, "1.0": 127, "1.000": 127, "0.": 0, ".5": 64, " 0.1 ": 13, "0.9999": 127, "01": 127, "0.0001": 0} {
		got, ok := priorityOf(text)
		if !ok || got != want {
			t.Errorf("%q is %d, %v, want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{"", ".", "-1", "1.001", "2", "1e0", "0x1", "NaN", "0,5", "0.a", "9999999999"} {
		if p, ok := priorityOf(text); ok {
			t.Errorf("%q is %d", text, p)
		}
	}
}

func TestD2_TupleIDs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z0-9._ /-]*`)).Draw(t, "resource")
		id := tupleID(r)
		if got := resourceOf(id); got != r {
			t.Fatalf("%q is %q, and that %q", r, id, got)
		}
		for i := range len(id) {
			if class[id[i]]&hostChar == 0 {
				t.Fatalf("%q is no xs:ID", id)
			}
		}
	})
	for id, want := range map[string]string{
		"ID-yn0cl4bnw0yr3vym": "yn0cl4bnw0yr3vym", // RFC 8048 example 19
		"bs35r9":              "bs35r9", "ID-": "", "ID-.": "ID-.", "ID-a.zz": "ID-a.zz", "ID-.ff": "ID-.ff",
		"ID-.61": "ID-.61", "ID-.2F": "ID-.2F", "ID-.2f": "/", "id-a": "id-a",
	} {
		if got := resourceOf(id); got != want {
			t.Errorf("%q is the resource %q, want %q", id, got, want)
		}
	}
}

func TestXMPPThereAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Presence{
			Resource:    rapid.String().Draw(t, "resource"),
			Unavailable: rapid.Bool().Draw(t, "unavailable"),
			Stamp:       noon.Add(time.Duration(rapid.IntRange(-1000, 0).Draw(t, "stamp")) * time.Second),
		}
		if rapid.Bool().Draw(t, "status") {
			p.Status = []presence.Note{{Lang: "en", Text: rapid.StringN(1, 20, -1).Draw(t, "text")}, {Text: "x"}}
		}
		if !p.Unavailable {
			p.Show = rapid.SampledFrom([]string{"", "away", "chat", "dnd", "xa"}).Draw(t, "show")
			p.HasPriority = rapid.Bool().Draw(t, "has priority")
			if p.HasPriority {
				p.Priority = rapid.Int8Range(0, 127).Draw(t, "priority")
			}
			if p.Show != "" && rapid.Bool().Draw(t, "idle") {
				p.Idle = noon // without show it comes back as away
			}
		}
		got := wordsOnly.ToXMPP(Standard.FromXMPP(nil, p, noon), noon)
		if len(got) != 1 || !reflect.DeepEqual(got[0], p) {
			t.Fatalf("got %+v, want %+v", got, p)
		}
	})
}

func BenchmarkFromXMPP(b *testing.B) {
	old := Standard.FromXMPP(nil, Presence{Resource: "a", From: juliet}, noon)
	p := Presence{Resource: "a", From: juliet, Show: "away", Status: text("en", "out"), HasPriority: true, Priority: 5}
	b.ReportAllocs()
	for b.Loop() {
		Standard.FromXMPP(old, p, noon)
	}
}
