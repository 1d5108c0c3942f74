//go:build linux

package main

import (
	"sync"
	"time"
)

// killing are the flags of scenarios that kill the server.
type killing struct {
	Start     string        `help:"Shell command that runs the server in the foreground." required:""`
	KillAfter time.Duration `help:"Time from the end of the set-up, or of load, to SIGKILL." default:"2s"`
	Conc      int           `help:"PUBLISHes in flight." default:"32"`
	Settle    time.Duration `help:"What watchers may take to catch up." default:"10s"`
}

// restartLoad asks whether dialogs and publications outlive SIGKILL.
type restartLoad struct {
	options  `embed:""`
	killing  `embed:""`
	Pubs     int `help:"Presentities." default:"100"`
	Watchers int `help:"Watchers per presentity." default:"10"`
}

func (s *restartLoad) flags() *options { return &s.options }

func (s *restartLoad) run(r *rig) error {
	r.makePubs(s.Pubs)
	r.makeWatchers(s.Watchers)
	r.out["pubs"], r.out["watchers"], r.out["kill_after_s"] = s.Pubs, s.Watchers, s.KillAfter.Seconds()
	r.publishAll()
	n := r.subscribeAll()
	r.changeAll("change_before", s.Conc, s.Settle)
	r.sleep(s.KillAfter)
	killed := time.Now()
	r.kill()
	took, err := r.launch(s.Start)
	if err != nil {
		return err
	}
	r.out["kill_to_serving_ms"] = millis(time.Since(killed))
	r.out["start_to_serving_ms"] = millis(took)
	st := r.changeAll("change_after", s.Conc, s.Settle)
	r.out["publications_lost"] = st.n[publish412]
	if st.n[publish412] > 0 {
		r.changeAll("republish", s.Conc, s.Settle)
	}
	silent := r.stale()
	r.out["dialogs_before"], r.out["dialogs_without_change"], r.out["dialogs_survived"] = n, silent, n-silent
	st = r.setup(r.out, "refresh_after", r.onceWatcher(isActive, renew))
	r.out["refresh_481"] = st.status[481]
	r.out["refresh_ok"] = st.n[established]
	return nil
}

func millis(d time.Duration) float64 { return milli(float64(d.Microseconds()) / 1000) }

// durabilityLoad kills the server in the middle of a load of PUBLISH and asks
// the next one for every presentity's state: an acknowledged version that is
// gone is lost.
type durabilityLoad struct {
	options `embed:""`
	killing `embed:""`
	Pubs    int `help:"Presentities." default:"1000"`
}

func (s *durabilityLoad) flags() *options { return &s.options }

func (s *durabilityLoad) run(r *rig) error {
	r.makePubs(s.Pubs)
	r.makeWatchers(1)
	for _, e := range r.engines {
		for i := range e.pubs {
			e.pubs[i].watchers = 0
		}
	}
	r.out["pubs"], r.out["conc"], r.out["kill_after_s"] = s.Pubs, s.Conc, s.KillAfter.Seconds()
	r.publishAll()
	timeout := r.cfg.timeout
	r.cfg.timeout = int64(1500 * time.Millisecond)
	var killer sync.WaitGroup
	killer.Go(func() {
		r.sleep(s.KillAfter)
		r.kill()
	})
	r.freshStats()
	r.each(func(e *engine) {
		e.run(&phase{inflight: r.share(s.Conc), duration: s.KillAfter + 200*time.Millisecond,
			next: nextPublish(modify), limit: 10 * time.Second})
	})
	killer.Wait()
	load := report{}
	r.collect().report(load)
	r.out["load"] = load
	r.cfg.timeout = timeout
	took, err := r.launch(s.Start)
	if err != nil {
		return err
	}
	r.out["start_to_serving_ms"] = millis(took)
	r.setup(r.out, "fetch", r.onceWatcher(anyWatcher, fetchState))
	s.compare(r)
	return nil
}

// compare holds what was fetched against what was acknowledged.
func (s *durabilityLoad) compare(r *rig) {
	none, lost, ahead := 0, 0, 0
	for _, e := range r.engines {
		for i := range e.wats {
			w := &e.wats[i]
			acked := e.pubs[w.presentity].acked
			switch {
			case acked == 0:
			case w.version == 0:
				none++
			case w.version < acked:
				lost++
			case w.version > acked:
				ahead++
			}
		}
	}
	r.out["presentities_without_state"] = none
	r.out["acked_versions_lost"] = lost
	r.out["unacked_versions_kept"] = ahead
}
