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
}

// Effective says what s means at now: a pure function, the same for every
// network. A nil State is Unknown; a State without anything in it is what a
// politely blocked watcher sees, Offline. Since and Until are those of the
// activities that decide the word.
//
// Each open service says a word: its own <show>, else that its user is not
// willing (OMA), is in a session, or what the person's activities say, else
// away when there is no user input, else available. The foremost of them by
// dnd > busy > chat > available > away > extended_away counts; a person who is
// busy is so on every open service. Nobody can be reached when no service is
// open. What is neither open nor closed says nothing.
func (r *Rules) Effective(s *presence.State, now time.Time) Availability {
	if s == nil {
		return Availability{Word: Unknown}
	}
	h := r.humanOf(s, now)
	a := Availability{Word: Offline, OOF: h.oof}
	if h.word == Offline {
		return Availability{Word: Offline} // invisible: no hint
	}
	var best said
	closed := networksDown(s)
	for i := range s.Services {
		t := &s.Services[i]
		switch reachOf(t) {
		case shut:
			closed = true
		case reachable:
			w := h.says(t, now)
			if best.word == "" || rank[w.word] > rank[best.word] || w.word == best.word && reasonRank[w.reason] > reasonRank[best.reason] {
				best = w
			}
		}
	}
	switch {
	case best.word != "":
		// Busy people are busy everywhere, whatever a client shows.
		if kind(h.word) == 1 && rank[h.word] >= rank[best.word] {
			best = h.said()
		}
	case closed:
		return a
	case h.unwilling:
		best = said{word: DND, until: h.willUntil}
	case h.word != "":
		best = h.said()
	case len(s.Services) == 0 && rank[stateName(s)] > rank[Offline]:
		best.word = stateName(s)
	case len(s.Services) > 0 || h.unknown:
		a.Word = Unknown
		return a
	case h.input == idle:
		best.word = Away
	default:
		return a
	}
	a.Word, a.Reason, a.Since, a.Until = best.word, best.reason, best.since, best.until
	a.Idle = idleAll(s, h)
	return a
}

// said is one word and what goes with it.
type said struct {
	word         Word
	reason       string
	since, until time.Time
}

// said returns what the person's activities say.
func (h *human) said() said { return said{h.word, h.reason, h.since, h.until} }

// says returns the word of one open service.
func (h *human) says(t *presence.Service, now time.Time) said {
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
func idleAll(s *presence.State, h human) bool {
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
