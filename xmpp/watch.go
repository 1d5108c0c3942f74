package xmpp

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

// standing returns the subscription state of leg's presentity, a virtual user,
// towards its watcher on XMPP.
func (c *component) standing(leg bridge.Leg) subState {
	in, _ := c.port.hub.Standing(leg)
	out, _ := c.port.hub.Standing(reverse(leg))
	return subState{In: halfOf(in), Out: halfOf(out)}
}

func reverse(leg bridge.Leg) bridge.Leg {
	return bridge.Leg{Watcher: leg.Presentity, Presentity: leg.Watcher}
}

// subscribe is an XMPP user's request to watch a virtual user.
//
// RFC 8048 §5.2.1: nothing is told before the presentity has approved; the
// hub's Item brings that. RFC 6121 §3.1.3 step 2: a watcher who is approved
// already is told so again, which is the same path.
func (c *component) subscribe(ctx context.Context, leg bridge.Leg, s *stanza, change bridge.ChangeID) {
	to, ok := mapping.JID(leg.Watcher)
	if !ok {
		c.skip(leg, change)
		return
	}
	c.watches.start(leg, to)
	if c.asks.following(reverse(leg)) {
		c.introduce(reverse(leg)) // as one who is watched, from now on
	}
	c.clients.again(leg)
	_, err := c.watch(ctx, leg, change)
	if err == nil {
		return
	}
	c.unwatch(leg)
	c.refuse(leg, s, err, change)
}

// unwatch forgets leg as a watch.
func (c *component) unwatch(leg bridge.Leg) {
	c.watches.forget(leg)
	c.tellEvents(leg) // of which there are none any more
}

func (c *component) watch(ctx context.Context, leg bridge.Leg, change bridge.ChangeID) (bridge.Verdict, error) {
	return c.port.hub.Watch(ctx, bridge.WatchRequest{
		Leg: leg, Port: portName, ID: watchID(leg), Expires: bridge.Forever, Outbox: c.outbox, Change: change,
	})
}

// refuse answers a subscription request that the hub has not taken.
func (c *component) refuse(leg bridge.Leg, s *stanza, err error, change bridge.ChangeID) {
	c.log.Debug("subscription not taken", "watcher", leg.Watcher, "presentity", leg.Presentity, "change", change, "err", err)
	e := &bridge.Error{Kind: bridge.Internal}
	errors.As(err, &e)
	if e.Kind == bridge.Forbidden {
		// RFC 8048 §5.2.2: permanently cancelled, and so the user is informed.
		c.answers.add(unsubscribed, func(dst []byte) []byte {
			return appendPresence(dst, bareOf(s.to), bareOf(s.from), unsubscribed, s.id, e.Detail)
		})
		return
	}
	c.answers.add(errorType, func(dst []byte) []byte {
		return appendErrorStanza(dst, s, stanzaError(e))
	})
}

// unsubscribe ends an XMPP user's watch. RFC 8048 §5.2.3: when the hub has
// ended it, its last Item makes the writer send "unsubscribed".
func (c *component) unsubscribe(ctx context.Context, leg bridge.Leg, s *stanza, change bridge.ChangeID) {
	deliver, _, _ := c.standing(leg).inbound(unsubscribe)
	if !deliver && !c.watches.known(leg) {
		return // RFC 6121 Table 7: no state change, nothing to do
	}
	to, ok := mapping.JID(leg.Watcher)
	if !ok {
		c.skip(leg, change)
		return
	}
	c.watches.leave(leg, to)
	_, err := c.port.hub.Watch(ctx, bridge.WatchRequest{
		Leg: leg, Port: portName, ID: watchID(leg), Expires: 0, Outbox: c.outbox, Change: change,
	})
	if err == nil {
		return
	}
	c.log.Debug("unsubscribed all the same", "watcher", leg.Watcher, "presentity", leg.Presentity, "change", change, "err", err)
	c.unwatch(leg)
	c.answers.add(unsubscribed, func(dst []byte) []byte {
		return appendPresence(dst, bareOf(s.to), bareOf(s.from), unsubscribed, s.id, "")
	})
}

// probe is an XMPP server's question for a virtual user's presence, which it
// asks when one of its users logs in.
func (c *component) probe(ctx context.Context, leg bridge.Leg, s *stanza, change bridge.ChangeID) {
	hub := c.port.hub
	home := hub.Directory().Home(leg.Presentity)
	v, _ := hub.Standing(leg)
	known := c.watches.known(leg)
	switch {
	case home == nil:
		c.answerUnsubscribed(s)
	case known || v.State == bridge.Active:
		c.probeOfWatcher(ctx, leg, s, change, home.Here)
	case !home.Here && v.State != bridge.Terminated:
		// RFC 8048 §7.1: a probe becomes a question without a subscription.
		_, err := hub.Watch(ctx, bridge.WatchRequest{
			Leg: leg, Port: portName, ID: fetchID(leg), Outbox: c.outbox, Change: change,
		})
		if err != nil {
			c.log.Debug("probe not answered", "watcher", leg.Watcher, "presentity", leg.Presentity, "change", change, "err", err)
		}
	default:
		// RFC 6121 §4.3.2 step 1: no state for whom the presentity has not approved.
		c.answerUnsubscribed(s)
	}
}

// probeOfWatcher answers the probe of a watcher who has a subscription, or
// whom the rules allow one.
func (c *component) probeOfWatcher(ctx context.Context, leg bridge.Leg, s *stanza, change bridge.ChangeID, homed bool) {
	hub := c.port.hub
	if !homed || !c.watches.known(leg) || c.watches.isLost(leg) {
		to, ok := mapping.JID(leg.Watcher)
		if !ok {
			c.skip(leg, change)
			return
		}
		c.watches.restore(leg, to)
		// RFC 8048 §5.2.2: a new SUBSCRIBE whenever the XMPP user comes online.
		_, err := c.watch(ctx, leg, change)
		if err != nil {
			c.refuse(leg, s, err, change)
			c.unwatch(leg)
			return
		}
	}
	c.login(leg, s)
	v, view := hub.Standing(leg)
	switch v.State {
	case bridge.Active:
	case bridge.Terminated:
		c.answerUnsubscribed(s)
		return
	default:
		return // RFC 8048 §5.2.1: nothing while pending
	}
	photo := c.photoOf(view)
	ok := c.answers.add("presence", func(dst []byte) []byte {
		n := len(dst)
		if view != nil {
			dst, _ = appendView(dst, s.from, view, photo)
		}
		if len(dst) == n && homed {
			// RFC 6121 §4.3.2 step 3: no resource is available.
			dst = appendPresence(dst, bareOf(s.to), s.from, unavailable, s.id, "")
		}
		return dst
	})
	if ok {
		c.debug("stanza", leg, change)
	}
}

// answerUnsubscribed tells the sender of a probe that he is not subscribed
// (RFC 6121 §4.3.2 step 1), from the bare JID so that nothing leaks.
func (c *component) answerUnsubscribed(s *stanza) {
	c.answers.add(unsubscribed, func(dst []byte) []byte {
		return appendPresence(dst, bareOf(s.to), bareOf(s.from), unsubscribed, s.id, "")
	})
}

// again subscribes anew after a subscription has ended for a passing reason.
func (c *component) again(ctx context.Context, leg bridge.Leg) {
	if !c.watches.known(leg) {
		return
	}
	change := bridge.NewChange()
	_, err := c.watch(ctx, leg, change)
	if err != nil {
		c.log.Debug("not subscribed again", "watcher", leg.Watcher, "presentity", leg.Presentity, "change", change, "err", err)
		c.watches.lose(leg, time.Now().Add(retryLater))
	}
}

// retryLater is the time to the next attempt after an error that says nothing
// about it.
const retryLater = 5 * time.Minute

// appendItem appends what it means to its watcher. It is called by the writer.
func (c *component) appendItem(dst []byte, it *bridge.Item) []byte {
	bare, ok := mapping.JID(it.Leg.Presentity)
	to, ok2 := mapping.JID(it.Leg.Watcher)
	if !ok || !ok2 {
		c.skip(it.Leg, it.Change)
		return dst
	}
	n := len(dst)
	switch {
	case it.Probe:
		// RFC 8048 §8.1, from the presentity's address: only probes of a
		// contact are answered.
		dst = c.appendKind(dst, bare, to, probe, probeID())
	case it.ID == fetchID(it.Leg):
		if it.View != nil && it.Verdict.Err == nil && it.Verdict.Reason != "rejected" {
			dst, _ = appendView(dst, to, it.View, c.photoOf(it.View))
		}
	default:
		dst = c.appendStanding(dst, it, bare, to)
	}
	if len(dst) > n {
		c.debug("stanza", it.Leg, it.Change)
	}
	return dst
}

func (c *component) appendKind(dst []byte, from, to, kind, id string) []byte {
	c.port.metrics.out(kind)
	return appendPresence(dst, from, to, kind, id, "")
}

// appendStanding appends what an item says about the subscription itself, and
// the state.
func (c *component) appendStanding(dst []byte, it *bridge.Item, bare, to string) []byte {
	dst, now, changed := c.tell(dst, it, bare, to)
	if changed {
		c.note(it.Leg, now)
	}
	return c.appendEvents(dst, it.Leg)
}

// tell appends what it has to tell, and returns what has been told then, and
// whether that is to be noted.
func (c *component) tell(dst []byte, it *bridge.Item, bare, to string) (_ []byte, now record, changed bool) {
	photo := c.photoOf(it.View)
	c.watches.mu.Lock()
	defer c.watches.mu.Unlock()
	w := c.watches.all[it.Leg]
	if w == nil {
		w = &watch{to: to}
		c.watches.all[it.Leg] = w
	}
	before := w.record()
	switch {
	case it.Final || it.Verdict.State == bridge.Terminated:
		var over bool
		dst, over = c.appendEnd(dst, it, w, bare)
		if over {
			delete(c.watches.all, it.Leg)
			return dst, before, false
		}
	case it.Verdict.State == bridge.Pending:
		// RFC 8048 §5.2.1: nothing; but an approval that was taken back hides
		// what was shown.
		dst = c.appendGone(dst, it.Leg.Presentity, w, nil)
		w.told, w.last = false, nil
	case it.Verdict.State == bridge.Active:
		if !w.told {
			dst = c.appendKind(dst, bare, w.to, subscribed, "")
			w.told = true
		}
		dst = c.appendState(dst, it.Leg.Presentity, w, it.View, photo)
	}
	now = w.record()
	return dst, now, before.Told != now.Told || !slices.Equal(before.Shown, now.Shown)
}

// appendState appends the stanzas that show view and the photo, and
// unavailable from what was shown before and is not there any more.
func (c *component) appendState(dst []byte, a presence.Addr, w *watch, view *bridge.View, photo string) []byte {
	if view != nil && view == w.last && photo == w.photo {
		return dst
	}
	w.last, w.photo, w.again, w.stream = view, photo, false, c.watches.stream
	var now tuples
	if view != nil {
		dst, now = appendView(dst, w.to, view, photo)
		c.port.metrics.stanzas.WithLabelValues("out", "presence").Add(float64(now.n))
		c.lost(view, now.lost)
	}
	dst = c.appendGone(dst, a, w, now.mentioned)
	slices.Sort(now.available)
	w.shown = now.available
	return dst
}

// lost tells what of view could not be said.
func (c *component) lost(view *bridge.View, what byte) {
	if what == lostNothing {
		return
	}
	name := [...]string{lostText: "text", lostExact: "side channel", lostContent: "all but the availability"}[what]
	c.port.metrics.unsaid.WithLabelValues(name).Inc()
	c.log.Debug("not all of a state could be said", "presentity", view.Presentity, "change", view.Change, "lost", name)
}

// appendGone appends unavailable from the resources that were shown, except
// those that were mentioned just now.
func (c *component) appendGone(dst []byte, a presence.Addr, w *watch, mentioned []string) []byte {
	for _, r := range w.shown {
		if slices.Contains(mentioned, r) {
			continue
		}
		from, _, ok := fullJID(a, r)
		if ok {
			dst = c.appendKind(dst, from, w.to, unavailable, "")
		}
	}
	w.shown = nil
	return dst
}

// appendEnd appends the end of a subscription. over tells whether it is the
// end for the watcher too: RFC 8048 §5.2.2 calls only a refusal permanent.
func (c *component) appendEnd(dst []byte, it *bridge.Item, w *watch, bare string) (_ []byte, over bool) {
	dst = c.appendGone(dst, it.Leg.Presentity, w, nil)
	w.last = nil
	v := it.Verdict
	switch {
	case w.leaving: // RFC 8048 §5.2.3
		dst = c.appendKind(dst, bare, w.to, unavailable, "")
		return c.appendKind(dst, bare, w.to, unsubscribed, ""), true
	case v.Err != nil && v.Err.Kind == bridge.NotFound || v.Err == nil && v.Reason == "noresource":
		if !w.told {
			c.port.metrics.out(errorType)
			s := stanza{name: "presence", from: w.to, to: bare}
			return appendErrorStanza(dst, &s, stanzaError(notFound(v.Err))), true
		}
	case v.Err != nil && (v.Err.Kind == bridge.Forbidden || v.Err.Kind == bridge.BadEvent):
	case v.Reason == "rejected" || v.Reason == "invariant":
	default:
		// RFC 6665 §4.1.3: deactivated, probation, timeout, giveup: again later.
		c.watches.lost[it.Leg] = time.Now().Add(max(v.RetryAfter, keepAlive))
		return dst, false
	}
	text := ""
	if v.Err != nil && v.Err.Kind != bridge.Internal {
		text = v.Err.Detail
	}
	c.port.metrics.out(unsubscribed)
	dst = c.appendKind(dst, bare, w.to, unavailable, "")
	return appendPresence(dst, bare, w.to, unsubscribed, "", text), true
}

func notFound(err *bridge.Error) *bridge.Error {
	if err == nil {
		return &bridge.Error{Kind: bridge.NotFound}
	}
	return err
}

// tuples says what a View's stanzas have shown.
type tuples struct {
	n                    int
	lost                 byte     // the worst of the stanzas
	available, mentioned []string // resources
}

// appendView appends the stanzas of v to the bare or full JID to, those that
// are available with what they say of the photo.
func appendView(dst []byte, to string, v *bridge.View, photo string) ([]byte, tuples) {
	var t tuples
	for b := v.Bytes(stanzaFormat); len(b) > 0; {
		var s shown
		s, b = nextShown(b)
		t.n++
		t.lost = max(t.lost, s.lost)
		t.mentioned = append(t.mentioned, s.resource)
		if s.available {
			t.available = append(t.available, s.resource)
		}
		dst = append(dst, s.before...)
		dst = appendTo(dst, to)
		dst = append(dst, s.rest...)
		if s.available && photo != "" {
			dst = append(dst[:len(dst)-len(presenceEnd)], photo...)
			dst = append(dst, presenceEnd...)
		}
	}
	return dst, t
}

// note keeps what has been told, over restarts.
func (c *component) note(leg bridge.Leg, r record) {
	data, err := json.Marshal(r)
	if err != nil {
		c.log.Error("subscription not kept", "watcher", leg.Watcher, "presentity", leg.Presentity, "err", err)
		return
	}
	c.port.hub.Note(leg, portName, watchID(leg), data)
}
