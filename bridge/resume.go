package bridge

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/porchlight-im/porchlight/bridge/policy"
	"github.com/porchlight-im/porchlight/bridge/store"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

// load reads the store into memory and arms the timers. It runs before any
// other goroutine knows the hub. A record that cannot be read is left where it
// is and told in the log: one bad record must not keep everyone else down.
func (h *Hub) load(ctx context.Context) error {
	var gone []store.Record
	strangers := 0
	err := h.store.Load(ctx, func(r store.Record) error {
		kept, err := h.loadRecord(r)
		if err == errNotConfigured {
			strangers++
		} else if err != nil {
			h.log.Error("a stored record is passed over", "key", r.Key, "err", err)
		} else if !kept {
			gone = append(gone, store.Record{Key: r.Key})
		}
		return nil
	})
	if err != nil {
		return err
	}
	if h.origin == "" {
		err = h.makeOrigin()
		if err != nil {
			return err
		}
	}
	if strangers > 0 {
		h.log.Warn("stored records of domains or users that are not configured now are left alone", "records", strangers)
	}
	for i := range h.shards {
		sh := &h.shards[i]
		fx := h.section(sh, func(fx *effects) {
			for _, pr := range sh.presentities {
				h.settleLoaded(sh, pr, fx)
			}
		})
		h.leave(sh, fx)
	}
	if len(gone) > 0 {
		return h.store.Append(gone).Wait()
	}
	return nil
}

// errNotConfigured tells a record of a domain or user that is not configured.
var errNotConfigured = errors.New("its domain or user is not configured")

// settleLoaded does what can be done when all records of pr are there.
func (h *Hub) settleLoaded(sh *shard, pr *presentity, fx *effects) {
	if len(pr.pubs) > 0 {
		h.recompose(sh, pr, NewChange(), fx)
	}
	for _, l := range pr.legs {
		if pr.here {
			continue
		}
		if len(l.subs) > 0 {
			l.attached = !l.parked
			continue
		}
		l.view = nil
		if l.verdict.State != Active {
			h.forgetLater(sh, l)
		}
	}
	sh.drop(pr)
}

// loadRecord takes in one record; kept is false for what has expired. What
// belongs to a domain or user that is not configured now is not taken in, but
// stays stored: a slip in the configuration must not cost anyone's answers.
func (h *Hub) loadRecord(r store.Record) (kept bool, err error) {
	kind, parts, err := keyParts(r.Key)
	if err != nil {
		return false, err
	}
	if kind == kindOrigin {
		return h.loadOrigin(r.Value)
	}
	f, err := readValue(r.Value)
	if err != nil {
		return false, err
	}
	want, ok := map[byte][2]int{kindPublication: {1, 2}, kindRemoval: {1, 2}, kindAnswer: {2, 2}, kindSub: {2, 4}, kindLeg: {2, 2}}[kind]
	if !ok || len(parts) != want[1] {
		return false, fmt.Errorf("a key of kind %q with %d parts", kind, len(parts))
	}
	as, err := addrs(parts, want[0])
	if err != nil {
		return false, err
	}
	dom := h.cfg.Directory.Home(as[0])
	if dom == nil {
		return true, errNotConfigured
	}
	sh := h.shard(as[0])
	sh.mu.Lock()
	defer sh.mu.Unlock()
	pr := sh.presentity(as[0], dom)
	defer sh.drop(pr)
	switch kind {
	case kindPublication:
		return h.loadPublication(sh, pr, parts[1], f)
	case kindRemoval:
		return h.loadRemoval(sh, pr, r.Key, f)
	case kindAnswer:
		return pr.loadAnswer(as[1], f)
	case kindSub:
		return h.loadSub(sh, pr, as[1], parts[2], parts[3], f)
	default:
		return h.loadLeg(pr, as[1], f)
	}
}

func (h *Hub) loadPublication(sh *shard, pr *presentity, id string, f *fields) (bool, error) {
	p := &publication{of: pr, id: id, etag: f.string(), source: f.string(), request: f.string(),
		seq: f.uint(), changed: f.uint(), expires: f.time(), raw: f.bytes()}
	if len(f.b) > 0 {
		p.class, p.arrived = presence.SourceClass(f.uint()), f.time()
	}
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
	h.setDue(sh, p, jitter(p.expires))
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
func (h *Hub) loadSub(sh *shard, pr *presentity, watcher presence.Addr, port, id string, f *fields) (bool, error) {
	s := &sub{port: port, id: id, expires: f.time(), data: f.bytes()}
	over := len(f.b) > 0 && f.uint() == 1
	if f.err() != nil {
		return false, f.err()
	}
	if over {
		return h.loadEnded(sh, ended{Leg{watcher, pr.addr}, port, id, s.data}, s.expires), nil
	}
	s.leg = pr.leg(watcher)
	s.leg.subs = append(s.leg.subs, s)
	return true, nil
}

func (h *Hub) loadLeg(pr *presentity, watcher presence.Addr, f *fields) (bool, error) {
	state, version, data, raw := SubState(f.uint()), f.uint(), f.bytes(), f.bytes()
	if f.err() != nil {
		return false, f.err()
	}
	if pr.here {
		return false, nil
	}
	l := pr.leg(watcher)
	l.verdict.State, l.version, l.data = state, max(l.version, version), data
	if len(f.b) > 0 {
		l.parked, l.verdict.Reason = f.uint() == 1, f.string()
	}
	if len(raw) == 0 {
		return true, f.err()
	}
	s, err := h.cfg.Codec.Decode(raw)
	if err != nil {
		return false, fmt.Errorf("reading the stored state: %w", err)
	}
	l.view = h.newView(l.of.addr, l.version, s, NewChange())
	return true, f.err()
}

// jitter spreads what was stored to end together by up to a second.
func jitter(t time.Time) time.Time { return t.Add(rand.N(time.Second)) }

// Resume calls each with every stored subscription of the watcher's port and
// attaches the Outbox that it returns; nil ends the subscription without a
// word. A port calls it first in Run, before it takes requests; each must not
// call the hub. Every resumed subscription gets an Item with its current
// state, since the last one may not have been sent before the restart; one that
// its watcher has ended a moment ago gets its last Item.
func (h *Hub) Resume(port string, each func(Resumed) *Outbox) {
	for i := range h.shards {
		h.resumeShard(&h.shards[i], port, each)
		h.resumeEnded(&h.shards[i], port, each)
	}
}

func (h *Hub) resumeShard(sh *shard, port string, each func(Resumed) *Outbox) {
	for _, s := range sh.subsOf(port) {
		v, _ := h.Standing(s.leg.Leg())
		out := each(Resumed{Leg: s.leg.Leg(), ID: s.id, Expires: s.expires, Verdict: v, Data: s.data})
		h.leave(sh, h.section(sh, func(fx *effects) { h.resumeSub(sh, s, out, fx) }))
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
	if !slices.Contains(s.leg.subs, s) {
		return
	}
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
// reconnect. Parked ones are left out. each must not call the hub.
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
				if len(l.subs) == 0 || l.parked {
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
