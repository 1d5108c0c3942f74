package mapping

import (
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// Word is the one word of availability that user interfaces show.
type Word string

// The words.
const (
	Unknown      Word = "unknown"
	Offline      Word = "offline"
	ExtendedAway Word = "extended_away"
	Away         Word = "away"
	Available    Word = "available"
	Chat         Word = "chat"
	Busy         Word = "busy"
	DND          Word = "dnd"
)

// Availability is what a State means to someone who wants to reach the
// presentity: one word, why, and the flags beside it.
type Availability struct {
	Word   Word
	Reason string // "in_call", "in_meeting", "presenting", "focusing", "calendar", "travelling", ""
	Idle   bool
	OOF    bool
	// Manual: the user said so himself.
	Manual bool
	Since  time.Time // zero: unknown
	Until  time.Time // zero: open
}

// Effective says what s means at now: a pure function, the same for every
// network. A nil State is Unknown.
func Effective(s *presence.State, now time.Time) Availability { panic("todo") }

// Show returns the XMPP <show> for one activity of RFC 4480 §3.2 and whether
// the table knows it.
func Show(activity string) (show string, ok bool) { panic("todo") }
