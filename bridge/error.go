package bridge

import (
	"fmt"
	"time"
)

// Kind is the class of an Error. Each port has one table from Kind to its
// wire, in its status.go.
type Kind uint8

// The kinds.
const (
	Internal Kind = iota // our fault; the peer gets a neutral text
	Malformed
	Unauthenticated
	Forbidden
	NotFound
	Stale // the entity-tag is not, or no longer, known
	TooLarge
	Unsupported // media type or encoding
	TooBrief    // Expires below the minimum
	NoDialog
	BadEvent
	Busy
	Timeout
	kindEnd
)

// Kinds returns every Kind, for tests that a table is total.
func Kinds() []Kind {
	ks := make([]Kind, 0, kindEnd)
	for k := Internal; k < kindEnd; k++ {
		ks = append(ks, k)
	}
	return ks
}

var kindNames = [...]string{"internal", "malformed", "unauthenticated", "forbidden",
	"not found", "stale", "too large", "unsupported", "too brief", "no dialog",
	"bad event", "busy", "timeout"}

// String returns the kind in words, as in logs and metrics.
func (k Kind) String() string { return kindNames[k] }

// Error is the one error type of the hub and the ports. Detail may go to the
// peer and names what is wrong; Err never does.
type Error struct {
	Kind       Kind
	Detail     string
	RetryAfter time.Duration // with Busy
	MinExpires time.Duration // with TooBrief
	// Status is the SIP status code when another SIP server reported the
	// error, else 0. It is relayed by RFC 7247 §7.2, not by Kind.
	Status int
	Err    error
}

// Errorf makes an Error whose Detail is the formatted text.
func Errorf(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Detail: fmt.Sprintf(format, args...)}
}

// Error returns what is wrong, for logs: the kind, the detail and the cause.
func (e *Error) Error() string {
	s := e.Kind.String()
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is an *Error of the same Kind, so that
// errors.Is(err, &Error{Kind: Stale}) asks for the kind.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Kind == e.Kind
}
