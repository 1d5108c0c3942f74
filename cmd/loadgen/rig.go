//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"
)

// rig is one run: its engines, and the server whose use is counted.
type rig struct {
	ctx     context.Context
	opt     *options
	cfg     *config
	engines []*engine
	pids    []int
	server  *server // started by the run itself
	out     report
	stop    atomic.Bool
}

// scenario is one of the loads that can be run.
type scenario interface {
	flags() *options
	// run does the work and puts the figures into r.out.
	run(r *rig) error
}

// play runs a scenario and writes its report, one JSON line, to w. A server
// that the run starts itself, with the shell command start, is killed at the
// end.
func play(ctx context.Context, name string, s scenario, start string, w io.Writer) (err error) {
	o := s.flags()
	cfg, err := o.config()
	if err != nil {
		return err
	}
	r := &rig{ctx: ctx, opt: o, cfg: cfg}
	r.pids, err = o.pids()
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { r.stop.Store(true) })()
	debug.SetGCPercent(400)
	runtime.GOMAXPROCS(o.Engines + 1)
	stopProfile, err := profile(o.CPUProfile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopProfile()) }()
	r.out = report{"scenario": name, "transport": o.Transport, "body": o.Body, "loadavg": loadAverage(), "run": cfg.run}
	if o.Label != "" {
		r.out["label"] = o.Label
	}
	if start != "" {
		defer r.kill()
		_, err = r.launch(start)
		if err != nil {
			return err
		}
	}
	defer r.close()
	err = r.open()
	if err != nil {
		return err
	}
	err = s.run(r)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("scenario %s: %w", name, err)
	}
	if bad := r.bad(); bad != nil {
		r.out["unparsed"] = string(bad)
	}
	return json.NewEncoder(w).Encode(r.out)
}

// profile writes a CPU profile of this process until the function it returns
// is called; path may be empty.
func profile(path string) (stop func() error, err error) {
	if path == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("writing a profile: %w", err)
	}
	err = pprof.StartCPUProfile(f)
	if err != nil {
		f.Close()
		return nil, err
	}
	return func() error { pprof.StopCPUProfile(); return f.Close() }, nil
}

func (r *rig) open() error {
	for i := range r.cfg.engines {
		e, err := newEngine(r.cfg, i, &r.stop)
		r.engines = append(r.engines, e)
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *rig) close() {
	for _, e := range r.engines {
		e.close()
	}
}

// bad returns the first message that did not parse, or nil.
func (r *rig) bad() []byte {
	for _, e := range r.engines {
		if e.bad != nil {
			return e.bad
		}
	}
	return nil
}

// each runs f on all engines at once and waits.
func (r *rig) each(f func(e *engine)) {
	var wg sync.WaitGroup
	for _, e := range r.engines {
		wg.Go(func() { f(e) })
	}
	wg.Wait()
}

// sum adds up f over all engines.
func (r *rig) sum(f func(e *engine) int) (n int) {
	for _, e := range r.engines {
		n += f(e)
	}
	return n
}

// freshStats begins a new count on every engine.
func (r *rig) freshStats() {
	for _, e := range r.engines {
		e.st = &stats{}
	}
}

func (r *rig) collect() *stats {
	s := &stats{}
	for _, e := range r.engines {
		s.merge(e.st)
	}
	return s
}

// share is what one engine has of n units in flight.
func (r *rig) share(n int) int { return max(1, n/len(r.engines)) }

// sleep waits, or less when the run is stopped.
func (r *rig) sleep(d time.Duration) {
	select {
	case <-r.ctx.Done():
	case <-time.After(d):
	}
}

// snapshot is what has been used up to a moment.
type snapshot struct {
	at          int64
	server      usage
	own         float64
	machine     float64
	serverDrops int64
	ownDrops    int64
}

func (r *rig) snapshot() snapshot {
	s := snapshot{at: nanos(), server: usageOf(r.pids, false), own: ownCPU(), machine: machineCPU()}
	serverPort := portOf(&r.cfg.target)
	ports := map[int]bool{serverPort: true}
	for _, e := range r.engines {
		for _, l := range e.links {
			if !l.tcp {
				ports[l.port] = true
			}
		}
	}
	for port, n := range udpDrops(ports) {
		if port == serverPort {
			s.serverDrops += n
		} else {
			s.ownDrops += n
		}
	}
	return s
}

// spent is what was used between two snapshots.
type spent struct {
	seconds    float64
	user, sys  float64 // of the server
	own, other float64 // the generator's, and everybody else's
	processes  int
	drops      int64 // of the server
	ownDrops   int64
}

func (b snapshot) since(a snapshot) spent {
	s := spent{seconds: float64(b.at-a.at) / 1e9, user: b.server.user - a.server.user, sys: b.server.system - a.server.system,
		own: b.own - a.own, processes: b.server.processes, drops: b.serverDrops - a.serverDrops, ownDrops: b.ownDrops - a.ownDrops}
	s.other = b.machine - a.machine - s.own - s.server()
	return s
}

func (s spent) server() float64 { return s.user + s.sys }

// micros is the server's CPU per one of n, in microseconds.
func (s spent) micros(n uint64) float64 { return milli(s.server() * 1e6 / float64(n)) }

// milli cuts f to three places.
func milli(f float64) float64 { return math.Round(f*1000) / 1000 }

// spent puts what was used into out.
func (r *rig) spent(out report, s spent) {
	out["wall_s"] = milli(s.seconds)
	out["gen_cpu_s"] = milli(s.own)
	if len(r.pids) > 0 {
		out["srv_user_s"] = milli(s.user)
		out["srv_sys_s"] = milli(s.sys)
		out["srv_cpu_s"] = milli(s.server())
		out["srv_procs"] = s.processes
	}
	out["other_cpu_s"] = milli(s.other)
	out["srv_udp_drops"] = s.drops
	out["gen_udp_drops"] = s.ownDrops
}

// perUnit puts the CPU of server and generator per one of n into out, in
// milliseconds per 1000.
func (r *rig) perUnit(out report, what string, s spent, n uint64) {
	if n == 0 {
		return
	}
	if len(r.pids) > 0 {
		out["srv_cpu_ms_per_1000_"+what] = s.micros(n)
	}
	out["gen_cpu_ms_per_1000_"+what] = milli(s.own * 1e6 / float64(n))
}
