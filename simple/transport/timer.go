package transport

import "time"

// due is something that happens at a time, while it is in an agenda.
type due[T any] struct {
	at  time.Time
	pos int // index in the heap plus one; 0 means not there
	of  T
}

// agenda is a min-heap of dues. Its owner guards it with a lock.
type agenda[T any] struct{ heap []*due[T] }

// set puts d in at a time, or moves it there.
func (a *agenda[T]) set(d *due[T], at time.Time) {
	d.at = at
	if d.pos == 0 {
		a.heap = append(a.heap, d)
		d.pos = len(a.heap)
	}
	a.up(d.pos - 1)
	a.down(d.pos - 1)
}

// drop takes d out, if it is in.
func (a *agenda[T]) drop(d *due[T]) {
	if d.pos == 0 {
		return
	}
	i, last := d.pos-1, len(a.heap)-1
	a.swap(i, last)
	a.heap[last] = nil
	a.heap = a.heap[:last]
	d.pos = 0
	if i < last {
		a.up(i)
		a.down(i)
	}
}

// next returns the earliest, or nil.
func (a *agenda[T]) next() *due[T] {
	if len(a.heap) == 0 {
		return nil
	}
	return a.heap[0]
}

// take removes and returns the earliest if its time has come.
func (a *agenda[T]) take(now time.Time) *due[T] {
	d := a.next()
	if d == nil || d.at.After(now) {
		return nil
	}
	a.drop(d)
	return d
}

func (a *agenda[T]) swap(i, j int) {
	h := a.heap
	h[i], h[j] = h[j], h[i]
	h[i].pos, h[j].pos = i+1, j+1
}

func (a *agenda[T]) up(i int) {
	for i > 0 {
		p := (i - 1) / 2
		if !a.heap[i].at.Before(a.heap[p].at) {
			return
		}
		a.swap(i, p)
		i = p
	}
}

func (a *agenda[T]) down(i int) {
	for {
		c := 2*i + 1
		if c >= len(a.heap) {
			return
		}
		if c+1 < len(a.heap) && a.heap[c+1].at.Before(a.heap[c].at) {
			c++
		}
		if !a.heap[c].at.Before(a.heap[i].at) {
			return
		}
		a.swap(i, c)
		i = c
	}
}

// alarm sleeps until the earliest due of an agenda. The owner of the agenda
// calls rearm, under its lock, after each change.
type alarm struct {
	wake  chan struct{} // capacity 1
	armed time.Time     // when run will look next; guarded by the owner's lock
}

func newAlarm() alarm { return alarm{wake: make(chan struct{}, 1)} }

// rearm wakes run when the earliest due comes before it would look.
func (a *alarm) rearm(earliest time.Time) {
	if !a.armed.IsZero() && !earliest.Before(a.armed) {
		return
	}
	a.armed = earliest
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// run calls fire whenever something is due. fire does what is due and returns
// the next time, having set armed to it under the owner's lock.
func (a *alarm) run(stop <-chan struct{}, fire func(now time.Time) time.Time) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		at := fire(time.Now())
		var ring <-chan time.Time
		if !at.IsZero() {
			timer.Reset(time.Until(at))
			ring = timer.C
		}
		select {
		case <-ring:
		case <-a.wake:
		case <-stop:
			return
		}
	}
}
