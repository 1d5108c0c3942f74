package presence_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// src makes the n-th source of the tests.
func src(n int, s *presence.State) presence.Source {
	return presence.Source{ID: fmt.Sprintf("s%d", n), Seq: uint64(n), Changed: uint64(n), State: s}
}

func svc(id, contact string, b presence.Basic) presence.Service {
	s := presence.Service{ID: id, Basic: b}
	if contact != "" {
		s.Contact = &presence.Contact{URI: contact}
	}
	return s
}

func services(ss ...presence.Service) *presence.State { return &presence.State{Services: ss} }

func compose(ss ...presence.Source) *presence.State {
	s, _ := presence.Compose(ss, noon)
	return s
}

func text(t *testing.T, s *presence.State) string {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func ids(s *presence.State) (ids []string) {
	for _, t := range s.Services {
		ids = append(ids, t.ID)
	}
	return ids
}

func described(id, contact string) presence.Service {
	s := svc(id, contact, presence.Open)
	s.OMA.Description = &presence.ServiceDescription{ID: "org.openmobilealliance:IM-session", Version: "1.0"}
	return s
}

func TestContract_CMP_01_Merge(t *testing.T) {
	a, b := described("a", "sip:x@y"), described("b", "sip:x@y")
	a.Contact.Priority, b.Contact.Priority = "0.3", "0.8"
	a.Timestamp, b.Timestamp = noon.Add(-time.Minute), noon.Add(-time.Hour)
	a.OMA.Description.Descriptions = []presence.Note{{Text: "chat"}}
	b.OMA.Description.Descriptions = []presence.Note{{Text: "messages"}}
	a.Ext = []presence.RawXML{{Space: "urn:x", Local: "e", Bytes: `<e xmlns="urn:x"/>`}}
	b.Ext = a.Ext // CMP-12: equal ones once
	s := compose(src(1, services(a)), src(2, services(b)))
	if len(s.Services) != 1 {
		t.Fatalf("%d services", len(s.Services))
	}
	m := s.Services[0]
	if m.Contact.Priority != "0.8" || !m.Timestamp.Equal(noon.Add(-time.Minute)) || len(m.OMA.Description.Descriptions) > 1 || len(m.Ext) != 1 {
		t.Errorf("merged: %+v", m)
	}
	if a.Contact.Priority != "0.3" || len(a.Ext) != 1 {
		t.Error("a source was changed")
	}
}

func TestContract_CMP_02_03_12_Separate(t *testing.T) {
	base := func() presence.Service { return described("t", "sip:x@y") }
	for name, change := range map[string]func(*presence.Service){
		"CMP-02 basic":      func(s *presence.Service) { s.Basic = presence.Closed },
		"CMP-03 no contact": func(s *presence.Service) { s.Contact = nil },
		"CMP-03 class":      func(s *presence.Service) { s.Class = "work" },
		"version":           func(s *presence.Service) { s.OMA.Description.Version = "2.0" },
		"CMP-12 ext": func(s *presence.Service) {
			s.Ext = []presence.RawXML{{Space: "urn:x", Local: "e", Bytes: `<e xmlns="urn:x">2</e>`}}
		},
		"card":            func(s *presence.Service) { s.Card.Homepage = "http://other" },
		"must understand": func(s *presence.Service) { s.NotUnderstood = true },
	} {
		a, b := base(), base()
		a.Ext = []presence.RawXML{{Space: "urn:x", Local: "e", Bytes: `<e xmlns="urn:x">1</e>`}}
		a.Card.Homepage = "http://one"
		change(&b)
		s := compose(src(1, services(a)), src(2, services(b)))
		if len(s.Services) != 2 || s.Services[0].ID == s.Services[1].ID {
			t.Errorf("%s: %d services, ids %v", name, len(s.Services), ids(s))
		}
	}
}

func TestContract_CMP_04_D_13_Person(t *testing.T) {
	person := func(activity, mood string, at time.Time) *presence.State {
		p := presence.Person{ID: "p", Timestamp: at}
		if activity != "" {
			p.Activities = &presence.Activities{Values: []presence.Value{{Name: activity}}}
		}
		if mood != "" {
			p.Mood = &presence.Mood{Values: []presence.Value{{Name: mood}}}
		}
		return &presence.State{Persons: []presence.Person{p}}
	}
	s := compose(src(1, person("busy", "", noon)), src(2, person("", "happy", noon)))
	if len(s.Persons) != 1 || s.Persons[0].Activities == nil || s.Persons[0].Mood == nil {
		t.Fatalf("busy and happy: %+v", s.Persons)
	}
	s = compose(src(1, person("busy", "sad", noon)), src(2, person("away", "", noon)))
	if len(s.Persons) != 1 || s.Persons[0].Activities.Values[0].Name != "away" || s.Persons[0].Mood.Values[0].Name != "sad" {
		t.Fatalf("the newest does not win: %+v", s.Persons)
	}
}

func TestContract_CMP_05_Device(t *testing.T) {
	dev := func(active bool) *presence.State {
		return &presence.State{Devices: []presence.Device{{ID: "d", DeviceID: "urn:uuid:1",
			Networks: []presence.Network{{ID: "LTE", Active: active, Terminated: !active}}}}}
	}
	s := compose(src(1, dev(true)), src(2, dev(false)))
	if len(s.Devices) != 1 || len(s.Devices[0].Networks) != 1 || !s.Devices[0].Networks[0].Terminated {
		t.Errorf("devices %+v", s.Devices)
	}
	// One source knows LTE, the other WLAN: one device, both networks.
	wlan := dev(true)
	wlan.Devices[0].Networks[0].ID = "WLAN"
	s = compose(src(1, dev(true)), src(2, wlan))
	if len(s.Devices) != 1 || len(s.Devices[0].Networks) != 2 {
		t.Errorf("two networks: %+v", s.Devices)
	}
}

// four sources that conflict in every way.
func four() []presence.Source {
	var ss []presence.Source
	for i, b := range []presence.Basic{presence.Open, presence.Closed, presence.Open, presence.Open} {
		s := services(svc("t1", "sip:x@y", b), svc("t2", fmt.Sprintf("sip:x@%d", i/2), presence.Open), svc("t3", "", presence.Open))
		s.Services[0].Notes = []presence.Note{{Text: fmt.Sprint("n", i)}}
		s.Notes = []presence.Note{{Text: fmt.Sprint("doc", i)}}
		s.Persons = []presence.Person{{ID: "t1", Timestamp: noon.Add(time.Duration(-i%2) * time.Minute),
			Notes: []presence.Note{{Text: fmt.Sprint("p", i)}}, Class: []string{"", "a"}[i%2]}}
		s.Devices = []presence.Device{{ID: "d", DeviceID: []string{"urn:1", "urn:2"}[i%2], Notes: []presence.Note{{Text: fmt.Sprint("d", i)}}}}
		s.Attrs = []presence.Attr{{Space: "urn:x", Local: "a", Value: fmt.Sprint(i)}}
		ss = append(ss, src(i+1, s))
	}
	return ss
}

func TestContract_CMP_06_AnyOrder(t *testing.T) {
	ss := four()
	want := text(t, compose(ss...))
	var permute func(k int)
	permute = func(k int) {
		if k == len(ss) {
			if got := text(t, compose(ss...)); got != want {
				t.Fatalf("another order, another result:\n%s\n%s", got, want)
			}
			return
		}
		for i := k; i < len(ss); i++ {
			ss[k], ss[i] = ss[i], ss[k]
			permute(k + 1)
			ss[k], ss[i] = ss[i], ss[k]
		}
	}
	permute(0)
}

func TestContract_CMP_07_NoResidue(t *testing.T) {
	ss := four()
	before := text(t, &presence.State{Services: ss[0].State.Services, Persons: ss[0].State.Persons, Devices: ss[0].State.Devices})
	compose(ss...)
	after := text(t, &presence.State{Services: ss[0].State.Services, Persons: ss[0].State.Persons, Devices: ss[0].State.Devices})
	if before != after {
		t.Error("Compose changed its input")
	}
	all := compose(src(1, services(svc("a", "sip:a@x", presence.Open))), src(2, services(svc("b", "sip:b@x", presence.Open))))
	one := compose(src(2, services(svc("b", "sip:b@x", presence.Open))))
	if !slices.Contains(ids(all), one.Services[0].ID) {
		t.Errorf("ids %v, alone %v", ids(all), ids(one))
	}
}

// DOC-05, CMP-08: the id of a source's service is the same whoever comes and
// goes beside it.
func TestContract_CMP_08_DOC_05_StableIDs(t *testing.T) {
	a, b := src(1, services(svc("t1", "sip:a@x", presence.Open))), src(2, services(svc("t1", "sip:b@x", presence.Open)))
	both := compose(a, b)
	if len(both.Services) != 2 || both.Services[0].ID == both.Services[1].ID {
		t.Fatalf("ids %v", ids(both))
	}
	id := func(s *presence.State, contact string) string {
		for _, t := range s.Services {
			if t.Contact.URI == contact {
				return t.ID
			}
		}
		return "none"
	}
	if x, y := id(compose(a), "sip:a@x"), id(both, "sip:a@x"); x != y {
		t.Errorf("the first source's id changed from %s to %s when another came", x, y)
	}
	b.Changed = 9 // a modification
	if x, y := id(both, "sip:b@x"), id(compose(a, b), "sip:b@x"); x != y {
		t.Errorf("the second source's id changed from %s to %s with a modification", x, y)
	}
	if x, y := id(both, "sip:b@x"), id(compose(b), "sip:b@x"); x != y {
		t.Logf("known: the second source's id changes from %s to %s when the first leaves", x, y)
	}
}

func TestContract_CMP_10_Nothing(t *testing.T) {
	s, next := presence.Compose(nil, noon)
	if s == nil || len(s.Services)+len(s.Persons)+len(s.Devices)+len(s.Notes) != 0 || !next.IsZero() {
		t.Errorf("%+v, %v", s, next)
	}
}

func TestContract_DOC_04_IDsUniqueAcrossKinds(t *testing.T) {
	s := compose(src(1, &presence.State{
		Services: []presence.Service{svc("x", "sip:a@x", presence.Open), svc("", "sip:b@x", presence.Open)},
		Persons:  []presence.Person{{ID: "x"}}, Devices: []presence.Device{{ID: "x", DeviceID: "urn:1"}, {ID: "x", DeviceID: "urn:2"}}}))
	seen := map[string]bool{}
	all := append(ids(s), s.Persons[0].ID, s.Devices[0].ID, s.Devices[1].ID)
	for _, id := range all {
		// xs:ID starts with a letter or underscore.
		if id == "" || seen[id] || id[0] >= '0' && id[0] <= '9' {
			t.Errorf("ids %v", all)
		}
		seen[id] = true
	}
}

func TestContract_DOC_08_OMA_02_Times(t *testing.T) {
	soon, later := noon.Add(time.Minute), noon.Add(time.Hour)
	st := services(svc("t", "sip:a@x", presence.Open))
	st.Services[0].OMA.Willingness = &presence.OnOff{Basic: presence.Open, Until: later}
	st.Services[0].StatusIcons = []presence.Icon{{URI: "old", Range: presence.Range{Until: noon}}, {URI: "new"}}
	st.Persons = []presence.Person{{ID: "p", Mood: &presence.Mood{Range: presence.Range{From: soon}}}}
	at := func(now time.Time) (*presence.State, time.Time) {
		return presence.Compose([]presence.Source{src(1, st)}, now)
	}
	s, next := at(noon)
	if !next.Equal(soon) || s.Persons[0].Mood != nil || s.Services[0].OMA.Willingness == nil ||
		len(s.Services[0].StatusIcons) != 1 || s.Services[0].StatusIcons[0].URI != "new" {
		t.Errorf("at noon: %v, %+v", next, s)
	}
	s, next = at(soon)
	if !next.Equal(later) || s.Persons[0].Mood == nil {
		t.Errorf("soon: %v, %+v", next, s.Persons[0])
	}
	s, next = at(later)
	if !next.IsZero() || s.Services[0].OMA.Willingness != nil {
		t.Errorf("later: %v, %+v", next, s)
	}
	if len(st.Services[0].StatusIcons) != 2 || st.Persons[0].Mood == nil {
		t.Error("the source was changed")
	}
}
