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
	// LastInput is the latest sign of the user anywhere; zero: unknown.
	LastInput time.Time
}

// Effective says what s means at now: a pure function, the same for every
// network. A nil State is Unknown; a State without anything in it is what a
// politely blocked watcher sees, Offline. Since and Until are those of the
// activities that decide the word. Whatever s says is evidence that Decide
// decides by.
func (r *Rules) Effective(s *presence.State, now time.Time) Availability {
	if s == nil {
		return Availability{Word: Unknown}
	}
	d := decision{now: now}
	r.evidenceOf(s, now, func(e Evidence) { d.take(&e) })
	return d.result()
}

// evidenceOf gives take what s says at now.
//
// Each open service says a word: its own <show>, else that its user is not
// willing (OMA), is in a session, or what the person's activities say, else
// away when there is no user input, else available. A person who is busy is so
// on every open service. Nobody can be reached when no service is open. What is
// neither open nor closed says nothing. What the user has set himself is his
// own word, and then the services say only whether he is there.
func (r *Rules) evidenceOf(s *presence.State, now time.Time, take func(Evidence)) {
	h := r.humanOf(s, now)
	e := Evidence{Idle: idleAll(s, &h), OOF: h.oof, LastInput: lastInput(s)}
	put := func(class presence.SourceClass, w said) {
		e.Class, e.Word, e.Reason, e.Since, e.ValidUntil = class, w.word, w.reason, w.since, w.until
		take(e)
	}
	if h.word == Offline { // invisible
		put(presence.Manual, said{word: Offline})
		return
	}
	open, closed := false, networksDown(s)
	for i := range s.Services {
		t := &s.Services[i]
		switch reachOf(t) {
		case silent:
			continue
		case shut:
			closed = true
			continue
		}
		open = true
		if h.manual {
			put(presence.Session, said{word: Available})
		} else {
			put(presence.Session, h.says(t, now))
		}
	}
	switch {
	case h.manual && closed && !open:
		put(presence.Manual, said{word: Offline})
	case h.manual:
		put(presence.Manual, h.said())
	case open:
		// Busy people are busy everywhere, whatever a client shows.
		if kind(h.word) == 1 {
			put(presence.Session, h.said())
		}
	default:
		put(presence.Session, h.unreached(s, closed))
	}
}

// unreached is what s says without an open service.
func (h *human) unreached(s *presence.State, closed bool) said {
	switch name := stateName(s); {
	case closed:
		return said{word: Offline}
	case h.unwilling:
		return said{word: DND, until: h.willUntil}
	case h.word != "":
		return h.said()
	case len(s.Services) == 0 && rank[name] > rank[Offline]:
		return said{word: name}
	case len(s.Services) > 0 || h.unknown:
		return said{word: Unknown}
	case h.input == idle:
		return said{word: Away}
	}
	return said{word: Offline}
}

// said is one word and what goes with it.
type said struct {
	word         Word
	reason       string
	since, until time.Time
}

// said returns what the person's activities say; set by hand they say
// available when they say nothing else.
func (h *human) said() said {
	w := h.word
	if w == "" && h.manual {
		w = Available
	}
	return said{w, h.reason, h.since, h.until}
}

// says returns the word of one open service.
func (h *human) says(t *presence.Service, now time.Time) said {
	if h.manual {
		return h.said()
	}
	if w, ok := words[t.Show]; ok {
		if w == Busy && h.word == DND {
			return h.said() // RFC 8048 §6.2 note 7: only the extension tells dnd from busy
		}
		if w == h.word {
			return h.said()
		}
		return said{word: w}
	}
	will := t.OMA.Willingness
	switch {
	case h.unwilling:
		return said{word: DND, until: h.willUntil}
	case !h.decided && holds(will, now) && will.Basic == presence.Closed:
		return said{word: DND, until: will.Until}
	case weight[h.word] >= weight[Busy]:
		return h.said()
	case holds(t.OMA.SessionParticipation, now) && t.OMA.SessionParticipation.Basic == presence.Open:
		return said{word: Busy, reason: "in_call"}
	case h.word != "":
		return h.said()
	case extendedWord(t) == Busy, extendedWord(t) == Away:
		return said{word: extendedWord(t)}
	case idleAt(t, h):
		return said{word: Away}
	}
	return said{word: Available}
}

// idleAt reports whether the user of t is idle (RFC 4480 §3.14): by the
// service's own word, else the person's.
func idleAt(t *presence.Service, h *human) bool {
	if in := inputOf(t.UserInput); in != noInput {
		return in == idle
	}
	return h.input == idle
}

// reach is what a service says of being reachable.
type reach uint8

const (
	silent reach = iota
	shut
	reachable
)

// reachOf returns what t says of being reachable. It says nothing when its
// status must not be interpreted (RFC 3863 §4.2.3), has no basic (RFC 4479
// §3.6), or has one outside the schema.
func reachOf(t *presence.Service) reach {
	switch {
	case t.NotUnderstood:
		return silent
	case t.OMA.BarringState == "active", t.OMA.RegistrationState == "terminated", t.Basic == presence.Closed:
		return shut
	case t.Basic == presence.Open:
		return reachable
	case t.Basic == presence.NoBasic && words[t.Show] != "":
		return reachable
	}
	return silent
}

// networksDown reports whether every network of every device is terminated.
func networksDown(s *presence.State) bool {
	seen := false
	for i := range s.Devices {
		for _, n := range s.Devices[i].Networks {
			if !n.Terminated {
				return false
			}
			seen = true
		}
	}
	return seen
}

// idleAll reports whether there is no user input at all: the person's word for
// it, else that of all open services, else of all devices.
func idleAll(s *presence.State, h *human) bool {
	if h.input != noInput {
		return h.input == idle
	}
	seen := noInput
	for i := range s.Services {
		in := inputOf(s.Services[i].UserInput)
		if in == noInput || reachOf(&s.Services[i]) != reachable {
			continue
		}
		if in == active {
			return false
		}
		seen = idle
	}
	if seen == idle {
		return true
	}
	for i := range s.Devices {
		in := inputOf(s.Devices[i].UserInput)
		if in == active {
			return false
		}
		seen = max(seen, in)
	}
	return seen == idle
}

// lastInput is the latest input that s knows of, zero when it knows none.
func lastInput(s *presence.State) time.Time {
	var at time.Time
	see := func(u *presence.UserInput) {
		if u != nil && u.LastInput.After(at) {
			at = u.LastInput
		}
	}
	for i := range s.Persons {
		see(s.Persons[i].UserInput)
	}
	for i := range s.Services {
		see(s.Services[i].UserInput)
	}
	for i := range s.Devices {
		see(s.Devices[i].UserInput)
	}
	return at
}
