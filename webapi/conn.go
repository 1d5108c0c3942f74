package webapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/webapi/wire"
)

// conn is one feed. Its reader goroutine serves requests and writes their
// answers; a writer exists only while there is presence to write.
type conn struct {
	port    *Port
	ws      *websocket.Conn
	log     *slog.Logger
	session string
	lane    *lane
	account *account       // nil until the token has come; the reader's
	outbox  *bridge.Outbox // nil until then; guarded by mu
	budget  budget         // the reader's
	ids     uint64         // of subscriptions so far; the reader's

	writing sync.Mutex // one frame at a time

	mu      sync.Mutex
	subs    map[presence.Addr]sub
	held    bool      // no presence is written: an answer has to go first
	writer  bool      // a writer runs
	heard   time.Time // the last sign of life
	pinged  time.Time // the last ping
	pingDue bool      // the next one is due
	closing *closing  // why the feed ends; nil while it lives
	pub     *publication
}

// sub is one subscription of a feed.
type sub struct {
	id   string
	told bridge.SubState // what the client knows
}

// closing is why a feed ends: a close code (0 for none to send), the text that
// goes with it, and the label of the metric.
type closing struct {
	code         int
	text, reason string
}

// Close codes of RFC 6455 §7.4.1.
const (
	goingAway   = websocket.CloseGoingAway
	protocol    = websocket.CloseProtocolError
	tooBig      = websocket.CloseMessageTooBig
	ourFault    = websocket.CloseInternalServerErr
	unsupported = websocket.CloseUnsupportedData
	notUTF8     = websocket.CloseInvalidFramePayloadData
)

// run is the reader goroutine: it serves the feed until it ends, and cleans up.
func (c *conn) run(ctx context.Context) {
	defer c.port.tasks.Done()
	defer c.cleanUp(ctx)
	c.guard("reader", func() { c.serve(ctx) })
}

// guard runs f, and turns its panic into the end of this feed alone.
func (c *conn) guard(what string, f func()) {
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		c.log.Error("a feed has failed", "in", what, "err", r, "stack", string(debug.Stack()))
		c.end(closing{ourFault, "something went wrong here", "fault"})
	}()
	f()
}

func (c *conn) serve(ctx context.Context) {
	c.ws.SetReadLimit(int64(c.port.limits.FrameBytes))
	c.ws.SetPongHandler(func(string) error { c.alive(); return nil })
	c.ws.SetPingHandler(func(data string) error {
		c.alive()
		err := c.ws.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(writeTimeout))
		if err != nil {
			return err
		}
		return c.spend()
	})
	err := c.send(wire.Hello{Op: wire.OpHello, V: wire.Version, Session: c.session, ServerTime: now(),
		HeartbeatMS: heartbeat.Milliseconds(), Limits: c.port.wireLimits()})
	if err == nil && c.account != nil {
		err = c.welcome(0)
	}
	for err == nil {
		err = c.next(ctx)
	}
	c.end(c.whyEnded(err))
}

// next reads one frame and serves it.
func (c *conn) next(ctx context.Context) error {
	kind, r, err := c.ws.NextReader()
	if err != nil {
		return err
	}
	buf := buffers.get()
	defer buffers.put(buf)
	_, err = buf.ReadFrom(r)
	if err != nil {
		return err
	}
	c.alive()
	if c.over() {
		return errEnded
	}
	return c.request(ctx, kind, buf.Bytes())
}

// errEnded says that end has been called and has the reason.
var errEnded = errors.New("feed ended")

// whyEnded is the reason behind an error of the reader.
func (c *conn) whyEnded(err error) closing {
	var cl closing
	var closeErr *websocket.CloseError
	var netErr net.Error
	switch {
	case errors.As(err, &cl):
		return cl
	case errors.As(err, &closeErr):
		return closing{reason: "client"}
	case errors.Is(err, websocket.ErrReadLimit):
		return closing{tooBig, "a frame is too large", "flood"}
	case errors.As(err, &netErr) && netErr.Timeout() && c.account == nil:
		return closing{wire.CloseNoAuth, "no token in time", "auth"}
	case errors.As(err, &netErr) && netErr.Timeout():
		return closing{wire.CloseSilent, "nothing heard for too long", "silent"}
	case errors.As(err, &netErr) || errors.Is(err, io.EOF):
		return closing{reason: "client"}
	}
	return closing{protocol, "not a WebSocket frame that may be here", "protocol"}
}

// Error makes a closing an error: that of a request which ends the feed.
func (cl closing) Error() string { return cl.text }

// end says that the feed is over. It does not block; the reader wakes and does
// the rest. Only the first reason counts.
func (c *conn) end(why closing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing != nil {
		return
	}
	c.closing = &why
	if c.ws != nil {
		_ = c.ws.SetReadDeadline(time.Unix(1, 0)) // in the past: it wakes the reader
	}
}

// over reports whether end has been called.
func (c *conn) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing != nil
}

// alive notes a sign of life, and gives the client time until the next. Before
// the token has come there is no more time than there was.
func (c *conn) alive() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = time.Now()
	if c.closing == nil && c.outbox != nil {
		_ = c.ws.SetReadDeadline(c.heard.Add(heartbeat + laneTick + pongPatience))
	}
}

// cleanUp closes the socket and ends what the feed has in the hub.
func (c *conn) cleanUp(ctx context.Context) {
	c.mu.Lock()
	why, subs, pub := *c.closing, c.subs, c.pub
	c.subs = nil
	c.mu.Unlock()
	c.hangUp(why)
	c.log.Debug("feed closed", "kind", why.reason, "code", why.code)
	c.port.metrics.closes.WithLabelValues(why.reason).Inc()
	// Every subscription must end, or the hub would go on telling nobody. But
	// when the server goes away there is only so much time; what is left over
	// ends when the next process begins.
	cancel := func() {}
	stopping := ctx.Err() != nil
	ctx = context.WithoutCancel(ctx)
	if stopping {
		ctx, cancel = context.WithTimeout(ctx, stopGrace)
	}
	defer cancel()
	c.leaveHub(ctx, subs)
	if pub != nil {
		pub.outlive(ctx, c)
	}
	c.port.release(c)
}

// hangUp sends the close frame, if one is due, waits a moment for the peer's,
// and closes the socket, which also wakes a writer.
func (c *conn) hangUp(why closing) {
	defer c.ws.Close()
	if why.code == 0 {
		return
	}
	err := c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(why.code, why.text),
		time.Now().Add(closePatience))
	// The library sends some close frames itself.
	if err != nil && !errors.Is(err, websocket.ErrCloseSent) {
		return
	}
	// Closing with unread data would reset the connection and may take the
	// close frame with it, so what still comes is read for a moment.
	nc := c.ws.NetConn()
	_ = nc.SetReadDeadline(time.Now().Add(closePatience))
	buf := make([]byte, 512)
	for {
		n, err := nc.Read(buf)
		if err != nil || n > 0 && buf[0] == closeFrame {
			return
		}
	}
}

// closeFrame is the first byte of a close frame (RFC 6455 §5.2).
const closeFrame = 0x88

// send writes one frame as JSON.
func (c *conn) send(frame any) error {
	b, err := json.Marshal(frame)
	if err != nil {
		return err
	}
	return c.write(b)
}

// write sends one frame. An error is final: it has ended the feed, because
// after a write that timed out the stream is broken.
func (c *conn) write(b []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	_ = c.ws.SetWriteDeadline(time.Now().Add(writeTimeout)) // it only sets a field
	err := c.ws.WriteMessage(websocket.TextMessage, b)
	if err == nil {
		return nil
	}
	why := closing{reason: "client"}
	var netErr net.Error
	if errors.As(err, &netErr) && netErr.Timeout() {
		why.reason = "slow"
	}
	c.end(why)
	return errEnded
}

// now is the time as frames tell it.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
