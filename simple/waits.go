package simple

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// waits holds the dialogs whose next NOTIFY is delayed, soonest first. An
// idle subscription is not in it.
type waits struct {
	// wake receives when the soonest time has become sooner; capacity 1.
	wake chan struct{}

	mu   sync.Mutex
	heap waitHeap
}

type wait struct {
	at time.Time
	d  *dialog
}

type waitHeap []wait

func (h waitHeap) Len() int           { return len(h) }
func (h waitHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h waitHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *waitHeap) Push(x any)        { *h = append(*h, x.(wait)) }
func (h *waitHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	old[len(old)-1] = wait{}
	*h = old[:len(old)-1]
	return x
}

func (w *waits) add(d *dialog, at time.Time) {
	w.mu.Lock()
	first := len(w.heap) == 0 || at.Before(w.heap[0].at)
	heap.Push(&w.heap, wait{at, d})
	w.mu.Unlock()
	if first {
		wakeUp(w.wake)
	}
}

// due takes the soonest dialog whose time has come, nil when there is none.
func (w *waits) due(now time.Time) *dialog {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.heap) == 0 || w.heap[0].at.After(now) {
		return nil
	}
	return heap.Pop(&w.heap).(wait).d
}

// next is how long after now the soonest time comes.
func (w *waits) next(now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.heap) == 0 {
		return time.Hour
	}
	return max(0, w.heap[0].at.Sub(now))
}

func wakeUp(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// chores are calls of the hub that may block, and come up where nothing may:
// at most one for each dialog at a time.
type chores struct {
	wake chan struct{}

	mu    sync.Mutex
	queue []func(context.Context)
}

// choreWorkers is how many chores run side by side; each waits for the store.
const choreWorkers = 16

func (c *chores) add(f func(context.Context)) {
	c.mu.Lock()
	c.queue = append(c.queue, f)
	c.mu.Unlock()
	wakeUp(c.wake)
}

// run does the chores until ctx ends; what is left then is dropped. That a
// watcher is gone is found out again after a restart, and a CSeq block that
// was not stored ends well before its last number.
func (c *chores) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	free := make(chan struct{}, choreWorkers)
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		}
		c.mu.Lock()
		todo := c.queue
		c.queue = nil
		c.mu.Unlock()
		for _, f := range todo {
			select {
			case <-ctx.Done():
				return
			case free <- struct{}{}:
			}
			wg.Go(func() {
				defer func() { <-free }()
				f(ctx)
			})
		}
	}
}
