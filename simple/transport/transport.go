package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/patrickmn/go-cache"
)

// Config is what a Transport is made from.
type Config struct {
	// Listen holds URLs such as "udp://127.0.0.1:5060"; schemes udp, tcp,
	// tls, ws and wss.
	Listen []string
	TLS    *tls.Config  // for tls and wss listeners and TLS clients
	Log    *slog.Logger // nil: discarded
	// Handler gets each new request. Requests of one Call-ID come one after
	// the other, in order of arrival; others run side by side. It must
	// Reply once with a final response before it returns, or hand the
	// Request to something that will.
	Handler func(ctx context.Context, r *Request)
	// Net makes sockets; nil means the operating system's.
	Net Network
	// Timers of RFC 3261 §17; zero values mean the RFC's.
	T1, T2 time.Duration
	// Advertise is the host that Via and Contact name instead of the
	// listener's address; needed behind a NAT.
	Advertise string
	// Resolver answers DNS questions; nil means NewResolver with
	// /etc/resolv.conf.
	Resolver Resolver
	// Limits bound what peers can make the transport hold.
	Limits Limits
}

// Network makes sockets, so that tests can run on an in-memory network.
type Network interface {
	ListenPacket(network, address string) (net.PacketConn, error)
	Listen(network, address string) (net.Listener, error)
	Dial(ctx context.Context, network, address string) (net.Conn, error)
}

// Transport is the SIP transport and transaction layer of one user agent.
type Transport struct {
	cfg       Config
	lim       Limits
	log       *slog.Logger
	net       Network
	resolver  Resolver
	endpoints []*endpoint
	servers   *servers
	clients   *clients
	streams   *streams
	locator   *locator
	disp      *dispatcher
	locals    *cache.Cache // peer → our address, for wildcard listeners

	io      *group // readers, writers, dials, lookups
	timers  *group
	workers *group

	runCtx     context.Context // ends when sockets are to be closed
	runCancel  context.CancelFunc
	handlerCtx context.Context // ends when handlers have had their grace
	handlerEnd context.CancelFunc
	stopping   atomic.Bool  // no new requests
	stopped    atomic.Bool  // sockets are closed
	partial    atomic.Int64 // bytes held by messages that are not whole
	panics     atomic.Int64
}

// Flow is the way back to where a message came from: listener and source
// address on UDP, one connection on the others (RFC 5626).
type Flow struct {
	Transport string // "udp", "tcp", "tls", "ws", "wss"
	Local     string // host:port of our side
	Remote    string // host:port of the peer
	// ID names a connection, "" on UDP. It is never reused in a process.
	ID string
	// Secure is TLS all the way to the peer; PeerNames are the verified
	// names of its certificate, if it showed one.
	Secure    bool
	PeerNames []string
}

// Default timers of RFC 3261 §17.1.1.1 (Table 4).
const (
	defaultT1 = 500 * time.Millisecond
	defaultT2 = 4 * time.Second
)

// New opens the listeners of cfg. Nothing is read before Run.
func New(cfg Config) (*Transport, error) {
	if cfg.Handler == nil {
		return nil, errors.New("transport: no handler")
	}
	if cfg.T1 <= 0 {
		cfg.T1 = defaultT1
	}
	if cfg.T2 <= 0 {
		cfg.T2 = defaultT2
	}
	t := &Transport{
		cfg: cfg, lim: cfg.Limits.withDefaults(), log: cfg.Log, net: cfg.Net, resolver: cfg.Resolver,
		locals: cache.New(time.Minute, 0),
		io:     newGroup(), timers: newGroup(), workers: newGroup(),
	}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	if t.net == nil {
		t.net = systemNetwork{}
	}
	if t.resolver == nil {
		t.resolver = NewResolver("/etc/resolv.conf")
	}
	t.runCtx, t.runCancel = context.WithCancel(context.Background())
	t.handlerCtx, t.handlerEnd = context.WithCancel(context.Background())
	t.servers = newServers(64*cfg.T1, t.lim)
	t.clients = newClients(t, cfg.T1, cfg.T2)
	t.streams = newStreams(t)
	t.locator = newLocator(t)
	t.disp = newDispatcher(t.lim, t.workers.start, t.handle)
	for _, raw := range cfg.Listen {
		e, err := t.listen(raw)
		if err != nil {
			t.closeSockets()
			return nil, err
		}
		t.endpoints = append(t.endpoints, e)
	}
	return t, nil
}

// Run serves until ctx ends, and returns after its last goroutine has. What
// is under way is answered or given up: requests that nobody handles yet get
// 503, handlers a short grace before their context ends, client transactions
// ErrStopped.
func (t *Transport) Run(ctx context.Context) error {
	stopTimers := make(chan struct{})
	for i := range t.servers.shards {
		t.timers.start(func() { t.servers.shards[i].run(stopTimers) })
	}
	for i := range t.clients.shards {
		t.timers.start(func() { t.clients.run(&t.clients.shards[i], stopTimers) })
	}
	for _, e := range t.endpoints {
		if e.socket != nil {
			t.io.start(e.socket.read)
		} else {
			t.io.start(func() { t.accept(e) })
		}
	}
	<-ctx.Done()
	t.stopping.Store(true)
	end := time.AfterFunc(t.lim.Grace, t.handlerEnd)
	t.disp.stop()
	t.workers.close()
	end.Stop()
	t.handlerEnd()
	t.clients.stop()
	t.streams.flush(t.lim.Grace)
	t.closeSockets()
	t.io.close()
	close(stopTimers)
	t.timers.close()
	return nil
}

// closeSockets ends everything that reads or writes.
func (t *Transport) closeSockets() {
	t.stopped.Store(true)
	t.runCancel()
	for _, e := range t.endpoints {
		e.close()
	}
	t.streams.closeAll()
}

// pause waits, unless the transport ends meanwhile.
func (t *Transport) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-t.runCtx.Done():
		return false
	}
}
