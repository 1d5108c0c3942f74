package simple

import (
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/simple/transport"
)

// expires returns the Expires of r, or def when there is none, at most top.
func expires(r *transport.Request, def, top time.Duration) (time.Duration, *bridge.Error) {
	vs := r.Values("Expires")
	if len(vs) == 0 {
		return def, nil
	}
	d, ok := deltaSeconds(vs[0])
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
func retryAfterOf(res *transport.Response) time.Duration {
	vs := res.Values("Retry-After")
	if len(vs) == 0 {
		return 0
	}
	v, _, _ := strings.Cut(vs[0], ";")
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
	for _, tag := range r.Values("Require") {
		if !strings.EqualFold(tag, supported) {
			lacking = append(lacking, tag)
		}
	}
	return lacking
}
