package mapping

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/mapping/presence/sample"
	"github.com/porchlight-im/porchlight/simple/pidf"
)

var alice = presence.Addr{Scheme: presence.SIP, User: "alice", Host: "sip.example"}

func TestAppendJSON(t *testing.T) {
	busy := doing("on-the-phone", "+do-not-disturb")
	busy.Until = noon.Add(time.Hour)
	for _, c := range []struct {
		name string
		s    *presence.State
		want string
	}{
		{"nothing known", nil, `{"address":"sip:alice@sip.example","availability":"unknown","idle":false,"oof":false,"manual":false}`},
		{"nothing said", &presence.State{}, `{"address":"sip:alice@sip.example","availability":"offline","idle":false,"oof":false,"manual":false,"services":[]}`},
		{"D.1 UI contract", &presence.State{
			Persons: []presence.Person{{ID: "p", Activities: busy, UserInput: &presence.UserInput{Idle: true}}},
			Services: []presence.Service{{ID: "a", Basic: presence.Open, Contact: &presence.Contact{URI: "sip:alice@192.0.2.1", Priority: "0.8"},
				Notes: text("de", "im <Gespräch>\u2028\"\\\x01\xff"), StatusExt: []presence.RawXML{{Space: "urn:x", Local: "extended", Bytes: "<x xmlns='urn:x'/>"}}}},
		}, `{"address":"sip:alice@sip.example","availability":"dnd","reason":"in_call","idle":true,"oof":false,"manual":false,"until":"2026-03-01T13:00:00Z",` +
			`"note":{"text":"im \u003cGespräch>\u2028\"\\\u0001\ufffd","lang":"de"},` +
			`"services":[{"id":"a","basic":"open","status_ext":["\u003cx xmlns='urn:x'/>"],"contact":"sip:alice@192.0.2.1","priority":"0.8","notes":[{"text":"im \u003cGespräch>\u2028\"\\\u0001\ufffd","lang":"de"}]}],` +
			`"person":{"id":"p","activities":{"values":[{"name":"on-the-phone"},{"name":"do-not-disturb","namespace":"urn:porchlight:presence:1"}],"until":"2026-03-01T13:00:00Z"},"user_input":{"idle":true}},` +
			`"unknown":["{urn:x}extended"]}`},
		{"RCS", &presence.State{Services: []presence.Service{{ID: "t", Basic: presence.OddBasic, BasicText: "maybe",
			OMA:  presence.ServiceOMA{Description: &presence.ServiceDescription{ID: "org.x:IM", Version: "1.0"}},
			Caps: &presence.Caps{Items: []presence.Capability{{Name: "audio", Text: "true"}, {Name: "duplex", Supported: []string{"full"}}, {Name: "audio", Text: "false"}, {Name: "rich"}}}}}},
			`{"address":"sip:alice@sip.example","availability":"unknown","idle":false,"oof":false,"manual":false,` +
				`"services":[{"id":"t","basic":"unknown","basic_text":"maybe","caps":{"audio":"true","duplex":{"supported":["full"]}},"caps_detail":{"more":[{"audio":"false"},{"rich":{}}]},"service":{"id":"org.x:IM","version":"1.0"}}]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Standard.AppendJSON([]byte("x"), alice, c.s, noon)
			if string(got) != "x"+c.want {
				t.Errorf("got  %s\nwant x%s", got, c.want)
			}
			if !json.Valid(got[1:]) {
				t.Error("not JSON")
			}
		})
	}
}

// samples are states that use all of the model.
func samples(t *rapid.T) *presence.State {
	return sample.State(func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "pick") })
}

// jsonAgain checks that s comes back from JSON as it is.
func jsonAgain(t interface{ Fatalf(string, ...any) }, s *presence.State) {
	b := Standard.AppendJSON(nil, alice, s, noon)
	if again := Standard.AppendJSON(nil, alice, s, noon); !bytes.Equal(b, again) {
		t.Fatalf("not the same twice:\n%s\n%s", b, again)
	}
	got, err := FromJSON(b)
	if err != nil {
		t.Fatalf("%v in\n%s", err, b)
	}
	if !presence.Equal(got, s) {
		t.Fatalf("%s\n-want +got:\n%s", b, cmp.Diff(s, got))
	}
}

func TestJSONThereAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { jsonAgain(t, samples(t)) })
}

// What SIP says comes back from JSON, word for word.
func TestJSONSaysAllOfTheCorpus(t *testing.T) {
	files, err := filepath.Glob("../testdata/pidf/*/*.xml")
	if err != nil || len(files) < 50 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		doc, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		s, err := pidf.Decode(doc)
		if err != nil {
			continue // not one of the documents that are read
		}
		t.Run(filepath.Base(f), func(t *testing.T) { jsonAgain(t, s) })
	}
}

func FuzzJSONThereAndBack(f *testing.F) {
	f.Add([]byte("\x01\x02\x03\x01\x05\x04\x01\x00\x02\x07\x01\x01\x01\x02\x03"))
	f.Fuzz(func(t *testing.T, b []byte) { jsonAgain(t, sample.State(sample.Choices(b))) })
}

// FuzzPIDFToJSON: whatever a presence document says comes back from JSON, if
// it is within the limits of what a web client may publish.
func FuzzPIDFToJSON(f *testing.F) {
	f.Add([]byte(`<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="x"><tuple id="1 2"><status><basic>?</basic><a xmlns="u" mustUnderstand="1"/></status></tuple></presence>`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		s, err := pidf.Decode(doc)
		if err != nil || len(doc) > maxJSONText/4 {
			return
		}
		b := Standard.AppendJSON(nil, alice, s, noon)
		got, err := FromJSON(b)
		if err != nil {
			t.Fatalf("%v in\n%s", err, b)
		}
		if !presence.Equal(got, s) {
			t.Fatalf("%s\n-want +got:\n%s", b, cmp.Diff(s, got))
		}
	})
}

func FuzzFromJSON(f *testing.F) {
	f.Add([]byte(`{"availability":"busy","reason":"in_call","until":"2026-03-01T13:00:00Z","note":{"text":"x"}}`))
	f.Add(Standard.AppendJSON(nil, alice, state(doing("busy", "+focusing"), open("dnd")), noon))
	f.Add([]byte(`{"services":[{"caps":{"audio":"true","duplex":{"supported":["full"]}},"timed_status":[{"from":"2026-03-01T13:00:00Z"}]}],"person":{"mood":{"values":[{"name":"x"}]},"time_offset":-60}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := FromJSON(b)
		if err != nil {
			return
		}
		again, err := FromJSON(Standard.AppendJSON(nil, alice, s, noon))
		if err != nil || !presence.Equal(s, again) {
			t.Fatalf("%s: %v\n%s", b, err, cmp.Diff(s, again))
		}
		// It must not break what SIP watchers get.
		doc := pidf.Append(nil, s, "")
		_, err = pidf.Decode(doc)
		if err != nil {
			t.Fatalf("%s: %v in\n%s", b, err, doc)
		}
	})
}

func BenchmarkAppendJSON(b *testing.B) {
	small := &presence.State{Services: []presence.Service{{ID: "ID-balcony", Basic: presence.Open, Show: "away", Notes: text("en", "back soon"),
		Contact: &presence.Contact{URI: "xmpp:juliet@im.example/balcony", Priority: "0.039"}, Timestamp: noon}},
		Persons: []presence.Person{{ID: "person", Activities: doing("away")}}}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = Standard.AppendJSON(dst[:0], alice, small, noon)
	}
}
