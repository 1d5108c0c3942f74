package simple

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
)

// TestStatusTotal: every Kind has a code, and the code's companions.
func TestStatusTotal(t *testing.T) {
	companion := map[bridge.Kind]string{bridge.Internal: "Retry-After: 10", bridge.Busy: "Retry-After: 10",
		bridge.Unsupported: "Accept: application/pidf+xml", bridge.TooBrief: "Min-Expires: 90", bridge.BadEvent: "Allow-Events: presence"}
	for _, k := range bridge.Kinds() {
		code := statusOf[k]
		if code < 400 || code > 699 {
			t.Errorf("%v has no code", k)
		}
		rep := refusal(&bridge.Error{Kind: k, MinExpires: 90 * time.Second})
		if rep.Code != code || !strings.Contains(string(rep.Header), companion[k]) {
			t.Errorf("%v: %d %s", k, rep.Code, rep.Header)
		}
	}
	if len(statusOf) != len(bridge.Kinds()) {
		t.Errorf("%d codes for %d kinds", len(statusOf), len(bridge.Kinds()))
	}
}

func TestRefusal(t *testing.T) {
	for _, c := range []struct {
		name   string
		err    error
		code   int
		reason string
		header string
	}{
		{"foreign errors are internal and not told", errors.New("secret"), 500, "", "Retry-After: 10\r\n"},
		{"internal is not told", bridge.Errorf(bridge.Internal, "secret"), 500, "", "Retry-After: 10\r\n"},
		{"Busy says when", &bridge.Error{Kind: bridge.Busy, RetryAfter: 1500 * time.Millisecond}, 503, "", "Retry-After: 2\r\n"},
		{"one line", bridge.Errorf(bridge.Malformed, "a\r\nX: y\x7f\xff"), 400, "a  X: y", ""},
		{"no end", bridge.Errorf(bridge.Malformed, "%s", strings.Repeat("ä", 100)), 400, strings.Repeat("ä", 60), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			rep := refusal(c.err)
			if rep.Code != c.code || rep.Reason != c.reason || string(rep.Header) != c.header {
				t.Errorf("%d %q %q", rep.Code, rep.Reason, rep.Header)
			}
		})
	}
}
