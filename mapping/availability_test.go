package mapping

import (
	"testing"
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// doing returns activities: names of RPID, and of Ext behind a '+'.
func doing(names ...string) *presence.Activities {
	a := &presence.Activities{}
	for _, n := range names {
		v := presence.Value{Name: n}
		if n[0] == '+' {
			v = presence.Value{Space: Ext, Name: n[1:]}
		}
		a.Values = append(a.Values, v)
	}
	return a
}

func open(show string) presence.Service {
	return presence.Service{ID: "t" + show, Basic: presence.Open, Show: show}
}

func state(a *presence.Activities, services ...presence.Service) *presence.State {
	s := &presence.State{Services: services}
	if a != nil {
		s.Persons = []presence.Person{{ID: "p", Activities: a}}
	}
	return s
}

func TestActivitiesAreRFC4480(t *testing.T) {
	rows := readCSV(t, "rpid-activities.csv")
	for _, r := range rows {
		m, ok := standard.activities[r[0]]
		if !ok {
			t.Errorf("RFC 4480 §3.2: %s is not in the table", r[0])
		}
		show, known := Show(r[0])
		if !known || show != shows[m.word] {
			t.Errorf("Show(%s) = %q, %v; the table says %s", r[0], show, known, m.word)
		}
		// Show is what an open tuple with this activity looks like.
		ps := wordsOnly.ToXMPP(state(doing(r[0]), open("")), noon)
		if len(ps) != 1 || ps[0].Show != show || ps[0].Unavailable {
			t.Errorf("%s: %+v, want show %q", r[0], ps, show)
		}
		e := Standard.Effective(state(doing(r[0]), open("")), noon)
		want := m.word
		if want == "" {
			want = Available
		}
		if e.Word != want || e.Reason != m.reason || e.OOF != m.oof || shows[e.Word] != show {
			t.Errorf("%s: %+v, want %+v", r[0], e, m)
		}
	}
	if len(rows) != 27 || len(standard.activities) != 27 {
		t.Errorf("%d activities in the list, %d in the table, want 27", len(rows), len(standard.activities))
	}
	if _, ok := Show("dancing"); ok {
		t.Error("Show knows an activity that RFC 4480 does not")
	}
}

func TestTablesAreTotal(t *testing.T) {
	for w := range weight {
		if w != "" && rank[w] == 0 {
			t.Errorf("%s has no rank", w)
		}
		if show, ok := shows[w]; ok && w != DND && words[show] != w {
			t.Errorf("%s is shown as %s, and that is %s", w, show, words[show])
		}
	}
	for _, table := range []map[string]meaning{standard.activities, standard.extensions} {
		for name, m := range table {
			if _, ok := weight[m.word]; !ok {
				t.Errorf("%s: no such word %q", name, m.word)
			}
			if _, ok := reasonRank[m.reason]; !ok {
				t.Errorf("%s: no such reason %q", name, m.reason)
			}
		}
	}
	// D.2: what is said in RPID for a word means that word.
	for w, vs := range spoken {
		e := Standard.Effective(state(&presence.Activities{Values: vs}, open("")), noon)
		want := w
		if w == Unknown {
			want = Available // Boghe says unknown of everyone who is online
		}
		if e.Word != want {
			t.Errorf("%s is said as %v, and that means %s", w, vs, e.Word)
		}
	}
}

// with is an open service that f has changed.
func with(f func(*presence.Service)) presence.Service {
	t := open("")
	f(&t)
	return t
}

func willing(b presence.Basic, until time.Time) presence.Service {
	return with(func(t *presence.Service) { t.OMA.Willingness = &presence.OnOff{Basic: b, Until: until} })
}

func overriding(b presence.Basic, until time.Time, services ...presence.Service) *presence.State {
	s := state(doing(), services...)
	s.Persons[0].OMA.OverridingWillingness = &presence.OnOff{Basic: b, Until: until}
	return s
}

var (
	closed   = presence.Service{ID: "c", Basic: presence.Closed}
	idleUser = &presence.UserInput{Idle: true}
	noIMS    = []presence.Device{{Networks: []presence.Network{{ID: "IMS", Terminated: true}}}}
)

// The order is that of ims §3.2, D.n are sections of chat-networks.
var effective = []struct {
	name string
	s    *presence.State
	want Availability
}{
	{"nothing known", nil, Availability{Word: Unknown}},
	{"order 1 polite block", &presence.State{}, Availability{Word: Offline}},
	{"order 2 networks terminated", &presence.State{Devices: noIMS,
		Persons: []presence.Person{{Activities: doing("busy")}}}, Availability{Word: Offline}},
	{"order 2 but a tuple is open", &presence.State{Devices: noIMS,
		Services: []presence.Service{open("")}}, Availability{Word: Available}},
	{"order 3 barred", state(nil, with(func(t *presence.Service) { t.OMA.BarringState = "active" })), Availability{Word: Offline}},
	{"order 3 not barred", state(nil, with(func(t *presence.Service) { t.OMA.BarringState = "terminated" })), Availability{Word: Available}},
	{"order 3 not registered", state(nil, with(func(t *presence.Service) { t.OMA.RegistrationState = "terminated" })), Availability{Word: Offline}},
	{"order 4 closed", state(nil, closed), Availability{Word: Offline}},
	{"order 4 closed with an activity", state(doing("vacation"), closed), Availability{Word: Offline, OOF: true}},
	{"order 5 not willing", state(nil, willing(presence.Closed, time.Time{})), Availability{Word: DND}},
	{"order 5 not willing, until", state(nil, willing(presence.Closed, noon.Add(1))), Availability{Word: DND, Until: noon.Add(1)}},
	{"order 5 run out", state(nil, willing(presence.Closed, noon)), Availability{Word: Available}},
	{"order 5 overriding: willing", overriding(presence.Open, time.Time{}, willing(presence.Closed, time.Time{})), Availability{Word: Available}},
	{"order 5 overriding: not willing", overriding(presence.Closed, time.Time{}, willing(presence.Open, time.Time{})), Availability{Word: DND}},
	{"order 5 a person alone, not willing", overriding(presence.Closed, time.Time{}), Availability{Word: DND}},
	{"order 5 a person alone, willing", overriding(presence.Open, time.Time{}), Availability{Word: Offline}},
	{"order 6 session participation", state(doing("away"), with(func(t *presence.Service) {
		t.OMA.SessionParticipation = &presence.OnOff{Basic: presence.Open}
	})), Availability{Word: Busy, Reason: "in_call"}},
	{"order 7 idle", &presence.State{Services: []presence.Service{open("")}, Persons: []presence.Person{{UserInput: idleUser}}}, Availability{Word: Away, Idle: true}},
	{"order 8 open", state(nil, closed, open("")), Availability{Word: Available}},
	{"order 8 nothing open, a person", &presence.State{Persons: []presence.Person{{Notes: []presence.Note{{Text: "x"}}}}}, Availability{Word: Offline}},

	{"D.2 chat", state(doing("+free-for-chat"), open("")), Availability{Word: Chat}},
	{"D.2 away, brb", state(doing("away", "+be-right-back"), open("")), Availability{Word: Away}},
	{"D.2 extended away", state(doing("away", "+extended-away"), open("")), Availability{Word: ExtendedAway}},
	{"D.2 vacation", state(doing("away", "vacation"), open("")), Availability{Word: ExtendedAway, OOF: true}},
	{"D.2 dnd", state(doing("busy", "+do-not-disturb"), open("")), Availability{Word: DND}},
	{"D.2 XMPP dnd is busy", state(nil, open("dnd")), Availability{Word: Busy}},
	{"D.2 XMPP dnd with the extension", state(doing("busy", "+do-not-disturb"), open("dnd")), Availability{Word: DND}},
	{"D.2 XMPP xa", state(nil, open("xa")), Availability{Word: ExtendedAway}},
	{"D.2 unknown", state(doing("unknown")), Availability{Word: Unknown}},
	{"Boghe: unknown means available", state(doing("unknown"), open("")), Availability{Word: Available}},
	{"baresip: basic unknown", state(nil, presence.Service{Basic: presence.OddBasic, BasicText: "unknown"}), Availability{Word: Unknown}},
	{"no basic", state(nil, presence.Service{}), Availability{Word: Unknown}},
	{"no basic, but show", state(nil, presence.Service{Show: "away"}), Availability{Word: Away}},
	{"mustUnderstand", state(nil, presence.Service{Basic: presence.Open, NotUnderstood: true}), Availability{Word: Unknown}},

	{"D.3 out of office and here", state(doing("+out-of-office"), open("")), Availability{Word: Available, OOF: true}},
	{"D.3 out of office, away", state(doing("away", "+out-of-office"), open("")), Availability{Word: Away, OOF: true}},
	{"D.3 in a call", state(doing("busy", "on-the-phone"), open("")), Availability{Word: Busy, Reason: "in_call"}},
	{"D.3 conference", state(doing("busy", "+conference-call", "meeting"), open("")), Availability{Word: Busy, Reason: "in_call"}},
	{"D.3 presenting", state(doing("presentation", "+do-not-disturb"), open("")), Availability{Word: DND, Reason: "presenting"}},
	{"D.3 focusing", state(doing("working", "+focusing"), open("")), Availability{Word: Busy, Reason: "focusing"}},
	{"D.3 busy and idle", &presence.State{Services: []presence.Service{open("")}, Persons: []presence.Person{{Activities: doing("busy"), UserInput: idleUser}}}, Availability{Word: Busy, Idle: true}},
	{"travelling", state(doing("steering", "lunch"), open("")), Availability{Word: Away, Reason: "travelling"}},
	{"a reason for being away is none for being busy", state(doing("travel", "busy"), open("")), Availability{Word: Busy}},
	{"invisible leaves no hint", state(doing("+invisible", "vacation", "busy"), open("")), Availability{Word: Offline}},
	{"activities of others say nothing", state(&presence.Activities{Values: []presence.Value{{Space: "urn:x", Name: "busy"}}}, open("")), Availability{Word: Available}},

	{"D.5.4 a call raises what a client shows", state(doing("on-the-phone"), open("chat")), Availability{Word: Busy, Reason: "in_call"}},
	{"D.5.4 and with dnd stays dnd", state(doing("+do-not-disturb", "on-the-phone"), open("")), Availability{Word: DND, Reason: "in_call"}},
	{"D.5.6 dnd first", state(nil, open(""), open("dnd"), open("away")), Availability{Word: Busy}},
	{"D.5.6 chat before available", state(nil, open("chat"), open("")), Availability{Word: Chat}},
	{"D.5.6 available before away", state(nil, open("away"), open("")), Availability{Word: Available}},
	{"D.5.6 away before extended away", state(nil, open("xa"), open("away")), Availability{Word: Away}},
	{"D.5.6 idle is all idle", state(nil, with(func(t *presence.Service) { t.UserInput = idleUser }), with(func(t *presence.Service) { t.UserInput = &presence.UserInput{} })), Availability{Word: Available}},
	{"a person only", state(doing("meeting")), Availability{Word: Busy, Reason: "in_meeting"}},
	{"the latest person counts", &presence.State{Services: []presence.Service{open("")}, Persons: []presence.Person{{Activities: doing("busy")}, {Activities: doing("away"), Timestamp: noon}}}, Availability{Word: Away}},
}

func TestEffective(t *testing.T) {
	for _, c := range effective {
		t.Run(c.name, func(t *testing.T) {
			got := Standard.Effective(c.s, noon)
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestEffectiveTimes(t *testing.T) {
	a := doing("meeting")
	a.From, a.Until = noon, noon.Add(time.Hour)
	s := state(a, open(""))
	for _, c := range []struct {
		now  time.Time
		want Availability
	}{
		{noon.Add(-1), Availability{Word: Available}},
		{noon, Availability{Word: Busy, Reason: "in_meeting", Since: noon, Until: noon.Add(time.Hour)}},
		{noon.Add(time.Hour), Availability{Word: Available}},
	} {
		if got := Standard.Effective(s, c.now); got != c.want {
			t.Errorf("RFC 4480 §3.1 at %s: %+v, want %+v", c.now, got, c.want)
		}
	}
}

func BenchmarkEffective(b *testing.B) {
	s := state(doing("on-the-phone"), open(""), open("away"))
	b.ReportAllocs()
	for b.Loop() {
		Standard.Effective(s, noon)
	}
}
