package mapping

import (
	"testing"
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// said5 is evidence of class c that says w, an hour ago.
func said5(source string, c presence.SourceClass, w Word, change ...func(*Evidence)) Evidence {
	e := Evidence{Source: source, Class: c, Word: w, Since: noon.Add(-time.Hour)}
	for _, f := range change {
		f(&e)
	}
	return e
}

func because(reason string) func(*Evidence) { return func(e *Evidence) { e.Reason = reason } }
func idling(e *Evidence)                    { e.Idle = true }
func oof(e *Evidence)                       { e.OOF = true }
func since(t time.Time) func(*Evidence)     { return func(e *Evidence) { e.Since = t } }
func until(t time.Time) func(*Evidence)     { return func(e *Evidence) { e.ValidUntil = t } }

// seen: observed at t, and every minute.
func seen(t time.Time) func(*Evidence) {
	return func(e *Evidence) { e.ObservedAt, e.Refresh = t, time.Minute }
}

// fell: from was, at t.
func fell(was Word, t time.Time, lost bool) func(*Evidence) {
	return func(e *Evidence) { e.Was, e.WentDown, e.Lost = was, t, lost }
}

const (
	session  = presence.Session
	manual   = presence.Manual
	call     = presence.Call
	calendar = presence.Calendar
)

// decided asks for the word, reason and flags at noon.
func decided(t *testing.T, want Availability, evidence ...Evidence) {
	t.Helper()
	got, _ := Decide(evidence, noon)
	got.Since, got.Until = time.Time{}, time.Time{}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestD5_a(t *testing.T) {
	decided(t, Availability{Word: Busy, Reason: "in_meeting"},
		said5("calendar", calendar, Busy, because("in_meeting"), until(noon.Add(time.Hour))), said5("slack", session, Available))
}

func TestD5_b(t *testing.T) {
	decided(t, Availability{Word: Busy, Reason: "in_call"},
		said5("sip", call, Busy, because("in_call")), said5("teams", manual, Available))
}

func TestD5_c(t *testing.T) {
	decided(t, Availability{Word: DND, Reason: "in_call", Manual: true},
		said5("teams", manual, DND), said5("sip", call, Busy, because("in_call")))
}

func TestD5_d(t *testing.T) {
	decided(t, Availability{Word: Available},
		said5("slack", session, Away), said5("xmpp", session, Available), said5("zulip", session, Busy, seen(noon.Add(-2*time.Minute))))
}

func TestD5_e(t *testing.T) {
	decided(t, Availability{Word: Offline},
		said5("mattermost", manual, Offline, oof), said5("slack", session, Available),
		said5("teams", manual, DND, since(noon)), said5("sip", call, Busy, because("in_call")))
}

func TestD5_f(t *testing.T) {
	decided(t, Availability{Word: Available, OOF: true},
		said5("calendar", calendar, Away, oof), said5("slack", session, Available))
}

func TestD5_g(t *testing.T) {
	decided(t, Availability{Word: Busy, Reason: "in_call"},
		said5("matrix", session, Away, idling), said5("mobile", call, Busy, because("in_call")))
}

func TestD5_h(t *testing.T) {
	decided(t, Availability{Word: Unknown}, said5("slack", session, Unknown), said5("teams", session, Unknown))
	decided(t, Availability{Word: Unknown})
}

// The rules one by one, where the worked cases leave them open.
func TestD5_Rules(t *testing.T) {
	for _, c := range []struct {
		name string
		want Availability
		of   []Evidence
	}{
		{"3 manual beats sessions", Availability{Word: Away, Manual: true}, []Evidence{said5("m", manual, Away), said5("s", session, Busy)}},
		{"3 the newest manual", Availability{Word: DND, Manual: true}, []Evidence{
			said5("a", manual, Away), said5("b", manual, DND, since(noon)), said5("s", session, Available)}},
		{"3 available needs a session", Availability{Word: Offline}, []Evidence{said5("m", manual, Available), said5("s", session, Offline)}},
		{"3 available and a session", Availability{Word: Available, Manual: true}, []Evidence{said5("m", manual, Available), said5("s", session, Busy)}},
		{"1 manual available holds twelve hours", Availability{Word: Away}, []Evidence{
			said5("m", manual, Available, since(noon.Add(-12*time.Hour))), said5("s", session, Away)}},
		{"1 manual dnd holds", Availability{Word: DND, Manual: true}, []Evidence{said5("m", manual, DND, since(noon.Add(-100*time.Hour)))}},
		{"1 manual with an end", Availability{Word: Available}, []Evidence{said5("m", manual, DND, until(noon)), said5("s", session, Available)}},
		{"1 not begun", Availability{Word: Available}, []Evidence{said5("c", calendar, Busy, since(noon.Add(1))), said5("s", session, Available)}},
		{"4 a call over manual away", Availability{Word: Busy, Reason: "in_call"}, []Evidence{said5("m", manual, Away), said5("c", call, Busy)}},
		{"4 ringing is no call", Availability{Word: Available}, []Evidence{said5("s", session, Available), said5("c", call, "")}},
		{"4 a call and nobody signed in", Availability{Word: Busy, Reason: "in_call"}, []Evidence{said5("s", session, Offline), said5("c", call, Busy)}},
		{"5 not over manual available", Availability{Word: Available, Manual: true}, []Evidence{
			said5("m", manual, Available), said5("s", session, Available), said5("c", calendar, Busy)}},
		{"5 may not lower", Availability{Word: Away}, []Evidence{said5("s", session, Away), said5("c", calendar, Busy)}},
		{"5 makes nobody online", Availability{Word: Offline}, []Evidence{said5("s", session, Offline), said5("c", calendar, Busy)}},
		{"5 tentative", Availability{Word: Available}, []Evidence{said5("s", session, Available), said5("c", calendar, "")}},
		{"5 no reason", Availability{Word: Busy, Reason: "calendar"}, []Evidence{said5("s", session, Available), said5("c", calendar, Busy)}},
		{"6 dnd before busy", Availability{Word: DND}, []Evidence{said5("a", session, DND), said5("b", session, Busy)}},
		{"6 offline is known", Availability{Word: Offline}, []Evidence{said5("a", session, Offline), said5("b", session, Unknown)}},
		{"6 all are idle", Availability{Word: Available, Idle: true}, []Evidence{said5("a", session, Available, idling), said5("b", session, Away, idling)}},
		{"6 one is not", Availability{Word: Away}, []Evidence{said5("a", session, Away, idling), said5("b", session, Away)}},
		{"6 the offline do not count", Availability{Word: Away, Idle: true}, []Evidence{said5("a", session, Away, idling), said5("b", session, Offline)}},
		{"7 the network that is believed", Availability{Word: Away, Manual: true}, []Evidence{
			said5("b", manual, Away, func(e *Evidence) { e.Network = 1 }), said5("a", manual, DND)}},
		{"7 the name", Availability{Word: DND, Manual: true}, []Evidence{said5("b", manual, Away), said5("a", manual, DND)}},
		{"static without a session", Availability{Word: Available}, []Evidence{said5("a", presence.Static, Available)}},
		{"static beside a session", Availability{Word: Offline}, []Evidence{said5("a", presence.Static, Available), said5("b", session, Offline)}},
	} {
		t.Run(c.name, func(t *testing.T) { decided(t, c.want, c.of...) })
	}
}

// Rule 6: the latest input anywhere; rule 9: going down waits, and next is when
// it is over.
func TestD5_Times(t *testing.T) {
	input := func(at time.Time) func(*Evidence) { return func(e *Evidence) { e.LastInput = at } }
	got, _ := Decide([]Evidence{said5("a", session, Away, input(noon.Add(-time.Hour))), said5("b", session, Offline, input(noon.Add(-time.Minute)))}, noon)
	if !got.LastInput.Equal(noon.Add(-time.Minute)) {
		t.Errorf("last input %v", got.LastInput)
	}
	for _, c := range []struct {
		name string
		e    Evidence
		want Word
		next time.Time
	}{
		{"away waits", said5("a", session, Away, fell(Available, noon.Add(-9*time.Second), false)), Available, noon.Add(time.Second)},
		{"and is then", said5("a", session, Away, fell(Available, noon.Add(-10*time.Second), false)), Away, time.Time{}},
		{"signed off", said5("a", session, Offline, fell(Available, noon.Add(-10*time.Second), false)), Offline, time.Time{}},
		{"lost", said5("a", session, Offline, fell(Busy, noon.Add(-10*time.Second), true)), Busy, noon.Add(20 * time.Second)},
		{"up is at once", said5("a", session, Available, fell(Away, noon, false)), Available, time.Time{}},
		{"from busy to available is not down", said5("a", session, Available, fell(Busy, noon, false)), Available, time.Time{}},
		{"a session not seen again", said5("a", session, Busy, seen(noon.Add(-time.Minute))), Busy, noon.Add(time.Minute)},
		{"a meeting to come", said5("a", calendar, Busy, since(noon.Add(time.Hour))), Unknown, noon.Add(time.Hour)},
		{"manual available", said5("a", manual, Available), Offline, noon.Add(11 * time.Hour)},
		{"until", said5("a", manual, DND, until(noon.Add(time.Hour))), DND, noon.Add(time.Hour)},
	} {
		got, next := Decide([]Evidence{c.e}, noon)
		if got.Word != c.want || !next.Equal(c.next) {
			t.Errorf("%s: %s, next %v; want %s, %v", c.name, got.Word, next, c.want, c.next)
		}
	}
}
