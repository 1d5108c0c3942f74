package mapping

import (
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// Word is the one word of availability that user interfaces show.
type Word string

// The words.
const (
	Unknown      Word = "unknown"
	Offline      Word = "offline"
	ExtendedAway Word = "extended_away"
	Away         Word = "away"
	Available    Word = "available"
	Chat         Word = "chat"
	Busy         Word = "busy"
	DND          Word = "dnd"
)

// Ext is the namespace of what RPID has no word for, as activities of a
// namespace of their own (RFC 4480 §3.2 allows it).
const Ext = "urn:porchlight:presence:1"

// Availability is what a State means to someone who wants to reach the
// presentity: one word, why, and the flags beside it.
type Availability struct {
	Word   Word
	Reason string // "in_call", "in_meeting", "presenting", "focusing", "calendar", "travelling", ""
	Idle   bool
	OOF    bool
	// Manual: the user said so himself.
	Manual bool
	Since  time.Time // zero: unknown
	Until  time.Time // zero: open
}

// meaning is what one activity says.
type meaning struct {
	word   Word
	reason string
	oof    bool
}

// activities gives every activity of RFC 4480 §3.2 its meaning; all of them
// set show.
var activities = map[string]meaning{
	"appointment":       {word: Busy, reason: "calendar"},
	"away":              {word: Away},
	"breakfast":         {word: Away},
	"busy":              {word: Busy},
	"dinner":            {word: Away},
	"holiday":           {word: ExtendedAway, oof: true},
	"in-transit":        {word: Away, reason: "travelling"},
	"looking-for-work":  {word: Available},
	"lunch":             {word: Away},
	"meal":              {word: Away},
	"meeting":           {word: Busy, reason: "in_meeting"},
	"on-the-phone":      {word: Busy, reason: "in_call"},
	"other":             {word: Available},
	"performance":       {word: Busy, reason: "in_meeting"},
	"permanent-absence": {word: ExtendedAway, oof: true},
	"playing":           {word: Away},
	"presentation":      {word: Busy, reason: "presenting"},
	"shopping":          {word: Away},
	"sleeping":          {word: ExtendedAway},
	"spectator":         {word: Away},
	"steering":          {word: Busy, reason: "travelling"},
	"travel":            {word: Away, reason: "travelling"},
	"tv":                {word: Away},
	"unknown":           {word: Available},
	"vacation":          {word: ExtendedAway, oof: true},
	"working":           {word: Available},
	"worship":           {word: Busy},
}

// extensions are the activities of Ext.
var extensions = map[string]meaning{
	"do-not-disturb":  {word: DND},
	"be-right-back":   {word: Away},
	"extended-away":   {word: ExtendedAway},
	"free-for-chat":   {word: Chat},
	"out-of-office":   {word: Available, oof: true},
	"off-work":        {word: Offline},
	"focusing":        {word: Busy, reason: "focusing"},
	"conference-call": {word: Busy, reason: "in_call"},
	"urgent-only":     {word: DND},
	"screen-sharing":  {word: Busy, reason: "presenting"},
}

// shows is the XMPP <show> of each word.
var shows = map[Word]string{Chat: "chat", Away: "away", ExtendedAway: "xa", Busy: "dnd", DND: "dnd"}

// words is the word of each XMPP <show>.
var words = map[string]Word{"": Available, "chat": Chat, "away": Away, "xa": ExtendedAway, "dnd": Busy}

// strength orders the words when several are said: the one that asks most of
// the watcher counts.
var strength = map[Word]int{Unknown: 0, Available: 1, Chat: 2, Away: 3, ExtendedAway: 4, Busy: 5, DND: 6, Offline: 7}

// Show returns the XMPP <show> for one activity of RFC 4480 §3.2 and whether
// the table knows it.
func Show(activity string) (show string, ok bool) {
	m, ok := activities[activity]
	return shows[m.word], ok
}

// Effective says what s means at now: a pure function, the same for every
// network. A nil State is Unknown.
func Effective(s *presence.State, now time.Time) Availability {
	if s == nil {
		return Availability{Word: Unknown}
	}
	var a Availability
	open, shown := reach(s, now)
	person := personOf(s)
	if !open && len(s.Services) > 0 || len(s.Services) == 0 && person == nil {
		a.Word = Offline
		a.OOF = person != nil && meansOf(person, now, &a).oof
		a.Reason, a.Until = "", time.Time{}
		return a
	}
	if person != nil {
		a.Since = person.Timestamp
		if w := person.OMA.OverridingWillingness; w != nil && w.Basic == presence.Closed && (w.Until.IsZero() || w.Until.After(now)) {
			return Availability{Word: DND, Since: a.Since, Until: w.Until, Manual: true}
		}
	}
	m := meansOf(person, now, &a)
	a.Word, a.Reason, a.OOF = m.word, m.reason, m.oof
	if strength[shown] > strength[a.Word] && !(shown == Busy && a.Word == DND) {
		a.Word = shown
	}
	a.Idle = idle(s, person)
	if a.Idle && (a.Word == Available || a.Word == Chat) {
		a.Word = Away
	}
	return a
}

// reach reports whether any service is open, and the most available word that
// the open ones show (RFC 8048 §6.2 leaves this to the receiver).
func reach(s *presence.State, now time.Time) (open bool, shown Word) {
	shown = Unknown
	for i := range s.Services {
		t := &s.Services[i]
		if !reachable(t, now) {
			continue
		}
		open = true
		w := words[t.Show]
		if shown == Unknown || strength[w] < strength[shown] {
			shown = w
		}
		if in := t.OMA.SessionParticipation; in != nil && in.Basic == presence.Open {
			shown = Busy
		}
	}
	return open, shown
}

// reachable reports whether a service is open, registered, not barred, and its
// user willing.
func reachable(t *presence.Service, now time.Time) bool {
	if t.NotUnderstood || t.OMA.BarringState == "active" || t.OMA.RegistrationState == "terminated" {
		return false
	}
	w := t.OMA.Willingness
	if w != nil && w.Basic == presence.Closed && (w.Until.IsZero() || w.Until.After(now)) {
		return false
	}
	return t.Basic == presence.Open
}

func personOf(s *presence.State) *presence.Person {
	if len(s.Persons) == 0 {
		return nil
	}
	return &s.Persons[0]
}

// meansOf joins the meanings of a person's activities.
func meansOf(p *presence.Person, now time.Time, a *Availability) meaning {
	m := meaning{word: Available}
	if p == nil || p.Activities == nil || !during(p.Activities.Range, now) {
		return m
	}
	a.Until = p.Activities.Until
	for _, v := range p.Activities.Values {
		x, ok := activities[v.Name]
		if v.Space == Ext {
			x, ok = extensions[v.Name]
		} else if v.Space != "" {
			ok = false
		}
		if !ok {
			continue
		}
		m.oof = m.oof || x.oof
		switch {
		case strength[x.word] > strength[m.word]:
			m.word = x.word
			if x.reason != "" || m.reason == "" {
				m.reason = x.reason
			}
		case m.reason == "":
			m.reason = x.reason
		}
	}
	return m
}

func during(r presence.Range, now time.Time) bool {
	return (r.From.IsZero() || !r.From.After(now)) && (r.Until.IsZero() || r.Until.After(now))
}

// idle reports whether all that tell of input say that there is none.
func idle(s *presence.State, p *presence.Person) bool {
	seen := false
	inputs := make([]*presence.UserInput, 0, 4)
	if p != nil {
		inputs = append(inputs, p.UserInput)
	}
	for i := range s.Devices {
		inputs = append(inputs, s.Devices[i].UserInput)
	}
	for i := range s.Services {
		inputs = append(inputs, s.Services[i].UserInput)
	}
	for _, in := range inputs {
		if in == nil {
			continue
		}
		if !in.Idle {
			return false
		}
		seen = true
	}
	return seen
}
