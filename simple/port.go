package simple

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/simple/digest"
	"github.com/porchlight-im/porchlight/simple/transport"
)

// Port is the IMS port: event state compositor, presence agent, and watcher
// of SIP domains whose home is elsewhere. It implements bridge.Port.
type Port struct {
	cfg        Config // with defaults
	hub        *bridge.Hub
	log        *slog.Logger
	transport  *transport.Transport
	subscriber *subscriber
	metrics    *metrics
	trust      trust
	auth       *digest.Authenticator // nil: no Digest
	interval   time.Duration         // between NOTIFYs of a dialog
	rate       *rate                 // of publications

	box     *bridge.Outbox // of all subscriptions
	dialogs dialogs
	earlier earlier
	waits   waits
	chores  chores
	state   atomic.Pointer[error] // what Ready says
}

// Errors of [Port.Ready].
var (
	errStarting = errors.New("starting")
	errStopped  = errors.New("stopped")
)

// New makes the port of cfg and opens its listeners; nothing is served before
// Run. log may be nil: discarded. reg may be nil: the metrics are not shown.
func New(cfg Config, hub *bridge.Hub, log *slog.Logger, reg prometheus.Registerer) (*Port, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	cfg = cfg.withDefaults()
	p := &Port{
		cfg: cfg, hub: hub, interval: *cfg.NotifyInterval, rate: newRate(cfg.PublishPerMinute),
		log:   log.With("port", "sip"),
		box:   bridge.NewOutbox(),
		waits: waits{wake: make(chan struct{}, 1)}, chores: chores{wake: make(chan struct{}, 1)},
	}
	p.setReady(errStarting)
	var err error
	p.trust, err = newTrust(cfg.Trusted)
	if err != nil {
		return nil, err
	}
	users, err := cfg.Auth.load()
	if err != nil {
		return nil, fmt.Errorf("loading the users: %w", err)
	}
	if len(users) > 0 {
		p.auth = digest.New(cfg.Auth.Realm, func(user string) (string, bool) {
			secret, ok := users[user]
			return secret, ok
		}, cfg.Auth.Algorithms...)
	}
	password, err := cfg.OutboundAuth.load()
	if err != nil {
		return nil, fmt.Errorf("loading outbound_auth: %w", err)
	}
	certs, err := cfg.TLS.load()
	if err != nil {
		return nil, fmt.Errorf("loading the TLS files: %w", err)
	}
	p.transport, err = transport.New(transport.Config{
		Listen: cfg.Listen, TLS: certs, Advertise: cfg.Advertise,
		Log: p.log, Handler: p.serve, Net: cfg.Net,
	})
	if err != nil {
		return nil, fmt.Errorf("opening the SIP listeners: %w", err)
	}
	p.metrics = newMetrics(reg)
	p.dialogs.metrics = p.metrics
	p.subscriber = newSubscriber(p, cfg.OutboundAuth.User, password)
	return p, nil
}

// Name returns "sip".
func (p *Port) Name() string { return "sip" }

// Addrs returns the listening addresses as URLs, with real port numbers.
func (p *Port) Addrs() []string { return p.transport.Addrs() }

// Ready returns nil while the port serves, and otherwise why it does not.
func (p *Port) Ready() error { return *p.state.Load() }

func (p *Port) setReady(err error) { p.state.Store(&err) }

// Attach asks for a presentity of a SIP domain whose home is elsewhere.
func (p *Port) Attach(leg bridge.Leg, how bridge.Interest) { p.subscriber.attach(leg, how) }

// Detach ends what Attach began.
func (p *Port) Detach(leg bridge.Leg) { p.subscriber.detach(leg) }

// Run serves until ctx ends, and returns after its last goroutine has.
//
// At the end the watchers are told nothing: with the hub's store their
// subscriptions, CSeq numbers included, go on in the next process, as if
// handed to another notifier without notice (RFC 6665 §4.4.2).
func (p *Port) Run(ctx context.Context) error {
	p.resume()
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { p.dispatch(ctx) })
	wg.Go(func() { p.chores.run(ctx) })
	p.subscriber.resume()
	p.setReady(nil)
	p.log.Info("serving", "addrs", strings.Join(p.Addrs(), " "))
	err := p.transport.Run(ctx)
	p.setReady(errStopped)
	cancel()
	p.subscriber.stop()
	wg.Wait()
	if err != nil {
		return fmt.Errorf("serving SIP: %w", err)
	}
	return nil
}

// resumeRate is how many of the NOTIFYs after a restart go out in a second.
const resumeRate = 5000

// resume takes up the subscriptions of the process before. The hub has news
// for each of them, which are spread out in time.
func (p *Port) resume() {
	n := 0
	p.earlier.until = time.Now().Add(clientPatience)
	p.hub.Resume(p.Name(), func(r bridge.Resumed) *bridge.Outbox {
		d, err := restore(r)
		if err != nil {
			p.log.Warn("subscription dropped", "presentity", r.Leg.Presentity, "err", err)
			return nil
		}
		p.dialogs.put(d)
		p.earlier.add(d)
		n++
		return p.box
	})
	if n == 0 {
		return
	}
	spread := time.Duration(n) * time.Second / resumeRate
	now := time.Now()
	p.dialogs.m.Range(func(_, v any) bool {
		v.(*dialog).state.Delay(now.Add(rand.N(spread)))
		return true
	})
	p.log.Info("subscriptions resumed", "count", n, "spread", spread)
}

// serve answers one request.
func (p *Port) serve(ctx context.Context, r *transport.Request) {
	// RFC 3261 §8.2.2.3: an extension that is not understood → 420.
	if lacking := unsupported(r); len(lacking) > 0 {
		r.Reply(transport.Reply{Code: 420, Header: line(nil, "Unsupported", strings.Join(lacking, ", "))})
		return
	}
	switch r.Method {
	case sip.PUBLISH:
		rep := p.publish(ctx, r)
		answered(p.metrics.publish, rep.Code)
		r.Reply(rep)
	case sip.SUBSCRIBE:
		rep, after := p.subscribe(ctx, r)
		answered(p.metrics.subscribe, rep.Code)
		r.Reply(rep)
		after()
	case sip.NOTIFY:
		p.subscriber.notify(r)
	case sip.OPTIONS:
		r.Reply(p.options(r))
	case sip.BYE:
		// RFC 3261 §15.1.2: there are no INVITE dialogs to end.
		r.Reply(transport.Reply{Code: 481})
	default:
		// RFC 3261 §8.2.1: a method that is not allowed → 405 with Allow.
		r.Reply(transport.Reply{Code: 405, Header: line(nil, "Allow", allow)})
	}
}
