package transport

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// wire is a connection that carries whole messages: TCP, TLS or WebSocket.
type wire interface {
	// read serves what comes in until an error.
	read(s *stream) error
	// write writes messages, or fails for good.
	write(msgs [][]byte, deadline time.Time) error
	// close ends the connection at once, also for read and write.
	close()
}

// stream is one connection and the messages waiting to be written to it. It
// exists before it is connected, so that messages can wait for that.
type stream struct {
	t         *Transport
	id        string
	transport string
	remote    netip.AddrPort
	host      string   // name that was dialled, "" for accepted ones
	dialled   bool     // by us
	aliases   []string // more keys in streams.peers; guarded by its lock

	mu      sync.Mutex
	peer    peer
	wire    wire // nil while connecting
	queue   []parcel
	size    int // bytes in queue
	writing bool
	closed  error
	waiting map[*attempt]struct{} // written, no answer yet
}

// peer is what a handshake tells.
type peer struct {
	local  string
	secure bool
	names  []string // verified names
}

// parcel is one message to be written; at is nil for responses.
type parcel struct {
	b  []byte
	at *attempt
}

var (
	errQueueFull = errors.New("connection's write queue is full")
	errClosed    = errors.New("connection closed")
)

func (s *stream) reliable() bool { return true }

func (s *stream) origin() (transport, sentBy string) {
	return s.transport, s.t.sentBy(s.flow())
}

func (s *stream) flow() Flow {
	s.mu.Lock()
	p := s.peer
	s.mu.Unlock()
	return Flow{
		Transport: s.transport, Local: p.local, Remote: s.remote.String(),
		ID: s.id, Secure: p.secure, PeerNames: p.names,
	}
}

// open says whether the connection is established.
func (s *stream) open() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wire != nil && s.closed == nil
}

// send queues b; the stream's writer is started when there is none.
func (s *stream) send(b []byte, at *attempt) error {
	s.mu.Lock()
	if s.closed != nil {
		s.mu.Unlock()
		return s.closed
	}
	if s.size+len(b) > s.t.lim.WriteQueue && len(s.queue) > 0 {
		s.mu.Unlock()
		return errQueueFull
	}
	s.queue = append(s.queue, parcel{b, at})
	s.size += len(b)
	if at != nil {
		if s.waiting == nil {
			s.waiting = make(map[*attempt]struct{})
		}
		s.waiting[at] = struct{}{}
	}
	grow := s.wire != nil && !s.writing
	s.writing = s.writing || grow
	s.mu.Unlock()
	if grow && !s.t.io.start(s.drain) {
		s.close(ErrStopped)
	}
	return nil
}

// answered says that at no longer waits for this connection.
func (s *stream) answered(at *attempt) {
	s.mu.Lock()
	delete(s.waiting, at)
	s.mu.Unlock()
}

// drain writes until the queue is empty. A write that fails or takes too long
// closes: after part of a message the stream is of no more use.
func (s *stream) drain() {
	var msgs [][]byte
	for {
		s.mu.Lock()
		if len(s.queue) == 0 || s.closed != nil {
			s.writing = false
			s.mu.Unlock()
			return
		}
		msgs = msgs[:0]
		for _, p := range s.queue {
			msgs = append(msgs, p.b)
		}
		clear(s.queue)
		s.queue, s.size = s.queue[:0], 0
		w := s.wire
		s.mu.Unlock()
		err := w.write(msgs, time.Now().Add(s.t.lim.Write))
		if err != nil {
			s.close(fmt.Errorf("writing to %s: %w", s.remote, err))
			return
		}
	}
}

// attach gives the stream its connection and lets the writer start.
func (s *stream) attach(w wire, p peer) error {
	s.mu.Lock()
	if s.closed != nil {
		s.mu.Unlock()
		w.close()
		return s.closed
	}
	s.wire, s.peer = w, p
	grow := len(s.queue) > 0
	s.writing = grow
	s.mu.Unlock()
	if grow && !s.t.io.start(s.drain) {
		s.close(ErrStopped)
	}
	return nil
}

// close ends the stream and fails what waits for it.
func (s *stream) close(err error) {
	s.mu.Lock()
	if s.closed != nil {
		s.mu.Unlock()
		return
	}
	s.closed = err
	w, waiting := s.wire, s.waiting
	s.waiting, s.queue, s.size = nil, nil, 0
	s.mu.Unlock()
	s.t.streams.remove(s)
	if w != nil {
		w.close()
	}
	for at := range waiting {
		at.fail(err)
	}
}

// serve reads until the connection ends, and closes it.
func (s *stream) serve(w wire, p peer) {
	err := s.attach(w, p)
	if err != nil {
		return
	}
	defer s.t.rescue("stream", func() { s.close(errClosed) })
	err = w.read(s)
	if err == nil || errors.Is(err, io.EOF) {
		err = errClosed
	}
	s.t.debug("connection ended", s.transport, s.remote, err)
	s.close(err)
}

// bytesWire is TCP or TLS with Content-Length framing.
type bytesWire struct {
	conn net.Conn
	raw  net.Conn // under TLS; else conn
}

func (w *bytesWire) close() { w.raw.Close() }

func (w *bytesWire) write(msgs [][]byte, deadline time.Time) error {
	err := w.conn.SetWriteDeadline(deadline)
	if err != nil {
		return err
	}
	if w.conn != w.raw || len(msgs) == 1 {
		return w.join(msgs)
	}
	bufs := net.Buffers(msgs)
	_, err = bufs.WriteTo(w.conn)
	return err
}

// join writes messages in pieces of some records each: TLS makes a record of
// every write.
func (w *bytesWire) join(msgs [][]byte) error {
	const piece = 64 << 10
	for len(msgs) > 0 {
		b := msgs[0]
		msgs = msgs[1:]
		if len(msgs) > 0 && len(b)+len(msgs[0]) <= piece {
			b = append(make([]byte, 0, piece), b...)
			for len(msgs) > 0 && len(b)+len(msgs[0]) <= piece {
				b = append(b, msgs[0]...)
				msgs = msgs[1:]
			}
		}
		_, err := w.conn.Write(b)
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *bytesWire) read(s *stream) error {
	f := framer{max: s.t.lim.StreamMessage}
	part := partial{t: s.t}
	defer part.hold(0)
	deadline := s.firstDeadline()
	for begun := s.dialled; ; {
		err := w.conn.SetReadDeadline(deadline)
		if err != nil {
			return err
		}
		space := f.space()
		if !part.hold(len(f.store)) {
			return errTooMuch
		}
		n, err := w.conn.Read(space)
		if err != nil {
			return err
		}
		inside := f.started()
		f.filled(n)
		got, err := s.frames(&f)
		if err != nil {
			return err
		}
		begun = begun || got
		switch {
		case !begun:
		case !f.started():
			deadline = time.Now().Add(s.t.lim.Idle)
		case got || !inside:
			deadline = time.Now().Add(s.t.lim.Message)
		}
	}
}

// partial counts what one connection holds of a message that is not whole.
// All of them have a common bound, so that many slow peers with large
// messages cannot fill the memory.
type partial struct {
	t    *Transport
	held int
}

var errTooMuch = errors.New("too much in messages that are not whole")

// hold says that n bytes are held now; false when all hold too much. What an
// idle connection needs is not counted.
func (p *partial) hold(n int) bool {
	if n <= readStep {
		n = 0
	}
	sum := p.t.partial.Add(int64(n - p.held))
	grown := n > p.held
	p.held = n
	return !grown || sum <= int64(p.t.lim.Partial)
}

// firstDeadline is when the first bytes have to be there: soon from a peer
// that has connected, at leisure from one that we have.
func (s *stream) firstDeadline() time.Time {
	if s.dialled {
		return time.Now().Add(s.t.lim.Idle)
	}
	return time.Now().Add(s.t.lim.Begin)
}

// frames serves the whole messages in f; got says whether there was one.
func (s *stream) frames(f *framer) (got bool, err error) {
	for {
		kind, head, body, err := f.next()
		switch {
		case err != nil:
			s.badFrame(head, err)
			return got, err
		case kind == frameNone:
			return got, nil
		case kind == framePing:
			s.pong()
		default:
			s.t.receive(head, body, s, s.remote)
		}
		got = true
	}
}

// pong answers a keep-alive (RFC 5626 §3.5.1). A peer that does not read gets
// no queue of them.
func (s *stream) pong() {
	s.mu.Lock()
	busy := len(s.queue) > 0
	s.mu.Unlock()
	if !busy {
		_ = s.send([]byte("\r\n"), nil)
	}
}

// badFrame answers the request whose end cannot be found; then the connection
// is closed.
func (s *stream) badFrame(head string, err error) {
	code := 400
	if errors.Is(err, errBodyTooLarge) {
		code = 413
	}
	m, perr := parseMessage(head, nil)
	if perr != nil || m.req == nil || m.method == "ACK" {
		return
	}
	raw, _ := value(m.fields, "Via")
	top := responseVia(raw, m.via, s.remote.Addr().String(), int(s.remote.Port()))
	s.t.refuse(m, s, top, Reply{Code: code, Reason: "Framing: " + err.Error()})
	s.flush(time.Second)
}

// flush waits a little for the writer, before a close.
func (s *stream) flush(d time.Duration) {
	end := time.Now().Add(d)
	for time.Now().Before(end) {
		s.mu.Lock()
		idle := !s.writing || s.closed != nil
		s.mu.Unlock()
		if idle || !s.t.pause(5*time.Millisecond) {
			return
		}
	}
}

// peerNames are the names a verified certificate gives its holder.
// RFC 5922 §7.1: SIP URIs first, then DNS names; a subject is not used.
func peerNames(st tls.ConnectionState) []string {
	if len(st.VerifiedChains) == 0 || len(st.PeerCertificates) == 0 {
		return nil
	}
	cert := st.PeerCertificates[0]
	var names []string
	for _, u := range cert.URIs {
		if u.Scheme == "sip" && u.Opaque != "" {
			names = append(names, u.Opaque)
		}
	}
	return append(names, cert.DNSNames...)
}
