package bridge

import (
	"slices"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// follow makes sure that the home of a foreign presentity is asked, and
// returns how the leg stands.
func (h *Hub) follow(l *legEntry, fx *effects) (Verdict, *View) {
	if l.verdict.State != Active && l.verdict.State != Pending {
		l.verdict = Verdict{State: Pending}
		h.record(fx, l.record(h))
	}
	if !l.attached {
		l.attached = true
		fx.attach = append(fx.attach, attachment{l.Leg(), Follow})
	}
	if l.verdict.State != Active {
		return l.verdict, nil
	}
	return l.verdict, l.view
}

// idle detaches a foreign leg that nobody watches any more. Its standing
// stays: the next Watch need not ask the presentity again (RFC 8048 §5.3.3).
func (h *Hub) idle(l *legEntry, fx *effects) {
	if l.of.here || len(l.subs) > 0 {
		return
	}
	if l.attached {
		l.attached = false
		fx.detach = append(fx.detach, l.Leg())
	}
	l.view, l.digest, l.data = nil, 0, nil
	if l.verdict.State == Active || l.verdict.State == Pending {
		h.record(fx, l.record(h))
	} else {
		h.record(fx, l.gone())
	}
}

// closedView is view with every service closed and nothing said of the
// person: the last of a foreign presentity (RFC 8048 §5.3.3).
func closedView(v *View, change ChangeID) *View {
	if v == nil || v.State == nil {
		return nil
	}
	s := &presence.State{Entity: v.State.Entity}
	for _, t := range v.State.Services {
		s.Services = append(s.Services, presence.Service{ID: t.ID, Basic: presence.Closed, Contact: t.Contact})
	}
	return &View{Presentity: v.Presentity, Version: v.Version + 1, State: s, Change: change}
}

// locked runs f on the leg with its shard locked, and then what it left to be
// done. A leg that is not known is passed over.
func (h *Hub) locked(leg Leg, f func(sh *shard, l *legEntry, fx *effects)) {
	sh := h.shard(leg.Presentity)
	fx := &effects{}
	sh.mu.Lock()
	pr := sh.presentities[leg.Presentity]
	if pr != nil && pr.legs[leg.Watcher] != nil {
		f(sh, pr.legs[leg.Watcher], fx)
	}
	sh.mu.Unlock()
	h.leave(fx)
}

// Park says that the watcher is gone without having ended its subscriptions:
// an offline Jabber user. A foreign presentity is detached; the standing of
// the leg remains, and the next Watch attaches it again (RFC 8048 §8.1).
func (h *Hub) Park(leg Leg) {
	h.locked(leg, func(_ *shard, l *legEntry, fx *effects) {
		if l.of.here || !l.attached {
			return
		}
		l.attached = false
		fx.detach = append(fx.detach, leg)
	})
}

// Renew asks the watcher's port whether leg.Watcher is still there, before its
// foreign subscription is refreshed (RFC 8048 §8.1). The answer, if any, is
// Park.
func (h *Hub) Renew(leg Leg) {
	h.locked(leg, func(_ *shard, l *legEntry, _ *effects) {
		for _, s := range l.subs {
			s.put(Item{Probe: true, Verdict: l.verdict})
		}
	})
}

// Settle is the word of a foreign presentity's home on a leg: pending,
// active, or terminated with a reason. It is stored.
func (h *Hub) Settle(leg Leg, v Verdict, change ChangeID) {
	h.locked(leg, func(sh *shard, l *legEntry, fx *effects) {
		if l.of.here {
			return
		}
		h.log.Debug("settle", "watcher", leg.Watcher, "presentity", leg.Presentity, "change", change,
			"state", v.State, "reason", v.Reason)
		was := l.verdict.State
		l.verdict = v
		if v.State == Terminated {
			h.terminate(sh, l, change, fx)
			return
		}
		h.record(fx, l.record(h))
		if was == v.State {
			return
		}
		view := l.view
		if v.State != Active {
			view = nil
		}
		for _, s := range l.subs {
			if !s.fetch {
				s.put(Item{View: view, Verdict: v, Mandatory: true, Change: change})
			}
		}
	})
}

// terminate ends all subscriptions of a leg, as its home has said.
func (h *Hub) terminate(sh *shard, l *legEntry, change ChangeID, fx *effects) {
	l.attached = false
	for _, s := range slices.Clone(l.subs) {
		if s.fetch {
			h.answerFetch(sh, s, nil, change, fx)
		} else {
			h.end(sh, s, l.verdict, change, fx)
		}
	}
	h.record(fx, l.gone())
	l.dropIfIdle(sh)
}

// Deliver changes the state that a foreign presentity shows on leg: update
// gets what was shown, or nil, and returns what is shown now. It runs under a
// lock and must be a pure function. It goes to leg.Watcher alone, and only
// while the leg is active or a fetch waits for it.
func (h *Hub) Deliver(leg Leg, change ChangeID, update func(old *presence.State) *presence.State) {
	h.locked(leg, func(sh *shard, l *legEntry, fx *effects) {
		waiting := slices.ContainsFunc(l.subs, func(s *sub) bool { return s.fetch })
		if l.of.here || l.verdict.State != Active && !waiting {
			return
		}
		var old *presence.State
		if l.view != nil {
			old = l.view.State
		}
		s := update(old)
		d := h.digestOf(s)
		if (d == l.digest || s == nil) && !waiting {
			return
		}
		changed := d != l.digest
		l.version++
		l.digest = d
		l.view = &View{Presentity: leg.Presentity, Version: l.version, State: s, Change: change}
		h.log.Debug("deliver", "watcher", leg.Watcher, "presentity", leg.Presentity, "change", change)
		h.deliver(sh, l, change, changed, fx)
	})
}

// deliver tells the leg's subscriptions of its new view.
func (h *Hub) deliver(sh *shard, l *legEntry, change ChangeID, changed bool, fx *effects) {
	if l.verdict.State == Active {
		h.record(fx, l.record(h))
	}
	view := l.view
	for _, s := range slices.Clone(l.subs) {
		switch {
		case s.fetch:
			h.answerFetch(sh, s, view, change, fx)
		case changed && l.verdict.State == Active:
			s.put(Item{View: view, Verdict: l.verdict, Change: change})
		}
	}
}

// Keep stores data of the home port with a foreign leg (a subscriber's
// dialog), without waiting for the write; nil removes it.
func (h *Hub) Keep(leg Leg, data []byte) {
	h.locked(leg, func(_ *shard, l *legEntry, fx *effects) {
		if l.of.here {
			return
		}
		l.data = data
		h.record(fx, l.record(h))
	})
}

// Note stores data of the watcher's port with its subscription id, without
// waiting for the write.
func (h *Hub) Note(leg Leg, port, id string, data []byte) {
	h.locked(leg, func(_ *shard, l *legEntry, fx *effects) {
		if s := l.sub(port, id); s != nil && !s.fetch {
			s.data = data
			h.record(fx, s.record())
		}
	})
}
