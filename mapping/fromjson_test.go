package mapping

import (
	"fmt"
	"os"
	"reflect"
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
	byHand := func(names ...string) *presence.Activities {
		a := doing(names...)
		a.Attrs = []presence.Attr{byHand}
		return a
	}
	until := byHand("busy", "on-the-phone")
	until.Until = noon
	for _, c := range []struct {
		name, doc string
		want      presence.State
	}{
		{"nothing", `{}`, presence.State{}},
		{"a word", `{"availability":"available"}`, presence.State{Services: web(presence.Open, ""), Persons: who(byHand())}},
		{"not by hand", `{"availability":"away","manual":false}`, presence.State{Services: web(presence.Open, "away"), Persons: who(doing("away"))}},
		{"offline", `{"availability":"offline"}`, presence.State{Services: web(presence.Closed, ""), Persons: who(byHand())}},
		{"unknown", `{"availability":"unknown"}`, presence.State{Services: web(presence.NoBasic, ""), Persons: who(doing("unknown"))}},
		{"away", `{"availability":"away"}`, presence.State{Services: web(presence.Open, "away"), Persons: who(byHand("away"))}},
		{"extended away", `{"availability":"extended_away"}`, presence.State{Services: web(presence.Open, "xa"), Persons: who(byHand("away", "+extended-away"))}},
		{"dnd", `{"availability":"dnd"}`, presence.State{Services: web(presence.Open, "dnd"), Persons: who(byHand("busy", "+do-not-disturb"))}},
		{"why and until when", `{"availability":"busy","reason":"in_call","until":"2026-03-01T12:00:00Z"}`,
			presence.State{Services: web(presence.Open, ""), Persons: who(until)}},
		{"a note alone", `{"note":{"text":"hi","lang":"en"}}`, presence.State{Services: web(presence.Open, "", presence.Note{Lang: "en", Text: "hi"})}},
		{"out of office", `{"availability":"available","oof":true}`, presence.State{Services: web(presence.Open, ""), Persons: who(byHand("+out-of-office"))}},
		{"with a mood", `{"availability":"away","person":{"mood":{"values":[{"name":"happy"}]}}}`,
			presence.State{Services: web(presence.Open, "away"), Persons: []presence.Person{{ID: "person", Activities: byHand("away"),
				Mood: &presence.Mood{Values: []presence.Value{{Name: "happy"}}}}}}},
		{"own activities stay", `{"availability":"away","person":{"activities":{"values":[{"name":"lunch"}]}}}`,
			presence.State{Services: web(presence.Open, "away"), Persons: who(byHand("lunch"))}},
		{"own activities and a word", `{"availability":"dnd","person":{"activities":{"values":[{"name":"working"}]}}}`,
			presence.State{Services: web(presence.Open, "dnd"), Persons: who(byHand("busy", "+do-not-disturb", "working"))}},
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
		{`{"note":{"text":"a","lang":"de\u0001"}}`, "note.lang"},
		{`{"services":{}}`, "services: an object where a list"},
		{`{"services":[{"basic":"OPEN"}]}`, `services[0].basic: "OPEN"`},
		{`{"services":[{},{"show":"out"}]}`, `services[1].show: "out"`},
		{`{"services":[{"priority":"2"}]}`, `services[0].priority: "2"`},
		{`{"services":[{"id":"1\u0000a"}]}`, `services[0].id: the character U+0000`},
		{`{"services":[{"id":"a"},{"id":"a"}]}`, `services[1]: the id "a" is used twice`},
		{`{"services":[{"timestamp":"x"}]}`, "services[0].timestamp"},
		{`{"services":[{"timed_status":[{"basic":"unknown"}]}]}`, `services[0].timed_status[0].basic: "unknown" is none of`},
		{`{"services":[{"priority":"0.1234"}]}`, `services[0].priority: "0.1234"`},
		{`{"services":[{"device_ids":[" "]}]}`, "services[0].device_ids[0]: is empty"},
		{`{"services":[{"show":"away","show_text":"out"}]}`, "services[0].show_text"},
		{`{"services":[{"caps":{"audio":"a","audio":"b"}}]}`, "services[0].caps.audio: is there twice"},
		{`{"services":[{"caps":[]}]}`, "services[0].caps"},
		{`{"services":[{"caps":{"audio":3}}]}`, "services[0].caps.audio"},
		{`{"services":[{"caps":{"a b":"x"}}]}`, "services[0].caps.a b"},
		{`{"services":[{"caps":{"duplex":{"supported":["f<"]}}}]}`, "services[0].caps.duplex"},
		{`{"services":[{"willingness":{"basic":"maybe"}}]}`, "services[0].willingness.basic"},
		{`{"services":[{"barring_state":"x"}]}`, "services[0].barring_state"},
		{`{"person":{"activities":{"values":[{"name":"on the phone"}]}}}`, "person.activities.values[0].name"},
		{`{"person":{"mood":{"values":[{}]}}}`, "person.mood.values[0].name: is missing"},
		{`{"person":{"time_offset":1.5}}`, "person.time_offset"},
		{`{"person":{"user_input":{"idle":true,"idle_threshold_s":-1}}}`, "person.user_input.idle_threshold_s"},
		{`{"notes":[` + strings.Repeat(`{"text":"x"},`, 100) + `{"text":"x"}]}`, "notes: 101 entries"},
		{`{"services":[` + strings.Repeat(`{},`, 100) + `{}]}`, "services: 101 entries"},
		{`{"note":{"text":"` + strings.Repeat("x", maxJSONText+1) + `"}}`, "note.text: longer"},
		{`{"note":{"text":"` + strings.Repeat("x", maxJSON) + `"}}`, "longer than 65536"},
		{strings.Repeat("[", 60000), ""},
	} {
		wrongJSON(t, c.doc, c.want)
	}
}

// wrongJSON checks that doc is refused in plain words.
func wrongJSON(t *testing.T, doc, want string) {
	t.Helper()
	s, err := FromJSON([]byte(doc))
	if err == nil || s != nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%.60s: %v, want %q", doc, err, want)
	}
	if err != nil && (strings.Contains(err.Error(), "mapping.") || strings.Contains(err.Error(), "Go ")) {
		t.Errorf("%.60s: %v is not in plain words", doc, err)
	}
}

// Nothing gets into an XML document that would break it, or say something
// else there.
func TestFromJSONKeepsXMLWhole(t *testing.T) {
	for _, c := range []struct{ doc, want string }{
		{`{"services":[{"caps_detail":{}}]}`, "services[0].caps: is missing"},
		{`{"services":[{"caps":{"a":{"xml":"<b xmlns='urn:ietf:params:xml:ns:pidf:caps'/>"}}}]}`, `services[0].caps.a.xml: is not the capability "a"`},
		{`{"services":[{"status_ext":["<basic xmlns='urn:ietf:params:xml:ns:pidf'>open</basic>"]}]}`, "services[0].status_ext[0]: <basic> has a member"},
		{`{"ext":["<tuple xmlns='urn:ietf:params:xml:ns:pidf'/>"]}`, "ext[0]: <tuple> has a member of its own"},
		{`{"ext":["<a/><b/>"]}`, "ext[0]: not one element of XML"},
		{`{"ext":["text"]}`, "ext[0]: not one element of XML"},
		{`{"ext":["<a></a></presence>"]}`, "ext[0]: not one element of XML"},
		{`{"ext":["<p:a/>"]}`, "ext[0]: not one element of XML"},
		{`{"ext":["<!DOCTYPE a><a/>"]}`, "ext[0]: not one element of XML"},
		{`{"ext":["` + strings.Repeat("<a>", 91) + strings.Repeat("</a>", 91) + `"]}`, "too many elements"},
		{`{"attributes":[{"name":"entity","value":"x"}]}`, `document.attributes[0].name: "entity" is there twice`},
		{`{"attributes":[{"name":"a"},{"name":"a"}]}`, `document.attributes[1].name: "a" is there twice`},
		{`{"attributes":[{"name":"xmlns","value":"x"}]}`, "document.attributes[0].name: is not the name"},
		{`{"attributes":[{"name":"a:b"}]}`, `document.attributes[0].name: "a:b" is not a name`},
		{`{"attributes":[{"name":"a","namespace":"http://www.w3.org/2000/xmlns/"}]}`, "document.attributes[0].namespace"},
		{`{"attributes":[` + strings.Repeat(`{"name":"a"},`, 40) + `{"name":"b"}]}`, "document.attributes: 41 entries"},
		{`{"person":{"mood":{"id":"m","attributes":[{"name":"id"}]}}}`, "person.mood.attributes[0].name"},
		{`{"person":{"links":[{"uri":"x","attributes":[{"name":"label","namespace":"urn:oma:xml:pde:pidf:ext:1.1"}]}]}}`, "person.links[0].attributes[0].name"},
		{`{"person":{"geo":["<a/>"]}}`, "person.geo[0]: <a> is no geopriv"},
		{`{"person":{"mood":{"values":[{"name":"x","namespace":"http://www.w3.org/XML/1998/namespace"}]}}}`, "person.mood.values[0].namespace"},
		{`{"person":{"mood":{"values":[{"name":"note"}]}}}`, "person.mood.values[0].name: a note"},
		{`{"person":{"mood":{"values":[{"name":"a","namespace":"u","text":"b","xml":"<a xmlns='u'>c</a>"}]}}}`, "person.mood.values[0].xml: does not say"},
		{`{"person":{"place_is":{"audio":[{"text":"loud"}]}}}`, "person.place_is.audio[0].name: is missing"},
		{`{"person":{"time_offset_detail":{"description":"x"}}}`, "person.time_offset: is missing"},
		{`{"person":{"timestamp":"2026-03-01T13:00:00+24:00"}}`, "person.timestamp"},
		{`{"services":[` + strings.Repeat(`{},`, 99) + `{}],"other_persons":[` + strings.Repeat(`{},`, 99) + `{}],"devices":[` + strings.Repeat(`{},`, 50) + `{}]}`, "251 entries"},
	} {
		wrongJSON(t, c.doc, c.want)
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

// Every member of the document stands in its description.
func TestMembersAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/feed-document.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice:
			walk(typ.Elem())
		case reflect.Struct:
			for i := range typ.NumField() {
				name := typ.Field(i).Tag.Get("json")
				if name != "" && !seen[name] {
					seen[name] = true
					if !strings.Contains(string(doc), "`"+name+"`") && !strings.Contains(string(doc), `"`+name+`"`) {
						t.Errorf("docs/feed-document.md lacks %s", name)
					}
				}
				walk(typ.Field(i).Type)
			}
		}
	}
	walk(reflect.TypeFor[jsonDocument]())
	if len(seen) < 80 {
		t.Errorf("only %d members seen", len(seen))
	}
}
