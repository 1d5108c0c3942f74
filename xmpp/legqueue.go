package xmpp

import (
	"sync"

	"github.com/porchlight-im/porchlight/bridge"
)

// legQueue holds legs for the writer, each once.
type legQueue struct {
	wake chan struct{} // capacity 1

	mu    sync.Mutex
	has   map[bridge.Leg]bool
	order []bridge.Leg
}

func newLegQueue() *legQueue {
	return &legQueue{wake: make(chan struct{}, 1), has: make(map[bridge.Leg]bool)}
}

// put queues leg, unless it is queued already.
func (q *legQueue) put(leg bridge.Leg) {
	q.mu.Lock()
	if !q.has[leg] {
		q.has[leg] = true
		q.order = append(q.order, leg)
	}
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take returns the leg that was queued first.
func (q *legQueue) take() (leg bridge.Leg, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.order) == 0 {
		return leg, false
	}
	leg = q.order[0]
	q.order = q.order[1:]
	delete(q.has, leg)
	return leg, true
}
