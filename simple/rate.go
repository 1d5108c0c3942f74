package simple

import (
	"sync"
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// maxRated is how many presentities a rate counts at once.
const maxRated = 100_000

// rate bounds how often each presentity is published: a burst of perMinute,
// and from then on one each minute/perMinute. A presentity is remembered for
// no more than a minute after its last publication.
type rate struct {
	perMinute int // 0: any number

	mu    sync.Mutex
	free  map[presence.Addr]time.Time // when its burst is whole again
	swept time.Time
}

func newRate(perMinute int) *rate {
	return &rate{perMinute: perMinute, free: map[presence.Addr]time.Time{}}
}

// take counts one publication of a and returns 0, or, when there are too
// many, counts nothing and returns how long to wait.
func (r *rate) take(a presence.Addr) (wait time.Duration) {
	if r.perMinute <= 0 {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	each := time.Minute / time.Duration(r.perMinute)
	free, known := r.free[a]
	if !known && !r.room(now) {
		return 0 // uncounted: so many at once are not the flood of one
	}
	if free.Before(now) {
		free = now
	}
	wait = free.Add(each).Sub(now.Add(time.Minute))
	if wait > 0 {
		return wait
	}
	r.free[a] = free.Add(each)
	return 0
}

// room reports whether one more presentity can be counted, forgetting at most
// once a second those whose burst is whole. r.mu is held.
func (r *rate) room(now time.Time) bool {
	if now.Sub(r.swept) >= time.Minute || len(r.free) >= maxRated && now.Sub(r.swept) >= time.Second {
		for a, free := range r.free {
			if !free.After(now) {
				delete(r.free, a)
			}
		}
		r.swept = now
	}
	return len(r.free) < maxRated
}
