package mapping

import (
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// Item is the current item of one node of personal eventing (XEP-0163): a
// mood, an activity, a location, a tune or a nickname. Avatars are not among
// them: their images are the port's.
type Item struct {
	Node string // such as "http://jabber.org/protocol/mood"
	ID   string // of the item; "current" for what the gateway says itself
	// Payload is the item's one child element, self-contained; "" when the
	// item was retracted.
	Payload string
}

// ToPEP returns what s says of its person as items of personal eventing, in
// the order of their nodes, each node at most once.
func (r *Rules) ToPEP(s *presence.State, now time.Time) []Item {
	return nil
}

// FromPEP returns old, which may be nil, with its person changed to what it
// says. Nodes and payloads that are not understood change nothing. old is not
// changed; it is returned itself when it brings nothing new.
func (r *Rules) FromPEP(old *presence.State, it Item, now time.Time) *presence.State {
	return old
}
