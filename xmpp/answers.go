package xmpp

import "sync"

// answers collects rendered replies for the writer. It is bounded: a server
// that does not read loses answers, not our memory.
type answers struct {
	wake    chan struct{} // capacity 1
	metrics *metrics

	mu  sync.Mutex
	buf []byte
}

func newAnswers(m *metrics) *answers {
	return &answers{wake: make(chan struct{}, 1), metrics: m}
}

// add queues what render appends, and reports whether there was room.
func (a *answers) add(kind string, render func(dst []byte) []byte) bool {
	a.mu.Lock()
	if len(a.buf) > maxAnswers {
		a.mu.Unlock()
		a.metrics.dropped.Inc()
		return false
	}
	a.buf = render(a.buf)
	a.mu.Unlock()
	a.metrics.out(kind)
	select {
	case a.wake <- struct{}{}:
	default:
	}
	return true
}

// take appends what is queued to dst and empties the queue.
func (a *answers) take(dst []byte) []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	dst = append(dst, a.buf...)
	if cap(a.buf) > flushAt {
		a.buf = nil
	}
	a.buf = a.buf[:0]
	return dst
}
