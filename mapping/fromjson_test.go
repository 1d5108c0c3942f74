package mapping

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

func TestFromJSONShortForm(t *testing.T) {
	web := func(basic presence.Basic, show string, notes ...presence.Note) []presence.Service {
		return []presence.Service{{ID: "web", Basic: basic, Show: show, Notes: notes}}
	}
	who := func(a *presence.Activities) []presence.Person {
		return []presence.Person{{ID: "person", Activities: a}}
	}
	until := doing("busy", "on-the-phone")
	until.Until = noon
	for _, c := range []struct {
		name, doc string
		want      presence.State
	}{
		{"nothing", `{}`, presence.State{}},
		{"a word", `{"availability":"available"}`, presence.State{Services: web(presence.Open, "")}},
		{"offline", `{"availability":"offline"}`, presence.State{Services: web(presence.Closed, "")}},
		{"unknown", `{"availability":"unknown"}`, presence.State{Services: web(presence.NoBasic, ""), Persons: who(doing("unknown"))}},
		{"away", `{"availability":"away"}`, presence.State{Services: web(presence.Open, "away"), Persons: who(doing("away"))}},
		{"extended away", `{"availability":"extended_away"}`, presence.State{Services: web(presence.Open, "xa"), Persons: who(doing("away", "+extended-away"))}},
		{"dnd", `{"availability":"dnd"}`, presence.State{Services: web(presence.Open, "dnd"), Persons: who(doing("busy", "+do-not-disturb"))}},
		{"why and until when", `{"availability":"busy","reason":"in_call","until":"2026-03-01T12:00:00Z"}`,
			presence.State{Services: web(presence.Open, "dnd"), Persons: who(until)}},
		{"a note alone", `{"note":{"text":"hi","lang":"en"}}`, presence.State{Services: web(presence.Open, "", presence.Note{Lang: "en", Text: "hi"})}},
		{"out of office", `{"availability":"available","oof":true}`, presence.State{Services: web(presence.Open, ""), Persons: who(doing("+out-of-office"))}},
		{"with a mood", `{"availability":"away","person":{"mood":{"values":[{"name":"happy"}]}}}`,
			presence.State{Services: web(presence.Open, "away"), Persons: []presence.Person{{ID: "person", Activities: doing("away"),
				Mood: &presence.Mood{Values: []presence.Value{{Name: "happy"}}}}}}},
		{"own activities stay", `{"availability":"away","person":{"activities":{"values":[{"name":"lunch"}]}}}`,
			presence.State{Services: web(presence.Open, "away"), Persons: who(doing("lunch"))}},
		{"with services the words are derived", `{"availability":"dnd","note":{"text":"x"},"idle":true,"services":[]}`, presence.State{}},
		{"ids are made", `{"services":[{"basic":"open"},{"basic":"closed"}],"devices":[{},{"id":"web3"}]}`,
			presence.State{Services: []presence.Service{{ID: "web", Basic: presence.Open}, {ID: "web2", Basic: presence.Closed}}, Devices: []presence.Device{{ID: "device"}, {ID: "web3"}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := FromJSON([]byte(c.doc))
			if err != nil {
				t.Fatal(err)
			}
			if !presence.Equal(got, &c.want) {
				t.Errorf("-want +got:\n%s", cmp.Diff(&c.want, got))
			}
		})
	}
}

func TestFromJSONMeansWhatItSays(t *testing.T) {
	for _, word := range []Word{Unknown, Offline, ExtendedAway, Away, Available, Chat, Busy, DND} {
		for _, reason := range []string{"", "in_call", "in_meeting", "presenting", "focusing", "calendar", "travelling"} {
			s, err := FromJSON(fmt.Appendf(nil, `{"availability":%q,"reason":%q}`, word, reason))
			if err != nil {
				t.Fatal(err)
			}
			got := Standard.Effective(s, noon)
			switch {
			case reason == "" && got.Word != word:
				t.Errorf("%s became %+v", word, got)
			case (word == Busy || word == DND) && reason != "travelling" && (got.Reason != reason || got.Word != word):
				t.Errorf("%s, %s became %+v", word, reason, got)
			}
		}
	}
}

func TestFromJSONNamesWhatIsWrong(t *testing.T) {
	for _, c := range []struct{ doc, want string }{
		{``, "too early"},
		{`{`, "too early"},
		{`null`, "null"},
		{`[]`, "document: a list where an object"},
		{`{} {}`, "follows"},
		{`{"availabilty":"busy"}`, `unknown field "availabilty"`},
		{`{"availability":3}`, "availability: a number where a string"},
		{`{"availability":"purple"}`, `availability: "purple" is none of`},
		{`{"reason":"lazy"}`, `reason: "lazy"`},
		{`{"idle":"yes"}`, "idle: a string where true or false"},
		{`{"until":"tomorrow"}`, `until: "tomorrow" is not a time`},
		{`{"note":"hi"}`, "note: a string where an object"},
		{`{"note":{"text":"a\u0000b"}}`, "note.text: the character U+0000"},
		{`{"note":{"text":"a","lang":"de de"}}`, "note.lang"},
		{`{"services":{}}`, "services: an object where a list"},
		{`{"services":[{"basic":"OPEN"}]}`, `services[0].basic: "OPEN"`},
		{`{"services":[{},{"show":"out"}]}`, `services[1].show: "out"`},
		{`{"services":[{"priority":"2"}]}`, `services[0].priority: "2"`},
		{`{"services":[{"id":"1a"}]}`, `services[0].id: "1a" is not a name`},
		{`{"services":[{"id":"a"},{"id":"a"}]}`, `services[1]: the id "a" is used twice`},
		{`{"services":[{"timestamp":"x"}]}`, "services[0].timestamp"},
		{`{"services":[{"timed_status":[{}]}]}`, "services[0].timed_status[0].from: is missing"},
		{`{"services":[{"caps":{"audio":"a","audio":"b"}}]}`, "services[0].caps.audio: is there twice"},
		{`{"services":[{"caps":[]}]}`, "services[0].caps"},
		{`{"services":[{"caps":{"audio":3}}]}`, "services[0].caps.audio"},
		{`{"services":[{"caps":{"a b":"x"}}]}`, "services[0].caps.a b"},
		{`{"services":[{"caps":{"duplex":{"supported":["f<"]}}}]}`, "services[0].caps.duplex"},
		{`{"services":[{"willingness":{"basic":"maybe"}}]}`, "services[0].willingness.basic"},
		{`{"services":[{"barring_state":"x"}]}`, "services[0].barring_state"},
		{`{"person":{"activities":{"values":[{"name":"on the phone"}]}}}`, "person.activities.values[0].name"},
		{`{"person":{"mood":{"values":[{}]}}}`, "person.mood.values[0].name: is missing"},
		{`{"person":{"time_offset":1441}}`, "person.time_offset"},
		{`{"person":{"user_input":{"idle":true,"idle_threshold_s":-1}}}`, "person.user_input.idle_threshold_s"},
		{`{"person":{"links":[{"uri":"x","priority":"high"}]}}`, "person.links[0].priority"},
		{`{"devices":[{"id":"<"}]}`, "devices[0].id"},
		{`{"notes":[` + strings.Repeat(`{"text":"x"},`, 100) + `{"text":"x"}]}`, "notes: 101 entries"},
		{`{"services":[` + strings.Repeat(`{},`, 100) + `{}]}`, "services: 101 entries"},
		{`{"note":{"text":"` + strings.Repeat("x", maxJSONText+1) + `"}}`, "note.text: longer"},
		{`{"note":{"text":"` + strings.Repeat("x", maxJSON) + `"}}`, "longer than 65536"},
		{strings.Repeat("[", 60000), ""},
	} {
		s, err := FromJSON([]byte(c.doc))
		if err == nil || s != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60s: %v, want %q", c.doc, err, c.want)
		}
		if err != nil && (strings.Contains(err.Error(), "mapping.") || strings.Contains(err.Error(), "Go ")) {
			t.Errorf("%.60s: %v is not in plain words", c.doc, err)
		}
	}
}

func BenchmarkFromJSON(b *testing.B) {
	doc := Standard.AppendJSON(nil, alice, state(doing("busy"), open("dnd")), noon)
	b.ReportAllocs()
	for b.Loop() {
		_, err := FromJSON(doc)
		if err != nil {
			b.Fatal(err)
		}
	}
}
