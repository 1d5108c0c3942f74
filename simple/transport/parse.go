package transport

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Bounds on one message, whatever carried it.
const (
	maxFields = 1000 // header fields, lists split
	maxParams = 100  // parameters of one value
)

// message is a parsed SIP message. Exactly one of req and res is set, unless
// fault says why the request cannot be taken; fields are there in any case.
type message struct {
	method string // of the request line; of CSeq for a response
	req    *sip.Request
	res    *Response
	fields []field
	via    *sip.ViaHeader // topmost; nil when there is no good one
	fault  *fault
}

// fault is why a request is refused before it reaches a transaction.
type fault struct {
	code   int
	reason string
}

// errNotSIP marks bytes that deserve no answer: no SIP, or a bad response.
var errNotSIP = errors.New("not a SIP message")

// parseMessage reads one whole message. head is everything before the empty
// line; body what follows it: on a stream exactly the body, in a datagram all
// the rest.
//
// An error means: drop it. A request with a fault can be answered.
func parseMessage(head string, body []byte) (*message, error) {
	start, rest, _ := strings.Cut(head, "\r\n")
	m := &message{}
	m.split(rest)
	if len(start) >= 4 && strings.EqualFold(start[:4], "SIP/") {
		err := m.response(start)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errNotSIP, err)
		}
		if m.fault != nil {
			return nil, fmt.Errorf("%w: response: %s", errNotSIP, m.fault.reason)
		}
		m.res.body = m.body(body)
		return m, nil
	}
	err := m.requestLine(start)
	if err != nil {
		return nil, err
	}
	m.headers(&m.req.MessageData)
	m.checkRequest()
	m.req.SetBody(m.body(body))
	return m, nil
}

func (m *message) refuse(code int, format string, args ...any) {
	if m.fault == nil {
		m.fault = &fault{code, fmt.Sprintf(format, args...)}
	}
}

// split cuts the header into fields: unfolded, full names, lists of hops and
// contacts split.
func (m *message) split(head string) {
	m.fields = make([]field, 0, 24)
	for head != "" {
		var line string
		line, head = cutLine(head)
		name, val, ok := strings.Cut(line, ":")
		name = strings.TrimRight(name, " \t")
		if !ok || !isToken(name) {
			m.refuse(400, "Malformed header line")
			continue
		}
		if strings.IndexByte(val, '\n') >= 0 || strings.IndexByte(val, '\r') >= 0 {
			m.refuse(400, "Line break inside %s", name)
			val = strings.NewReplacer("\r", " ", "\n", " ").Replace(val)
		}
		name, val = fullName(name), strings.Trim(val, " \t")
		if len(m.fields) >= maxFields {
			m.refuse(400, "Too many header fields")
			return
		}
		switch name {
		case "Via", "Contact", "Route", "Record-Route":
			if strings.IndexByte(val, ',') >= 0 {
				for _, v := range splitList(val) {
					m.fields = append(m.fields, field{name, v})
				}
				continue
			}
		}
		m.fields = append(m.fields, field{name, val})
	}
}

// cutLine takes one header line off head and undoes folding (RFC 3261 §7.3.1).
func cutLine(head string) (line, rest string) {
	line, rest, _ = strings.Cut(head, "\r\n")
	if rest == "" || !isSpace(rest[0]) {
		return line, rest
	}
	var b strings.Builder
	b.WriteString(strings.TrimRight(line, " \t"))
	for rest != "" && isSpace(rest[0]) {
		line, rest, _ = strings.Cut(rest, "\r\n")
		b.WriteByte(' ')
		b.WriteString(strings.Trim(line, " \t"))
	}
	return b.String(), rest
}

// requestLine reads Method SP Request-URI SP SIP-Version.
func (m *message) requestLine(line string) error {
	method, rest, ok := strings.Cut(line, " ")
	if !ok || !isToken(method) {
		return errNotSIP
	}
	i := strings.LastIndexByte(strings.TrimRight(rest, " \t"), ' ')
	version := strings.Trim(rest[i+1:], " \t")
	if i < 0 || len(version) < 4 || !strings.EqualFold(version[:4], "SIP/") {
		return errNotSIP
	}
	m.method = method
	var uri sip.Uri
	switch {
	case !strings.EqualFold(version, "SIP/2.0"):
		// RFC 3261 §21.5.7: unknown version → 505.
		m.refuse(505, "Version Not Supported")
	case len(version) != len(rest)-i-1:
		m.refuse(400, "White space after the request line")
	default:
		err := ParseURI(rest[:i], &uri)
		if err != nil {
			m.refuse(400, "Request-URI: %s", err)
		} else if len(uri.Headers) > 0 {
			// RFC 3261 §19.1.1: no headers in a Request-URI.
			m.refuse(400, "Request-URI with headers")
		}
	}
	m.req = sip.NewRequest(sip.RequestMethod(method), uri)
	return nil
}

// body returns a copy of the body that Content-Length names.
func (m *message) body(b []byte) []byte {
	n := len(b)
	v, ok := value(m.fields, "Content-Length")
	if ok {
		length, err := parseLength(v)
		if err == nil && length > len(b) {
			// RFC 3261 §18.3: body shorter than Content-Length → 400.
			m.refuse(400, "Content-Length is more than the message has")
		} else if err == nil {
			n = length // RFC 3261 §18.3: octets after the body are ignored.
		}
	}
	if n == 0 {
		return nil
	}
	return append(make([]byte, 0, n), b[:n]...)
}

// parseLength reads a Content-Length value: digits only.
func parseLength(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0, errors.New("malformed Content-Length")
	}
	return int(n), nil
}
