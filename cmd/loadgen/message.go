//go:build linux

package main

import "bytes"

// message is one parsed SIP message. Its slices point into the receive buffer
// and hold until the next read.
type message struct {
	request    bool
	status     int    // of a response
	method     []byte // of a request
	uri        []byte // of a request
	via        [12][]byte
	nvia       int
	from       []byte
	to         []byte
	callID     []byte
	cseq       []byte // the whole value
	number     uint32 // its number
	cseqMethod []byte
	contact    []byte
	route      [8][]byte // Record-Route
	nroute     int
	etag       []byte
	state      []byte // Subscription-State
	expires    int64  // -1: none
	length     int    // Content-Length; -1: none
	body       []byte
	folded     bool // a header went on in a second line, which is left out
}

// parse reads one message from the start of buf. It returns the number of
// bytes used, 0 when a stream must bring more, and -1 for what is not SIP.
// Without stream, buf is a datagram and the whole message.
func (m *message) parse(buf []byte, stream bool) int {
	*m = message{expires: -1, length: -1}
	short := -1
	if stream {
		short = 0
	}
	off := 0
	for off < len(buf) && (buf[off] == '\r' || buf[off] == '\n') {
		off++
	}
	line, n := nextLine(buf[off:])
	if n == 0 {
		return short
	}
	if !m.startLine(trim(line)) {
		return -1
	}
	off += n
	for {
		line, n = nextLine(buf[off:])
		if n == 0 {
			return short
		}
		off += n
		if len(line) == 0 {
			break
		}
		if line[0] == ' ' || line[0] == '\t' {
			m.folded = true
			continue
		}
		if !m.header(line) {
			return -1
		}
	}
	if m.callID == nil || m.cseq == nil || m.from == nil || m.to == nil || m.nvia == 0 {
		return -1
	}
	return m.takeBody(buf, off, stream)
}

// nextLine returns the first line of b without its end, and the bytes it
// takes; 0 when it has no end yet.
func nextLine(b []byte) (line []byte, n int) {
	eol := bytes.IndexByte(b, '\n')
	if eol < 0 {
		return nil, 0
	}
	line = b[:eol]
	if k := len(line); k > 0 && line[k-1] == '\r' {
		line = line[:k-1]
	}
	return line, eol + 1
}

func (m *message) startLine(line []byte) bool {
	if len(line) >= 12 && string(line[:8]) == "SIP/2.0 " {
		m.status = int(line[8]-'0')*100 + int(line[9]-'0')*10 + int(line[10]-'0')
		return m.status >= 100 && m.status < 700
	}
	rest, ok := bytes.CutSuffix(line, []byte(" SIP/2.0"))
	if !ok {
		return false
	}
	m.request = true
	m.method, m.uri, ok = bytes.Cut(rest, []byte(" "))
	return ok && len(m.method) > 0
}

// header takes one header line. Names are told apart by their length first.
func (m *message) header(line []byte) bool {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return false
	}
	name, value := trim(line[:colon]), trim(line[colon+1:])
	switch len(name) {
	case 1:
		m.compact(name[0]|0x20, value)
	case 2:
		if foldEqual(name, "to") {
			m.to = value
		}
	case 3:
		if foldEqual(name, "via") {
			m.addVia(value)
		}
	case 4:
		if foldEqual(name, "from") {
			m.from = value
		} else if foldEqual(name, "cseq") {
			m.takeCSeq(value)
		}
	case 7:
		switch {
		case foldEqual(name, "call-id"):
			m.callID = value
		case foldEqual(name, "contact"):
			m.contact = value
		case foldEqual(name, "expires"):
			if v, n := number(value); n > 0 {
				m.expires = int64(v)
			}
		}
	case 8:
		if foldEqual(name, "sip-etag") {
			m.etag = value
		}
	case 12:
		if foldEqual(name, "record-route") && m.nroute < len(m.route) {
			m.route[m.nroute] = value
			m.nroute++
		}
	case 14:
		if foldEqual(name, "content-length") {
			m.takeLength(value)
		}
	case 18:
		if foldEqual(name, "subscription-state") {
			m.state = value
		}
	}
	return true
}

// compact takes a header with a compact name, in lower case.
func (m *message) compact(name byte, value []byte) {
	switch name {
	case 'v':
		m.addVia(value)
	case 'f':
		m.from = value
	case 't':
		m.to = value
	case 'i':
		m.callID = value
	case 'm':
		m.contact = value
	case 'l':
		m.takeLength(value)
	}
}

func (m *message) addVia(value []byte) {
	if m.nvia < len(m.via) {
		m.via[m.nvia] = value
		m.nvia++
	}
}

func (m *message) takeCSeq(value []byte) {
	v, n := number(value)
	m.cseq, m.number, m.cseqMethod = value, v, trim(value[n:])
}

func (m *message) takeLength(value []byte) {
	v, _ := number(value)
	m.length = int(v)
}

// takeBody sets the body, which begins at off, and returns what parse returns.
func (m *message) takeBody(buf []byte, off int, stream bool) int {
	if stream {
		n := max(m.length, 0)
		if len(buf)-off < n {
			return 0
		}
		m.body = buf[off : off+n]
		return off + n
	}
	m.body = buf[off:]
	if m.length > len(m.body) {
		return -1 // cut short
	}
	if m.length >= 0 {
		m.body = m.body[:m.length]
	}
	return len(buf)
}
