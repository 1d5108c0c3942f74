package event

import "time"

// Phase is where a subscription stands for its subscriber (RFC 6665 §4.1.2).
type Phase uint8

// The phases of the diagram of RFC 6665 §4.1.2. In Terminated a subscription
// waits until it is to be asked for anew, unless it is [Subscriber.Over].
const (
	Init Phase = iota
	NotifyWait
	Pending
	Active
	Terminated
)

// Orders are what the caller has to do after an input, in this order. Several
// may be set.
type Orders uint16

// The orders.
const (
	// Subscribe: send a SUBSCRIBE in a new dialog, with a new Call-ID and tag.
	Subscribe Orders = 1 << iota
	// Refresh: send a SUBSCRIBE within the dialog.
	Refresh
	// Unsubscribe: send a SUBSCRIBE with Expires 0 within the dialog.
	Unsubscribe
	// Probe: ask whether the watcher is still there; a refresh follows soon.
	Probe
	// Store: the dialog or its expiry has changed.
	Store
	// TellPending, TellActive: the presentity's home says so for the first
	// time.
	TellPending
	TellActive
	// TellLost: nothing is known of the presentity any more, and it is not
	// known when that will change. The authorization stays.
	TellLost
	// TellEnded: it is over, see [Subscriber.End].
	TellEnded
	// Forget: no dialog, no timer, nothing to be done any more.
	Forget
)

// Times of the subscriber.
const (
	// TimerN is how long a SUBSCRIBE waits for its NOTIFY: 64·T1
	// (RFC 6665 §4.1.2.4).
	TimerN = 32 * time.Second
	// probeAhead is how long before a refresh the watcher is probed.
	probeAhead = 10 * time.Second
	// lostAfter is how long a lost subscription may be without a successor
	// until what is known of the presentity is not true any more.
	lostAfter = 2 * time.Minute
	// leastRefresh is the shortest time between two refreshes, whatever the
	// notifier grants.
	leastRefresh = 10 * time.Second
	// steady is how long a subscription must last to count as a success.
	steady = time.Minute
	// backoffFirst doubles with each failure, up to backoffLast.
	backoffFirst = 15 * time.Second
	backoffLast  = time.Hour
	// backoffProbation is the least wait after "probation" and "giveup".
	backoffProbation = time.Minute
	// mostExpires bounds what a Min-Expires can make us ask for, and any
	// time that a peer names.
	mostExpires = 7 * 24 * time.Hour
)

// Subscriber is the subscription of RFC 6665 §4.1.2 as its subscriber sees
// it: it decides when a SUBSCRIBE is sent and what its outcome means. It is
// made by [NewSubscriber] or [ResumeSubscriber], and not safe for concurrent
// use. Its deadlines are asked for by [Subscriber.Next].
type Subscriber struct {
	phase   Phase
	fetch   bool // one NOTIFY and no more
	leaving bool // the watcher is gone
	over    bool // no new attempt
	end     End
	asks    time.Duration // the Expires to ask for
	jitter  float64       // 0 to 1, spreads what many do together

	asking  bool // a SUBSCRIBE is ordered and not answered
	again   bool // refresh once more, when it is answered
	ending  bool // a SUBSCRIBE with Expires 0 is ordered
	briefs  int  // 423 in a row
	failed  int  // attempts that failed in a row
	told    Phase
	began   time.Time // the last Subscribe order
	quick   time.Time // the last one that followed at once
	barred  time.Time // the peer's Retry-After
	granted bool      // a NOTIFY said the expiry since the last SUBSCRIBE

	timerN    time.Time // these are zero while they do not run
	expires   time.Time
	probeAt   time.Time
	refreshAt time.Time
	retryAt   time.Time
	lostAt    time.Time
}

// End is why a subscription is over.
type End struct {
	Reason string // of RFC 6665 §4.1.3
	Code   int    // of the response to SUBSCRIBE; 0: a NOTIFY said it
}

// NewSubscriber returns a subscription in Init that asks for a lifetime, or,
// with 0, fetches the state once. jitter, between 0 and 1, is a number of
// chance that keeps subscriptions apart which fail together.
func NewSubscriber(lifetime time.Duration, jitter float64) *Subscriber {
	return &Subscriber{asks: lifetime, fetch: lifetime == 0, jitter: jitter}
}

// ResumeSubscriber returns a subscription that has a dialog already, from the
// process before; active says that it is not pending.
func ResumeSubscriber(lifetime time.Duration, jitter float64, active bool, expires, now time.Time) *Subscriber {
	s := NewSubscriber(lifetime, jitter)
	s.phase = Pending
	if active {
		s.phase = Active
	}
	s.told = s.phase
	s.grant(expires.Sub(now), now)
	return s
}

// Phase returns where the subscription stands.
func (s *Subscriber) Phase() Phase { return s.phase }

// Over reports whether the subscription will not be asked for again.
func (s *Subscriber) Over() bool { return s.over }

// End says why it is over.
func (s *Subscriber) End() End { return s.end }

// Expires returns when the subscription ends unless it is refreshed.
func (s *Subscriber) Expires() time.Time { return s.expires }

// Asks returns the Expires that the next SUBSCRIBE asks for.
func (s *Subscriber) Asks() time.Duration {
	if s.leaving {
		return 0
	}
	return s.asks
}

// Next returns when Due has to be called, zero when never.
func (s *Subscriber) Next() time.Time {
	var next time.Time
	if s.over {
		return next
	}
	for _, t := range []time.Time{s.timerN, s.expires, s.probeAt, s.refreshAt, s.retryAt, s.lostAt} {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	return next
}

// Start asks for the subscription.
func (s *Subscriber) Start(now time.Time) Orders {
	if s.phase != Init || s.over {
		return 0
	}
	return s.subscribe(now)
}

// Again asks for the state anew: RFC 8048 §5.2.2, the watcher has come back.
// From Init it starts.
func (s *Subscriber) Again(now time.Time) Orders {
	switch {
	case s.over || s.leaving:
	case s.phase == Init:
		return s.subscribe(now)
	case s.fetch:
	case s.phase == Terminated:
		// A wait of our own choice is cut short, but not over and over.
		if !now.Before(s.barred) && now.Sub(s.began) > backoffFirst {
			return s.subscribe(now)
		}
	case s.phase == NotifyWait:
		// What comes is new.
	case s.asking:
		s.again = true
	default:
		return s.refresh()
	}
	return 0
}

// Leave ends the subscription: RFC 8048 §5.2.3.
func (s *Subscriber) Leave(now time.Time) Orders {
	if s.over {
		return 0
	}
	s.leaving, s.again = true, false
	s.probeAt, s.refreshAt, s.retryAt, s.lostAt = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	switch {
	case s.fetch || s.phase != Pending && s.phase != Active:
		// Without a dialog there is nothing to end. A NOTIFY that still comes
		// gets 481, which ends what it belongs to (RFC 6665 §4.2.2).
		return s.forget()
	case s.asking:
		return 0 // when it is answered
	}
	return s.unsubscribe()
}

// Sent says that the ordered SUBSCRIBE is on its way.
func (s *Subscriber) Sent(now time.Time) {
	if s.asking {
		// RFC 6665 §4.1.2.2, §4.1.2.4: Timer N starts when it is sent.
		s.timerN, s.granted = now.Add(TimerN), false
	}
}

// Due is called at the time of Next.
func (s *Subscriber) Due(now time.Time) Orders {
	if s.over {
		return 0
	}
	var o Orders
	if passed(&s.lostAt, now) && s.told == Active {
		o |= TellLost
	}
	switch {
	case passed(&s.timerN, now):
		// RFC 6665 §4.1.2.4: no NOTIFY in time, the subscription has failed.
		s.asking = false
		return o | s.terminate(false, 0, now)
	case passed(&s.retryAt, now):
		return o | s.subscribe(now)
	case passed(&s.expires, now):
		if s.asking && !s.timerN.IsZero() {
			return o // the answer to the refresh decides
		}
		s.asking = false
		return o | s.terminate(true, 0, now)
	}
	if passed(&s.probeAt, now) {
		o |= Probe
	}
	if passed(&s.refreshAt, now) {
		if s.asking {
			s.again = true
			return o
		}
		o |= s.refresh()
	}
	return o
}

// passed reports whether *t has come, and stops it.
func passed(t *time.Time, now time.Time) bool {
	if t.IsZero() || now.Before(*t) {
		return false
	}
	*t = time.Time{}
	return true
}

func (s *Subscriber) subscribe(now time.Time) Orders {
	s.phase, s.began, s.asking, s.again = NotifyWait, now, true, false
	s.retryAt, s.expires = time.Time{}, time.Time{}
	return Subscribe
}

func (s *Subscriber) refresh() Orders {
	s.asking, s.again = true, false
	s.probeAt, s.refreshAt = time.Time{}, time.Time{}
	return Refresh
}

func (s *Subscriber) unsubscribe() Orders {
	s.asking, s.ending = true, true
	return Unsubscribe
}

// terminate leads to Terminated, and from there back to Init and on: at once,
// or after a back-off that is at least wait.
func (s *Subscriber) terminate(atOnce bool, wait time.Duration, now time.Time) Orders {
	s.phase, s.asking, s.again = Terminated, false, false
	s.timerN, s.expires, s.probeAt, s.refreshAt = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	if s.leaving || s.fetch {
		return s.forget()
	}
	if s.told == Active && s.lostAt.IsZero() {
		s.lostAt = now.Add(lostAfter)
	}
	// A notifier that ends each subscription at once is not asked in a loop.
	if atOnce && now.Sub(s.quick) >= steady {
		s.quick = now
		return Store | s.subscribe(now)
	}
	wait = min(wait, mostExpires)
	s.barred = now.Add(wait)
	s.retryAt = now.Add(max(s.backoff(), wait))
	return Store
}

// backoff counts a failure and returns how long to wait for the next attempt.
func (s *Subscriber) backoff() time.Duration {
	d := backoffLast
	if s.failed < 10 {
		d = min(d, backoffFirst<<s.failed)
	}
	s.failed++
	return time.Duration(float64(d) * (1 + s.jitter/2))
}

// finish is the end that no attempt follows.
func (s *Subscriber) finish(e End) Orders {
	told := !s.leaving && !s.fetch
	o := s.forget()
	s.phase, s.end = Terminated, e
	if told {
		o |= TellEnded
	}
	return o
}

func (s *Subscriber) forget() Orders {
	s.over, s.asking = true, false
	s.timerN = time.Time{}
	return Forget
}

// grant sets the expiry and, from it, the refresh.
func (s *Subscriber) grant(d time.Duration, now time.Time) {
	d = min(max(d, 0), mostExpires)
	s.expires = now.Add(d)
	if s.leaving || s.fetch {
		return
	}
	// Refreshed after some 90 %, at least 30 s before the end, and within the
	// first half of what is very short.
	after := max(min(d*9/10, d-30*time.Second), d/2)
	after -= time.Duration(float64(after) * 0.02 * s.jitter)
	after = max(after, leastRefresh)
	s.refreshAt = now.Add(after)
	s.probeAt = now.Add(after - min(probeAhead, after/5))
}
