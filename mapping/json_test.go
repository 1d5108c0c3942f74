package mapping

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/porchlight-im/porchlight/mapping/presence"
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
				Notes: text("de", "im <Gespräch>\u2028\"\\\x01\xff"), StatusExt: []presence.RawXML{{Space: "urn:x", Local: "extended", Bytes: "<x/>"}}}},
		}, `{"address":"sip:alice@sip.example","availability":"dnd","reason":"in_call","idle":true,"oof":false,"manual":false,"until":"2026-03-01T13:00:00Z",` +
			`"note":{"text":"im \u003cGespräch>\u2028\"\\\u0001\ufffd","lang":"de"},` +
			`"services":[{"id":"a","basic":"open","contact":"sip:alice@192.0.2.1","priority":"0.8","notes":[{"text":"im \u003cGespräch>\u2028\"\\\u0001\ufffd","lang":"de"}]}],` +
			`"person":{"id":"p","activities":{"values":[{"name":"on-the-phone"},{"name":"do-not-disturb","namespace":"urn:porchlight:presence:1"}],"until":"2026-03-01T13:00:00Z"},"user_input":{"idle":true}},` +
			`"unknown":["{urn:x}extended"]}`},
		{"RCS", &presence.State{Services: []presence.Service{{ID: "t", Basic: presence.OddBasic, BasicText: "maybe",
			OMA:  presence.ServiceOMA{Description: &presence.ServiceDescription{ID: "org.x:IM", Version: "1.0"}},
			Caps: &presence.Caps{Items: []presence.Capability{{Name: "audio", Text: "true"}, {Name: "duplex", Supported: []string{"full"}}, {Name: "audio", Text: "false"}, {Name: "rich"}}}}}},
			`{"address":"sip:alice@sip.example","availability":"unknown","idle":false,"oof":false,"manual":false,` +
				`"services":[{"id":"t","basic":"unknown","basic_text":"maybe","caps":{"audio":"true","duplex":{"supported":["full"]},"rich":{}},"service":{"id":"org.x:IM","version":"1.0"}}]}`},
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

// plain returns s without what JSON does not carry.
func plain(s *presence.State) *presence.State {
	c := *s
	stripRaw(reflect.ValueOf(&c).Elem())
	return &c
}

// stripRaw copies what v points to, and clears raw XML and foreign attributes.
func stripRaw(v reflect.Value) {
	switch v.Interface().(type) {
	case []presence.RawXML, []presence.Attr, *presence.RawXML:
		v.SetZero()
		return
	case time.Time:
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			stripRaw(v.Field(i))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			n := reflect.New(v.Type().Elem())
			n.Elem().Set(v.Elem())
			stripRaw(n.Elem())
			v.Set(n)
		}
	case reflect.Slice:
		n := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(n, v)
		for i := range n.Len() {
			stripRaw(n.Index(i))
		}
		v.Set(n)
	}
}

// fields that hold a word of a list, a name, or something with a form.
var special = map[string][]string{
	"Show": {"", "away", "xa"}, "RegistrationState": {"", "active"}, "BarringState": {"", "terminated"},
	"Priority": {"", "0", "0.5", "1.000"}, "Lang": {"", "de", "en-GB"}, "Name": {"busy", "do-not-disturb", "ü.-_9"},
	"Local": {"x"}, "Space": {"", "urn:x"},
}

// draw fills v with anything that a State can hold.
func draw(t *rapid.T, v reflect.Value, field string, id *int) {
	switch v.Addr().Interface().(type) {
	case *time.Time:
		sec := rapid.IntRange(0, 1<<31).Draw(t, field)
		zone := time.FixedZone("", 3600*rapid.IntRange(-12, 12).Draw(t, "zone"))
		v.Set(reflect.ValueOf(time.Unix(int64(sec), int64(sec%1000)*1e6).In(zone)))
		return
	case *presence.Basic:
		v.SetUint(uint64(rapid.IntRange(0, 3).Draw(t, field)))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			draw(t, v.Field(i), v.Type().Field(i).Name, id)
		}
	case reflect.Pointer:
		if rapid.Bool().Draw(t, field) {
			v.Set(reflect.New(v.Type().Elem()))
			draw(t, v.Elem(), field, id)
		}
	case reflect.Slice:
		n := rapid.IntRange(0, 2).Draw(t, field)
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			draw(t, v.Index(i), field, id)
		}
	case reflect.String:
		switch words := special[field]; {
		case field == "ID":
			*id++
			v.SetString("i" + strings.Repeat("x", *id))
		case words != nil:
			v.SetString(rapid.SampledFrom(words).Draw(t, field))
		case field == "Supported" || field == "NotSupported":
			v.SetString("full")
		default:
			v.SetString(rapid.StringOfN(rapid.RuneFrom([]rune("abc <>&\"\\\n\tü\u2028😀")), 0, 5, -1).Draw(t, field))
		}
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, field))
	case reflect.Int:
		v.SetInt(int64(rapid.IntRange(0, 1440).Draw(t, field)))
	}
}

// tidy makes what draw drew into what a decoder would make.
func tidy(s *presence.State) {
	basic := func(b presence.Basic, text *string) {
		if b != presence.OddBasic {
			*text = ""
		}
	}
	caps := func(c *presence.Caps) {
		if c == nil {
			return
		}
		for i := range c.Items {
			item := &c.Items[i]
			item.Name = string(rune('a' + i))
			if item.Text != "" {
				item.Supported, item.NotSupported = nil, nil
			}
		}
	}
	for i := range s.Services {
		t := &s.Services[i]
		basic(t.Basic, &t.BasicText)
		caps(t.Caps)
	}
	for i := range s.Devices {
		caps(s.Devices[i].Caps)
	}
}

func TestJSONThereAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s presence.State
		id := 0
		draw(t, reflect.ValueOf(&s).Elem(), "State", &id)
		tidy(&s)
		b := Standard.AppendJSON(nil, alice, &s, noon)
		if again := Standard.AppendJSON(nil, alice, &s, noon); !bytes.Equal(b, again) {
			t.Fatalf("not the same twice:\n%s\n%s", b, again)
		}
		got, err := FromJSON(b)
		if err != nil {
			t.Fatalf("%v in\n%s", err, b)
		}
		want := plain(&s)
		if !presence.Equal(got, want) {
			t.Fatalf("%s\n-want +got:\n%s", b, cmp.Diff(want, got))
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
