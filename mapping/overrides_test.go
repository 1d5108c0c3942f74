package mapping

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

func newRules(t *testing.T, o Overrides) *Rules {
	t.Helper()
	r, err := NewRules(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestOverridesOfActivities(t *testing.T) {
	yes := true
	r := newRules(t, Overrides{Activities: map[string]ActivityOverride{
		"tv":           {Availability: "away", XMPP: "relaxing/watching_a_movie"},
		"meeting":      {Availability: "dnd", Reason: "presenting"},
		"lunch":        {Availability: "none", XMPP: "-"},
		"working":      {OOF: &yes},
		"ext:focusing": {XMPP: "inactive/thinking"},
	}})
	for _, tt := range []struct {
		activity string
		want     Availability
		payload  string
	}{
		{"tv", Availability{Word: Away}, `<relaxing><watching_a_movie/></relaxing>`},
		{"meeting", Availability{Word: DND, Reason: "presenting"}, `<working><in_a_meeting/></working>`},
		{"lunch", Availability{Word: Available}, ""},
		{"working", Availability{Word: Available, OOF: true}, `<working/>`},
		{"+focusing", Availability{Word: Busy, Reason: "focusing"}, `<inactive><thinking/></inactive>`},
		{"dinner", Availability{Word: Away}, `<eating><having_dinner/></eating>`}, // as it was
	} {
		s := state(doing(tt.activity), open(""))
		if diff := cmp.Diff(tt.want, r.Effective(s, noon)); diff != "" {
			t.Errorf("%s: %s", tt.activity, diff)
		}
		if ps := r.ToXMPP(s, noon); len(ps) != 1 || ps[0].Show != shows[tt.want.Word] {
			t.Errorf("%s is shown as %+v", tt.activity, ps)
		}
		got := ""
		for _, it := range r.ToPEP(s, noon) {
			got += strings.TrimSuffix(strings.TrimPrefix(it.Payload, `<activity`+activityNS+`>`), "</activity>")
		}
		if got != tt.payload {
			t.Errorf("%s goes out as %s, want %s", tt.activity, got, tt.payload)
		}
		if got == "" {
			continue
		}
		back := r.FromPEP(nil, item(`<activity`+activityNS+`>`+got+`</activity>`), noon)
		if got := back.Persons[0].Activities.Values; !sameValue(&got[0], &s.Persons[0].Activities.Values[0]) {
			t.Errorf("%s comes back as %+v", tt.activity, got)
		}
	}
	if w := Standard.Effective(state(doing("tv"), open("")), noon).Word; w != Available {
		t.Errorf("the standard has changed: tv is %s", w)
	}
}

func TestOverridesOfMoods(t *testing.T) {
	r := newRules(t, Overrides{Moods: map[string]string{"cranky": "grumpy", "sad": "-"}})
	said := func(r *Rules, mood string) string {
		out := ""
		for _, it := range r.ToPEP(&presence.State{Persons: []presence.Person{{Mood: &presence.Mood{Values: value(mood)}}}}, noon) {
			out += it.Payload
		}
		return out
	}
	if got := said(r, "cranky"); got != `<mood`+moodNS+`><grumpy/></mood>` {
		t.Errorf("cranky is %s", got)
	}
	if got := said(r, "sad"); got != "" {
		t.Errorf("sad is %s", got)
	}
	if got := said(nil, "sad"); got != `<mood`+moodNS+`><sad/></mood>` {
		t.Errorf("the standard has changed: sad is %s", got)
	}
}

// chat-networks D.2: closed_when.
func TestClosedWhen(t *testing.T) {
	r := newRules(t, Overrides{ClosedWhen: []Word{Away, DND, Away}})
	plain := &Profile{}
	for show, want := range map[string]presence.Basic{"": presence.Open, "away": presence.Closed, "xa": presence.Open, "dnd": presence.Open, "chat": presence.Open} {
		s := r.FromXMPP(nil, Presence{Resource: "a", Show: show}, noon)
		got := plain.Shape(r, s, noon)
		if got.Services[0].Basic != want || got.Services[0].Show != show || s.Services[0].Basic != presence.Open {
			t.Errorf("%q is shown as %+v", show, got.Services[0])
		}
		if ps := r.ToXMPP(s, noon); ps[0].Unavailable {
			t.Errorf("%q is unavailable in XMPP", show)
		}
	}
	s := state(doing("busy", "+do-not-disturb"), open(""))
	if got := plain.Shape(r, s, noon).Services[0].Basic; got != presence.Closed {
		t.Error("dnd is open")
	}
	if got := plain.Shape(nil, s, noon); got != s {
		t.Error("the standard closes what is open")
	}
}

func TestFaultsOfOverrides(t *testing.T) {
	_, err := NewRules(Overrides{
		Activities: map[string]ActivityOverride{
			"dancing":       {Availability: "away"},
			"ext:dancing":   {Availability: "away"},
			"away":          {Availability: "busy"},
			"ext:invisible": {Availability: "none"},
			"dinner":        {Availability: "offline"},
			"lunch":         {Availability: "gone"},
			"breakfast":     {Reason: "hunger"},
			"playing":       {Reason: "in_call"},
			"meal":          {XMPP: "eating/soup"},
			"shopping":      {XMPP: "undefined"},
			"sleeping":      {XMPP: "inactive/other"},
			"other":         {XMPP: "relaxing"},
			"steering":      {XMPP: "flying"},
			"spectator":     {XMPP: "relaxing/watching_tv"},
			"tv":            {XMPP: "relaxing/watching_tv"},
		},
		Moods:      map[string]string{"amorous": "happy", "sad": "blue", "happy": "in_love", "in_love": "in_love", "proud": "undefined"},
		ClosedWhen: []Word{Away, Offline},
	})
	if err == nil {
		t.Fatal("no fault is found")
	}
	want := []string{
		"activities.away:", "activities.breakfast.reason:", "activities.dancing:", "activities.dinner.availability:",
		"activities.ext:dancing:", "activities.ext:invisible:", "activities.lunch.availability:", "activities.meal.xmpp:",
		"activities.other.xmpp:", "activities.playing.reason:", "activities.shopping.xmpp:", "activities.sleeping.xmpp:",
		"activities.steering.xmpp:", "activities.tv.xmpp: relaxing/watching_tv is already said by activities.spectator.xmpp",
		"moods.amorous:", "moods.in_love: in_love is already said by moods.happy", "moods.proud:", "moods.sad:", "closed_when[1]:",
	}
	got := strings.Split(err.Error(), "\n")
	if len(got) != len(want) {
		t.Fatalf("%d faults, want %d:\n%v", len(got), len(want), err)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("%s\nwant %s", got[i], want[i])
		}
	}
}
