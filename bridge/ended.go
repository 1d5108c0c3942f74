package bridge

import (
	"slices"
	"time"

	"github.com/porchlight-im/porchlight/bridge/store"
)

// ended is a subscription that its watcher has ended in an earlier process.
type ended struct {
	leg      Leg
	port, id string
	data     []byte
}

// rememberEnd stores for a while that the watcher of s has ended it with a
// request that its port would know again by data, so that the next process can
// say so once more when the answer, or the last item, is lost with this one.
// forget, called in a critical section, takes it back.
func (h *Hub) rememberEnd(sh *shard, s *sub, data []byte, fx *effects) (forget func()) {
	if data == nil {
		return func() {}
	}
	key, until := s.key(), time.Now().Add(answerPatience)
	fx.record(store.Record{Key: key, Value: newValue(len(data)).time(until).bytes(data).flag(true).b})
	due := sh.schedule(h, nil, until, func(fx *effects) { fx.record(store.Record{Key: key}) })
	return func() { sh.cancel(due) }
}

// loadEnded takes in what rememberEnd of an earlier process has stored.
func (h *Hub) loadEnded(sh *shard, e ended, until time.Time) (kept bool) {
	if !until.After(time.Now()) {
		return false
	}
	sh.ended = append(sh.ended, e)
	key := key(kindSub, addrPart(e.leg.Presentity), addrPart(e.leg.Watcher), e.port, e.id)
	sh.schedule(h, nil, until, func(fx *effects) { fx.record(store.Record{Key: key}) })
	return true
}

// resumeEnded gives the port what it has ended a moment ago, and what is to be
// told at the end, which may not have been told.
func (h *Hub) resumeEnded(sh *shard, port string, each func(Resumed) *Outbox) {
	sh.mu.Lock()
	all := slices.Clone(sh.ended)
	sh.ended = slices.DeleteFunc(sh.ended, func(e ended) bool { return e.port == port })
	sh.mu.Unlock()
	for _, e := range all {
		if e.port != port {
			continue
		}
		v, view := h.standingOf(sh, e.leg)
		out := each(Resumed{Leg: e.leg, ID: e.id, Expires: time.Now(), Verdict: v, Data: e.data, Ended: true})
		if out == nil {
			continue
		}
		last := timedOut
		last.Hidden = v.Hidden
		out.Put(Item{Leg: e.leg, ID: e.id, View: view, Verdict: last, Mandatory: true, Final: true, Change: NewChange()})
	}
}

// standingOf is how a watcher stands who has no subscription, and what he
// would see of a homed presentity.
func (h *Hub) standingOf(sh *shard, leg Leg) (v Verdict, view *View) {
	dom := h.cfg.Directory.Home(leg.Presentity)
	if dom == nil {
		return Verdict{}, nil
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	l := sh.presentity(leg.Presentity, dom).leg(leg.Watcher)
	v, view = h.standing(l.of, l)
	l.dropIfIdle(sh)
	if !dom.Here || v.State != Active {
		return v, nil
	}
	return v, view
}
