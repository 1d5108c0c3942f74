//go:build linux

package main

import (
	"time"
)

// answerLimit is how long a load without watchers may take to end: more than a
// transaction's timeout.
const answerLimit = 50 * time.Second

// publishLoad is PUBLISH alone.
type publishLoad struct {
	options `embed:""`
	loop    `embed:""`
	Pubs    int    `help:"Presentities." default:"1000"`
	Mode    string `help:"modify: a new body each time; refresh: none." enum:"modify,refresh" default:"modify"`
}

func (s *publishLoad) flags() *options { return &s.options }

func (s *publishLoad) run(r *rig) error {
	r.makePubs(s.Pubs)
	r.out["pubs"], r.out["conc"], r.out["rate"], r.out["mode"] = s.Pubs, s.Conc, s.Rate, s.Mode
	kind := modify
	if s.Mode == "refresh" {
		kind = refresh
	}
	r.publishAll()
	next := nextPublish(kind)
	r.warm(&s.loop, next, answerLimit, nil)
	st, used := r.measured(r.load(&s.loop, s.Dur, next, answerLimit, nil))
	r.out["publish_per_s"] = int(float64(st.n[publishOK]) / used.seconds)
	r.perUnit(r.out, "publish", used, st.n[publishOK])
	r.clean()
	return nil
}

// subscribeLoad is SUBSCRIBE with its NOTIFYs.
type subscribeLoad struct {
	options  `embed:""`
	loop     `embed:""`
	Pubs     int    `help:"Presentities." default:"1000"`
	Watchers int    `help:"Watchers per presentity." default:"10"`
	Mode     string `help:"churn: begin and end a dialog; refresh: in a dialog; fetch: Expires 0 outside one." enum:"churn,refresh,fetch" default:"churn"`
}

func (s *subscribeLoad) flags() *options { return &s.options }

func (s *subscribeLoad) run(r *rig) error {
	r.makePubs(s.Pubs)
	r.makeWatchers(s.Watchers)
	r.out["pubs"], r.out["watchers"], r.out["conc"], r.out["rate"], r.out["mode"] = s.Pubs, s.Watchers, s.Conc, s.Rate, s.Mode
	r.publishAll()
	var next starter
	counted := unsubscribeOK
	switch s.Mode {
	case "churn":
		// A unit is a dialog begun and, once it stands, ended.
		for _, e := range r.engines {
			e.onSubscribe = func(w *watcher, i int32, ok bool) {
				if ok && w.state == active {
					e.unsubscribe(i, e.now)
				}
			}
		}
		next = r.nextWatcher(isFree, newDialog)
	case "fetch":
		next = r.nextWatcher(isFree, fetchState)
	default:
		r.subscribeAll()
		next = r.nextWatcher(isActive, renew)
		counted = subscribeOK
	}
	r.warm(&s.loop, next, answerLimit, nil)
	st, used := r.measured(r.load(&s.loop, s.Dur, next, answerLimit, nil))
	n := st.n[counted]
	r.out["dialogs_per_s"] = int(float64(n) / used.seconds)
	r.perUnit(r.out, "dialogs", used, n)
	r.clean()
	return nil
}

// fanoutLoad is changes that go to many watchers.
type fanoutLoad struct {
	options  `embed:""`
	loop     `embed:""`
	Pubs     int           `help:"Presentities." default:"1000"`
	Watchers int           `help:"Watchers per presentity." default:"10"`
	Wait     string        `help:"A publisher goes on when every watcher has the change (all) or after its 200 (ok)." enum:"all,ok" default:"all"`
	Burst    int           `help:"Rounds in which every publisher sends so many changes back to back, then a pause in which the watchers must catch up." default:"0"`
	Settle   time.Duration `help:"What watchers may take to catch up at the end." default:"10s"`
}

func (s *fanoutLoad) flags() *options { return &s.options }

func (s *fanoutLoad) run(r *rig) error {
	r.makePubs(s.Pubs)
	r.makeWatchers(s.Watchers)
	r.out["pubs"], r.out["watchers"], r.out["conc"], r.out["rate"], r.out["wait"] = s.Pubs, s.Watchers, s.Conc, s.Rate, s.Wait
	r.publishAll()
	r.out["established"] = r.subscribeAll()
	if s.Burst > 0 {
		s.bursts(r)
		r.clean()
		return nil
	}
	for _, e := range r.engines {
		e.waitAll = s.Wait == "all"
	}
	next := nextPublish(modify)
	r.warm(&s.loop, next, s.Settle, caughtUp)
	begin := nanos()
	st, used := r.measured(r.load(&s.loop, s.Dur, next, s.Settle, caughtUp))
	busy := used.seconds
	if st.lastFresh > begin {
		busy = float64(st.lastFresh-begin) / 1e9
	}
	r.out["active_s"] = milli(busy)
	r.out["publish_per_s"] = int(float64(st.n[publishOK]) / busy)
	r.out["notify_per_s"] = int(float64(st.n[notifyFresh]) / busy)
	r.out["stale"] = r.stale()
	r.out["lost_dialogs"] = int(st.n[terminatedUnasked])
	r.perUnit(r.out, "notify", used, st.n[notifyFresh])
	r.clean()
	return nil
}

// bursts lets every publisher send some changes, each after the other's 200,
// and then stop. A watcher that does not end with the last one is stale for
// good, because nothing follows that could repair it.
func (s *fanoutLoad) bursts(r *rig) {
	left := make([][]int, len(r.engines))
	for _, e := range r.engines {
		left[e.id] = make([]int, len(e.pubs))
		e.onPublish = func(_ *publisher, i int32, status int) {
			if left[e.id][i] > 0 && status == 200 {
				left[e.id][i]--
				e.publish(i, modify, e.now)
			}
		}
	}
	r.freshStats()
	before := r.snapshot()
	rounds, badRounds, stale := 0, 0, 0
	for end := nanos() + int64(s.Dur); nanos() < end && !r.stop.Load(); rounds++ {
		r.each(func(e *engine) {
			at := int32(0)
			e.run(&phase{inflight: len(e.pubs), total: len(e.pubs), limit: s.Settle, until: caughtUp,
				next: func(e *engine, due int64) bool {
					left[e.id][at] = s.Burst - 1
					e.publish(at, modify, due)
					at++
					return true
				}})
		})
		if n := r.stale(); n > 0 {
			badRounds++
			stale += n
			r.each(forgive)
		}
	}
	used := r.snapshot().since(before)
	st := r.collect()
	r.spent(r.out, used)
	st.report(r.out)
	r.perUnit(r.out, "notify", used, st.n[notifyFresh])
	r.out["burst"], r.out["rounds"], r.out["stale_rounds"], r.out["stale"] = s.Burst, rounds, badRounds, stale
	r.out["ends"] = rounds * s.Pubs * s.Watchers // ends of a burst, as watchers see them
}

// forgive lets the next round begin as if no watcher were stale.
func forgive(e *engine) {
	for i := range e.wats {
		w := &e.wats[i]
		w.version = max(w.version, e.pubs[w.presentity].acked)
	}
}

// capacityLoad holds many subscriptions and weighs them.
type capacityLoad struct {
	options `embed:""`
	Pubs    int           `help:"Presentities." default:"1000"`
	Subs    int           `help:"Subscriptions to hold." default:"100000"`
	Conc    int           `help:"PUBLISHes in flight when every presentity changes." default:"16"`
	Hold    time.Duration `help:"Idle time before memory is read." default:"2s"`
	Settle  time.Duration `help:"What watchers may take to catch up." default:"10s"`
}

func (s *capacityLoad) flags() *options { return &s.options }

func (s *capacityLoad) run(r *rig) error {
	each := (s.Subs + s.Pubs - 1) / s.Pubs
	r.makePubs(s.Pubs)
	r.makeWatchers(each)
	r.out["pubs"], r.out["watchers"] = s.Pubs, each
	memory := func(name string) int64 {
		r.sleep(s.Hold)
		u := usageOf(r.pids, true)
		r.out[name+"_pss_mb"], r.out[name+"_rss_sum_mb"] = milli(float64(u.pss)/1e6), milli(float64(u.rss)/1e6)
		return u.pss
	}
	idle := memory("idle")
	r.publishAll()
	published := memory("published")
	n := r.subscribeAll()
	subscribed := memory("subscribed")
	r.out["subscriptions"] = n
	r.out["bytes_per_publication"] = (published - idle) / int64(max(1, s.Pubs))
	r.out["bytes_per_subscription"] = (subscribed - published) / int64(max(1, n))
	// A change of every presentity must still reach everybody.
	r.changeAll("change_all", s.Conc, s.Settle)
	memory("after_change")
	r.clean()
	if r.opt.Cleanup {
		memory("after_cleanup")
	}
	return nil
}
