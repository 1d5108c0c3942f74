package presence

import (
	"slices"
	"time"
)

// Equal reports whether a and b say the same, word for word: every field
// counts, order counts, and a time counts with its offset. An absent list and
// an empty one are the same. Two nil States are equal.
func Equal(a, b *State) bool {
	if a == nil || b == nil || a == b {
		return a == b
	}
	return a.Entity == b.Entity &&
		slices.EqualFunc(a.Services, b.Services, equalService) &&
		slices.Equal(a.Notes, b.Notes) &&
		slices.EqualFunc(a.Persons, b.Persons, equalPerson) &&
		slices.EqualFunc(a.Devices, b.Devices, equalDevice) &&
		slices.Equal(a.Ext, b.Ext) &&
		slices.Equal(a.Attrs, b.Attrs)
}

func equalService(a, b Service) bool {
	return a.ID == b.ID && a.Basic == b.Basic && a.BasicText == b.BasicText && a.Show == b.Show &&
		a.NotUnderstood == b.NotUnderstood && a.Class == b.Class && a.Card == b.Card &&
		equalTime(a.Timestamp, b.Timestamp) &&
		equalPointer(a.Contact, b.Contact, same) &&
		equalPointer(a.Privacy, b.Privacy, equalChoice) &&
		equalPointer(a.Relationship, b.Relationship, equalChoice) &&
		equalPointer(a.ServiceClass, b.ServiceClass, equalChoice) &&
		equalPointer(a.UserInput, b.UserInput, equalUserInput) &&
		equalPointer(a.Caps, b.Caps, equalCaps) &&
		equalServiceOMA(a.OMA, b.OMA) &&
		slices.Equal(a.Notes, b.Notes) &&
		slices.Equal(a.DeviceIDs, b.DeviceIDs) &&
		slices.EqualFunc(a.StatusIcons, b.StatusIcons, equalIcon) &&
		slices.EqualFunc(a.Timed, b.Timed, equalTimed) &&
		slices.Equal(a.StatusExt, b.StatusExt) &&
		slices.Equal(a.Geo, b.Geo) &&
		slices.Equal(a.Ext, b.Ext) &&
		slices.Equal(a.Attrs, b.Attrs)
}

func equalPerson(a, b Person) bool {
	return a.ID == b.ID && a.Class == b.Class && a.Card == b.Card &&
		equalTime(a.Timestamp, b.Timestamp) &&
		equalPointer(a.Activities, b.Activities, equalActivities) &&
		equalPointer(a.Mood, b.Mood, equalMood) &&
		equalPointer(a.PlaceIs, b.PlaceIs, equalPlaceIs) &&
		equalPointer(a.PlaceType, b.PlaceType, equalChoice) &&
		equalPointer(a.Privacy, b.Privacy, equalChoice) &&
		equalPointer(a.Sphere, b.Sphere, equalChoice) &&
		equalPointer(a.TimeOffset, b.TimeOffset, equalTimeOffset) &&
		equalPointer(a.UserInput, b.UserInput, equalUserInput) &&
		equalPointer(a.OMA.OverridingWillingness, b.OMA.OverridingWillingness, equalOnOff) &&
		slices.EqualFunc(a.OMA.Links, b.OMA.Links, equalLink) &&
		slices.Equal(a.Notes, b.Notes) &&
		slices.EqualFunc(a.StatusIcons, b.StatusIcons, equalIcon) &&
		slices.Equal(a.Geo, b.Geo) &&
		slices.Equal(a.Ext, b.Ext) &&
		slices.Equal(a.Attrs, b.Attrs)
}

func equalDevice(a, b Device) bool {
	return a.ID == b.ID && a.DeviceID == b.DeviceID && a.Class == b.Class &&
		equalTime(a.Timestamp, b.Timestamp) &&
		equalPointer(a.UserInput, b.UserInput, equalUserInput) &&
		equalPointer(a.Caps, b.Caps, equalCaps) &&
		slices.Equal(a.Notes, b.Notes) &&
		slices.EqualFunc(a.Networks, b.Networks, equalNetwork) &&
		slices.Equal(a.Geo, b.Geo) &&
		slices.Equal(a.Ext, b.Ext) &&
		slices.Equal(a.Attrs, b.Attrs)
}

// equalPointer compares what a and b point to; nil is equal to nil alone.
func equalPointer[T any](a, b *T, equal func(a, b T) bool) bool {
	if a == nil || b == nil || a == b {
		return a == b
	}
	return equal(*a, *b)
}

func same[T comparable](a, b T) bool { return a == b }

// equalTime compares the instant and the offset; the name of the zone, and
// where the Time came from, do not count.
func equalTime(a, b time.Time) bool {
	if !a.Equal(b) {
		return false
	}
	_, x := a.Zone()
	_, y := b.Zone()
	return x == y
}

func equalRange(a, b Range) bool {
	return a.ID == b.ID && equalTime(a.From, b.From) && equalTime(a.Until, b.Until) && slices.Equal(a.Attrs, b.Attrs)
}

func equalValue(a, b Value) bool {
	return a.Space == b.Space && a.Name == b.Name && a.Text == b.Text && a.Lang == b.Lang && equalPointer(a.Raw, b.Raw, same)
}

func equalValues(a, b []Value) bool { return slices.EqualFunc(a, b, equalValue) }

func equalChoice(a, b Choice) bool {
	return equalRange(a.Range, b.Range) && slices.Equal(a.Notes, b.Notes) && equalValues(a.Values, b.Values)
}

func equalActivities(a, b Activities) bool { return equalChoice(Choice(a), Choice(b)) }

func equalMood(a, b Mood) bool { return equalChoice(Choice(a), Choice(b)) }

func equalPlaceIs(a, b PlaceIs) bool {
	return equalRange(a.Range, b.Range) && slices.Equal(a.Notes, b.Notes) && equalValues(a.Audio, b.Audio) &&
		equalValues(a.Video, b.Video) && equalValues(a.Text, b.Text) && slices.Equal(a.Ext, b.Ext)
}

func equalIcon(a, b Icon) bool { return a.URI == b.URI && equalRange(a.Range, b.Range) }

func equalTimeOffset(a, b TimeOffset) bool {
	return a.Minutes == b.Minutes && a.Description == b.Description && equalRange(a.Range, b.Range)
}

func equalUserInput(a, b UserInput) bool {
	return a.ID == b.ID && a.Idle == b.Idle && a.IdleThreshold == b.IdleThreshold &&
		equalTime(a.LastInput, b.LastInput) && slices.Equal(a.Attrs, b.Attrs)
}

func equalTimed(a, b TimedStatus) bool {
	return equalTime(a.From, b.From) && equalTime(a.Until, b.Until) && a.Basic == b.Basic &&
		slices.Equal(a.Notes, b.Notes) && slices.Equal(a.Ext, b.Ext) && slices.Equal(a.Attrs, b.Attrs)
}

func equalCaps(a, b Caps) bool {
	return slices.EqualFunc(a.Items, b.Items, equalCapability) && slices.Equal(a.Ext, b.Ext) && slices.Equal(a.Attrs, b.Attrs)
}

func equalCapability(a, b Capability) bool {
	return a.Name == b.Name && a.Text == b.Text && slices.Equal(a.Supported, b.Supported) &&
		slices.Equal(a.NotSupported, b.NotSupported) && equalPointer(a.Raw, b.Raw, same)
}

func equalOnOff(a, b OnOff) bool {
	return a.Basic == b.Basic && equalTime(a.Until, b.Until) && slices.Equal(a.Ext, b.Ext) && slices.Equal(a.Attrs, b.Attrs)
}

func equalServiceOMA(a, b ServiceOMA) bool {
	return a.RegistrationState == b.RegistrationState && a.BarringState == b.BarringState &&
		equalPointer(a.Description, b.Description, equalDescription) &&
		equalPointer(a.Willingness, b.Willingness, equalOnOff) &&
		equalPointer(a.SessionParticipation, b.SessionParticipation, equalOnOff)
}

func equalDescription(a, b ServiceDescription) bool {
	return a.ID == b.ID && a.Version == b.Version && slices.Equal(a.Descriptions, b.Descriptions) && slices.Equal(a.Ext, b.Ext)
}

func equalLink(a, b Link) bool {
	return a.URI == b.URI && a.Label == b.Label && a.Priority == b.Priority && slices.Equal(a.Attrs, b.Attrs)
}

func equalNetwork(a, b Network) bool {
	return a.ID == b.ID && a.Active == b.Active && a.Terminated == b.Terminated &&
		slices.Equal(a.Ext, b.Ext) && slices.Equal(a.Attrs, b.Attrs)
}
