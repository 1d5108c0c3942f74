package mapping

// StanzaError is an XMPP stanza error (RFC 6120 §8.3).
type StanzaError struct {
	Type      string // "auth", "cancel", "continue", "modify", "wait"
	Condition string // such as "item-not-found"
	Text      string
	// Address is the new address in gone and redirect, "" for none.
	Address string
}

// errorTypes are the types that RFC 6120 §8.3.3 gives to the conditions.
var errorTypes = map[string]string{
	"bad-request": "modify", "conflict": "cancel", "feature-not-implemented": "cancel",
	"forbidden": "auth", "gone": "cancel", "internal-server-error": "cancel",
	"item-not-found": "cancel", "jid-malformed": "modify", "not-acceptable": "modify",
	"not-allowed": "cancel", "not-authorized": "auth", "policy-violation": "modify",
	"recipient-unavailable": "wait", "redirect": "modify", "registration-required": "auth",
	"remote-server-not-found": "cancel", "remote-server-timeout": "wait",
	"resource-constraint": "wait", "service-unavailable": "cancel",
	"subscription-required": "auth", "undefined-condition": "modify", "unexpected-request": "modify",
}

// toXMPP is RFC 7247 Table 3. The codes 3, 4, 5 and 6 stand for their classes.
var toXMPP = map[int]string{
	3: "redirect", 300: "redirect", 301: "gone", 302: "redirect", 305: "redirect", 380: "not-acceptable",
	4: "bad-request", 400: "bad-request", 401: "not-authorized", 402: "bad-request", 403: "forbidden",
	404: "item-not-found", 405: "feature-not-implemented", 406: "not-acceptable",
	407: "registration-required", 408: "remote-server-timeout", 410: "gone", 413: "policy-violation",
	414: "policy-violation", 415: "not-acceptable", 416: "not-acceptable",
	420: "feature-not-implemented", 421: "not-acceptable", 423: "resource-constraint",
	430: "recipient-unavailable", 439: "feature-not-implemented", 440: "policy-violation",
	480: "recipient-unavailable", 481: "item-not-found", 482: "not-acceptable", 483: "not-acceptable",
	484: "item-not-found", 485: "item-not-found", 486: "recipient-unavailable",
	487: "recipient-unavailable", 488: "not-acceptable", 489: "policy-violation",
	491: "unexpected-request", 493: "bad-request",
	5: "internal-server-error", 500: "internal-server-error", 501: "feature-not-implemented",
	502: "remote-server-not-found", 503: "internal-server-error", 504: "remote-server-timeout",
	505: "not-acceptable", 513: "policy-violation",
	6: "recipient-unavailable", 600: "recipient-unavailable", 603: "recipient-unavailable",
	604: "item-not-found", 606: "not-acceptable",
}

// ErrorToXMPP maps a SIP failure response by RFC 7247 §7.2 (rows H1…H7).
// phrase becomes the text; contact is the new address of a 301. The error type
// is always set.
func ErrorToXMPP(code int, phrase, contact string) StanzaError {
	condition, ok := toXMPP[code]
	if !ok {
		// RFC 7247 §7.2: an unlisted code is taken as its class.
		condition, ok = toXMPP[code/100]
	}
	if !ok {
		condition = "undefined-condition"
	}
	e := StanzaError{Type: errorTypes[condition], Condition: condition, Text: phrase}
	// RFC 7247 Table 3 note 1: 301 has the new address, 410 has none.
	if condition == "redirect" || code == 301 {
		e.Address = contact
	}
	return e
}

// codes is a row of RFC 7247 Table 2: the code for an error about a full and
// about a bare JID.
type codes struct{ full, bare int }

// toSIP is RFC 7247 Table 2.
var toSIP = map[string]codes{
	"bad-request": {400, 400}, "conflict": {400, 400}, "feature-not-implemented": {405, 501},
	"forbidden": {403, 603}, "gone": {410, 410}, "internal-server-error": {500, 500},
	"item-not-found": {404, 604}, "jid-malformed": {400, 400}, "not-acceptable": {406, 606},
	"not-allowed": {403, 403}, "not-authorized": {401, 401}, "policy-violation": {403, 403},
	"recipient-unavailable": {480, 600}, "redirect": {302, 302}, "registration-required": {407, 407},
	"remote-server-not-found": {404, 404}, "remote-server-timeout": {408, 408},
	"resource-constraint": {500, 500}, "service-unavailable": {403, 405},
	"subscription-required": {400, 400}, "undefined-condition": {400, 400}, "unexpected-request": {491, 491},
}

// phrases are the reason phrases for errors without a text.
var phrases = map[int]string{
	301: "Moved Permanently", 302: "Moved Temporarily", 400: "Bad Request", 401: "Unauthorized",
	403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable",
	407: "Proxy Authentication Required", 408: "Request Timeout", 410: "Gone",
	480: "Temporarily Unavailable", 491: "Request Pending", 500: "Server Internal Error",
	501: "Not Implemented", 600: "Busy Everywhere", 603: "Decline", 604: "Does Not Exist Anywhere",
	606: "Not Acceptable",
}

// ErrorToSIP maps an XMPP stanza error by RFC 7247 §7.1 (rows G1…G7). full
// says that the stanza was addressed to a full JID.
func ErrorToSIP(e StanzaError, full bool) (code int, phrase string) {
	c, ok := toSIP[e.Condition]
	if !ok {
		c = toSIP["undefined-condition"]
	}
	code = c.bare
	if full {
		code = c.full
	}
	// RFC 7247 Table 2 note 3: gone with an address is 301, without 410.
	if e.Condition == "gone" && e.Address != "" {
		code = 301
	}
	if e.Text != "" {
		return code, e.Text
	}
	return code, phrases[code]
}
