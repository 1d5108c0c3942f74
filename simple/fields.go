package simple

import (
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/simple/transport"
)

// headers is what requests and responses have in common.
type headers interface {
	GetHeaders(name string) []sip.Header
}

// values returns the values of all header fields of a name, in order. Those
// of a list are split at the commas outside quotes and angle brackets.
func values(m headers, name string, list bool) []string {
	var out []string
	for _, h := range m.GetHeaders(name) {
		if !list {
			out = append(out, h.Value())
			continue
		}
		out = append(out, splitList(h.Value())...)
	}
	return out
}

func splitList(s string) []string {
	var out []string
	quoted, angle, start := false, false, 0
	for i := 0; i <= len(s); i++ {
		switch {
		case i == len(s) || s[i] == ',' && !quoted && !angle:
			if v := strings.Trim(s[start:i], " \t"); v != "" {
				out = append(out, v)
			}
			start = i + 1
		case s[i] == '\\' && quoted:
			i++
			if i == len(s) {
				i--
			}
		case s[i] == '"' && !angle:
			quoted = !quoted
		case s[i] == '<' && !quoted:
			angle = true
		case s[i] == '>' && !quoted:
			angle = false
		}
	}
	return out
}

// value returns the first value of a name and whether there is one.
func value(m headers, name string) (string, bool) {
	hs := m.GetHeaders(name)
	if len(hs) == 0 {
		return "", false
	}
	return hs[0].Value(), true
}

// expires returns the Expires of r, or def when there is none, at most top.
func expires(r headers, def, top time.Duration) (time.Duration, *bridge.Error) {
	v, ok := value(r, "Expires")
	if !ok {
		return def, nil
	}
	d, ok := deltaSeconds(v)
	if !ok {
		return 0, bridge.Errorf(bridge.Malformed, "Expires is not a number of seconds")
	}
	return min(d, top), nil
}

// deltaSeconds reads delta-seconds; numbers beyond 2**32-1 count as that
// (RFC 3261 §20.19).
func deltaSeconds(s string) (time.Duration, bool) {
	s = strings.Trim(s, " \t")
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	if s == "" {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		n = 1<<32 - 1
	}
	return time.Duration(n) * time.Second, true
}

// retryAfterOf returns the Retry-After of a response, 0 without.
func retryAfterOf(res headers) time.Duration {
	v, _ := value(res, "Retry-After")
	v, _, _ = strings.Cut(v, ";")
	v, _, _ = strings.Cut(v, "(")
	d, _ := deltaSeconds(v)
	return min(d, time.Hour)
}

// nameAddr writes an address in the form that is always right: quoted display
// name, URI in <>.
func nameAddr(display, uri string) string {
	if display == "" {
		return "<" + uri + ">"
	}
	display = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", " ", "\n", " ").Replace(display)
	return `"` + display + `" <` + uri + ">"
}

// tagOf returns the tag parameter, "" without.
func tagOf(p sip.HeaderParams) string {
	t, _ := p.Get("tag")
	return t
}

// unsupported returns the option tags that a request demands and we lack.
func unsupported(r *transport.Request) []string {
	var lacking []string
	for _, tag := range values(r, "Require", true) {
		if !strings.EqualFold(tag, supported) {
			lacking = append(lacking, tag)
		}
	}
	return lacking
}
