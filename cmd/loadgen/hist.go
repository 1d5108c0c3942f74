//go:build linux

package main

import "math/bits"

// histSub is the number of bits that tell the 64 buckets of one power of two
// apart: a percentile is within 1.6 % of the true one.
const histSub = 6

// hist is a log-linear histogram of nanoseconds.
type hist struct {
	n        uint64
	sum      float64
	min, max int64
	buckets  [64 << histSub]uint32
}

func histIndex(v int64) int {
	u := uint64(max(v, 0))
	if u < 1<<histSub {
		return int(u)
	}
	e := bits.Len64(u) - histSub - 1
	return (e+1)<<histSub + int(u>>uint(e))&(1<<histSub-1)
}

func histValue(i int) int64 {
	if i < 1<<histSub {
		return int64(i)
	}
	e := uint(i>>histSub) - 1
	m := uint64(i&(1<<histSub-1)) | 1<<histSub
	return int64(m<<e + (1<<e)/2)
}

func (h *hist) add(v int64) {
	if h.n == 0 || v < h.min {
		h.min = v
	}
	h.max = max(h.max, v)
	h.n++
	h.sum += float64(v)
	h.buckets[histIndex(v)]++
}

func (h *hist) merge(o *hist) {
	if o.n == 0 {
		return
	}
	if h.n == 0 || o.min < h.min {
		h.min = o.min
	}
	h.max = max(h.max, o.max)
	h.n += o.n
	h.sum += o.sum
	for i, c := range o.buckets {
		h.buckets[i] += c
	}
}

// percentile returns the value below which p per cent of what was added lie.
func (h *hist) percentile(p float64) int64 {
	if h.n == 0 {
		return 0
	}
	want := min(uint64(p/100*float64(h.n)), h.n-1)
	var seen uint64
	for i, c := range h.buckets {
		seen += uint64(c)
		if seen > want {
			return min(histValue(i), h.max)
		}
	}
	return h.max
}

// report puts the usual percentiles into r, in milliseconds.
func (h *hist) report(r report, name string) {
	if h.n == 0 {
		return
	}
	ms := func(v int64) float64 { return float64(v/1000) / 1000 }
	r[name+"_n"] = h.n
	r[name+"_p50_ms"] = ms(h.percentile(50))
	r[name+"_p90_ms"] = ms(h.percentile(90))
	r[name+"_p99_ms"] = ms(h.percentile(99))
	r[name+"_max_ms"] = ms(h.max)
	r[name+"_mean_ms"] = ms(int64(h.sum / float64(h.n)))
}
