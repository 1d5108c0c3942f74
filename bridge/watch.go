package bridge

import (
	"context"
	"slices"
	"time"

	"github.com/porchlight-im/porchlight/bridge/policy"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

// timedOut is how a subscription ends that its watcher let or made end
// (RFC 6665 §4.1.3).
var timedOut = Verdict{State: Terminated, Reason: "timeout"}

// put tells the subscription, once its port has an outbox for it.
func (s *sub) put(it Item) {
	if s.outbox == nil {
		return
	}
	it.Leg, it.ID = s.leg.Leg(), s.id
	s.outbox.Put(it)
}

// Watch starts, refreshes, ends or (Expires 0, unknown ID) fetches a
// subscription, and returns how it stands. In every case but an error,
// exactly one mandatory Item for it is in w.Outbox when Watch returns, except
// for a fetch of a foreign presentity whose state is not known yet: its one
// Item follows when the state arrives, or after FetchPatience. When it
// returns without error the change is stored. Errors: NotFound (no such
// presentity or domain), Forbidden (blocked), Busy, Internal; the subscription
// is as before then.
func (h *Hub) Watch(ctx context.Context, w WatchRequest) (Verdict, error) {
	dom := h.cfg.Directory.Home(w.Leg.Presentity)
	if dom == nil {
		return Verdict{}, Errorf(NotFound, "no such presentity")
	}
	sh := h.shard(w.Leg.Presentity)
	var (
		v    Verdict
		undo func(*effects)
		err  error
	)
	fx := h.section(sh, func(fx *effects) {
		l := sh.presentity(w.Leg.Presentity, dom).leg(w.Leg.Watcher)
		v, undo, err = h.watch(sh, l, w, fx)
		l.dropIfIdle(sh)
	})
	werr := h.finish(sh, fx)
	// The watcher is left to his port's line of the same change: it knows
	// whether he may stand in a log (RFC 3325 §9.3).
	h.log.Debug("watch", "port", w.Port, "presentity", w.Leg.Presentity, "change", w.Change,
		"expires", w.Expires, "state", v.State, "reason", v.Reason)
	switch {
	case err != nil:
		return v, err
	case werr == nil:
		return v, nil
	}
	if undo != nil {
		h.leave(sh, h.section(sh, undo))
	}
	return Verdict{}, storeError(werr)
}

// watch is the critical section of Watch. undo, a critical section too, takes
// it back; it may be nil.
func (h *Hub) watch(sh *shard, l *legEntry, w WatchRequest, fx *effects) (v Verdict, undo func(*effects), err error) {
	v, view := h.standing(l.of, l)
	if l.of.here && v.State == Terminated {
		return v, nil, Errorf(Forbidden, "not authorized for presence")
	}
	s := l.sub(w.Port, w.ID, false)
	if w.Expires <= 0 {
		if s == nil {
			v, err = h.fetch(sh, l, w, v, view, fx)
			return v, nil, err
		}
		if w.Outbox != nil {
			s.outbox = w.Outbox
		}
		return v, h.endFor(sh, s, w, fx), nil
	}
	fresh := s == nil
	if fresh {
		if len(l.subs) >= maxSubscriptions {
			return Verdict{}, nil, &Error{Kind: Busy, Detail: "too many subscriptions", RetryAfter: time.Minute}
		}
		s = &sub{leg: l, port: w.Port, id: w.ID}
		l.subs = append(l.subs, s)
	}
	before := *s
	s.turn++
	s.outbox = w.Outbox
	if w.Data != nil {
		s.data = w.Data
	}
	h.setExpiry(sh, s, endOf(w.Expires))
	fx.record(s.record())
	if !l.of.here {
		v, view = h.follow(sh, l, fx)
	}
	s.put(Item{View: view, Verdict: v, Mandatory: true, Change: w.Change})
	return v, h.undoWatch(sh, s, before, fresh), nil
}

// undoWatch returns what takes back a start or refresh of s.
func (h *Hub) undoWatch(sh *shard, s *sub, before sub, fresh bool) func(*effects) {
	turn := s.turn
	return func(fx *effects) {
		l := s.leg
		i := slices.Index(l.subs, s)
		if i < 0 || s.turn != turn {
			return // ended, or asked about again, since
		}
		if !fresh {
			s.outbox, s.data = before.outbox, before.data
			h.setExpiry(sh, s, before.expires)
			fx.record(s.record())
			return
		}
		l.subs = slices.Delete(l.subs, i, i+1)
		sh.cancel(s.due)
		fx.record(s.gone())
		h.idle(sh, l, fx)
		l.dropIfIdle(sh)
	}
}

// endFor ends s for its watcher, and returns what takes that back.
func (h *Hub) endFor(sh *shard, s *sub, w WatchRequest, fx *effects) (undo func(*effects)) {
	old := *s.leg
	h.end(sh, s, timedOut, w.Change, fx)
	forget := h.rememberEnd(sh, s, w.Data, fx)
	return func(fx *effects) {
		forget()
		dom := h.cfg.Directory.Home(old.of.addr)
		if dom == nil {
			return
		}
		l := sh.presentity(old.of.addr, dom).leg(old.watcher)
		if l.sub(s.port, s.id, false) != nil {
			return // started again since
		}
		s.leg = l
		l.subs = append(l.subs, s)
		h.setExpiry(sh, s, s.expires)
		fx.record(s.record())
		v, view := h.standing(l.of, l)
		if !l.of.here {
			if l.verdict.State == NoState {
				l.verdict = old.verdict
			}
			v, view = h.follow(sh, l, fx)
		}
		s.put(Item{View: view, Verdict: v, Mandatory: true, Change: w.Change})
	}
}

// endOf is when a subscription of length d ends: zero for never.
func endOf(d time.Duration) time.Time {
	if d == Forever {
		return time.Time{}
	}
	return time.Now().Add(d)
}

// setExpiry makes s end at t, zero for never.
func (h *Hub) setExpiry(sh *shard, s *sub, t time.Time) {
	s.expires = t
	if t.IsZero() {
		sh.cancel(s.due)
		return
	}
	s.due = sh.schedule(h, s.due, t, func(fx *effects) { h.end(sh, s, timedOut, NewChange(), fx) })
}

// end ends s with a last item: the current state for a homed presentity, a
// closed one for a foreign one (RFC 8048 §5.3.3).
func (h *Hub) end(sh *shard, s *sub, why Verdict, change ChangeID, fx *effects) {
	l := s.leg
	i := slices.Index(l.subs, s)
	if i < 0 {
		return
	}
	l.subs = slices.Delete(l.subs, i, i+1)
	sh.cancel(s.due)
	v, view := h.standing(l.of, l)
	if v.State != Active {
		view = nil
	}
	if !l.of.here {
		view = closedView(view, change)
	}
	why.Hidden = v.Hidden
	s.put(Item{View: view, Verdict: why, Mandatory: true, Final: true, Change: change})
	fx.record(s.gone())
	h.idle(sh, l, fx)
	l.dropIfIdle(sh)
}

// fetch answers once: at once when the state can be known at once.
func (h *Hub) fetch(sh *shard, l *legEntry, w WatchRequest, v Verdict, view *View, fx *effects) (Verdict, error) {
	s := l.sub(w.Port, w.ID, true)
	if s != nil {
		// The same question again, such as the probe of another resource: both
		// get the one answer.
		s.outbox = w.Outbox
		return Verdict{State: Pending}, nil
	}
	s = &sub{leg: l, port: w.Port, id: w.ID, outbox: w.Outbox, fetch: true}
	if l.of.here || v.State == Active && l.attached && view != nil {
		if v.State != Active {
			view = nil
		}
		last := timedOut
		last.Hidden = v.Hidden
		s.put(Item{View: view, Verdict: last, Mandatory: true, Final: true, Change: w.Change})
		return v, nil
	}
	if len(l.subs) >= maxSubscriptions {
		return Verdict{}, &Error{Kind: Busy, Detail: "too many questions", RetryAfter: time.Minute}
	}
	l.subs = append(l.subs, s)
	s.due = sh.schedule(h, nil, time.Now().Add(FetchPatience), func(fx *effects) { h.answerFetch(sh, s, nil, timedOut, w.Change, fx) })
	sh.attach(l.Leg(), Fetch, fx)
	return Verdict{State: Pending}, nil
}

// answerFetch ends a waiting fetch with what is known.
func (h *Hub) answerFetch(sh *shard, s *sub, view *View, v Verdict, change ChangeID, fx *effects) {
	l := s.leg
	i := slices.Index(l.subs, s)
	if i < 0 {
		return
	}
	l.subs = slices.Delete(l.subs, i, i+1)
	sh.cancel(s.due)
	s.put(Item{View: view, Verdict: v, Mandatory: true, Final: true, Change: change})
	h.idle(sh, l, fx)
	l.dropIfIdle(sh)
}

// dropIfIdle forgets a leg that nothing is left of.
func (l *legEntry) dropIfIdle(sh *shard) {
	if len(l.subs) > 0 || !l.of.here && l.verdict.State != NoState {
		return
	}
	delete(l.of.legs, l.watcher)
	sh.drop(l.of)
}

// standing returns how l stands and what its watcher may see.
func (h *Hub) standing(pr *presentity, l *legEntry) (Verdict, *View) {
	if !pr.here {
		return l.verdict, l.view
	}
	switch sub := pr.handling(l.watcher); sub {
	case policy.Allow:
		return Verdict{State: Active}, h.view(pr, policy.Class{Sub: sub})
	case policy.PoliteBlock:
		return Verdict{State: Active, Hidden: true}, h.politeView(pr)
	case policy.Confirm:
		return Verdict{State: Pending}, nil
	}
	return Verdict{State: Terminated, Reason: "rejected", Err: Errorf(Forbidden, "not authorized for presence")}, nil
}

// politeView is constant: nothing in it may tell that the state changes. It is
// what everybody sees of a presentity without a source.
func (h *Hub) politeView(pr *presentity) *View {
	class := policy.Class{Sub: policy.PoliteBlock}
	return h.newView(pr.addr, pr.first, policy.Apply(class, pr.addr, &presence.State{}), "")
}

// handling is the rule for watcher: himself always, then the presentity's own
// answer, then the domain's default.
func (pr *presentity) handling(watcher presence.Addr) policy.SubHandling {
	if watcher == pr.addr {
		return policy.Allow
	}
	if a, ok := pr.answers[watcher]; ok {
		return a
	}
	return pr.deflt
}

// Standing returns how leg stands, and the View that its watcher may see now
// (nil when none is known). A leg without a subscription has no state.
func (h *Hub) Standing(leg Leg) (Verdict, *View) {
	sh := h.shard(leg.Presentity)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	pr := sh.presentities[leg.Presentity]
	if pr == nil || pr.legs[leg.Watcher] == nil {
		return Verdict{}, nil
	}
	l := pr.legs[leg.Watcher]
	if pr.here && len(l.subs) == 0 {
		return Verdict{}, nil
	}
	return h.standing(pr, l)
}
