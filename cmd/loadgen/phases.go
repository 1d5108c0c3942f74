//go:build linux

package main

import (
	"math"
	"time"
)

// makePubs gives the engines n publishers in all.
func (r *rig) makePubs(n int) {
	for _, e := range r.engines {
		mine := n / len(r.engines)
		if e.id < n%len(r.engines) {
			mine++
		}
		e.pubs = make([]publisher, mine)
		for i := range e.pubs {
			e.pubs[i].link = int32(i % len(e.links))
		}
	}
}

// makeWatchers gives every presentity n watchers; neighbours in the array
// watch different presentities.
func (r *rig) makeWatchers(n int) {
	for _, e := range r.engines {
		e.wats = make([]watcher, len(e.pubs)*n)
		for i := range e.wats {
			e.wats[i].presentity = int32(i % len(e.pubs))
			e.wats[i].link = int32((i + i/len(e.pubs)) % len(e.links))
		}
		for i := range e.pubs {
			e.pubs[i].watchers = int32(n)
		}
	}
}

// nextPublish starts a PUBLISH for the next presentity that is free.
func nextPublish(kind pubKind) starter {
	return func(e *engine, due int64) bool {
		for range min(len(e.pubs), 256) {
			i := e.cursor % len(e.pubs)
			e.cursor++
			if p := &e.pubs[i]; p.active || p.waiting {
				continue
			}
			e.publish(int32(i), kind, due)
			return true
		}
		return false
	}
}

// nextWatcher starts work for the next watcher that want likes.
func (r *rig) nextWatcher(want func(w *watcher) bool, start func(e *engine, i int32, due int64)) starter {
	at := make([]int, len(r.engines))
	return func(e *engine, due int64) bool {
		for range min(len(e.wats), 256) {
			i := at[e.id] % len(e.wats)
			at[e.id]++
			if want(&e.wats[i]) {
				start(e, int32(i), due)
				return true
			}
		}
		return false
	}
}

// oncePublish starts one PUBLISH for each presentity that want likes; nil
// likes all.
func (r *rig) oncePublish(kind pubKind, want func(p *publisher) bool) starter {
	at := make([]int, len(r.engines))
	return func(e *engine, due int64) bool {
		for at[e.id] < len(e.pubs) {
			i := at[e.id]
			at[e.id]++
			if want == nil || want(&e.pubs[i]) {
				e.publish(int32(i), kind, due)
				return true
			}
		}
		return false
	}
}

// onceWatcher starts work once for each watcher that want likes.
func (r *rig) onceWatcher(want func(w *watcher) bool, start func(e *engine, i int32, due int64)) starter {
	at := make([]int, len(r.engines))
	return func(e *engine, due int64) bool {
		for at[e.id] < len(e.wats) {
			i := at[e.id]
			at[e.id]++
			if want(&e.wats[i]) {
				start(e, int32(i), due)
				return true
			}
		}
		return false
	}
}

func anyWatcher(*watcher) bool     { return true }
func isActive(w *watcher) bool     { return w.state == active }
func isFree(w *watcher) bool       { return w.state == idle || w.state == gone }
func hasETag(p *publisher) bool    { return p.etag != nil }
func activeWatchers(e *engine) int { return countWatchers(e, isActive) }
func isStale(e *engine, w *watcher) bool {
	return w.state == active && w.version < e.pubs[w.presentity].acked
}

func countWatchers(e *engine, want func(w *watcher) bool) (n int) {
	for i := range e.wats {
		if want(&e.wats[i]) {
			n++
		}
	}
	return n
}

func newDialog(e *engine, i int32, due int64)  { e.subscribe(i, due, false) }
func fetchState(e *engine, i int32, due int64) { e.subscribe(i, due, true) }
func renew(e *engine, i int32, due int64)      { e.resubscribe(i, due) }
func leave(e *engine, i int32, due int64)      { e.unsubscribe(i, due) }

// stale counts the watchers that do not show the last acknowledged state.
func (r *rig) stale() int {
	return r.sum(func(e *engine) int {
		return countWatchers(e, func(w *watcher) bool { return isStale(e, w) })
	})
}

// caughtUp reports whether no watcher of the engine is stale.
func caughtUp(e *engine) bool {
	for i := range e.wats {
		if isStale(e, &e.wats[i]) {
			return false
		}
	}
	return true
}

// sweep runs next until it has nothing left to start and all is answered, and
// until holds where it is not nil.
func (r *rig) sweep(inflight int, limit time.Duration, next starter, until func(e *engine) bool) *stats {
	const all = math.MaxInt
	r.freshStats()
	r.each(func(e *engine) {
		e.run(&phase{inflight: r.share(inflight), total: all, limit: limit, until: until,
			next: func(e *engine, due int64) bool {
				if next(e, due) {
					return true
				}
				e.started = all
				return false
			}})
	})
	return r.collect()
}

// setup is a sweep with a report of its own under that name.
func (r *rig) setup(out report, name string, next starter) *stats {
	before := r.snapshot()
	s := r.sweep(r.opt.SetupConc, 120*time.Second, next, nil)
	used := r.snapshot().since(before)
	m := report{}
	r.spent(m, used)
	s.report(m)
	n := s.n[publishOK] + s.n[established]
	m["per_s"] = int(float64(n) / used.seconds)
	if n > 0 && len(r.pids) > 0 {
		m["srv_cpu_ms_per_1000"] = used.micros(n)
	}
	out[name] = m
	return s
}

// publishAll makes every presentity's publication.
func (r *rig) publishAll() { r.setup(r.out, "initial", r.oncePublish(initial, nil)) }

// subscribeAll makes every watcher's dialog and returns how many there are.
func (r *rig) subscribeAll() int {
	r.setup(r.out, "subscribe_setup", r.onceWatcher(anyWatcher, newDialog))
	return r.sum(activeWatchers)
}

// changeAll publishes once for every presentity and waits for the watchers.
func (r *rig) changeAll(name string, inflight int, settle time.Duration) *stats {
	begin := nanos()
	before := r.snapshot()
	s := r.sweep(inflight, settle, r.oncePublish(modify, nil), caughtUp)
	used := r.snapshot().since(before)
	m := report{"stale": r.stale()}
	r.spent(m, used)
	s.report(m)
	if s.lastFresh > begin {
		m["notify_per_s"] = int(float64(s.n[notifyFresh]) / (float64(s.lastFresh-begin) / 1e9))
	}
	r.perUnit(m, "notify", used, s.n[notifyFresh])
	r.out[name] = m
	return s
}

// clean unsubscribes and removes publications, and reports it in brief.
func (r *rig) clean() {
	if !r.opt.Cleanup {
		return
	}
	for _, e := range r.engines {
		e.waitAll = false
		e.onPublish, e.onSubscribe = nil, nil
	}
	all := report{}
	r.setup(all, "unsubscribe", r.onceWatcher(isActive, leave))
	r.setup(all, "remove", r.oncePublish(remove, hasETag))
	brief := report{}
	for _, step := range []string{"unsubscribe", "remove"} {
		b := report{}
		for _, f := range []string{"publish_ok", "publish_err", "unsubscribe_ok", "subscribe_err", "timeouts", "retransmits", "no_notify", "status", "wall_s"} {
			if v, ok := all[step].(report)[f]; ok {
				b[f] = v
			}
		}
		brief[step] = b
	}
	r.out["cleanup"] = brief
}

// measured runs a phase on every engine between two snapshots.
func (r *rig) measured(make func(e *engine) *phase) (*stats, spent) {
	r.freshStats()
	before := r.snapshot()
	r.each(func(e *engine) { e.run(make(e)) })
	used := r.snapshot().since(before)
	s := r.collect()
	r.spent(r.out, used)
	s.report(r.out)
	return s, used
}

// load makes phases of the measured load; until may be nil.
func (r *rig) load(l *loop, d time.Duration, next starter, settle time.Duration, until func(e *engine) bool) func(e *engine) *phase {
	return func(*engine) *phase {
		return &phase{inflight: r.share(l.Conc), rate: l.Rate / float64(len(r.engines)), duration: d,
			next: next, limit: settle, until: until}
	}
}

// warm runs the load unmeasured.
func (r *rig) warm(l *loop, next starter, settle time.Duration, until func(e *engine) bool) {
	if l.Warm <= 0 {
		return
	}
	mk := r.load(l, l.Warm, next, settle, until)
	r.each(func(e *engine) { e.run(mk(e)) })
}
