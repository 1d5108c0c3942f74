//go:build linux

package main

// timerKind is what a timer looks after.
type timerKind uint8

const (
	timerPublish   timerKind = iota // a PUBLISH without its response
	timerSubscribe                  // a SUBSCRIBE without its response
	timerNotify                     // a SUBSCRIBE without its NOTIFY
	timerRound                      // a round whose watchers are not all there
)

// timer is checked when it is due; key and dialog tell whether what it was for
// still goes on.
type timer struct {
	due         int64
	index       int32
	key, dialog uint32
	kind        timerKind
}

// timerQueue holds timers of one interval, so that they are in order.
type timerQueue struct {
	d    []timer
	head int
}

func (q *timerQueue) push(t timer) {
	if q.head > 4096 && q.head*2 > len(q.d) {
		q.d = append(q.d[:0], q.d[q.head:]...)
		q.head = 0
	}
	q.d = append(q.d, t)
}

func (e *engine) fireTimers() {
	for n := range e.timers {
		q := &e.timers[n]
		for q.head < len(q.d) && q.d[q.head].due <= e.now {
			t := q.d[q.head]
			q.head++
			if e.fire(t) {
				e.again(n, t)
			}
		}
		if q.head == len(q.d) {
			q.d, q.head = q.d[:0], 0
		}
	}
}

// again sets a timer for twice its interval, eight times T1 at most: Timer E
// with a T2 of 4 s.
func (e *engine) again(n int, t timer) {
	n = min(n+1, len(e.timers)-1)
	t.due = e.now + e.cfg.t1<<uint(n)
	e.timers[n].push(t)
}

// fire does what a timer is for and reports whether to set it again.
func (e *engine) fire(t timer) bool {
	switch t.kind {
	case timerPublish:
		return e.firePublish(t)
	case timerSubscribe:
		return e.fireSubscribe(t)
	case timerNotify:
		return e.fireNotify(t)
	default:
		return e.fireRound(t)
	}
}

func (e *engine) firePublish(t timer) bool {
	p := &e.pubs[t.index]
	if !p.active || p.cseq != t.key {
		return false
	}
	if e.now-p.sent >= e.cfg.timeout {
		e.st.n[timeouts]++
		p.active, p.waiting = false, false
		p.etag = nil
		e.publishDone(t.index, p, 408)
		return false
	}
	if !e.cfg.tcp {
		e.st.n[retransmits]++
		e.sendPublish(t.index, p)
	}
	return true
}

func (e *engine) fireSubscribe(t timer) bool {
	w := &e.wats[t.index]
	if !w.active || w.dialog != t.dialog || w.cseq != t.key {
		return false
	}
	if e.now-w.sent >= e.cfg.timeout {
		e.st.n[timeouts]++
		e.subscribeFailed(t.index, w)
		return false
	}
	if !e.cfg.tcp {
		e.st.n[retransmits]++
		e.sendSubscribe(t.index, w)
	}
	return true
}

func (e *engine) fireNotify(t timer) bool {
	w := &e.wats[t.index]
	if w.dialog != t.dialog || w.cseq != t.key || w.notified || !w.answered && !w.active ||
		w.state != subscribing && w.state != ending {
		return false
	}
	if e.now-w.sent < e.cfg.timeout {
		return true
	}
	if !w.active { // else the transaction's own timer reports it
		e.st.n[noNotify]++
		e.subscribeFailed(t.index, w)
	}
	return false
}

func (e *engine) fireRound(t timer) bool {
	p := &e.pubs[t.index]
	if !p.waiting || p.version != t.key {
		return false
	}
	if e.now-p.sent < e.cfg.waitMax {
		return true
	}
	e.st.n[waitAllTimeouts]++
	p.waiting = false
	if !p.active {
		e.publishDone(t.index, p, 200)
	}
	return false
}
