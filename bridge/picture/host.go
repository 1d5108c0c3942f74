package picture

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/net/idna"
)

// host is one entry of Config.Fetch.
type host struct {
	name  string     // in ASCII and lower case; "" with addr
	below bool       // all names below name, and not name itself
	addr  netip.Addr // of an entry that is an address
	port  string     // "": that of the scheme
}

// parseHost reads an entry: name, *.name or address, and perhaps :port.
func parseHost(s string) (host, error) {
	var h host
	name := s
	if addr, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		h.addr = addr.Unmap()
		return h, nil
	}
	if strings.Contains(s, ":") {
		var err error
		name, h.port, err = net.SplitHostPort(s)
		n, nerr := strconv.ParseUint(h.port, 10, 16)
		if err != nil || nerr != nil || n == 0 {
			return h, fmt.Errorf("%q is not a host and port", s)
		}
		h.port = strconv.FormatUint(n, 10)
	}
	if addr, err := netip.ParseAddr(name); err == nil {
		h.addr = addr.Unmap()
		return h, nil
	}
	name, h.below = strings.CutPrefix(name, "*.")
	var err error
	h.name, err = asciiName(name)
	if err != nil {
		return h, fmt.Errorf("%q is not a host name, *.name or address, without scheme or path", s)
	}
	return h, nil
}

// asciiName returns a host name as it is compared: lower case, A-labels, no
// dot at its end.
func asciiName(name string) (string, error) {
	name, err := idna.Lookup.ToASCII(strings.TrimSuffix(name, "."))
	if err != nil {
		return "", err
	}
	if name == "" || strings.ContainsAny(name, "/@*?# ") || strings.Contains("."+name, "..") {
		return "", errors.New("not a host name")
	}
	return name, nil
}

// errHost is why a URL is not fetched.
var errHost = errors.New("the host is not in pictures.fetch")

// mayFetch returns nil when u is http or https, without a user, and its host
// and port are allowed.
func (f *fetcher) mayFetch(u *url.URL) error {
	if u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.Host == "" {
		return errHost
	}
	port, byScheme := u.Port(), u.Port() == ""
	if byScheme {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	usual := byScheme || u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443"
	addr, err := netip.ParseAddr(u.Hostname())
	isAddr := err == nil
	var name string
	if !isAddr {
		name, err = asciiName(u.Hostname())
		if err != nil {
			return errHost
		}
	}
	for _, h := range f.hosts {
		switch {
		case h.port == "" && !usual || h.port != "" && h.port != port:
		case isAddr && h.addr == addr.Unmap():
			return nil
		case isAddr || h.addr.IsValid():
		case h.below && strings.HasSuffix(name, "."+h.name), !h.below && name == h.name:
			return nil
		}
	}
	return errHost
}

// errAddress is why no connection is made.
var errAddress = errors.New("the host's address is neither public nor in pictures.fetch")

// control is called with each address before a connection to it is made, so
// that a name cannot lead into our own network.
func (f *fetcher) control(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return errAddress
	}
	addr := ap.Addr().Unmap().WithZone("")
	if isPublic(addr) {
		return nil
	}
	for _, h := range f.hosts {
		if h.addr == addr && (h.port == "" || h.port == strconv.Itoa(int(ap.Port()))) {
			return nil
		}
	}
	return errAddress
}

// special are the networks of IANA's special-purpose registries (RFC 6890)
// that package netip does not know.
var special = func() (all []netip.Prefix) {
	for _, s := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
		"198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		// Of IPv6 only 2000::/3 is public, without these: protocols and
		// tunnels that lead to IPv4 addresses, documentation.
		"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
	} {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}()

var global6 = netip.MustParsePrefix("2000::/3")

// isPublic reports whether addr is one of the public Internet.
func isPublic(addr netip.Addr) bool {
	if !addr.IsGlobalUnicast() || addr.IsPrivate() || addr.Is6() && !global6.Contains(addr) {
		return false
	}
	for _, p := range special {
		if p.Contains(addr) {
			return false
		}
	}
	return true
}
