package mapping

import (
	"slices"
	"strings"
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/mapping/tables"
)

// Ext is the namespace of the activities that RPID has no word for. RFC 4480
// §3.2 allows activities of other namespaces beside its own.
const Ext = "urn:porchlight:presence:1"

// byHand is the attribute of <activities> that the user has set himself
// (docs/extensions.md). Without any activity such an element says that he is
// available.
var byHand = presence.Attr{Space: Ext, Local: "manual", Value: "true"}

// meaning is what one activity says to someone who wants to reach the person.
type meaning struct {
	word   Word // "" when it says nothing about that
	reason string
	oof    bool
}

// weight orders the words of activities that are true at once: that which
// asks most of the watcher counts. Being away for long is more than being
// away.
var weight = map[Word]int{"": 0, Available: 1, Chat: 2, Away: 3, ExtendedAway: 4, Busy: 5, DND: 6, Offline: 7}

// rank orders the words of several services: dnd > busy > chat > available >
// away > extended_away > offline.
var rank = map[Word]int{Unknown: 0, Offline: 1, ExtendedAway: 2, Away: 3, Available: 4, Chat: 5, Busy: 6, DND: 7}

// reasonRank orders the reasons that are true at once.
var reasonRank = map[string]int{"": 0, "travelling": 1, "calendar": 2, "focusing": 3, "in_meeting": 4, "presenting": 5, "in_call": 6}

// The table show: the XMPP <show> of each word (RFC 6121 §4.7.2.1), where dnd
// means no more than busy (RFC 8048 §6.2 note 7); the word of each <show>; and
// the activities that say a word to watchers who read RPID.
var shows, words, spoken = readWords(tables.Must("show"))

func readWords(t *tables.Table) (shows map[Word]string, words map[string]Word, spoken map[Word][]presence.Value) {
	shows, words, spoken = map[Word]string{}, map[string]Word{}, map[Word][]presence.Value{}
	for i := range t.Rows {
		r := &t.Rows[i]
		w, show := Word(r.Get("availability")), r.Get("show")
		if show == "unavailable" || show == nothing {
			show = ""
		}
		if show != "" {
			shows[w] = show
			if r.Way.In() {
				words[show] = w
			}
		}
		for _, name := range strings.Fields(r.Get("rpid")) {
			v := presence.Value{Name: name}
			if ext, ok := strings.CutPrefix(name, "ext:"); ok {
				v = presence.Value{Space: Ext, Name: ext}
			}
			spoken[w] = append(spoken[w], v)
		}
	}
	return shows, words, spoken
}

// Show returns the XMPP <show> for one activity of RFC 4480 §3.2 and whether
// the table knows it.
func Show(activity string) (show string, ok bool) {
	m, ok := standard.activities[activity]
	return shows[m.word], ok
}

// meaningOf returns what v says; ok is false when the tables do not have it.
func (r *Rules) meaningOf(v *presence.Value) (m meaning, ok bool) {
	switch v.Space {
	case "":
		m, ok = r.compiled().activities[v.Name]
	case Ext:
		m, ok = r.compiled().extensions[v.Name]
	}
	return m, ok
}

// human is what a State says of its person.
type human struct {
	word    Word   // by the activities; "" when they say nothing
	reason  string // the weightiest that goes with word
	oof     bool
	manual  bool      // the user has set the activities himself
	unknown bool      // the activities are said to be unknown
	since   time.Time // of the activities
	until   time.Time
	// unwilling: overriding willingness closed; decided: it was given at all.
	unwilling, decided bool
	willUntil          time.Time
	// input tells whether there is any sign of the person at a device.
	input input
}

type input uint8

const (
	noInput input = iota
	active
	idle
)

// personOf returns the person to believe, the one with the latest timestamp,
// when there are several (RFC 4479 §3.5), or nil.
func personOf(s *presence.State) *presence.Person {
	if len(s.Persons) == 0 {
		return nil
	}
	p := &s.Persons[0]
	for i := range s.Persons[1:] {
		if s.Persons[i+1].Timestamp.After(p.Timestamp) {
			p = &s.Persons[i+1]
		}
	}
	return p
}

// humanOf reads the person of s, which may have none.
func (r *Rules) humanOf(s *presence.State, now time.Time) human {
	var h human
	p := personOf(s)
	if p == nil {
		return h
	}
	if w := p.OMA.OverridingWillingness; holds(w, now) {
		h.decided, h.unwilling, h.willUntil = true, w.Basic == presence.Closed, w.Until
	}
	h.input = inputOf(p.UserInput)
	a := p.Activities
	if a == nil || !during(a.Range, now) {
		return h
	}
	h.manual = slices.Contains(a.Attrs, byHand)
	reasons := [2]string{} // for words up to away, and for busier ones
	for i := range a.Values {
		m, ok := r.meaningOf(&a.Values[i])
		if !ok {
			continue
		}
		h.oof = h.oof || m.oof
		h.unknown = h.unknown || a.Values[i].Name == "unknown"
		if weight[m.word] > weight[h.word] {
			h.word = m.word
		}
		r := &reasons[kind(m.word)]
		if reasonRank[m.reason] > reasonRank[*r] {
			*r = m.reason
		}
	}
	if h.word == "" && h.unknown {
		h.manual = false // he has chosen nothing
	}
	h.reason = reasons[kind(h.word)]
	if h.word != "" || h.manual {
		h.since, h.until = a.From, a.Until
	}
	return h
}

// kind tells the reasons for being busy from those for being away.
func kind(w Word) int {
	if w == Busy || w == DND {
		return 1
	}
	return 0
}

func inputOf(u *presence.UserInput) input {
	switch {
	case u == nil:
		return noInput
	case u.Idle:
		return idle
	}
	return active
}

// holds reports whether an OMA element is there, says open or closed, and has
// not run out.
func holds(w *presence.OnOff, now time.Time) bool {
	return w != nil && (w.Basic == presence.Open || w.Basic == presence.Closed) &&
		(w.Until.IsZero() || w.Until.After(now))
}

// during reports whether now is in r (RFC 4480 §3.1).
func during(r presence.Range, now time.Time) bool {
	return !r.From.After(now) && (r.Until.IsZero() || r.Until.After(now))
}
