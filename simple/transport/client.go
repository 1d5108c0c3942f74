package transport

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Message is a request to be sent. The transport adds the request line, Via
// with a fresh branch, Max-Forwards and Content-Length.
type Message struct {
	Method string // not INVITE or ACK, which have transactions of their own
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

// clientState is where a client transaction is (RFC 3261 Figure 6; Trying and
// Proceeding differ only in the interval of Timer E).
type clientState uint8

const (
	planning clientState = iota // looking for a way
	trying                      // sent, no final response
	failed                      // this way failed; the next is to be tried
	ended                       // done was called, or will be at once
)

// clientTx is one request on its way, over all the hops it is tried on.
// Everything but msg, done and shard is guarded by the shard's lock.
type clientTx struct {
	msg   Message
	done  func(*Response, error)
	shard *clientShard

	id       string
	state    clientState
	at       *attempt
	tries    int
	branch   string
	way      way
	wire     []byte // for retransmission; nil on a stream
	interval time.Duration
	until    time.Time // Timer F
	due      due[*clientTx]
	resolved bool  // plan has come from the locator
	plan     []hop // still to be tried
	hop      hop   // the one under way
	err      error // why the last way failed
	slow     bool  // a provisional response came
}

// attempt is one try of a transaction on one way. The errors of a way that is
// not tried any more do not count.
type attempt struct{ tx *clientTx }

// clients is the table of client transactions, in shards.
type clients struct {
	t      *Transport
	shards [8]clientShard
	t1     time.Duration
	t2     time.Duration
}

type clientShard struct {
	mu     sync.Mutex
	byID   map[string]*clientTx
	agenda agenda[*clientTx]
	alarm  alarm
	closed bool
}

func newClients(t *Transport, t1, t2 time.Duration) *clients {
	c := &clients{t: t, t1: t1, t2: t2}
	for i := range c.shards {
		c.shards[i].byID = make(map[string]*clientTx)
		c.shards[i].alarm = newAlarm()
	}
	return c
}

// idLen is the length of clientTx.id: the shard and 130 random bits.
const idLen = 1 + 26

// Send starts a client transaction for m and returns at once. done is called
// exactly once, with the final response or an error, on a goroutine of the
// transport; it must not block. No goroutine waits for the response.
//
// Hops that cannot be reached, do not answer or answer 503 are followed by
// the next one that RFC 3263 names, each with a transaction of its own.
func (t *Transport) Send(m Message, done func(*Response, error)) {
	text := rand.Text()
	i := int(text[0]) % len(t.clients.shards)
	tx := &clientTx{msg: m, done: done, shard: &t.clients.shards[i]}
	tx.id = strconv.Itoa(i) + text
	tx.due.of = tx
	sh := tx.shard
	sh.mu.Lock()
	if sh.closed {
		sh.mu.Unlock()
		// Run has ended or will soon: its goroutines cannot do it.
		go done(nil, ErrStopped)
		return
	}
	sh.byID[tx.id] = tx
	sh.plan(tx, time.Now().Add(64*t.clients.t1))
	sh.mu.Unlock()
	if strings.ContainsAny(m.URI, " \t\r\n<>") || m.URI == "" || !isToken(m.Method) {
		t.clients.giveUp(tx, errors.New("malformed request line"))
		return
	}
	if m.Flow != nil {
		w := t.flowWay(m.Flow)
		if w != nil {
			t.clients.launch(tx, w, hop{})
			return
		}
	}
	t.clients.resolve(tx)
}

// plan puts tx into planning, for no longer than until.
func (sh *clientShard) plan(tx *clientTx, until time.Time) {
	tx.leave()
	tx.state, tx.until = planning, until
	sh.agenda.set(&tx.due, until)
	sh.alarm.rearm(sh.agenda.next().at)
}

// giveUp ends tx on the shard's goroutine; done never runs in Send.
func (c *clients) giveUp(tx *clientTx, err error) {
	sh := tx.shard
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if tx.state == ended {
		return
	}
	tx.state, tx.err, tx.resolved, tx.plan = failed, err, true, nil
	sh.agenda.set(&tx.due, time.Now())
	sh.alarm.rearm(tx.due.at)
}

// resolve finds the hops to Next; it does not block.
func (c *clients) resolve(tx *clientTx) {
	c.t.locator.find(tx.msg.Next, func(hops []hop, err error) {
		if err != nil {
			c.giveUp(tx, err)
			return
		}
		tx.shard.mu.Lock()
		tx.resolved, tx.plan = true, hops
		tx.shard.mu.Unlock()
		c.advance(tx)
	})
}

// advance tries the next hop, or ends the transaction.
func (c *clients) advance(tx *clientTx) {
	sh := tx.shard
	for {
		sh.mu.Lock()
		if tx.state == ended {
			sh.mu.Unlock()
			return
		}
		sh.plan(tx, time.Now().Add(64*c.t1))
		if len(tx.plan) == 0 {
			resolved, err := tx.resolved, tx.err
			sh.mu.Unlock()
			if resolved {
				c.giveUp(tx, err)
			} else {
				c.resolve(tx)
			}
			return
		}
		h := tx.plan[0]
		tx.plan = tx.plan[1:]
		sh.mu.Unlock()
		w, err := c.t.wayTo(h)
		if err == nil {
			c.launch(tx, w, h)
			return
		}
		sh.mu.Lock()
		tx.err = err
		sh.mu.Unlock()
	}
}

// launch sends the request on a way, as a new transaction (RFC 3263 §4.3).
func (c *clients) launch(tx *clientTx, w way, h hop) {
	transport, sentBy := w.origin()
	sh := tx.shard
	sh.mu.Lock()
	if tx.state == ended {
		sh.mu.Unlock()
		return
	}
	tx.tries++
	// RFC 3261 §8.1.1.7: the branch begins with the magic cookie.
	tx.branch = "z9hG4bK" + tx.id + "." + strconv.Itoa(tx.tries)
	b := appendRequest(&tx.msg, transport, sentBy, tx.branch)
	if c.bySize(tx, w, h, len(b)) {
		sh.mu.Unlock()
		c.advance(tx)
		return
	}
	at := &attempt{tx}
	tx.at, tx.way, tx.hop, tx.state, tx.slow = at, w, h, trying, false
	now := time.Now()
	tx.until = now.Add(64 * c.t1) // RFC 3261 §17.1.2.2: Timer F
	next := tx.until
	if s, ok := w.(*stream); ok {
		tx.hop.reused = s.open()
	} else {
		tx.wire, tx.interval = b, c.t1 // Timer E
		next = now.Add(c.t1)
	}
	sh.agenda.set(&tx.due, next)
	sh.alarm.rearm(sh.agenda.next().at)
	sh.mu.Unlock()
	err := w.send(b, at)
	if err != nil {
		at.fail(err)
	}
}

// bySize puts TCP to the same address before a datagram that is too large.
// RFC 3261 §18.1.1: over 1300 bytes a request MUST go by a congestion
// controlled transport; UDP again if the peer has none.
func (c *clients) bySize(tx *clientTx, w way, h hop, size int) bool {
	u, ok := w.(udpWay)
	if !ok || size <= sizeSwitch || h.way != nil || c.t.streams.refused(u.to) {
		return false
	}
	tx.plan = append([]hop{{transport: "tcp", addr: u.to}, {way: w}}, tx.plan...)
	return true
}

// leave forgets the way under way; the caller holds the shard's lock.
func (tx *clientTx) leave() {
	if s, ok := tx.way.(*stream); ok && tx.at != nil {
		s.answered(tx.at)
	}
	tx.at, tx.way, tx.wire = nil, nil, nil
}

// fail says that the way of at will bring no answer.
func (at *attempt) fail(err error) {
	sh := at.tx.shard
	sh.mu.Lock()
	defer sh.mu.Unlock()
	tx := at.tx
	if tx.at != at || tx.state != trying {
		return
	}
	tx.state, tx.err, tx.wire = failed, err, nil
	if tx.hop.reused && !tx.hop.again && tx.hop.addr.IsValid() && !errors.Is(err, errQueueFull) {
		// The connection may have been dead for long: once more on a new one.
		again := tx.hop
		again.again = true
		tx.plan = append([]hop{again}, tx.plan...)
	}
	sh.agenda.set(&tx.due, time.Now())
	sh.alarm.rearm(tx.due.at)
}

// response takes a response from the wire. RFC 3261 §17.1.3: matched by the
// branch of the topmost Via and the method of CSeq.
func (c *clients) response(res *Response, via *sip.ViaHeader, method string) {
	branch, _ := via.Params.Get("branch")
	id, ok := strings.CutPrefix(branch, "z9hG4bK")
	if !ok || len(id) < idLen {
		return
	}
	i := int(id[0] - '0')
	if i < 0 || i >= len(c.shards) {
		return
	}
	sh := &c.shards[i]
	sh.mu.Lock()
	tx := sh.byID[id[:idLen]]
	if tx == nil || tx.branch != branch || tx.state != trying ||
		method != tx.msg.Method {
		sh.mu.Unlock()
		return
	}
	if res.StatusCode < 200 {
		tx.slow = true // RFC 3261 §17.1.2.2: Proceeding
		sh.mu.Unlock()
		return
	}
	if res.StatusCode == 503 && len(tx.plan) > 0 {
		// RFC 3263 §4.3: a 503 is a failure of this hop.
		tx.state = planning
		c.t.locator.suspect(tx.hop)
		sh.mu.Unlock()
		c.advance(tx)
		return
	}
	c.end(tx)
	sh.mu.Unlock()
	c.call(tx, res, nil)
}

// end takes tx out of the table; the caller holds the lock. RFC 3261
// §17.1.2.2 would keep it for Timer K to absorb what is still coming: a
// response that finds no transaction is dropped just the same.
func (c *clients) end(tx *clientTx) {
	sh := tx.shard
	tx.leave()
	tx.plan = nil
	tx.state = ended
	sh.agenda.drop(&tx.due)
	delete(sh.byID, tx.id)
}

// call calls done, which may panic.
func (c *clients) call(tx *clientTx, res *Response, err error) {
	defer c.t.rescue("done", nil)
	tx.done(res, err)
}

// run serves the timers of a shard until stop.
func (c *clients) run(sh *clientShard, stop <-chan struct{}) {
	sh.alarm.run(stop, func(now time.Time) time.Time {
		var acts []func()
		sh.mu.Lock()
		for d := sh.agenda.take(now); d != nil; d = sh.agenda.take(now) {
			act := c.fire(d.of, now)
			if act != nil {
				acts = append(acts, act)
			}
		}
		sh.mu.Unlock()
		for _, act := range acts {
			act()
		}
		sh.mu.Lock()
		defer sh.mu.Unlock()
		sh.alarm.armed = time.Time{}
		if d := sh.agenda.next(); d != nil {
			sh.alarm.armed = d.at
		}
		return sh.alarm.armed
	})
}

// fire is what a timer of tx does; the caller holds the lock and runs what is
// returned without it.
func (c *clients) fire(tx *clientTx, now time.Time) func() {
	sh := tx.shard
	switch tx.state {
	case trying:
		if now.Before(tx.until) {
			return c.retransmit(tx, now)
		}
		tx.err = ErrTimeout
		c.t.locator.suspect(tx.hop)
		if len(tx.plan) > 0 || !tx.resolved {
			sh.plan(tx, now.Add(64*c.t1))
			return func() { c.advance(tx) }
		}
	case failed:
		c.t.locator.suspect(tx.hop)
		if len(tx.plan) > 0 || !tx.resolved {
			sh.plan(tx, now.Add(64*c.t1))
			return func() { c.advance(tx) }
		}
	case planning:
		tx.err = ErrTimeout
	}
	err := tx.err
	if !errors.Is(err, ErrTimeout) {
		err = fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	c.end(tx)
	return func() { c.call(tx, nil, err) }
}

// retransmit is Timer E: T1, doubled up to T2 (RFC 3261 §17.1.2.2).
func (c *clients) retransmit(tx *clientTx, now time.Time) func() {
	tx.interval = min(2*tx.interval, c.t2)
	if tx.slow {
		tx.interval = c.t2
	}
	next := now.Add(tx.interval)
	if next.After(tx.until) {
		next = tx.until
	}
	tx.shard.agenda.set(&tx.due, next)
	w, b, at := tx.way, tx.wire, tx.at
	if b == nil {
		return nil
	}
	return func() {
		err := w.send(b, at)
		if err != nil {
			at.fail(err)
		}
	}
}

// stop refuses new transactions and ends those under way.
func (c *clients) stop() {
	for i := range c.shards {
		sh := &c.shards[i]
		sh.mu.Lock()
		sh.closed = true
		var open []*clientTx
		for _, tx := range sh.byID {
			open = append(open, tx)
			c.end(tx)
		}
		sh.mu.Unlock()
		for _, tx := range open {
			c.call(tx, nil, ErrStopped)
		}
	}
}

// upper is the name of a transport as Via has it.
func upper(transport string) string {
	switch transport {
	case "udp":
		return "UDP"
	case "tcp":
		return "TCP"
	}
	return strings.ToUpper(transport)
}

// appendRequest writes m as it goes out on a transport.
func appendRequest(m *Message, transport, sentBy, branch string) []byte {
	b := make([]byte, 0, 256+len(m.URI)+len(m.Header)+len(m.Body))
	b = append(b, m.Method...)
	b = append(b, ' ')
	b = append(b, m.URI...)
	b = append(b, " SIP/2.0\r\nVia: SIP/2.0/"...)
	b = append(b, upper(transport)...)
	b = append(b, ' ')
	b = append(b, sentBy...)
	b = append(b, ";branch="...)
	b = append(b, branch...)
	if transport == "udp" {
		b = append(b, ";rport"...) // RFC 3581 §3
	}
	b = append(b, "\r\nMax-Forwards: 70\r\n"...)
	b = append(b, m.Header...)
	b = append(b, "Content-Length: "...)
	b = strconv.AppendInt(b, int64(len(m.Body)), 10)
	b = append(b, "\r\n\r\n"...)
	return append(b, m.Body...)
}
