package webapi

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the port.
type metrics struct {
	feeds         prometheus.Gauge       // open feeds
	subscriptions prometheus.Gauge       // of all feeds
	requests      *prometheus.CounterVec // op: those of package wire, other
	errors        *prometheus.CounterVec // code: those of statuses, unknown_op, rate_limited
	frames        prometheus.Counter     // presence frames sent
	closes        *prometheus.CounterVec // reason: client, slow, silent, auth, flood, protocol, shutdown, fault
	refused       *prometheus.CounterVec // reason: origin, token, limit, protocol
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "porchlight_web_" + name, Help: help}, labels)
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "porchlight_web_" + name, Help: help})
	}
	m := &metrics{
		feeds:         gauge("feeds_current", "Open feeds."),
		subscriptions: gauge("subscriptions_current", "Addresses watched through feeds."),
		requests:      counter("requests_total", "Requests of feed clients, by operation.", "op"),
		errors:        counter("errors_total", "Error frames, by code.", "code"),
		frames: prometheus.NewCounter(prometheus.CounterOpts{Name: "porchlight_web_presence_frames_total",
			Help: "Presence frames sent."}),
		closes:  counter("closes_total", "Feeds that ended, by reason.", "reason"),
		refused: counter("refused_total", "Feeds that were not opened, by reason.", "reason"),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.feeds, m.subscriptions, m.requests, m.errors, m.frames, m.closes, m.refused} {
		err := reg.Register(c)
		if err != nil {
			return nil, fmt.Errorf("registering metrics: %w", err)
		}
	}
	return m, nil
}
