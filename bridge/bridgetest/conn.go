package bridgetest

import (
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// Conn is one end of a TCP connection of a Network: bytes are buffered, up to
// about what a system's socket buffers hold.
type Conn struct {
	local, remote netip.AddrPort
	in, out       *half
	read, write   *deadline
	done          chan struct{}
	once          sync.Once
}

// connPair makes both ends.
func connPair(client, server netip.AddrPort) (c, s *Conn) {
	up, down := newHalf(), newHalf()
	c = &Conn{local: client, remote: server, in: down, out: up}
	s = &Conn{local: server, remote: client, in: up, out: down}
	for _, e := range []*Conn{c, s} {
		e.read, e.write, e.done = newDeadline(), newDeadline(), make(chan struct{})
	}
	return c, s
}

// Read waits for bytes.
func (c *Conn) Read(b []byte) (int, error) {
	for {
		n, changed, err := c.in.take(b)
		if n > 0 || err != nil && !isDone(c.done) && !isDone(c.read.passed()) {
			return n, err
		}
		select {
		case <-c.done:
			return 0, c.fail("read", net.ErrClosed)
		case <-c.read.passed():
			return 0, c.fail("read", os.ErrDeadlineExceeded)
		default:
		}
		if len(b) == 0 {
			return 0, nil
		}
		select {
		case <-changed:
		case <-c.done:
		case <-c.read.passed():
		}
	}
}

// Write waits until the peer has read enough for all of b to be buffered.
func (c *Conn) Write(b []byte) (int, error) {
	sent := 0
	for {
		select {
		case <-c.done:
			return sent, c.fail("write", net.ErrClosed)
		case <-c.write.passed():
			return sent, c.fail("write", os.ErrDeadlineExceeded)
		default:
		}
		n, changed, err := c.out.put(b[sent:])
		sent += n
		if err != nil {
			return sent, c.fail("write", err)
		}
		if sent == len(b) {
			return sent, nil
		}
		select {
		case <-changed:
		case <-c.done:
		case <-c.write.passed():
		}
	}
}

// Close ends the connection. The peer reads what was written, then EOF; its
// writes fail.
func (c *Conn) Close() error {
	err := error(net.ErrClosed)
	c.once.Do(func() {
		close(c.done)
		c.read.set(time.Time{})
		c.write.set(time.Time{})
		c.out.end(io.EOF)
		c.in.abandon()
		err = nil
	})
	return err
}

// CloseWrite ends one direction: the peer reads EOF and may still write.
func (c *Conn) CloseWrite() error {
	c.out.end(io.EOF)
	return nil
}

// LocalAddr is a *net.TCPAddr.
func (c *Conn) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(c.local) }

// RemoteAddr is a *net.TCPAddr.
func (c *Conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error {
	c.read.set(t)
	c.write.set(t)
	return nil
}

// SetReadDeadline bounds Read, also one that waits already.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.read.set(t)
	return nil
}

// SetWriteDeadline bounds Write, also one that waits already.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.write.set(t)
	return nil
}

func (c *Conn) fail(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

// half is one direction of a connection.
type half struct {
	mu      sync.Mutex
	buf     []byte
	ended   error // for the reader, once buf is empty
	gone    bool  // the reader has closed
	changed chan struct{}
}

func newHalf() *half { return &half{changed: make(chan struct{})} }

// change wakes whoever waits; the caller holds the lock.
func (h *half) change() {
	close(h.changed)
	h.changed = make(chan struct{})
}

func (h *half) take(b []byte) (int, <-chan struct{}, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.buf) == 0 {
		return 0, h.changed, h.ended
	}
	n := copy(b, h.buf)
	h.buf = h.buf[n:]
	if len(h.buf) == 0 {
		h.buf = nil
	}
	h.change()
	return n, nil, nil
}

func (h *half) put(b []byte) (int, <-chan struct{}, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.gone || h.ended != nil {
		return 0, nil, errReset
	}
	n := min(len(b), streamQueue-len(h.buf))
	if n > 0 {
		h.buf = append(h.buf, b[:n]...)
		h.change()
	}
	return n, h.changed, nil
}

func (h *half) end(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended == nil {
		h.ended = err
		h.change()
	}
}

func (h *half) abandon() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gone, h.buf = true, nil
	h.change()
}

// deadline is a channel that is closed when a time has passed, and can be
// moved.
type deadline struct {
	mu    sync.Mutex
	timer *time.Timer
	ch    chan struct{}
}

func newDeadline() *deadline { return &deadline{ch: make(chan struct{})} }

func (d *deadline) passed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ch
}

// set moves the deadline; the zero time means none. Whoever waits on the old
// channel is woken by its close, or, when the deadline moves away, waits on
// with the new time.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		<-d.ch // the timer's goroutine is closing it
	}
	d.timer = nil
	closed := isDone(d.ch)
	if t.IsZero() || time.Until(t) > 0 {
		if closed {
			d.ch = make(chan struct{})
		}
		if !t.IsZero() {
			ch := d.ch
			d.timer = time.AfterFunc(time.Until(t), func() { close(ch) })
		}
		return
	}
	if !closed {
		close(d.ch)
	}
}

func isDone(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}
