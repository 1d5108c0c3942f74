package xmpp

import (
	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/mapping"
)

// stanzaErrors is the wire form of each kind of error made here. Errors that
// other networks report are mapped by RFC 7247 Table 3 in package mapping.
var stanzaErrors = map[bridge.Kind]mapping.StanzaError{
	bridge.Internal:        {Type: "cancel", Condition: "internal-server-error"},
	bridge.Malformed:       {Type: "modify", Condition: "bad-request"},
	bridge.Unauthenticated: {Type: "auth", Condition: "not-authorized"},
	bridge.Forbidden:       {Type: "auth", Condition: "forbidden"},
	bridge.NotFound:        {Type: "cancel", Condition: "item-not-found"},
	bridge.Stale:           {Type: "cancel", Condition: "conflict"},
	bridge.TooLarge:        {Type: "modify", Condition: "policy-violation"},
	bridge.Unsupported:     {Type: "modify", Condition: "not-acceptable"},
	bridge.TooBrief:        {Type: "wait", Condition: "resource-constraint"},
	bridge.NoDialog:        {Type: "cancel", Condition: "item-not-found"},
	bridge.BadEvent:        {Type: "modify", Condition: "policy-violation"},
	bridge.Busy:            {Type: "wait", Condition: "resource-constraint"},
	bridge.Timeout:         {Type: "wait", Condition: "remote-server-timeout"},
}

// stanzaError returns the stanza error for an error of the hub, or for one that
// a SIP server elsewhere reported. Of an internal fault nothing but its kind is
// told.
func stanzaError(err *bridge.Error) mapping.StanzaError {
	if err.Status != 0 {
		return mapping.ErrorToXMPP(err.Status, err.Detail, "") // RFC 7247 §7.2
	}
	e := stanzaErrors[err.Kind]
	if err.Kind != bridge.Internal {
		e.Text = err.Detail
	}
	return e
}

// kindOfStatus is the Kind for a SIP status that RFC 7247 §7.1 gives for a
// stanza error.
func kindOfStatus(code int) bridge.Kind {
	switch code {
	case 401, 407:
		return bridge.Unauthenticated
	case 403, 603:
		return bridge.Forbidden
	case 404, 410, 604, 301, 302:
		return bridge.NotFound
	case 408, 480, 600:
		return bridge.Timeout
	case 500, 503:
		return bridge.Busy
	case 400, 405, 406, 501, 606:
		return bridge.Unsupported
	}
	return bridge.Internal
}
