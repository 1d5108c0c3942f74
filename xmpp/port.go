package xmpp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/bridge/picture"
	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

// portName is the key of what the hub stores for this port.
const portName = "xmpp"

// Port joins XMPP servers as their components and serves the users behind
// them. It implements bridge.Port.
type Port struct {
	hub        *bridge.Hub
	log        *slog.Logger
	metrics    *metrics
	dial       func(ctx context.Context, network, address string) (net.Conn, error)
	jabber     map[string]bool // the domains whose users are served
	pings      []string        // the same, in the order of the configuration
	components []*component
	byDomain   map[string]*component // immutable
	pictures   *picture.Store        // nil: none
}

var _ bridge.Port = (*Port)(nil)

// New returns a port for cfg. log and reg may be nil. It does no I/O but to
// read secrets; errors name what is wrong in cfg.
func New(cfg Config, hub *bridge.Hub, log *slog.Logger, reg prometheus.Registerer) (*Port, error) {
	err := errors.Join(cfg.Validate()...)
	if err != nil {
		return nil, fmt.Errorf("xmpp: %w", err)
	}
	m, err := newMetrics(reg)
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	p := &Port{
		hub:      hub,
		log:      log.With("port", portName),
		metrics:  m,
		dial:     cfg.Dial,
		jabber:   make(map[string]bool),
		byDomain: make(map[string]*component),
		pictures: cfg.Pictures,
	}
	if p.dial == nil {
		p.dial = (&net.Dialer{}).DialContext
	}
	for _, d := range cfg.Domains {
		d = strings.ToLower(d)
		p.jabber[d] = true
		p.pings = append(p.pings, d)
	}
	for i := range cfg.Components {
		secret, err := cfg.Components[i].secret()
		if err != nil {
			return nil, fmt.Errorf("xmpp.components[%d]: %w", i, err)
		}
		c := newComponent(p, cfg.Components[i], secret)
		p.components = append(p.components, c)
		p.byDomain[c.domain] = c
	}
	return p, nil
}

// Name returns "xmpp".
func (p *Port) Name() string { return portName }

// Ready returns nil when every component is joined, and otherwise which one is
// not, and why.
func (p *Port) Ready() error {
	for _, c := range p.components {
		err := c.ready()
		if err != nil {
			return err
		}
	}
	return nil
}

// Run takes up the stored subscriptions, keeps every component joined, and
// returns when ctx has ended and the last goroutine has.
func (p *Port) Run(ctx context.Context) error {
	p.hub.Resume(portName, p.resume)
	p.hub.Attached(portName, func(leg bridge.Leg, v bridge.Verdict, _ *presence.State, _ []byte) {
		if c := p.byDomain[leg.Watcher.Host]; c != nil && v.State != bridge.Terminated {
			c.asks.follow(leg)
		}
	})
	var wg sync.WaitGroup
	for _, c := range p.components {
		wg.Go(func() { c.run(ctx) })
	}
	wg.Wait()
	return nil
}

// resume takes up one stored subscription of an XMPP user.
func (p *Port) resume(r bridge.Resumed) *bridge.Outbox {
	c := p.byDomain[r.Leg.Presentity.Host]
	if c == nil || !p.jabber[r.Leg.Watcher.Host] || r.ID != watchID(r.Leg) {
		return nil
	}
	to, ok := mapping.JID(r.Leg.Watcher)
	if !ok {
		return nil
	}
	c.resumeWatch(r, to)
	return c.outbox
}

// Attach asks the Jabber user leg.Presentity for her presence on behalf of the
// virtual user leg.Watcher (RFC 8048 §5.3). It does not block.
func (p *Port) Attach(leg bridge.Leg, how bridge.Interest) {
	c := p.byDomain[leg.Watcher.Host]
	switch {
	case leg.Watcher.Scheme == presence.XMPP || p.jabber[leg.Watcher.Host]:
		p.refuse(leg, "watcher and presentity are both on XMPP: their servers do this themselves")
	case c == nil:
		p.refuse(leg, "no XMPP component serves the domain "+leg.Watcher.Host)
	case how == bridge.Fetch:
		c.asks.put(leg, askFetch)
	default:
		c.asks.put(leg, askFollow)
	}
}

// Detach ends what Attach began (RFC 8048 §5.3.3). It does not block.
func (p *Port) Detach(leg bridge.Leg) {
	if c := p.byDomain[leg.Watcher.Host]; c != nil {
		c.asks.put(leg, askDetach)
	}
}

func (p *Port) refuse(leg bridge.Leg, why string) {
	p.log.Warn("watcher refused", "watcher", leg.Watcher, "presentity", leg.Presentity, "err", why)
	p.hub.Settle(leg, bridge.Verdict{State: bridge.Terminated, Reason: "rejected",
		Err: bridge.Errorf(bridge.Forbidden, "%s", why)}, bridge.NewChange())
}

// addr returns the address of the presentity or watcher that a bare or full
// JID names, with the scheme of its home.
func (p *Port) addr(jid string) (presence.Instance, error) {
	i, err := mapping.ParseJID(jid)
	if err != nil {
		return i, err
	}
	i.Addr = p.hub.Directory().Resolve(i.Addr)
	return i, nil
}
