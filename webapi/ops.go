package webapi

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/bridge/policy"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/webapi/wire"
)

// ops are the operations that need a token; auth is apart.
var ops = map[string]func(*conn, context.Context, *wire.Request) error{
	wire.OpSubscribe:   (*conn).subscribe,
	wire.OpUnsubscribe: (*conn).unsubscribe,
	wire.OpPublish:     (*conn).publish,
	wire.OpUnpublish:   (*conn).unpublish,
	wire.OpAuthorize:   (*conn).authorize,
	wire.OpPing:        (*conn).ping,
}

// request serves one frame. Its error ends the feed; what is merely wrong with
// a request is answered with an error frame.
func (c *conn) request(ctx context.Context, kind int, frame []byte) error {
	if kind != websocket.TextMessage {
		return closing{unsupported, "frames are text", "protocol"}
	}
	// RFC 6455 §8.1: text that is not UTF-8 fails the connection.
	if !utf8.Valid(frame) {
		return closing{notUTF8, "not UTF-8", "protocol"}
	}
	var r wire.Request
	jsonErr := json.Unmarshal(frame, &r)
	err := c.spend()
	if err != nil {
		return c.refuse(r.Ref, err)
	}
	if jsonErr != nil {
		return c.refuse(r.Ref, bridge.Errorf(bridge.Malformed, "the frame is not as it should be: %s", jsonFault(jsonErr)))
	}
	op := ops[r.Op]
	switch {
	case r.Op == wire.OpAuth:
		c.port.metrics.requests.WithLabelValues(r.Op).Inc()
		return c.authenticate(&r)
	case op == nil:
		c.port.metrics.requests.WithLabelValues("other").Inc()
		c.port.metrics.errors.WithLabelValues(codeUnknownOp).Inc()
		return c.send(wire.Error{Op: wire.OpError, Ref: r.Ref, Code: codeUnknownOp, Message: "no such op"})
	case c.account == nil:
		return c.refuse(r.Ref, bridge.Errorf(bridge.Unauthenticated, "send auth first"))
	}
	c.port.metrics.requests.WithLabelValues(r.Op).Inc()
	ctx, cancel := context.WithTimeout(ctx, hubTimeout)
	defer cancel()
	err = op(c, ctx, &r)
	if err != nil {
		return c.refuse(r.Ref, err)
	}
	return nil
}

// jsonFault says what is wrong with a frame, without Go's names.
func jsonFault(err error) string {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return strconv.Quote(wrong.Field) + " is a " + wrong.Value
	}
	return err.Error()
}

// refuse answers a request with an error frame, unless err ends the feed.
func (c *conn) refuse(ref int64, err error) error {
	var cl closing
	if errors.As(err, &cl) || errors.Is(err, errEnded) {
		return err
	}
	var limited rateLimited
	f := errorFrame(ref, err)
	if errors.As(err, &limited) {
		f = wire.Error{Op: wire.OpError, Ref: ref, Code: codeRateLimited, Message: "too many frames",
			Temporary: true, RetryMS: limited.retry.Milliseconds()}
	}
	if e := asError(err); e.Err != nil && f.Code != codeRateLimited {
		c.log.Warn("request failed", "kind", e.Kind, "err", e.Err)
	}
	c.port.metrics.errors.WithLabelValues(f.Code).Inc()
	return c.send(f)
}

// budget counts the frames of one minute.
type budget struct {
	until time.Time
	n     int
}

// rateLimited refuses a frame until a time has passed.
type rateLimited struct{ retry time.Duration }

func (rateLimited) Error() string { return codeRateLimited }

// spend counts one frame. Over the limit it refuses; over twice the limit it
// ends the feed.
func (c *conn) spend() error {
	t := time.Now()
	if !t.Before(c.budget.until) {
		c.budget = budget{until: t.Add(time.Minute)}
	}
	c.budget.n++
	switch limit := c.port.limits.FramesPerMinute; {
	case c.budget.n > 2*limit:
		return closing{wire.CloseFlood, "too many frames", "flood"}
	case c.budget.n > limit:
		return rateLimited{c.budget.until.Sub(t)}
	}
	return nil
}

// authenticate serves auth: the token names whom the client acts for.
func (c *conn) authenticate(r *wire.Request) error {
	if c.account != nil {
		return c.refuse(r.Ref, bridge.Errorf(bridge.Forbidden, "the connection has a token already"))
	}
	err := c.identify(r.Token)
	if err != nil {
		return err
	}
	return c.welcome(r.Ref)
}

// identify makes the feed that of the token's holder.
func (c *conn) identify(token string) error {
	a := c.port.accounts.find(token)
	if a == nil {
		c.port.metrics.refused.WithLabelValues("token").Inc()
		return closing{wire.CloseBadToken, "the token is not known", "auth"}
	}
	if !c.port.identify(c, a) {
		c.port.metrics.refused.WithLabelValues("limit").Inc()
		return closing{wire.CloseTooMany, "too many connections of this token", "auth"}
	}
	outbox := bridge.NewOutbox()
	outbox.Wake = c.lane.wake
	c.mu.Lock()
	c.outbox = outbox
	c.mu.Unlock()
	c.log = c.log.With("watcher", a.addr)
	return nil
}

func (c *conn) welcome(ref int64) error {
	c.alive()
	return c.send(wire.Authenticated{Op: wire.OpAuthenticated, Ref: ref, Address: c.account.addr.String()})
}

// subscribe watches a set of addresses. The answer goes out before the states
// that it brings. An address that is watched already is shown anew.
func (c *conn) subscribe(ctx context.Context, r *wire.Request) error {
	c.hold(true)
	defer c.hold(false)
	answer := wire.Results{Op: wire.OpSubscribed, Ref: r.Ref, Results: make([]wire.Result, len(r.Addresses))}
	var wanted []bridge.WatchRequest
	var of []*wire.Result
	seen := make(map[presence.Addr]bool, len(r.Addresses))
	for i, asked := range r.Addresses {
		res := &answer.Results[i]
		a, err := c.port.address(asked, res)
		if err != nil {
			continue
		}
		id, ok := c.room(a, len(wanted))
		switch {
		case seen[a]:
			res.Result, res.Detail = wire.ResultOK, "named twice"
		case !ok:
			res.Result, res.Detail = wire.ResultLimit, "too many subscriptions"
		default:
			seen[a] = true
			of = append(of, res)
			wanted = append(wanted, bridge.WatchRequest{Leg: bridge.Leg{Watcher: c.account.addr, Presentity: a},
				Port: portName, ID: id, Expires: bridge.Forever, Outbox: c.outbox, Change: bridge.NewChange()})
		}
	}
	c.atOnce(len(wanted), func(i int) {
		v, err := c.port.hub.Watch(ctx, wanted[i])
		c.watched(&wanted[i], of[i], v, err)
	})
	return c.send(answer)
}

// address reads what the client wrote, and fills in the result's address. A
// name without a scheme is understood if its domain is known.
func (p *Port) address(asked string, res *wire.Result) (presence.Addr, error) {
	res.Address, res.Result, res.Detail = asked, wire.ResultInvalid, presence.ErrAddr.Error()
	a, err := p.parseAddress(asked)
	if err != nil {
		if len(asked) > maxAddress {
			res.Address = ""
		}
		return a, err
	}
	*res = wire.Result{Address: a.String()}
	if res.Address != asked {
		res.Asked = asked
	}
	return a, nil
}

func (p *Port) parseAddress(s string) (presence.Addr, error) {
	bad := func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError }
	if len(s) > maxAddress || strings.ContainsFunc(s, bad) {
		return presence.Addr{}, presence.ErrAddr
	}
	dir := p.hub.Directory()
	a, err := presence.ParseAddr(s)
	if err == nil {
		return dir.Resolve(a), nil
	}
	a, err = presence.ParseAddr("sip:" + s)
	if err != nil || a.User == "" || strings.Contains(a.User, ":") || dir.Domain(a.Host) == nil {
		return presence.Addr{}, presence.ErrAddr
	}
	return dir.Resolve(a), nil
}

// room returns the id of the subscription to a, a new one if there is none;
// false: there is no room for one more after more others.
func (c *conn) room(a presence.Addr, more int) (id string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s, old := c.subs[a]; old {
		return s.id, true
	}
	if len(c.subs)+more >= c.port.limits.Subscriptions {
		return "", false
	}
	c.ids++
	return c.session + "." + strconv.FormatUint(c.ids, 10), true
}

// watched notes what the hub answered to w.
func (c *conn) watched(w *bridge.WatchRequest, res *wire.Result, v bridge.Verdict, err error) {
	if err != nil {
		e := asError(err)
		res.Result, res.Detail = resultOf(e.Kind), tell(e)
		if e.Err != nil {
			c.log.Warn("subscribing failed", "presentity", w.Leg.Presentity, "kind", e.Kind, "err", e.Err)
		}
		c.forget(w.Leg.Presentity)
		return
	}
	switch v.State {
	case bridge.Active:
		res.Result = wire.ResultOK
	case bridge.Terminated:
		res.Result, res.Detail = wire.ResultDenied, v.Reason
		if v.Reason == "noresource" {
			res.Result = wire.ResultUnknown
		}
		c.forget(w.Leg.Presentity)
		return
	default:
		res.Result = wire.ResultPending
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.subs == nil {
		c.subs = make(map[presence.Addr]sub)
	}
	if _, old := c.subs[w.Leg.Presentity]; !old {
		c.port.metrics.subscriptions.Inc()
	}
	c.subs[w.Leg.Presentity] = sub{id: w.ID, told: v.State}
}

// resultOf is the result of an address that the hub has refused.
func resultOf(k bridge.Kind) string {
	switch k {
	case bridge.Forbidden, bridge.Unauthenticated:
		return wire.ResultDenied
	case bridge.NotFound:
		return wire.ResultUnknown
	case bridge.Malformed:
		return wire.ResultInvalid
	}
	return wire.ResultBusy
}

// forget drops the subscription to a, and reports its id if there was one.
func (c *conn) forget(a presence.Addr) (id string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.subs[a]
	if ok {
		delete(c.subs, a)
		c.port.metrics.subscriptions.Dec()
	}
	return s.id, ok
}

// hold keeps presence from being written until hold(false).
func (c *conn) hold(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = on
	if !on {
		c.startWriter()
	}
}

// unsubscribe ends subscriptions; one that does not exist counts as ended.
func (c *conn) unsubscribe(ctx context.Context, r *wire.Request) error {
	answer := wire.Results{Op: wire.OpUnsubscribed, Ref: r.Ref, Results: make([]wire.Result, len(r.Addresses))}
	ended := make(map[presence.Addr]sub)
	for i, asked := range r.Addresses {
		res := &answer.Results[i]
		a, err := c.port.address(asked, res)
		if err != nil {
			continue
		}
		res.Result = wire.ResultOK
		if id, ok := c.forget(a); ok {
			ended[a] = sub{id: id}
		}
	}
	c.endWatches(context.WithoutCancel(ctx), ended)
	return c.send(answer)
}

// leaveHub ends all subscriptions of a feed that is over.
func (c *conn) leaveHub(ctx context.Context, subs map[presence.Addr]sub) {
	c.port.metrics.subscriptions.Sub(float64(len(subs)))
	c.endWatches(ctx, subs)
}

func (c *conn) endWatches(ctx context.Context, subs map[presence.Addr]sub) {
	ends := make([]bridge.WatchRequest, 0, len(subs))
	for a, s := range subs {
		ends = append(ends, bridge.WatchRequest{Leg: bridge.Leg{Watcher: c.account.addr, Presentity: a},
			Port: portName, ID: s.id, Outbox: c.outbox, Change: bridge.NewChange()})
	}
	c.atOnce(len(ends), func(i int) {
		if ctx.Err() != nil {
			return
		}
		_, err := c.port.hub.Watch(ctx, ends[i])
		if err != nil {
			c.log.Debug("ending a subscription", "presentity", ends[i].Leg.Presentity, "err", err)
		}
	})
}

// authorize stores the answer of the token's holder to one of his watchers.
func (c *conn) authorize(ctx context.Context, r *wire.Request) error {
	w, err := c.port.parseAddress(r.Watcher)
	if err != nil {
		return bridge.Errorf(bridge.Malformed, "watcher is %v", err)
	}
	answer, ok := policy.ParseSubHandling(r.Answer)
	if !ok {
		return bridge.Errorf(bridge.Malformed, "answer is none of allow, block, polite-block, confirm")
	}
	change := bridge.NewChange()
	err = c.port.hub.Authorize(ctx, bridge.Leg{Watcher: w, Presentity: c.account.addr}, answer, change)
	if err != nil {
		return err
	}
	c.log.Info("watcher authorized", "watcher", w, "presentity", c.account.addr, "change", change)
	return c.send(wire.Authorized{Op: wire.OpAuthorized, Ref: r.Ref, Watcher: w.String(), Answer: answer.String()})
}

// ping answers with the server's time: the heartbeat of clients that cannot
// see WebSocket pings.
func (c *conn) ping(_ context.Context, r *wire.Request) error {
	return c.send(wire.Pong{Op: wire.OpPong, Ref: r.Ref, ServerTime: now()})
}

// atOnce calls f with 0 to n-1, a few at the same time: each call of the hub
// waits for the store, which writes what comes together in one go.
func (c *conn) atOnce(n int, f func(int)) {
	if n == 1 {
		f(0)
		return
	}
	var wg sync.WaitGroup
	turn := make(chan struct{}, watchersAtOnce)
	for i := range n {
		turn <- struct{}{}
		wg.Go(func() {
			defer func() { <-turn }()
			c.guard("hub", func() { f(i) })
		})
	}
	wg.Wait()
}
