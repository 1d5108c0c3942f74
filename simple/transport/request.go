package transport

import (
	"hash/maphash"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Request is a SIP request that has arrived, with its server transaction.
type Request struct {
	*sip.Request
	Flow Flow
	// Received is when it arrived.
	Received time.Time

	fields []field
	via    string // topmost Via as it goes back
	reply  func(*Request, Reply)
	tx     *serverTx
	size   int // bytes, while it waits
}

// Values returns all values of a header field in order of appearance, by full
// or compact name. Fields whose grammar is a comma-separated list are split;
// values are unfolded and otherwise as they came.
func (r *Request) Values(name string) []string { return values(r.fields, name) }

// Value returns the first value of a header field, "" when there is none.
func (r *Request) Value(name string) string {
	name = fullName(name)
	for i := range r.fields {
		if sameName(r.fields[i].name, name) {
			return r.fields[i].value
		}
	}
	return ""
}

// Reply is a final response to a Request. Via, From, To, Call-ID, CSeq and
// Content-Length are the transport's own.
type Reply struct {
	Code   int
	Reason string // "" means the standard phrase
	// ToTag is the tag to add to To when the request had none; "" lets the
	// transport make one.
	ToTag string
	// Header holds more header lines, each ended by CRLF.
	Header []byte
	Body   []byte
}

// Reply answers r. The first call counts; retransmissions of the request get
// the same bytes (RFC 3261 §17.2.2). It does not block on a slow peer.
func (r *Request) Reply(p Reply) { r.reply(r, p) }

// ParseRequest makes a Request from the bytes of one message, as if it had
// come over the flow; reply gets what its Reply is called with. It is for
// tests and tools. A malformed message gives an error.
func ParseRequest(raw []byte, f Flow, reply func(Reply)) (*Request, error) {
	head, body := cutHead(raw)
	m, err := parseMessage(head, body)
	if err != nil {
		return nil, err
	}
	if m.req == nil {
		return nil, errNotSIP
	}
	if m.fault != nil {
		return nil, faultError(*m.fault)
	}
	r := &Request{Request: m.req, Flow: f, Received: time.Now(), fields: m.fields}
	r.reply = func(_ *Request, p Reply) { reply(p) }
	return r, nil
}

// faultError is a fault as an error.
type faultError fault

func (f faultError) Error() string { return strconv.Itoa(f.code) + " " + f.reason }

// cutHead splits a datagram at the empty line. Leading CRLFs are skipped
// (RFC 3261 §7.5).
func cutHead(raw []byte) (head string, body []byte) {
	for len(raw) > 1 && raw[0] == '\r' && raw[1] == '\n' {
		raw = raw[2:]
	}
	i := headEnd(raw, 0)
	if i < 0 {
		return string(raw), nil
	}
	return string(raw[:i]), raw[i+4:]
}

// appendResponse writes a response to the request that fields came from.
// topVia is its topmost Via as it goes back; the others go back unchanged.
func appendResponse(b []byte, fields []field, topVia string, p Reply) []byte {
	b = append(b, "SIP/2.0 "...)
	b = strconv.AppendInt(b, int64(p.Code), 10)
	b = append(b, ' ')
	b = append(b, reasonPhrase(p)...)
	b = append(b, "\r\n"...)
	b = appendLine(b, "Via", topVia)
	top := true
	for i := range fields {
		f := &fields[i]
		switch f.name {
		case "Via":
			if !top {
				b = appendLine(b, f.name, f.value)
			}
			top = false
		case "To":
			b = appendLine(b, f.name, f.value)
			if !hasTag(f.value) && p.ToTag != "" && p.Code > 100 {
				b = append(b[:len(b)-2], ";tag="...)
				b = append(b, p.ToTag...)
				b = append(b, "\r\n"...)
			}
		case "From", "Call-ID", "CSeq":
			b = appendLine(b, f.name, f.value)
		}
	}
	b = append(b, p.Header...)
	b = append(b, "Content-Length: "...)
	b = strconv.AppendInt(b, int64(len(p.Body)), 10)
	b = append(b, "\r\n\r\n"...)
	return append(b, p.Body...)
}

func appendLine(b []byte, name, val string) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, val...)
	return append(b, "\r\n"...)
}

func reasonPhrase(p Reply) string {
	if p.Reason != "" {
		return p.Reason
	}
	s, ok := phrases[p.Code]
	if ok {
		return s
	}
	s = http.StatusText(p.Code)
	if s == "" {
		return "Status"
	}
	return s
}

// phrases are the reason phrases of RFC 3261 §21, RFC 3903 §6, RFC 6665 §8.3.
var phrases = map[int]string{
	100: "Trying", 200: "OK", 202: "Accepted", 204: "No Notification",
	302: "Moved Temporarily", 400: "Bad Request", 401: "Unauthorized",
	403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
	406: "Not Acceptable", 407: "Proxy Authentication Required",
	408: "Request Timeout", 410: "Gone", 412: "Conditional Request Failed",
	413: "Request Entity Too Large", 414: "Request-URI Too Long",
	415: "Unsupported Media Type", 416: "Unsupported URI Scheme",
	420: "Bad Extension", 421: "Extension Required", 423: "Interval Too Brief",
	430: "Flow Failed", 480: "Temporarily Unavailable",
	481: "Call/Transaction Does Not Exist", 482: "Loop Detected",
	483: "Too Many Hops", 484: "Address Incomplete", 485: "Ambiguous",
	488: "Not Acceptable Here", 489: "Bad Event", 491: "Request Pending",
	500: "Server Internal Error", 501: "Not Implemented",
	503: "Service Unavailable", 504: "Server Time-out",
	505: "Version Not Supported", 513: "Message Too Large", 603: "Decline",
}

// hasTag says whether a From or To value has a tag parameter.
func hasTag(v string) bool {
	a, err := ParseAddress(v)
	if err == nil {
		return a.Params.Has("tag")
	}
	return strings.Contains(strings.ToLower(v), "tag=")
}

// tagSeed makes To tags that are the same for a retransmission and cannot be
// guessed (RFC 3261 §8.2.7, §19.3).
var tagSeed = maphash.MakeSeed()

// toTag derives the To tag of a request from what identifies it.
func toTag(fields []field) string {
	var h maphash.Hash
	h.SetSeed(tagSeed)
	for _, name := range []string{"Via", "From", "Call-ID", "CSeq"} {
		v, _ := value(fields, name)
		h.WriteString(v)
		h.WriteByte(0)
	}
	return strconv.FormatUint(h.Sum64(), 36)
}

// responseVia returns the topmost Via as the response carries it: received and rport
// filled in from the source of the request.
func responseVia(raw string, v *sip.ViaHeader, host string, port int) string {
	if v == nil {
		return raw
	}
	asked := v.Params.Has("rport")
	// RFC 3261 §18.2.1: received MUST be added when sent-by differs from the
	// source; RFC 3581 §4: also when rport was asked for.
	if !asked && sameHost(v.Host, host) {
		return raw
	}
	var b strings.Builder
	b.Grow(len(raw) + 40)
	b.WriteString("SIP/2.0/" + v.Transport + " ")
	b.WriteString(sentBy(v))
	for _, p := range v.Params {
		if p.K == "received" || p.K == "rport" {
			continue
		}
		b.WriteString(";" + p.K)
		if p.V != "" {
			b.WriteString("=" + quoteIfNeeded(p.V))
		}
	}
	b.WriteString(";received=" + host)
	if asked {
		b.WriteString(";rport=" + strconv.Itoa(port))
	}
	return b.String()
}

// sameHost compares a host of a message with a source address.
func sameHost(host, source string) bool {
	if host == source {
		return true
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	b, err := netip.ParseAddr(source)
	return err == nil && a.Unmap() == b.Unmap()
}

func sentBy(v *sip.ViaHeader) string {
	host := v.Host
	if strings.IndexByte(host, ':') >= 0 {
		host = "[" + host + "]"
	}
	if v.Port == 0 {
		return host
	}
	return host + ":" + strconv.Itoa(v.Port)
}

// quoteIfNeeded quotes a parameter value that is neither token nor host.
func quoteIfNeeded(s string) string {
	for i := 0; i < len(s); i++ {
		if !isTokenByte(s[i]) && s[i] != ':' && s[i] != '[' && s[i] != ']' {
			return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
		}
	}
	return s
}
