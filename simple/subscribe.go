package simple

import (
	"context"
	"crypto/rand"
	"errors"
	"mime"
	"strconv"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/simple/event"
	"github.com/porchlight-im/porchlight/simple/pidf"
	"github.com/porchlight-im/porchlight/simple/transport"
)

// ask is what a SUBSCRIBE wants.
type ask struct {
	event   event.Event
	expires time.Duration     // granted
	target  transport.Address // Contact; zero when there is none
	routes  []string          // URIs of Record-Route, in order
}

// readAsk reads and checks a SUBSCRIBE.
func (p *Port) readAsk(r *transport.Request) (ask, *transport.Reply) {
	refuse := func(err error) (ask, *transport.Reply) {
		rep := refusal(err)
		return ask{}, &rep
	}
	// RFC 6665 §4.2.1.1: a package that is not understood → 489.
	ev, err := presenceEvent(r)
	if err != nil {
		return refuse(err)
	}
	a := ask{event: ev}
	// RFC 3856 §6.7: bodies are of a type in Accept; without it PIDF is meant.
	if !acceptable(r) {
		return ask{}, &transport.Reply{Code: 406, Header: line(nil, "Accept", accept)}
	}
	// RFC 3856 §6.4: the default is one hour.
	d, fault := expires(r, p.cfg.DefaultExpires, p.cfg.MaxExpires)
	if fault != nil {
		return refuse(fault)
	}
	// RFC 6665 §4.2.1.1: 423 only for 0 < Expires < one hour.
	if least := min(p.cfg.MinExpires, time.Hour); d > 0 && d < least {
		return refuse(&bridge.Error{Kind: bridge.TooBrief, MinExpires: least})
	}
	a.expires = d
	if hs := r.Values("Contact"); len(hs) > 0 {
		a.target, err = transport.ParseAddress(hs[0])
		// RFC 3261 §8.1.1.8: exactly one SIP or SIPS URI.
		if s := a.target.Parsed.Scheme; err != nil || len(hs) > 1 || s != "sip" && s != "sips" {
			return refuse(bridge.Errorf(bridge.Malformed, "Contact is not one SIP URI"))
		}
	}
	for _, v := range r.Values("Record-Route") {
		at, err := transport.ParseAddress(v)
		if err != nil {
			return refuse(bridge.Errorf(bridge.Malformed, "Record-Route: %v", err))
		}
		a.routes = append(a.routes, at.URI)
	}
	return a, nil
}

// subscribe answers a SUBSCRIBE. after is called when the response is sent.
func (p *Port) subscribe(ctx context.Context, r *transport.Request) (rep transport.Reply, after func()) {
	if tagOf(r.To().Params) != "" {
		return p.refresh(ctx, r)
	}
	return p.establish(ctx, r)
}

func nothing() {}

// establish answers a SUBSCRIBE outside a dialog: a new subscription, or a
// fetch.
func (p *Port) establish(ctx context.Context, r *transport.Request) (transport.Reply, func()) {
	id, refused := p.identify(r)
	if refused != nil {
		return *refused, nothing
	}
	a, refused := p.readAsk(r)
	if refused != nil {
		return *refused, nothing
	}
	if a.target.URI == "" || tagOf(r.From().Params) == "" {
		return refusal(bridge.Errorf(bridge.Malformed, "no Contact, or no From tag")), nothing
	}
	who, dom, refused := p.target(r)
	if refused != nil {
		return *refused, nothing
	}
	if dom == nil {
		return transport.Reply{Code: 404}, nothing
	}
	leg := bridge.Leg{Watcher: id.main(), Presentity: who}
	if id.private && !dom.Here {
		// RFC 3325 §9.3: the identity does not leave the trust domain. A
		// Jabber user would see it in any case.
		if who.Scheme == presence.XMPP {
			return transport.Reply{Code: 433, Reason: "Anonymity Disallowed"}, nothing
		}
		leg.Watcher = anonymous
	}
	if d := p.earlier.get(r); d != nil && !d.ended && d.leg == leg && d.owner == id.main() && d.event == a.event && a.expires > 0 {
		// Its 200 is lost with an earlier process: the same dialog again.
		rep, after := p.extend(ctx, r, d, a)
		if rep.Code != 481 { // that one has ended meanwhile
			rep.ToTag = d.sip.LocalTag
			return rep, after
		}
	}
	if !p.dialogs.room(id.main()) {
		return subscribeRefusal(&bridge.Error{Kind: bridge.Busy, Detail: "too many subscriptions", RetryAfter: time.Minute}), nothing
	}
	d := p.newDialog(r, a, id, leg)
	p.dialogs.put(d)
	verdict, err := p.watch(ctx, d, a.expires, d.record())
	if err != nil {
		p.dialogs.remove(d)
		return subscribeRefusal(err), nothing
	}
	if a.expires > 0 && verdict.State == bridge.Terminated && verdict.Reason == "rejected" {
		p.dialogs.remove(d)
		return subscribeRefusal(&bridge.Error{Kind: bridge.Forbidden}), nothing
	}
	rep := p.granted(r, d, a.expires)
	rep.ToTag = d.sip.LocalTag
	return rep, func() { p.release(d) }
}

// refresh answers a SUBSCRIBE within a dialog: refresh, end, or change of the
// remote target.
func (p *Port) refresh(ctx context.Context, r *transport.Request) (transport.Reply, func()) {
	d := p.dialogs.get(tagOf(r.To().Params))
	if d == nil {
		d = p.earlier.ended(r)
	}
	// RFC 3261 §12.2.2: no such dialog → 481.
	if d == nil || d.fetch || !d.matches(r) {
		return transport.Reply{Code: 481, Reason: "Subscription Does Not Exist"}, nothing
	}
	id, refused := p.identify(r)
	if refused != nil {
		return *refused, nothing
	}
	if len(id.addrs) > 0 && !id.is(d.owner) {
		return transport.Reply{Code: 403}, nothing
	}
	a, refused := p.readAsk(r)
	if refused != nil {
		return *refused, nothing
	}
	if a.event != d.event {
		// RFC 6665 §4.5.2: a new subscription on an existing dialog; the
		// phrase SHOULD say that dialog sharing is not supported.
		return transport.Reply{Code: 403, Reason: "Dialog Sharing Not Supported"}, nothing
	}
	if d.ended {
		return p.endAgain(r, d, a), nothing
	}
	return p.extend(ctx, r, d, a)
}

// endAgain answers what comes in a dialog that its watcher has ended in an
// earlier process: the end once more, since its 200 is lost. The NOTIFY has
// been sent without being asked for.
func (p *Port) endAgain(r *transport.Request, d *dialog, a ask) transport.Reply {
	d.mu.Lock()
	last := d.sip.RemoteCSeq
	d.mu.Unlock()
	if a.expires > 0 || r.CSeq().SeqNo < last {
		return transport.Reply{Code: 481, Reason: "Subscription Does Not Exist"}
	}
	return p.granted(r, d, 0)
}

// extend gives d the lifetime and the target of a, which may be none.
func (p *Port) extend(ctx context.Context, r *transport.Request, d *dialog, a ask) (transport.Reply, func()) {
	undo, data, refused := d.renew(r, a)
	if refused != nil {
		return *refused, nothing
	}
	_, err := p.watch(ctx, d, a.expires, data)
	if errors.Is(err, &bridge.Error{Kind: bridge.Internal}) {
		// The hub could not store it and has dropped the subscription.
		p.drop(d)
		return subscribeRefusal(err), nothing
	}
	if err != nil {
		d.mu.Lock()
		undo()
		d.mu.Unlock()
		return subscribeRefusal(err), func() { p.release(d) }
	}
	return p.granted(r, d, a.expires), func() { p.release(d) }
}

// drop ends a subscription without a word to its watcher.
func (p *Port) drop(d *dialog) {
	d.mu.Lock()
	d.state.Remove()
	d.mu.Unlock()
	p.dialogs.remove(d)
	p.chores.add(func(ctx context.Context) { p.end(ctx, d) })
}

// renew takes a SUBSCRIBE into the dialog and holds its NOTIFYs back. undo,
// called with d.mu held, takes all back but the CSeq.
func (d *dialog) renew(r *transport.Request, a ask) (undo func(), data []byte, refused *transport.Reply) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.state.Gone() {
		return nil, nil, &transport.Reply{Code: 481, Reason: "Subscription Does Not Exist"}
	}
	cseq := r.CSeq().SeqNo
	err := d.sip.Receive(r.CallID().Value(), tagOf(r.From().Params), cseq)
	switch {
	case errors.Is(err, event.ErrOldCSeq) && cseq == d.sip.RemoteCSeq && time.Now().Before(d.again):
		// Handled by an earlier process, whose response is lost.
	case errors.Is(err, event.ErrOldCSeq):
		// RFC 3261 §12.2.2: out of order → 500.
		return nil, nil, &transport.Reply{Code: 500, Reason: "CSeq Out Of Order"}
	case err != nil:
		return nil, nil, &transport.Reply{Code: 481}
	}
	d.again = time.Time{}
	target, flow, ends := d.sip.Target, d.flow, d.expires
	undo = func() { d.sip.Target, d.flow, d.expires = target, flow, ends }
	if a.target.URI != "" {
		// RFC 6665 §4.2.1.4: a SUBSCRIBE refreshes the remote target; the
		// route set stays (RFC 3261 §12.2).
		d.sip.Target, d.flow = a.target.URI, flowOf(r, &a.target.Parsed)
	}
	d.expires = time.Now().Add(a.expires)
	d.state.Hold()
	return undo, d.record(), nil
}

// watch tells the hub about d.
func (p *Port) watch(ctx context.Context, d *dialog, lifetime time.Duration, data []byte) (bridge.Verdict, error) {
	change := bridge.NewChange()
	v, err := p.hub.Watch(ctx, bridge.WatchRequest{
		Leg: d.leg, Port: p.Name(), ID: d.id, Expires: lifetime, Outbox: p.box, Data: data, Change: change,
	})
	if errors.Is(err, &bridge.Error{Kind: bridge.Internal}) {
		p.log.Error("subscribe", "change", change, "call_id", d.sip.CallID, "err", err)
	}
	p.log.Debug("subscribe", "change", change, "watcher", d.watcher(), "presentity", d.leg.Presentity,
		"call_id", d.sip.CallID, "expires", lifetime, "profile", d.profile.Name, "state", v.State, "err", err)
	return v, err
}

// granted makes the 200; a SUBSCRIBE never gets 202 (RFC 6665 §8.3.1).
func (p *Port) granted(r *transport.Request, d *dialog, lifetime time.Duration) transport.Reply {
	h := line(nil, "Expires", strconv.FormatInt(event.Seconds(lifetime), 10))
	h = line(h, "Contact", "<"+d.contact+">")
	for _, v := range r.Values("Record-Route") {
		// RFC 3261 §12.1.1: the response has them all, unchanged, in order.
		h = line(h, "Record-Route", v)
	}
	return transport.Reply{Code: 200, Header: line(h, "Allow-Events", allowEvents)}
}

// subscribeRefusal is refusal with the reason phrase by which phones tell a
// refusal by the presentity from other trouble.
func subscribeRefusal(err error) transport.Reply {
	rep := refusal(err)
	if rep.Code == 403 {
		rep.Reason = "not authorized for presence"
	}
	return rep
}

// acceptable reports whether r takes presence documents.
func acceptable(r *transport.Request) bool {
	list := r.Values("Accept")
	if len(list) == 0 {
		return true
	}
	for _, v := range list {
		typ, params, err := mime.ParseMediaType(v)
		if err != nil {
			continue
		}
		if q, err := strconv.ParseFloat(params["q"], 64); err == nil && q == 0 {
			continue
		}
		if typ == pidf.ContentType || typ == "application/*" || typ == "*/*" {
			return true
		}
	}
	return false
}

// contact is the URI by which the watcher reaches us within the dialog: a
// self-made GRUU (RFC 5627 §4.3, RFC 6665 §4.5.1).
func (p *Port) contact(f *transport.Flow, secure bool) string {
	hostport, tp := p.transport.Contact(f)
	uri := "sip:" + hostport
	switch {
	case secure:
		uri = "sips:" + hostport // RFC 5630 §5.1.2
	case tp != "udp":
		uri += ";transport=" + tp
	}
	return uri + ";gr"
}

// entityOf is the URI by which the watcher of r names the presentity: that of
// To, or of the Request-URI when To names someone else. It is "" when it is
// the canonical one.
func entityOf(p *Port, r *transport.Request, who presence.Addr) string {
	entity := bareURI(&r.To().Address)
	if a, err := p.address(entity); err != nil || a != who {
		entity = bareURI(&r.Recipient)
	}
	if entity == mapping.SIP(who) {
		return ""
	}
	return entity
}

// bareURI is u without what only routes: port, and parameters but user.
func bareURI(u *sip.Uri) string {
	if u.Raw() != "" || u.User == "" {
		return u.String()
	}
	s := u.Scheme + ":" + u.User + "@" + u.Host
	if v, ok := u.UriParams.Get("user"); ok && v != "" {
		s += ";user=" + v
	}
	return s
}

// newTag makes a tag: 26 characters, unguessable (RFC 3261 §19.3).
func newTag() string { return rand.Text() }
