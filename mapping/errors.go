package mapping

import "strings"

// StanzaError is an XMPP stanza error (RFC 6120 §8.3).
type StanzaError struct {
	Type      string // "auth", "cancel", "continue", "modify", "wait"
	Condition string // such as "item-not-found"
	Text      string
	// Address is the new address in gone and redirect, "" for none.
	Address string
}

// errorTypes are the types that RFC 6120 §8.3.3 gives to the conditions; of
// two the first.
var errorTypes = map[string]string{
	"bad-request":             "modify",
	"conflict":                "cancel",
	"feature-not-implemented": "cancel",
	"forbidden":               "auth",
	"gone":                    "cancel",
	"internal-server-error":   "cancel",
	"item-not-found":          "cancel",
	"jid-malformed":           "modify",
	"not-acceptable":          "modify",
	"not-allowed":             "cancel",
	"not-authorized":          "auth",
	"policy-violation":        "modify",
	"recipient-unavailable":   "wait",
	"redirect":                "modify",
	"registration-required":   "auth",
	"remote-server-not-found": "cancel",
	"remote-server-timeout":   "wait",
	"resource-constraint":     "wait",
	"service-unavailable":     "cancel",
	"subscription-required":   "auth",
	"undefined-condition":     "cancel",
	"unexpected-request":      "wait",
}

// sipErrors is RFC 7247 Table 3. The keys 3, 4, 5 and 6 are the classes, for
// codes that are not listed.
var sipErrors = map[int]string{
	3: "redirect", 4: "bad-request", 5: "internal-server-error", 6: "recipient-unavailable",

	300: "redirect", 301: "gone", 302: "redirect", 305: "redirect", 380: "not-acceptable",

	400: "bad-request", 401: "not-authorized", 402: "bad-request", 403: "forbidden",
	404: "item-not-found", 405: "feature-not-implemented", 406: "not-acceptable",
	407: "registration-required", 408: "remote-server-timeout", 410: "gone",
	413: "policy-violation", 414: "policy-violation", 415: "not-acceptable", 416: "not-acceptable",
	420: "feature-not-implemented", 421: "not-acceptable", 423: "resource-constraint",
	430: "recipient-unavailable", 439: "feature-not-implemented", 440: "policy-violation",
	480: "recipient-unavailable", 481: "item-not-found", 482: "not-acceptable", 483: "not-acceptable",
	484: "item-not-found", 485: "item-not-found", 486: "recipient-unavailable",
	487: "recipient-unavailable", 488: "not-acceptable", 489: "policy-violation",
	491: "unexpected-request", 493: "bad-request",

	500: "internal-server-error", 501: "feature-not-implemented", 502: "remote-server-not-found",
	503: "internal-server-error", 504: "remote-server-timeout", 505: "not-acceptable",
	513: "policy-violation",

	600: "recipient-unavailable", 603: "recipient-unavailable", 604: "item-not-found",
	606: "not-acceptable",
}

// ErrorToXMPP maps a SIP failure response by RFC 7247 §7.2 (rows H1…H7).
// phrase becomes the text; contact, a URI or Contact value, is the new address
// of a 301 and of other redirections. A code that is no failure is
// undefined-condition. The type is always set, and "wait" where the code only
// means to try again: the caller need not show such an error to anyone.
func ErrorToXMPP(code int, phrase, contact string) StanzaError {
	condition, ok := sipErrors[code]
	if !ok {
		// RFC 7247 §7.2: a code that is not listed has its class's condition.
		condition, ok = sipErrors[code/100]
	}
	if !ok {
		condition = "undefined-condition"
	}
	e := StanzaError{Type: errorTypes[condition], Condition: condition, Text: phrase}
	switch code {
	case 481, 491, 503:
		// RFC 6665 §4.1.2.1, RFC 3261 §21.4.27, §21.5.4: try again.
		e.Type = "wait"
	}
	// RFC 7247 Table 3 note 1: 301 has the new address, 410 has none.
	if condition == "redirect" || code == 301 {
		uri, err := addrSpec(contact)
		if err == nil {
			e.Address = uri
		}
	}
	return e
}

// stanzaErrors is RFC 7247 Table 2: the code when the error relates to a full
// JID, and when it relates to a bare one (notes 1 and 2).
var stanzaErrors = map[string]struct{ full, bare int }{
	"bad-request":             {400, 400},
	"conflict":                {400, 400},
	"feature-not-implemented": {405, 501},
	"forbidden":               {403, 603},
	"gone":                    {410, 410}, // with an address 301, see ErrorToSIP
	"internal-server-error":   {500, 500},
	"item-not-found":          {404, 604},
	"jid-malformed":           {400, 400},
	"not-acceptable":          {406, 606},
	"not-allowed":             {403, 403},
	"not-authorized":          {401, 401},
	"policy-violation":        {403, 403},
	"recipient-unavailable":   {480, 600},
	"redirect":                {302, 302},
	"registration-required":   {407, 407},
	"remote-server-not-found": {404, 404}, // note 4: no such server
	"remote-server-timeout":   {408, 408},
	"resource-constraint":     {500, 500},
	// Note 5: 503 would be read as the whole server's trouble.
	"service-unavailable":   {405, 403},
	"subscription-required": {400, 400},
	"undefined-condition":   {400, 400},
	"unexpected-request":    {491, 491}, // not of type wait 400, see ErrorToSIP
}

// reasonPhrases are the reason phrases for errors without a text (RFC 3261
// §21).
var reasonPhrases = map[int]string{
	301: "Moved Permanently", 302: "Moved Temporarily",
	400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
	405: "Method Not Allowed", 406: "Not Acceptable", 407: "Proxy Authentication Required",
	408: "Request Timeout", 410: "Gone", 480: "Temporarily Unavailable", 491: "Request Pending",
	500: "Server Internal Error", 501: "Not Implemented",
	600: "Busy Everywhere", 603: "Decline", 604: "Does Not Exist Anywhere", 606: "Not Acceptable",
}

// maxPhrase is the length of a reason phrase, in bytes.
const maxPhrase = 200

// ErrorToSIP maps an XMPP stanza error by RFC 7247 §7.1 (rows G1…G7). full
// says that the stanza was addressed to a full JID. A condition that is not
// known is 400. The phrase is the error's text, on one line and cut to 200
// bytes, else that of RFC 3261.
func ErrorToSIP(e StanzaError, full bool) (code int, phrase string) {
	codes, ok := stanzaErrors[e.Condition]
	if !ok {
		codes = stanzaErrors["undefined-condition"]
	}
	code = codes.bare
	if full {
		code = codes.full
	}
	switch {
	case e.Condition == "gone" && e.Address != "":
		code = 301 // RFC 7247 Table 2 note 3
	case e.Condition == "unexpected-request" && e.Type == "modify":
		code = 400 // 491 would invite the same request again
	}
	phrase = oneLine(e.Text)
	if phrase == "" {
		phrase = reasonPhrases[code]
	}
	return code, phrase
}

// oneLine returns s as a reason phrase can be: no control characters, not
// longer than maxPhrase, not cut inside a character.
func oneLine(s string) string {
	if len(s) > 4*maxPhrase {
		s = s[:4*maxPhrase]
	}
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, ""), func(r rune) bool {
		return r <= ' ' || r >= 0x7F && r < 0xA0
	}), " ")
	if len(s) > maxPhrase {
		s = strings.ToValidUTF8(s[:maxPhrase], "")
	}
	return s
}
