package bridge

import (
	"slices"
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// follow makes sure that the home of a foreign presentity is asked, and
// returns how the leg stands.
func (h *Hub) follow(sh *shard, l *legEntry, fx *effects) (Verdict, *View) {
	sh.cancel(l.giveUp)
	changed := l.parked
	l.parked = false
	if l.verdict.State != Active && l.verdict.State != Pending {
		l.verdict, changed = Verdict{State: Pending}, true
	}
	if changed {
		fx.record(l.record(h))
	}
	if !l.attached {
		l.attached = true
		sh.attach(l.Leg(), Follow, fx)
	}
	if l.verdict.State != Active {
		return l.verdict, nil
	}
	return l.verdict, l.view
}

// idle detaches a foreign leg that nobody watches any more. Its standing
// stays: the next Watch need not ask the presentity again (RFC 8048 §5.3.3).
// What is not an approval is forgotten after a while.
func (h *Hub) idle(sh *shard, l *legEntry, fx *effects) {
	if l.of.here || len(l.subs) > 0 {
		return
	}
	if l.attached {
		l.attached = false
		sh.detach(l.Leg(), fx)
	}
	l.view, l.data, l.parked = nil, nil, false
	switch l.verdict.State {
	case NoState:
		return
	case Pending, Terminated:
		h.forgetLater(sh, l)
	}
	fx.record(l.record(h))
}

// forgetLater has an idle leg without an approval forgotten.
func (h *Hub) forgetLater(sh *shard, l *legEntry) {
	l.giveUp = sh.schedule(h, l.giveUp, time.Now().Add(giveUpAfter), func(fx *effects) {
		if len(l.subs) > 0 || l.verdict.State == Active {
			return
		}
		l.verdict = Verdict{}
		fx.record(l.gone())
		l.dropIfIdle(sh)
	})
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
	return &View{Presentity: v.Presentity, Version: v.Version + 1, State: s, Change: change, Rules: v.Rules, Origin: v.Origin}
}

// locked runs f on the leg with its shard locked, and then what it left to be
// done. A leg that is not known is passed over.
func (h *Hub) locked(leg Leg, f func(sh *shard, l *legEntry, fx *effects)) {
	sh := h.shard(leg.Presentity)
	h.leave(sh, h.section(sh, func(fx *effects) {
		pr := sh.presentities[leg.Presentity]
		if pr != nil && pr.legs[leg.Watcher] != nil {
			f(sh, pr.legs[leg.Watcher], fx)
		}
	}))
}

// Park says that the watcher is gone without having ended its subscriptions:
// an offline Jabber user. A foreign presentity is detached, and what was known
// of it is not any more; the standing of the leg remains, and the next Watch
// attaches it again (RFC 8048 §8.1).
func (h *Hub) Park(leg Leg) {
	h.locked(leg, func(sh *shard, l *legEntry, fx *effects) {
		if l.of.here || !l.attached {
			return
		}
		l.attached, l.parked = false, true
		l.view = nil
		fx.record(l.record(h))
		sh.detach(leg, fx)
	})
}

// Renew asks the watcher's port whether leg.Watcher is still there, before its
// foreign subscription is refreshed (RFC 8048 §8.1). The answer, if any, is
// Park.
func (h *Hub) Renew(leg Leg) {
	h.locked(leg, func(_ *shard, l *legEntry, _ *effects) {
		for _, s := range l.subs {
			if s.fetch {
				continue
			}
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
		fx.log(func() {
			h.log.Debug("settle", "watcher", leg.Watcher, "presentity", leg.Presentity, "change", change,
				"state", v.State, "reason", v.Reason)
		})
		if v.State == Terminated {
			h.terminate(sh, l, v, change, fx)
			return
		}
		was := l.verdict.State
		l.verdict = v
		if was == v.State {
			return
		}
		fx.record(l.record(h))
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
func (h *Hub) terminate(sh *shard, l *legEntry, v Verdict, change ChangeID, fx *effects) {
	l.attached = false // the home has ended it: nothing is to be detached
	if refusal(v) {
		l.view = nil
	}
	for _, s := range slices.Clone(l.subs) {
		if s.fetch {
			last := timedOut
			if v.Err != nil || refusal(v) {
				last = v
			}
			h.answerFetch(sh, s, nil, last, change, fx)
		} else {
			h.end(sh, s, v, change, fx)
		}
	}
	// RFC 8048 §5.2.2: only a refusal is permanent; after anything else the
	// authorization stays.
	if !refusal(v) || l.verdict.State == NoState {
		l.dropIfIdle(sh)
		return
	}
	l.verdict = v
	fx.record(l.record(h))
	h.forgetLater(sh, l)
}

// refusal reports whether the subscription should not be tried again by itself
// (RFC 6665 §4.1.3).
func refusal(v Verdict) bool {
	return v.Reason == "rejected" || v.Reason == "noresource" || v.Reason == "invariant"
}

// Deliver changes the state that a foreign presentity shows on leg: update
// gets what was shown, or nil, and returns what is shown now. It runs under a
// lock and must be a pure function. It goes to leg.Watcher alone, and only
// while the leg is active or a fetch waits for it.
func (h *Hub) Deliver(leg Leg, change ChangeID, update func(old *presence.State) *presence.State) {
	h.locked(leg, func(sh *shard, l *legEntry, fx *effects) {
		waiting := slices.ContainsFunc(l.subs, func(s *sub) bool { return s.fetch })
		if l.of.here || l.parked || l.verdict.State != Active && !waiting {
			return
		}
		var old *presence.State
		if l.view != nil {
			old = l.view.State
		}
		s := update(old)
		changed := !presence.Equal(old, s)
		if !changed && (!waiting || s == nil) {
			return
		}
		l.version++
		l.view = nil
		if s != nil {
			l.view = h.newView(leg.Presentity, l.version, s, change)
		}
		fx.log(func() {
			h.log.Debug("deliver", "watcher", leg.Watcher, "presentity", leg.Presentity, "change", change)
		})
		h.deliver(sh, l, change, changed, fx)
	})
}

// deliver tells the leg's subscriptions of its new view.
func (h *Hub) deliver(sh *shard, l *legEntry, change ChangeID, changed bool, fx *effects) {
	if l.verdict.State == Active {
		fx.record(l.record(h))
	}
	view := l.view
	for _, s := range slices.Clone(l.subs) {
		switch {
		case s.fetch && view != nil:
			h.answerFetch(sh, s, view, timedOut, change, fx)
		case !s.fetch && changed && l.verdict.State == Active:
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
		fx.record(l.record(h))
	})
}

// Note stores data of the watcher's port with its subscription id, without
// waiting for the write.
func (h *Hub) Note(leg Leg, port, id string, data []byte) {
	h.locked(leg, func(_ *shard, l *legEntry, fx *effects) { l.note(port, id, data, fx) })
}

// Noted is Note that returns when the data is stored, or why it is not.
func (h *Hub) Noted(leg Leg, port, id string, data []byte) error {
	sh := h.shard(leg.Presentity)
	return h.finish(sh, h.section(sh, func(fx *effects) {
		pr := sh.presentities[leg.Presentity]
		if pr != nil && pr.legs[leg.Watcher] != nil {
			pr.legs[leg.Watcher].note(port, id, data, fx)
		}
	}))
}

func (l *legEntry) note(port, id string, data []byte, fx *effects) {
	if s := l.sub(port, id, false); s != nil {
		s.data = data
		fx.record(s.record())
	}
}
