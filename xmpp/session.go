package xmpp

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
)

// session is one stream from the handshake to its end: a reader and a writer.
type session struct {
	c    *component
	conn net.Conn

	// Of the writer.
	buf      []byte
	inflight []flying // what buf has of the Outbox
}

// flying is an item on its way, and the resources that its watcher was shown
// before it.
type flying struct {
	item  bridge.Item
	shown []string
}

func newSession(c *component, conn net.Conn) *session {
	return &session{c: c, conn: conn, buf: make([]byte, 0, 2*flushAt)}
}

// streamError is an error by which the server ends the stream (RFC 6120 §4.9).
type streamError struct{ condition, text string }

func (e *streamError) Error() string {
	if e.text == "" {
		return "stream error " + e.condition
	}
	return "stream error " + e.condition + ": " + e.text
}

// serve runs the session to its end and returns why it ended.
func (s *session) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	readErr := make(chan error, 1)
	go func() { readErr <- s.read(ctx) }()
	s.c.answers.take(nil) // answers to a stream that is gone
	s.c.backlog = newest(s.c.outbox.Take(s.c.backlog))
	s.c.beginResync()
	err, readerLeft := s.write(ctx, readErr)
	cancel()
	s.conn.Close()
	if !readerLeft {
		rerr := <-readErr
		var told *streamError
		if errors.As(rerr, &told) {
			err = rerr // the reason for what the writer saw
		}
	}
	s.c.requeue(s.inflight)
	return err
}

// read reads stanzas until the stream ends. A stanza that is wrong costs only
// itself.
func (s *session) read(ctx context.Context) error {
	split := newSplitter(deadlineReader{s.conn, s.c.resync.lastPong}, maxIn)
	var p parser
	for {
		b, err := split.next()
		if errors.Is(err, errTooLarge) {
			s.c.port.metrics.refused.WithLabelValues("size").Inc()
			s.c.log.Warn("stanza too large, ignored", "limit", maxIn)
			continue
		}
		if err != nil {
			return fmt.Errorf("reading: %w", err)
		}
		var st stanza
		err = p.parse(b, &st)
		if err != nil {
			s.c.port.metrics.refused.WithLabelValues("syntax").Inc()
			s.c.log.Debug("stanza not readable, ignored", "err", err)
			continue
		}
		if st.name == errorType {
			return &streamError{st.err.Condition, st.err.Text}
		}
		s.c.port.metrics.in(&st)
		s.c.guard("stanza", func() { s.c.route(ctx, &st) })
	}
}

// deadlineReader notices a dead connection: pings make the server say
// something at least once in each keepAlive. ejabberd may say it on the stream
// of another component; what it answers it has read here.
type deadlineReader struct {
	conn     net.Conn
	lastPong func() time.Time
}

func (r deadlineReader) Read(b []byte) (int, error) {
	for {
		err := r.conn.SetReadDeadline(time.Now().Add(keepAlive + pongTimeout))
		if err != nil {
			return 0, err
		}
		n, err := r.conn.Read(b)
		quiet := n == 0 && errors.Is(err, os.ErrDeadlineExceeded)
		if !quiet || time.Since(r.lastPong()) >= keepAlive+pongTimeout {
			return n, err
		}
	}
}

// route hands a stanza to who handles it. It blocks while the worker's queue
// is full, which holds up the server.
func (c *component) route(ctx context.Context, s *stanza) {
	// ejabberd sends a listener's every domain to each of its connections.
	if other := c.port.byDomain[hostOf(s.to)]; other != nil {
		c = other
	}
	host := strings.ToLower(hostOf(s.from))
	if hostOf(s.to) != c.domain || host == "" {
		c.refused("address", s, nil)
		return
	}
	if c.port.byDomain[host] != nil {
		c.refused("loop", s, nil) // what we sent ourselves (RFC 8048 §8.2)
		return
	}
	if !c.port.jabber[host] {
		c.stranger(s)
		return
	}
	switch {
	case s.name == "iq" && !s.answers():
		c.handleIQ(s)
	case s.name == "message" && len(s.items)+len(s.notified) == 0 && s.kind != errorType:
		c.handleMessage(s)
	case s.name == "iq", s.name == "message", s.name == "presence":
		select {
		case c.queueFor(s) <- *s:
		case <-ctx.Done():
		}
	}
}

func (c *component) queueFor(s *stanza) chan<- stanza {
	h := maphash.String(c.seed, bareOf(s.from)) ^ maphash.String(c.seed, bareOf(s.to))
	return c.pool[h%uint64(len(c.pool))]
}

// stranger answers a stanza from a domain that this gateway does not serve.
//
// RFC 8048 §8.1: the gateway belongs to one trust realm.
func (c *component) stranger(s *stanza) {
	c.refused("domain", s, nil)
	switch {
	case s.name == "iq" && (s.kind == "get" || s.kind == "set"),
		s.name == "presence" && s.kind == subscribe:
		c.answerError(s, errNotAllowed)
	}
}

func (c *component) refused(reason string, s *stanza, err error) {
	c.port.metrics.refused.WithLabelValues(reason).Inc()
	c.log.Debug("stanza refused", "reason", reason, "from", s.from, "to", s.to, "kind", s.name+" "+s.kind, "err", err)
}

// skip notes that a stanza was not sent for want of a legal address.
func (c *component) skip(leg bridge.Leg, change bridge.ChangeID) {
	c.port.metrics.skipped.Inc()
	c.log.Debug("no legal JID, nothing sent", "watcher", leg.Watcher, "presentity", leg.Presentity, "change", change)
}

func (c *component) debug(msg string, leg bridge.Leg, change bridge.ChangeID) {
	c.log.Debug(msg, "watcher", leg.Watcher, "presentity", leg.Presentity, "change", change)
}

// write sends until the stream or ctx ends. readerLeft tells that readErr was
// received from.
func (s *session) write(ctx context.Context, readErr <-chan error) (err error, readerLeft bool) {
	c := s.c
	pings := time.NewTicker(keepAlive)
	defer pings.Stop()
	var pace *time.Timer // to the next step of the resync
	var due <-chan time.Time
	for {
		more := s.fill()
		err := s.flush()
		if err != nil {
			return fmt.Errorf("writing: %w", err), false
		}
		if more && ctx.Err() == nil {
			continue
		}
		if next := c.resync.next(); next.IsZero() {
			due = nil
		} else if pace == nil {
			pace = time.NewTimer(time.Until(next))
			defer pace.Stop()
			due = pace.C
		} else {
			pace.Reset(time.Until(next))
			due = pace.C
		}
		select {
		case <-ctx.Done():
			return s.end(ctx), false
		case err := <-readErr:
			return err, true
		case <-c.outbox.Wake:
		case <-c.asks.wake:
		case <-c.events.wake:
		case <-c.answers.wake:
		case now := <-pings.C:
			s.buf = c.appendPings(s.buf, map[string]bool{c.port.pings[0]: true})
			c.asks.due(now)
			c.tidy(now)
			c.askLate()
			c.subscribeAgain(now)
		case <-due:
			c.guard("resync", func() { s.buf = c.appendResync(s.buf, time.Now()) })
		}
	}
}

// fill appends what is to be sent until there is enough for one write, and
// reports whether there is more.
func (s *session) fill() (more bool) {
	c := s.c
	s.buf = c.answers.take(s.buf)
	if len(c.backlog) == 0 {
		c.backlog = c.outbox.Take(c.backlog[:0])
	}
	for len(c.backlog) > 0 {
		if len(s.buf) >= flushAt {
			return true
		}
		it := c.backlog[0]
		c.backlog = c.backlog[1:]
		s.inflight = append(s.inflight, flying{it, c.watches.shown(it.Leg)})
		c.guard("item", func() { s.buf = c.appendItem(s.buf, &it) })
	}
	for len(s.buf) < flushAt {
		leg, how, ok := c.asks.take()
		if !ok {
			break
		}
		c.guard("ask", func() { s.buf = c.appendAsk(s.buf, leg, how) })
	}
	for len(s.buf) < flushAt {
		leg, ok := c.events.take()
		if !ok {
			return false
		}
		c.guard("events", func() { s.buf = c.appendEvents(s.buf, leg) })
	}
	return true
}

// flush writes what is in buf, in one write.
func (s *session) flush() error {
	if len(s.buf) == 0 {
		s.inflight = s.inflight[:0]
		return nil
	}
	err := s.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err != nil {
		return err
	}
	_, err = s.conn.Write(s.buf)
	if err != nil {
		return err
	}
	s.inflight = s.inflight[:0]
	if cap(s.buf) > 8*flushAt {
		s.buf = make([]byte, 0, 2*flushAt)
	}
	s.buf = s.buf[:0]
	return nil
}

// end closes the stream (RFC 6120 §4.4).
func (s *session) end(ctx context.Context) error {
	_ = s.conn.SetWriteDeadline(time.Now().Add(time.Second))
	_, err := io.WriteString(s.conn, "</stream:stream>")
	if err != nil {
		return fmt.Errorf("closing the stream: %w", err)
	}
	return ctx.Err()
}

// requeue puts back what was taken from the Outbox and perhaps not sent, to
// be told after the next join.
func (c *component) requeue(fs []flying) {
	if len(fs) == 0 {
		return
	}
	c.watches.untell(fs)
	backlog := make([]bridge.Item, 0, len(fs)+len(c.backlog))
	for i := range fs {
		backlog = append(backlog, fs[i].item)
	}
	c.backlog = append(backlog, c.backlog...)
}

// newest drops from items, in place, what a later one of the same subscription
// replaces, as the Outbox itself would have.
func newest(items []bridge.Item) []bridge.Item {
	type key struct {
		leg   bridge.Leg
		id    string
		probe bool
	}
	last := make(map[key]int, len(items))
	for i := range items {
		last[key{items[i].Leg, items[i].ID, items[i].Probe}] = i
	}
	kept := items[:0]
	for i := range items {
		if last[key{items[i].Leg, items[i].ID, items[i].Probe}] == i {
			kept = append(kept, items[i])
		}
	}
	return kept
}

// subscribeAgain hands the subscriptions that are due to the workers.
func (c *component) subscribeAgain(now time.Time) {
	for _, leg := range c.watches.due(now) {
		s := stanza{name: again, from: jidOf(leg.Watcher), to: jidOf(leg.Presentity)}
		select {
		case c.queueFor(&s) <- s:
		default:
			c.watches.lose(leg, now)
		}
	}
}
