package mapping

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/xmpp/payload"
)

const (
	activityNS = ` xmlns="http://jabber.org/protocol/activity"`
	moodNS     = ` xmlns="http://jabber.org/protocol/mood"`
)

// item is an item with a payload of the node that its root element says.
func item(payload string) Item {
	for _, k := range pepNodes {
		if strings.HasPrefix(payload, "<"+k.root) {
			return Item{Node: k.node, ID: "1", Payload: payload}
		}
	}
	panic("no node for " + payload)
}

// heard is the person after payloads, one after the other.
func heard(t *testing.T, r *Rules, payloads ...string) presence.Person {
	t.Helper()
	var s *presence.State
	for _, p := range payloads {
		var err error
		s, err = r.ApplyPEP(s, item(p), noon)
		if err != nil {
			t.Fatalf("%s: %v", p, err)
		}
	}
	if s == nil || len(s.Persons) != 1 {
		t.Fatalf("%v: %+v", payloads, s)
	}
	return s.Persons[0]
}

func value(name string) []presence.Value { return []presence.Value{{Name: name}} }

// other is RPID's <other> with words.
func other(words, lang string) []presence.Value {
	return []presence.Value{{Name: "other", Text: words, Lang: lang}}
}

func TestActivityFromPEP(t *testing.T) {
	for _, tt := range []struct {
		payload string
		values  []presence.Value
		notes   []presence.Note
	}{
		// XEP-0108 §2.1: all three examples.
		{`<activity` + activityNS + `><relaxing><partying/></relaxing><text xml:lang='en'>My nurse&apos;s birthday!</text></activity>`, other("partying", "en"), text("en", "My nurse's birthday!")},
		{`<activity` + activityNS + `><relaxing><tanning xmlns='http://www.ilovetanning.info'/></relaxing></activity>`, other("relaxing", "en"), nil},
		{`<activity` + activityNS + `><inactive><sleeping><hibernating xmlns='http://www.ursus.info/states'/></sleeping></inactive></activity>`, value("sleeping"), nil},
		{`<activity` + activityNS + ` xml:lang="de"><text>Raum 5</text><working><in_a_meeting/></working></activity>`, value("meeting"), text("de", "Raum 5")},
		// XEP-0108 §3: a specific activity under any general one.
		{`<activity` + activityNS + `><relaxing><gardening/></relaxing></activity>`, other("gardening", "en"), nil},
		{`<activity` + activityNS + `><relaxing><cycling/></relaxing></activity>`, other("relaxing", "en"), nil},
		{`<activity` + activityNS + `><undefined><other/></undefined><text>juggling</text></activity>`, other("juggling", ""), nil},
		{`<activity` + activityNS + `><undefined/><text xml:lang="en">juggling</text></activity>`, other("juggling", "en"), nil},
		{`<activity` + activityNS + `><working><other/></working><text>Focusing</text></activity>`, []presence.Value{{Space: Ext, Name: "focusing"}}, nil},
		{`<activity` + activityNS + `><working><other/></working><text>on a novel</text></activity>`, value("working"), text("", "on a novel")},
		{`<activity` + activityNS + `><flying_a_kite/></activity>`, other("flying a kite", ""), nil}, // of a list to come
	} {
		p := heard(t, nil, tt.payload)
		if p.Activities == nil {
			t.Errorf("%s: nothing", tt.payload)
			continue
		}
		if diff := cmp.Diff(presence.Activities{Values: tt.values, Notes: tt.notes}, *p.Activities); diff != "" {
			t.Errorf("%s: %s", tt.payload, diff)
		}
		if len(p.Ext) != 1 || p.Ext[0].Local != "activity" || p.Ext[0].Space != payload.NodeActivity {
			t.Errorf("%s: kept %+v", tt.payload, p.Ext)
		}
	}
}

func TestMoodFromPEP(t *testing.T) {
	for _, tt := range []struct {
		payload string
		values  []presence.Value
		notes   []presence.Note
		kept    bool
	}{
		{`<mood` + moodNS + `><happy/><text>Yay, the mood spec has been approved!</text></mood>`, value("happy"), text("", "Yay, the mood spec has been approved!"), false},
		{`<mood` + moodNS + `><happy><ecstatic xmlns='https://example.org/'/></happy></mood>`, value("happy"), nil, true},
		{`<mood` + moodNS + `><amorous/></mood>`, other("amorous", "en"), nil, false},
		{`<mood` + moodNS + `><undefined/><text>blue</text></mood>`, other("blue", ""), nil, false},
		{`<mood` + moodNS + `><happy/><text>a</text><text xml:lang="de">b</text></mood>`, value("happy"), append(text("", "a"), text("de", "b")...), true},
		{`<mood` + moodNS + `><wistful/></mood>`, other("wistful", ""), nil, true}, // of a list to come
	} {
		p := heard(t, nil, tt.payload)
		if p.Mood == nil {
			t.Errorf("%s: nothing", tt.payload)
			continue
		}
		if diff := cmp.Diff(presence.Mood{Values: tt.values, Notes: tt.notes}, *p.Mood); diff != "" {
			t.Errorf("%s: %s", tt.payload, diff)
		}
		if kept := len(p.Ext) == 1; kept != tt.kept {
			t.Errorf("%s: kept %+v", tt.payload, p.Ext)
		}
	}
}

// XEP-0107 §2.2, XEP-0108 §2.2: an empty element stops it, and takes away
// exactly what it said.
func TestPEPStops(t *testing.T) {
	const (
		mood     = `<mood` + moodNS + `><happy><ecstatic xmlns='https://example.org/'/></happy></mood>`
		activity = `<activity` + activityNS + `><working><in_a_meeting/></working></activity>`
	)
	online := Standard.FromXMPP(nil, Presence{Resource: "a", Show: "away"}, noon)
	one := Standard.FromPEP(online, item(mood), noon)
	both := Standard.FromPEP(one, item(activity), noon)
	if got := both.Persons[0].Activities.Values; len(got) != 2 || got[0].Name != "meeting" || got[1].Name != "away" {
		t.Errorf("meeting and away: %+v", got)
	}
	for _, stop := range []string{"", `<activity` + activityNS + `/>`, `<activity` + activityNS + `> </activity>`} {
		s := Standard.FromPEP(both, Item{Node: payload.NodeActivity, Payload: stop}, noon)
		if !presence.Equal(s, one) {
			t.Errorf("after %q: %s", stop, cmp.Diff(one, s))
		}
		if s = Standard.FromPEP(s, Item{Node: payload.NodeMood, Payload: stop[:0]}, noon); !presence.Equal(s, online) {
			t.Errorf("after both: %s", cmp.Diff(online, s))
		}
	}
	if again := Standard.FromPEP(both, item(mood), noon); again != both {
		t.Error("the same mood once more made a new state")
	}
	if got := Standard.FromPEP(nil, Item{Node: payload.NodeMood}, noon); got != nil {
		t.Errorf("nothing of nobody is %+v", got)
	}
	// A resource that comes or goes leaves the activity.
	moved := Standard.FromXMPP(both, Presence{Resource: "a", Show: "dnd"}, noon)
	if got := moved.Persons[0].Activities.Values; len(got) != 2 || got[0].Name != "meeting" || got[1].Name != "busy" {
		t.Errorf("meeting and dnd: %+v", got)
	}
	gone := Standard.FromXMPP(moved, Presence{Resource: "a", Unavailable: true}, noon)
	if w := Standard.Effective(gone, noon).Word; w != Offline {
		t.Errorf("who has gone offline is %s", w)
	}
}

// Without a side channel nothing is seen but what PIDF has words for.
func TestPEPWithoutSideChannel(t *testing.T) {
	r := &Rules{SideChannelOff: true}
	s := r.FromXMPP(nil, Presence{Resource: "a", Show: "away"}, noon)
	s = r.FromPEP(s, item(`<activity`+activityNS+`><working><coding/></working></activity>`), noon)
	s = r.FromPEP(s, item(`<mood`+moodNS+`><happy><ecstatic xmlns='https://example.org/'/></happy></mood>`), noon)
	s = r.FromXMPP(s, Presence{Resource: "a"}, noon)
	p := r.WithoutSideChannel(s).Persons[0]
	if len(p.Ext) != 0 || p.Mood == nil || p.Activities == nil || len(p.Activities.Values) != 1 || p.Activities.Values[0].Name != "working" {
		t.Errorf("%+v", p)
	}
}

// Broken payloads change nothing, and it is told why.
func TestBrokenPEPChangesNothing(t *testing.T) {
	old := Standard.FromPEP(nil, item(`<mood`+moodNS+`><happy/></mood>`), noon)
	for _, it := range []Item{
		{Node: "urn:x", Payload: `<x xmlns="urn:x"/>`},
		{Node: payload.NodeMood, Payload: `<mood`},
		{Node: payload.NodeMood, Payload: `happy`},
		{Node: payload.NodeMood, Payload: `<!DOCTYPE mood><mood` + moodNS + `><sad/></mood>`},
		{Node: payload.NodeMood, Payload: `<mood` + moodNS + `><sad/></mood><mood/>`},
		{Node: payload.NodeMood, Payload: `<mood><sad/></mood>`},
		{Node: payload.NodeMood, Payload: `<activity` + activityNS + `><working/></activity>`},
		{Node: payload.NodeMood, Payload: `<mood` + moodNS + `><text>no mood</text></mood>`},
		{Node: payload.NodeMood, Payload: `<mood` + moodNS + `><sad xmlns="urn:x"/></mood>`},
		{Node: payload.NodeMood, Payload: `<mood` + moodNS + `><sad/><text>` + strings.Repeat("x", maxNative) + `</text></mood>`},
		{Node: payload.NodeMood, Payload: `<mood` + moodNS + `><sad/><!--` + strings.Repeat("x", maxPayload) + `--></mood>`},
		{Node: payload.NodeMood, Payload: `<mood` + moodNS + `>` + strings.Repeat("<a>", 2000)},
		{Node: payload.NodeActivity, Payload: `<activity` + activityNS + `><text>what?</text></activity>`},
	} {
		s, err := Standard.ApplyPEP(old, it, noon)
		if s != old || !errors.Is(err, ErrPEPPayload) && !errors.Is(err, ErrPEPNode) {
			t.Errorf("%.80s: %v, changed %v", it.Payload, err, s != old)
		}
		if strings.Contains(err.Error(), "xxx") || len(err.Error()) > 500 {
			t.Errorf("the error repeats the payload: %.200s", err)
		}
	}
}

func TestToPEP(t *testing.T) {
	note := func(a *presence.Activities, s string) *presence.Activities {
		a.Notes = text("en", s)
		return a
	}
	for _, tt := range []struct {
		name string
		p    presence.Person
		want []string
	}{
		{"nothing", presence.Person{ID: "p"}, nil},
		{"away is no activity", presence.Person{Activities: doing("away", "unknown")}, nil},
		{"the weightiest", presence.Person{Activities: doing("lunch", "away", "on-the-phone", "meeting", "busy")}, []string{`<activity` + activityNS + `><talking><on_the_phone/></talking></activity>`}},
		{"the first of equals", presence.Person{Activities: doing("dinner", "shopping")}, []string{`<activity` + activityNS + `><eating><having_dinner/></eating></activity>`}},
		{"with a note", presence.Person{Activities: note(doing("meal"), "<soup>")}, []string{`<activity` + activityNS + `><eating/><text xml:lang="en">&lt;soup&gt;</text></activity>`}},
		{"by words", presence.Person{Activities: doing("presentation")}, []string{`<activity` + activityNS + `><working><other/></working><text xml:lang="en">giving a presentation</text></activity>`}},
		{"invisible", presence.Person{Activities: doing("meeting", "+invisible"), Mood: &presence.Mood{Values: value("sad")}}, nil},
		{"over", presence.Person{Activities: &presence.Activities{Range: presence.Range{Until: noon}, Values: value("meal")}, Mood: &presence.Mood{Range: presence.Range{From: noon.Add(1)}, Values: value("sad")}}, nil},
		{"mood", presence.Person{Mood: &presence.Mood{Values: append(value("unknown"), append(value("in_awe"), value("sad")...)...), Notes: text("", "ah")}}, []string{`<mood` + moodNS + `><in_awe/><text>ah</text></mood>`}},
		{"mood of one's own", presence.Person{Mood: &presence.Mood{Values: other("blue", "en"), Notes: text("", "lost")}}, []string{`<mood` + moodNS + `><undefined/><text xml:lang="en">blue</text></mood>`}},
		{"mood by words", presence.Person{Mood: &presence.Mood{Values: other(" Lucky ", "en"), Notes: text("", "won")}}, []string{`<mood` + moodNS + `><lucky/><text>won</text></mood>`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, it := range Standard.ToPEP(&presence.State{Persons: []presence.Person{tt.p}}, noon) {
				if it.ID != "current" {
					t.Errorf("item id %q", it.ID)
				}
				got = append(got, it.Payload)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if got := Standard.ToPEP(nil, noon); got != nil {
		t.Errorf("nothing is %v", got)
	}
}

// What came from XMPP goes out as it came, while it says the same.
func TestPEPThereAndBackVerbatim(t *testing.T) {
	const native = `<activity` + activityNS + `><working><coding><go xmlns="urn:x" a="1"/></coding></working><text>at last</text></activity>`
	s := Standard.FromPEP(nil, item(native), noon)
	got := Standard.ToPEP(s, noon)
	if len(got) != 1 || got[0].Payload != native {
		t.Fatalf("%+v", got)
	}
	p := s.Persons[0]
	p.Activities = doing("meeting")
	got = Standard.ToPEP(&presence.State{Persons: []presence.Person{p}}, noon)
	if len(got) != 1 || got[0].Payload != `<activity`+activityNS+`><working><in_a_meeting/></working></activity>` {
		t.Errorf("another activity: %+v", got)
	}
}

// drawName draws the XMPP name of a row.
func drawName(d *rapid.T, v *vocabulary, label string) string {
	names := make([]string, 0, len(v.in))
	for x := range v.in {
		names = append(names, x.name)
	}
	slices.Sort(names)
	return rapid.SampledFrom(names).Draw(d, label)
}

// ToPEP(FromPEP(x)) = x for every activity and mood, with or without a text:
// exactly with the side channel; without it once more is the same again.
func TestPEPRoundTrip(t *testing.T) {
	rapid.Check(t, func(d *rapid.T) {
		root, voc := "activity", standard.activity
		if rapid.Bool().Draw(d, "mood") {
			root, voc = "mood", standard.mood
		}
		name := drawName(d, voc, "name")
		general, specific, ok := strings.Cut(name, "/")
		x := element{space: "http://jabber.org/protocol/" + root, local: root, kids: []element{{local: general}}}
		x.kids[0].space = x.space
		if ok {
			x.kids[0].kids = []element{{space: x.space, local: specific}}
		}
		if rapid.Bool().Draw(d, "text") {
			x.kids = append(x.kids, element{space: x.space, local: "text", text: rapid.StringMatching(`[a-z<& ]{0,20}[a-z]`).Draw(d, "words")})
		}
		payload := string(x.append(nil, ""))
		got := Standard.ToPEP(Standard.FromPEP(nil, item(payload), noon), noon)
		if len(got) != 1 || got[0].Payload != payload {
			d.Fatalf("%s comes back as %+v", payload, got)
		}
		off := &Rules{SideChannelOff: true}
		seen := func(s *presence.State) *presence.State { return off.WithoutSideChannel(s) }
		s := seen(off.FromPEP(nil, item(payload), noon))
		there := off.ToPEP(s, noon)
		if len(there) != 1 {
			d.Fatalf("%s is %+v", payload, there)
		}
		if again := seen(off.FromPEP(nil, there[0], noon)); !presence.Equal(again, s) {
			d.Fatalf("%s goes out as %s: %s", payload, there[0].Payload, cmp.Diff(s, again))
		}
	})
}

func FuzzFromPEP(f *testing.F) {
	for _, p := range []string{
		`<mood` + moodNS + `><happy/><text>a</text></mood>`,
		`<activity` + activityNS + `><relaxing><tanning xmlns='http://www.ilovetanning.info'/></relaxing></activity>`,
		`<mood` + moodNS + ` xmlns:x="urn:x" x:a="1"><x:happy/>b<sad/><text xml:lang="de">&#x41;</text></mood>`,
	} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		for _, k := range pepNodes {
			old := Standard.FromXMPP(nil, Presence{Resource: "a", Show: "away"}, noon)
			s, err := Standard.ApplyPEP(old, Item{Node: k.node, Payload: payload}, noon)
			if err != nil {
				if s != old {
					t.Fatal("an error and a change")
				}
				continue
			}
			items := Standard.ToPEP(s, noon)
			for _, it := range items {
				again, err := Standard.ApplyPEP(s, it, noon)
				if err != nil || again != s {
					t.Fatalf("%s: what goes out, %s, does not come back: %v %s", payload, it.Payload, err, cmp.Diff(s, again))
				}
			}
			if back := Standard.FromPEP(s, Item{Node: k.node}, noon); !presence.Equal(back, old) {
				t.Fatalf("%s leaves something behind: %s", payload, cmp.Diff(old, back))
			}
		}
	})
}

// FromPEP(ToPEP(s)) says what the tables declare, for every value of RPID and
// of the namespace Ext; and whatever the person says, what went out once goes
// out again the same.
func TestPEPOfRPIDValues(t *testing.T) {
	for name := range standard.activities {
		checkThereAndBack(t, presence.Value{Name: name}, standard.activity)
	}
	for name := range standard.extensions {
		if name != "invisible" {
			checkThereAndBack(t, presence.Value{Space: Ext, Name: name}, standard.activity)
		}
	}
	for w := range standard.mood.out {
		if w.words == "" {
			checkThereAndBack(t, presence.Value{Name: w.name}, standard.mood)
		}
	}
}

func checkThereAndBack(t *testing.T, v presence.Value, voc *vocabulary) {
	t.Helper()
	p := presence.Person{ID: "p", Activities: &presence.Activities{Values: []presence.Value{v}}}
	if voc == standard.mood {
		p = presence.Person{ID: "p", Mood: &presence.Mood{Values: []presence.Value{v}}}
	}
	items := Standard.ToPEP(&presence.State{Persons: []presence.Person{p}}, noon)
	to := voc.out[rpidWord{space: v.Space, name: v.Name}]
	if len(items) != 1 {
		if len(items) > 1 || to.name != nothing {
			t.Errorf("%s goes out as %+v", v.Name, items)
		}
		return
	}
	back := Standard.FromPEP(nil, items[0], noon).Persons[0]
	got := back.Activities
	if voc == standard.mood {
		got = (*presence.Activities)(back.Mood)
	}
	want := voc.in[to]
	if got.Values[0].Space != want.space || got.Values[0].Name != want.name || len(got.Notes) > 0 {
		t.Errorf("%s comes back as %+v, want %+v", v.Name, got, want)
	}
}

func TestPEPGoesOutTheSameAgain(t *testing.T) {
	values := func(d *rapid.T, label string, v *vocabulary) (vs []presence.Value) {
		var all []rpidWord
		for w := range v.out {
			if w.name != "invisible" {
				all = append(all, w)
			}
		}
		slices.SortFunc(all, func(a, b rpidWord) int { return strings.Compare(a.space+a.name+a.words, b.space+b.name+b.words) })
		for _, w := range rapid.SliceOfN(rapid.SampledFrom(all), 0, 3).Draw(d, label) {
			vs = append(vs, presence.Value{Space: w.space, Name: w.name, Text: w.words})
		}
		return vs
	}
	notes := rapid.SliceOfN(rapid.Custom(func(d *rapid.T) presence.Note {
		return presence.Note{Lang: rapid.SampledFrom([]string{"", "en", "de"}).Draw(d, "lang"), Text: rapid.String().Draw(d, "text")}
	}), 0, 3)
	rapid.Check(t, func(d *rapid.T) {
		p := presence.Person{ID: "p", Card: presence.CIPID{DisplayName: rapid.String().Draw(d, "name")}}
		p.Activities = &presence.Activities{Values: values(d, "activities", standard.activity), Notes: notes.Draw(d, "activity notes")}
		p.Mood = &presence.Mood{Values: values(d, "moods", standard.mood), Notes: notes.Draw(d, "mood notes")}
		p.Geo = []presence.RawXML{geopriv(pointInfo, "")}
		once := Standard.ToPEP(&presence.State{Persons: []presence.Person{p}}, noon)
		var s *presence.State
		for _, it := range once {
			var err error
			s, err = Standard.ApplyPEP(s, it, noon)
			if err != nil {
				d.Fatalf("%s: %v", it.Payload, err)
			}
		}
		if diff := cmp.Diff(once, Standard.ToPEP(s, noon)); diff != "" {
			d.Fatal(diff)
		}
	})
}
