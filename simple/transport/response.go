package transport

import (
	"errors"
	"strconv"
	"strings"
)

// Response is a response to a request that Send has sent.
type Response struct {
	StatusCode int
	Reason     string
	fields     []field
	body       []byte
}

// Values returns all values of a header field in order of appearance, as
// Request.Values does.
func (r *Response) Values(name string) []string { return values(r.fields, name) }

// Value returns the first value of a header field, "" when there is none.
func (r *Response) Value(name string) string {
	v, _ := value(r.fields, fullName(name))
	return v
}

// Body returns the body, nil when there is none.
func (r *Response) Body() []byte { return r.body }

// response reads SIP-Version SP Status-Code SP Reason-Phrase, and what the
// header must have. Only what a transaction is found by is looked into:
// notifiers read a response for each NOTIFY.
func (m *message) response(line string) error {
	version, rest, _ := strings.Cut(line, " ")
	digits, reason, _ := strings.Cut(rest, " ")
	code, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || len(digits) != 3 || code < 100 || code > 699 || !strings.EqualFold(version, "SIP/2.0") {
		return errors.New("malformed status line")
	}
	m.res = &Response{StatusCode: int(code), Reason: reason, fields: m.fields}
	var n counts
	for i := range m.fields {
		f := &m.fields[i]
		switch f.name {
		case "Via":
			_, err = m.viaHeader(f, &n)
		case "From":
			n.from++
		case "To":
			n.to++
		case "Call-ID":
			n.callID++
		case "CSeq":
			n.cseq++
			_, m.method, err = parseCSeq(f.value)
		case "Content-Length":
			_, err = m.lengthHeader(f, &n)
		}
		if err != nil {
			return err
		}
	}
	m.count(n)
	if n.vias != 1 {
		// RFC 3261 §8.1.3.3: more than one Via → discard.
		return errors.New("not exactly one Via")
	}
	return nil
}
