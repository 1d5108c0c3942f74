package bridgetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Network is an IP network in memory: UDP sockets, TCP listeners and
// connections with deadlines. It blocks only on channels, so it works in a
// testing/synctest bubble; use one Network per bubble. Every address exists on
// it; names do not. The zero value is not usable; see NewNetwork.
//
// It satisfies the Network interface of simple/transport. Its methods may be
// called from any goroutine.
type Network struct {
	mu        sync.Mutex
	sockets   map[netip.AddrPort]*PacketConn
	listeners map[netip.AddrPort]*Listener
	nextPort  uint16
	loss      func(from, to netip.AddrPort, b []byte) bool
	silent    map[netip.Addr]bool
}

// Bounds of the network's buffers, about those of a real one.
const (
	socketQueue = 8 << 10 // datagrams waiting in one socket; more are lost
	streamQueue = 64 << 10
	backlog     = 1024
)

// NewNetwork returns an empty network.
func NewNetwork() *Network {
	return &Network{
		sockets: make(map[netip.AddrPort]*PacketConn), listeners: make(map[netip.AddrPort]*Listener),
		nextPort: 40000, silent: make(map[netip.Addr]bool),
	}
}

// SetLoss makes the network lose each datagram for which lose is true; it sees
// those to nobody too. nil
// loses none. lose is called one at a time and must not use the network.
func (n *Network) SetLoss(lose func(from, to netip.AddrPort, b []byte) bool) {
	n.mu.Lock()
	n.loss = lose
	n.mu.Unlock()
}

// SetSilent makes TCP connections to a host hang instead of being refused, as
// behind a firewall that drops.
func (n *Network) SetSilent(host string, silent bool) {
	n.mu.Lock()
	n.silent[netip.MustParseAddr(host)] = silent
	n.mu.Unlock()
}

// parse reads host:port with a numeric or empty host, or localhost.
func (n *Network) parse(network, address string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	switch {
	case host == "localhost":
		host = "127.0.0.1"
	case host == "" && strings.HasSuffix(network, "6"):
		host = "::"
	case host == "":
		host = "0.0.0.0"
	}
	a, err := netip.ParseAddrPort(net.JoinHostPort(host, port))
	if err != nil {
		return a, &net.AddrError{Err: "no such host in the test network", Addr: address}
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), nil
}

// port picks a free port when a has none; the caller holds the lock.
func (n *Network) port(a netip.AddrPort, taken func(netip.AddrPort) bool) (netip.AddrPort, error) {
	if a.Port() != 0 {
		if taken(a) {
			return a, syscall.EADDRINUSE
		}
		return a, nil
	}
	for range 1 << 16 {
		n.nextPort++
		if n.nextPort < 1024 {
			n.nextPort = 1024
		}
		a = netip.AddrPortFrom(a.Addr(), n.nextPort)
		if !taken(a) {
			return a, nil
		}
	}
	return a, syscall.EADDRNOTAVAIL
}

// ListenPacket opens a UDP socket. An unspecified address takes datagrams for
// every address of its family.
func (n *Network) ListenPacket(network, address string) (net.PacketConn, error) {
	c, err := n.packet(network, address)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	return c, nil
}

func (n *Network) packet(network, address string) (*PacketConn, error) {
	if !strings.HasPrefix(network, "udp") {
		return nil, net.UnknownNetworkError(network)
	}
	a, err := n.parse(network, address)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	a, err = n.port(a, func(a netip.AddrPort) bool { return n.sockets[a] != nil })
	if err != nil {
		return nil, err
	}
	c := &PacketConn{
		net: n, local: a, in: make(chan datagram, socketQueue), done: make(chan struct{}),
		read: newDeadline(),
	}
	n.sockets[a] = c
	return c, nil
}

// Listen opens a TCP listener.
func (n *Network) Listen(network, address string) (net.Listener, error) {
	fail := func(err error) (net.Listener, error) {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	if !strings.HasPrefix(network, "tcp") {
		return fail(net.UnknownNetworkError(network))
	}
	a, err := n.parse(network, address)
	if err != nil {
		return fail(err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	a, err = n.port(a, func(a netip.AddrPort) bool { return n.listeners[a] != nil })
	if err != nil {
		return fail(err)
	}
	l := &Listener{net: n, local: a, in: make(chan *Conn, backlog), done: make(chan struct{})}
	n.listeners[a] = l
	return l, nil
}

// Dial connects by TCP, or makes a connected UDP socket. The client's address
// is 127.0.0.1 or ::1.
func (n *Network) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	from := "127.0.0.1:0"
	a, err := n.parse(network, address)
	if err == nil && a.Addr().Is6() {
		from = "[::1]:0"
	}
	return n.DialFrom(ctx, network, from, address)
}

// DialFrom is Dial from a chosen address; port 0 takes a free one.
func (n *Network) DialFrom(ctx context.Context, network, from, to string) (net.Conn, error) {
	c, err := n.dial(ctx, network, from, to)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: fmt.Errorf("%s: %w", to, err)}
	}
	return c, nil
}

func (n *Network) dial(ctx context.Context, network, from, to string) (net.Conn, error) {
	remote, err := n.parse(network, to)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(network, "udp") {
		c, err := n.packet(network, from)
		if err != nil {
			return nil, err
		}
		return &udpConn{PacketConn: c, to: remote}, nil
	}
	local, err := n.parse(network, from)
	if err != nil {
		return nil, err
	}
	l, silent, local, err := n.route(local, remote)
	switch {
	case err != nil:
		return nil, err
	case silent:
		<-ctx.Done()
		return nil, ctx.Err()
	case l == nil:
		return nil, syscall.ECONNREFUSED
	}
	client, server := connPair(local, remote)
	select {
	case l.in <- server:
		return client, nil
	case <-l.done:
		return nil, syscall.ECONNREFUSED
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// route finds who listens on an address.
func (n *Network) route(local, remote netip.AddrPort) (*Listener, bool, netip.AddrPort, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	local, err := n.port(local, func(netip.AddrPort) bool { return false })
	l := n.listeners[remote]
	if l == nil {
		l = n.listeners[wildcard(remote)]
	}
	return l, n.silent[remote.Addr()], local, err
}

// wildcard is the unspecified address that stands for a.
func wildcard(a netip.AddrPort) netip.AddrPort {
	if a.Addr().Is4() {
		return netip.AddrPortFrom(netip.IPv4Unspecified(), a.Port())
	}
	return netip.AddrPortFrom(netip.IPv6Unspecified(), a.Port())
}

type datagram struct {
	b    []byte
	from netip.AddrPort
}

// PacketConn is a UDP socket of a Network.
type PacketConn struct {
	net   *Network
	local netip.AddrPort
	in    chan datagram
	done  chan struct{}
	once  sync.Once
	read  *deadline
}

// ReadFrom waits for a datagram; what does not fit into b is lost.
func (c *PacketConn) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case <-c.read.passed():
		return 0, nil, c.fail("read", os.ErrDeadlineExceeded)
	case <-c.done:
		return 0, nil, c.fail("read", net.ErrClosed)
	default:
	}
	select {
	case d := <-c.in:
		return copy(b, d.b), net.UDPAddrFromAddrPort(d.from), nil
	case <-c.read.passed():
		return 0, nil, c.fail("read", os.ErrDeadlineExceeded)
	case <-c.done:
		return 0, nil, c.fail("read", net.ErrClosed)
	}
}

// WriteTo sends a datagram. Nobody there, or a full queue, loses it.
func (c *PacketConn) WriteTo(b []byte, to net.Addr) (int, error) {
	a, err := netip.ParseAddrPort(to.String())
	if err != nil {
		return 0, c.fail("write", err)
	}
	return c.writeTo(b, netip.AddrPortFrom(a.Addr().Unmap(), a.Port()))
}

func (c *PacketConn) writeTo(b []byte, to netip.AddrPort) (int, error) {
	select {
	case <-c.done:
		return 0, c.fail("write", net.ErrClosed)
	default:
	}
	if len(b) > 65507 {
		return 0, c.fail("write", syscall.EMSGSIZE)
	}
	from := c.local
	if from.Addr().IsUnspecified() {
		from = netip.AddrPortFrom(to.Addr(), from.Port())
	}
	n := c.net
	n.mu.Lock()
	dst := n.sockets[to]
	if dst == nil {
		dst = n.sockets[wildcard(to)]
	}
	lost := n.loss != nil && n.loss(from, to, b) || dst == nil
	n.mu.Unlock()
	if lost {
		return len(b), nil
	}
	select {
	case dst.in <- datagram{append([]byte(nil), b...), from}:
	default:
	}
	return len(b), nil
}

// Close ends the socket and frees its address.
func (c *PacketConn) Close() error {
	err := error(net.ErrClosed)
	c.once.Do(func() {
		close(c.done)
		c.read.set(time.Time{})
		c.net.mu.Lock()
		delete(c.net.sockets, c.local)
		c.net.mu.Unlock()
		err = nil
	})
	return err
}

// LocalAddr is a *net.UDPAddr.
func (c *PacketConn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.local) }

// SetDeadline sets the read deadline; writes never wait.
func (c *PacketConn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetReadDeadline bounds ReadFrom.
func (c *PacketConn) SetReadDeadline(t time.Time) error {
	c.read.set(t)
	return nil
}

// SetWriteDeadline does nothing: writes never wait.
func (c *PacketConn) SetWriteDeadline(time.Time) error { return nil }

func (c *PacketConn) fail(op string, err error) error {
	return &net.OpError{Op: op, Net: "udp", Addr: c.LocalAddr(), Err: err}
}

// udpConn is a connected UDP socket.
type udpConn struct {
	*PacketConn
	to netip.AddrPort
}

func (c *udpConn) RemoteAddr() net.Addr { return net.UDPAddrFromAddrPort(c.to) }

func (c *udpConn) Write(b []byte) (int, error) { return c.writeTo(b, c.to) }

// Read takes the next datagram from the peer.
func (c *udpConn) Read(b []byte) (int, error) {
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil || from.String() == c.to.String() {
			return n, err
		}
	}
}

// Listener is a TCP listener of a Network.
type Listener struct {
	net   *Network
	local netip.AddrPort
	in    chan *Conn
	done  chan struct{}
	once  sync.Once
}

// Accept waits for a connection.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case <-l.done:
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
	default:
	}
	select {
	case c := <-l.in:
		return c, nil
	case <-l.done:
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
	}
}

// Close ends the listener; connections nobody has accepted are closed.
func (l *Listener) Close() error {
	err := error(net.ErrClosed)
	l.once.Do(func() {
		close(l.done)
		l.net.mu.Lock()
		delete(l.net.listeners, l.local)
		l.net.mu.Unlock()
		err = nil
		for {
			select {
			case c := <-l.in:
				c.Close()
			default:
				return
			}
		}
	})
	return err
}

// Addr is a *net.TCPAddr.
func (l *Listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.local) }

// errReset is what a write to a connection gets that the peer has closed.
var errReset = errors.Join(syscall.ECONNRESET, io.ErrClosedPipe)
