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
// presentity or domain), Forbidden (blocked), Internal.
func (h *Hub) Watch(ctx context.Context, w WatchRequest) (Verdict, error) {
	dom := h.cfg.Directory.Home(w.Leg.Presentity)
	if dom == nil {
		return Verdict{}, Errorf(NotFound, "no such presentity")
	}
	sh := h.shard(w.Leg.Presentity)
	fx := &effects{}
	sh.mu.Lock()
	pr := sh.presentity(w.Leg.Presentity, dom)
	l := pr.leg(w.Leg.Watcher)
	v, err := h.watch(sh, l, w, fx)
	l.dropIfIdle(sh)
	sh.mu.Unlock()
	h.log.Debug("watch", "port", w.Port, "watcher", w.Leg.Watcher, "presentity", w.Leg.Presentity,
		"change", w.Change, "expires", w.Expires, "state", v.State, "reason", v.Reason)
	if err != nil {
		return v, err
	}
	werr := h.finish(fx)
	if werr != nil {
		h.unwatch(w)
		return Verdict{}, storeError(werr)
	}
	return v, nil
}

// watch is the critical section of Watch.
func (h *Hub) watch(sh *shard, l *legEntry, w WatchRequest, fx *effects) (Verdict, error) {
	v, view := h.standing(l.of, l)
	if l.of.here && v.State == Terminated {
		return v, Errorf(Forbidden, "not authorized for presence")
	}
	s := l.sub(w.Port, w.ID)
	if w.Expires <= 0 {
		if s == nil {
			return h.fetch(sh, l, w, v, view, fx), nil
		}
		if w.Outbox != nil {
			s.outbox = w.Outbox
		}
		h.end(sh, s, timedOut, w.Change, fx)
		return v, nil
	}
	if s == nil {
		s = &sub{leg: l, port: w.Port, id: w.ID}
		l.subs = append(l.subs, s)
	}
	s.outbox = w.Outbox
	if w.Data != nil {
		s.data = w.Data
	}
	h.setExpiry(sh, s, w.Expires)
	h.record(fx, s.record())
	if !l.of.here {
		v, view = h.follow(l, fx)
	}
	s.put(Item{View: view, Verdict: v, Mandatory: true, Change: w.Change})
	return v, nil
}

// setExpiry makes s end after d.
func (h *Hub) setExpiry(sh *shard, s *sub, d time.Duration) {
	if d == Forever {
		s.expires = time.Time{}
		sh.cancel(s.due)
		return
	}
	s.expires = time.Now().Add(d)
	s.due = sh.schedule(h, s.due, s.expires, func(fx *effects) { h.end(sh, s, timedOut, NewChange(), fx) })
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
	if !s.fetch {
		h.record(fx, s.gone())
	}
	h.idle(l, fx)
	l.dropIfIdle(sh)
}

// fetch answers once: at once when the state can be known at once.
func (h *Hub) fetch(sh *shard, l *legEntry, w WatchRequest, v Verdict, view *View, fx *effects) Verdict {
	s := &sub{leg: l, port: w.Port, id: w.ID, outbox: w.Outbox, fetch: true}
	if l.of.here || v.State == Active && l.attached && view != nil {
		if v.State != Active {
			view = nil
		}
		last := timedOut
		last.Hidden = v.Hidden
		s.put(Item{View: view, Verdict: last, Mandatory: true, Final: true, Change: w.Change})
		return v
	}
	l.subs = append(l.subs, s)
	s.due = sh.schedule(h, nil, time.Now().Add(FetchPatience), func(fx *effects) { h.answerFetch(sh, s, nil, w.Change, fx) })
	fx.attach = append(fx.attach, attachment{l.Leg(), Fetch})
	return Verdict{State: Pending}
}

// answerFetch ends a waiting fetch with what is known.
func (h *Hub) answerFetch(sh *shard, s *sub, view *View, change ChangeID, fx *effects) {
	l := s.leg
	i := slices.Index(l.subs, s)
	if i < 0 {
		return
	}
	l.subs = slices.Delete(l.subs, i, i+1)
	sh.cancel(s.due)
	s.put(Item{View: view, Verdict: timedOut, Mandatory: true, Final: true, Change: change})
	h.idle(l, fx)
	l.dropIfIdle(sh)
}

// unwatch takes back a Watch that could not be stored.
func (h *Hub) unwatch(w WatchRequest) {
	sh := h.shard(w.Leg.Presentity)
	fx := &effects{}
	sh.mu.Lock()
	if pr := sh.presentities[w.Leg.Presentity]; pr != nil {
		if l := pr.legs[w.Leg.Watcher]; l != nil {
			if s := l.sub(w.Port, w.ID); s != nil {
				l.subs = slices.DeleteFunc(l.subs, func(x *sub) bool { return x == s })
				sh.cancel(s.due)
				h.idle(l, fx)
				l.dropIfIdle(sh)
			}
		}
	}
	sh.mu.Unlock()
	h.tell(fx)
}

// dropIfIdle forgets a leg that nothing is left of.
func (l *legEntry) dropIfIdle(sh *shard) {
	if len(l.subs) > 0 || !l.of.here && (l.verdict.State == Active || l.verdict.State == Pending) {
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

// politeView is constant: nothing in it may tell that the state changes.
func (h *Hub) politeView(pr *presentity) *View {
	class := policy.Class{Sub: policy.PoliteBlock}
	return &View{Presentity: pr.addr, Version: 1, State: policy.Apply(class, pr.addr, &presence.State{})}
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

// Authorize stores the presentity's answer to a watcher, for ever, and
// re-decides his live subscriptions. The presentity must be homed here. It
// may be given before the watcher has asked.
func (h *Hub) Authorize(ctx context.Context, leg Leg, answer policy.SubHandling, change ChangeID) error {
	dom := h.cfg.Directory.Home(leg.Presentity)
	if dom == nil || !dom.Here {
		return Errorf(NotFound, "no such presentity here")
	}
	sh := h.shard(leg.Presentity)
	fx := &effects{}
	sh.mu.Lock()
	pr := sh.presentity(leg.Presentity, dom)
	if pr.answers == nil {
		pr.answers = map[presence.Addr]policy.SubHandling{}
	}
	pr.answers[leg.Watcher] = answer
	h.record(fx, answerRecord(leg, answer))
	if l := pr.legs[leg.Watcher]; l != nil {
		h.redecide(sh, l, change, fx)
	}
	sh.mu.Unlock()
	h.log.Debug("authorize", "watcher", leg.Watcher, "presentity", leg.Presentity, "change", change, "answer", answer)
	err := h.finish(fx)
	if err != nil {
		return storeError(err)
	}
	return nil
}

// redecide tells the subscriptions of l how they stand now.
func (h *Hub) redecide(sh *shard, l *legEntry, change ChangeID, fx *effects) {
	v, view := h.standing(l.of, l)
	if v.State == Terminated {
		for _, s := range slices.Clone(l.subs) {
			h.end(sh, s, v, change, fx)
		}
		return
	}
	for _, s := range l.subs {
		s.put(Item{View: view, Verdict: v, Mandatory: true, Change: change})
	}
}

// Reauthorize re-decides every live subscription of a homed presentity, after
// its rules have changed.
func (h *Hub) Reauthorize(a presence.Addr, change ChangeID) {
	sh := h.shard(a)
	fx := &effects{}
	sh.mu.Lock()
	if pr := sh.presentities[a]; pr != nil && pr.here {
		for _, l := range pr.legs {
			h.redecide(sh, l, change, fx)
		}
	}
	sh.mu.Unlock()
	h.leave(fx)
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
