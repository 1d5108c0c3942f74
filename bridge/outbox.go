package bridge

import "sync"

// Item is what a watcher's port has to tell one watcher about one leg.
type Item struct {
	Leg Leg
	// ID is the subscription's id within the port (WatchRequest.ID).
	ID string
	// View is the state to show; nil when none is known ("neutral"), and
	// while the verdict is pending.
	View    *View
	Verdict Verdict
	// Mandatory items answer a request or change the subscription's state
	// and are not delayed by rate limits (SUB-31).
	Mandatory bool
	// Final items end the subscription: the verdict is terminated and the
	// hub has forgotten the ID.
	Final bool
	// Probe asks the port whether the watcher is still there, before his
	// foreign subscription is renewed (RFC 8048 §8.1). When he is gone the
	// port calls Hub.Park. Such an item carries no state.
	Probe bool
	// Change is the ingress event behind the item.
	Change ChangeID
}

// Outbox holds, per subscription, only the newest Item: presence is state, so
// a slow watcher skips versions. Put never blocks, and the box never grows
// past what is watched. Several goroutines may Put; one Takes.
type Outbox struct {
	// Wake receives when there is something to take; it has capacity 1.
	Wake chan struct{}

	mu    sync.Mutex
	items []Item         // oldest first
	at    map[outKey]int // index in items
}

type outKey struct {
	leg   Leg
	id    string
	probe bool
}

// NewOutbox returns an empty Outbox.
func NewOutbox() *Outbox {
	return &Outbox{Wake: make(chan struct{}, 1), at: make(map[outKey]int)}
}

// Put queues it, in the place of an older item of the same subscription.
// Mandatory and Final stick: what replaces a mandatory item is mandatory, and
// nothing replaces a final one except a newer start of the same subscription.
func (o *Outbox) Put(it Item) {
	if !o.put(&it) {
		return
	}
	select {
	case o.Wake <- struct{}{}:
	default:
	}
}

// put reports whether it was taken.
func (o *Outbox) put(it *Item) bool {
	k := outKey{it.Leg, it.ID, it.Probe}
	o.mu.Lock()
	defer o.mu.Unlock()
	i, ok := o.at[k]
	if !ok {
		o.at[k] = len(o.items)
		o.items = append(o.items, *it)
		return true
	}
	old := &o.items[i]
	if old.Final && !it.Final && !it.Mandatory {
		return false
	}
	sticks := old.Mandatory
	*old = *it
	old.Mandatory = old.Mandatory || sticks
	return true
}

// Take appends what is queued to dst, oldest first, and empties the box.
func (o *Outbox) Take(dst []Item) []Item {
	o.mu.Lock()
	defer o.mu.Unlock()
	dst = append(dst, o.items...)
	clear(o.at)
	clear(o.items) // no state is kept alive by an idle slice
	o.items = o.items[:0]
	return dst
}
