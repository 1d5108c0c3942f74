package xmpp

import (
	"sync"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
)

// ask is what the hub wants of the home of a leg's presentity.
type ask uint8

const (
	askFetch ask = iota + 1
	askFollow
	askDetach
)

// asks holds, per leg, the newest ask, until the stream can take it. It never
// grows past the legs that there are. It also knows which legs are followed.
type asks struct {
	wake chan struct{} // capacity 1

	mu    sync.Mutex
	want  map[bridge.Leg]ask
	order []bridge.Leg
	// follows has the legs that are attached and were asked for; the time is
	// when to ask again, zero for never.
	follows map[bridge.Leg]time.Time
	retries int // how many of them at least have a time
}

func newAsks() *asks {
	return &asks{wake: make(chan struct{}, 1), want: make(map[bridge.Leg]ask), follows: make(map[bridge.Leg]time.Time)}
}

// put queues how for leg. A fetch does not take the place of anything else:
// whatever is queued brings the state as well, or ends all interest.
func (a *asks) put(leg bridge.Leg, how ask) {
	a.mu.Lock()
	old := a.want[leg]
	if old == 0 {
		a.order = append(a.order, leg)
	}
	if how != askFetch || old == 0 || old == askDetach {
		a.want[leg] = how
	}
	if how == askDetach {
		delete(a.follows, leg)
	}
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// take returns the oldest ask.
func (a *asks) take() (leg bridge.Leg, how ask, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.order) == 0 {
		return leg, 0, false
	}
	leg = a.order[0]
	a.order = a.order[1:]
	how = a.want[leg]
	delete(a.want, leg)
	return leg, how, true
}

// follow notes that leg is followed, and reports whether it was not before.
func (a *asks) follow(leg bridge.Leg) (fresh bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, was := a.follows[leg]
	a.follows[leg] = time.Time{}
	return !was
}

// forget notes that leg is over: the next ask for it begins anew.
func (a *asks) forget(leg bridge.Leg) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.follows, leg)
}

// following reports whether leg is followed.
func (a *asks) following(leg bridge.Leg) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, ok := a.follows[leg]
	return ok
}

// later notes that leg, if it is followed, is to be asked for again at t.
func (a *asks) later(leg bridge.Leg, t time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.follows[leg]; ok {
		a.follows[leg] = t
		a.retries++
	}
}

// due queues the legs whose time to ask again has come.
func (a *asks) due(now time.Time) {
	a.mu.Lock()
	if a.retries == 0 {
		a.mu.Unlock()
		return
	}
	var legs []bridge.Leg
	a.retries = 0
	for leg, t := range a.follows {
		if !t.IsZero() && !now.Before(t) {
			legs = append(legs, leg)
		} else if !t.IsZero() {
			a.retries++
		}
	}
	a.mu.Unlock()
	for _, leg := range legs {
		a.put(leg, askFollow)
	}
}
