package transport

import "strings"

// field is one header field: its full name and its value, unfolded. Fields
// that hold a list of hops or contacts have one field per list member.
type field struct{ name, value string }

// fullNames maps lower-case names and compact forms to the name we use.
// RFC 3261 §7.3.3 and the IANA registry of header fields.
var fullNames = map[string]string{
	"a": "Accept-Contact", "b": "Referred-By", "c": "Content-Type",
	"d": "Request-Disposition", "e": "Content-Encoding", "f": "From",
	"i": "Call-ID", "j": "Reject-Contact", "k": "Supported",
	"l": "Content-Length", "m": "Contact", "n": "Identity-Info",
	"o": "Event", "r": "Refer-To", "s": "Subject", "t": "To",
	"u": "Allow-Events", "v": "Via", "x": "Session-Expires", "y": "Identity",
}

// listed names the header fields whose grammar is a comma-separated list, so
// that Values splits them.
var listed = map[string]bool{}

func init() {
	const lists = "Via Contact Route Record-Route Accept Accept-Contact Accept-Encoding " +
		"Accept-Language Alert-Info Allow Allow-Events Call-Info Content-Encoding " +
		"Content-Language Diversion Error-Info Geolocation History-Info In-Reply-To " +
		"P-Access-Network-Info P-Asserted-Identity P-Associated-URI " +
		"P-Preferred-Identity P-Visited-Network-ID Path Permission-Missing " +
		"Proxy-Require Reason Refer-Events-At Reject-Contact Request-Disposition Require " +
		"Resource-Priority Security-Client Security-Server Security-Verify " +
		"Service-Route Supported Trigger-Consent Unsupported Warning"
	const single = "From To Call-ID CSeq Max-Forwards Content-Length Content-Type " +
		"Event Expires Min-Expires SIP-ETag SIP-If-Match Subscription-State " +
		"Suppress-If-Match Authorization Proxy-Authorization WWW-Authenticate " +
		"Subject User-Agent Server Retry-After Date MIME-Version Content-Disposition " +
		"Referred-By Refer-To P-Charging-Vector P-Served-User Privacy"
	for _, n := range strings.Fields(lists) {
		listed[n] = true
		fullNames[strings.ToLower(n)] = n
		fullNames[n] = n
	}
	for _, n := range strings.Fields(single) {
		fullNames[strings.ToLower(n)] = n
		fullNames[n] = n
	}
	for c, n := range fullNames {
		if len(c) == 1 {
			fullNames[strings.ToUpper(c)] = n
		}
	}
}

// fullName gives the usual spelling of a header field name; names we do not
// know stay as they are.
func fullName(name string) string {
	full, ok := fullNames[name]
	if ok {
		return full
	}
	full, ok = fullNames[strings.ToLower(name)]
	if ok {
		return full
	}
	return name
}

// values returns all values of one name, in order, lists split.
func values(fields []field, name string) []string {
	name = fullName(name)
	var out []string
	for i := range fields {
		if !sameName(fields[i].name, name) {
			continue
		}
		if listed[name] {
			out = append(out, splitList(fields[i].value)...)
		} else {
			out = append(out, fields[i].value)
		}
	}
	return out
}

// value returns the first value of a name and whether there is one.
func value(fields []field, name string) (string, bool) {
	for i := range fields {
		if fields[i].name == name {
			return fields[i].value, true
		}
	}
	return "", false
}

func sameName(a, b string) bool {
	return a == b || len(a) == len(b) && strings.EqualFold(a, b)
}

// splitList splits a value at the commas outside quotes and angle brackets.
// Empty members are left out (RFC 3261 §25.1 has none; peers send them).
func splitList(s string) []string {
	if strings.IndexByte(s, ',') < 0 {
		if s == "" {
			return nil
		}
		return []string{s}
	}
	var out []string
	for s != "" {
		i := indexOutside(s, ',')
		member := strings.Trim(s[:i], " \t")
		if member != "" {
			out = append(out, member)
		}
		if i == len(s) {
			break
		}
		s = s[i+1:]
	}
	return out
}

// indexOutside finds the first c outside quoted strings and angle brackets,
// or len(s).
func indexOutside(s string, c byte) int {
	quoted, angle := false, false
	for i := 0; i < len(s); i++ {
		switch b := s[i]; {
		case quoted && b == '\\':
			i++
		case b == '"' && !angle:
			quoted = !quoted
		case quoted:
		case b == '<':
			angle = true
		case b == '>':
			angle = false
		case b == c && !angle:
			return i
		}
	}
	return len(s)
}

// tighten removes white space around ; = , / and : outside quotes and angle
// brackets: RFC 3261 §25.1 lets SEMI, EQUAL, COMMA, SLASH and COLON have it.
func tighten(s string) string {
	if isTight(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	quoted, angle := false, false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quoted && c == '\\' && i+1 < len(s):
			b.WriteByte(c)
			i++
			c = s[i]
		case c == '"' && !angle:
			quoted = !quoted
		case quoted:
		case c == '<':
			angle = true
		case c == '>':
			angle = false
		case isSpace(c) && !angle:
			j := i
			for j < len(s) && isSpace(s[j]) {
				j++
			}
			o := b.String()
			if j == len(s) || isSeparator(s[j]) || len(o) == 0 || isSeparator(o[len(o)-1]) {
				i = j - 1
				continue
			}
			i, c = j-1, ' '
		}
		b.WriteByte(c)
	}
	return b.String()
}

// isTight says that s has no white space beside a separator or more white
// space, quoted or not: then there is nothing to remove.
func isTight(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isSpace(s[i]) {
			continue
		}
		if s[i] == '\t' || i == 0 || i+1 == len(s) || isSpace(s[i+1]) ||
			isSeparator(s[i-1]) || isSeparator(s[i+1]) {
			return false
		}
	}
	return true
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

func isSeparator(c byte) bool {
	switch c {
	case ';', '=', ',', '/', ':':
		return true
	}
	return false
}

// isToken says whether s is a token of RFC 3261 §25.1.
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isTokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

func isTokenByte(c byte) bool { return tokenBytes[c] }

// tokenBytes has what a token is made of.
var tokenBytes = func() (t [256]bool) {
	for c := range t {
		alnum := 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
		t[c] = c < 0x80 && alnum || strings.IndexByte("-.!%*_+`'~", byte(c)) >= 0
	}
	return t
}()
