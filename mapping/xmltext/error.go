package xmltext

import (
	"bytes"
	"fmt"
)

// Error says what is wrong with a document, and where. Lines and columns (in
// bytes) count from 1.
type Error struct {
	Line, Col int
	Msg       string
	// TooLarge: the document is above a limit, not against the rules.
	TooLarge bool
	// Restricted: the markup may be well-formed but is refused: a document
	// type declaration, and in a stream what RFC 6120 §11.1 forbids.
	Restricted bool
}

// Error returns the place, as line:column, and what is wrong there.
func (e *Error) Error() string { return fmt.Sprintf("line %d:%d: %s", e.Line, e.Col, e.Msg) }

// longest is how much of a name a message shows.
const longest = 60

// errorAt returns an Error for offset at of b.
func errorAt(b []byte, at int, format string, args ...any) *Error {
	at = min(at, len(b))
	for i, a := range args {
		if t, ok := a.([]byte); ok && len(t) > longest {
			args[i] = append(bytes.ToValidUTF8(t[:longest], nil), "…"...)
		}
	}
	line := 1 + bytes.Count(b[:at], []byte("\n"))
	col := at - bytes.LastIndexByte(b[:at], '\n')
	return &Error{Line: line, Col: col, Msg: fmt.Sprintf(format, args...)}
}

// fail returns an Error for offset at.
func (s *Scanner) fail(at int, format string, args ...any) *Error {
	return errorAt(s.b, at, format, args...)
}

// tooLarge returns an Error for a limit.
func (s *Scanner) tooLarge(at int, format string, args ...any) *Error {
	e := s.fail(at, format, args...)
	e.TooLarge = true
	return e
}

// Fail returns an Error at the current token, for callers that find a fault
// in what it says.
func (s *Scanner) Fail(format string, args ...any) *Error { return s.fail(s.begin, format, args...) }
