package presence

import "slices"

// fill sets *dst, if it says nothing, to src.
func fill[T comparable](dst *T, src T) {
	var none T
	if *dst == none {
		*dst = src
	}
}

func fillList[T any](dst *[]T, src []T) {
	if len(*dst) == 0 {
		*dst = src
	}
}

// fillService sets what m does not say to what b says. Notes, extensions,
// devices, attributes, time and contact are the caller's.
func fillService(m, b *Service) {
	fill(&m.ID, b.ID)
	if m.Basic == NoBasic {
		m.Basic, m.BasicText = b.Basic, b.BasicText
	}
	fill(&m.Show, b.Show)
	fill(&m.NotUnderstood, b.NotUnderstood)
	fill(&m.Class, b.Class)
	fill(&m.Privacy, b.Privacy)
	fill(&m.Relationship, b.Relationship)
	fill(&m.ServiceClass, b.ServiceClass)
	fillList(&m.StatusIcons, b.StatusIcons)
	fill(&m.UserInput, b.UserInput)
	fillList(&m.Timed, b.Timed)
	fillCard(&m.Card, &b.Card)
	fill(&m.Caps, b.Caps)
	fillList(&m.Geo, b.Geo)
	fill(&m.OMA.Description, b.OMA.Description)
	fill(&m.OMA.Willingness, b.OMA.Willingness)
	fill(&m.OMA.SessionParticipation, b.OMA.SessionParticipation)
	fill(&m.OMA.RegistrationState, b.OMA.RegistrationState)
	fill(&m.OMA.BarringState, b.OMA.BarringState)
}

// fillPerson is fillService for a person.
func fillPerson(m, b *Person) {
	fill(&m.ID, b.ID)
	fill(&m.Activities, b.Activities)
	fill(&m.Mood, b.Mood)
	fill(&m.PlaceIs, b.PlaceIs)
	fill(&m.PlaceType, b.PlaceType)
	fill(&m.Privacy, b.Privacy)
	fill(&m.Sphere, b.Sphere)
	fillList(&m.StatusIcons, b.StatusIcons)
	fill(&m.TimeOffset, b.TimeOffset)
	fill(&m.UserInput, b.UserInput)
	fill(&m.Class, b.Class)
	fillCard(&m.Card, &b.Card)
	fillList(&m.Geo, b.Geo)
	fill(&m.OMA.OverridingWillingness, b.OMA.OverridingWillingness)
	fillList(&m.OMA.Links, b.OMA.Links)
	fillList(&m.Attrs, b.Attrs)
}

// fillDevice sets what m does not say to what b says, and joins what both can
// say.
func fillDevice(m, b *Device) {
	fill(&m.ID, b.ID)
	fill(&m.DeviceID, b.DeviceID)
	fill(&m.Class, b.Class)
	fill(&m.UserInput, b.UserInput)
	fill(&m.Caps, b.Caps)
	fillList(&m.Geo, b.Geo)
	fillList(&m.Attrs, b.Attrs)
	m.Notes = union(m.Notes, b.Notes)
	m.Ext = union(m.Ext, withoutNamed(m.Ext, b.Ext))
	m.Networks = unionNetworks(m.Networks, b.Networks)
	if b.Timestamp.After(m.Timestamp) {
		m.Timestamp = b.Timestamp
	}
}

func fillCard(m, b *CIPID) {
	fill(&m.Card, b.Card)
	fill(&m.DisplayName, b.DisplayName)
	fill(&m.Homepage, b.Homepage)
	fill(&m.Icon, b.Icon)
	fill(&m.Map, b.Map)
	fill(&m.Sound, b.Sound)
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
