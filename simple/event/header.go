package event

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// Event is the value of an Event header field (RFC 6665 §8.2.1).
type Event struct {
	Package string // with its template packages, as it came
	ID      string // the id parameter
}

// ParseEvent reads an Event header field.
func ParseEvent(value string) (Event, error) {
	name, params, _ := strings.Cut(value, ";")
	e := Event{Package: strings.Trim(name, " \t")}
	if !isToken(e.Package) {
		return Event{}, errors.New("Event: not one event type")
	}
	for params != "" {
		var p string
		p, params, _ = strings.Cut(params, ";")
		k, v, _ := strings.Cut(p, "=")
		if !strings.EqualFold(strings.Trim(k, " \t"), "id") {
			continue
		}
		v = strings.Trim(v, " \t")
		if !isToken(v) || e.ID != "" {
			return Event{}, errors.New("Event: malformed id")
		}
		e.ID = v
	}
	return e, nil
}

// String returns the header field value: package and id alone.
func (e Event) String() string {
	if e.ID == "" {
		return e.Package
	}
	return e.Package + ";id=" + e.ID
}

// isToken reports whether s is a token (RFC 3261 §25.1).
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
		if !letter && strings.IndexByte("-.!%*_+`'~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// Standing is what a Subscription-State header field says.
type Standing struct {
	State string // "active", "pending", "terminated"
	// Expires is the rest of the subscription; not for terminated.
	Expires time.Duration
	// Reason and RetryAfter go with terminated.
	Reason     string
	RetryAfter time.Duration
}

// Append appends the header field value.
func (s Standing) Append(dst []byte) []byte {
	dst = append(dst, s.State...)
	if s.State != "terminated" {
		// RFC 6665 §4.2.2: active and pending MUST say how long they last.
		dst = append(dst, ";expires="...)
		return strconv.AppendInt(dst, Seconds(s.Expires), 10)
	}
	if s.Reason != "" {
		dst = append(dst, ";reason="...)
		dst = append(dst, s.Reason...)
	}
	if s.RetryAfter > 0 {
		dst = append(dst, ";retry-after="...)
		dst = strconv.AppendInt(dst, Seconds(s.RetryAfter), 10)
	}
	return dst
}

// Seconds is d in whole seconds, rounded up, and 0 for what is past.
func Seconds(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return int64((d-1)/time.Second) + 1
}
