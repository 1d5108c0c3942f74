package transport

import (
	"errors"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// counts says how often the single-valued header fields came.
type counts struct{ vias, from, to, callID, cseq, maxForwards, length int }

// headers fills d from the fields and refuses malformed ones. Via, From, To,
// Call-ID, CSeq, Max-Forwards and Content-Length are typed; the others stay in
// the fields: a header of each cost a fifth of what reading a request
// allocates.
func (m *message) headers(d *sip.MessageData) counts {
	var n counts
	for i := range m.fields {
		f := &m.fields[i]
		h, err := m.header(f, &n)
		if err != nil {
			m.refuse(400, "%s: %s", f.name, err)
			continue
		}
		if h != nil {
			d.AppendHeader(h)
		}
	}
	return m.count(n)
}

// count refuses what must be there once and is not.
func (m *message) count(n counts) counts {
	for _, c := range []struct {
		name string
		n    int
	}{{"Via", min(n.vias, 1)}, {"From", n.from}, {"To", n.to}, {"Call-ID", n.callID}, {"CSeq", n.cseq}} {
		// RFC 3261 §8.1.1: these header fields are mandatory.
		switch {
		case c.n == 0:
			m.refuse(400, "Missing %s", c.name)
		case c.n > 1:
			m.refuse(400, "More than one %s", c.name)
		}
	}
	if n.maxForwards > 1 {
		m.refuse(400, "More than one Max-Forwards")
	}
	return n
}

// header makes one sipgo header from f.
func (m *message) header(f *field, n *counts) (sip.Header, error) {
	switch f.name {
	case "Via":
		return m.viaHeader(f, n)
	case "From":
		n.from++
		a, err := ParseAddress(f.value)
		return &sip.FromHeader{DisplayName: a.Display, Address: a.Parsed, Params: a.Params}, err
	case "To":
		n.to++
		a, err := ParseAddress(f.value)
		return &sip.ToHeader{DisplayName: a.Display, Address: a.Parsed, Params: a.Params}, err
	case "Call-ID":
		n.callID++
		id := sip.CallIDHeader(f.value)
		if f.value == "" || strings.ContainsAny(f.value, " \t") {
			return nil, errors.New("empty or with white space")
		}
		return &id, nil
	case "CSeq":
		n.cseq++
		number, method, err := parseCSeq(f.value)
		return &sip.CSeqHeader{SeqNo: number, MethodName: sip.RequestMethod(method)}, err
	case "Max-Forwards":
		n.maxForwards++
		v, err := strconv.ParseUint(f.value, 10, 8) // RFC 3261 §20.22: 0–255.
		if err != nil {
			return nil, errors.New("not a number from 0 to 255")
		}
		h := sip.MaxForwardsHeader(v)
		return &h, nil
	case "Content-Length":
		return m.lengthHeader(f, n)
	case "Contact":
		if f.value == "*" {
			return nil, nil
		}
		fallthrough
	case "Route", "Record-Route":
		_, err := ParseAddress(f.value)
		return nil, err
	}
	return nil, nil
}

func (m *message) viaHeader(f *field, n *counts) (sip.Header, error) {
	n.vias++
	v, err := parseVia(f.value)
	if err != nil {
		return nil, err
	}
	if n.vias == 1 {
		m.via = v
	}
	return v, nil
}

func (m *message) lengthHeader(f *field, n *counts) (sip.Header, error) {
	v, err := parseLength(f.value)
	if err != nil {
		return nil, errors.New("not a length")
	}
	n.length++
	if n.length > 1 {
		first, _ := value(m.fields, "Content-Length")
		old, err := parseLength(first)
		if err != nil || old != v {
			return nil, errors.New("several that differ")
		}
		return nil, nil
	}
	h := sip.ContentLengthHeader(v)
	return &h, nil
}

// parseCSeq reads 1*DIGIT LWS Method.
func parseCSeq(s string) (number uint32, method string, err error) {
	digits, method, _ := strings.Cut(s, " ")
	if i := strings.IndexByte(digits, '\t'); i >= 0 {
		digits, method = s[:i], s[i+1:]
	}
	method = strings.Trim(method, " \t")
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || n > 1<<31-1 { // RFC 3261 §8.1.1.5: less than 2**31.
		return 0, "", errors.New("sequence number out of range")
	}
	if !isToken(method) {
		return 0, "", errors.New("no method")
	}
	return uint32(n), method, nil
}

// checkRequest does what needs more than one header field.
func (m *message) checkRequest() {
	cseq := m.req.CSeq()
	if m.fault == nil && string(cseq.MethodName) != m.method {
		// RFC 3261 §8.1.1.5: the method MUST match that of the request.
		m.refuse(400, "CSeq method is not the request's")
	}
	mf := m.req.MaxForwards()
	if m.fault == nil && mf != nil && *mf == 0 && m.method != "ACK" && m.method != "CANCEL" {
		m.refuse(483, "Too Many Hops")
	}
}
