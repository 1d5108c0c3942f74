package event

import "time"

// Action is what the caller has to do after an input.
type Action uint8

// The actions. Send: send a NOTIFY with the newest notice, and report its
// outcome to Answered. SendLast: the same with a terminated notice, after
// which the subscription is gone. Wait: call Due at Step.At. Remove: the
// subscription is gone; nothing is sent.
const (
	None Action = iota
	Send
	SendLast
	Wait
	Remove
)

// Step is an Action and, for Wait, its time.
type Step struct {
	Action Action
	At     time.Time
}

// Notice says what kind of notice has become the newest; its content stays
// with the caller.
type Notice struct {
	// Mandatory notices answer a SUBSCRIBE or change the subscription's
	// state; they are not delayed by the interval.
	Mandatory bool
	// Final notices are terminated.
	Final bool
}

// Notifier decides when the NOTIFYs of one subscription go out. The newest
// notice wins: what waits is replaced, never queued. The zero Notifier is
// ready. It is not safe for concurrent use.
type Notifier struct {
	// earliest is when the next notice that is not mandatory may go out:
	// the spacing of RFC 3856 §6.10, or a Retry-After.
	earliest time.Time
	// calm is when the first final notice may go out after a restart.
	calm time.Time

	held    bool // the SUBSCRIBE's response has not been sent yet
	busy    bool // a NOTIFY is outstanding
	queued  bool // there is a notice to send
	urgent  bool // it is mandatory
	final   bool // it is terminated
	removed bool
}

// Gone reports whether the subscription has ended, or will with the notice
// that waits.
func (n *Notifier) Gone() bool { return n.removed || n.final }

// Removed reports whether the subscription has ended and no NOTIFY follows.
func (n *Notifier) Removed() bool { return n.removed }

// Takes reports whether Offer would take a notice: the subscription lives, or
// a SUBSCRIBE that may start it anew is being answered.
func (n *Notifier) Takes() bool { return !n.removed && (!n.final || n.held) }

// Hold keeps back notices until Release, so that the response to a SUBSCRIBE
// goes out before its NOTIFY.
func (n *Notifier) Hold() { n.held, n.calm = true, time.Time{} }

// Release ends what Hold began.
func (n *Notifier) Release(now time.Time, interval time.Duration) Step {
	n.held = false
	return n.step(now, interval)
}

// Offer takes a new notice in the place of one that waits.
func (n *Notifier) Offer(o Notice, now time.Time, interval time.Duration) Step {
	if !n.Takes() {
		return Step{}
	}
	n.queued = true
	n.urgent = n.urgent || o.Mandatory || o.Final
	// A SUBSCRIBE that is being answered may start anew what had ended in
	// the meantime; nothing else takes a termination back.
	n.final = o.Final
	return n.step(now, interval)
}

// Delay keeps notices back until t, or until a SUBSCRIBE comes, unless they
// are mandatory and not final: after a restart many subscriptions may have
// something to tell, or have ended, at once.
func (n *Notifier) Delay(t time.Time) { n.earliest, n.calm = t, t }

// Due is called at the time of a Wait.
func (n *Notifier) Due(now time.Time, interval time.Duration) Step {
	return n.step(now, interval)
}

// Answered takes the outcome of the outstanding NOTIFY. retry is the
// Retry-After of a failure, 0 without.
func (n *Notifier) Answered(o Outcome, retry time.Duration, now time.Time, interval time.Duration) Step {
	n.busy = false
	if n.removed {
		return Step{}
	}
	if o == Dead {
		// RFC 6665 §4.2.2: the notifier MUST remove the subscription.
		n.removed = true
		return Step{Action: Remove}
	}
	if t := now.Add(retry); retry > 0 && t.After(n.earliest) {
		n.earliest = t
	}
	return n.step(now, interval)
}

// Remove ends the subscription without a NOTIFY.
func (n *Notifier) Remove() { n.removed = true }

func (n *Notifier) step(now time.Time, interval time.Duration) Step {
	// RFC 5263 §4.4: no new NOTIFY before the outcome of the last is known.
	if n.removed || n.held || n.busy || !n.queued {
		return Step{}
	}
	if n.final && now.Before(n.calm) {
		return Step{Action: Wait, At: n.calm}
	}
	// RFC 3856 §6.10: notifications SHOULD NOT come more often than every
	// five seconds.
	if !n.urgent && now.Before(n.earliest) {
		return Step{Action: Wait, At: n.earliest}
	}
	n.queued, n.urgent = false, false
	n.earliest = now.Add(interval)
	if n.final {
		n.removed = true
		return Step{Action: SendLast}
	}
	n.busy = true
	return Step{Action: Send}
}

// Outcome is what became of a NOTIFY.
type Outcome uint8

// The outcomes. Failed keeps the subscription; the state is told with the
// next change. Dead ends it.
const (
	Delivered Outcome = iota
	Failed
	Dead
)

// OutcomeOf classifies the final response to a NOTIFY.
func OutcomeOf(code int) Outcome {
	switch {
	case code < 300:
		return Delivered
	// RFC 6665 §4.2.2: these responses remove the subscription.
	case code >= 480 && code <= 485:
		return Dead
	}
	switch code {
	case 404, 405, 410, 416, 489, 501, 604:
		return Dead
	case 408: // RFC 6665 §4.2.2: Timer F, of a proxy on the way.
		return Dead
	}
	return Failed
}
