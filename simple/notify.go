package simple

import (
	"context"
	"errors"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/simple/event"
	"github.com/porchlight-im/porchlight/simple/pidf"
	"github.com/porchlight-im/porchlight/simple/transport"
)

// notice is what the next NOTIFY of a dialog tells.
type notice struct {
	view    *bridge.View
	verdict bridge.Verdict
	change  bridge.ChangeID
}

// outgoing is what has to be done for a dialog once its lock is free.
type outgoing struct {
	step   event.Step
	msg    transport.Message
	change bridge.ChangeID
	sent   time.Time
	note   []byte // to be stored, when not nil
	// first: the note is to be stored before the message is sent, whose number
	// the next process could use as well otherwise.
	first bool
}

// dispatch takes what the hub has for the watchers, and what was delayed,
// until ctx ends.
func (p *Port) dispatch(ctx context.Context) {
	var items []bridge.Item
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.box.Wake:
			items = p.box.Take(items[:0])
			for i := range items {
				p.deliver(&items[i])
			}
			clear(items) // no state is kept alive by an idle slice
		case <-p.waits.wake:
		case <-timer.C:
		}
		now := time.Now()
		for d := p.waits.due(now); d != nil; d = p.waits.due(now) {
			d.mu.Lock()
			d.waiting = false
			out := p.prepare(d, d.state.Due(now, p.interval), now)
			d.mu.Unlock()
			p.perform(d, out)
		}
		timer.Reset(p.waits.next(now))
	}
}

// deliver takes one item from the hub.
func (p *Port) deliver(it *bridge.Item) {
	d := p.dialogs.get(it.ID)
	if it.Probe {
		// A dialog that has not ended is a watcher who is there.
		if d == nil {
			p.hub.Park(it.Leg)
		}
		return
	}
	if d == nil {
		return // it ended while the item was on its way
	}
	now := time.Now()
	d.mu.Lock()
	if !d.state.Takes() {
		d.mu.Unlock()
		return
	}
	d.next = &notice{view: it.View, verdict: it.Verdict, change: it.Change}
	kind := event.Notice{Mandatory: it.Mandatory, Final: it.Final || d.fetch}
	out := p.prepare(d, d.state.Offer(kind, now, p.interval), now)
	d.mu.Unlock()
	p.perform(d, out)
}

// release lets the NOTIFYs of d go, after the response to its SUBSCRIBE.
func (p *Port) release(d *dialog) {
	now := time.Now()
	d.mu.Lock()
	out := p.prepare(d, d.state.Release(now, p.interval), now)
	d.mu.Unlock()
	p.perform(d, out)
}

// prepare makes what step asks for. d.mu is held.
func (p *Port) prepare(d *dialog, step event.Step, now time.Time) outgoing {
	out := outgoing{step: step, sent: now}
	switch step.Action {
	case event.Wait:
		if d.waiting {
			out.step.Action = event.None
		}
		d.waiting = true
	case event.Send, event.SendLast:
		n := d.next
		d.next, d.sent = nil, now
		out.change = n.change
		out.first = d.sip.Exhausted()
		var low bool
		out.msg, low = p.message(d, n, step.Action == event.SendLast, now)
		if low && step.Action == event.Send {
			out.note = d.record()
		}
	}
	return out
}

// perform does what prepare made; no lock is held.
func (p *Port) perform(d *dialog, out outgoing) {
	switch out.step.Action {
	case event.Wait:
		p.waits.add(d, out.step.At)
	case event.Remove:
		p.dialogs.remove(d)
		p.chores.add(func(ctx context.Context) { p.end(ctx, d) })
	case event.SendLast:
		p.dialogs.remove(d)
		p.transport.Send(out.msg, func(res *transport.Response, err error) { p.outcome(d, out, res, err) })
	case event.Send:
		switch {
		case out.note != nil && out.first:
			p.chores.add(func(context.Context) {
				err := p.hub.Noted(d.leg, p.Name(), d.id, out.note)
				if err != nil {
					p.log.Error("numbers of NOTIFYs are not reserved", "call_id", d.sip.CallID, "err", err)
				}
				p.sendNotify(d, out)
			})
			return
		case out.note != nil:
			p.chores.add(func(context.Context) { p.hub.Note(d.leg, p.Name(), d.id, out.note) })
		}
		p.sendNotify(d, out)
	}
}

// sendNotify sends what prepare made, and goes on with what its outcome asks
// for.
func (p *Port) sendNotify(d *dialog, out outgoing) {
	p.transport.Send(out.msg, func(res *transport.Response, err error) {
		o, retry := p.outcome(d, out, res, err)
		now := time.Now()
		d.mu.Lock()
		next := p.prepare(d, d.state.Answered(o, retry, now, p.interval), now)
		d.mu.Unlock()
		p.perform(d, next)
	})
}

// outcome classifies, counts and logs the end of a NOTIFY.
func (p *Port) outcome(d *dialog, out outgoing, res *transport.Response, err error) (o event.Outcome, retry time.Duration) {
	result, code := "ok", 0
	switch {
	case errors.Is(err, transport.ErrTimeout):
		// RFC 6665 §4.2.2: Timer F → the subscription SHOULD be removed.
		o, result = event.Dead, "timeout"
	case err != nil:
		// RFC 3261 §8.1.3.1: no transport is as good as a 503.
		o, result = event.Failed, "failed"
	default:
		code = res.StatusCode
		o, retry = event.OutcomeOf(code), retryAfterOf(res)
		result = [...]string{event.Delivered: "ok", event.Failed: "failed", event.Dead: "dead"}[o]
	}
	p.metrics.observe(result, out.sent)
	p.log.Debug("notify", "change", out.change, "watcher", d.watcher(), "presentity", d.leg.Presentity,
		"call_id", d.sip.CallID, "code", code, "err", err)
	return o, retry
}

// end tells the hub that a watcher is gone.
func (p *Port) end(ctx context.Context, d *dialog) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_, err := p.hub.Watch(ctx, bridge.WatchRequest{Leg: d.leg, Port: p.Name(), ID: d.id, Outbox: p.box, Change: bridge.NewChange()})
	if err != nil && ctx.Err() == nil {
		p.log.Error("ending a subscription", "call_id", d.sip.CallID, "err", err)
	}
}

// message makes the NOTIFY that tells n, and reports whether CSeq numbers
// have to be reserved. d.mu is held.
func (p *Port) message(d *dialog, n *notice, last bool, now time.Time) (transport.Message, bool) {
	cseq, low := d.sip.Next()
	uri, routes, next := d.sip.Path()
	st := event.Standing{State: n.verdict.State.String(), Expires: d.expires.Sub(now)}
	if last {
		// RFC 6665 §4.2.2: terminated has a reason, and no expires.
		st = event.Standing{State: "terminated", Reason: n.verdict.Reason, RetryAfter: n.verdict.RetryAfter}
		if st.Reason == "" {
			st.Reason = "timeout"
		}
	} else if n.verdict.State == bridge.Terminated || n.verdict.State == bridge.NoState {
		st.State = "pending" // only a final item may say more
	}
	b := content(d, n, st)
	d.shown = d.shown || st.State == "active"
	h := d.sip.Append(make([]byte, 0, 640), "NOTIFY", cseq, routes)
	h = append(append(append(h, "Contact: <"...), d.contact...), ">\r\n"...)
	h = append(append(append(h, "Event: "...), d.notifyEvent()...), "\r\n"...)
	h = append(st.Append(append(h, "Subscription-State: "...)), "\r\n"...)
	if len(b) > 0 {
		h = append(h, "Content-Type: "+pidf.ContentType+"\r\n"...)
	}
	return transport.Message{Method: "NOTIFY", URI: uri, Header: h, Body: b, Next: next, Flow: d.flow}, low
}

// content is the body of the NOTIFY that tells n, nil for none.
func content(d *dialog, n *notice, st event.Standing) []byte {
	// RFC 3856 §6.6.2: without authorization nothing of the state is told.
	if st.State == "pending" || st.State == "terminated" && (st.Reason != "timeout" || n.verdict.State == bridge.Pending) {
		return nil
	}
	var s *presence.State
	if n.view != nil {
		s = n.view.State
	}
	last := st.State == "terminated" && !d.fetch
	if s == nil && last && d.shown && d.leg.Presentity.Scheme == presence.XMPP {
		// RFC 8048 §5.3.3: the watcher ends seeing his contact closed.
		return pidf.Append(nil, d.profile.Shape(mapping.Standard, gone, time.Now()), d.name())
	}
	switch {
	case s == nil:
		return nil
	case d.entity == "":
		return n.view.Bytes(formats[d.profile])
	}
	return pidf.Append(nil, shaped(d.profile, n.view), d.entity)
}

// gone is the state of someone of whom nothing was known.
var gone = &presence.State{Services: []presence.Service{{ID: "closed", Basic: presence.Closed}}}

// name is the URI by which the watcher names the presentity.
func (d *dialog) name() string {
	if d.entity == "" {
		return mapping.SIP(d.leg.Presentity)
	}
	return d.entity
}
