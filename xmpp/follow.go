package xmpp

import (
	"context"
	"crypto/rand"
	"strings"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

// The ids of what the port sends tell an error in answer to it from an error
// in answer to a notification.
const (
	subscribeIDs = "s-"
	probeIDs     = "p-"
)

func subscribeID() string { return subscribeIDs + rand.Text()[:10] }
func probeID() string     { return probeIDs + rand.Text()[:10] }

// handlePresence handles one presence stanza from a user of a Jabber domain.
func (c *component) handlePresence(ctx context.Context, s *stanza) {
	from, err := c.port.addr(s.from)
	if err != nil {
		c.refused("address", s, err)
		return
	}
	to, err := c.port.addr(s.to)
	if err != nil {
		c.refused("address", s, err)
		return
	}
	watch := bridge.Leg{Watcher: from.Addr, Presentity: to.Addr}
	follow := reverse(watch)
	change := bridge.NewChange()
	if s.name == again {
		c.again(ctx, watch)
		return
	}
	c.log.Debug("presence received", "kind", s.kind, "from", from.Addr, "to", to.Addr, "change", change)
	switch s.kind {
	case subscribe:
		c.subscribe(ctx, watch, s, change)
	case unsubscribe:
		c.unsubscribe(ctx, watch, s, change)
	case probe:
		c.probe(ctx, watch, s, change)
	case subscribed, unsubscribed:
		c.settle(follow, s, change)
	case available, unavailable:
		c.seen(watch, s)
		if c.echo(s) {
			return
		}
		c.deliver(follow, s.presence(from), change)
		c.personal(follow, s, change)
	case errorType:
		c.failed(follow, s, from.Resource != "", change)
	default:
		// RFC 6121 §4.7.1: any other type is a bad request.
		c.answers.add(errorType, func(dst []byte) []byte {
			return appendErrorStanza(dst, s, stanzaErrors[bridge.Malformed])
		})
	}
}

// again is the name of a stanza that never was: the order to subscribe again
// for a watcher (watches.due).
const again = "(again)"

// settle is a Jabber user's answer to a subscription request, or her change of
// mind. RFC 6121 §3.1.6, §3.2.3: what was not asked for is ignored.
func (c *component) settle(leg bridge.Leg, s *stanza, change bridge.ChangeID) {
	c.resync.answered(leg)
	deliver, _, _ := c.standing(reverse(leg)).inbound(s.kind)
	if !deliver {
		return
	}
	if s.kind == unsubscribed {
		// RFC 8048 §5.3.1: terminated, reason rejected.
		c.asks.forget(leg)
		c.unfollow(leg)
		c.port.hub.Settle(leg, bridge.Verdict{State: bridge.Terminated, Reason: "rejected",
			Err: &bridge.Error{Kind: bridge.Forbidden, Detail: s.text()}}, change)
		return
	}
	c.port.hub.Settle(leg, bridge.Verdict{State: bridge.Active}, change)
	if c.asks.following(leg) {
		c.introduce(leg)
		// ejabberd takes capabilities, and so sends events, only from whom the
		// roster lets see the user: what was shown before was in vain.
		if c.watches.showAgain(reverse(leg)) {
			c.tellEvents(reverse(leg))
		}
		// ejabberd approves at once whom the roster allows, and sends no
		// presence with it.
		c.asks.put(leg, askFetch)
	}
}

// echo reports whether a presence stanza says what this gateway has said
// itself, come back by another: that is no news. It also tells of a side
// channel that was not readable.
func (c *component) echo(s *stanza) bool {
	if s.unread != nil {
		c.port.metrics.unread.Inc()
		c.log.Debug("side channel not readable, the stanza's own words count", "from", s.from, "to", s.to, "err", s.unread)
	}
	if s.exact == nil || s.lineage.Origin != c.port.hub.Origin() {
		return false
	}
	c.refused("echo", s, nil)
	return true
}

// deliver is presence of one resource of a Jabber user, sent to a virtual user
// who is subscribed or, directed, to any (RFC 6121 §4.6).
func (c *component) deliver(leg bridge.Leg, p mapping.Presence, change bridge.ChangeID) {
	c.resync.answered(leg)
	hub := c.port.hub
	v, _ := hub.Standing(leg)
	if v.State == bridge.Terminated {
		return
	}
	waiting := v.State == bridge.Pending
	if waiting && p.Unavailable && p.Resource == "" {
		// RFC 6121 §3.1.3 step 3: a mere acknowledgement of the request, which
		// says nothing about presence. Prosody sends it.
		return
	}
	now, rules := time.Now(), hub.Directory().Rules(leg.Presentity.Host)
	hub.Deliver(leg, change, func(old *presence.State) *presence.State {
		if waiting && old == nil && p.Unavailable {
			return nil
		}
		return rules.FromXMPP(old, p, now)
	})
	if p.Unavailable {
		c.parkIfGone(leg, p.Resource == "")
	}
}

// parkIfGone gives up the foreign subscription of a Jabber user who is a
// watcher too and has left (RFC 8048 §8.1). follow is the leg on which her
// presence is known; all tells that she has said so for all resources.
func (c *component) parkIfGone(follow bridge.Leg, all bool) {
	watch := reverse(follow)
	if !c.watches.known(watch) {
		return
	}
	home := c.port.hub.Directory().Home(watch.Presentity)
	if home == nil || home.Here {
		return
	}
	v, view := c.port.hub.Standing(follow)
	if v.State == bridge.Active && view != nil {
		all = !anyOpen(view.State)
	}
	if all {
		c.port.hub.Park(watch)
	}
}

func anyOpen(s *presence.State) bool {
	if s == nil {
		return false
	}
	for i := range s.Services {
		if s.Services[i].Basic == presence.Open {
			return true
		}
	}
	return false
}

// failed is a stanza error in answer to something that was sent on leg.
func (c *component) failed(leg bridge.Leg, s *stanza, full bool, change bridge.ChangeID) {
	v, _ := c.port.hub.Standing(leg)
	ours := strings.HasPrefix(s.id, subscribeIDs) || strings.HasPrefix(s.id, probeIDs)
	if !ours && (s.id != "" || v.State != bridge.Pending) {
		return // in answer to a notification: nothing of ours depends on it
	}
	c.resync.answered(leg)
	if v.State != bridge.Pending && v.State != bridge.Active || !c.asks.following(leg) {
		return
	}
	code, phrase := mapping.ErrorToSIP(s.err, full)
	c.log.Debug("error from the Jabber side", "watcher", leg.Watcher, "presentity", leg.Presentity, "change", change,
		"err", s.err.Condition)
	kind := kindOfStatus(code)
	if s.err.Type == "wait" || kind == bridge.Timeout || kind == bridge.Busy || kind == bridge.Internal {
		c.asks.later(leg, time.Now().Add(retryLater)) // stays as it is; asked again later
		return
	}
	reason := "rejected"
	if kind == bridge.NotFound {
		reason = "noresource"
	}
	if s.err.Text != "" {
		phrase = s.err.Text
	}
	c.asks.forget(leg)
	c.port.hub.Settle(leg, bridge.Verdict{State: bridge.Terminated, Reason: reason,
		Err: &bridge.Error{Kind: kind, Detail: phrase}}, change)
}

// appendAsk appends what the hub wants of leg's presentity. It is called by
// the writer.
func (c *component) appendAsk(dst []byte, leg bridge.Leg, how ask) []byte {
	from, ok := mapping.JID(leg.Watcher)
	to, ok2 := mapping.JID(leg.Presentity)
	change := bridge.NewChange()
	if !ok || !ok2 || leg.Watcher.User == "" {
		c.skip(leg, change)
		if how != askDetach {
			c.asks.forget(leg)
			c.port.hub.Settle(leg, bridge.Verdict{State: bridge.Terminated, Reason: "noresource",
				Err: bridge.Errorf(bridge.NotFound, "an address that has no form on XMPP")}, change)
		}
		return dst
	}
	c.debug("stanza", leg, change)
	v, _ := c.port.hub.Standing(leg)
	switch how {
	case askDetach:
		c.unfollow(leg)
		// RFC 8048 §5.3.3 step 2: the authorization stays, so no unsubscribe.
		return c.appendKind(dst, c.leaving(leg, from), to, unavailable, "")
	case askFetch: // RFC 8048 §7.2
		if v.State == bridge.Active && c.asks.following(leg) {
			return c.appendProbe(dst, leg, from, to, time.Now())
		}
		return c.appendKind(dst, from, to, probe, probeID())
	}
	fresh := c.asks.follow(leg)
	if fresh || v.State != bridge.Active {
		dst = c.appendKind(dst, from, to, subscribe, subscribeID())
	}
	if v.State == bridge.Active {
		// ejabberd answers a second "subscribe" without any presence.
		c.introduce(leg)
		dst = c.appendProbe(dst, leg, from, to, time.Now())
	}
	return dst
}

// leaving returns the address from which a virtual user tells a contact that
// he is gone. When the contact watches him, unavailable from his bare JID
// would hide what he publishes (RFC 6121 §4.5.4), so it comes from a resource.
func (c *component) leaving(leg bridge.Leg, bare string) string {
	if !c.watches.known(reverse(leg)) {
		return bare
	}
	return bare + "/" + watcherResource
}

// watcherResource is the resource of a virtual user as a watcher.
const watcherResource = "porchlight"

// jidOf returns the bare JID of a, "" when there is none.
func jidOf(a presence.Addr) string {
	jid, _ := mapping.JID(a)
	return jid
}
