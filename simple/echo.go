package simple

import (
	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

// echo reports whether s, which came in a request with callID, is a state that
// this gateway has translated itself, come back by way of others
// (docs/extensions.md). That is no news.
func (p *Port) echo(s *presence.State, callID string) bool {
	l, ok := mapping.LineageOf(s)
	if !ok || l.Origin != p.hub.Origin() {
		return false
	}
	p.metrics.echoes.Inc()
	p.log.Debug("a state of our own has come back: no news", "call_id", callID, "change", l.Change)
	return true
}
