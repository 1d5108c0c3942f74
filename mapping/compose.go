package mapping

import (
	"slices"
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// Compose makes the one State that every network is shown of what all sources
// say. It is their composition (presence.Composition), and where the sources
// disagree about whether the person can be reached, so that Decide must choose,
// the composed State is made to say what was decided, in the words of RPID: so
// every port, and every client that reads RPID, understands the same. next is
// the earliest instant at which the result may change by itself, zero for
// never.
func (r *Rules) Compose(sources []presence.Source, now time.Time) (s *presence.State, next time.Time) {
	sources = r.asTheyCount(sources, now)
	sessions := slices.DeleteFunc(slices.Clone(sources), func(src presence.Source) bool { return !isSession(&src) })
	if len(sessions) == len(sources) {
		return r.composition().Compose(sources, now) // and that is what they say
	}
	s, next = r.composition().Compose(sources, now)
	d := decision{now: now}
	signedIn, _ := r.composition().Compose(sessions, now) // nobody is offline
	r.evidenceOf(signedIn, now, func(e Evidence) { d.take(&e) })
	for i := range sources {
		if !isSession(&sources[i]) {
			r.evidenceFrom(&sources[i], now, d.take)
		}
	}
	a := d.result()
	if !d.next.IsZero() && (next.IsZero() || d.next.Before(next)) {
		next = d.next
	}
	if d.hidden {
		return r.withoutHint(sources, now), next
	}
	said := newDraft(r, s, now)
	of := signedIn
	for i := range sources {
		if sources[i].ID == d.winner {
			of = sources[i].State
			said.show(a.Word)
		}
	}
	said.decided(a, of)
	return said.State, next
}

// Strict reports whether r keeps apart what conflicts, as OMA wants it.
func (r *Rules) Strict() bool { return r.composition().Strict }

func (r *Rules) composition() presence.Composition {
	if r == nil {
		return presence.Composition{}
	}
	return r.Composition
}

// asTheyCount returns sources with what counts of them at now: a document that
// the user has set himself is his own word whoever brings it, for as long as it
// holds, and else that of a client that is signed in; a call or an appointment
// says something of the person alone. sources is not changed.
func (r *Rules) asTheyCount(sources []presence.Source, now time.Time) []presence.Source {
	out := sources
	for i := range sources {
		src := sources[i]
		switch {
		case src.Class == presence.Call || src.Class == presence.Calendar:
			src.State = ofPerson(src.State)
		case byUser(src.State, now):
			src.Class = presence.Manual
		case src.Class == presence.Manual:
			src.State = signed(src.State)
		default:
			continue
		}
		if src.Class == presence.Manual && !r.decides(&src, now) {
			src.Class, src.State = presence.Session, unsigned(src.State)
		}
		if &out[0] == &sources[0] {
			out = slices.Clone(sources)
		}
		out[i] = src
	}
	return out
}

// decides reports whether src, which the user has set, says a word that holds at
// now.
func (r *Rules) decides(src *presence.Source, now time.Time) bool {
	d := decision{now: now}
	r.evidenceFrom(src, now, d.take)
	return d.hidden || d.manual.Word != ""
}

// isSession reports whether src speaks as a client that is signed in, or as what
// is always there.
func isSession(src *presence.Source) bool {
	return src.Class != presence.Manual && src.Class != presence.Call && src.Class != presence.Calendar
}

// byUser reports whether the user has set the activities of s at now himself.
func byUser(s *presence.State, now time.Time) bool {
	p := personOf(s)
	if p == nil || p.Activities == nil || !during(p.Activities.Range, now) {
		return false
	}
	return slices.Contains(p.Activities.Attrs, byHand) ||
		slices.ContainsFunc(p.Activities.Values, func(v presence.Value) bool { return v.Space == Ext && v.Name == "invisible" })
}

// ofPerson is what of s is true of the person and does not come from being
// signed in.
func ofPerson(s *presence.State) *presence.State {
	c := &presence.State{Notes: s.Notes, Ext: s.Ext, Persons: slices.Clone(s.Persons)}
	for i := range c.Persons {
		c.Persons[i].UserInput, c.Persons[i].OMA.OverridingWillingness = nil, nil
	}
	return c
}

// evidenceFrom gives take what one source that is no session says at now.
func (r *Rules) evidenceFrom(src *presence.Source, now time.Time, take func(*Evidence)) {
	if src.Class == presence.Call || src.Class == presence.Calendar {
		a := r.Effective(src.State, now)
		take(&Evidence{Source: src.ID, Class: src.Class, Word: a.Word, Reason: a.Reason, OOF: a.OOF,
			LastInput: a.LastInput, Since: a.Since, ValidUntil: a.Until})
		return
	}
	r.evidenceOf(src.State, now, func(e Evidence) {
		if e.Class == presence.Manual {
			e.Source = src.ID
			if e.Since.IsZero() {
				e.Since = src.Arrived
			}
		}
		take(&e)
	})
}

// signed is s as set by the user himself.
func signed(s *presence.State) *presence.State {
	c := *s
	c.Persons = slices.Clone(s.Persons)
	if len(c.Persons) == 0 {
		c.Persons = []presence.Person{{}}
	}
	p := personOf(&c)
	var a presence.Activities
	if p.Activities != nil {
		a = *p.Activities
	}
	a.Attrs = append(slices.Clip(a.Attrs), byHand)
	p.Activities = &a
	return &c
}

// unsigned is s without the sign that the user has set it.
func unsigned(s *presence.State) *presence.State {
	c := *s
	c.Persons = slices.Clone(s.Persons)
	for i := range c.Persons {
		p := &c.Persons[i]
		if p.Activities == nil || !slices.Contains(p.Activities.Attrs, byHand) {
			continue
		}
		a := *p.Activities
		a.Attrs = without(a.Attrs, func(x presence.Attr) bool { return x == byHand })
		p.Activities = &a
		if len(a.Values)+len(a.Notes) == 0 {
			p.Activities = nil
		}
	}
	return &c
}

// withoutHint is what is shown of someone who does not want to be seen: what
// would be there if he had not come at all.
func (r *Rules) withoutHint(sources []presence.Source, now time.Time) *presence.State {
	s, _ := r.composition().Compose(slices.DeleteFunc(slices.Clone(sources), func(src presence.Source) bool { return src.Rank == 0 }), now)
	return s
}

// decided makes d say a. of is the state of the source that decided.
func (d *draft) decided(a Availability, of *presence.State) {
	agreed := func() bool { return agree(d.rules.Effective(d.State, d.now), a) }
	if agreed() {
		return
	}
	p := personOf(of)
	if p != nil && p.Activities != nil && during(p.Activities.Range, d.now) {
		d.person().Activities = p.Activities
		if agreed() {
			return
		}
	}
	d.reach(a.Word)
	d.sayDecided(a)
	d.show(a.Word)
	if !agreed() {
		// What is left is what the user is willing to do, and he decides.
		d.willing(presence.Open)
	}
}

// show takes away what a service shows by itself and says something else than
// w.
func (d *draft) show(w Word) {
	for i := range d.Services {
		t := &d.Services[i]
		if words[t.Show] == "" || t.Show == shows[w] {
			continue
		}
		t.Show = shows[w]
		if t.Show == "" && t.Basic == presence.NoBasic {
			t.Basic = presence.Open // it said so by showing something
		}
	}
}

// agree reports whether both mean the same to whoever wants to reach the
// person, and for as long.
func agree(a, b Availability) bool {
	return a.Word == b.Word && a.Reason == b.Reason && a.OOF == b.OOF && a.Manual == b.Manual && a.Until.Equal(b.Until)
}

// reach makes d such that w can be said of it: nobody is busy whom nothing
// reaches.
func (d *draft) reach(w Word) {
	some := func(r reach) bool {
		return slices.ContainsFunc(d.Services, func(t presence.Service) bool { return reachOf(&t) == r })
	}
	switch w {
	case Unknown:
		for i := range d.Services {
			d.Services[i].Basic, d.Services[i].Show = presence.NoBasic, ""
		}
	case Offline:
		d.tuples(presence.Closed)
		if !some(shut) {
			d.addTuple(presence.Closed)
		}
	default:
		if !some(reachable) {
			d.addTuple(presence.Open)
		}
	}
}

// sayDecided makes the person's activities say a. Those that say less stay
// beside: the activities are all true at once.
func (d *draft) sayDecided(a Availability) {
	p := d.person()
	var was presence.Activities
	if p.Activities != nil && during(p.Activities.Range, d.now) {
		was = *p.Activities
	}
	values := slices.Clone(spoken[a.Word])
	add := func(v presence.Value) {
		if !hasValue(values, v) {
			values = append(values, v)
		}
	}
	if v, ok := reasons[a.Reason]; ok {
		add(v)
	}
	if a.OOF {
		add(outOfOffice)
	}
	notes := was.Notes
	for i := range was.Values {
		if d.saysNoMore(&was.Values[i], a) {
			add(was.Values[i])
		} else {
			notes = nil // they tell of what is not so
		}
	}
	now := presence.Activities{Range: presence.Range{ID: was.ID, Until: a.Until}, Notes: notes, Values: values}
	if a.Manual {
		now.Attrs = []presence.Attr{byHand}
	}
	p.Activities = &now
	if len(values)+len(notes) == 0 && !a.Manual {
		p.Activities = nil
	}
}

// hasValue reports whether v is among values.
func hasValue(values []presence.Value, v presence.Value) bool {
	return slices.ContainsFunc(values, func(x presence.Value) bool { return x.Space == v.Space && x.Name == v.Name && x.Text == v.Text })
}

// saysNoMore reports whether v may stand beside what says a.
func (d *draft) saysNoMore(v *presence.Value, a Availability) bool {
	m, _ := d.rules.meaningOf(v)
	if m.oof && !a.OOF || m.word == Offline || v.Name == "unknown" {
		return false
	}
	return m.word == "" || kind(m.word) == kind(a.Word) && weight[m.word] <= weight[a.Word] && reasonRank[m.reason] <= reasonRank[a.Reason]
}
