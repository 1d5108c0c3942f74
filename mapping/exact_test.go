package mapping

import (
	"slices"
	"testing"
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// wordsOnly are rules without a side channel.
var wordsOnly = &Rules{SideChannelOff: true}

// phone is what a phone publishes: more than XMPP has words for.
func phone() *presence.State {
	return &presence.State{
		Services: []presence.Service{
			{ID: "t1", Basic: presence.Open, Class: "work", Contact: &presence.Contact{URI: "sip:alice@192.0.2.1", Priority: "0.8"},
				Privacy: &presence.Choice{Values: []presence.Value{{Name: "audio"}}}},
			{ID: "t2", Basic: presence.Closed, Contact: &presence.Contact{URI: "sip:alice@192.0.2.2"}},
			{ID: "t3", Contact: &presence.Contact{URI: "mailto:alice@example.org"}},
		},
		Persons: []presence.Person{{ID: "p1",
			Activities: &presence.Activities{Values: []presence.Value{{Name: "meeting"}, {Name: "meal"}}},
			PlaceType:  &presence.Choice{Values: []presence.Value{{Name: "office"}}}}},
		Devices: []presence.Device{{ID: "d1", DeviceID: "urn:x-mac:0003ba4811e3"}},
		Notes:   []presence.Note{{Lang: "en", Text: "Back at five"}},
	}
}

// arrive is what a gateway knows that gets ps, in their order, from alice.
func arrive(r *Rules, old *presence.State, ps []Presence, now time.Time) *presence.State {
	for _, p := range ps {
		p.From = presence.Addr{Scheme: presence.XMPP, User: "alice", Host: "sip.example"}
		old = r.FromXMPP(old, p, now)
	}
	return old
}

func withoutLineage(t *testing.T, s *presence.State) *presence.State {
	t.Helper()
	i := lineageAt(s)
	if i < 0 {
		t.Fatal("no lineage")
	}
	c := *s
	c.Ext = slices.Delete(slices.Clone(s.Ext), i, i+1)
	return &c
}

func TestSideChannel_RestoresAll(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	want := phone()
	got := arrive(Standard, nil, Standard.ToXMPP(want, now), now)
	if got := withoutLineage(t, got); !presence.Equal(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if back := arrive(Standard, got, Standard.ToXMPP(want, now), now); back != got {
		t.Error("the same again is news")
	}
}

func TestSideChannel_FollowsEachChange(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	first := phone()
	got := arrive(Standard, nil, Standard.ToXMPP(first, now), now)
	second := phone()
	second.Services[0].Basic = presence.Closed
	second.Services = slices.Delete(second.Services, 2, 3)
	second.Persons[0].PlaceType = nil
	second.Devices = nil
	got = arrive(Standard, got, Standard.ToXMPP(second, now), now)
	if got := withoutLineage(t, got); !presence.Equal(got, second) {
		t.Errorf("got %+v\nwant %+v", got, second)
	}
}

// A stanza that carries nothing speaks for itself: what came by the side
// channel before is over, but the tuples of other resources stay.
func TestSideChannel_EndsWithAPlainStanza(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := phone()
	s.Services[1].Basic = presence.Open
	ps := Standard.ToXMPP(s, now)
	got := arrive(Standard, nil, ps, now)
	got = arrive(Standard, got, []Presence{{Resource: "t1", Show: "away"}}, now)
	if len(got.Devices)+len(got.Notes)+len(got.Ext) > 0 || len(got.Services) != 2 {
		t.Errorf("left behind: %+v", got)
	}
	if s := got.Services[0]; s.ID != "ID-t1" || s.Show != "away" || s.Class != "" {
		t.Errorf("tuple = %+v", s)
	}
	got = arrive(Standard, got, []Presence{{Resource: "t1", Unavailable: true}}, now)
	if len(got.Services) != 1 || got.Services[0].ID != "t2" {
		t.Errorf("after unavailable: %+v", got.Services)
	}
}

func TestSideChannel_Off(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, p := range wordsOnly.ToXMPP(phone(), now) {
		if p.Exact != nil {
			t.Error("carries something")
		}
	}
	got := arrive(wordsOnly, nil, Standard.ToXMPP(phone(), now), now)
	if len(got.Devices) > 0 || lineageAt(got) >= 0 {
		t.Errorf("took something: %+v", got)
	}
}

// What cannot be meant is passed over: the stanza's own words count.
func TestSideChannel_Hostile(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	old := arrive(Standard, nil, []Presence{{Resource: "other"}}, now)
	many := make([]presence.Service, maxCarried+1)
	for i := range many {
		many[i] = presence.Service{ID: "t" + string(rune('a'+i%26)) + string(rune('a'+i/26)), Basic: presence.NoBasic}
	}
	lineage := Lineage{Origin: "x"}.raw()
	for name, e := range map[string]*presence.State{
		"another resource's tuple": {Services: []presence.Service{{ID: "t2", Basic: presence.Open}}},
		"another resource's id":    {Services: []presence.Service{{ID: "ID-other", Basic: presence.NoBasic}}},
		"too many":                 {Services: many},
		"a lineage of its own":     {Ext: []presence.RawXML{lineage}},
		"one id twice":             {Services: []presence.Service{{ID: "ID-t1", Basic: presence.Open}, {ID: "ID-t1", Basic: presence.NoBasic}}},
	} {
		got := arrive(Standard, old, []Presence{{Resource: "t1", Show: "dnd", Exact: e}}, now)
		want := arrive(Standard, old, []Presence{{Resource: "t1", Show: "dnd"}}, now)
		if !presence.Equal(got, want) {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

func TestLineageOf(t *testing.T) {
	want := Lineage{Origin: `a"<&`, Change: "27ZOYSAV6Y"}
	got, ok := LineageOf(&presence.State{Ext: []presence.RawXML{want.raw()}})
	if !ok || got != want {
		t.Errorf("got %+v, %v", got, ok)
	}
	if _, ok := LineageOf(nil); ok {
		t.Error("nothing has a lineage")
	}
}
