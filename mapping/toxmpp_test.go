package mapping

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// tuple is the open tuple of resource r that f has changed.
func tuple(f func(*presence.Service)) presence.Service {
	t := presence.Service{ID: "ID-r", Basic: presence.Open}
	f(&t)
	return t
}

func personState(p presence.Person, services ...presence.Service) *presence.State {
	return &presence.State{Persons: []presence.Person{p}, Services: services, Notes: text("", "document")}
}

func abilityTuple(id, contact string, b presence.Basic, priority string) presence.Service {
	return presence.Service{ID: id, Basic: b, Contact: &presence.Contact{URI: contact, Priority: priority},
		OMA: presence.ServiceOMA{Description: &presence.ServiceDescription{ID: "org.openmobilealliance:" + id}}}
}

var hourAgo = noon.Add(-time.Hour)

var table2 = []struct {
	name string
	s    *presence.State
	want []Presence
}{
	{"nothing known", nil, nil},
	{"nothing said", &presence.State{}, []Presence{}},
	{"E1 E4 open", state(nil, tuple(func(t *presence.Service) {})), []Presence{{Resource: "r"}}},
	{"E2 closed", state(doing("busy"), tuple(func(t *presence.Service) {
		t.Basic, t.Show, t.Notes = presence.Closed, "away", text("", "bye")
	})), []Presence{{Resource: "r", Unavailable: true, Status: text("", "bye")}}},
	{"E3 E6 notes", state(nil, tuple(func(t *presence.Service) {
		t.Notes = []presence.Note{{Lang: "en", Text: "a"}, {Lang: "de", Text: "b"}, {Lang: "en", Text: "c"}}
	})), []Presence{{Resource: "r", Status: []presence.Note{{Lang: "en", Text: "a"}, {Lang: "de", Text: "b"}}}}},
	{"E6 else the person's", personState(presence.Person{Notes: text("en", "p")}, open("")), []Presence{{Resource: "t", Status: text("en", "p")}}},
	{"E6 else the activities'", personState(presence.Person{Activities: &presence.Activities{Notes: text("", "a")}}, open("")), []Presence{{Resource: "t", Status: text("", "a")}}},
	{"E6 else the document's", personState(presence.Person{}, open("")), []Presence{{Resource: "t", Status: text("", "document")}}},
	{"E5 priority", state(nil, tuple(func(t *presence.Service) { t.Contact = &presence.Contact{Priority: "0.102"} })),
		[]Presence{{Resource: "r", Priority: 13, HasPriority: true}}},
	{"E5 absent stays absent", state(nil, tuple(func(t *presence.Service) { t.Contact = &presence.Contact{URI: "sip:x"} })), []Presence{{Resource: "r"}}},
	{"E7 own show first", state(doing("busy"), open("chat")), []Presence{{Resource: "tchat", Show: "chat"}}},
	{"E7 no such show", state(doing("busy"), open("out")), []Presence{{Resource: "tout", Show: "dnd"}}},
	{"E7 RPID", state(doing("vacation"), open("")), []Presence{{Resource: "t", Show: "xa"}}},
	{"E7 not willing", state(nil, tuple(func(t *presence.Service) { t.OMA.Willingness = &presence.OnOff{Basic: presence.Closed} })),
		[]Presence{{Resource: "r", Show: "dnd"}}},
	{"idle", state(nil, tuple(func(t *presence.Service) { t.UserInput = &presence.UserInput{Idle: true, LastInput: hourAgo} })),
		[]Presence{{Resource: "r", Show: "away", Idle: hourAgo}}},
	{"idle person", personState(presence.Person{UserInput: &presence.UserInput{Idle: true, LastInput: hourAgo}}, open("dnd"), tuple(func(t *presence.Service) {
		t.UserInput = &presence.UserInput{}
	})), []Presence{{Resource: "tdnd", Show: "dnd", Idle: hourAgo, Status: text("", "document")}, {Resource: "r", Status: text("", "document")}}},
	{"timestamp", state(nil, tuple(func(t *presence.Service) { t.Timestamp = noon })), []Presence{{Resource: "r", Stamp: noon}}},
	{"E8 only what is there", state(nil, open(""), open("xa")), []Presence{{Resource: "t"}, {Resource: "txa", Show: "xa"}}},
	{"E9 a person alone", personState(presence.Person{Activities: doing("on-the-phone"), Timestamp: noon}), []Presence{{Show: "dnd", Status: text("", "document"), Stamp: noon}}},
	{"E9 who is idle", personState(presence.Person{UserInput: &presence.UserInput{Idle: true, LastInput: noon}}), []Presence{{Show: "away", Idle: noon, Status: text("", "document")}}},
	{"E9 who says nothing of being here", personState(presence.Person{Notes: text("", "tagline")}), []Presence{{Unavailable: true, Status: text("", "tagline")}}},
	{"baresip: basic unknown", state(nil, presence.Service{ID: "a", Basic: presence.OddBasic, BasicText: "unknown"}), []Presence{{Resource: "a", Unavailable: true}}},
	{"no basic says nothing", state(nil, presence.Service{ID: "a"}, open("")), []Presence{{Resource: "t"}}},
	{"mustUnderstand is not mapped", state(nil, tuple(func(t *presence.Service) { t.NotUnderstood = true }), open("")), []Presence{{Resource: "t"}}},
	{"mustUnderstand, odd basic", state(nil, presence.Service{Basic: presence.OddBasic, NotUnderstood: true}), []Presence{}},
	{"barred", state(nil, tuple(func(t *presence.Service) { t.OMA.BarringState = "active" })), []Presence{{Resource: "r", Unavailable: true}}},
	{"invisible", state(doing("+invisible"), open("")), []Presence{{Resource: "t", Unavailable: true}}},
	{"ids that give one resource", state(nil, presence.Service{ID: "ID-x", Basic: presence.Open}, presence.Service{ID: "x", Basic: presence.Open}),
		[]Presence{{Resource: "x"}, {Resource: "x.2"}}},
	{"Android: abilities of one device are one presence", state(nil, abilityTuple("tid7", "tel:+1", presence.Closed, ""), abilityTuple("tid8", "tel:+1", presence.Open, "0.5"), abilityTuple("tid9", "sip:b@h", presence.Open, "")),
		[]Presence{{Resource: deviceName("tel:+1"), Priority: 64, HasPriority: true}, {Resource: "tid9"}}},
	{"a GRUU names the device", state(nil, abilityTuple("a", "sip:b@h;gr=phone", presence.Open, "1"), abilityTuple("b", "sip:b@h;gr=phone", presence.Closed, "")),
		[]Presence{{Resource: "phone", Priority: 127, HasPriority: true}}},
}

func TestToXMPP_Table2(t *testing.T) {
	for _, c := range table2 {
		t.Run(c.name, func(t *testing.T) {
			got := wordsOnly.ToXMPP(c.s, noon)
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func TestDeviceNameStaysWhenIDsChange(t *testing.T) {
	publish := func(first, second string) []Presence {
		d := &presence.ServiceDescription{ID: "x"}
		c := &presence.Contact{URI: "sip:+1555@ims.example"}
		return wordsOnly.ToXMPP(state(nil, presence.Service{ID: first, Basic: presence.Open, Contact: c, OMA: presence.ServiceOMA{Description: d}},
			presence.Service{ID: second, Basic: presence.Open, Contact: c, OMA: presence.ServiceOMA{Description: d}}), noon)
	}
	a, b := publish("tid0", "tid1"), publish("tid3", "tid2")
	if len(a) != 1 || a[0].Resource == "" || cmp.Diff(a, b) != "" {
		t.Errorf("%+v became %+v", a, b)
	}
}

func TestToXMPPOfManyTuples(t *testing.T) {
	s := &presence.State{}
	for range 2000 {
		s.Services = append(s.Services, presence.Service{ID: "same", Basic: presence.Open})
	}
	begin := time.Now()
	names := map[string]bool{}
	for _, p := range wordsOnly.ToXMPP(s, noon) {
		names[p.Resource] = true
	}
	if len(names) != 2000 {
		t.Errorf("%d resources of 2000", len(names))
	}
	if d := time.Since(begin); d > time.Second {
		t.Errorf("2000 tuples with one id took %s", d)
	}
}

func BenchmarkToXMPP(b *testing.B) {
	for name, s := range map[string]*presence.State{
		"one":   state(doing("on-the-phone"), presence.Service{ID: "a1", Basic: presence.Open, Notes: text("en", "hi"), Contact: &presence.Contact{URI: "sip:a@h", Priority: "0.8"}}),
		"three": state(doing("away"), open(""), open("dnd"), presence.Service{ID: "ID-balcony", Basic: presence.Closed}),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				wordsOnly.ToXMPP(s, noon)
			}
		})
	}
}
