package presence

import "time"

// Source is one contribution to a composed State: a publication, or a
// document that is always there.
type Source struct {
	// ID names the source for as long as it lives, over refreshes and
	// changes.
	ID string
	// Class says what kind of source it is.
	Class SourceClass
	// Rank is 0 for soft state. Permanent state has more: what conflicts is
	// the source's of the lower rank, however new the other is.
	Rank int
	// Seq orders the sources by when they first came.
	Seq uint64
	// Changed orders the sources by their last change, for conflicts: the
	// newest wins.
	Changed uint64
	// Arrived is the time of the last change; zero: not known.
	Arrived time.Time
	State   *State
}

// SourceClass tells how a source knows what it says. It decides whose word
// counts when sources disagree.
type SourceClass uint8

// The classes.
const (
	Session  SourceClass = iota // a client that is signed in
	OfDevice                    // a device, whoever holds it
	Manual                      // the user's own word
	Call                        // a call that is going on
	Calendar                    // an appointment
	Static                      // what is always there, such as permanent presence state
)

var classNames = [...]string{"session", "device", "manual", "call", "calendar", "static"}

// String returns the class in lower case, such as "calendar".
func (c SourceClass) String() string {
	if int(c) < len(classNames) {
		return classNames[c]
	}
	return "unknown"
}
