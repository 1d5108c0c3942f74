package bridge

import (
	"container/heap"
	"time"
)

// due is something that happens at an instant: a publication or subscription
// expires, a composition changes by itself.
type due struct {
	at    time.Time
	index int // in the heap; -1 when not in it
	run   func(fx *effects)
}

// dueHeap has the earliest on top.
type dueHeap []*due

func (d dueHeap) Len() int           { return len(d) }
func (d dueHeap) Less(i, j int) bool { return d[i].at.Before(d[j].at) }
func (d dueHeap) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].index, d[j].index = i, j
}
func (d *dueHeap) Push(x any) {
	e := x.(*due)
	e.index = len(*d)
	*d = append(*d, e)
}
func (d *dueHeap) Pop() any {
	old := *d
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*d = old[:len(old)-1]
	e.index = -1
	return e
}

// schedule makes run happen at, in place of e if that is not nil. run is
// called with the shard locked.
func (sh *shard) schedule(h *Hub, e *due, at time.Time, run func(fx *effects)) *due {
	if e == nil {
		e = &due{index: -1}
	}
	e.at, e.run = at, run
	if e.index < 0 {
		heap.Push(&sh.due, e)
	} else {
		heap.Fix(&sh.due, e.index)
	}
	if e.index == 0 {
		sh.arm(h)
	}
	return e
}

// cancel takes e, which may be nil, out.
func (sh *shard) cancel(e *due) {
	if e != nil && e.index >= 0 {
		heap.Remove(&sh.due, e.index)
	}
}

// arm sets the shard's one timer to the top of the heap.
func (sh *shard) arm(h *Hub) {
	if len(sh.due) == 0 || h.closed.Load() {
		return
	}
	wait := max(time.Until(sh.due[0].at), 0)
	if sh.timer == nil {
		sh.timer = time.AfterFunc(wait, func() { h.expire(sh) })
	} else {
		sh.timer.Reset(wait)
	}
}

// expiryBatch bounds how many due entries one critical section handles, so
// that requests get their turn during a mass expiry.
const expiryBatch = 256

// expire runs what is due, through the same code as an explicit removal. What
// expires of one presentity at one instant is one change of it (PUB-23).
func (h *Hub) expire(sh *shard) {
	h.leave(sh, h.section(sh, func(fx *effects) {
		now := time.Now()
		for n := 0; n < expiryBatch && len(sh.due) > 0 && !sh.due[0].at.After(now) && !h.closed.Load(); n++ {
			heap.Pop(&sh.due).(*due).run(fx)
		}
		change := NewChange()
		for _, pr := range fx.touched {
			h.recompose(sh, pr, change, fx)
			sh.drop(pr)
		}
		sh.arm(h)
	}))
}
