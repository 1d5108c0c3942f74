package presence

import "time"

// Range holds the attributes that RPID elements share (RFC 4480 §3.1): an
// optional id and the interval in which the element is true. Zero times are
// absent. Attrs are attributes of other namespaces.
type Range struct {
	ID          string
	From, Until time.Time
	Attrs       []Attr
}

// Value is one token of an RPID enumeration, such as the activity
// "on-the-phone". A token of another namespace has that in Space and the whole
// element in Raw. "other" carries its words in Text.
type Value struct {
	Space string // "" for the element's own namespace
	Name  string
	Text  string // element content: of <other/>, or text a client put in
	Lang  string // xml:lang of that text
	Raw   *RawXML
}

// Activities is <rpid:activities> (RFC 4480 §3.2): any number of values at
// once. A present element with no values is kept as such.
type Activities struct {
	Range
	Notes  []Note
	Values []Value
}

// Mood is <rpid:mood> (RFC 4480 §3.5).
type Mood struct {
	Range
	Notes  []Note
	Values []Value
}

// Choice is an RPID element that holds values and notes: place-type,
// privacy, relationship, service-class, sphere. Sphere text outside the
// enumeration ("bowling league" in RFC 4480's own example) is a Value with
// an empty Name and the Text.
type Choice struct {
	Range
	Notes  []Note
	Values []Value
}

// PlaceIs is <rpid:place-is> (RFC 4480 §3.6): the medium conditions.
type PlaceIs struct {
	Range
	Notes              []Note
	Audio, Video, Text []Value
	Ext                []RawXML
}

// Icon is <rpid:status-icon> (RFC 4480 §3.12), with OMA's opd:* metadata among
// Attrs.
type Icon struct {
	Range
	URI string
}

// TimeOffset is <rpid:time-offset> (RFC 4480 §3.13): minutes east of UTC.
type TimeOffset struct {
	Range
	Minutes     int
	Description string
}

// UserInput is <rpid:user-input> (RFC 4480 §3.14).
type UserInput struct {
	ID            string
	Idle          bool
	IdleThreshold int       // seconds; 0: absent
	LastInput     time.Time // zero: absent
	Attrs         []Attr
}

// TimedStatus is <ts:timed-status> (RFC 4481): a past or future status.
type TimedStatus struct {
	From, Until time.Time // From is mandatory
	Basic       Basic
	Notes       []Note
	Ext         []RawXML
	Attrs       []Attr
}

// CIPID is the contact card of RFC 4482; each field is a URI or text, "" when
// absent.
type CIPID struct {
	Card, DisplayName, Homepage, Icon, Map, Sound string
}
