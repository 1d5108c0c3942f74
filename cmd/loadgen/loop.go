//go:build linux

package main

import (
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// starter starts the next unit of work, due at that time, and reports false
// when there is none to start.
type starter func(e *engine, due int64) bool

// phase is one stretch of load.
type phase struct {
	inflight int           // closed loop: units at once
	rate     float64       // open loop: units per second; 0: closed
	duration time.Duration // stop starting after; 0: never
	total    int           // stop starting after so many; 0: never
	limit    time.Duration // the most it may take after the last start; 0: any time
	next     starter
	until    func(e *engine) bool // it is over when this holds, too
}

// phaseRun is a phase on its way.
type phaseRun struct {
	*phase
	start, stopAt int64
	due           int // open loop: units that were due
	stopped       bool
	stoppedAt     int64
	asked         int64 // when until was asked last
}

// run runs one phase to its end.
func (e *engine) run(ph *phase) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	e.tick()
	r := &phaseRun{phase: ph, start: e.now, stopAt: e.now + int64(ph.duration)}
	e.started = 0
	events := make([]unix.EpollEvent, 64)
	for !e.stop.Load() {
		e.tick()
		wait, done := e.step(r)
		if done {
			break
		}
		e.fireTimers()
		e.flushDirty()
		n := e.wait(events, wait)
		for _, ev := range events[:n] {
			e.onEvent(ev)
		}
	}
	e.flushDirty()
	e.inflight = 0
}

// step starts what is due and tells how long the loop may sleep, and whether
// the phase is over.
func (e *engine) step(r *phaseRun) (wait int64, done bool) {
	const longest = int64(20 * time.Millisecond)
	if !r.stopped && (r.next == nil || r.total > 0 && e.started >= r.total || r.duration > 0 && e.now >= r.stopAt) {
		r.stopped, r.stoppedAt = true, e.now
	}
	if !r.stopped {
		wait = longest
		if r.rate > 0 {
			wait = e.startDue(r, longest)
		} else {
			e.startFree(r)
		}
		if r.duration > 0 {
			wait = min(wait, max(r.stopAt-e.now, 0))
		}
		return wait, false
	}
	if r.limit > 0 && e.now-r.stoppedAt > int64(r.limit) {
		e.st.n[phaseTimeouts]++
		return 0, true
	}
	if e.inflight > 0 {
		return longest, false
	}
	if r.until == nil {
		return 0, true
	}
	if e.now-r.asked > int64(10*time.Millisecond) {
		r.asked = e.now
		if r.until(e) {
			return 0, true
		}
	}
	return int64(5 * time.Millisecond), false
}

// startFree starts units until enough are in flight.
func (e *engine) startFree(r *phaseRun) {
	for e.inflight < r.inflight && (r.total == 0 || e.started < r.total) {
		if !r.next(e, e.now) {
			return
		}
		e.started++
	}
}

// startDue starts the units of an open loop whose time has come and returns
// the time to the next.
func (e *engine) startDue(r *phaseRun, longest int64) (wait int64) {
	for r.total == 0 || e.started < r.total {
		due := r.start + int64(float64(r.due)*1e9/r.rate)
		if due > e.now {
			return min(due-e.now, longest)
		}
		if r.duration > 0 && due >= r.stopAt {
			break
		}
		if !r.next(e, due) {
			e.st.n[blocked]++
			break
		}
		r.due++
		e.started++
	}
	return longest
}

// wait sleeps until a socket has something or ns have passed.
func (e *engine) wait(events []unix.EpollEvent, ns int64) int {
	ts := unix.NsecToTimespec(ns)
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(e.epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), uintptr(unsafe.Pointer(&ts)), 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

func (e *engine) onEvent(ev unix.EpollEvent) {
	if e.listener >= 0 && ev.Fd == int32(e.listener) {
		e.accept()
		return
	}
	l := e.byFD[ev.Fd]
	if l == nil {
		return
	}
	if !l.tcp {
		l.readUDP(e.in)
		return
	}
	if ev.Events&unix.EPOLLOUT != 0 {
		l.writable()
	}
	if ev.Events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR) != 0 && !l.dead {
		l.readTCP()
	}
}
