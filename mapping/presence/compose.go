package presence

import (
	"cmp"
	"hash/fnv"
	"reflect"
	"slices"
	"strconv"
	"time"
)

// Compose makes one State of what all sources say, as it is at now (RFC 4479
// §3, with the merge rules of OMA's presence specifications for services and
// devices, and one person whose elements are the newest of each). The result
// depends on the set of sources, not on their order. next is the instant at
// which the result changes by itself (RFC 4480 §3.1 from and until), zero for
// never.
func Compose(sources []Source, now time.Time) (s *State, next time.Time) {
	c := composer{now: now}
	ordered := slices.Clone(sources)
	slices.SortFunc(ordered, func(a, b Source) int {
		return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.ID, b.ID))
	})
	s = &State{}
	for _, src := range ordered {
		c.add(s, src)
	}
	slices.SortFunc(ordered, func(a, b Source) int { return cmp.Or(cmp.Compare(b.Changed, a.Changed), cmp.Compare(a.ID, b.ID)) })
	c.person(s, ordered)
	c.uniqueIDs(s)
	return s, c.next
}

// composer collects what a composition needs to remember.
type composer struct {
	now  time.Time
	next time.Time
	// origins are the sources and changes of the services and devices so far,
	// index by index.
	services []origin
	devices  []origin
}

type origin struct {
	source  string // the first
	last    string // that was merged into it
	changed uint64
}

// add joins the services, devices, notes and extensions of src to s.
func (c *composer) add(s *State, src Source) {
	for _, t := range src.State.Services {
		t = c.currentService(t)
		if i := c.mergeable(s, t, src.ID); i >= 0 {
			s.Services[i] = mergeService(s.Services[i], t)
			c.services[i].last = src.ID
			continue
		}
		s.Services = append(s.Services, t)
		c.services = append(c.services, origin{src.ID, src.ID, src.Changed})
	}
	for _, d := range src.State.Devices {
		c.addDevice(s, d, src)
	}
	s.Notes = union(s.Notes, src.State.Notes)
	s.Ext = union(s.Ext, src.State.Ext)
	s.Attrs = union(s.Attrs, src.State.Attrs)
}

// mergeable returns the index of the service of another source that says the
// same as t, or -1. Services of one document are never merged.
func (c *composer) mergeable(s *State, t Service, source string) int {
	for i := range s.Services {
		if c.services[i].last != source && serviceKey(s.Services[i]) == serviceKey(t) && !conflict(s.Services[i], t) {
			return i
		}
	}
	return -1
}

// serviceKeyed is what must agree for services to be one (ims composition
// rules): the service description, the contact and the class; without a
// description also the devices.
type serviceKeyed struct{ id, version, contact, class, devices string }

func serviceKey(t Service) serviceKeyed {
	k := serviceKeyed{class: t.Class}
	if t.Contact != nil {
		k.contact = t.Contact.URI
	}
	if d := t.OMA.Description; d != nil {
		k.id, k.version = d.ID, d.Version
		return k
	}
	for _, d := range t.DeviceIDs {
		k.devices += d + "\x00"
	}
	return k
}

// conflict reports whether a and b have the same element with different
// content. Timestamps, notes, ids, priorities and descriptions never conflict.
func conflict(a, b Service) bool {
	if a.Contact == nil {
		// Two services without a contact are the same only when equal.
		a.ID, b.ID = "", ""
		a.Timestamp, b.Timestamp = time.Time{}, time.Time{}
		return !equalService(a, b)
	}
	return differ(a.Basic, b.Basic) || differ(a.BasicText, b.BasicText) || differ(a.Show, b.Show) ||
		a.NotUnderstood != b.NotUnderstood || cardConflict(a.Card, b.Card) ||
		differAt(a.Privacy, b.Privacy, equalChoice) || differAt(a.Relationship, b.Relationship, equalChoice) ||
		differAt(a.ServiceClass, b.ServiceClass, equalChoice) || differAt(a.UserInput, b.UserInput, equalUserInput) ||
		differIn(a.StatusIcons, b.StatusIcons, equalIcon) || differIn(a.Timed, b.Timed, equalTimed) ||
		differAt(a.Caps, b.Caps, equalCaps) || differIn(a.Geo, b.Geo, same) ||
		differAt(a.OMA.Willingness, b.OMA.Willingness, equalOnOff) ||
		differAt(a.OMA.SessionParticipation, b.OMA.SessionParticipation, equalOnOff) ||
		differ(a.OMA.RegistrationState, b.OMA.RegistrationState) ||
		differ(a.OMA.BarringState, b.OMA.BarringState) || rawConflict(a.Ext, b.Ext) ||
		rawConflict(a.StatusExt, b.StatusExt)
}

// differ reports whether both are present and not equal.
func differ[T comparable](a, b T) bool {
	var none T
	return a != none && b != none && a != b
}

func differAt[T any](a, b *T, equal func(a, b T) bool) bool {
	return a != nil && b != nil && !equal(*a, *b)
}

func differIn[T any](a, b []T, equal func(a, b T) bool) bool {
	return len(a) > 0 && len(b) > 0 && !slices.EqualFunc(a, b, equal)
}

func cardConflict(a, b CIPID) bool {
	return differ(a.Card, b.Card) || differ(a.DisplayName, b.DisplayName) || differ(a.Homepage, b.Homepage) ||
		differ(a.Icon, b.Icon) || differ(a.Map, b.Map) || differ(a.Sound, b.Sound)
}

// rawConflict reports whether an element of the same name has other content.
func rawConflict(a, b []RawXML) bool {
	for _, x := range a {
		for _, y := range b {
			if x.Space == y.Space && x.Local == y.Local && x.Bytes != y.Bytes {
				return true
			}
		}
	}
	return false
}

// mergeService is the union of a, the older, and b, which do not conflict: the
// latest timestamp, the highest priority, one description.
func mergeService(a, b Service) Service {
	m := a
	fill(&m, b)
	m.Notes = union(a.Notes, b.Notes)
	m.Ext = union(a.Ext, b.Ext)
	m.StatusExt = union(a.StatusExt, b.StatusExt)
	m.DeviceIDs = union(a.DeviceIDs, b.DeviceIDs)
	m.Attrs = union(a.Attrs, b.Attrs)
	if b.Timestamp.After(a.Timestamp) {
		m.Timestamp = b.Timestamp
	}
	if a.Contact != nil && b.Contact != nil && priority(b.Contact) > priority(a.Contact) {
		m.Contact = b.Contact
	}
	if m.OMA.Description == nil {
		m.OMA.Description = b.OMA.Description
	}
	return m
}

// priority is the contact's priority, -1 when absent.
func priority(c *Contact) float64 {
	p, err := strconv.ParseFloat(c.Priority, 64)
	if err != nil {
		return -1
	}
	return p
}

// fill sets each absent field of the struct that dst points to from src, a
// struct of the same type; structs within are filled field by field.
func fill(dst any, src any) {
	fillValue(reflect.ValueOf(dst).Elem(), reflect.ValueOf(src))
}

func absent(v reflect.Value) bool {
	return v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0
}

func fillValue(dst, src reflect.Value) {
	for i := range dst.NumField() {
		d, s := dst.Field(i), src.Field(i)
		if d.Kind() == reflect.Struct && d.Type() != reflect.TypeFor[time.Time]() {
			fillValue(d, s)
		} else if absent(d) {
			d.Set(s)
		}
	}
}

// addDevice joins d to s: one occurrence for each device id, and what
// conflicts is the newer source's.
func (c *composer) addDevice(s *State, d Device, src Source) {
	for i := range s.Devices {
		old := &s.Devices[i]
		if d.DeviceID == "" || old.DeviceID != d.DeviceID {
			continue
		}
		newer, older := d, *old
		if c.devices[i].changed > src.Changed {
			newer, older = older, newer
		}
		newer.Notes = union(newer.Notes, older.Notes)
		newer.Ext = union(newer.Ext, older.Ext)
		newer.Networks = unionNetworks(newer.Networks, older.Networks)
		if older.Timestamp.After(newer.Timestamp) {
			newer.Timestamp = older.Timestamp
		}
		fill(&newer, older)
		newer.ID = old.ID
		*old = newer
		c.devices[i].changed = max(c.devices[i].changed, src.Changed)
		return
	}
	s.Devices = append(s.Devices, d)
	c.devices = append(c.devices, origin{src.ID, src.ID, src.Changed})
}

// person makes the one person of s: each element from the newest source that
// has it.
func (c *composer) person(s *State, newestFirst []Source) {
	var all []Person
	for _, src := range newestFirst {
		ps := slices.Clone(src.State.Persons)
		// Several occurrences in one document: the latest is more reliable
		// (RFC 4479 §3.5).
		slices.SortStableFunc(ps, func(a, b Person) int { return b.Timestamp.Compare(a.Timestamp) })
		all = append(all, ps...)
	}
	if len(all) == 0 {
		return
	}
	p := c.currentPerson(all[0])
	for _, older := range all[1:] {
		older = c.currentPerson(older)
		notes, ext := union(p.Notes, older.Notes), union(p.Ext, older.Ext)
		if older.Timestamp.After(p.Timestamp) {
			p.Timestamp = older.Timestamp
		}
		fill(&p, older)
		p.Notes, p.Ext = notes, ext
	}
	s.Persons = []Person{p}
}

// union is a and what of b is not in it; a is not changed.
func union[T comparable](a, b []T) []T {
	out := a
	for _, x := range b {
		if !slices.Contains(out, x) {
			out = append(out[:len(out):len(out)], x)
		}
	}
	return out
}

// unionNetworks is a and the networks of b that are not in it.
func unionNetworks(a, b []Network) []Network {
	out := a
	for _, n := range b {
		if !slices.ContainsFunc(out, func(x Network) bool { return x.ID == n.ID }) {
			out = append(out[:len(out):len(out)], n)
		}
	}
	return out
}

// uniqueIDs gives every component an id of its own (RFC 4479 §5). The first
// that has an id keeps it; others get one made of their source's and their
// own, the same as long as the source lives.
func (c *composer) uniqueIDs(s *State) {
	seen := make(map[string]bool, len(s.Services)+len(s.Devices)+1)
	unique := func(id, kind, source string) string {
		for n := 0; id == "" || seen[id]; n++ {
			h := fnv.New64a()
			h.Write([]byte(kind + "\x00" + source + "\x00" + id + "\x00" + strconv.Itoa(n)))
			id = "x" + strconv.FormatUint(h.Sum64(), 36)
		}
		seen[id] = true
		return id
	}
	for i := range s.Services {
		s.Services[i].ID = unique(s.Services[i].ID, "service", c.services[i].source)
	}
	for i := range s.Persons {
		s.Persons[i].ID = unique(s.Persons[i].ID, "person", "")
	}
	for i := range s.Devices {
		s.Devices[i].ID = unique(s.Devices[i].ID, "device", c.devices[i].source)
	}
}
