package mapping

// StanzaError is an XMPP stanza error (RFC 6120 §8.3).
type StanzaError struct {
	Type      string // "auth", "cancel", "continue", "modify", "wait"
	Condition string // such as "item-not-found"
	Text      string
	// Address is the new address in gone and redirect, "" for none.
	Address string
}

// ErrorToXMPP maps a SIP failure response by RFC 7247 §7.2 (rows H1…H7).
// phrase becomes the text; contact is the new address of a 301.
func ErrorToXMPP(code int, phrase, contact string) StanzaError { panic("todo") }

// ErrorToSIP maps an XMPP stanza error by RFC 7247 §7.1 (rows G1…G7). full
// says that the stanza was addressed to a full JID.
func ErrorToSIP(e StanzaError, full bool) (code int, phrase string) { panic("todo") }
