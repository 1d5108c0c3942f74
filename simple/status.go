package simple

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/simple/event"
	"github.com/porchlight-im/porchlight/simple/pidf"
	"github.com/porchlight-im/porchlight/simple/transport"
)

// statusOf is the response code for each Kind of error made here.
var statusOf = map[bridge.Kind]int{
	bridge.Internal:        500,
	bridge.Malformed:       400,
	bridge.Unauthenticated: 401,
	bridge.Forbidden:       403,
	bridge.NotFound:        404,
	bridge.Stale:           412, // RFC 3903 §11.2.1
	bridge.TooLarge:        413,
	bridge.Unsupported:     415,
	bridge.TooBrief:        423,
	bridge.NoDialog:        481,
	bridge.BadEvent:        489, // RFC 6665 §8.3.2
	bridge.Busy:            503,
	bridge.Timeout:         504,
}

// phrases are reason phrases that are always the standard one. With other
// codes the error's Detail is the phrase, if it has one (RFC 7247 §7.1).
var phrases = map[int]string{
	401: "Unauthorized", 412: "Conditional Request Failed", 423: "Interval Too Brief", 489: "Bad Event",
}

// retryAfter is what a peer is told to wait when the error does not say.
const retryAfter = 10 * time.Second

// What this server takes, as header values.
const (
	allow          = "PUBLISH, SUBSCRIBE, NOTIFY, OPTIONS"
	allowEvents    = eventPresence
	accept         = pidf.ContentType
	acceptEncoding = "gzip, deflate, identity"
	supported      = "gruu"
)

// refusal makes the response for an error of the hub or of this package.
func refusal(err error) transport.Reply {
	e, ok := errors.AsType[*bridge.Error](err)
	if !ok {
		e = &bridge.Error{Kind: bridge.Internal, Err: err}
	}
	rep := transport.Reply{Code: statusOf[e.Kind]}
	rep.Reason = phrases[rep.Code]
	if rep.Reason == "" {
		rep.Reason = phrase(e.Detail)
	}
	switch e.Kind {
	case bridge.Internal:
		rep.Reason = "" // our faults are not told to peers
		fallthrough
	case bridge.Busy:
		after := e.RetryAfter
		if after <= 0 {
			after = retryAfter
		}
		rep.Header = line(nil, "Retry-After", strconv.FormatInt(event.Seconds(after), 10))
	case bridge.Unsupported:
		// RFC 3261 §8.2.3: a 415 lists what is understood.
		rep.Header = line(nil, "Accept", accept)
		rep.Header = line(rep.Header, "Accept-Encoding", acceptEncoding)
	case bridge.TooBrief:
		// RFC 3903 §6 step 4: the response MUST contain Min-Expires.
		rep.Header = line(nil, "Min-Expires", strconv.FormatInt(event.Seconds(e.MinExpires), 10))
	case bridge.BadEvent:
		// RFC 6665 §8.3.2: a 489 lists the packages in Allow-Events.
		rep.Header = line(nil, "Allow-Events", allowEvents)
	}
	return rep
}

// phrase makes text fit for a reason phrase: one short line.
func phrase(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return ' '
		}
		return r
	}, text)
	if len(text) > 120 {
		text = strings.ToValidUTF8(text[:120], "")
	}
	return strings.TrimSpace(text)
}

// line appends one header line.
func line(dst []byte, name, value string) []byte {
	return fmt.Appendf(dst, "%s: %s\r\n", name, value)
}
