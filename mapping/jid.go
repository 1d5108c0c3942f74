package mapping

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// ParseJID reads a bare or full JID: localpart prepared by RFC 7622 §3.3 and
// its XEP-0106 escapes undone, host lower case, resourcepart prepared by §3.4.
// The Addr's scheme is XMPP. Refused are JIDs that RFC 7622 or PRECIS refuses,
// such as those with characters that only look like others (§7.3.2), and
// those whose escapes XEP-0106 would not have made, for they have no way back.
// Errors wrap [ErrJID].
func ParseJID(jid string) (presence.Instance, error) {
	// RFC 7622 §3.1: first '/', then '@', before anything is transformed.
	bare, resource := jid, ""
	slash := strings.IndexByte(jid, '/')
	if slash >= 0 {
		bare, resource = jid[:slash], jid[slash+1:]
	}
	local, domain := "", bare
	at := strings.IndexByte(bare, '@')
	if at >= 0 {
		local, domain = bare[:at], bare[at+1:]
	}
	i := presence.Instance{Addr: presence.Addr{Scheme: presence.XMPP}}
	var err error
	i.Host, err = cleanHost(domain)
	switch {
	case err != nil:
	case at >= 0 && local == "" || slash >= 0 && resource == "":
		err = errors.New("an empty part")
	default:
		i.User, err = userOf(local)
	}
	if err == nil && mixed(i.User) {
		err = errLookAlike
	}
	if err == nil {
		i.Resource, err = resourcepart(resource)
	}
	if err != nil {
		return presence.Instance{}, fmt.Errorf("%w: %.100q: %w", ErrJID, jid, err)
	}
	return i, nil
}

// JID writes a as a bare JID that every server accepts: XEP-0106 escapes, and
// prepared by RFC 7622 §3.3, which makes capital letters small, see
// [ParseSIP]. ok is false when there is no legal JID for a: when PRECIS
// refuses a character, when the user part begins or ends with a space, or when
// it becomes too long.
func JID(a presence.Addr) (jid string, ok bool) {
	return FullJID(presence.Instance{Addr: a})
}

// FullJID is JID with the resource, "" for the bare JID. ok is false also when
// no resourcepart can be what the resource is (RFC 7622 §3.4).
func FullJID(i presence.Instance) (jid string, ok bool) {
	host, err := cleanHost(i.Host)
	if err != nil {
		return "", false
	}
	resource, err := resourcepart(i.Resource)
	if err != nil {
		return "", false
	}
	if i.User == "" {
		return join("", host, resource), true
	}
	local, err := localpart(escapeLocal(i.User))
	if err != nil || strings.HasPrefix(local, `\20`) || strings.HasSuffix(local, `\20`) {
		// XEP-0106 §4.1: \20 MUST NOT be first or last.
		return "", false
	}
	return join(local, host, resource), true
}

func join(local, host, resource string) string {
	switch {
	case local == "" && resource == "":
		return host
	case local == "":
		return host + "/" + resource
	case resource == "":
		return local + "@" + host
	}
	return local + "@" + host + "/" + resource
}

// userOf returns the plain text of a localpart.
func userOf(local string) (string, error) {
	prepared, err := localpart(local)
	if err != nil || strings.IndexByte(prepared, '\\') < 0 {
		return prepared, err
	}
	// XEP-0106 §4.1: unescape only after UsernameCaseMapped has been applied.
	user := unescapeLocal(prepared)
	if escapeLocal(user) != prepared || user[0] == ' ' || user[len(user)-1] == ' ' {
		return "", errors.New("localpart: escapes that XEP-0106 does not make")
	}
	return user, checkText(user)
}

// localpart prepares a localpart by RFC 7622 §3.3.
func localpart(s string) (string, error) {
	if len(s) > maxPart {
		return "", errors.New("localpart: too long")
	}
	upper := false
	for i := range len(s) {
		c := s[i]
		switch {
		case class[c]&localChar != 0 || c == '\\':
		case c >= 'A' && c <= 'Z':
			upper = true
		case c >= utf8.RuneSelf:
			return unicodeLocal(s)
		default:
			return "", fmt.Errorf("localpart: %q", c)
		}
	}
	if upper {
		s = strings.ToLower(s)
	}
	return s, nil
}

// unicodeLocal is localpart for text outside ASCII.
func unicodeLocal(s string) (string, error) {
	prepared, err := stable(precis.UsernameCaseMapped, s)
	if err != nil {
		return "", fmt.Errorf("localpart: %w", err)
	}
	// RFC 7622 §3.3.1: nor may preparation have made one of these. A full-width
	// backslash would become the beginning of an escape.
	if strings.ContainsAny(prepared, ` "&'/:<>@`) || strings.Count(prepared, `\`) != strings.Count(s, `\`) {
		return "", errors.New("localpart: a character that becomes a forbidden one")
	}
	if len(prepared) > maxPart {
		return "", errors.New("localpart: too long")
	}
	return prepared, nil
}

// stable applies a profile until nothing changes any more (RFC 8264 §7).
func stable(p *precis.Profile, s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", errors.New("not UTF-8")
	}
	for range 4 {
		next, err := p.String(s)
		if err != nil {
			return "", err
		}
		if next == s {
			return s, nil
		}
		s = next
	}
	return "", errors.New("text that never becomes stable")
}

// resourcepart prepares a resourcepart by RFC 7622 §3.4; "" stays "".
func resourcepart(s string) (string, error) {
	if len(s) > maxPart {
		return "", errors.New("resourcepart: too long")
	}
	if s != "" && s[0] == ' ' {
		return "", errors.New("resourcepart: begins with a space") // RFC 7622 Table 2
	}
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			prepared, err := stable(precis.OpaqueString, s)
			if err != nil {
				return "", fmt.Errorf("resourcepart: %w", err)
			}
			if len(prepared) > maxPart || prepared[0] == ' ' {
				return "", errors.New("resourcepart: too long, or begins with a space")
			}
			return prepared, nil
		}
		if s[i] < ' ' || s[i] == 0x7F {
			return "", errors.New("resourcepart: a control character")
		}
	}
	return s, nil
}

// escapeLocal escapes the user part of an address for a localpart
// (XEP-0106 §4.2).
func escapeLocal(s string) string {
	i := 0
	for i < len(s) && !mustEscape(s[i:]) {
		i++
	}
	if i == len(s) {
		return s
	}
	b := make([]byte, 0, len(s)+8)
	b = append(b, s[:i]...)
	for ; i < len(s); i++ {
		c := s[i]
		if mustEscape(s[i:]) {
			b = append(b, '\\', hexLower[c>>4], hexLower[c&15])
			continue
		}
		b = append(b, c)
	}
	return string(b)
}

// mustEscape reports whether the first character of s is written as an escape:
// the ten of XEP-0106 §3.2, but a backslash only where it would begin an
// escape (XEP-0106 §4.2 step 3).
func mustEscape(s string) bool {
	switch s[0] {
	case ' ', '"', '&', '\'', '/', ':', '<', '>', '@':
		return true
	case '\\':
		return escaped(s) != 0
	}
	return false
}

// escaped returns the character whose escape s begins with, 0 for none.
func escaped(s string) byte {
	if len(s) < 3 || s[0] != '\\' || unhex(s[1]) < 0 || unhex(s[2]) < 0 {
		return 0
	}
	switch c := byte(unhex(s[1])<<4 | unhex(s[2])); c {
	case ' ', '"', '&', '\'', '/', ':', '<', '>', '@', '\\':
		return c
	}
	return 0
}

// unescapeLocal undoes escapeLocal (XEP-0106 §3.3).
func unescapeLocal(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := escaped(s[i:])
		if c == 0 {
			b = append(b, s[i])
			continue
		}
		b = append(b, c)
		i += 2
	}
	return string(b)
}
