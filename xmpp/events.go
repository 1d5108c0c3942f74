package xmpp

import (
	"slices"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/xmpp/payload"
)

// Personal eventing (XEP-0163) of virtual users, for the Jabber users who
// watch them: the items of a View, to each client that asks for them.

// itemsFormat is the items of a View's person, written once for all watchers:
// of each its node, id and payload as chunks.
var itemsFormat = bridge.NewFormat("xmpp items", func(dst []byte, v *bridge.View) []byte {
	for _, it := range v.Rules.ToPEP(v.State, time.Now()) {
		dst = appendChunk(dst, []byte(it.Node))
		dst = appendChunk(dst, []byte(it.ID))
		dst = appendChunk(dst, []byte(it.Payload))
	}
	return dst
})

// itemsOf returns the items that view shows, its avatar among them.
func (c *component) itemsOf(view *bridge.View) (items []mapping.Item) {
	if view == nil || view.State == nil {
		return nil
	}
	for b := view.Bytes(itemsFormat); len(b) > 0; {
		var node, id, body []byte
		node, b = nextChunk(b)
		id, b = nextChunk(b)
		body, b = nextChunk(b)
		items = append(items, mapping.Item{Node: string(node), ID: string(id), Payload: string(body)})
	}
	if p, ok := c.avatarOf(view); ok {
		items = append(items, metadataItem(p))
	}
	return items
}

// push sends the clients of leg's watcher what they ask for and do not have
// yet. It may be called by anyone.
func (c *component) push(leg bridge.Leg) {
	v, view := c.port.hub.Standing(leg)
	if v.State != bridge.Active {
		view = nil
	}
	if !c.clients.any(leg) {
		return
	}
	from, ok := mapping.JID(leg.Presentity)
	if !ok {
		return
	}
	items := c.itemsOf(view)
	c.answers.add("message", func(dst []byte) []byte { return c.appendEvents(dst, leg, from, items) })
}

// pushAll is push for all who have clients that watch a.
func (c *component) pushAll(a presence.Addr) {
	for _, leg := range c.clients.watching(a) {
		c.push(leg)
	}
}

// watching returns the legs of a that have clients.
func (cs *clients) watching(a presence.Addr) (legs []bridge.Leg) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for leg := range cs.all {
		if leg.Presentity == a {
			legs = append(legs, leg)
		}
	}
	return legs
}

// any reports whether a client of leg's watcher asks for anything.
func (cs *clients) any(leg bridge.Leg) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for _, x := range cs.all[leg] {
		if x.wants != 0 {
			return true
		}
	}
	return false
}

// appendEvents appends the events that bring the clients of leg's watcher to
// items. What was shown and is not there any more is taken back by the empty
// element that each node has for it.
func (c *component) appendEvents(dst []byte, leg bridge.Leg, from string, items []mapping.Item) []byte {
	c.clients.mu.Lock()
	defer c.clients.mu.Unlock()
	for _, x := range c.clients.all[leg] {
		if x.wants == 0 {
			continue
		}
		for _, it := range items {
			if x.wants.Has(it.Node) && x.sent[it.Node] != it.Payload {
				x.sent[it.Node] = it.Payload
				dst = appendEvent(dst, from, x.jid, it)
			}
		}
		for node := range x.sent {
			if !slices.ContainsFunc(items, func(it mapping.Item) bool { return it.Node == node }) {
				delete(x.sent, node)
				dst = appendEvent(dst, from, x.jid, mapping.Item{Node: node, ID: "current", Payload: payload.Empty(node)})
			}
		}
	}
	return dst
}

// appendEvent appends the notification of one item (XEP-0163 §4.3).
func appendEvent(dst []byte, from, to string, it mapping.Item) []byte {
	dst = append(appendHead(dst, "message", from, to, "headline", ""), "><event xmlns='"+payload.NSPubSubEvent+"'>"...)
	dst = payload.AppendItems(dst, it.Node, it.ID, it.Payload)
	return append(dst, "</event></message>"...)
}
