package transport

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"strconv"
	"time"
)

// receive takes one whole message from the wire. body is only borrowed.
func (t *Transport) receive(head string, body []byte, w way, from netip.AddrPort) {
	m, err := parseMessage(head, body)
	if err != nil {
		t.debug("message dropped", w.flow().Transport, from, err)
		return
	}
	if m.res != nil {
		t.clients.response(m.res, m.via, m.method)
		return
	}
	now := time.Now()
	src := from.Addr().String()
	back := w
	if u, ok := w.(udpWay); ok {
		back = udpReply(u, m)
	}
	raw, _ := value(m.fields, "Via")
	top := responseVia(raw, m.via, src, int(from.Port()))
	switch {
	case m.method == "ACK":
		// RFC 3261 §17.2.1: absorbed; we never send 2xx that waits for it.
	case m.fault != nil:
		t.debug("request refused", w.flow().Transport, from, faultError(*m.fault))
		t.refuse(m, back, top, Reply{Code: m.fault.code, Reason: m.fault.reason})
	case m.method == "CANCEL":
		// RFC 3261 §9.2: 200 if it names a transaction, else 481. What is
		// not an INVITE is not affected.
		p := Reply{Code: 481}
		if t.servers.known(m) {
			p.Code = 200
		}
		t.refuse(m, back, top, p)
	case t.stopping.Load():
		t.refuse(m, back, top, busy)
	default:
		t.request(m, w, back, top, now, len(head)+len(body))
	}
}

// busy is the answer to what we cannot take now (RFC 3261 §21.5.4).
var busy = Reply{Code: 503, Header: []byte("Retry-After: " + strconv.Itoa(retryAfter) + "\r\n")}

// request starts a server transaction, or serves a known one.
func (t *Transport) request(m *message, w, back way, top string, now time.Time, size int) {
	tx, fresh, final := t.servers.begin(m, back, now)
	if !fresh {
		if final != nil {
			// The response holds what was told to its first asker: it goes
			// to him, or to his new port behind a NAT.
			t.send(sameHostWay(tx.way, back), final)
		}
		return
	}
	r := &Request{
		Request: m.req, Flow: w.flow(), Received: now,
		fields: m.fields, via: top, reply: t.reply, tx: tx, size: size,
	}
	if s, ok := w.(*stream); ok {
		t.streams.alias(s, m.via)
	}
	if !t.disp.add(string(*m.req.CallID()), r) {
		t.servers.drop(tx)
		t.refuse(m, back, top, busy)
	}
}

// sameHostWay is fresh when it leads to the host of first, else first.
func sameHostWay(first, fresh way) way {
	a, ok1 := first.(udpWay)
	b, ok2 := fresh.(udpWay)
	if ok1 && ok2 && a.to.Addr() == b.to.Addr() {
		return b
	}
	return first
}

// refuse answers without a transaction (RFC 3261 §8.2.7); without a Via or a
// CSeq there is nobody to answer.
func (t *Transport) refuse(m *message, w way, top string, p Reply) {
	_, cseq := value(m.fields, "CSeq")
	if top == "" || !cseq {
		return
	}
	p.ToTag = toTag(m.fields)
	t.send(w, appendResponse(make([]byte, 0, 512), m.fields, top, p))
}

// reply is Request.Reply.
func (t *Transport) reply(r *Request, p Reply) {
	if p.ToTag == "" {
		p.ToTag = toTag(r.fields)
	}
	b := appendResponse(make([]byte, 0, 384+len(p.Header)+len(p.Body)), r.fields, r.via, p)
	if t.servers.finish(r.tx, b) {
		t.send(r.tx.way, b)
	}
}

// send sends a response. A response that finds no way is lost; the client
// asks again or gives up.
func (t *Transport) send(w way, b []byte) {
	err := w.send(b, nil)
	if err != nil {
		t.log.Debug("response lost", "kind", w.flow().Transport, "err", err)
	}
}

// handle runs the handler on one request.
func (t *Transport) handle(r *Request) {
	defer t.rescue("handler", func() { r.Reply(Reply{Code: 500}) })
	if t.stopping.Load() {
		r.Reply(busy)
		return
	}
	t.cfg.Handler(t.handlerCtx, r)
}

// debug logs what happened with a peer; kind is the transport.
func (t *Transport) debug(what, kind string, remote netip.AddrPort, err error) {
	if t.log.Enabled(context.Background(), slog.LevelDebug) {
		t.log.Debug(what, "kind", kind, "err", fmt.Errorf("%s: %w", remote, err))
	}
}

// rescue ends a panic with a log line, so that one message cannot end the
// process, and calls then if there was one. Only to be deferred.
func (t *Transport) rescue(where string, then func()) {
	p := recover()
	if p == nil {
		return
	}
	t.panics.Add(1)
	t.log.Error("panic in the transport", "kind", where, "err", fmt.Sprintf("%v\n%s", p, debug.Stack()))
	if then != nil {
		then()
	}
}
