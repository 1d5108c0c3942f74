package transport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// endpoint is one listener.
type endpoint struct {
	scheme string // udp, tcp, tls, ws, wss
	addr   netip.AddrPort
	socket *udpSocket
	ln     net.Listener
}

// systemNetwork makes the operating system's sockets.
type systemNetwork struct{}

func (systemNetwork) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, address)
}

func (systemNetwork) ListenPacket(network, address string) (net.PacketConn, error) {
	return net.ListenPacket(network, address)
}

func (systemNetwork) Listen(network, address string) (net.Listener, error) {
	return net.Listen(network, address)
}

// defaultPorts: RFC 3261 §19.1.2, RFC 7118 §5.
var defaultPorts = map[string]int{"udp": 5060, "tcp": 5060, "tls": 5061, "ws": 80, "wss": 443}

// listen opens the listener of a URL.
func (t *Transport) listen(raw string) (*endpoint, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("listen address: %w", err)
	}
	scheme := strings.ToLower(u.Scheme)
	port, ok := defaultPorts[scheme]
	if !ok || u.Host == "" {
		return nil, fmt.Errorf("listen address %q: want udp, tcp, tls, ws or wss://host:port", raw)
	}
	if u.Port() != "" {
		port, err = strconv.Atoi(u.Port())
		if err != nil {
			return nil, fmt.Errorf("listen address %q: %w", raw, err)
		}
	}
	if (scheme == "tls" || scheme == "wss") && t.cfg.TLS == nil {
		return nil, fmt.Errorf("listen address %q: no certificate", raw)
	}
	e := &endpoint{scheme: scheme}
	address := joinHostPort(u.Hostname(), port)
	var local net.Addr
	if scheme == "udp" {
		conn, err := t.net.ListenPacket(family("udp", u.Hostname()), address)
		if err != nil {
			return nil, fmt.Errorf("listening on %s: %w", raw, err)
		}
		e.socket, local = newUDPSocket(t, conn), conn.LocalAddr()
	} else {
		e.ln, err = t.net.Listen(family("tcp", u.Hostname()), address)
		if err != nil {
			return nil, fmt.Errorf("listening on %s: %w", raw, err)
		}
		local = e.ln.Addr()
	}
	a, err := netip.ParseAddrPort(local.String())
	if err != nil {
		e.close()
		return nil, fmt.Errorf("listening on %s: %w", raw, err)
	}
	e.addr = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	if e.socket != nil && (t.cfg.Advertise != "" || !e.addr.Addr().IsUnspecified()) {
		e.socket.sentBy = joinHostPort(cmp.Or(t.cfg.Advertise, e.addr.Addr().String()), int(e.addr.Port()))
	}
	return e, nil
}

// family pins a numeric address to its family, so that 0.0.0.0 is not [::].
func family(network, host string) string {
	a, err := netip.ParseAddr(host)
	switch {
	case err != nil:
		return network
	case a.Is4():
		return network + "4"
	}
	return network + "6"
}

func (e *endpoint) close() {
	if e.socket != nil {
		e.socket.conn.Close()
	}
	if e.ln != nil {
		e.ln.Close()
	}
}

// accept takes connections until the listener is closed. What a connection
// has to say before it is one is heard on its own goroutine.
func (t *Transport) accept(e *endpoint) {
	for {
		conn, err := e.ln.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) || t.stopped.Load() {
				return
			}
			// Out of file descriptors, for instance: the listener stays.
			t.log.Warn("accepting a connection", "kind", e.scheme, "err", err)
			if !t.pause(50 * time.Millisecond) {
				return
			}
			continue
		}
		if !t.io.start(func() { t.serveConn(e, conn) }) {
			conn.Close()
		}
	}
}

// Addrs returns the listening addresses as URLs, with real port numbers.
func (t *Transport) Addrs() []string {
	var out []string
	for _, e := range t.endpoints {
		out = append(out, e.scheme+"://"+e.addr.String())
	}
	return out
}

// Contact returns the host:port that Contact should name on the given flow's
// transport: the advertised address of the listener that serves it, and the
// transport parameter ("udp", "tcp", "tls", "ws").
func (t *Transport) Contact(f *Flow) (hostport, transport string) {
	flow := Flow{}
	if f != nil {
		flow = *f
	} else if len(t.endpoints) > 0 {
		flow.Transport = t.endpoints[0].scheme
	}
	transport = flow.Transport
	if transport == "wss" {
		transport = "ws" // RFC 7118 §5.2: sips and transport=ws
	}
	return t.sentBy(flow), transport
}

// sentBy is the host:port of the listener that belongs to a flow.
func (t *Transport) sentBy(f Flow) string {
	e := t.endpointFor(f)
	host := t.cfg.Advertise
	switch {
	case e != nil:
	case host != "":
		return host
	case f.Local != "":
		return f.Local
	default:
		return "unknown.invalid" // RFC 7118 §5.1: as clients without a listener do
	}
	switch {
	case host != "":
	case e.addr.Addr().IsUnspecified():
		host = t.localFor(f)
	default:
		host = e.addr.Addr().String()
	}
	return joinHostPort(host, int(e.addr.Port()))
}

// endpointFor finds the listener for a flow: its own, else one of the same
// transport and address family, else any of the transport, else any at all.
func (t *Transport) endpointFor(f Flow) *endpoint {
	remote, _ := netip.ParseAddrPort(f.Remote)
	var best *endpoint
	score := -1
	for _, e := range t.endpoints {
		n := 0
		if e.scheme == f.Transport {
			n += 2
		}
		if remote.IsValid() && e.addr.Addr().Is4() == remote.Addr().Unmap().Is4() {
			n++
		}
		if n >= 2 && e.addr.String() == f.Local {
			n += 4
		}
		if n > score {
			best, score = e, n
		}
	}
	return best
}

// localFor is our address as the peer of a flow sees it, for listeners on
// 0.0.0.0 or [::].
func (t *Transport) localFor(f Flow) string {
	a, err := netip.ParseAddrPort(f.Local)
	if err == nil && !a.Addr().IsUnspecified() {
		return a.Addr().Unmap().String()
	}
	remote, err := netip.ParseAddrPort(f.Remote)
	if err != nil {
		return "localhost"
	}
	key := remote.Addr().String()
	v, ok := t.locals.Get(key)
	if ok {
		return v.(string)
	}
	// Connecting a UDP socket asks the routing table and sends nothing.
	host := "localhost"
	conn, err := t.net.Dial(t.runCtx, "udp", remote.String())
	if err == nil {
		a, err := netip.ParseAddrPort(conn.LocalAddr().String())
		if err == nil {
			host = a.Addr().Unmap().String()
		}
		conn.Close()
	}
	if t.locals.ItemCount() > 10_000 {
		t.locals.Flush()
	}
	t.locals.SetDefault(key, host)
	return host
}

// udpSocketFor picks the socket to send to an address from.
func (t *Transport) udpSocketFor(a netip.Addr) *udpSocket {
	for _, e := range t.endpoints {
		s := e.socket
		if s != nil && (a.Is4() && s.four || a.Is6() && s.six) {
			return s
		}
	}
	return nil
}

// flowWay is the way a flow names, nil when it is gone.
func (t *Transport) flowWay(f *Flow) way {
	if f.ID != "" {
		s := t.streams.get(f.ID)
		if s == nil {
			return nil
		}
		return s
	}
	to, err := netip.ParseAddrPort(f.Remote)
	if err != nil || f.Transport != "udp" {
		return nil
	}
	for _, e := range t.endpoints {
		if e.socket != nil && e.socket.local == f.Local {
			return udpWay{e.socket, to}
		}
	}
	s := t.udpSocketFor(to.Addr())
	if s == nil {
		return nil
	}
	return udpWay{s, to}
}

// wayTo is the way to a hop; it does not block.
func (t *Transport) wayTo(h hop) (way, error) {
	if h.way != nil {
		return h.way, nil
	}
	if h.transport != "udp" {
		return t.streams.to(h)
	}
	s := t.udpSocketFor(h.addr.Addr())
	if s == nil {
		return nil, fmt.Errorf("no UDP socket for %s", h.addr)
	}
	return udpWay{s, h.addr}, nil
}
