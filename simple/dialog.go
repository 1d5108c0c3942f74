package simple

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/simple/event"
	"github.com/porchlight-im/porchlight/simple/transport"
)

// dialog is one subscription of a SIP watcher and its dialog; they live and
// end together (RFC 6665 §4.5.2 is not offered).
type dialog struct {
	id    string // our tag, and the subscription's id in the hub
	leg   bridge.Leg
	owner presence.Addr // who subscribed; differs from leg.Watcher when private
	// private: the owner stays out of logs and of other networks.
	private bool
	// fetch: the subscription ends with its first NOTIFY.
	fetch bool
	// ended: the watcher has ended it in an earlier process, and gets its last
	// NOTIFY from this one.
	ended   bool
	event   event.Event
	contact string // our Contact, as URI
	// entity is the URI by which the watcher names the presentity, "" when
	// that is the canonical one.
	entity string
	// profile is how the watcher understands documents.
	profile *mapping.Profile

	mu  sync.Mutex
	sip event.Dialog
	// again is until when the last SUBSCRIBE may come again, since its
	// response may be lost with an earlier process; zero for never.
	again   time.Time
	flow    *transport.Flow // nil: by the route set or the remote target
	state   event.Notifier
	expires time.Time
	next    *notice   // the newest, not sent yet
	shown   bool      // an active NOTIFY has been sent
	sent    time.Time // the last NOTIFY
	waiting bool      // in Port.waits
}

// record is what is stored of a dialog.
type record struct {
	Dialog  event.Dialog    `json:"dialog"`
	Event   event.Event     `json:"event"`
	Contact string          `json:"contact"`
	Entity  string          `json:"entity,omitempty"`
	Owner   presence.Addr   `json:"owner,omitzero"`
	Private bool            `json:"private,omitempty"`
	Flow    *transport.Flow `json:"flow,omitempty"`
	Profile string          `json:"profile,omitempty"` // its name; "" for the generic one
}

// record reserves CSeq numbers and returns what is to be stored. d.mu is held.
func (d *dialog) record() []byte {
	d.sip.Reserve()
	rec := record{Dialog: d.sip, Event: d.event, Contact: d.contact, Entity: d.entity, Owner: d.owner, Private: d.private, Flow: d.flow}
	if d.profile != mapping.Generic {
		rec.Profile = d.profile.Name
	}
	b, err := json.Marshal(rec)
	if err != nil {
		panic(err) // strings and numbers only
	}
	return b
}

// restore makes the dialog of a stored subscription.
func restore(r bridge.Resumed) (*dialog, error) {
	var rec record
	err := json.Unmarshal(r.Data, &rec)
	if err != nil {
		return nil, fmt.Errorf("reading the stored dialog: %w", err)
	}
	if rec.Dialog.LocalTag != r.ID || rec.Dialog.Target == "" || rec.Dialog.CallID == "" {
		return nil, errors.New("the stored dialog is not complete")
	}
	rec.Dialog.Restore()
	return &dialog{
		id: r.ID, leg: r.Leg, owner: rec.Owner, private: rec.Private, ended: r.Ended,
		event: rec.Event, contact: rec.Contact, entity: rec.Entity, profile: mapping.ProfileNamed(rec.Profile),
		sip: rec.Dialog, flow: rec.Flow, expires: r.Expires,
		shown: r.Verdict.State == bridge.Active,
	}, nil
}

// matches reports whether r is a request within d.
func (d *dialog) matches(r *transport.Request) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return r.CallID().Value() == d.sip.CallID && tagOf(r.From().Params) == d.sip.RemoteTag
}

// watcher is the owner as logs may name him.
func (d *dialog) watcher() presence.Addr {
	if d.private {
		return anonymous
	}
	return d.owner
}

// newDialog makes the dialog that r asks for (RFC 3261 §12.1.1).
func (p *Port) newDialog(r *transport.Request, a ask, id identity, leg bridge.Leg) *dialog {
	from, to := r.From(), r.To()
	tag := newTag()
	secure := r.Recipient.Scheme == "sips" || a.target.Parsed.Scheme == "sips"
	d := &dialog{
		id: tag, leg: leg, owner: id.main(), private: id.private,
		fetch: a.expires == 0, event: a.event,
		contact: p.contact(&r.Flow, secure),
		entity:  entityOf(p, r, leg.Presentity),
		profile: profileOf(r, id.main() == leg.Presentity),
		sip: event.Dialog{
			CallID: r.CallID().Value(), LocalTag: tag, RemoteTag: tagOf(from.Params),
			Local:  nameAddr(to.DisplayName, to.Address.String()),
			Remote: nameAddr(from.DisplayName, from.Address.String()),
			Target: a.target.URI, Routes: a.routes, RemoteCSeq: r.CSeq().SeqNo,
		},
		flow:    flowOf(r, &a.target.Parsed),
		expires: time.Now().Add(a.expires),
	}
	d.state.Hold()
	return d
}

// flowOf returns the flow of r when NOTIFYs have to go back over it: r came
// from the watcher's own device, with no proxy between, and its Contact
// cannot be reached from here. Over UDP that is when Contact has another
// address than the packet, behind a NAT; such a Contact could also be that of
// a victim.
func flowOf(r *transport.Request, target *sip.Uri) *transport.Flow {
	if len(r.Values("Via")) > 1 {
		return nil
	}
	f := r.Flow
	if f.Transport != "udp" {
		return &f
	}
	remote, err := netip.ParseAddrPort(f.Remote)
	if err != nil || len(r.Values("Record-Route")) > 0 {
		return nil
	}
	at, err := netip.ParseAddr(target.Host)
	if err != nil || at.Unmap() == remote.Addr().Unmap() {
		return nil
	}
	return &f
}

// maxPerWatcher is how many subscriptions one watcher may have here, pending
// ones and fetches included (SEC-04): more than any contact list, and less
// than what one identity could do harm with.
const maxPerWatcher = 10_000

// dialogs is the table of subscriptions by id.
type dialogs struct {
	m sync.Map // string → *dialog
	*metrics

	mu      sync.Mutex
	byOwner map[presence.Addr]int // how many
}

func (t *dialogs) get(id string) *dialog {
	v, ok := t.m.Load(id)
	if !ok {
		return nil
	}
	return v.(*dialog)
}

// room reports whether owner may have one more.
func (t *dialogs) room(owner presence.Addr) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byOwner[owner] < maxPerWatcher
}

func (t *dialogs) put(d *dialog) {
	t.m.Store(d.id, d)
	t.current.Inc()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byOwner == nil {
		t.byOwner = map[presence.Addr]int{}
	}
	t.byOwner[d.owner]++
}

func (t *dialogs) remove(d *dialog) {
	if !t.m.CompareAndDelete(d.id, d) {
		return
	}
	t.current.Dec()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byOwner[d.owner]--
	if t.byOwner[d.owner] == 0 {
		delete(t.byOwner, d.owner)
	}
}
