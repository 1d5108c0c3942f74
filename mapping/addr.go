package mapping

import "github.com/porchlight-im/porchlight/mapping/presence"

// ParseSIP reads a sip:, sips:, pres:, or tel: URI, or a name-addr around
// one, as RFC 7247 §6.4 says: the user part percent-decoded, telephone numbers
// in normal form (RFC 3966 §4; tel: and user=phone). numbers is the domain of
// tel: URIs. The Instance's Resource is the gr parameter (§6.3). The Addr's
// scheme is SIP; bridge.Directory.Resolve puts it right.
func ParseSIP(uri, numbers string) (presence.Instance, error) { panic("todo") }

// SIP writes a as a sip: URI, as RFC 7247 §6.5 says.
func SIP(a presence.Addr) string { panic("todo") }

// SIPInstance is SIP with the resource as gr parameter.
func SIPInstance(i presence.Instance) string { panic("todo") }

// ParseJID reads a bare or full JID: XEP-0106 escapes undone, host lower case
// (RFC 7622). The Addr's scheme is XMPP.
func ParseJID(jid string) (presence.Instance, error) { panic("todo") }

// JID writes a as a bare JID that every server accepts: XEP-0106 escapes, and
// prepared by RFC 7622 §3.3 where that is possible. ok is false when there is
// no legal JID for a.
func JID(a presence.Addr) (jid string, ok bool) { panic("todo") }

// FullJID is JID with the resource, "" for the bare JID.
func FullJID(i presence.Instance) (jid string, ok bool) { panic("todo") }
