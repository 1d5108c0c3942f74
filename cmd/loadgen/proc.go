//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// clockTick is the unit of the times in /proc: USER_HZ, 100 on every Linux.
const clockTick = 100

// statFields are the fields of /proc/PID/stat behind the command: [0] is the
// state, [1] the parent, [11] and [12] user and system time, [13] and [14]
// those of children waited for. It is nil for no such process.
func statFields(pid int) []string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(f) < 15 {
		return nil
	}
	return f
}

// running reports whether the process is there and not a zombie.
func running(pid int) bool {
	f := statFields(pid)
	return f != nil && f[0] != "Z"
}

// processTree returns the roots that run and all their descendants.
func processTree(roots []int) (tree []int) {
	if len(roots) == 0 {
		return nil
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	children := map[int][]int{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if f := statFields(pid); f != nil {
			parent, _ := strconv.Atoi(f[1])
			children[parent] = append(children[parent], pid)
		}
	}
	seen := map[int]bool{}
	for todo := append([]int{}, roots...); len(todo) > 0; {
		pid := todo[0]
		todo = todo[1:]
		if seen[pid] || statFields(pid) == nil {
			continue
		}
		seen[pid] = true
		tree = append(tree, pid)
		todo = append(todo, children[pid]...)
	}
	return tree
}

// usage is what processes have used.
type usage struct {
	user, system float64 // seconds
	rss, pss     int64   // bytes
	processes    int
}

// usageOf sums up the trees of the roots; memory only when asked for, since
// the kernel takes long to count it.
func usageOf(roots []int, memory bool) (u usage) {
	for _, pid := range processTree(roots) {
		f := statFields(pid)
		if f == nil {
			continue
		}
		u.user += ticks(f[11]) + ticks(f[13])
		u.system += ticks(f[12]) + ticks(f[14])
		u.processes++
		if memory {
			rss, pss := memoryOf(pid)
			u.rss += rss
			u.pss += pss
		}
	}
	return u
}

func ticks(s string) float64 {
	v, _ := strconv.ParseFloat(s, 64)
	return v / clockTick
}

// memoryOf returns the resident set of a process, and its share of it where
// pages are shared, in bytes.
func memoryOf(pid int) (rss, pss int64) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(b)) {
		w := strings.Fields(line)
		if len(w) < 2 {
			continue
		}
		v, _ := strconv.ParseInt(w[1], 10, 64)
		switch w[0] {
		case "Rss:":
			rss = v * 1024
		case "Pss:":
			pss = v * 1024
		}
	}
	return rss, pss
}

// ownCPU is what this process has used, in seconds.
func ownCPU() float64 {
	var r syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	if err != nil {
		return 0
	}
	return float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9
}

// machineCPU is what all processors have worked, in seconds.
func machineCPU() (busy float64) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(b), "\n")
	for i, w := range strings.Fields(line) {
		// 1 to 8 are user, nice, system, idle, iowait, irq, softirq, steal;
		// guests are in user already.
		if i >= 1 && i <= 8 && i != 4 && i != 5 {
			busy += ticks(w)
		}
	}
	return busy
}

// udpDrops returns how many datagrams were dropped at full buffers of the
// sockets bound to these local ports.
func udpDrops(ports map[int]bool) map[int]int64 {
	drops := map[int]int64{}
	for _, name := range []string{"/proc/net/udp", "/proc/net/udp6"} {
		b, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			w := strings.Fields(line)
			if len(w) < 13 {
				continue
			}
			port, err := strconv.ParseInt(w[1][strings.LastIndexByte(w[1], ':')+1:], 16, 32)
			if err != nil || !ports[int(port)] {
				continue
			}
			d, _ := strconv.ParseInt(w[12], 10, 64)
			drops[int(port)] += d
		}
	}
	return drops
}

// loadAverage is that of the last minute, as the kernel writes it.
func loadAverage() string {
	b, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(b), " ")
	return first
}
