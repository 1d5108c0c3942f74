package simple

import (
	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/simple/transport"
)

// subscriber watches presentities of SIP domains whose home is elsewhere.
type subscriber struct {
	port *Port
}

func newSubscriber(p *Port) *subscriber { return &subscriber{port: p} }

func (s *subscriber) attach(bridge.Leg, bridge.Interest) {}

func (s *subscriber) detach(bridge.Leg) {}

// notify answers a NOTIFY.
func (s *subscriber) notify(r *transport.Request) {
	// RFC 6665 §4.1.3: a NOTIFY that matches no subscription → 481.
	r.Reply(transport.Reply{Code: 481, Reason: "Subscription Does Not Exist"})
}

func (s *subscriber) resume() {}

func (s *subscriber) stop() {}
