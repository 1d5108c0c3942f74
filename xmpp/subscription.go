package xmpp

import "github.com/porchlight-im/porchlight/bridge"

// half is one direction of a subscription state of RFC 6121 §A.1.
type half uint8

const (
	none half = iota
	pending
	held
)

// subState is one of the nine subscription states of RFC 6121 §A.1, seen from
// the virtual user. Out is his subscription to the contact ("to" when held),
// In the contact's to him ("from" when held).
type subState struct{ In, Out half }

var halfNames = [...][2]string{{"", ""}, {"pending-in", "pending-out"}, {"from", "to"}}

func (s subState) String() string {
	in, out := halfNames[s.In][0], halfNames[s.Out][1]
	switch {
	case s == subState{}:
		return "none"
	case s == subState{held, held}:
		return "both"
	case in == "":
		return out
	case out == "":
		return in
	}
	return in + "+" + out
}

// halfOf tells a leg's standing in RFC 6121's terms.
func halfOf(v bridge.Verdict) half {
	switch v.State {
	case bridge.Pending:
		return pending
	case bridge.Active:
		return held
	}
	return none
}

// inbound is what RFC 6121 §A.3 says about a subscription stanza from the
// contact: whether it is delivered to the virtual user (here: handed to the
// hub), what is answered at once on his behalf ("" for nothing), and the new
// state.
func (s subState) inbound(kind string) (deliver bool, reply string, next subState) {
	next = s
	switch kind {
	case subscribe: // RFC 6121 Table 6
		switch s.In {
		case none:
			next.In = pending
			return true, "", next
		case held:
			return false, subscribed, next
		}
	case unsubscribe: // RFC 6121 Table 7
		if s.In != none {
			next.In = none
			return true, unsubscribed, next
		}
	case subscribed: // RFC 6121 Table 8
		if s.Out == pending {
			next.Out = held
			return true, "", next
		}
	case unsubscribed: // RFC 6121 Table 9
		if s.Out != none {
			next.Out = none
			return true, "", next
		}
	}
	return false, "", next
}

// outbound is what RFC 6121 §A.2 says about a subscription stanza to the
// contact: whether it is sent, and the new state. Pre-approval (RFC 6121 §3.4)
// is the hub's: it is no stanza.
func (s subState) outbound(kind string) (route bool, next subState) {
	next = s
	switch kind {
	case subscribe: // RFC 6121 Table 2
		if s.Out == none {
			next.Out = pending
		}
		return true, next
	case unsubscribe: // RFC 6121 Table 3
		next.Out = none
		return true, next
	case subscribed: // RFC 6121 Table 4
		if s.In == pending {
			next.In = held
			return true, next
		}
	case unsubscribed: // RFC 6121 Table 5
		next.In = none
		return s.In != none, next
	}
	return false, next
}

// The types of presence stanzas (RFC 6121 §4.7.1). Available is no type.
const (
	available    = ""
	unavailable  = "unavailable"
	subscribe    = "subscribe"
	subscribed   = "subscribed"
	unsubscribe  = "unsubscribe"
	unsubscribed = "unsubscribed"
	probe        = "probe"
	errorType    = "error"
)
