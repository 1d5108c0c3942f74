package simple

import (
	"context"
	"strconv"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/simple/event"
	"github.com/porchlight-im/porchlight/simple/pidf"
	"github.com/porchlight-im/porchlight/simple/transport"
)

// eventPresence is the one event package (RFC 3856 §6.1).
const eventPresence = "presence"

// maxBody is the largest presence document that is read, in bytes, after any
// Content-Encoding is undone.
const maxBody = 128 << 10

// publish answers a PUBLISH request: RFC 3903 §6.
func (p *Port) publish(ctx context.Context, r *transport.Request) transport.Reply {
	id, refused := p.identify(r)
	if refused != nil {
		if receipt, ok := p.done(r); ok {
			p.log.Debug("publish answered again", "call_id", r.CallID().Value(), "etag", receipt.ETag)
			return published(receipt)
		}
		return *refused
	}
	// RFC 3903 §6 step 1: not a resource of this server → 404.
	who, dom, refused := p.target(r)
	if refused != nil {
		return *refused
	}
	if dom == nil || !dom.Here {
		return transport.Reply{Code: 404}
	}
	// RFC 3903 §14.1: only the presentity itself may publish.
	if !id.is(who) {
		return transport.Reply{Code: 403}
	}
	pub, err := p.publication(r, who)
	if err != nil && pub.IfMatch != "" && !p.hub.Known(who, pub.IfMatch) {
		// RFC 3903 §6 step 3: unknown entity-tag → 412, before the faults of
		// steps 4 and 5. The hub itself looks at a request without faults: if
		// it comes again, its tag is not known any more.
		err = bridge.Errorf(bridge.Stale, "")
	}
	var receipt bridge.Receipt
	if err == nil {
		receipt, err = p.hub.Publish(ctx, pub)
	}
	p.log.Debug("publish", "change", pub.Change, "presentity", who, "call_id", r.CallID().Value(),
		"etag", pub.IfMatch, "expires", receipt.Expires, "err", err)
	if err != nil {
		return p.publishRefusal(err)
	}
	return published(receipt)
}

// published makes the 200. RFC 3903 §6 step 6: Expires and one entity-tag.
// There is no dialog, and Record-Route and Contact are ignored.
func published(receipt bridge.Receipt) transport.Reply {
	rep := transport.Reply{Code: 200}
	rep.Header = line(nil, "Expires", strconv.FormatInt(event.Seconds(receipt.Expires), 10))
	rep.Header = line(rep.Header, "SIP-ETag", receipt.ETag)
	return rep
}

// publication reads what r publishes: RFC 3903 §6 steps 2 to 5, without the
// part of step 3 that compares entity-tags, which is the hub's.
func (p *Port) publication(r *transport.Request, who presence.Addr) (bridge.Publication, error) {
	pub := bridge.Publication{Presentity: who, Source: p.Name(), Request: requestName(r), Change: bridge.NewChange()}
	// RFC 3903 §6 step 2: Event missing or not ours → 489.
	if _, err := presenceEvent(r); err != nil {
		return pub, err
	}
	// RFC 3903 §6 step 3: not a single entity-tag → 400.
	tags := r.Values("SIP-If-Match")
	if len(tags) > 1 || len(tags) == 1 && !token(tags[0]) {
		return pub, bridge.Errorf(bridge.Malformed, "SIP-If-Match is not a single entity-tag")
	}
	if len(tags) == 1 {
		pub.IfMatch = tags[0]
	}
	// RFC 3903 §6 step 4: the requested expiration, or the default.
	d, fault := expires(r, p.cfg.DefaultExpires, p.cfg.MaxExpires)
	if fault != nil {
		return pub, fault
	}
	if d > 0 && d < p.cfg.MinExpires {
		return pub, &bridge.Error{Kind: bridge.TooBrief, MinExpires: p.cfg.MinExpires}
	}
	pub.Expires = d
	if d > 0 {
		// RFC 3903 §9: too much of one source → 503 with Retry-After. Removals
		// pass: each ends what was taken.
		if wait := p.rate.take(who); wait > 0 {
			return pub, &bridge.Error{Kind: bridge.Busy, Detail: "publishing too often", RetryAfter: wait}
		}
	}
	// RFC 3903 §6 step 5: the event state in the body.
	if len(r.Body()) == 0 {
		if pub.IfMatch == "" {
			return pub, bridge.Errorf(bridge.Malformed, "neither a presence document nor SIP-If-Match")
		}
		return pub, nil
	}
	s, err := p.document(r, who)
	if err != nil {
		return pub, err
	}
	if d > 0 {
		// RFC 3903 §6 step 5: with Expires 0 no state is stored.
		pub.State = s
	}
	return pub, nil
}

// document reads the presence document of r, whose entity must be who.
func (p *Port) document(r *transport.Request, who presence.Addr) (*presence.State, error) {
	contentType, b, fault := body(r, maxBody)
	if fault != nil {
		return nil, fault
	}
	// RFC 3903 §6 step 5: a content type that is not of the package → 415.
	if contentType != pidf.ContentType {
		return nil, bridge.Errorf(bridge.Unsupported, "")
	}
	s, err := pidf.Decode(b)
	if err != nil {
		return nil, bridge.Errorf(bridge.Malformed, "%v", err)
	}
	entity, err := p.address(s.Entity)
	if err != nil || entity != who {
		return nil, bridge.Errorf(bridge.Malformed, "the document is about another entity than the Request-URI")
	}
	if p.echo(s, r.CallID().Value()) {
		return &presence.State{}, nil // a source that says nothing
	}
	return profileOf(r, false).Read(withoutParts(s)), nil
}

// publishRefusal is refusal, except that a passing trouble is never a 404 or
// 504: phones take these for a lasting refusal and stop all presence.
func (p *Port) publishRefusal(err error) transport.Reply {
	rep := refusal(err)
	if rep.Code == 500 {
		p.log.Error("publish", "err", err)
	}
	if rep.Code == 504 {
		return refusal(&bridge.Error{Kind: bridge.Busy, RetryAfter: 10 * time.Second})
	}
	return rep
}

// requestName tells r from all other requests, but not from its own
// retransmissions (RFC 3261 §17.2.3).
func requestName(r *transport.Request) string {
	branch, _ := r.Via().Params.Get("branch")
	return branch + " " + r.CSeq().Value() + " " + r.CallID().Value()
}

// presenceEvent reads the Event header of a request and demands our package.
func presenceEvent(r *transport.Request) (event.Event, error) {
	vs := r.Values("Event")
	if len(vs) == 0 {
		// RFC 6665 §4.2.3: without PINT, no Event → 489.
		return event.Event{}, bridge.Errorf(bridge.BadEvent, "")
	}
	// RFC 6665 §8.2.1: there is exactly one event type.
	if len(vs) > 1 {
		return event.Event{}, bridge.Errorf(bridge.Malformed, "more than one Event")
	}
	e, err := event.ParseEvent(vs[0])
	if err != nil {
		return event.Event{}, bridge.Errorf(bridge.Malformed, "%v", err)
	}
	// RFC 6665 §8.2.1: package names are compared byte by byte.
	if e.Package != eventPresence {
		return event.Event{}, bridge.Errorf(bridge.BadEvent, "")
	}
	return e, nil
}

// token reports whether s is a token, as an entity-tag is (RFC 3903 §12).
func token(s string) bool {
	e, err := event.ParseEvent(s)
	return err == nil && e.Package == s
}
