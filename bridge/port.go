package bridge

import (
	"context"
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// Port attaches one network to the hub. It owns that network's sockets and
// goroutines.
type Port interface {
	// Name is the port's constant name: "sip", "xmpp", "web". It is the key
	// of everything the hub stores for the port.
	Name() string
	// Run serves until ctx ends, and returns after its last goroutine has.
	Run(ctx context.Context) error
	// Attach asks the port, as the home network of leg.Presentity, to fetch
	// or follow that presentity's state for leg.Watcher. It must not block;
	// the answers come back through Hub.Settle and Hub.Deliver. A second
	// Attach of a leg asks for its state anew (RFC 8048 §5.2.2).
	Attach(leg Leg, how Interest)
	// Detach ends what Attach began. It must not block.
	Detach(leg Leg)
}

// Interest is how a watcher wants a foreign presentity.
type Interest uint8

// The interests. Fetch asks for the state once, without a subscription
// (RFC 8048 §7). Follow subscribes.
const (
	Fetch Interest = iota
	Follow
)

// Leg is the pair of a watcher and a presentity. For a foreign presentity the
// leg also owns the state, which goes to no other watcher (RFC 8048 §8.2).
type Leg struct {
	Watcher, Presentity presence.Addr
}

// SubState is the state of a subscription (RFC 6665 §4.1.3).
type SubState uint8

// The subscription states. NoState: never asked.
const (
	NoState SubState = iota
	Pending
	Active
	Terminated
)

// String returns the word of RFC 6665: "pending", "active", "terminated".
func (s SubState) String() string {
	switch s {
	case Pending:
		return "pending"
	case Active:
		return "active"
	case Terminated:
		return "terminated"
	}
	return "init"
}

// Verdict is the standing of a leg: what the presentity, its rules or its home
// network say to the watcher.
type Verdict struct {
	State SubState
	// Reason of a termination, in the words of RFC 6665 §4.1.3: "rejected",
	// "timeout", "noresource", "deactivated", "probation", "giveup",
	// "invariant".
	Reason     string
	RetryAfter time.Duration // with probation and giveup
	// Err, when set, says why (an error of the home network or of ours). Its
	// Detail may be shown to the watcher.
	Err *Error
	// Hidden: the watcher is politely blocked; the state he sees is made up
	// (RFC 5025 §3.2.1). Nothing in any answer may differ for it.
	Hidden bool
}

// WatchRequest asks to start, refresh or end one subscription.
type WatchRequest struct {
	Leg  Leg
	Port string // name of the watcher's port
	// ID names the subscription within its port, stable for its life: a
	// dialog's id on the SIP side, the leg itself on the XMPP side.
	ID string
	// Expires is how long to watch. 0 ends the subscription ID, or, when
	// there is none of that ID, fetches the state once. Forever never ends.
	Expires time.Duration
	// Outbox receives the state and its changes.
	Outbox *Outbox
	// Data is the port's own record of the subscription (a dialog). The hub
	// stores it and gives it back after a restart; nil keeps what is stored.
	// With the end of a subscription it is kept for as long as the request may
	// come again, see Resumed; nil for no longer.
	Data   []byte
	Change ChangeID
}

// Forever is the Expires of a subscription that ends only when it is ended.
const Forever time.Duration = 1<<63 - 1

// Publication is one source's soft state (RFC 3903).
type Publication struct {
	Presentity presence.Addr
	// Source says whose state it is, for people and for loop detection, such
	// as "sip" or "web".
	Source string
	// Class is what kind of source it is, for when sources disagree
	// (docs/availability.md). What the user has set himself is his own word in
	// any class.
	Class presence.SourceClass
	// IfMatch is the entity-tag of the publication to refresh, modify or
	// remove; "" makes a new one.
	IfMatch string
	// Expires is the granted lifetime; 0 removes.
	Expires time.Duration
	// State is nil for a refresh or a removal.
	State *presence.State
	// Request names the request among all of the presentity's, such as by
	// Call-ID and CSeq. When the answer was lost with an earlier process, the
	// same request again gets the same receipt. "" names none.
	Request string
	Change  ChangeID
}

// Receipt is the hub's answer to a Publication: it is stored.
type Receipt struct {
	ETag    string
	Expires time.Duration
}

// Resumed is a stored subscription, given back to its port after a restart.
type Resumed struct {
	Leg     Leg
	ID      string
	Expires time.Time // zero: forever
	Verdict Verdict
	Data    []byte
	// Ended: the watcher has ended it a moment ago, with a request whose answer
	// may be lost. Its last Item follows, and the hub knows it no more.
	Ended bool
}
