package presence

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// serviceKeyed is what must agree for services to be one (OMA's composition
// policy): the service description, the contact and the class; without a
// description also the devices.
type serviceKeyed struct{ id, version, contact, class, devices string }

func serviceKey(t *Service) serviceKeyed {
	k := serviceKeyed{class: t.Class}
	if t.Contact != nil {
		k.contact = canonicalURI(t.Contact.URI)
	}
	if d := t.OMA.Description; d != nil {
		k.id, k.version = d.ID, d.Version
		return k
	}
	switch len(t.DeviceIDs) {
	case 0:
	case 1:
		k.devices = t.DeviceIDs[0]
	default:
		k.devices = strings.Join(slices.Sorted(slices.Values(t.DeviceIDs)), "\x00")
	}
	return k
}

// canonicalURI writes scheme and host of a URI in lower case (RFC 3986
// §6.2.2.1).
func canonicalURI(uri string) string {
	scheme, rest, ok := strings.Cut(uri, ":")
	if !ok {
		return uri
	}
	end := strings.IndexAny(rest, ";?")
	if end < 0 {
		end = len(rest)
	}
	host := strings.LastIndexByte(rest[:end], '@') + 1
	if host == 0 && !strings.HasPrefix(scheme, "sip") {
		return strings.ToLower(scheme) + ":" + rest
	}
	if lower := strings.ToLower(rest[host:end]); lower != rest[host:end] {
		rest = rest[:host] + lower + rest[end:]
	} else if strings.ToLower(scheme) == scheme {
		return uri
	}
	return strings.ToLower(scheme) + ":" + rest
}

// conflict reports whether a and b, of one key, have the same element with
// different content. Timestamps, notes, ids, priorities and descriptions never
// conflict.
func conflict(a, b *Service) bool {
	if a.Contact == nil && a.OMA.Description == nil {
		// Without a contact or a name, they are the same only when equal.
		x, y := *a, *b
		x.ID, y.ID = "", ""
		x.Timestamp, y.Timestamp = time.Time{}, time.Time{}
		return !equalService(x, y)
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

// conflictPersons is conflict for persons.
func conflictPersons(a, b *Person) bool {
	return differAt(a.Activities, b.Activities, equalActivities) || differAt(a.Mood, b.Mood, equalMood) ||
		differAt(a.PlaceIs, b.PlaceIs, equalPlaceIs) || differAt(a.PlaceType, b.PlaceType, equalChoice) ||
		differAt(a.Privacy, b.Privacy, equalChoice) || differAt(a.Sphere, b.Sphere, equalChoice) ||
		differIn(a.StatusIcons, b.StatusIcons, equalIcon) || differAt(a.TimeOffset, b.TimeOffset, equalTimeOffset) ||
		differAt(a.UserInput, b.UserInput, equalUserInput) || cardConflict(a.Card, b.Card) ||
		differIn(a.Geo, b.Geo, same) || differAt(a.OMA.OverridingWillingness, b.OMA.OverridingWillingness, equalOnOff) ||
		differIn(a.OMA.Links, b.OMA.Links, equalLink) || rawConflict(a.Ext, b.Ext)
}

// differ reports whether both are present and not equal.
func differ[T comparable](a, b T) bool {
	var none T
	return a != none && b != none && a != b
}

func differAt[T any](a, b *T, equal func(a, b T) bool) bool {
	return a != nil && b != nil && a != b && !equal(*a, *b)
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
	for i := range a {
		for j := range b {
			if a[i].Local == b[j].Local && a[i].Space == b[j].Space && a[i].Bytes != b[j].Bytes {
				return true
			}
		}
	}
	return false
}

// withoutNamed is b without the elements that a has too.
func withoutNamed(a, b []RawXML) []RawXML {
	return slices.DeleteFunc(slices.Clone(b), func(x RawXML) bool {
		return slices.ContainsFunc(a, func(y RawXML) bool { return x.Local == y.Local && x.Space == y.Space })
	})
}

// withoutLangs is b without the notes of languages that a has notes in.
func withoutLangs(a, b []Note) []Note {
	return slices.DeleteFunc(slices.Clone(b), func(x Note) bool {
		return slices.ContainsFunc(a, func(y Note) bool { return x.Lang == y.Lang })
	})
}

// clip makes appending to the joined lists of m leave those of its source alone.
func clip(m *Service) {
	m.Notes, m.Ext, m.StatusExt = slices.Clip(m.Notes), slices.Clip(m.Ext), slices.Clip(m.StatusExt)
	m.DeviceIDs, m.Attrs = slices.Clip(m.DeviceIDs), slices.Clip(m.Attrs)
}

// mergeService joins b to m, whose lists are its own or clipped: the union, with the latest timestamp, the highest
// priority and one description. They do not conflict, or m is soft state and b
// is permanent, which counts where there is no other.
func mergeService(m, b *Service, permanent bool) {
	notes, ext, status := b.Notes, b.Ext, b.StatusExt
	if permanent {
		notes, ext, status = withoutLangs(m.Notes, notes), withoutNamed(m.Ext, ext), withoutNamed(m.StatusExt, status)
	}
	m.Notes = join(m.Notes, notes)
	m.Ext = join(m.Ext, ext)
	m.StatusExt = join(m.StatusExt, status)
	m.DeviceIDs = join(m.DeviceIDs, b.DeviceIDs)
	m.Attrs = join(m.Attrs, b.Attrs)
	if b.Timestamp.After(m.Timestamp) {
		m.Timestamp = b.Timestamp
	}
	if m.Contact == nil || b.Contact != nil && priority(b.Contact) > priority(m.Contact) {
		m.Contact = b.Contact
	}
	fillService(m, b)
}

// priority is the contact's priority, -1 when absent.
func priority(c *Contact) float64 {
	if c.Priority == "" {
		return -1
	}
	p, err := strconv.ParseFloat(c.Priority, 64)
	if err != nil {
		return -1
	}
	return p
}
