package mapping

import (
	"errors"
	"net/url"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/secure/precis"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// Errors of addresses.
var (
	ErrURI = errors.New("not a sip:, sips:, pres: or tel: URI with a user and a host")
	ErrJID = errors.New("not a JID")
)

// ParseSIP reads a sip:, sips:, pres:, or tel: URI, or a name-addr around
// one, as RFC 7247 §6.4 says: the user part percent-decoded, telephone numbers
// in normal form (RFC 3966 §4; tel: and user=phone). numbers is the domain of
// tel: URIs. The Instance's Resource is the gr parameter (§6.3). The Addr's
// scheme is SIP; bridge.Directory.Resolve puts it right. The case of the user
// is kept: on the SIP side it counts (RFC 3261 §19.1.4).
func ParseSIP(uri, numbers string) (presence.Instance, error) {
	uri = strings.TrimSpace(uri)
	if open := strings.IndexByte(uri, '<'); open >= 0 {
		end := strings.IndexByte(uri[open:], '>')
		if end < 0 {
			return presence.Instance{}, ErrURI
		}
		uri = uri[open+1 : open+end]
	}
	scheme, rest, ok := strings.Cut(uri, ":")
	if !ok {
		return presence.Instance{}, ErrURI
	}
	switch strings.ToLower(scheme) {
	case "sip", "sips", "pres":
		return parseSIPRest(rest)
	case "tel":
		return parseTel(rest, numbers)
	}
	return presence.Instance{}, ErrURI
}

func parseSIPRest(rest string) (presence.Instance, error) {
	rest, _, _ = strings.Cut(rest, "?")
	// RFC 7247 §6.4 step 2: split at the first '@'.
	user, rest, ok := strings.Cut(rest, "@")
	if !ok || user == "" {
		return presence.Instance{}, ErrURI
	}
	user, _, _ = strings.Cut(user, ":") // a password, which nobody should send
	host, params, _ := strings.Cut(rest, ";")
	host = hostOf(host)
	if host == "" {
		return presence.Instance{}, ErrURI
	}
	i := presence.Instance{Addr: presence.Addr{Scheme: presence.SIP, Host: host}}
	for _, p := range strings.Split(params, ";") {
		name, value, _ := strings.Cut(p, "=")
		switch {
		case strings.EqualFold(name, "gr"):
			i.Resource, ok = unescapeURI(value)
			if !ok {
				return presence.Instance{}, ErrURI
			}
		case strings.EqualFold(name, "user") && strings.EqualFold(value, "phone"):
			user, _, _ = strings.Cut(user, ";")
			user = number(user)
		}
	}
	i.User, ok = unescapeURI(user)
	if !ok || !sayable(i.User) {
		return presence.Instance{}, ErrURI
	}
	return i, nil
}

// hostOf returns the host of a hostport, lower case and without a port.
func hostOf(hostport string) string {
	if strings.HasPrefix(hostport, "[") {
		host, _, ok := strings.Cut(hostport, "]")
		if !ok {
			return ""
		}
		return strings.ToLower(host + "]")
	}
	host, _, _ := strings.Cut(hostport, ":")
	if strings.ContainsAny(host, " \t\r\n@/<>\"%") {
		return ""
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// parseTel reads what stands behind "tel:" (RFC 3966 §3).
func parseTel(rest, numbers string) (presence.Instance, error) {
	digits, params, _ := strings.Cut(rest, ";")
	user := number(digits)
	if !strings.HasPrefix(user, "+") {
		// RFC 3966 §5.1.5: a local number needs its context.
		for _, p := range strings.Split(params, ";") {
			name, value, _ := strings.Cut(p, "=")
			if strings.EqualFold(name, "phone-context") && strings.HasPrefix(value, "+") {
				user = number(value) + user
			}
		}
	}
	if len(user) < 2 || user[0] != '+' || strings.Trim(user[1:], "0123456789") != "" || numbers == "" {
		return presence.Instance{}, ErrURI
	}
	return presence.Instance{Addr: presence.Addr{Scheme: presence.SIP, User: user, Host: numbers}}, nil
}

// number drops the visual separators of a telephone number (RFC 3966 §5.1.1).
func number(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("-.()", r) {
			return -1
		}
		return r
	}, s)
}

// unescapeURI undoes percent-encoding; what comes out must be UTF-8
// (RFC 7247 §6.4 steps 3 and 4).
func unescapeURI(s string) (string, bool) {
	if strings.IndexByte(s, '%') >= 0 {
		var err error
		s, err = url.PathUnescape(s)
		if err != nil {
			return "", false
		}
	}
	return s, utf8.ValidString(s)
}

// sayable refuses control characters in a user part, and one that is too long
// for any network.
func sayable(user string) bool {
	if user == "" || len(user) > 1023 {
		return false
	}
	for _, r := range user {
		if r < 0x20 || r == 0x7f || r >= 0x80 && r < 0xa0 || r == utf8.RuneError {
			return false
		}
	}
	return true
}

// SIP writes a as a sip: URI, as RFC 7247 §6.5 says.
func SIP(a presence.Addr) string {
	b := make([]byte, 0, len(a.User)+len(a.Host)+8)
	b = append(b, "sip:"...)
	b = appendURI(b, a.User, userByte)
	b = append(b, '@')
	return string(append(b, a.Host...))
}

// SIPInstance is SIP with the resource as gr parameter (RFC 7247 §6.3).
func SIPInstance(i presence.Instance) string {
	if i.Resource == "" {
		return SIP(i.Addr)
	}
	b := append([]byte(SIP(i.Addr)), ";gr="...)
	return string(appendURI(b, i.Resource, paramByte))
}

const hexDigits = "0123456789ABCDEF"

func appendURI(b []byte, s string, plain func(byte) bool) []byte {
	for i := range len(s) {
		c := s[i]
		if c < 0x80 && plain(c) {
			b = append(b, c)
			continue
		}
		b = append(b, '%', hexDigits[c>>4], hexDigits[c&15])
	}
	return b
}

func alphanum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// userByte tells what a user part may have as it is: unreserved and
// user-unreserved (RFC 3261 §25.1).
func userByte(c byte) bool { return alphanum(c) || strings.IndexByte("-_.!~*'()&=+$,;?/", c) >= 0 }

// paramByte tells what a parameter's value may have as it is.
func paramByte(c byte) bool { return alphanum(c) || strings.IndexByte("-_.!~*'()[]/:&+$", c) >= 0 }

// ParseJID reads a bare or full JID: XEP-0106 escapes undone, host lower case
// (RFC 7622). The Addr's scheme is XMPP. The localpart is folded to lower
// case, as servers do (RFC 7622 §3.3).
func ParseJID(jid string) (presence.Instance, error) {
	bare, resource, _ := strings.Cut(jid, "/")
	local, domain, ok := strings.Cut(bare, "@")
	if !ok {
		local, domain = "", bare
	}
	domain = hostOf(domain)
	if domain == "" || ok && local == "" || !utf8.ValidString(jid) || len(local) > 1023 || len(resource) > 1023 {
		return presence.Instance{}, ErrJID
	}
	if !asciiLower(local) {
		folded, err := precis.UsernameCaseMapped.String(local)
		if err != nil {
			folded = strings.ToLower(local)
		}
		local = folded
	}
	i := presence.Instance{Addr: presence.Addr{Scheme: presence.XMPP, User: unescapeJID(local), Host: domain}, Resource: resource}
	if i.User == "" {
		return i, nil // a domain
	}
	if !sayable(i.User) {
		return presence.Instance{}, ErrJID
	}
	return i, nil
}

// asciiLower reports whether s needs no preparation.
func asciiLower(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 || s[i] >= 'A' && s[i] <= 'Z' || s[i] < 0x21 || s[i] == 0x7f {
			return false
		}
	}
	return true
}

// JID writes a as a bare JID that every server accepts: XEP-0106 escapes, and
// prepared by RFC 7622 §3.3 where that is possible. ok is false when there is
// no legal JID for a. Capital letters become small: JIDs know no difference.
func JID(a presence.Addr) (jid string, ok bool) {
	if a.User == "" {
		return a.Host, a.Host != ""
	}
	local := escapeJID(a.User)
	if !asciiLower(local) {
		folded, err := precis.UsernameCaseMapped.String(local)
		if err != nil {
			return "", false
		}
		local = folded
	}
	if local == "" || len(local) > 1023 || strings.HasPrefix(local, `\20`) || strings.HasSuffix(local, `\20`) {
		// XEP-0106 §4.2: an escaped space may not begin or end a localpart.
		return "", false
	}
	host := a.Host
	if !asciiLower(host) {
		u, err := idna.ToUnicode(host)
		if err != nil {
			return "", false
		}
		host = u
	}
	return local + "@" + host, true
}

// FullJID is JID with the resource, "" for the bare JID.
func FullJID(i presence.Instance) (jid string, ok bool) {
	jid, ok = JID(i.Addr)
	if !ok || i.Resource == "" {
		return jid, ok
	}
	r := i.Resource
	if !asciiLower(strings.ToLower(r)) {
		prepared, err := precis.OpaqueString.String(r)
		if err != nil {
			return "", false
		}
		r = prepared
	}
	return jid + "/" + r, len(r) <= 1023
}

// escapes are the characters of XEP-0106 §4.3.
const escapes = ` "&'/:<>@`

// escapeJID escapes a localpart (XEP-0106 §4.3). A backslash is escaped only
// when it would be read as the beginning of an escape.
func escapeJID(s string) string {
	if !strings.ContainsAny(s, escapes+`\`) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if strings.IndexByte(escapes, c) >= 0 || c == '\\' && escaped(s[i:]) >= 0 {
			b.WriteByte('\\')
			b.WriteByte("0123456789abcdef"[c>>4])
			b.WriteByte("0123456789abcdef"[c&15])
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// escaped returns the character that the escape at the start of s stands for,
// -1 when there is none.
func escaped(s string) int {
	if len(s) < 3 || s[0] != '\\' {
		return -1
	}
	hi, lo := strings.IndexByte("0123456789abcdef", s[1]|0x20), strings.IndexByte("0123456789abcdef", s[2]|0x20)
	if s[1] >= '0' && s[1] <= '9' {
		hi = int(s[1] - '0')
	}
	if s[2] >= '0' && s[2] <= '9' {
		lo = int(s[2] - '0')
	}
	if hi < 0 || lo < 0 {
		return -1
	}
	c := hi<<4 | lo
	if c == '\\' || c < 0x80 && strings.IndexByte(escapes, byte(c)) >= 0 {
		return c
	}
	return -1
}

func unescapeJID(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if c := escaped(s[i:]); c >= 0 {
			b.WriteByte(byte(c))
			i += 2
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
