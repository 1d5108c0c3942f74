package picture

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the store.
type metrics struct {
	current prometheus.Gauge       // pictures
	bytes   prometheus.Gauge       // of them, in whole blocks
	stored  prometheus.Counter     // new pictures
	evicted prometheus.Counter     // dropped for newer ones
	refused *prometheus.CounterVec // reason: the Kinds
	fetches *prometheus.CounterVec // result: those of fetch.go
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	const prefix = "porchlight_pictures_"
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + name, Help: help})
	}
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Name: prefix + name, Help: help}
	}
	m := &metrics{
		current: gauge("current", "Stored pictures."),
		bytes:   gauge("bytes_current", "Bytes of stored pictures, in whole blocks of 4096."),
		stored:  prometheus.NewCounter(counter("stored_total", "Pictures stored that were not there.")),
		evicted: prometheus.NewCounter(counter("evicted_total", "Pictures dropped for newer ones.")),
		refused: prometheus.NewCounterVec(counter("refused_total", "Images refused, by reason."), []string{"reason"}),
		fetches: prometheus.NewCounterVec(counter("fetches_total", "Pictures that phones point to, by how the fetch ended."), []string{"result"}),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.current, m.bytes, m.stored, m.evicted, m.refused, m.fetches} {
		err := reg.Register(c)
		if err != nil {
			return nil, fmt.Errorf("registering metrics: %w", err)
		}
	}
	return m, nil
}
