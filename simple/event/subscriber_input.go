package event

import (
	"errors"
	"strings"
	"time"
)

// Answer is the outcome of a SUBSCRIBE. A request without any response counts
// as 408 (RFC 3261 §8.1.3.1).
type Answer struct {
	Code int
	// Expires, MinExpires and RetryAfter are the header fields of those
	// names; negative when absent.
	Expires, MinExpires, RetryAfter time.Duration
}

// Meaning is what the final response to a SUBSCRIBE means for its
// subscription.
type Meaning uint8

// The meanings. Passing troubles leave the subscription as it is, and the
// request may be repeated later.
const (
	Granted Meaning = iota
	Brief           // 423: ask for more
	Refused         // the authorization is cancelled for good
	Gone            // the subscription does not exist any more
	Missing         // Gone, and a new one is not likely to succeed
	Passing
)

// MeaningOf classifies the final response to a SUBSCRIBE.
func MeaningOf(code int) Meaning {
	switch {
	case code < 300:
		return Granted
	// RFC 8048 §5.2.2: 403, 489 and 603 cancel the authorization for good.
	case code == 403 || code == 489 || code == 603:
		return Refused
	case code == 423:
		return Brief
	case code == 481 || code == 480 || code == 482 || code == 483:
		return Gone // RFC 6665 §4.1.2.2
	// RFC 6665 §4.1.2.2: these end a subscription too; that the presentity
	// or its server cannot serve us is not expected to change soon.
	case code == 484 || code == 485:
		return Missing
	case code < 400: // redirection is not followed
		return Missing
	}
	switch code {
	case 404, 405, 410, 416, 501, 604, 406, 420, 421, 488, 606:
		return Missing
	}
	return Passing
}

// Answered takes the final response to the outstanding SUBSCRIBE.
func (s *Subscriber) Answered(a Answer, now time.Time) Orders {
	if !s.asking || s.over {
		return 0
	}
	s.asking = false
	if s.leaving {
		return s.answeredLeaving(a, now)
	}
	m := MeaningOf(a.Code)
	if m == Granted {
		return s.answeredGranted(a, now)
	}
	s.timerN = time.Time{} // no NOTIFY comes
	if m == Brief && a.MinExpires > s.asks && a.MinExpires <= mostExpires && s.briefs < 2 && !s.fetch {
		// RFC 3261 §21.4.17: what is too brief is asked for with Min-Expires.
		s.asks = a.MinExpires
		s.briefs++
		if s.phase == NotifyWait {
			return s.subscribe(now)
		}
		return s.refresh()
	}
	switch {
	case m == Refused:
		return s.finish(End{"rejected", a.Code})
	case m == Missing && s.told != Active:
		return s.finish(End{"noresource", a.Code})
	case s.phase == NotifyWait || m == Missing:
		return s.terminate(false, a.RetryAfter, now)
	case m == Gone:
		return s.terminate(true, a.RetryAfter, now)
	}
	// RFC 6665 §4.1.2.2: with any other code the subscription is valid until
	// it expires.
	if s.expires.IsZero() || !now.Before(s.expires) {
		return s.terminate(false, a.RetryAfter, now)
	}
	s.refreshAt = now.Add(max(s.backoff(), min(a.RetryAfter, mostExpires)))
	if !s.refreshAt.Before(s.expires) {
		s.refreshAt = time.Time{}
	}
	return 0
}

func (s *Subscriber) answeredGranted(a Answer, now time.Time) Orders {
	s.briefs = 0
	if s.phase != NotifyWait {
		s.failed = 0
	}
	if a.Code == 204 {
		s.timerN = time.Time{} // RFC 6665 §4.1.2.2: no NOTIFY follows
	}
	if s.fetch {
		return 0
	}
	// RFC 6665 §4.1.3: what a NOTIFY says of the expiry has precedence.
	if !s.granted {
		d := a.Expires
		if d < 0 || d > s.asks {
			d = s.asks // RFC 6665 §4.1.2.1: never longer than asked for
		}
		s.grant(d, now)
	}
	if s.again && s.phase != NotifyWait {
		return Store | s.refresh()
	}
	if s.phase == NotifyWait {
		return 0
	}
	return Store
}

// answeredLeaving: either the refresh that was under way when the watcher
// left, or the SUBSCRIBE with Expires 0.
func (s *Subscriber) answeredLeaving(a Answer, now time.Time) Orders {
	m := MeaningOf(a.Code)
	switch {
	case m == Granted && s.ending:
		return 0 // RFC 6665 §4.1.2.3: a last NOTIFY follows; Timer N runs
	case s.ending || m == Gone || m == Missing:
		return s.forget()
	}
	return s.unsubscribe()
}

// Notified takes a NOTIFY of the subscription's dialog, or, in NotifyWait,
// the one that makes it.
func (s *Subscriber) Notified(st Standing, now time.Time) Orders {
	if s.over {
		return 0
	}
	if st.State == "terminated" {
		return s.notifiedEnd(st, now)
	}
	s.timerN = time.Time{}
	if s.fetch {
		return s.forget()
	}
	s.lostAt = time.Time{}
	if now.Sub(s.began) >= steady {
		s.failed = 0
	}
	o := Orders(0)
	if s.phase == NotifyWait {
		o = Store
	}
	if st.Expires >= 0 {
		// RFC 6665 §4.1.3: the authoritative duration.
		s.grant(st.Expires, now)
		s.granted = true
		o |= Store
	} else if s.expires.IsZero() {
		s.grant(s.asks, now)
	}
	if st.State == "active" {
		s.phase = Active
	} else if s.phase != Active || st.State == "pending" {
		s.phase = Pending // an extension's state is none that we know
	}
	if s.phase != s.told && !s.leaving {
		s.told = s.phase
		if s.phase == Active {
			return o | TellActive
		}
		return o | TellPending
	}
	return o
}

// notifiedEnd takes a NOTIFY that terminates the subscription.
func (s *Subscriber) notifiedEnd(st Standing, now time.Time) Orders {
	s.phase = Terminated
	if s.leaving || s.fetch {
		return s.forget()
	}
	// RFC 6665 §4.1.3: the reason says whether and when to subscribe again.
	switch st.Reason {
	case "rejected", "noresource", "invariant":
		return s.finish(End{Reason: st.Reason})
	case "deactivated", "timeout":
		return s.terminate(true, 0, now)
	case "probation", "giveup":
		return s.terminate(false, max(st.RetryAfter, backoffProbation), now)
	}
	return s.terminate(st.RetryAfter <= 0, st.RetryAfter, now)
}

// ParseStanding reads a Subscription-State header field. Expires and
// RetryAfter are negative when absent.
func ParseStanding(value string) (Standing, error) {
	state, params, _ := strings.Cut(value, ";")
	st := Standing{State: strings.ToLower(strings.Trim(state, " \t")), Expires: -1, RetryAfter: -1}
	if !isToken(st.State) {
		return Standing{}, errors.New("Subscription-State: no state")
	}
	for params != "" {
		var p string
		p, params, _ = strings.Cut(params, ";")
		k, v, _ := strings.Cut(p, "=")
		v = strings.Trim(v, " \t")
		var ok bool
		switch strings.ToLower(strings.Trim(k, " \t")) {
		case "expires":
			st.Expires, ok = seconds(v)
		case "retry-after":
			st.RetryAfter, ok = seconds(v)
		case "reason":
			st.Reason, ok = strings.ToLower(v), isToken(v)
		default:
			ok = true
		}
		if !ok {
			return Standing{}, errors.New("Subscription-State: malformed parameter")
		}
	}
	return st, nil
}

// seconds reads delta-seconds; what is more than 2**32-1 counts as that.
func seconds(s string) (time.Duration, bool) {
	n := int64(0)
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = min(n*10+int64(s[i]-'0'), 1<<32-1)
	}
	return time.Duration(n) * time.Second, s != ""
}
