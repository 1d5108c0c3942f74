package bridge

import (
	"slices"

	"github.com/porchlight-im/porchlight/bridge/store"
)

// effects is what a critical section leaves to be done after unlock.
type effects struct {
	records []store.Record
	batch   *store.Batch  // of records
	logs    []func()      // lines to be written
	called  bool          // there are calls to the home ports
	touched []*presentity // to be composed anew
}

// record notes that r is to be stored. The records of one critical section are
// written as one.
func (fx *effects) record(r store.Record) { fx.records = append(fx.records, r) }

// log has f write a line after unlock.
func (fx *effects) log(f func()) { fx.logs = append(fx.logs, f) }

// touch has pr composed anew at the end of an expiry.
func (fx *effects) touch(pr *presentity) {
	if !slices.Contains(fx.touched, pr) {
		fx.touched = append(fx.touched, pr)
	}
}

// call is one for a home port.
type call struct {
	leg    Leg
	detach bool
	how    Interest
}

func (sh *shard) attach(leg Leg, how Interest, fx *effects) {
	sh.calls = append(sh.calls, call{leg: leg, how: how})
	fx.called = true
}

func (sh *shard) detach(leg Leg, fx *effects) {
	sh.calls = append(sh.calls, call{leg: leg, detach: true})
	fx.called = true
}

// section runs f with sh locked. What f has recorded goes to the journal in
// the order of the critical sections; the journal's own lock is the last
// level. A panic of f leaves sh unlocked.
func (h *Hub) section(sh *shard, f func(fx *effects)) *effects {
	fx := &effects{}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	defer func() {
		if len(fx.records) > 0 {
			fx.batch = h.store.Append(fx.records)
		}
	}()
	f(fx)
	return fx
}

// finish waits for the journal, and then does what else fx left.
func (h *Hub) finish(sh *shard, fx *effects) error {
	var err error
	if fx.batch != nil {
		err = fx.batch.Wait()
	}
	h.after(sh, fx)
	return err
}

// leave is finish without the wait.
func (h *Hub) leave(sh *shard, fx *effects) {
	if fx.batch != nil {
		h.store.Throttle()
	}
	h.after(sh, fx)
}

func (h *Hub) after(sh *shard, fx *effects) {
	for _, f := range fx.logs {
		f()
	}
	if fx.called {
		h.tell(sh)
	}
}

// tell makes the calls to the home ports that the critical sections of sh have
// left, in their order: one goroutine at a time makes them for all, so that an
// Attach never overtakes a Detach.
func (h *Hub) tell(sh *shard) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.calling {
		return
	}
	sh.calling = true
	defer func() { sh.calling = false }()
	for len(sh.calls) > 0 {
		calls := sh.calls
		sh.calls = nil
		h.makeCalls(sh, calls)
	}
}

// makeCalls makes calls with sh unlocked meanwhile.
func (h *Hub) makeCalls(sh *shard, calls []call) {
	sh.mu.Unlock()
	defer sh.mu.Lock()
	for _, c := range calls {
		p := h.home(c.leg.Presentity.Host)
		switch {
		case p == nil:
			h.log.Warn("no port reaches this presentity", "presentity", c.leg.Presentity)
		case c.detach:
			p.Detach(c.leg)
		default:
			p.Attach(c.leg, c.how)
		}
	}
}

// home returns the port that reaches the foreign domain called name, or nil.
func (h *Hub) home(name string) Port {
	dom := h.cfg.Directory.Domain(name)
	if dom == nil {
		return nil
	}
	return h.ports[dom.Port]
}

func storeError(err error) *Error {
	return &Error{Kind: Internal, Detail: "the change could not be stored", Err: err}
}
