package presence

import (
	"slices"
	"strconv"
)

// Keep knows which ids a presentity's watchers have seen, so that a new
// document of one of its sources does not make components go and come.
type Keep struct {
	// Source is the id of the source whose document it is.
	Source string
	// Shown is the composed state, Own what the source has said so far; nil:
	// none.
	Shown, Own *State
	// Others are what the other sources say.
	Others []*State
	// Strict is that of the Composition.
	Strict bool
}

// slot is one component of a document on its way to its id.
type slot struct {
	kind    kind
	i       int    // in its list
	was, id string // as the document has it, and as it is to be
	taken   bool   // by something else of another source
}

type kind uint8

const (
	aService kind = iota
	aPerson
	aDevice
)

func (k kind) String() string { return [...]string{"service", "person", "device"}[k] }

// IDs returns s with the ids that watchers know for the same components.
//
// A service with a description has the id of the one with the same
// description, contact and class: some clients number their tuples anew with
// each document. So has one without, when its source has one such alone. What is merged with a component of another source has the id
// of that, and stays when that source goes. What has the id of something else
// gets one that its source keeps, whoever comes and goes beside it (RFC 4479
// §3.5: ids are stable over time). s is not changed, and returned itself when
// its ids are as they should be.
func (k *Keep) IDs(s *State) *State {
	slots := make([]slot, 0, len(s.Services)+len(s.Persons)+len(s.Devices))
	for i := range s.Services {
		slots = append(slots, slot{kind: aService, i: i, was: s.Services[i].ID})
	}
	for i := range s.Persons {
		slots = append(slots, slot{kind: aPerson, i: i, was: s.Persons[i].ID})
	}
	for i := range s.Devices {
		slots = append(slots, slot{kind: aDevice, i: i, was: s.Devices[i].ID})
	}
	k.known(s, slots)
	k.markTaken(s, slots)
	own := idsOf(k.Own)
	for n := range slots {
		delete(own, slots[n].id)
	}
	for n := range slots {
		t := &slots[n]
		made := madeID(t.kind.String(), k.Source, t.was, 0)
		if t.was != "" && (t.taken || t.id == t.was && own[made]) {
			t.id = made
		}
	}
	within(slots)
	return withIDs(s, slots)
}

// known gives each slot the id of the same component, else its own.
func (k *Keep) known(s *State, slots []slot) {
	own, shown := described(k.Own), described(k.Shown)
	was, is := alone(k.Own), alone(s)
	for n := range slots {
		t := &slots[n]
		t.id = t.was
		switch t.kind {
		case aService:
			svc := &s.Services[t.i]
			key := serviceKey(svc)
			if svc.OMA.Description == nil {
				t.id = k.mergedWith(svc, key, t.was)
				if t.id == t.was && was[key] != "" && is[key] != "" {
					t.id = was[key]
				}
			} else if id := take(own, key); id != "" {
				t.id = id
				take(shown, key)
			} else if id := take(shown, key); id != "" {
				t.id = id
			}
		case aPerson:
			if !k.Strict && len(s.Persons) == 1 && k.Shown != nil && len(k.Shown.Persons) == 1 {
				t.id = k.Shown.Persons[0].ID
			}
		case aDevice:
			t.id = k.device(s.Devices[t.i].DeviceID, t.was)
		}
	}
}

// described returns the ids of the services of s that have a description, in
// order.
func described(s *State) map[serviceKeyed][]string {
	ids := make(map[serviceKeyed][]string)
	if s == nil {
		return ids
	}
	for i := range s.Services {
		if t := &s.Services[i]; t.OMA.Description != nil {
			key := serviceKey(t)
			ids[key] = append(ids[key], t.ID)
		}
	}
	return ids
}

// alone returns the ids of the services of s without a description whose key no
// other of s has.
func alone(s *State) map[serviceKeyed]string {
	ids := make(map[serviceKeyed]string)
	if s == nil {
		return ids
	}
	for i := range s.Services {
		t := &s.Services[i]
		if t.OMA.Description != nil {
			continue
		}
		key := serviceKey(t)
		if _, twice := ids[key]; twice {
			ids[key] = ""
		} else {
			ids[key] = t.ID
		}
	}
	return ids
}

// take takes the first id of key, "" when there is none left.
func take(ids map[serviceKeyed][]string, key serviceKeyed) string {
	list := ids[key]
	if len(list) == 0 {
		return ""
	}
	ids[key] = list[1:]
	return list[0]
}

// mergedWith is the id of another source's service that t is merged with, else
// id. Only what has a contact is merged without being equal.
func (k *Keep) mergedWith(t *Service, key serviceKeyed, id string) string {
	if t.Contact == nil {
		return id
	}
	for _, o := range k.Others {
		for i := range o.Services {
			x := &o.Services[i]
			if x.Contact != nil && x.OMA.Description == nil && serviceKey(x) == key && !conflict(x, t) {
				return x.ID
			}
		}
	}
	return id
}

func (k *Keep) device(deviceID, id string) string {
	if deviceID == "" || k.Shown == nil {
		return id
	}
	for i := range k.Shown.Devices {
		if d := &k.Shown.Devices[i]; d.DeviceID == deviceID {
			return d.ID
		}
	}
	return id
}

// markTaken marks the slots whose id something else of another source has.
func (k *Keep) markTaken(s *State, slots []slot) {
	if len(k.Others) == 0 {
		return
	}
	byID := make(map[string][]int, len(slots))
	for n := range slots {
		byID[slots[n].id] = append(byID[slots[n].id], n)
	}
	mark := func(id string, same func(t *slot) bool) {
		for _, n := range byID[id] {
			if !same(&slots[n]) {
				slots[n].taken = true
			}
		}
	}
	for _, o := range k.Others {
		for i := range o.Services {
			x := &o.Services[i]
			mark(x.ID, func(t *slot) bool {
				return t.kind == aService && serviceKey(x) == serviceKey(&s.Services[t.i]) && !conflict(x, &s.Services[t.i])
			})
		}
		for i := range o.Persons {
			x := &o.Persons[i]
			mark(x.ID, func(t *slot) bool {
				return t.kind == aPerson && (!k.Strict || x.Class == s.Persons[t.i].Class && !conflictPersons(x, &s.Persons[t.i]))
			})
		}
		for i := range o.Devices {
			x := &o.Devices[i]
			mark(x.ID, func(t *slot) bool {
				return t.kind == aDevice && x.DeviceID != "" && x.DeviceID == s.Devices[t.i].DeviceID
			})
		}
	}
}

// idsOf is the set of all ids of s, which may be nil.
func idsOf(s *State) map[string]bool {
	ids := map[string]bool{}
	if s == nil {
		return ids
	}
	for i := range s.Services {
		ids[s.Services[i].ID] = true
	}
	for i := range s.Persons {
		ids[s.Persons[i].ID] = true
	}
	for i := range s.Devices {
		ids[s.Devices[i].ID] = true
	}
	return ids
}

// within makes the ids of one document differ: who has kept its id has it, and
// others get another.
func within(slots []slot) {
	taken := make(map[string]bool, len(slots))
	for n := range slots {
		if t := &slots[n]; t.id != t.was {
			if taken[t.id] {
				t.id = t.was
				continue
			}
			taken[t.id] = true
		}
	}
	for n := range slots {
		t := &slots[n]
		if t.id != t.was || t.id == "" {
			continue
		}
		for base, i := t.id, 2; taken[t.id]; i++ {
			t.id = base + "-" + strconv.Itoa(i)
		}
		taken[t.id] = true
	}
}

// withIDs is s with the ids of slots.
func withIDs(s *State, slots []slot) *State {
	if !slices.ContainsFunc(slots, func(t slot) bool { return t.id != t.was }) {
		return s
	}
	c := *s
	c.Services, c.Persons, c.Devices = slices.Clone(s.Services), slices.Clone(s.Persons), slices.Clone(s.Devices)
	for n := range slots {
		switch t := &slots[n]; t.kind {
		case aService:
			c.Services[t.i].ID = t.id
		case aPerson:
			c.Persons[t.i].ID = t.id
		case aDevice:
			c.Devices[t.i].ID = t.id
		}
	}
	return &c
}
