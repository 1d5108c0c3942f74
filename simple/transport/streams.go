package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/patrickmn/go-cache"
)

var errTooMany = errors.New("too many connections")

// streams is the table of connections: by id for flows, by peer for reuse.
type streams struct {
	t     *Transport
	mu    sync.Mutex
	byID  map[string]*stream
	peers map[string]*stream // transport|address, or transport|address|name
	// accepted connections, in all and per source
	accepted int
	sources  map[netip.Addr]int
	seq      atomic.Uint64
	dials    chan struct{}
	noTCP    *cache.Cache // addresses that refused or ignored TCP
}

func newStreams(t *Transport) *streams {
	return &streams{
		t: t, byID: make(map[string]*stream), peers: make(map[string]*stream),
		sources: make(map[netip.Addr]int), dials: make(chan struct{}, t.lim.Lookups),
		noTCP: cache.New(refusedFor, 0),
	}
}

func peerKey(transport string, a netip.AddrPort, host string) string {
	k := transport + "|" + a.String()
	if host != "" {
		k += "|" + host
	}
	return k
}

// add makes a stream and enters it; the caller holds the lock or is alone.
func (p *streams) add(transport string, a netip.AddrPort, host string) *stream {
	s := &stream{
		t: p.t, transport: transport, remote: a, host: host,
		id: transport + strconv.FormatUint(p.seq.Add(1), 36),
	}
	p.byID[s.id] = s
	p.peers[peerKey(transport, a, host)] = s
	return s
}

func (p *streams) remove(s *stream) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.byID, s.id)
	for _, k := range append(s.aliases, peerKey(s.transport, s.remote, s.host)) {
		if p.peers[k] == s {
			delete(p.peers, k)
		}
	}
	s.aliases = nil
}

// alias lets requests to the sent-by of a Via use the connection it came on.
// RFC 5923 §5: only when the peer's certificate, verified, has that name.
func (p *streams) alias(s *stream, v *sip.ViaHeader) {
	names := s.flow().PeerNames
	if !v.Params.Has("alias") || !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, v.Host) }) {
		return
	}
	port := v.Port
	if port == 0 {
		port = defaultPorts[s.transport]
	}
	k := peerKey(s.transport, netip.AddrPortFrom(s.remote.Addr(), uint16(port)), strings.ToLower(v.Host))
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byID[s.id] != s || p.peers[k] != nil || len(s.aliases) >= maxAliases {
		return
	}
	p.peers[k] = s
	s.aliases = append(s.aliases, k)
}

func (p *streams) get(id string) *stream {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.byID[id]
}

// to returns the connection to a hop, starting to connect if there is none.
// A name that was verified is part of the key: a TLS connection is used for
// the name it was opened for, or, when the hop is an address, for that.
func (p *streams) to(h hop) (*stream, error) {
	host := ""
	if h.transport == "tls" || h.transport == "wss" {
		_, err := netip.ParseAddr(h.host)
		if err != nil {
			host = strings.ToLower(h.host)
		}
	}
	if p.t.stopping.Load() {
		return nil, ErrStopped
	}
	p.mu.Lock()
	s := p.peers[peerKey(h.transport, h.addr, host)]
	if s != nil {
		p.mu.Unlock()
		return s, nil
	}
	select {
	case p.dials <- struct{}{}:
	default:
		p.mu.Unlock()
		return nil, errors.New("too many connections being opened")
	}
	s = p.add(h.transport, h.addr, host)
	s.dialled = true
	p.mu.Unlock()
	if !p.t.io.start(func() { p.connect(s) }) {
		<-p.dials
		s.close(ErrStopped)
	}
	return s, nil
}

// connect dials for s, and then serves it.
func (p *streams) connect(s *stream) {
	w, who, err := p.dial(s)
	<-p.dials
	if err != nil {
		if s.transport == "tcp" {
			p.refuse(s.remote)
		}
		s.close(fmt.Errorf("connecting to %s: %w", s.remote, err))
		return
	}
	s.serve(w, who)
}

// dial connects, TLS and WebSocket handshakes included.
func (p *streams) dial(s *stream) (wire, peer, error) {
	ctx, cancel := context.WithTimeout(p.t.runCtx, p.t.lim.Dial)
	defer cancel()
	conn, err := p.t.net.Dial(ctx, "tcp", s.remote.String())
	if err != nil {
		return nil, peer{}, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	w, who, err := p.secure(ctx, s, conn)
	if err == nil && !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		stop()
		conn.Close()
		return nil, peer{}, err
	}
	return w, who, nil
}

// secure does the TLS and WebSocket handshakes of a client.
func (p *streams) secure(ctx context.Context, s *stream, conn net.Conn) (wire, peer, error) {
	raw, who := conn, peer{local: conn.LocalAddr().String()}
	if s.transport == "tls" || s.transport == "wss" {
		cfg := &tls.Config{}
		if p.t.cfg.TLS != nil {
			cfg = p.t.cfg.TLS.Clone()
		}
		// The name the URI has, not one that DNS made of it (RFC 5922 §4).
		cfg.ServerName = s.host
		if s.host == "" {
			cfg.ServerName = s.remote.Addr().String()
		}
		c := tls.Client(conn, cfg)
		err := c.HandshakeContext(ctx)
		if err != nil {
			return nil, who, fmt.Errorf("TLS handshake: %w", err)
		}
		who.secure, who.names = true, peerNames(c.ConnectionState())
		conn = c
	}
	if s.transport == "ws" || s.transport == "wss" {
		w, err := p.t.dialWS(ctx, s, conn, raw)
		return w, who, err
	}
	return &bytesWire{conn: conn, raw: raw}, who, nil
}

// refuse remembers that a peer does not take TCP; refused asks.
func (p *streams) refuse(a netip.AddrPort) {
	if p.noTCP.ItemCount() > 10_000 {
		p.noTCP.DeleteExpired()
	}
	if p.noTCP.ItemCount() > 20_000 {
		p.noTCP.Flush()
	}
	p.noTCP.SetDefault(a.String(), struct{}{})
}

func (p *streams) refused(a netip.AddrPort) bool {
	_, ok := p.noTCP.Get(a.String())
	return ok
}

// admit counts an accepted connection, or refuses it.
func (p *streams) admit(a netip.Addr) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.accepted >= p.t.lim.Connections || p.sources[a] >= p.t.lim.PerSource {
		return false
	}
	p.accepted++
	p.sources[a]++
	return true
}

func (p *streams) release(a netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.accepted--
	p.sources[a]--
	if p.sources[a] == 0 {
		delete(p.sources, a)
	}
}

// all returns the streams there are.
func (p *streams) all() []*stream {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]*stream, 0, len(p.byID))
	for _, s := range p.byID {
		out = append(out, s)
	}
	return out
}

// closeAll closes every connection.
func (p *streams) closeAll() {
	for _, s := range p.all() {
		s.close(ErrStopped)
	}
}

// flush lets the writers finish what is queued, for at most d in all.
func (p *streams) flush(d time.Duration) {
	end := time.Now().Add(d)
	for _, s := range p.all() {
		s.flush(time.Until(end))
	}
}

// serveConn serves a new connection of a listener.
func (t *Transport) serveConn(e *endpoint, raw net.Conn) {
	from, err := netip.ParseAddrPort(raw.RemoteAddr().String())
	if err != nil {
		raw.Close()
		return
	}
	from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	if !t.streams.admit(from.Addr()) {
		t.debug("connection refused", e.scheme, from, errTooMany)
		raw.Close()
		return
	}
	defer t.streams.release(from.Addr())
	defer t.rescue("connection", func() { raw.Close() })
	w, who, err := t.handshake(e, raw)
	if err != nil {
		t.debug("handshake", e.scheme, from, err)
		raw.Close()
		return
	}
	t.streams.mu.Lock()
	s := t.streams.add(e.scheme, from, "")
	t.streams.mu.Unlock()
	if t.stopped.Load() {
		s.close(ErrStopped)
	}
	s.serve(w, who)
}

// handshake does TLS and WebSocket on an accepted connection, in time.
func (t *Transport) handshake(e *endpoint, raw net.Conn) (wire, peer, error) {
	conn, who := raw, peer{local: raw.LocalAddr().String()}
	err := raw.SetDeadline(time.Now().Add(t.lim.Begin))
	if err != nil {
		return nil, who, err
	}
	stop := context.AfterFunc(t.runCtx, func() { raw.Close() })
	defer stop()
	if e.scheme == "tls" || e.scheme == "wss" {
		c := tls.Server(raw, t.cfg.TLS)
		err := c.HandshakeContext(t.runCtx)
		if err != nil {
			return nil, who, fmt.Errorf("TLS handshake: %w", err)
		}
		who.secure, who.names = true, peerNames(c.ConnectionState())
		conn = c
	}
	if e.scheme == "ws" || e.scheme == "wss" {
		w, err := t.upgradeWS(conn, raw)
		return w, who, err
	}
	return &bytesWire{conn: conn, raw: raw}, who, raw.SetDeadline(time.Time{})
}
