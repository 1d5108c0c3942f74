package simple

import (
	"encoding/json"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/simple/digest"
	"github.com/porchlight-im/porchlight/simple/event"
)

// follow is one subscription, or fetch, to a presentity elsewhere. It lives
// over several dialogs, one after the other.
type follow struct {
	leg   bridge.Leg
	fetch bool

	mu      sync.Mutex
	sub     *event.Subscriber
	dialog  event.Dialog // without RemoteTag before the first NOTIFY
	left    bool         // the hub has detached it: it is told nothing more
	attempt int          // counts the SUBSCRIBEs that were ordered
	auth    *digest.Client
	proxy   *digest.Client // for 407
	// phrase is that of the last refusal.
	phrase string
	// todo are calls to be made without the lock, in order; working says
	// that a goroutine makes them.
	todo    []func()
	working bool

	// The subscriber's lock guards these.
	at    time.Time
	index int
	timed bool
}

// kept is what the hub stores of a follow.
type kept struct {
	Dialog  event.Dialog `json:"dialog"`
	Expires time.Time    `json:"expires"`
}

// restore makes the follow of a leg that was watched before the restart.
func (s *subscriber) restore(leg bridge.Leg, v bridge.Verdict, data []byte, now time.Time) *follow {
	f := &follow{leg: leg}
	var k kept
	err := json.Unmarshal(data, &k)
	whole := err == nil && k.Dialog.RemoteTag != "" && k.Dialog.LocalTag != "" && k.Dialog.Target != ""
	switch {
	case v.State == bridge.NoState || v.State == bridge.Terminated, v.State == bridge.Pending && !whole:
		f.sub = event.NewSubscriber(askExpires, rand.Float64())
	case !whole:
		f.sub = event.ResumeSubscriber(askExpires, rand.Float64(), true, now, now)
	default:
		f.dialog = k.Dialog
		f.dialog.Restore()
		f.sub = event.ResumeSubscriber(askExpires, rand.Float64(), v.State == bridge.Active, k.Expires, now)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.legs[leg] = f
	if f.dialog.LocalTag != "" {
		s.tags[f.dialog.LocalTag] = f
	}
	return f
}

// input gives in to the machine and does what it orders.
func (s *subscriber) input(f *follow, in func(now time.Time) event.Orders) {
	f.mu.Lock()
	s.carryOut(f, in(time.Now()))
	f.mu.Unlock()
	s.work(f)
}

// work makes the calls that are to be made, unless another goroutine does.
// This keeps them in order without a lock held.
func (s *subscriber) work(f *follow) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.working {
		return
	}
	f.working = true
	for len(f.todo) > 0 {
		call := f.todo[0]
		f.todo = f.todo[1:]
		f.mu.Unlock()
		call()
		f.mu.Lock()
	}
	f.todo, f.working = nil, false
}

// carryOut prepares what the machine has ordered. f.mu is held.
func (s *subscriber) carryOut(f *follow, o event.Orders) {
	hub, leg, change := s.port.hub, f.leg, bridge.NewChange()
	do := func(call func()) { f.todo = append(f.todo, call) }
	if o&event.Subscribe != 0 {
		s.newDialog(f)
	}
	if o&(event.Subscribe|event.Refresh|event.Unsubscribe) != 0 {
		f.attempt++
		t := &ticket{f: f, attempt: f.attempt}
		do(func() { s.order(t) })
	}
	if o&event.Probe != 0 && !f.left {
		do(func() { hub.Renew(leg) })
	}
	if o&(event.Store|event.Forget) != 0 && !f.fetch && !f.left {
		data := f.data()
		do(func() { hub.Keep(leg, data) })
	}
	if o&event.TellPending != 0 {
		do(func() { hub.Settle(leg, bridge.Verdict{State: bridge.Pending}, change) })
	}
	if o&event.TellActive != 0 {
		do(func() { hub.Settle(leg, bridge.Verdict{State: bridge.Active}, change) })
	}
	if o&event.TellLost != 0 {
		do(func() { hub.Deliver(leg, change, unknown) })
	}
	if o&event.TellEnded != 0 {
		v := f.verdict()
		do(func() { hub.Settle(leg, v, change) })
	}
	if o&event.Forget != 0 {
		s.forget(f)
	}
	s.schedule(f, f.sub.Next())
}

// unknown is the state of a presentity that nothing is known of any more.
func unknown(old *presence.State) *presence.State {
	if old == nil {
		return nil
	}
	return &presence.State{Entity: old.Entity}
}

// newDialog begins a dialog in the place of the one before.
// RFC 6665 §4.1.2.2: with a new Call-ID and a new tag. f.mu is held.
func (s *subscriber) newDialog(f *follow) {
	s.mu.Lock()
	delete(s.tags, f.dialog.LocalTag)
	f.dialog = event.Dialog{
		CallID: newTag(), LocalTag: newTag(),
		Local: nameAddr("", mapping.SIP(f.leg.Watcher)), Remote: nameAddr("", mapping.SIP(f.leg.Presentity)),
	}
	if f.leg.Watcher == anonymous {
		f.dialog.Local = nameAddr("Anonymous", mapping.SIP(anonymous)) // RFC 3323 §4.1.1.3
	}
	s.tags[f.dialog.LocalTag] = f
	s.mu.Unlock()
	f.auth, f.proxy = nil, nil
}

// forget takes f out of the tables. f.mu is held.
func (s *subscriber) forget(f *follow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tags, f.dialog.LocalTag)
	for _, table := range []map[bridge.Leg]*follow{s.legs, s.fetches} {
		if table[f.leg] == f {
			delete(table, f.leg)
		}
	}
}

// data is what is stored of f, nil while there is no dialog. f.mu is held.
func (f *follow) data() []byte {
	if p := f.sub.Phase(); f.sub.Over() || f.dialog.RemoteTag == "" || p != event.Active && p != event.Pending {
		return nil
	}
	f.dialog.Reserve()
	b, err := json.Marshal(kept{f.dialog, f.sub.Expires()})
	if err != nil {
		panic(err) // strings, numbers and a time only
	}
	return b
}

// verdict is what the watcher is told at the end. f.mu is held.
func (f *follow) verdict() bridge.Verdict {
	end := f.sub.End()
	v := bridge.Verdict{State: bridge.Terminated, Reason: end.Reason}
	kind := bridge.NotFound
	switch {
	case end.Code == 489:
		kind = bridge.BadEvent
	case end.Reason == "rejected":
		kind = bridge.Forbidden
	case end.Reason == "invariant":
		return v
	}
	v.Err = &bridge.Error{Kind: kind}
	if end.Code != 0 {
		// RFC 7247 §7: the reason phrase goes to the watcher.
		v.Err.Detail, v.Err.Status = phrase(f.phrase), end.Code
	}
	return v
}
