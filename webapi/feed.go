package webapi

import (
	"context"
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/webapi/wire"
)

// upgrader makes feeds of HTTP requests. Origins are checked before it. Write
// buffers are shared by all feeds, since few of them write at one time.
var upgrader = websocket.Upgrader{
	HandshakeTimeout: writeTimeout,
	ReadBufferSize:   readBuffer,
	WriteBufferSize:  4096,
	WriteBufferPool:  &sync.Pool{},
	Subprotocols:     []string{wire.Subprotocol},
	CheckOrigin:      func(*http.Request) bool { return true },
	Error: func(w http.ResponseWriter, _ *http.Request, code int, reason error) {
		k := bridge.Malformed
		if code >= 500 {
			k = bridge.Internal
		}
		w.Header().Set("Sec-WebSocket-Version", "13") // RFC 6455 §4.4
		problem(w, &bridge.Error{Kind: k, Detail: strings.TrimPrefix(reason.Error(), "websocket: ")})
	},
}

// feed serves GET /v1/feed: it opens the WebSocket and leaves it to a
// goroutine of its own, so that the HTTP request's memory is free again.
func (p *Port) feed(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	refuse := func(reason string, err error) {
		p.metrics.refused.WithLabelValues(reason).Inc()
		problem(w, err)
	}
	// RFC 6455 §10.2: pages of other sites must not use the visitor's place
	// in the network.
	if !mayOpen(r.Header.Get("Origin"), r.Host, p.cfg.Origins) {
		refuse("origin", bridge.Errorf(bridge.Forbidden, "pages of this origin may not open the feed"))
		return
	}
	offered := websocket.Subprotocols(r)
	if len(offered) > 0 && !slices.Contains(offered, wire.Subprotocol) {
		refuse("protocol", bridge.Errorf(bridge.Malformed, "the subprotocol is %s", wire.Subprotocol))
		return
	}
	token, inHeader := bearer(r)
	if inHeader && p.accounts.find(token) == nil {
		refuse("token", errNoToken)
		return
	}
	c := &conn{port: p, session: rand.Text()[:12], heard: time.Now()}
	c.log = p.log.With("session", c.session)
	err := p.admit(ctx, c)
	if err != nil {
		refuse("limit", err)
		return
	}
	ws, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		p.log.Debug("no feed", "err", err)
		p.metrics.refused.WithLabelValues("protocol").Inc()
		p.release(c)
		p.tasks.Done()
		return
	}
	for _, o := range offered {
		if t, ok := strings.CutPrefix(o, wire.TokenProtocol); ok && !inHeader {
			token, inHeader = t, true
		}
	}
	c.open(ws)
	c.log.Debug("feed opened", "addr", r.RemoteAddr)
	if !inHeader {
		go c.run(ctx)
		return
	}
	go c.runAs(ctx, token)
}

// open gives the feed its socket, and the client time to send its token.
func (c *conn) open(ws *websocket.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ws = ws
	deadline := time.Now().Add(authPatience)
	if c.closing != nil { // the port has stopped meanwhile
		deadline = time.Unix(1, 0)
	}
	_ = ws.SetReadDeadline(deadline)
}

// runAs is run for a feed that came with its token.
func (c *conn) runAs(ctx context.Context, token string) {
	err := c.identify(token)
	if err != nil {
		c.end(c.whyEnded(err))
	}
	c.run(ctx)
}

// bearer returns the token of the Authorization field (RFC 6750).
func bearer(r *http.Request) (token string, ok bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "bearer") {
		return "", false
	}
	return strings.TrimSpace(token), true
}

var errNoToken = bridge.Errorf(bridge.Unauthenticated, "this needs the token of an account: Authorization: Bearer TOKEN")
