package simple

import (
	"container/heap"
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/simple/event"
)

// maxSubscribes is how many SUBSCRIBEs are under way at once; more wait. One
// that nobody answers takes 32 seconds.
const maxSubscribes = 200

// askExpires is the lifetime that is asked for (RFC 3856 §6.4, RFC 8048
// §5.2.1).
const askExpires = time.Hour

// subscriber watches presentities of SIP domains whose home is elsewhere, for
// the hub: the client side of RFC 6665. What each subscription does is
// decided by event.Subscriber.
//
// Everything but the NOTIFYs, which come on goroutines of the transport, is
// done by one goroutine, so that neither the hub nor the transport waits.
// Locks: a follow's, then the subscriber's; none is held while the hub or the
// transport is called.
type subscriber struct {
	port *Port
	// user and password answer challenges of the next hop; without a user a
	// challenge counts as a passing trouble.
	user, password string

	wake chan struct{} // capacity 1
	end  context.CancelFunc
	wg   sync.WaitGroup

	mu      sync.Mutex
	inbox   []func()
	legs    map[bridge.Leg]*follow // subscriptions that the hub wants
	fetches map[bridge.Leg]*follow
	tags    map[string]*follow // by our tag, also what is being ended
	timers  followHeap
	busy    int // SUBSCRIBEs under way
	waiting []*ticket
}

func newSubscriber(p *Port, user, password string) *subscriber {
	return &subscriber{
		port: p, user: user, password: password, wake: make(chan struct{}, 1), end: func() {},
		legs: map[bridge.Leg]*follow{}, fetches: map[bridge.Leg]*follow{}, tags: map[string]*follow{},
	}
}

// attach makes the subscription of a leg, or asks for its state anew.
func (s *subscriber) attach(leg bridge.Leg, how bridge.Interest) {
	s.later(func() {
		for !s.tryAttach(leg, how) {
		}
	})
}

// tryAttach fails when the subscription that it finds has just ended.
func (s *subscriber) tryAttach(leg bridge.Leg, how bridge.Interest) bool {
	s.mu.Lock()
	table, lifetime := s.legs, askExpires
	if how == bridge.Fetch {
		table, lifetime = s.fetches, 0
	}
	f := table[leg]
	if f == nil {
		f = &follow{leg: leg, fetch: how == bridge.Fetch, sub: event.NewSubscriber(lifetime, rand.Float64())}
		table[leg] = f
	}
	s.mu.Unlock()
	ended := false
	s.input(f, func(now time.Time) event.Orders {
		ended = f.sub.Over()
		return f.sub.Again(now) // from Init, it starts
	})
	return !ended
}

// detach ends the subscription of a leg.
func (s *subscriber) detach(leg bridge.Leg) {
	s.later(func() {
		s.mu.Lock()
		gone := []*follow{s.legs[leg], s.fetches[leg]}
		delete(s.legs, leg)
		delete(s.fetches, leg)
		s.mu.Unlock()
		for _, f := range gone {
			if f == nil {
				continue
			}
			s.input(f, func(now time.Time) event.Orders {
				f.left = true
				if !f.fetch {
					f.todo = append(f.todo, func() { s.port.hub.Keep(leg, nil) })
				}
				return f.sub.Leave(now)
			})
		}
	})
}

// resume takes up the subscriptions of the process before and begins to work.
func (s *subscriber) resume() {
	var fs []*follow
	now := time.Now()
	s.port.hub.Attached(s.port.Name(), func(leg bridge.Leg, v bridge.Verdict, _ *presence.State, data []byte) {
		fs = append(fs, s.restore(leg, v, data, now))
	})
	// What the hub has asked for meanwhile is among these.
	s.takeIn()
	for _, f := range fs {
		s.input(f, func(now time.Time) event.Orders {
			if f.sub.Phase() == event.Init {
				return f.sub.Start(now)
			}
			return f.sub.Due(now)
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.end = cancel
	s.wg.Go(func() { s.run(ctx) })
}

// stop ends the work and waits for it. The subscriptions stay: the next
// process takes them up, or they expire.
func (s *subscriber) stop() {
	s.end()
	s.wg.Wait()
}

// later leaves f to the subscriber's goroutine.
func (s *subscriber) later(f func()) {
	s.mu.Lock()
	s.inbox = append(s.inbox, f)
	s.mu.Unlock()
	wakeUp(s.wake)
}

// takeIn does what is left to the subscriber's goroutine, and says how much.
func (s *subscriber) takeIn() int {
	s.mu.Lock()
	inbox := s.inbox
	s.inbox = nil
	s.mu.Unlock()
	for _, f := range inbox {
		f()
	}
	return len(inbox)
}

func (s *subscriber) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		n := s.takeIn()
		s.mu.Lock()
		now := time.Now()
		var due []*follow
		for len(s.timers) > 0 && !s.timers[0].at.After(now) {
			f := heap.Pop(&s.timers).(*follow)
			due = append(due, f)
		}
		pause := time.Hour
		if len(s.timers) > 0 {
			pause = s.timers[0].at.Sub(now)
		}
		s.mu.Unlock()
		for _, f := range due {
			s.input(f, f.sub.Due)
		}
		if n+len(due) > 0 && ctx.Err() == nil {
			continue // that may have made something due
		}
		timer.Reset(pause)
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-timer.C:
		}
	}
}

// schedule makes Due be called at at, or, with zero, never. f.mu is held.
func (s *subscriber) schedule(f *follow, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case at.Equal(f.at) && f.timed:
		return
	case at.IsZero() && f.timed:
		heap.Remove(&s.timers, f.index)
	case at.IsZero():
	case f.timed:
		f.at = at
		heap.Fix(&s.timers, f.index)
	default:
		f.at = at
		heap.Push(&s.timers, f)
	}
	if f.timed && f.index == 0 {
		wakeUp(s.wake)
	}
}

// followHeap are the follows whose timers run, soonest first.
type followHeap []*follow

func (h followHeap) Len() int           { return len(h) }
func (h followHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h followHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
func (h *followHeap) Push(x any) {
	f := x.(*follow)
	f.index, f.timed = len(*h), true
	*h = append(*h, f)
}
func (h *followHeap) Pop() any {
	old := *h
	f := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	f.timed = false
	return f
}
