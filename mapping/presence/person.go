package presence

import (
	"cmp"
	"slices"
	"time"
)

// occurrence is one <person> and where it comes from.
type occurrence struct {
	*Person
	source  string
	rank    int
	changed uint64
	at      time.Time
}

// persons makes the person of s: each element is of the newest source that has
// it. With c.strict there are several, where elements conflict.
func (c *composer) persons(s *State, sources []Source) {
	all := newestFirst(c.occurrences(sources))
	if len(all) == 0 {
		return
	}
	for i := range all {
		older := c.currentPerson(*all[i].Person)
		into := c.sameAs(s.Persons, &older, all[i].rank > all[0].rank)
		if into == nil {
			s.Persons = append(s.Persons, older)
			continue
		}
		mergePerson(into, &older, all[i].rank > all[0].rank)
	}
	if len(sources) > 1 && !c.strict {
		p := &s.Persons[0]
		p.UserInput = latestInput(p.UserInput, s, sources)
		if !c.unanimous(all) {
			p.Sphere = nil
		}
	}
}

// occurrences are the persons of all sources.
func (c *composer) occurrences(sources []Source) (all []occurrence) {
	for i := range sources {
		src := &sources[i]
		for j := range src.State.Persons {
			p := &src.State.Persons[j]
			all = append(all, occurrence{p, src.ID, src.Rank, src.Changed, c.when(src, p.Timestamp)})
		}
	}
	return all
}

// newestFirst sorts by rank, and then the newest first: several occurrences in
// one document by their own time, the latest being more reliable (RFC 4479
// §3.5).
func newestFirst(all []occurrence) []occurrence {
	if len(all) > 1 {
		slices.SortStableFunc(all, func(a, b occurrence) int {
			return cmp.Or(cmp.Compare(a.rank, b.rank), b.at.Compare(a.at), cmp.Compare(b.changed, a.changed), cmp.Compare(a.source, b.source))
		})
	}
	return all
}

// sameAs returns which of persons older is to be merged into, or nil.
func (c *composer) sameAs(persons []Person, older *Person, permanent bool) *Person {
	for i := range persons {
		p := &persons[i]
		if !c.strict || permanent || p.Class == older.Class && !conflictPersons(p, older) {
			return p
		}
	}
	return nil
}

// mergePerson joins b to m, which is newer, or soft state where b is
// permanent.
func mergePerson(m, b *Person, permanent bool) {
	notes := b.Notes
	if permanent {
		notes = withoutLangs(m.Notes, notes)
	}
	m.Notes = union(m.Notes, notes)
	m.Ext = union(m.Ext, withoutNamed(m.Ext, b.Ext))
	if b.Timestamp.After(m.Timestamp) {
		m.Timestamp = b.Timestamp
	}
	fillPerson(m, b)
}

// latestInput is the most recent input of the person, wherever a source has
// seen it (RFC 4480 §3.14). A person of whom no source says it has none.
func latestInput(in *UserInput, s *State, sources []Source) *UserInput {
	if in == nil {
		return nil
	}
	best := in
	see := func(u *UserInput) {
		if u != nil && (best.Idle && !u.Idle || best.Idle == u.Idle && u.LastInput.After(best.LastInput)) {
			best = u
		}
	}
	for i := range sources {
		for j := range sources[i].State.Persons {
			see(sources[i].State.Persons[j].UserInput)
		}
	}
	for i := range s.Services {
		see(s.Services[i].UserInput)
	}
	for i := range s.Devices {
		see(s.Devices[i].UserInput)
	}
	return best
}

// unanimous reports whether all who say something of the sphere say the same:
// rules of policy go by it, and must not go by one of several.
func (c *composer) unanimous(all []occurrence) bool {
	var first *Choice
	rank := 0
	for i := range all {
		x := all[i].Sphere
		if x == nil || !covers(x.Range, c.now) {
			continue
		}
		if first == nil {
			first, rank = x, all[i].rank
		}
		if all[i].rank == rank && !equalValues(first.Values, x.Values) {
			return false
		}
	}
	return true
}
