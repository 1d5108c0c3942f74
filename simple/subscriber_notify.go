package simple

import (
	"errors"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/simple/event"
	"github.com/porchlight-im/porchlight/simple/pidf"
	"github.com/porchlight-im/porchlight/simple/transport"
)

// notify answers a NOTIFY: RFC 6665 §4.1.3.
func (s *subscriber) notify(r *transport.Request) {
	f := s.find(r)
	if f == nil {
		r.Reply(noSubscription)
		return
	}
	n, refused := readNotice(r)
	if refused != nil {
		r.Reply(*refused)
		return
	}
	rep := s.take(f, n)
	s.port.log.Debug("notified", "watcher", f.leg.Watcher, "presentity", f.leg.Presentity,
		"call_id", n.callID, "state", n.standing.State, "code", rep.Code)
	r.Reply(rep)
	s.work(f)
}

// noSubscription is for a NOTIFY that belongs to nothing. RFC 6665 §4.1.3,
// §4.2.2: it ends what the notifier sees.
var noSubscription = transport.Reply{Code: 481, Reason: "Subscription Does Not Exist"}

// find returns the follow whose dialog, or SUBSCRIBE, r belongs to
// (RFC 6665 §4.4.1), but for the notifier's tag.
func (s *subscriber) find(r *transport.Request) *follow {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tags[tagOf(r.To().Params)]
}

// told is what a NOTIFY says.
type told struct {
	callID, tag string
	cseq        uint32
	standing    event.Standing
	target      string // URI of Contact, "" without
	routes      []string
	state       *presence.State // nil: there is none, or fault says why
	fault       *bridge.Error
}

// readNotice reads what does not depend on the subscription.
func readNotice(r *transport.Request) (told, *transport.Reply) {
	refuse := func(err error) (told, *transport.Reply) {
		rep := refusal(err)
		return told{}, &rep
	}
	ev, err := presenceEvent(r)
	if err != nil {
		return refuse(err)
	}
	if ev.ID != "" {
		return told{}, &noSubscription // we never ask for one
	}
	n := told{callID: r.CallID().Value(), tag: tagOf(r.From().Params), cseq: r.CSeq().SeqNo}
	// RFC 6665 §4.1.3: NOTIFY MUST contain Subscription-State.
	vs := r.Values("Subscription-State")
	if len(vs) != 1 || n.tag == "" {
		return refuse(bridge.Errorf(bridge.Malformed, "no From tag, or not one Subscription-State"))
	}
	n.standing, err = event.ParseStanding(vs[0])
	if err != nil {
		return refuse(bridge.Errorf(bridge.Malformed, "%v", err))
	}
	if hs := r.Values("Contact"); len(hs) == 1 {
		at, err := transport.ParseAddress(hs[0])
		if err == nil && (at.Parsed.Scheme == "sip" || at.Parsed.Scheme == "sips") {
			n.target = at.URI
		}
	}
	for _, v := range r.Values("Record-Route") {
		at, err := transport.ParseAddress(v)
		if err != nil {
			return refuse(bridge.Errorf(bridge.Malformed, "Record-Route: %v", err))
		}
		n.routes = append(n.routes, at.URI)
	}
	n.state, n.fault = notified(r)
	return n, nil
}

// notified reads the presence document of a NOTIFY, nil when it has none.
func notified(r *transport.Request) (*presence.State, *bridge.Error) {
	contentType, b, fault := body(r, maxBody)
	if fault != nil || len(b) == 0 {
		return nil, fault
	}
	if contentType != pidf.ContentType {
		return nil, bridge.Errorf(bridge.Unsupported, "")
	}
	s, err := pidf.Decode(b)
	if err != nil {
		return nil, bridge.Errorf(bridge.Malformed, "%v", err)
	}
	return withoutParts(s), nil
}

// take gives what a NOTIFY says to its subscription and makes the response.
func (s *subscriber) take(f *follow, n told) transport.Reply {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sub.Over() || n.callID != f.dialog.CallID {
		return noSubscription
	}
	refused := f.enter(n)
	if refused != nil {
		return *refused
	}
	s.carryOut(f, f.sub.Notified(n.standing, time.Now()))
	ended := n.standing.State == "terminated"
	if n.fault != nil && !ended {
		// The standing counts, the document does not.
		return refusal(n.fault)
	}
	// RFC 6665 §4.4.1: the last one is answered with 200 too.
	if n.state != nil && s.port.echo(n.state, n.callID) {
		return transport.Reply{Code: 200}
	}
	if n.state != nil && !f.left && (f.fetch && n.standing.State != "pending" || f.sub.Phase() == event.Active) {
		state, change, leg := n.state, bridge.NewChange(), f.leg
		s.port.log.Debug("state from elsewhere", "change", change, "call_id", n.callID)
		f.todo = append(f.todo, func() {
			s.port.hub.Deliver(leg, change, func(*presence.State) *presence.State { return state })
		})
	}
	return transport.Reply{Code: 200}
}

// enter checks n against the dialog, or makes the dialog with it. f.mu is
// held.
func (f *follow) enter(n told) *transport.Reply {
	d := &f.dialog
	if d.RemoteTag == "" {
		if n.standing.State == "terminated" {
			return nil // RFC 6665 §4.4.1: it makes no dialog
		}
		if n.target == "" {
			rep := refusal(bridge.Errorf(bridge.Malformed, "Contact is not one SIP URI"))
			return &rep
		}
		// RFC 6665 §4.4.1: the NOTIFY makes the dialog, and the route set is
		// its Record-Route.
		d.RemoteTag, d.RemoteCSeq, d.Target, d.Routes = n.tag, n.cseq, n.target, n.routes
		return nil
	}
	err := d.Receive(n.callID, n.tag, n.cseq)
	switch {
	case errors.Is(err, event.ErrOldCSeq):
		// RFC 3261 §12.2.2: out of order → 500.
		return &transport.Reply{Code: 500, Reason: "CSeq Out Of Order"}
	case err != nil:
		// RFC 3856 §6.9: one dialog for one SUBSCRIBE; what other branches of
		// a fork have made ends with a 481.
		return &noSubscription
	}
	if n.target != "" {
		d.Target = n.target // RFC 6665 §3.2: NOTIFY refreshes the target
	}
	return nil
}
