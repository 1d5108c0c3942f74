package transport

import "sync"

// dispatcher hands requests to the handler: those of one Call-ID one after
// the other in order of arrival, others side by side on at most max workers.
// A worker is started when there is work for it. Some wait for more when there
// is none: starting a goroutine, and letting its stack grow, for each request
// was a tenth of its cost.
type dispatcher struct {
	handle func(*Request)
	start  func(func()) bool // starts a worker
	max    int               // workers
	limit  int               // requests waiting
	bytes  int               // of requests waiting

	mu      sync.Mutex
	calls   map[string]*call // with requests waiting or in the handler
	ready   []*call          // waiting for a worker
	workers int
	waiting int
	size    int        // bytes of those waiting
	parked  int        // workers without work
	wake    *sync.Cond // for one of them
	stopped bool
}

// maxParked is how many workers wait for work.
const maxParked = 64

// call is the line of requests of one Call-ID.
type call struct {
	id   string
	line []*Request
	head int
}

func newDispatcher(lim Limits, start func(func()) bool, handle func(*Request)) *dispatcher {
	d := &dispatcher{
		handle: handle, start: start,
		max: lim.Workers, limit: lim.Queue, bytes: lim.QueueBytes,
		calls: make(map[string]*call),
	}
	d.wake = sync.NewCond(&d.mu)
	return d
}

// add queues r under a Call-ID; false when the queue is full.
func (d *dispatcher) add(id string, r *Request) bool {
	d.mu.Lock()
	if d.waiting >= d.limit || d.size+r.size > d.bytes && d.waiting > 0 {
		d.mu.Unlock()
		return false
	}
	d.waiting++
	d.size += r.size
	c := d.calls[id]
	if c != nil { // a worker has it, or it is in ready already
		c.line = append(c.line, r)
		d.mu.Unlock()
		return true
	}
	c = &call{id: id, line: []*Request{r}}
	d.calls[id] = c
	d.ready = append(d.ready, c)
	grow := d.parked == 0 && d.workers < d.max
	if grow {
		d.workers++
	} else if d.parked > 0 {
		d.parked--
		d.wake.Signal()
	}
	d.mu.Unlock()
	if grow && !d.start(d.work) {
		d.mu.Lock()
		d.workers--
		d.mu.Unlock()
	}
	return true
}

// stop ends the workers that wait; the others end when there is no more work.
func (d *dispatcher) stop() {
	d.mu.Lock()
	d.stopped, d.parked = true, 0
	d.wake.Broadcast()
	d.mu.Unlock()
}

// work is one worker.
func (d *dispatcher) work() {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer func() { d.workers-- }()
	for d.next() {
		c := d.ready[0]
		d.ready[0] = nil
		d.ready = d.ready[1:]
		// One request per turn, so that a busy call does not keep a worker.
		r := c.line[c.head]
		c.line[c.head] = nil
		c.head++
		d.waiting--
		d.size -= r.size
		d.mu.Unlock()
		d.handle(r)
		d.mu.Lock()
		if c.head < len(c.line) {
			c.shrink()
			d.ready = append(d.ready, c)
		} else {
			delete(d.calls, c.id)
		}
	}
}

// next waits for work; false means that there is none and the worker may go.
// The lock is held.
func (d *dispatcher) next() bool {
	for len(d.ready) == 0 {
		if d.stopped || d.parked >= maxParked {
			return false
		}
		d.parked++
		d.wake.Wait()
	}
	return true
}

// shrink gives back the part of the line that is done.
func (c *call) shrink() {
	if c.head > 64 && c.head > len(c.line)/2 {
		c.line = append([]*Request(nil), c.line[c.head:]...)
		c.head = 0
	}
}

// group counts goroutines, so that they can be waited for and no new ones
// start once it is closed. (A WaitGroup forbids Add beside Wait at zero.)
type group struct {
	mu     sync.Mutex
	n      int
	closed bool
	zero   *sync.Cond
}

func newGroup() *group {
	g := &group{}
	g.zero = sync.NewCond(&g.mu)
	return g
}

// start runs f on a goroutine, unless the group is closed.
func (g *group) start(f func()) bool {
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		return false
	}
	g.n++
	g.mu.Unlock()
	go func() {
		defer func() {
			g.mu.Lock()
			g.n--
			if g.n == 0 {
				g.zero.Broadcast()
			}
			g.mu.Unlock()
		}()
		f()
	}()
	return true
}

// close refuses new goroutines and waits for those that run.
func (g *group) close() {
	g.mu.Lock()
	g.closed = true
	for g.n > 0 {
		g.zero.Wait()
	}
	g.mu.Unlock()
}
