package presence

import (
	"errors"
	"strings"
)

// Scheme names the network that is the home of an [Addr].
type Scheme uint8

// The schemes. SIP stands for sip:, sips:, pres: and tel: alike: they are
// spellings of one address, see mapping.ParseSIP.
const (
	NoScheme Scheme = iota
	SIP
	XMPP
)

// String returns the URI scheme, "sip" or "xmpp", and "" for NoScheme.
func (s Scheme) String() string {
	switch s {
	case SIP:
		return "sip"
	case XMPP:
		return "xmpp"
	}
	return ""
}

// Addr is the address of a presentity or watcher: an AOR on the SIP side, a
// bare JID on the XMPP side. It is comparable and a map key. User is plain
// text, with no percent-encoding (RFC 3986) and no JID escapes (XEP-0106);
// Host is lower case. The zero Addr is no address.
type Addr struct {
	Scheme Scheme
	User   string
	Host   string
}

// IsZero reports whether a is no address.
func (a Addr) IsZero() bool { return a == Addr{} }

// String returns the canonical text form "sip:user@host" or "xmpp:user@host",
// for logs, configuration, storage and the web feed. The user part is plain
// text; [ParseAddr] reads it back. It is not a SIP URI or JID for a wire:
// those are made by package mapping.
func (a Addr) String() string {
	if a.IsZero() {
		return ""
	}
	if a.User == "" {
		return a.Scheme.String() + ":" + a.Host
	}
	return a.Scheme.String() + ":" + a.User + "@" + a.Host
}

// ErrAddr is returned by [ParseAddr] for text that is no canonical address.
var ErrAddr = errors.New("not an address of the form sip:user@host or xmpp:user@host")

// ParseAddr reads the form that [Addr.String] writes. The host is what stands
// behind the last '@', and is folded to lower case.
func ParseAddr(s string) (Addr, error) {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok {
		return Addr{}, ErrAddr
	}
	var a Addr
	switch strings.ToLower(scheme) {
	case "sip":
		a.Scheme = SIP
	case "xmpp":
		a.Scheme = XMPP
	default:
		return Addr{}, ErrAddr
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		a.User, rest = rest[:i], rest[i+1:]
	}
	if rest == "" || strings.ContainsAny(rest, " \t\r\n/;?<>\"") {
		return Addr{}, ErrAddr
	}
	a.Host = strings.ToLower(rest)
	return a, nil
}

// Instance is the address of one device or client of an [Addr]: a GRUU on the
// SIP side (RFC 5627), a full JID on the XMPP side.
type Instance struct {
	Addr
	Resource string // plain text; "" for none
}
