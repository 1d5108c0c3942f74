package bridge

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/porchlight-im/porchlight/bridge/policy"
	"github.com/porchlight-im/porchlight/bridge/store"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

// load reads the store into memory and arms the timers. It runs before any
// other goroutine knows the hub.
func (h *Hub) load(ctx context.Context) error {
	var gone []store.Record
	err := h.store.Load(ctx, func(r store.Record) error {
		kept, err := h.loadRecord(r)
		if err != nil {
			return fmt.Errorf("record %q: %w", r.Key, err)
		}
		if !kept {
			gone = append(gone, store.Record{Key: r.Key})
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range h.shards {
		sh := &h.shards[i]
		sh.mu.Lock()
		for _, pr := range sh.presentities {
			if len(pr.pubs) > 0 {
				h.recompose(sh, pr, NewChange())
			}
		}
		sh.mu.Unlock()
	}
	if len(gone) > 0 {
		return h.store.Append(gone).Wait()
	}
	return nil
}

// loadRecord takes in one record; kept is false for what no longer counts: it
// has expired, or its domain is no longer configured.
func (h *Hub) loadRecord(r store.Record) (kept bool, err error) {
	parts := strings.Split(r.Key, "\x00")
	f, err := readValue(r.Value)
	if err != nil {
		return false, err
	}
	n := 2
	if parts[0] == string(rune(kindPublication)) {
		n = 1
	}
	as, err := addrs(parts[1:], n)
	if err != nil {
		return false, err
	}
	dom := h.cfg.Directory.Home(as[0])
	if dom == nil {
		return false, nil
	}
	sh := h.shard(as[0])
	sh.mu.Lock()
	defer sh.mu.Unlock()
	pr := sh.presentity(as[0], dom)
	switch parts[0][0] {
	case kindPublication:
		kept, err = h.loadPublication(sh, pr, parts[2], f)
	case kindAnswer:
		kept, err = pr.loadAnswer(as[1], f)
	case kindSub:
		if len(parts) != 5 {
			return false, fmt.Errorf("the key has %d parts", len(parts))
		}
		kept, err = h.loadSub(sh, pr.leg(as[1]), parts[3], parts[4], f)
	case kindLeg:
		kept, err = h.loadLeg(pr.leg(as[1]), f)
	default:
		return false, fmt.Errorf("unknown kind")
	}
	if !kept {
		sh.drop(pr)
	}
	return kept, err
}

func (h *Hub) loadPublication(sh *shard, pr *presentity, id string, f *fields) (bool, error) {
	p := &publication{of: pr, id: id, etag: f.string(), source: f.string(), request: f.string(),
		seq: f.uint(), changed: f.uint(), expires: f.time(), raw: f.bytes()}
	if f.err() != nil {
		return false, f.err()
	}
	for h.seq.Load() < max(p.seq, p.changed) {
		h.seq.Store(max(p.seq, p.changed))
	}
	if !pr.here || !p.expires.After(time.Now()) {
		return false, nil
	}
	s, err := h.cfg.Codec.Decode(p.raw)
	if err != nil {
		return false, fmt.Errorf("reading the stored state: %w", err)
	}
	p.state = s
	pr.pubs = append(pr.pubs, p)
	p.due = sh.schedule(h, nil, jitter(p.expires), func(fx *effects) { h.remove(sh, p, NewChange(), fx) })
	return true, nil
}

func (pr *presentity) loadAnswer(watcher presence.Addr, f *fields) (bool, error) {
	answer, ok := policy.ParseSubHandling(f.string())
	if !ok {
		return false, fmt.Errorf("unknown answer")
	}
	if pr.answers == nil {
		pr.answers = map[presence.Addr]policy.SubHandling{}
	}
	pr.answers[watcher] = answer
	return true, f.err()
}

// loadSub takes in a subscription. One that has expired meanwhile is kept too,
// until its port has resumed it and can tell its watcher.
func (h *Hub) loadSub(sh *shard, l *legEntry, port, id string, f *fields) (bool, error) {
	s := &sub{leg: l, port: port, id: id, expires: f.time(), data: f.bytes()}
	l.subs = append(l.subs, s)
	return true, f.err()
}

func (h *Hub) loadLeg(l *legEntry, f *fields) (bool, error) {
	l.verdict.State, l.version, l.data = SubState(f.uint()), f.uint(), f.bytes()
	raw := f.bytes()
	if f.err() != nil || l.of.here {
		return false, f.err()
	}
	if len(raw) == 0 {
		return true, nil
	}
	s, err := h.cfg.Codec.Decode(raw)
	if err != nil {
		return false, fmt.Errorf("reading the stored state: %w", err)
	}
	l.view = &View{Presentity: l.of.addr, Version: l.version, State: s, Change: NewChange()}
	l.digest = h.digestOf(s)
	return true, nil
}

// jitter spreads what was stored to end together by up to a second.
func jitter(t time.Time) time.Time { return t.Add(rand.N(time.Second)) }

// Resume calls each with every stored subscription of the watcher's port and
// attaches the Outbox that it returns; nil ends the subscription without a
// word. A port calls it first in Run, before it takes requests; each must not
// call the hub. Every resumed subscription gets an Item with its current
// state, since the last one may not have been sent before the restart.
func (h *Hub) Resume(port string, each func(Resumed) *Outbox) {
	for i := range h.shards {
		h.resumeShard(&h.shards[i], port, each)
	}
}

func (h *Hub) resumeShard(sh *shard, port string, each func(Resumed) *Outbox) {
	for _, s := range sh.subsOf(port) {
		v, _ := h.Standing(s.leg.Leg())
		out := each(Resumed{Leg: s.leg.Leg(), ID: s.id, Expires: s.expires, Verdict: v, Data: s.data})
		fx := &effects{}
		sh.mu.Lock()
		h.resumeSub(sh, s, out, fx)
		sh.mu.Unlock()
		h.leave(fx)
	}
}

// subsOf returns the stored subscriptions of a port that wait to be resumed.
func (sh *shard) subsOf(port string) (subs []*sub) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for _, pr := range sh.presentities {
		for _, l := range pr.legs {
			for _, s := range l.subs {
				if s.port == port && s.outbox == nil {
					subs = append(subs, s)
				}
			}
		}
	}
	return subs
}

func (h *Hub) resumeSub(sh *shard, s *sub, out *Outbox, fx *effects) {
	change := NewChange()
	if out == nil {
		h.end(sh, s, timedOut, change, fx)
		return
	}
	s.outbox = out
	if !s.expires.IsZero() {
		s.due = sh.schedule(h, nil, jitter(s.expires), func(fx *effects) { h.end(sh, s, timedOut, NewChange(), fx) })
	}
	l := s.leg
	v, view := h.standing(l.of, l)
	if l.of.here && v.State == Terminated {
		h.end(sh, s, v, change, fx)
		return
	}
	if !l.of.here && l.verdict.State == NoState {
		l.verdict = Verdict{State: Pending}
		v = l.verdict
	}
	if v.State != Active {
		view = nil
	}
	s.put(Item{View: view, Verdict: v, Change: change})
}

// Attached calls each with every foreign leg that is watched and whose home is
// port, with what Keep stored: for the home port after a restart or
// reconnect. It marks them as attached. each must not call the hub.
func (h *Hub) Attached(port string, each func(leg Leg, v Verdict, s *presence.State, data []byte)) {
	type one struct {
		leg  Leg
		v    Verdict
		s    *presence.State
		data []byte
	}
	for i := range h.shards {
		sh := &h.shards[i]
		var all []one
		sh.mu.Lock()
		for a, pr := range sh.presentities {
			dom := h.cfg.Directory.Domain(a.Host)
			if pr.here || dom == nil || dom.Port != port {
				continue
			}
			for _, l := range pr.legs {
				if len(l.subs) == 0 {
					continue
				}
				l.attached = true
				o := one{leg: l.Leg(), v: l.verdict, data: l.data}
				if l.view != nil {
					o.s = l.view.State
				}
				all = append(all, o)
			}
		}
		sh.mu.Unlock()
		for _, o := range all {
			each(o.leg, o.v, o.s, o.data)
		}
	}
}
