package mapping

import (
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// Presence is the content of one XMPP presence stanza from one resource
// (RFC 6121 §4.7), without its addresses.
type Presence struct {
	Resource    string
	Unavailable bool
	Show        string          // "", "away", "chat", "dnd", "xa"
	Status      []presence.Note // by language
	// Priority is -128 to 127; HasPriority tells 0 from absent.
	Priority    int8
	HasPriority bool
	// Stamp is the time of an XEP-0203 delay, zero when absent.
	Stamp time.Time
	// Idle is the time of an XEP-0319 idle element, zero when absent.
	Idle time.Time
}

// ToXMPP returns the presences that show s, one for each tuple, each from its
// own resource (RFC 8048 §6.3, rows E1…E9), in the order of the tuples. A
// State with a person and no tuples gives one. now decides which times count.
func ToXMPP(s *presence.State, now time.Time) []Presence { panic("todo") }

// FromXMPP returns old, which may be nil, with the tuple of p's resource
// changed to what p says (RFC 8048 §6.2, rows D1…D12). Of an unavailable
// resource the tuple stays, closed, if it is the last; otherwise it goes.
// An unavailable presence without resource closes everything.
func FromXMPP(old *presence.State, p Presence, now time.Time) *presence.State { panic("todo") }
