package transport

import (
	"bytes"
	"errors"
	"strings"
)

// Framing errors: after one of these nobody knows where the next message
// begins, so the connection has to go (RFC 3261 §18.3).
var (
	errHeadTooLarge = errors.New("header without end")
	errNoLength     = errors.New("no Content-Length")
	errBadLength    = errors.New("bad Content-Length")
	errBodyTooLarge = errors.New("body too large")
)

// framer cuts a stream into messages. The reader puts bytes into space, and
// takes whole messages out with next.
type framer struct {
	store   []byte
	buf     []byte // the part of store that was not taken yet
	end     int    // index in store where buf ends
	scanned int    // buf[:scanned] has no end of header
	head    int    // length of the header, 0 while it is not whole
	body    int    // length of the body, once head is known
	max     int    // bytes of one body
}

// frameKind says what next has found.
type frameKind uint8

const (
	frameNone    frameKind = iota // more bytes are needed
	frameMessage                  // a whole message
	framePing                     // CRLF CRLF, to be answered by CRLF
)

// next takes one message or keep-alive off the front. head and body are valid
// until space is called. On a framing error head is the header, if it is
// there, so that the request can be answered.
func (f *framer) next() (kind frameKind, head string, body []byte, err error) {
	if f.head == 0 {
		// RFC 5626 §3.5.1: double CRLF is a ping, a single one a pong.
		// RFC 3261 §7.5: CRLF before the start line is ignored.
		if len(f.buf) >= 4 && string(f.buf[:4]) == "\r\n\r\n" {
			f.drop(4)
			return framePing, "", nil, nil
		}
		for len(f.buf) >= 3 && f.buf[0] == '\r' && f.buf[1] == '\n' && f.buf[2] != '\r' ||
			len(f.buf) >= 4 && f.buf[0] == '\r' && f.buf[1] == '\n' && f.buf[3] != '\n' {
			f.drop(2)
		}
		err = f.findHead()
		if err != nil || f.head == 0 {
			return frameNone, string(f.buf[:f.head]), nil, err
		}
	}
	end := f.head + 4 + f.body
	if len(f.buf) < end {
		return frameNone, "", nil, nil
	}
	head, body = string(f.buf[:f.head]), f.buf[f.head+4:end]
	f.drop(end)
	f.head, f.body = 0, 0
	return frameMessage, head, body, nil
}

// findHead looks for the end of the header and reads the length of the body.
func (f *framer) findHead() error {
	i := headEnd(f.buf, f.scanned)
	if i < 0 {
		f.scanned = max(len(f.buf)-3, 0)
		if len(f.buf) > maxHead {
			return errHeadTooLarge
		}
		return nil
	}
	f.head, f.scanned = i, 0
	if i > maxHead {
		return errHeadTooLarge
	}
	n, err := bodyLength(f.buf[:i])
	if err == nil && n > f.max {
		err = errBodyTooLarge
	}
	f.body = n
	return err
}

// started says whether part of a message is in the buffer.
func (f *framer) started() bool {
	return f.head > 0 || len(bytes.TrimLeft(f.buf, "\r\n")) > 0
}

func (f *framer) drop(n int) { f.buf, f.scanned = f.buf[n:], 0 }

// space returns room for reading, growing the store as a message needs it and
// giving memory back when it is idle.
func (f *framer) space() []byte {
	have, need := len(f.buf), readStep/4
	if have == 0 && len(f.store) != readStep {
		f.store, f.end = make([]byte, readStep), 0
	}
	if f.head > 0 {
		// A peer that only claims a long body gets memory as it sends.
		need = max(min(f.head+4+f.body-have, have+64<<10), 1)
	}
	if len(f.store)-f.end >= need {
		return f.store[f.end:]
	}
	if have+need > len(f.store) {
		store := make([]byte, max(have+need, 2*have))
		copy(store, f.buf)
		f.store = store
	} else {
		copy(f.store, f.buf)
	}
	f.buf, f.end = f.store[:have], have
	return f.store[f.end:]
}

// filled says that n bytes were put into the space.
func (f *framer) filled(n int) {
	start := f.end - len(f.buf)
	f.end += n
	f.buf = f.store[start:f.end]
}

var crlfCRLF = []byte("\r\n\r\n")

// headEnd finds the empty line, looking from an offset.
func headEnd(b []byte, from int) int {
	i := bytes.Index(b[from:], crlfCRLF)
	if i < 0 {
		return -1
	}
	return from + i
}

// bodyLength finds Content-Length in a header. RFC 3261 §20.14: it MUST be
// there on a stream.
func bodyLength(head []byte) (int, error) {
	n := -1
	for len(head) > 0 {
		i := bytes.Index(head, crlfCRLF[:2])
		line := head
		if i >= 0 {
			line, head = head[:i], head[i+2:]
		} else {
			head = nil
		}
		if !isLengthLine(line) {
			continue
		}
		text := string(line[bytes.IndexByte(line, ':')+1:])
		for len(head) > 0 && isSpace(head[0]) { // folded
			i := bytes.Index(head, crlfCRLF[:2])
			if i < 0 {
				i = len(head)
			}
			text += " " + string(head[:i])
			head = head[min(i+2, len(head)):]
		}
		v, err := parseLength(strings.Trim(text, " \t"))
		if err != nil || n >= 0 && v != n {
			return 0, errBadLength
		}
		n = v
	}
	if n < 0 {
		return 0, errNoLength
	}
	return n, nil
}

// isLengthLine says whether a header line is Content-Length or l.
func isLengthLine(line []byte) bool {
	if len(line) == 0 || line[0]|0x20 != 'c' && line[0]|0x20 != 'l' {
		return false
	}
	i := bytes.IndexByte(line, ':')
	if i < 0 {
		return false
	}
	name := bytes.TrimRight(line[:i], " \t")
	return len(name) == 1 && name[0]|0x20 == 'l' || bytes.EqualFold(name, []byte("Content-Length"))
}
