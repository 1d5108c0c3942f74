package mapping

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// Errors of addresses, wrapped with the address and what is wrong with it.
var (
	ErrURI = errors.New("not a sip:, sips:, pres:, im: or tel: URI that can be mapped")
	ErrJID = errors.New("not a JID that can be mapped")
)

// maxPart is the length of each part of a JID, in bytes (RFC 7622 §3.1). No
// part of a SIP address may be longer either.
const maxPart = 1023

// ParseSIP reads a sip:, sips:, pres:, im: or tel: URI, or a name-addr around
// one, as RFC 7247 §6.4 says: the user part percent-decoded, telephone numbers
// in normal form (RFC 3966 §4; tel: and user=phone). numbers is the domain of
// tel: URIs. The Instance's Resource is the gr parameter (§6.3); that of a
// temporary GRUU, which has no value, is none. Password, port, headers and
// other parameters do not name the presentity and are dropped. The Addr's
// scheme is SIP; bridge.Directory.Resolve puts it right.
//
// The case of the user is kept, for it counts (RFC 3261 §19.1.4): sip:Alice@h
// and sip:alice@h are two. JIDs know no case (RFC 7622 §3.3), so on the XMPP
// side both are alice@h, and what comes back from there is sip:alice@h. An
// address that has been through [JID] once comes back unchanged ever after.
//
// A host in A-labels (xn--) is returned in U-labels, as JIDs have it; [SIP]
// undoes that. A user part that mixes scripts that look alike is refused. Errors
// wrap [ErrURI].
func ParseSIP(uri, numbers string) (presence.Instance, error) {
	spec, err := addrSpec(uri)
	if err != nil {
		return presence.Instance{}, uriError(uri, err)
	}
	scheme, rest, ok := strings.Cut(spec, ":")
	if !ok {
		return presence.Instance{}, uriError(uri, errors.New("no scheme"))
	}
	var i presence.Instance
	switch {
	case equalFold(scheme, "sip"), equalFold(scheme, "sips"), equalFold(scheme, "pres"), equalFold(scheme, "im"):
		i, err = parseSIPRest(rest)
	case equalFold(scheme, "tel"):
		i.Scheme, i.Host = presence.SIP, numbers
		i.User, err = telUser(rest, numbers)
	default:
		err = errors.New("a scheme of another kind")
	}
	if err == nil && mixed(i.User) {
		err = errLookAlike
	}
	if err != nil {
		return presence.Instance{}, uriError(uri, err)
	}
	return i, nil
}

func uriError(uri string, err error) error {
	return fmt.Errorf("%w: %.100q: %w", ErrURI, uri, err)
}

// addrSpec returns the URI of a name-addr, or uri itself when it is bare
// (RFC 3261 §20.10).
func addrSpec(uri string) (string, error) {
	s := strings.Trim(uri, " \t\r\n")
	named := strings.HasPrefix(s, `"`)
	if named {
		// A display name may hold any character, '<' too.
		i := 1
		for i < len(s) && s[i] != '"' {
			if s[i] == '\\' {
				i++
			}
			i++
		}
		if i >= len(s) {
			return "", errors.New("a display name without end")
		}
		s = s[i+1:]
	}
	open := strings.IndexByte(s, '<')
	if open < 0 {
		if named {
			return "", errors.New("a display name without an address")
		}
		return s, nil
	}
	s = s[open+1:]
	end := strings.IndexByte(s, '>')
	if end < 0 {
		return "", errors.New("'<' without '>'")
	}
	return s[:end], nil
}

// parseSIPRest reads what stands behind the scheme of a URI with a host.
func parseSIPRest(rest string) (presence.Instance, error) {
	i := presence.Instance{Addr: presence.Addr{Scheme: presence.SIP}}
	// RFC 7247 §6.4 step 2: split at the first '@'.
	at := strings.IndexByte(rest, '@')
	user, tail := "", rest
	if at >= 0 {
		user, tail = rest[:at], rest[at+1:]
	}
	tail, _, _ = strings.Cut(tail, "?")
	hostport, params, _ := strings.Cut(tail, ";")
	var err error
	i.Host, err = sipHost(hostport)
	if err != nil {
		return i, err
	}
	user, _, _ = strings.Cut(user, ":") // a password
	i.User, err = unescapeURI(user)
	if err != nil {
		return i, fmt.Errorf("user: %w", err)
	}
	if i.User == "" && at >= 0 {
		return i, errors.New("an empty user")
	}
	return i, sipParams(&i, params)
}

// sipParams takes what names the user from the URI's parameters.
func sipParams(i *presence.Instance, params string) error {
	for params != "" {
		var p string
		p, params, _ = strings.Cut(params, ";")
		name, value, _ := strings.Cut(p, "=")
		switch {
		case equalFold(name, "gr"):
			// RFC 5627 §3.1.2: a gr without value is a temporary GRUU, which
			// RFC 7247 §6.3 does not map.
			resource, err := unescapeURI(value)
			if err != nil {
				return fmt.Errorf("gr: %w", err)
			}
			i.Resource = resource
		case equalFold(name, "user") && equalFold(value, "phone"):
			// RFC 3261 §19.1.6: the user part is a telephone-subscriber. One
			// that is not is left as it is.
			if user, ok := phoneUser(i.User); ok {
				i.User = user
			}
		}
	}
	return nil
}

// sipHost returns the host of a hostport (RFC 3261 §19.1.1): lower case,
// without port and without a final dot, in U-labels.
func sipHost(hostport string) (string, error) {
	host, port := hostport, ""
	if strings.HasPrefix(hostport, "[") {
		end := strings.IndexByte(hostport, ']')
		if end < 0 {
			return "", errors.New("host: '[' without ']'")
		}
		host, port = hostport[:end+1], hostport[end+1:]
		if port != "" && port[0] != ':' {
			return "", errors.New("host: something behind ']'")
		}
	} else if colon := strings.IndexByte(hostport, ':'); colon >= 0 {
		host, port = hostport[:colon], hostport[colon:]
	}
	for i := 1; i < len(port); i++ {
		if port[i] < '0' || port[i] > '9' || i > 5 {
			return "", errors.New("port: not a number")
		}
	}
	return cleanHost(host)
}

// cleanHost returns host in the form that an Addr has: lower case, U-labels,
// no final dot; IPv6 addresses in brackets, in canonical form.
func cleanHost(host string) (string, error) {
	host = strings.TrimSuffix(host, ".")
	if host == "" {
		return "", errors.New("no host")
	}
	if len(host) > maxPart {
		return "", errors.New("host: too long")
	}
	if host[0] == '[' {
		ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
		if err != nil || !ip.Is6() || ip.Zone() != "" || host[len(host)-1] != ']' {
			return "", errors.New("host: not an IPv6 address")
		}
		return "[" + ip.String() + "]", nil
	}
	if emptyLabel(host) {
		return "", errors.New("host: an empty label")
	}
	upper := false
	for i := range len(host) {
		switch {
		case host[i] >= utf8.RuneSelf:
			return unicodeHost(host)
		case class[host[i]]&hostChar == 0:
			return "", fmt.Errorf("host: %q is not a character of a name", host[i])
		case host[i] >= 'A' && host[i] <= 'Z':
			upper = true
		}
	}
	if upper {
		host = strings.ToLower(host)
	}
	if strings.Contains(host, "xn--") {
		return unicodeHost(host)
	}
	return host, nil
}

// labels turns a host name into the form that is compared: lower case,
// normal, and valid by IDNA 2008 (RFC 7622 §3.2).
var labels = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.Transitional(false), idna.StrictDomainName(false))

// unicodeHost is cleanHost for names with labels outside ASCII.
func unicodeHost(host string) (string, error) {
	if !utf8.ValidString(host) {
		return "", errors.New("host: not UTF-8")
	}
	u, err := labels.ToUnicode(host)
	if err != nil {
		return "", fmt.Errorf("host: %w", err)
	}
	u = strings.TrimSuffix(u, ".")
	for _, r := range u {
		if r < utf8.RuneSelf && class[r]&hostChar == 0 {
			return "", fmt.Errorf("host: %q is not a character of a name", r)
		}
	}
	if u == "" || len(u) > maxPart || emptyLabel(u) {
		return "", errors.New("host: empty or too long")
	}
	return u, nil
}

func emptyLabel(host string) bool {
	return host[0] == '.' || host[len(host)-1] == '.' || strings.Contains(host, "..")
}

// unescapeURI undoes percent-encoding and checks that the result is text.
func unescapeURI(s string) (string, error) {
	plain := len(s) <= maxPart
	for i := 0; i < len(s) && plain; i++ {
		plain = class[s[i]]&(userChar|paramChar) != 0
	}
	if plain {
		return s, nil
	}
	// RFC 7247 §6.4 step 3. What is no escape stands for itself, as in the
	// URI of XEP-0106 §5.3.
	if strings.IndexByte(s, '%') >= 0 {
		b := make([]byte, 0, len(s))
		for i := 0; i < len(s); i++ {
			if s[i] == '%' && i+2 < len(s) && unhex(s[i+1]) >= 0 && unhex(s[i+2]) >= 0 {
				b = append(b, byte(unhex(s[i+1])<<4|unhex(s[i+2])))
				i += 2
				continue
			}
			b = append(b, s[i])
		}
		s = string(b)
	}
	return s, checkText(s)
}

// checkText refuses what no network can carry as part of an address.
func checkText(s string) error {
	if len(s) > maxPart {
		return fmt.Errorf("longer than %d bytes", maxPart)
	}
	// RFC 7247 §6.4 step 4: treat the result as UTF-8.
	if !utf8.ValidString(s) {
		return errors.New("not UTF-8")
	}
	for _, r := range s {
		if r < 0x20 || r >= 0x7F && r < 0xA0 {
			return errors.New("a control character")
		}
	}
	return nil
}

// SIP writes a as a sip: URI, as RFC 7247 §6.5 says.
func SIP(a presence.Addr) string {
	var buf [128]byte
	return string(appendSIP(buf[:0], a))
}

// SIPInstance is SIP with the resource as gr parameter (RFC 7247 §6.3).
func SIPInstance(i presence.Instance) string {
	var buf [192]byte
	b := appendSIP(buf[:0], i.Addr)
	if i.Resource != "" {
		// RFC 7247 §6.5 step 8, by its example: "append the slash" is a slip.
		b = append(b, ";gr="...)
		b = appendEscaped(b, i.Resource, paramChar)
	}
	return string(b)
}

func appendSIP(b []byte, a presence.Addr) []byte {
	b = append(b, "sip:"...)
	if a.User != "" {
		b = appendEscaped(b, a.User, userChar)
		b = append(b, '@')
	}
	for i := range len(a.Host) {
		if a.Host[i] < utf8.RuneSelf {
			continue
		}
		ace, err := labels.ToASCII(a.Host)
		if err != nil {
			return appendEscaped(b, a.Host, hostChar)
		}
		return append(b, ace...)
	}
	return append(b, a.Host...)
}

// appendEscaped appends s with every byte outside the class percent-encoded
// (RFC 7247 §6.5 step 5).
func appendEscaped(b []byte, s string, allowed uint8) []byte {
	for i := range len(s) {
		c := s[i]
		if class[c]&allowed != 0 {
			b = append(b, c)
			continue
		}
		b = append(b, '%', hexUpper[c>>4], hexUpper[c&15])
	}
	return b
}

// The classes of characters.
const (
	userChar  = 1 << iota // RFC 3261 §25.1 user: unreserved and user-unreserved
	paramChar             // RFC 3261 §25.1 paramchar without escaped
	hostChar              // of a host name; '_' is met in practice
	localChar             // of a prepared localpart that needs no second look
	nodeChar              // RFC 5122 §2.2 inodeid, without iunreserved of Unicode
)

const (
	hexUpper = "0123456789ABCDEF"
	hexLower = "0123456789abcdef"
)

// class holds the classes of each byte; those of bytes outside ASCII are none.
var class = func() (t [256]uint8) {
	set := func(chars string, bit uint8) {
		for _, c := range chars {
			t[c] |= bit
		}
	}
	const (
		small  = "abcdefghijklmnopqrstuvwxyz0123456789"
		alnum  = small + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		unres  = alnum + "-_.!~*'()"
		others = "!#$%()*+,-.;=?[]^_`{|}~" // RFC 7247 Table 1, without '\'
	)
	set(unres+"&=+$,;?/", userChar)
	set(unres+"[]/:&+$", paramChar)
	set(alnum+"-._", hostChar)
	set(small+others, localChar)
	set(alnum+"-._~!$()*+,;=", nodeChar)
	return t
}()

// unhex returns the value of a hexadecimal digit, -1 for another character.
func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// equalFold compares s with the lower-case ASCII word.
func equalFold(s, word string) bool {
	if len(s) != len(word) {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != word[i] {
			return false
		}
	}
	return true
}
