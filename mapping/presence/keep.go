package presence

import (
	"slices"
	"strconv"
)

// KeepIDs returns s, a new document of a presentity whose composed state is
// old, with the ids that old has for the same services: those with the same
// service description, contact and class. Some clients number their tuples
// anew with each document, and watchers must not see tuples go and come for
// that. Services without a description keep the ids that they have. old may be
// nil; s is not changed, and returned itself when its ids are as they should
// be.
func KeepIDs(old, s *State) *State {
	if old == nil {
		return s
	}
	ids := make(map[serviceKeyed][]string) // of old, in order
	for i := range old.Services {
		if t := &old.Services[i]; t.OMA.Description != nil {
			k := serviceKey(t)
			ids[k] = append(ids[k], t.ID)
		}
	}
	if len(ids) == 0 {
		return s
	}
	kept := make([]string, len(s.Services)) // "" for its own
	changed := false
	for i := range s.Services {
		t := &s.Services[i]
		if t.OMA.Description == nil {
			continue
		}
		if k := serviceKey(t); len(ids[k]) > 0 {
			kept[i], ids[k] = ids[k][0], ids[k][1:]
			changed = changed || kept[i] != t.ID
		}
	}
	if !changed {
		return s
	}
	return withIDs(s, kept)
}

// withIDs is s with the ids given, "" for a service's own. A service whose own
// is taken then gets another.
func withIDs(s *State, ids []string) *State {
	c := *s
	c.Services = slices.Clone(s.Services)
	taken := make(map[string]bool, len(ids))
	for i, id := range ids {
		if id != "" {
			c.Services[i].ID = id
			taken[id] = true
		}
	}
	for i := range c.Persons {
		taken[c.Persons[i].ID] = true
	}
	for i := range c.Devices {
		taken[c.Devices[i].ID] = true
	}
	for i, id := range ids {
		if id != "" {
			continue
		}
		t := &c.Services[i]
		for base, n := t.ID, 2; taken[t.ID]; n++ {
			t.ID = base + "-" + strconv.Itoa(n)
		}
		taken[t.ID] = true
	}
	return &c
}
