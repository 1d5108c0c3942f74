package mapping

import (
	"cmp"
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// Evidence is what one source says of whether a person can be reached, and
// for how long it says so.
type Evidence struct {
	// Source names the source; it breaks the last tie.
	Source string
	Class  presence.SourceClass
	Word   Word
	Reason string
	// Idle: there is no input where the source looks. OOF: out of office.
	Idle, OOF bool
	LastInput time.Time // zero: not known
	// Since is when this began to be true, zero when that is not known. What
	// begins later than now says nothing yet.
	Since time.Time
	// ValidUntil is when it ends; zero: open.
	ValidUntil time.Time
	// A session is observed anew each Refresh, last at ObservedAt, and is stale
	// when that has failed to happen twice. Zero: it is there until it ends.
	ObservedAt time.Time
	Refresh    time.Duration
	// Network is how much the source's network is believed against others; the
	// highest is believed.
	Network int
	// WentDown is when the session's word fell from Was to Word, zero when it
	// did not. Lost: it did not say so itself.
	Was      Word
	WentDown time.Time
	Lost     bool
}

// How long a session's going down waits, so that a short break shows nobody
// anything, and how long the user's own "available" holds.
const (
	awayWait      = 10 * time.Second
	lostWait      = 30 * time.Second
	manualDefault = 12 * time.Hour
)

// Decide makes one availability of what all sources say at now, the same in
// every network (docs/availability.md). The result depends on the set of
// evidence, not on its order. next is the earliest instant after now at which
// it may change by itself, zero for never.
func Decide(evidence []Evidence, now time.Time) (a Availability, next time.Time) {
	d := decision{now: now}
	for i := range evidence {
		d.take(&evidence[i])
	}
	return d.result(), d.next
}

// decision collects the foremost evidence of each class.
type decision struct {
	now, next time.Time
	// Those without a Word are not there.
	session, manual, call, calendar, static Evidence
	sessionWord                             Word // what session counts as
	hidden                                  bool // by the user's own word
	oof                                     bool
	idle                                    input // of all live sessions
	lastInput                               time.Time
	winner                                  string // the source that has the word
}

// at notes that the answer may change at t, when that is still to come.
func (d *decision) at(t time.Time) {
	if t.After(d.now) && (d.next.IsZero() || t.Before(d.next)) {
		d.next = t
	}
}

// take takes e into account, if it is true now.
func (d *decision) take(e *Evidence) {
	if !d.holds(e) {
		return
	}
	d.oof = d.oof || e.OOF
	if e.LastInput.After(d.lastInput) {
		d.lastInput = e.LastInput
	}
	if e.Word == "" {
		return
	}
	switch e.Class {
	case presence.Manual:
		// Privacy first: this word wins over everything.
		d.hidden = d.hidden || e.Word == Offline
		if e.Word != Unknown && (d.manual.Word == "" || newer(e, &d.manual)) {
			d.manual = *e
		}
	case presence.Call:
		if rank[e.Word] >= rank[Busy] && (d.call.Word == "" || newer(e, &d.call)) {
			d.call = *e
		}
	case presence.Calendar:
		if rank[e.Word] >= rank[Busy] && ahead(e, e.Word, &d.calendar, d.calendar.Word) {
			d.calendar = *e
		}
	case presence.Static:
		if ahead(e, e.Word, &d.static, d.static.Word) {
			d.static = *e
		}
	default:
		d.takeSession(e)
	}
}

// holds reports whether e is true now: it has begun, has not ended, and is not
// stale.
func (d *decision) holds(e *Evidence) bool {
	if e.Since.After(d.now) {
		d.at(e.Since)
		return false
	}
	end := e.ValidUntil
	switch {
	case e.Class == presence.Manual && end.IsZero() && e.Word == Available && !e.Since.IsZero():
		end = e.Since.Add(manualDefault)
	case (e.Class == presence.Session || e.Class == presence.OfDevice) && e.Refresh > 0:
		stale := e.ObservedAt.Add(2 * e.Refresh)
		if end.IsZero() || stale.Before(end) {
			end = stale
		}
	}
	if end.IsZero() {
		return true
	}
	d.at(end)
	return end.After(d.now)
}

func (d *decision) takeSession(e *Evidence) {
	w := d.held(e)
	if ahead(e, w, &d.session, d.sessionWord) {
		d.session, d.sessionWord = *e, w
	}
	if rank[w] <= rank[Offline] {
		return
	}
	switch {
	case !e.Idle:
		d.idle = active
	case d.idle == noInput:
		d.idle = idle
	}
}

// held is e's word, or the one before when it went down a moment ago. Going up
// does not wait.
func (d *decision) held(e *Evidence) Word {
	if e.WentDown.IsZero() || rank[e.Was] <= rank[e.Word] || rank[e.Word] >= rank[Available] || e.Word == Unknown {
		return e.Word
	}
	wait := awayWait
	if e.Word == Offline && e.Lost {
		wait = lostWait
	}
	back := e.WentDown.Add(wait)
	d.at(back)
	if back.After(d.now) {
		return e.Was
	}
	return e.Word
}

// ahead reports whether e, saying w, comes before o, saying v or not there ("")
// at all: by the word,
// then the one that says more of why, then the newest.
func ahead(e *Evidence, w Word, o *Evidence, v Word) bool {
	if v == "" {
		return true
	}
	c := cmp.Or(cmp.Compare(rank[w], rank[v]), cmp.Compare(reasonRank[e.Reason], reasonRank[o.Reason]))
	return c > 0 || c == 0 && newer(e, o)
}

// newer reports whether e is newer than o; of the same age it is the one of
// the network that is believed, then the first by name. What is left differs
// in nothing but what it says, and that decides.
func newer(e, o *Evidence) bool {
	return cmp.Or(e.Since.Compare(o.Since), cmp.Compare(e.Network, o.Network), cmp.Compare(o.Source, e.Source),
		cmp.Compare(rank[e.Word], rank[o.Word]), cmp.Compare(reasonRank[e.Reason], reasonRank[o.Reason]),
		e.ValidUntil.Compare(o.ValidUntil)) > 0
}

// result says who has the word.
func (d *decision) result() Availability {
	if d.hidden {
		return Availability{Word: Offline} // no hint of anything
	}
	a := d.bySession()
	live := rank[a.Word] > rank[Offline] && d.session.Word != ""
	switch d.manual.Word {
	case "":
		if d.calendar.Word != "" && (a.Word == Available || a.Word == Chat) {
			a = d.by(&d.calendar)
			a.Reason = cmp.Or(a.Reason, "calendar")
		}
	case Available:
		a = Availability{Word: Offline}
		if live {
			a = d.byUser()
		}
	default:
		a = d.byUser()
	}
	a.Idle = live && d.idle == idle
	if d.call.Word != "" {
		if rank[a.Word] < rank[Busy] {
			a = d.by(&d.call)
		}
		a.Reason, a.Idle = "in_call", false
	}
	a.OOF, a.LastInput = d.oof, d.lastInput
	return a
}

// bySession is what those who are signed in say; without any, what is always
// there says.
func (d *decision) bySession() Availability {
	switch {
	case d.sessionWord != d.session.Word:
		return Availability{Word: d.sessionWord} // held
	case d.session.Word != "":
		return d.by(&d.session)
	case d.static.Word != "":
		return d.by(&d.static)
	}
	return Availability{Word: Unknown}
}

func (d *decision) byUser() Availability {
	a := d.by(&d.manual)
	a.Manual = true
	return a
}

// by is what e says.
func (d *decision) by(e *Evidence) Availability {
	d.winner = e.Source
	return Availability{Word: e.Word, Reason: e.Reason, Since: e.Since, Until: e.ValidUntil}
}
