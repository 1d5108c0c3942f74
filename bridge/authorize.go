package bridge

import (
	"context"
	"slices"

	"github.com/porchlight-im/porchlight/bridge/policy"
	"github.com/porchlight-im/porchlight/bridge/store"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

// Authorize stores the presentity's answer to a watcher, for ever, and then
// re-decides his live subscriptions. The presentity must be homed here. It
// may be given before the watcher has asked. With an error the answer is as
// before.
func (h *Hub) Authorize(ctx context.Context, leg Leg, answer policy.SubHandling, change ChangeID) error {
	dom := h.cfg.Directory.Home(leg.Presentity)
	if dom == nil || !dom.Here {
		return Errorf(NotFound, "no such presentity here")
	}
	sh := h.shard(leg.Presentity)
	var (
		old  policy.SubHandling
		had  bool
		same bool
	)
	fx := h.section(sh, func(fx *effects) {
		pr := sh.presentity(leg.Presentity, dom)
		if pr.answers == nil {
			pr.answers = map[presence.Addr]policy.SubHandling{}
		}
		before := pr.handling(leg.Watcher)
		old, had = pr.answers[leg.Watcher]
		pr.answers[leg.Watcher] = answer
		same = before == pr.handling(leg.Watcher)
		fx.record(answerRecord(leg, answer))
	})
	err := h.finish(sh, fx)
	h.log.Debug("authorize", "watcher", leg.Watcher, "presentity", leg.Presentity, "change", change, "answer", answer, "err", err)
	h.leave(sh, h.section(sh, func(fx *effects) {
		pr := sh.presentities[leg.Presentity]
		if pr == nil {
			return
		}
		if now, ok := pr.answers[leg.Watcher]; err != nil && ok && now == answer {
			fx.record(pr.restoreAnswer(leg, old, had))
		}
		if l := pr.legs[leg.Watcher]; l != nil && !same {
			h.redecide(sh, l, change, fx)
		}
		sh.drop(pr)
	}))
	if err != nil {
		return storeError(err)
	}
	return nil
}

// restoreAnswer takes back an answer that could not be stored.
func (pr *presentity) restoreAnswer(leg Leg, old policy.SubHandling, had bool) store.Record {
	if had {
		pr.answers[leg.Watcher] = old
		return answerRecord(leg, old)
	}
	delete(pr.answers, leg.Watcher)
	return store.Record{Key: answerKey(leg)}
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
	h.leave(sh, h.section(sh, func(fx *effects) {
		pr := sh.presentities[a]
		if pr == nil || !pr.here {
			return
		}
		for _, l := range pr.legs {
			h.redecide(sh, l, change, fx)
		}
	}))
}
