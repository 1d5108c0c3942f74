package xmpp

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the port.
type metrics struct {
	stanzas    *prometheus.CounterVec // direction: in, out; kind: iq, message, presence and its types, other
	joined     *prometheus.GaugeVec   // domain: 1 while the component is joined
	reconnects *prometheus.CounterVec // domain: attempts to connect after the first
	skipped    prometheus.Counter     // stanzas not sent for want of a legal address
	refused    *prometheus.CounterVec // reason: domain, loop, echo, size, syntax, address, answer, event, picture
	dropped    prometheus.Counter     // answers dropped because the server did not read
	unread     prometheus.Counter     // side channels that were not readable
	bounded    *prometheus.CounterVec // what: question, client
	unsaid     *prometheus.CounterVec // what: text, side channel, all but the availability
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		stanzas: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "porchlight_xmpp_stanzas_total",
			Help: "Stanzas received and sent."}, []string{"direction", "kind"}),
		joined: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "porchlight_xmpp_joined",
			Help: "1 while the component is joined to its XMPP server."}, []string{"domain"}),
		reconnects: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "porchlight_xmpp_reconnects_total",
			Help: "Attempts to connect to the XMPP server again."}, []string{"domain"}),
		skipped: prometheus.NewCounter(prometheus.CounterOpts{Name: "porchlight_xmpp_skipped_addresses_total",
			Help: "Stanzas not sent because an address has no legal JID."}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "porchlight_xmpp_refused_total",
			Help: "Incoming stanzas that were refused or ignored, by reason."}, []string{"reason"}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{Name: "porchlight_xmpp_answers_dropped_total",
			Help: "Answers dropped because the XMPP server did not read fast enough."}),
		bounded: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "porchlight_xmpp_bounded_total",
			Help: "Questions not asked, and clients not noted, because there are too many already."}, []string{"what"}),
		unsaid: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "porchlight_xmpp_unsaid_total",
			Help: "States sent to a watcher without what was too large for a stanza."}, []string{"what"}),
		unread: prometheus.NewCounter(prometheus.CounterOpts{Name: "porchlight_xmpp_side_channel_unread_total",
			Help: "Presence stanzas whose side channel was not readable; their own words counted."}),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.stanzas, m.joined, m.reconnects, m.skipped, m.refused, m.dropped, m.unread, m.unsaid, m.bounded} {
		err := reg.Register(c)
		if err != nil {
			return nil, fmt.Errorf("registering metrics: %w", err)
		}
	}
	return m, nil
}

// in counts an incoming stanza; its kind label has a bounded set of values.
func (m *metrics) in(s *stanza) {
	kind := s.name
	switch s.name {
	case "presence":
		switch s.kind {
		case subscribe, subscribed, unsubscribe, unsubscribed, probe, unavailable, errorType:
			kind = s.kind
		}
	case "iq", "message":
	default:
		kind = "other"
	}
	m.stanzas.WithLabelValues("in", kind).Inc()
}

// out counts an outgoing stanza.
func (m *metrics) out(kind string) {
	if kind == available {
		kind = "presence"
	}
	m.stanzas.WithLabelValues("out", kind).Inc()
}
