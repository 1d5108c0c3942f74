package simple

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/mapping/presence/sample"
	"github.com/porchlight-im/porchlight/simple/pidf"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// written is s as the watchers of a profile get it.
func written(profile string, s *presence.State) string {
	return string(pidf.Append(nil, mapping.ProfileNamed(profile).Shape(mapping.Standard, s, noon), aliceURI))
}

// seen is what the user of a client is shown for each word.
var seen = map[string]struct {
	read func(doc string) (string, error)
	want map[mapping.Word][]string
}{
	"linphone": {readLinphone, linphoneWords}, "linphone-old": {readLinphone, linphoneWords},
	"blink": {
		func(doc string) (string, error) { state, _, err := readBlink(doc); return state, err },
		map[mapping.Word][]string{
			mapping.Available: {"available"}, mapping.Chat: {"available"}, mapping.Away: {"away"}, mapping.ExtendedAway: {"away"},
			mapping.Busy: {"busy"}, mapping.DND: {"busy"}, mapping.Offline: {"offline"}, mapping.Unknown: {"offline"},
		},
	},
	"boghe": {
		readBoghe, map[mapping.Word][]string{
			mapping.Available: {"Online"}, mapping.Chat: {"Online"}, mapping.Away: {"Away", "OutToLunch", "BeRightBack"},
			mapping.ExtendedAway: {"Away", "OutToLunch", "BeRightBack"}, mapping.Busy: {"Busy", "OnThePhone"},
			mapping.DND: {"Busy"}, mapping.Offline: {"Offline"},
		},
	},
}

var linphoneWords = map[mapping.Word][]string{
	mapping.Available: {"online"}, mapping.Chat: {"online"}, mapping.Away: {"busy"}, mapping.ExtendedAway: {"busy"},
	mapping.Busy: {"busy"}, mapping.DND: {"do not disturb"}, mapping.Offline: {"offline"}, mapping.Unknown: {"offline"},
}

// checkWord compares what each client's user sees of s with what s means.
func checkWord(s *presence.State) error {
	word := mapping.Standard.Effective(s, noon).Word
	for profile, c := range seen {
		doc := written(profile, s)
		got, err := c.read(doc)
		if want := c.want[word]; err != nil || want != nil && !slices.Contains(want, got) {
			return fmt.Errorf("%s sees %q, %v where %s is meant:\n%s", profile, got, err, word, doc)
		}
	}
	return nil
}

// TestEveryWord: whatever the state, the user of each client sees what it
// means, and Android finds every service.
func TestEveryWord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := sample.State(func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "pick") })
		for i := range s.Persons {
			if a := s.Persons[i].Activities; a != nil && rapid.Bool().Draw(t, "always") {
				a.From, a.Until = time.Time{}, time.Time{}
			}
		}
		before, _ := json.Marshal(s)
		err := checkWord(s)
		if err != nil {
			t.Fatal(err)
		}
		checkAndroid(t, s)
		if after, _ := json.Marshal(s); string(after) != string(before) {
			t.Fatal("the state was changed")
		}
	})
}

// fataler is a testing.TB or a rapid.T.
type fataler interface{ Fatalf(string, ...any) }

// checkAndroid demands that Android reads every tuple that it may interpret.
func checkAndroid(t fataler, s *presence.State) {
	doc := written("android", s)
	entity, tuples, err := readAndroid(doc)
	if err != nil || entity != aliceURI {
		t.Fatalf("Android drops the document of %q: %v\n%s", entity, err, doc)
	}
	for i := range s.Services {
		o := &s.Services[i]
		if o.NotUnderstood {
			continue
		}
		if len(tuples) == 0 {
			t.Fatalf("a tuple is not there\n%s", doc)
		}
		got := tuples[0]
		tuples = tuples[1:]
		d := o.OMA.Description
		described := d != nil && d.ID != "" && len(d.Version) == 3
		switch {
		case got.malformed:
			t.Fatalf("tuple %d is malformed\n%s", i, doc)
		case described && (got.service != d.ID || got.version != d.Version) || !described && got.service+got.version != "":
			t.Fatalf("tuple %d is %s %s\n%s", i, got.service, got.version, doc)
		case o.Basic == presence.Open && got.basic != "open", o.Basic == presence.Closed && got.basic != "closed":
			t.Fatalf("tuple %d is %s\n%s", i, got.basic, doc)
		case d != nil && got.basic != "open" && got.basic != "closed":
			t.Fatalf("the RCS tuple %d is %q\n%s", i, got.basic, doc)
		}
	}
	if len(tuples) > 0 {
		t.Fatalf("%d tuples that nobody has\n%s", len(tuples), doc)
	}
}

// TestEveryActivity: each activity of RPID with every kind of service.
func TestEveryActivity(t *testing.T) {
	basics := [][]presence.Basic{{}, {presence.Open}, {presence.Closed}, {presence.NoBasic}, {presence.OddBasic}, {presence.Closed, presence.Open}}
	for _, a := range append(rpidActivities, "", "available", "offline") {
		for _, show := range []string{"", "away", "chat", "dnd", "xa"} {
			for _, bs := range basics {
				s := &presence.State{}
				for i, b := range bs {
					s.Services = append(s.Services, presence.Service{ID: fmt.Sprint("t", i), Basic: b, BasicText: "unknown", Show: show})
				}
				if a != "" {
					s.Persons = []presence.Person{{ID: "p", Activities: &presence.Activities{Values: []presence.Value{{Name: a}}}}}
				}
				err := checkWord(s)
				if err != nil {
					t.Errorf("%s, show %q, %v: %v", a, show, bs, err)
				}
			}
		}
	}
}
