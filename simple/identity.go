package simple

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/simple/digest"
	"github.com/porchlight-im/porchlight/simple/transport"
)

// identity is who sends a request, as far as this server believes it.
type identity struct {
	// addrs are the sender's addresses, the main one first: a SIP and a tel
	// URI of one user may both be asserted. Empty: a trusted peer that
	// asserts nothing.
	addrs []presence.Addr
	// private: the sender's identity must not leave the trust domain
	// (RFC 3325 §9.3), nor stand in logs.
	private bool
}

func (id identity) main() presence.Addr {
	if len(id.addrs) == 0 {
		return presence.Addr{}
	}
	return id.addrs[0]
}

func (id identity) is(a presence.Addr) bool {
	for _, b := range id.addrs {
		if a == b {
			return true
		}
	}
	return false
}

// anonymous stands for whoever wants privacy, outside the trust domain and in
// logs (RFC 3323 §4.1.1.3).
var anonymous = presence.Addr{Scheme: presence.SIP, User: "anonymous", Host: "anonymous.invalid"}

// trust says whose P-Asserted-Identity counts.
type trust struct {
	nets  []netip.Prefix
	names map[string]bool
}

func newTrust(list []string) (trust, error) {
	t := trust{names: map[string]bool{}}
	for _, s := range list {
		p, name, err := parseTrusted(s)
		if err != nil {
			return t, fmt.Errorf("trusted: %w", err)
		}
		if name != "" {
			t.names[name] = true
		} else {
			t.nets = append(t.nets, p)
		}
	}
	return t, nil
}

// holds reports whether f comes from a peer in the trust domain.
func (t trust) holds(f transport.Flow) bool {
	if f.Secure {
		for _, n := range f.PeerNames {
			if t.names[strings.ToLower(n)] {
				return true
			}
		}
	}
	ap, err := netip.ParseAddrPort(f.Remote)
	if err != nil {
		return false
	}
	a := ap.Addr().Unmap().WithZone("")
	for _, p := range t.nets {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// identify finds out who sends r. When that cannot be believed it returns the
// response that says so.
func (p *Port) identify(r *transport.Request) (identity, *transport.Reply) {
	id := identity{private: private(r)}
	if p.trust.holds(r.Flow) {
		// RFC 3325 §5: the peer's word is taken.
		id.addrs = p.asserted(r)
		if len(id.addrs) > 0 || tagOf(r.To().Params) != "" {
			return id, nil
		}
	}
	// RFC 3325 §8: from an untrusted peer P-Asserted-Identity is not used in
	// any way.
	if p.auth == nil {
		return id, &transport.Reply{Code: 403, Reason: "Identity Not Asserted"}
	}
	a, result := p.proven(r)
	if result != digest.OK {
		return id, p.challenge(result == digest.Stale)
	}
	id.addrs = []presence.Addr{a}
	return id, nil
}

// proven returns what the Digest credentials of r are, and whose when they are
// right: OK or Stale.
func (p *Port) proven(r *transport.Request) (presence.Addr, digest.Result) {
	user, result := p.auth.Check(string(r.Method), r.Recipient.String(), r.Values("Authorization"), r.Body())
	if result != digest.OK && result != digest.Stale {
		return presence.Addr{}, result
	}
	a, ok := p.userAddr(user)
	// RFC 3261 §22.1: the user name "anonymous" claims no identity.
	if !ok || strings.EqualFold(user, "anonymous") {
		return presence.Addr{}, digest.Bad
	}
	return a, result
}

// challenge makes the 401: notifiers and compositors are user agents
// (RFC 6665 §4.2.1.3), so it is never a 407.
func (p *Port) challenge(stale bool) *transport.Reply {
	rep := &transport.Reply{Code: 401}
	for _, c := range p.auth.Challenge(stale) {
		rep.Header = line(rep.Header, "WWW-Authenticate", c)
	}
	return rep
}

// userAddr is the address of a Digest user.
func (p *Port) userAddr(user string) (presence.Addr, bool) {
	if user == "" {
		return presence.Addr{}, false
	}
	a := presence.Addr{Scheme: presence.SIP, User: user, Host: strings.ToLower(p.cfg.Auth.Realm)}
	if i := strings.LastIndexByte(user, '@'); i > 0 {
		a.User, a.Host = user[:i], strings.ToLower(user[i+1:])
	}
	return p.hub.Directory().Resolve(a), a.Host != ""
}

// asserted returns what P-Asserted-Identity says: at most one SIP and one tel
// address, the SIP one first. RFC 5876: more values and other schemes
// are ignored, not refused.
func (p *Port) asserted(r *transport.Request) []presence.Addr {
	var sip, tel []presence.Addr
	for _, v := range r.Values("P-Asserted-Identity") {
		at, err := transport.ParseAddress(v)
		if err != nil {
			continue
		}
		a, err := p.address(at.URI)
		if err != nil {
			continue
		}
		switch at.Parsed.Scheme {
		case "sip", "sips":
			sip = append(sip, a)
		case "tel":
			tel = append(tel, a)
		}
	}
	return append(sip[:min(1, len(sip))], tel[:min(1, len(tel))]...)
}

// private reports whether the sender wants his identity kept inside the trust
// domain (RFC 3325 §9.3).
func private(r *transport.Request) bool {
	for _, v := range r.Values("Privacy") {
		for t := range strings.SplitSeq(v, ";") {
			if strings.EqualFold(strings.TrimSpace(t), "id") {
				return true
			}
		}
	}
	return false
}

// address reads a URI of the SIP side and puts its scheme right.
func (p *Port) address(uri string) (presence.Addr, error) {
	dir := p.hub.Directory()
	in, err := mapping.ParseSIP(uri, dir.NumberDomain())
	if err != nil {
		return presence.Addr{}, fmt.Errorf("reading the address: %w", err)
	}
	return dir.Resolve(in.Addr), nil
}

// target finds the presentity that the Request-URI names, and its domain,
// which is nil when it is not known or lacks that user.
func (p *Port) target(r *transport.Request) (presence.Addr, *bridge.Domain, *transport.Reply) {
	switch r.Recipient.Scheme {
	case "sip", "sips", "pres", "tel": // RFC 3856 §5: pres: is the same as sip:.
	default:
		// RFC 3261 §8.2.2.1: a scheme that is not understood → 416.
		return presence.Addr{}, nil, &transport.Reply{Code: 416, Reason: "Unsupported URI Scheme"}
	}
	a, err := p.address(r.Recipient.String())
	if err != nil {
		return a, nil, nil
	}
	dom := p.hub.Directory().Home(a)
	if a.Scheme == presence.XMPP && (r.Recipient.Scheme == "sips" || r.To().Address.Scheme == "sips") {
		// RFC 7247 §8: a request to a sips: URI is neither translated nor
		// routed. RFC 5630 §5.1.2: 480 with warn-code 380.
		rep := &transport.Reply{Code: 480}
		rep.Header = line(nil, "Warning", `380 porchlight "SIPS Not Allowed"`)
		return a, dom, rep
	}
	return a, dom, nil
}
