package xmpp

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"math/rand/v2"
	"net"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	mcomponent "mellium.im/xmpp/component"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stream"

	"github.com/porchlight-im/porchlight/bridge"
)

// The times and sizes of the port.
var (
	joinTimeout      = 10 * time.Second // to connect and shake hands
	firstWait        = 1 * time.Second  // before the second attempt; doubled for each further one
	longestWait      = 60 * time.Second
	steady           = time.Minute // a stream that lived so long starts the waits anew
	keepAlive        = 30 * time.Second
	pongTimeout      = 20 * time.Second
	writeTimeout     = 10 * time.Second
	probePatience    = 5 * time.Second // for each of two
	resyncInterval   = 100 * time.Millisecond
	resyncBatch      = 500 // legs in each interval
	flushAt          = 32 << 10
	maxIn, maxOut    = 512 << 10, 500_000 // bytes of a stanza; Prosody ends the stream above 512 KiB
	maxAnswers       = 4 << 20            // bytes of answers that wait for a slow server
	workers          = 16
	workerQueue      = 64
	handshakeMaxSize = 64 << 10
)

// component keeps one component stream joined.
type component struct {
	port   *Port
	log    *slog.Logger
	cfg    Component
	domain string
	secret string

	outbox    *bridge.Outbox // states for the watchers on XMPP
	asks      *asks          // what the hub wants of Jabber users
	answers   *answers       // replies to stanzas
	watches   *watches
	resync    *resync
	questions *questions    // iqs that wait for their answers
	follows   *follows      // what is known of followed contacts' events
	clients   *clients      // who wants which events of virtual users
	events    *legQueue     // watches whose clients are to be told
	wanted    *wanted       // pictures of virtual users that are being fetched
	backlog   []bridge.Item // taken from the Outbox; the writer's
	started   time.Time

	pool []chan stanza // one queue per worker
	seed maphash.Seed

	mu  sync.Mutex
	err error // why the component is not joined; nil when it is
}

var errNotYet = errors.New("not connected yet")

func newComponent(p *Port, cfg Component, secret string) *component {
	domain := strings.ToLower(cfg.Domain)
	c := &component{
		port:      p,
		log:       p.log.With("domain", domain),
		cfg:       cfg,
		domain:    domain,
		secret:    secret,
		outbox:    bridge.NewOutbox(),
		asks:      newAsks(),
		answers:   newAnswers(p.metrics),
		watches:   newWatches(),
		resync:    newResync(),
		questions: newQuestions(),
		follows:   newFollows(),
		clients:   newClients(),
		events:    newLegQueue(),
		wanted:    newWanted(),
		seed:      maphash.MakeSeed(),
		err:       errNotYet,
	}
	for range workers {
		c.pool = append(c.pool, make(chan stanza, workerQueue))
	}
	p.metrics.joined.WithLabelValues(domain).Set(0)
	return c
}

// ready returns nil when the component is joined.
func (c *component) ready() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return fmt.Errorf("component %s of %s: %w", c.domain, c.cfg.Server, c.err)
	}
	return nil
}

func (c *component) setErr(err error) {
	c.mu.Lock()
	c.err = err
	c.mu.Unlock()
	up := 0.0
	if err == nil {
		up = 1
	}
	c.port.metrics.joined.WithLabelValues(c.domain).Set(up)
}

// run joins the server again and again until ctx ends.
func (c *component) run(ctx context.Context) {
	c.started = time.Now()
	var wg sync.WaitGroup
	for _, q := range c.pool {
		wg.Go(func() { c.work(ctx, q) })
	}
	defer wg.Wait()
	wait, told := firstWait, ""
	for first := true; ctx.Err() == nil; first = false {
		if !first {
			c.port.metrics.reconnects.WithLabelValues(c.domain).Inc()
		}
		begin := time.Now()
		joined, err := c.once(ctx)
		if ctx.Err() != nil {
			return
		}
		c.setErr(err)
		if joined {
			told = ""
			if time.Since(begin) > steady {
				wait = firstWait
			}
		}
		c.complain(joined, err, wait, told)
		told = err.Error()
		select {
		case <-ctx.Done():
		case <-time.After(wait + rand.N(wait/4)):
		}
		wait = min(2*wait, longestWait)
	}
}

// complain logs why there is no stream: loudly when it is news, and as an
// error when the server has refused us, which only the operator can cure.
func (c *component) complain(joined bool, err error, wait time.Duration, told string) {
	level, msg := slog.LevelWarn, "no stream to the XMPP server, trying again"
	var refused stream.Error
	switch {
	case told == err.Error():
		level = slog.LevelDebug
	case errors.As(err, &refused):
		level, msg = slog.LevelError, "the XMPP server refuses us, trying again"
	case joined:
		msg = "the stream to the XMPP server has ended, trying again"
	}
	c.log.Log(context.Background(), level, msg, "server", c.cfg.Server, "err", err, "hint", hint(err), "retry_in", wait)
}

// once connects, shakes hands and serves one stream to its end. joined tells
// whether the server accepted us; the error, never nil, why it ended.
func (c *component) once(ctx context.Context) (joined bool, err error) {
	dctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	conn, err := c.port.dial(dctx, "tcp", c.cfg.Server)
	if err != nil {
		return false, fmt.Errorf("connecting: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Now()) })
	err = c.handshake(dctx, conn)
	stop()
	if err != nil {
		return false, fmt.Errorf("joining: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	c.setErr(nil)
	c.log.Info("joined the XMPP server", "server", c.cfg.Server)
	return true, newSession(c, conn).serve(ctx)
}

// handshake proves the shared secret (XEP-0114 §3).
func (c *component) handshake(ctx context.Context, conn net.Conn) error {
	addr, err := jid.New("", c.domain, "")
	if err != nil {
		return fmt.Errorf("the component's domain: %w", err)
	}
	err = conn.SetDeadline(time.Now().Add(joinTimeout))
	if err != nil {
		return err
	}
	// RFC 6120 §4.9.1.2: a stream error may come instead of the handshake.
	_, err = mcomponent.NewSession(ctx, addr, []byte(c.secret), &gate{conn: conn, left: handshakeMaxSize})
	if err != nil {
		return err
	}
	return conn.SetDeadline(time.Time{})
}

// gate reads from conn no further than to the next '>', so that the reader of
// the handshake takes nothing of what follows it.
type gate struct {
	conn net.Conn
	left int
}

func (g *gate) Read(b []byte) (int, error) {
	for n := 0; n < len(b); n++ {
		if g.left == 0 {
			return n, errors.New("the server's side of the handshake is too long")
		}
		_, err := g.conn.Read(b[n : n+1])
		if err != nil {
			return n, err
		}
		g.left--
		if b[n] == '>' {
			return n + 1, nil
		}
	}
	return len(b), nil
}

func (g *gate) Write(b []byte) (int, error) { return g.conn.Write(b) }

// hint says what the operator can do about err.
func hint(err error) string {
	var e stream.Error
	if !errors.As(err, &e) {
		var mine *streamError
		if !errors.As(err, &mine) {
			return "is the XMPP server running, with its component listener at this address?"
		}
		e.Err = mine.condition
	}
	switch e.Err {
	case "not-authorized":
		return "the secret is not the server's (component_secret in Prosody, password in ejabberd), or the server has no such component"
	case "host-unknown":
		return "the server has no component of this domain"
	case "conflict":
		return "another connection has this domain: does a second gateway run?"
	case "invalid-from", "improper-addressing":
		return "the server did not like an address that we sent"
	}
	return ""
}

// work handles the stanzas of one queue. Stanzas of one pair of addresses are
// all in one queue, and so in order.
func (c *component) work(ctx context.Context, queue <-chan stanza) {
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-queue:
			c.guard(s.name, func() { c.handle(ctx, &s) })
		}
	}
}

// handle handles what the order of the stanzas of two addresses matters for.
func (c *component) handle(ctx context.Context, s *stanza) {
	switch s.name {
	case "iq":
		c.handleAnswer(s)
	case "message":
		c.handleEvent(s)
	default:
		c.handlePresence(ctx, s)
	}
}

// panics counts what guard has caught; tests want none.
var panics atomic.Int64

// guard runs f. A fault of ours costs one stanza, not the stream.
func (c *component) guard(what string, f func()) {
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		panics.Add(1)
		c.log.Error("internal fault", "what", what, "err", r, "stack", string(debug.Stack()))
	}()
	f()
}
