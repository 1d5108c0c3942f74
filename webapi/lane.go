package webapi

import (
	"context"
	"sync"
	"time"
)

// laneSize is how many feeds share one Wake channel. A wake costs a look into
// the outboxes of all of them, about 30 ns each.
const laneSize = 64

// lane is a group of feeds that share one goroutine, which starts a writer for
// each feed that has something to say, and keeps their heartbeats.
type lane struct {
	wake chan struct{} // of every outbox in the lane
	stop chan struct{}

	mu    sync.Mutex
	conns map[*conn]struct{}
}

// laneWithRoom returns a lane that has room, starting one when there is none.
// Port.mu is held.
func (p *Port) laneWithRoom(ctx context.Context) *lane {
	for _, l := range p.lanes {
		if l.size() < laneSize {
			return l
		}
	}
	l := &lane{wake: make(chan struct{}, 1), stop: make(chan struct{}), conns: make(map[*conn]struct{}, laneSize)}
	p.lanes = append(p.lanes, l)
	p.tasks.Go(func() { l.run(ctx) })
	return l
}

func (l *lane) run(ctx context.Context) {
	tick := time.NewTicker(laneTick)
	defer tick.Stop()
	for {
		select {
		case <-l.wake:
			l.each((*conn).wake)
		case now := <-tick.C:
			l.each(func(c *conn) { c.beat(ctx, now) })
		case <-l.stop:
			return
		}
	}
}

func (l *lane) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns)
}

func (l *lane) add(c *conn) {
	l.mu.Lock()
	l.conns[c] = struct{}{}
	l.mu.Unlock()
}

func (l *lane) remove(c *conn) {
	l.mu.Lock()
	delete(l.conns, c)
	l.mu.Unlock()
}

// each calls f with every feed of the lane, under its lock: f must not block.
func (l *lane) each(f func(*conn)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		f(c)
	}
}
