package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/emiago/sipgo/sip"
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
	T1, T2, T4 time.Duration
}

// Network makes sockets, so that tests can run on an in-memory network.
type Network interface {
	ListenPacket(network, address string) (net.PacketConn, error)
	Listen(network, address string) (net.Listener, error)
	Dial(ctx context.Context, network, address string) (net.Conn, error)
}

// Transport is the SIP transport and transaction layer of one user agent.
type Transport struct {
	cfg Config
}

// New opens the listeners of cfg. Nothing is read before Run.
func New(cfg Config) (*Transport, error) { panic("todo") }

// Run serves until ctx ends, and returns after its last goroutine has. What
// is under way is answered or given up.
func (t *Transport) Run(ctx context.Context) error { panic("todo") }

// Addrs returns the listening addresses as URLs, with real port numbers.
func (t *Transport) Addrs() []string { panic("todo") }

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

// Request is a SIP request that has arrived, with its server transaction.
type Request struct {
	*sip.Request
	Flow Flow
	// Received is when it arrived.
	Received time.Time
}

// Reply is a final response to a Request. Via, From, To, Call-ID, CSeq and
// Content-Length are the transport's own.
type Reply struct {
	Code   int
	Reason string // "" means the standard phrase
	// ToTag is the tag to add to To when the request had none; "" lets the
	// transport make one.
	ToTag string
	// Header holds more header lines, each ended by CRLF.
	Header []byte
	Body   []byte
}

// Reply answers r. The first call counts; retransmissions of the request get
// the same bytes (RFC 3261 §17.2.2). It does not block on a slow peer.
func (r *Request) Reply(p Reply) { panic("todo") }

// Message is a request to be sent. The transport adds the request line, Via
// with a fresh branch, Max-Forwards and Content-Length.
type Message struct {
	Method string
	URI    string // Request-URI
	// Header holds all other header lines, each ended by CRLF: From, To,
	// Call-ID, CSeq, Contact, Route, …
	Header []byte
	Body   []byte
	// Next is the URI of the next hop, to be found by RFC 3263: the topmost
	// loose Route, else the Request-URI.
	Next string
	// Flow, if its connection still lives (or it is UDP), is used before
	// Next is resolved.
	Flow *Flow
}

// Errors given to the done function of Send.
var (
	// ErrTimeout: no final response within 64·T1 (Timer F).
	ErrTimeout = errors.New("no response within the transaction's time")
	// ErrUnreachable: no address, or none that accepts the message.
	ErrUnreachable = errors.New("no way to the next hop")
	// ErrStopped: the Transport has ended.
	ErrStopped = errors.New("transport stopped")
)

// Send starts a client transaction for m and returns at once. done is called
// exactly once, with the final response or an error, on a goroutine of the
// transport; it must not block. No goroutine waits for the response.
func (t *Transport) Send(m Message, done func(*sip.Response, error)) { panic("todo") }

// Via returns the host:port that Contact should name on the given flow's
// transport: the advertised address of the listener that serves it, and the
// transport parameter ("udp", "tcp", "tls", "ws").
func (t *Transport) Contact(f *Flow) (hostport, transport string) { panic("todo") }
