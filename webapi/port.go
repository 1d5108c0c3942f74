package webapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/webapi/wire"
)

// portName is the key of what the hub stores for this port.
const portName = "web"

// The timeouts and sizes of the port.
var (
	headerTimeout  = 5 * time.Second  // for the head of an HTTP request
	requestTimeout = 10 * time.Second // for the rest of it, and for its answer
	keepAlive      = 60 * time.Second // an HTTP connection without requests
	stopGrace      = 5 * time.Second  // for requests that run when the port stops

	authPatience   = 10 * time.Second // from the socket to the token
	heartbeat      = 25 * time.Second // quiet before the server sends a ping
	laneTick       = 5 * time.Second  // how exactly the heartbeat is kept
	pongPatience   = 10 * time.Second // from the ping to any sign of life
	writeTimeout   = 10 * time.Second // for one frame
	batchPatience  = 30 * time.Second // for what was new at one time
	closePatience  = 1 * time.Second  // for the peer's half of the close
	hubTimeout     = 10 * time.Second // for one call of the hub
	fetchPatience  = 5 * time.Second  // for the state of a foreign presentity
	publishHorizon = 5 * time.Minute  // of a live feed's publication, refreshed at half
	publishGrace   = 30 * time.Second // that a publication outlives its feed
)

const (
	maxHeader      = 16 << 10 // bytes of an HTTP request's head
	maxUnknown     = 4096     // feeds that have not said who they are
	maxAddress     = 1024     // bytes of an address
	readBuffer     = 512      // bytes, per feed
	watchersAtOnce = 16       // calls of the hub for one subscribe
)

// Port serves the feed, the HTTP interface and the page. It implements
// bridge.Port.
type Port struct {
	cfg      Config
	limits   Limits
	hub      *bridge.Hub
	log      *slog.Logger
	metrics  *metrics
	registry *prometheus.Registry
	ready    func() map[string]error
	listener net.Listener
	accounts accounts // immutable but for feeds
	own      ownPublications
	tasks    sync.WaitGroup // readers, writers, lanes, refreshes

	mu      sync.Mutex
	serving bool
	feeds   int // open
	unknown int // open, without a token yet
	lanes   []*lane
}

// New returns a port for cfg with its listener open; nothing is served before
// Run. log and reg may be nil. ready tells how every port of the gateway is,
// by name, with nil for one that serves.
func New(cfg Config, hub *bridge.Hub, log *slog.Logger, reg *prometheus.Registry, ready func() map[string]error) (*Port, error) {
	err := errors.Join(cfg.Validate()...)
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	accounts, err := cfg.accounts(hub.Directory().Resolve)
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if reg == nil {
		reg = prometheus.NewRegistry()
	}
	m, err := newMetrics(reg)
	if err != nil {
		return nil, err
	}
	open := cfg.Open
	if open == nil {
		open = net.Listen
	}
	l, err := open("tcp", cfg.listen())
	if err != nil {
		return nil, fmt.Errorf("web: listening on %s: %w", cfg.listen(), err)
	}
	return &Port{cfg: cfg, limits: cfg.Limits.withDefaults(), hub: hub, log: log.With("port", portName),
		metrics: m, registry: reg, ready: ready, listener: l, accounts: accounts,
		own: ownPublications{of: make(map[presence.Addr]*ownPublication)}}, nil
}

// Name returns "web".
func (p *Port) Name() string { return portName }

// Addr returns the host:port of the listener.
func (p *Port) Addr() string { return p.listener.Addr().String() }

// Attach does nothing: no presentity has its home on the web, so no leg is
// ever attached here. A web client publishes for a presentity of a SIP domain.
func (p *Port) Attach(bridge.Leg, bridge.Interest) {}

// Detach does nothing, as Attach.
func (p *Port) Detach(bridge.Leg) {}

// errNotServing is the port's state before Run and after it.
var errNotServing = errors.New("not serving")

// Ready returns nil while the port serves.
func (p *Port) Ready() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.serving {
		return errNotServing
	}
	return nil
}

// Close closes the listener of a port that was never run.
func (p *Port) Close() error { return p.listener.Close() }

// Run serves until ctx ends, then tells the feeds that the server goes away
// (1001), and returns after its last goroutine has.
func (p *Port) Run(ctx context.Context) error {
	// A feed does not outlive its socket, so what an earlier process has left
	// is ended. Clients connect and subscribe anew.
	p.hub.Resume(portName, func(bridge.Resumed) *bridge.Outbox { return nil })
	p.mu.Lock()
	p.serving = true
	p.mu.Unlock()
	feeds, endFeeds := context.WithCancel(ctx)
	defer endFeeds()
	srv := &http.Server{
		Handler:           p.handler(feeds),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      requestTimeout + hubTimeout,
		IdleTimeout:       keepAlive,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(p.listener) }()
	p.log.Info("serving", "addr", p.Addr())
	var err error
	select {
	case <-ctx.Done():
	case err = <-served:
		served <- err
	}
	endFeeds()
	p.stop(srv)
	<-served
	if errors.Is(err, http.ErrServerClosed) || err == nil {
		return nil
	}
	return fmt.Errorf("serving HTTP on %s: %w", p.Addr(), err)
}

// stop ends all that Run has started, and waits for it.
func (p *Port) stop(srv *http.Server) {
	p.mu.Lock()
	p.serving = false
	lanes := p.lanes
	p.lanes = nil
	p.mu.Unlock()
	for _, l := range lanes {
		l.each(func(c *conn) { c.end(closing{goingAway, "the server goes away", "shutdown"}) })
	}
	grace, cancel := context.WithTimeout(context.Background(), stopGrace)
	defer cancel()
	err := srv.Shutdown(grace)
	if err != nil {
		_ = srv.Close()
	}
	for _, l := range lanes {
		close(l.stop)
	}
	p.tasks.Wait()
}

// admit counts a new feed in and gives it a lane.
func (p *Port) admit(ctx context.Context, c *conn) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !p.serving:
		return &bridge.Error{Kind: bridge.Busy, Detail: "the server goes away", RetryAfter: stopGrace}
	case p.feeds >= p.limits.Connections:
		return &bridge.Error{Kind: bridge.Busy, Detail: "too many feeds are open", RetryAfter: 30 * time.Second}
	case p.unknown >= maxUnknown:
		return &bridge.Error{Kind: bridge.Busy, Detail: "too many feeds wait for a token", RetryAfter: authPatience}
	}
	p.feeds++
	p.unknown++
	p.metrics.feeds.Inc()
	c.lane = p.laneWithRoom(ctx)
	c.lane.add(c)
	p.tasks.Add(1) // the reader's
	return nil
}

// identify makes a feed known as a's. false: a has too many.
func (p *Port) identify(c *conn, a *account) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a.feeds >= p.limits.PerToken {
		return false
	}
	a.feeds++
	p.unknown--
	c.account = a
	return true
}

// release undoes admit and identify.
func (p *Port) release(c *conn) {
	c.lane.remove(c)
	p.mu.Lock()
	p.feeds--
	if c.account == nil {
		p.unknown--
	} else {
		c.account.feeds--
	}
	p.mu.Unlock()
	p.metrics.feeds.Dec()
}

// wireLimits are the limits as the hello frame tells them.
func (p *Port) wireLimits() wire.Limits {
	return wire.Limits{FrameBytes: p.limits.FrameBytes, FramesPerMinute: p.limits.FramesPerMinute,
		Subscriptions: p.limits.Subscriptions, Connections: p.limits.PerToken}
}
