package xmpp

import (
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/xmpp/payload"
)

// watch is what the port knows of one XMPP user's subscription to a virtual
// user: how much of it has been told on the wire.
type watch struct {
	to      string        // the watcher's bare JID
	told    bool          // "subscribed" was sent
	leaving bool          // he has sent "unsubscribe"
	shown   []string      // resources that were shown as available, sorted
	last    *bridge.View  // the view that was sent last; nil: to be sent anyhow
	photo   string        // what was said of the photo with it
	stream  uint64        // the stream that it was sent on
	again   bool          // it is to be sent again
	said    payload.Wants // nodes of which he was told anything
}

// record is what the hub keeps of a watch over restarts (Hub.Note).
type record struct {
	Told  bool     `json:"told,omitempty"`
	Shown []string `json:"shown,omitempty"`
	// Said are the nodes of personal eventing of which anything was told.
	Said payload.Wants `json:"said,omitempty"`
}

func (w *watch) record() record { return record{w.told, w.shown, w.said} }

// watches are the watches of one component.
type watches struct {
	mu  sync.Mutex
	all map[bridge.Leg]*watch
	// lost has subscriptions that ended for a passing reason, with the time
	// to subscribe again.
	lost   map[bridge.Leg]time.Time
	stream uint64 // counts the streams
}

func newWatches() *watches {
	return &watches{all: make(map[bridge.Leg]*watch), lost: make(map[bridge.Leg]time.Time)}
}

// watchID is the id of a watch within the port (bridge.WatchRequest.ID).
func watchID(leg bridge.Leg) string { return leg.Watcher.String() + " " + leg.Presentity.String() }

// fetchID is the id of a one-time question; it never collides with a watchID.
func fetchID(leg bridge.Leg) string { return "?" + watchID(leg) }

// resumeWatch takes up a stored subscription.
func (c *component) resumeWatch(r bridge.Resumed, to string) {
	var rec record
	if len(r.Data) > 0 {
		err := json.Unmarshal(r.Data, &rec)
		if err != nil {
			c.log.Warn("stored subscription not readable, told again", "watcher", r.Leg.Watcher, "presentity", r.Leg.Presentity, "err", err)
		}
	}
	slices.Sort(rec.Shown)
	c.watches.mu.Lock()
	defer c.watches.mu.Unlock()
	c.watches.all[r.Leg] = &watch{to: to, told: rec.Told, shown: rec.Shown, said: rec.Said}
}

// known reports whether leg is a watch.
func (w *watches) known(leg bridge.Leg) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all[leg] != nil
}

// start makes leg a watch whose approval and state are to be told.
func (w *watches) start(leg bridge.Leg, to string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.all[leg]
	if e == nil {
		e = &watch{}
		w.all[leg] = e
	}
	e.to, e.told, e.leaving, e.last = to, false, false, nil
	delete(w.lost, leg)
}

// restore makes leg a watch that has been told of its approval before, as far
// as its watcher is concerned.
func (w *watches) restore(leg bridge.Leg, to string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all[leg] == nil {
		w.all[leg] = &watch{to: to, told: true}
	}
	delete(w.lost, leg)
}

// leave notes that the watcher has sent "unsubscribe".
func (w *watches) leave(leg bridge.Leg, to string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.all[leg]
	if e == nil {
		e = &watch{to: to}
		w.all[leg] = e
	}
	e.leaving = true
	delete(w.lost, leg)
}

// forget removes leg.
func (w *watches) forget(leg bridge.Leg) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.all, leg)
	delete(w.lost, leg)
}

// legs returns all watches.
func (w *watches) legs() []bridge.Leg {
	w.mu.Lock()
	defer w.mu.Unlock()
	legs := make([]bridge.Leg, 0, len(w.all))
	for leg := range w.all {
		legs = append(legs, leg)
	}
	return legs
}

// shown returns the resources that leg's watcher was shown. The slice is never
// changed.
func (w *watches) shown(leg bridge.Leg) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e := w.all[leg]; e != nil {
		return e.shown
	}
	return nil
}

// said returns the nodes of which leg's watcher was told anything; ok is false
// when leg is no watch.
func (w *watches) said(leg bridge.Leg) (nodes payload.Wants, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.all[leg]
	if e == nil {
		return 0, false
	}
	return e.said, true
}

// say notes that leg's watcher is told of nodes, and returns what is to be kept
// of it.
func (w *watches) say(leg bridge.Leg, nodes payload.Wants) record {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.all[leg]
	if e == nil {
		return record{}
	}
	e.said = nodes
	return e.record()
}

// untell makes the approvals and states of fs be told again: the stream broke
// before they were surely sent.
func (w *watches) untell(fs []flying) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range fs {
		e := w.all[fs[i].item.Leg]
		if e == nil {
			continue
		}
		e.told, e.last = false, nil
		shown := append(slices.Clone(e.shown), fs[i].shown...)
		slices.Sort(shown)
		e.shown = slices.Compact(shown)
	}
}

// newStream makes resend true for every watch.
func (w *watches) newStream() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stream++
}

// resend reports whether leg's state was not sent on this stream yet, and
// makes sure that it will be when it is told next.
func (w *watches) resend(leg bridge.Leg) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.all[leg]
	if e == nil || e.stream == w.stream {
		return false
	}
	e.last = nil
	return true
}

// showAgain makes what leg's watcher is shown be sent to him again, and reports
// whether there is anything.
func (w *watches) showAgain(leg bridge.Leg) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.all[leg]
	if e == nil || len(e.shown) == 0 {
		return false
	}
	e.again = true
	return true
}

// lose notes that leg is to be subscribed again at the time at.
func (w *watches) lose(leg bridge.Leg, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lost[leg] = at
}

// isLost reports whether the subscription of leg has ended for a passing
// reason.
func (w *watches) isLost(leg bridge.Leg) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, lost := w.lost[leg]
	return lost
}

// due takes the lost subscriptions whose time has come.
func (w *watches) due(now time.Time) (legs []bridge.Leg) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for leg, at := range w.lost {
		if !now.Before(at) {
			legs = append(legs, leg)
			delete(w.lost, leg)
		}
	}
	return legs
}
