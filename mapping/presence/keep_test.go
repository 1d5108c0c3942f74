package presence_test

import (
	"slices"
	"testing"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// rcs is a service of an RCS phone.
func rcs(id, service, contact string) presence.Service {
	s := svc(id, contact, presence.Open)
	s.OMA.Description = &presence.ServiceDescription{ID: service, Version: "1.0"}
	return s
}

// TestKeepIDs: rule 6 of the clients: tuple ids that a phone makes anew with
// each document are not new to watchers.
func TestKeepIDs(t *testing.T) {
	const me = "sip:a@b"
	old := services(rcs("tid0", "dp", me), rcs("tid1", "mmtel", me), svc("own", me, presence.Open))
	for _, tt := range []struct {
		name string
		doc  *presence.State
		want []string
	}{
		{"all anew", services(rcs("tid7", "dp", me), rcs("tid8", "mmtel", me)), []string{"tid0", "tid1"}},
		{"another order, one more", services(rcs("tid7", "mmtel", me), rcs("tid8", "chat", me), rcs("tid9", "dp", me)), []string{"tid1", "tid8", "tid0"}},
		{"another contact", services(rcs("tid7", "dp", "sip:c@d")), []string{"tid7"}},
		{"without description", services(svc("tid7", me, presence.Open)), []string{"tid7"}},
		{"its own is taken", services(svc("tid0", me, presence.Open), rcs("tid7", "dp", me)), []string{"tid0-2", "tid0"}},
		{"a new one's is taken", services(rcs("tid0", "chat", me), rcs("tid0-2", "dp", me)), []string{"tid0-2", "tid0"}},
		{"twice the same", services(rcs("tid7", "dp", me), rcs("tid8", "dp", me)), []string{"tid0", "tid8"}},
		{"nothing", services(), nil},
	} {
		before := text(t, tt.doc)
		if got := ids((&presence.Keep{Shown: old}).IDs(tt.doc)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: ids %v, want %v", tt.name, got, tt.want)
		}
		if text(t, tt.doc) != before {
			t.Errorf("%s: the document was changed", tt.name)
		}
	}
	if (&presence.Keep{}).IDs(old) != old || (&presence.Keep{Shown: old, Own: old}).IDs(old) != old || (&presence.Keep{Shown: services()}).IDs(old) != old {
		t.Error("a copy of what needs no change")
	}
}

// CMP-07, CMP-08, DOC-05: a source's ids are as watchers know them whoever
// comes and goes beside it, over refreshes and changes.
func TestKeepIDs_CMP_07_08(t *testing.T) {
	one := services(svc("t1", "sip:a@x", presence.Open), rcs("t2", "chat", "sip:me"))
	one.Persons = []presence.Person{{ID: "p1"}}
	one.Devices = []presence.Device{{ID: "d1", DeviceID: "urn:1"}}
	two := services(svc("t1", "sip:b@x", presence.Open), svc("d1", "sip:c@x", presence.Open), svc("t5", "sip:a@x", presence.Open), rcs("t9", "chat", "sip:me"))
	two.Persons = []presence.Person{{ID: "p2"}}
	two.Devices = []presence.Device{{ID: "d1", DeviceID: "urn:2"}, {ID: "e", DeviceID: "urn:1"}}

	shown := compose(src(1, one))
	k := presence.Keep{Source: "s2", Shown: shown, Others: []*presence.State{one}}
	kept := k.IDs(two)
	both := compose(src(1, one), src(2, kept))
	seen := map[string]bool{}
	for _, id := range all(both) {
		if seen[id] {
			t.Errorf("ids %v", all(both))
		}
		seen[id] = true
	}
	if kept.Services[2].ID != "t1" || kept.Services[3].ID != "t2" || kept.Persons[0].ID != "p1" || kept.Devices[1].ID != "d1" {
		t.Errorf("what is one has two ids: %v", all(kept))
	}
	alone := compose(src(2, kept))
	for _, id := range all(alone) {
		if !seen[id] {
			t.Errorf("with both %v, and alone %v", all(both), all(alone))
		}
	}
	// It comes again, the other having gone.
	again := presence.Keep{Source: "s2", Shown: alone, Own: kept}
	if got := all(again.IDs(two)); !slices.Equal(got, all(kept)) {
		t.Errorf("changed: %v, was %v", got, all(kept))
	}
	if again.IDs(kept) != kept {
		t.Errorf("its own ids are not kept: %v", all(again.IDs(kept)))
	}
}

// One RCS service of two phones that conflict: two tuples, and each keeps its
// own.
func TestKeepIDs_CMP_02(t *testing.T) {
	a, b := services(rcs("a", "chat", "sip:me")), services(rcs("b", "chat", "sip:me"))
	b.Services[0].Basic = presence.Closed
	first := (&presence.Keep{Source: "s2", Shown: compose(src(1, a)), Others: []*presence.State{a}}).IDs(b)
	both := compose(src(1, a), src(2, first))
	if len(both.Services) != 2 || first.Services[0].ID == "a" {
		t.Fatalf("ids %v", ids(both))
	}
	b.Services[0].ID = "c" // numbered anew
	second := (&presence.Keep{Source: "s2", Shown: both, Own: first, Others: []*presence.State{a}}).IDs(b)
	if second.Services[0].ID != first.Services[0].ID {
		t.Errorf("%v became %v", ids(first), ids(second))
	}
}

func TestKeepIDsStrict(t *testing.T) {
	a, b := personState(presence.Person{ID: "p", Activities: doing("busy")}), personState(presence.Person{ID: "p", Activities: doing("away")})
	k := presence.Keep{Source: "s2", Shown: a, Others: []*presence.State{a}, Strict: true}
	if got := k.IDs(b).Persons[0].ID; got == "p" {
		t.Error("two persons with one id")
	}
	k.Strict = false
	if got := k.IDs(b).Persons[0].ID; got != "p" {
		t.Errorf("one person with two ids: %s", got)
	}
}

// all are the ids of every component of s.
func all(s *presence.State) []string {
	list := ids(s)
	for _, p := range s.Persons {
		list = append(list, p.ID)
	}
	for _, d := range s.Devices {
		list = append(list, d.ID)
	}
	return list
}
