package presence

import (
	"cmp"
	"hash/fnv"
	"slices"
	"strconv"
	"time"
)

// Composition says how a domain's sources are composed. The zero value is the
// usual way.
type Composition struct {
	// Strict keeps what conflicts apart as OMA's presence specifications want
	// it: several <person> instead of one whose elements are the newest.
	Strict bool
}

// Compose is Composition.Compose in the usual way.
func Compose(sources []Source, now time.Time) (s *State, next time.Time) {
	return Composition{}.Compose(sources, now)
}

// Compose makes one State of what all sources say, as it is at now (RFC 4479
// §3, with the merge rules of OMA's presence specifications for services and
// devices, and one person whose elements are the newest of each). The result
// depends on the set of sources, not on their order. next is the instant at
// which the result changes by itself (RFC 4480 §3.1 from and until), zero for
// never.
func (p Composition) Compose(sources []Source, now time.Time) (s *State, next time.Time) {
	c := composer{now: now, strict: p.Strict}
	ordered := slices.Clone(sources)
	slices.SortFunc(ordered, func(a, b Source) int {
		return cmp.Or(cmp.Compare(a.Rank, b.Rank), cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.ID, b.ID))
	})
	s = &State{}
	c.makeRoom(s, ordered)
	for i := range ordered {
		c.add(s, &ordered[i])
	}
	c.persons(s, ordered)
	c.uniqueIDs(s)
	return s, c.next
}

// composer collects what a composition needs to remember.
type composer struct {
	now    time.Time
	next   time.Time
	strict bool
	// origins are the sources and changes of the services and devices so far,
	// index by index.
	services []origin
	devices  []origin
	// byKey finds the services of a key; nil while one source is all there is.
	byKey map[serviceKeyed][]int
}

type origin struct {
	source  string // the first
	last    string // that was merged into it
	rank    int
	changed uint64
	at      time.Time
}

// makeRoom makes the lists as long as they can become.
func (c *composer) makeRoom(s *State, sources []Source) {
	services, devices := 0, 0
	for i := range sources {
		services += len(sources[i].State.Services)
		devices += len(sources[i].State.Devices)
	}
	if services > 0 {
		s.Services, c.services = make([]Service, 0, services), make([]origin, 0, services)
	}
	if devices > 0 {
		s.Devices, c.devices = make([]Device, 0, devices), make([]origin, 0, devices)
	}
	if len(sources) > 1 {
		c.byKey = make(map[serviceKeyed][]int, services)
	}
}

// add joins the services, devices, notes and extensions of src to s.
func (c *composer) add(s *State, src *Source) {
	for i := range src.State.Services {
		c.addService(s, &src.State.Services[i], src)
	}
	for i := range src.State.Devices {
		c.addDevice(s, &src.State.Devices[i], src)
	}
	s.Notes = union(s.Notes, src.State.Notes)
	s.Ext = union(s.Ext, src.State.Ext)
	s.Attrs = union(s.Attrs, src.State.Attrs)
}

// addService merges t into the service of another source that says the same,
// or adds it. Services of one document are never merged.
func (c *composer) addService(s *State, t *Service, src *Source) {
	current := c.currentService(*t)
	t = &current
	if c.byKey != nil {
		k := serviceKey(t)
		for _, i := range c.byKey[k] {
			o := &c.services[i]
			if o.last == src.ID || o.rank == src.Rank && conflict(&s.Services[i], t) {
				continue
			}
			if o.last == o.source {
				clip(&s.Services[i]) // from now on its lists are its own
			}
			mergeService(&s.Services[i], t, o.rank < src.Rank)
			o.last = src.ID
			return
		}
		c.byKey[k] = append(c.byKey[k], len(s.Services))
	}
	s.Services = append(s.Services, *t)
	c.services = append(c.services, c.origin(src, t.Timestamp))
}

func (c *composer) origin(src *Source, timestamp time.Time) origin {
	return origin{src.ID, src.ID, src.Rank, src.Changed, c.when(src, timestamp)}
}

// skew is how far a source's clock may be ahead.
const skew = time.Minute

// when says how new an element of src with the timestamp, zero for none, is: a
// timestamp that is in the future when it arrives counts as its arrival.
func (c *composer) when(src *Source, timestamp time.Time) time.Time {
	latest := src.Arrived
	if latest.IsZero() {
		latest = c.now
	}
	if timestamp.IsZero() || timestamp.After(latest.Add(skew)) {
		return src.Arrived
	}
	return timestamp
}

// addDevice joins d to s: one occurrence for each device id, and what
// conflicts is the newer source's.
func (c *composer) addDevice(s *State, d *Device, src *Source) {
	o := c.origin(src, d.Timestamp)
	for i := range s.Devices {
		old := &s.Devices[i]
		if d.DeviceID == "" || old.DeviceID != d.DeviceID {
			continue
		}
		have := &c.devices[i]
		id := old.ID
		if cmp.Or(cmp.Compare(o.rank, have.rank), have.at.Compare(o.at), cmp.Compare(have.changed, o.changed)) < 0 {
			newer := *d
			fillDevice(&newer, old)
			*old = newer
			have.rank, have.at, have.changed = o.rank, o.at, o.changed
		} else {
			fillDevice(old, d)
		}
		old.ID = id
		return
	}
	s.Devices = append(s.Devices, *d)
	c.devices = append(c.devices, o)
}

// union is a and what of b is not in it; a is not changed.
func union[T comparable](a, b []T) []T {
	if len(a) == 0 && len(b) == 1 {
		return b[:1:1]
	}
	return join(slices.Clip(a), b)
}

// join is union for a list that may be appended to.
func join[T comparable](a, b []T) []T {
	for _, x := range b {
		if !slices.Contains(a, x) {
			a = append(a, x)
		}
	}
	return a
}

// uniqueIDs gives every component an id of its own (RFC 4479 §5). The first
// that has an id keeps it; others get one made of their source's and their
// own, the same as long as the source lives.
func (c *composer) uniqueIDs(s *State) {
	seen := make(map[string]bool, len(s.Services)+len(s.Devices)+len(s.Persons))
	for i := range s.Services {
		s.Services[i].ID = unique(seen, s.Services[i].ID, "service", c.services[i].source)
	}
	for i := range s.Persons {
		s.Persons[i].ID = unique(seen, s.Persons[i].ID, "person", "")
	}
	for i := range s.Devices {
		s.Devices[i].ID = unique(seen, s.Devices[i].ID, "device", c.devices[i].source)
	}
}

// unique returns id, or if that has been seen or is "" one that has not, and
// notes it as seen.
func unique(seen map[string]bool, id, kind, source string) string {
	for n := 0; id == "" || seen[id]; n++ {
		id = madeID(kind, source, id, n)
	}
	seen[id] = true
	return id
}

// madeID is an id for the component that its source calls id, or, with n more
// than 0, another one.
func madeID(kind, source, id string, n int) string {
	h := fnv.New64a()
	h.Write([]byte(kind + "\x00" + source + "\x00" + id + "\x00" + strconv.Itoa(n)))
	return "x" + strconv.FormatUint(h.Sum64(), 36)
}
