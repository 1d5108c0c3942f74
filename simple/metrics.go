package simple

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the port's figures.
type metrics struct {
	// publish and subscribe count requests by how they were answered:
	// "ok", or the response code.
	publish, subscribe *prometheus.CounterVec
	// notify counts NOTIFYs by outcome: "ok", "failed" (refused, the
	// subscription stays), "dead" (the subscription is removed), "timeout".
	notify *prometheus.CounterVec
	// roundTrip is the time from sending a NOTIFY to its final response.
	roundTrip prometheus.Histogram
	// current is the number of subscriptions.
	current prometheus.Gauge
	// echoes counts states of our own that came back.
	echoes prometheus.Counter
}

// newMetrics makes the metrics and registers them with reg, unless it is nil.
func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
	}
	m := &metrics{
		publish:   counter("porchlight_sip_publish_total", "PUBLISH requests by outcome.", "kind"),
		subscribe: counter("porchlight_sip_subscribe_total", "SUBSCRIBE requests by outcome.", "kind"),
		notify:    counter("porchlight_sip_notify_total", "NOTIFY requests by outcome.", "result"),
		roundTrip: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "porchlight_sip_notify_seconds", Help: "Time from NOTIFY to its final response.",
			Buckets: []float64{.001, .003, .01, .03, .1, .3, 1, 3, 10, 32},
		}),
		current: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "porchlight_sip_subscriptions_current", Help: "Subscriptions of SIP watchers.",
		}),
		echoes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "porchlight_sip_echoes_total", Help: "States that this gateway has translated itself and that came back.",
		}),
	}
	if reg != nil {
		reg.MustRegister(m.publish, m.subscribe, m.notify, m.roundTrip, m.current, m.echoes)
	}
	return m
}

// answered counts one request by the code of its response.
func answered(v *prometheus.CounterVec, code int) {
	kind := "ok"
	if code >= 300 {
		kind = codes[code]
		if kind == "" {
			kind = "other"
		}
	}
	v.WithLabelValues(kind).Inc()
}

// codes are the label values of refused requests.
var codes = map[int]string{}

func init() {
	for k, code := range statusOf {
		codes[code] = k.String()
	}
	codes[403], codes[401] = "forbidden", "unauthenticated"
}

// observe counts one NOTIFY that was sent at sent.
func (m *metrics) observe(result string, sent time.Time) {
	m.notify.WithLabelValues(result).Inc()
	m.roundTrip.Observe(time.Since(sent).Seconds())
}
