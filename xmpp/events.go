package xmpp

import (
	"encoding/binary"
	"hash/maphash"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/xmpp/payload"
)

// Personal eventing (XEP-0163) of virtual users, for the Jabber users who
// watch them: the items of a View, to each client that asks for them. The
// writer alone sends them, so that the last is the newest.

// shownItem is the item of one node; there is none when payload is nil.
type shownItem struct {
	id, payload []byte
	digest      uint64 // of the payload
}

// shownItems are the items of a View, in the order of payload.Nodes.
type shownItems [payload.NodeCount]shownItem

// nodes returns which there are.
func (s *shownItems) nodes() (w payload.Wants) {
	for i := range s {
		if s[i].payload != nil {
			w = w.With(i)
		}
	}
	return w
}

var digestSeed = maphash.MakeSeed()

// digestOf is never zero.
func digestOf(b []byte) uint64 { return maphash.Bytes(digestSeed, b) | 1 }

// takenBack is what stands for an item that was there and is no more.
var takenBack = func() (s shownItems) {
	for i, p := range payload.Empty {
		s[i] = shownItem{[]byte("current"), []byte(p), digestOf([]byte(p))}
	}
	return s
}()

// itemsFormat is the items of a View's person, written once for all watchers:
// of each its node, id, payload and digest as chunks.
var itemsFormat = bridge.NewFormat("xmpp items", func(dst []byte, v *bridge.View) []byte {
	for _, it := range v.Rules.ToPEP(v.State, time.Now()) {
		i := payload.NodeIndex(it.Node)
		if i < 0 || len(it.Payload) > maxOut/2 {
			continue
		}
		dst = appendChunk(dst, []byte{byte(i)})
		dst = appendChunk(dst, []byte(it.ID))
		dst = appendChunk(dst, []byte(it.Payload))
		dst = appendChunk(dst, binary.NativeEndian.AppendUint64(nil, digestOf([]byte(it.Payload))))
	}
	return dst
})

// itemsOf returns the items that view, which may be nil, shows, its avatar
// among them.
func (c *component) itemsOf(view *bridge.View) (items shownItems) {
	if view == nil || view.State == nil {
		return items
	}
	for b := view.Bytes(itemsFormat); len(b) > 0; {
		var node, digest []byte
		node, b = nextChunk(b)
		it := &items[node[0]]
		it.id, b = nextChunk(b)
		it.payload, b = nextChunk(b)
		digest, b = nextChunk(b)
		it.digest = binary.NativeEndian.Uint64(digest)
	}
	if p, ok := c.avatarOf(view); ok {
		it := metadataItem(p)
		items[avatarNode] = shownItem{[]byte(it.ID), []byte(it.Payload), digestOf([]byte(it.Payload))}
	}
	return items
}

// avatarNode is the place of the avatar's node among payload.Nodes.
var avatarNode = payload.NodeIndex(payload.NodeAvatarMetadata)

// tellEvents has the clients of leg's watcher told what they ask for and do
// not have yet. It may be called by anyone.
func (c *component) tellEvents(leg bridge.Leg) { c.events.put(leg) }

// appendEvents appends what tellEvents has promised. It is called by the
// writer.
func (c *component) appendEvents(dst []byte, leg bridge.Leg) []byte {
	said, watched := c.watches.said(leg)
	if !watched {
		c.clients.forget(leg)
		if c.asks.following(reverse(leg)) {
			c.introduce(reverse(leg)) // as one who is not watched any more
		}
		return dst
	}
	v, view := c.port.hub.Standing(leg)
	if v.State != bridge.Active {
		view = nil
	}
	dst = c.appendShownAgain(dst, leg, view)
	items := c.itemsOf(view)
	now := said | items.nodes()
	from, ok := mapping.JID(leg.Presentity)
	if now == 0 || !ok {
		return dst
	}
	// What was told of and is not there any more is taken back, also from who
	// comes later: a service of eventing has the empty item as the last one.
	for i := range items {
		if now.Has(i) && items[i].payload == nil {
			items[i] = takenBack[i]
		}
	}
	if now != said {
		c.note(leg, c.watches.say(leg, now))
	}
	var ask []question
	dst, ask = c.appendNews(dst, leg, from, &items)
	for _, q := range ask {
		c.ask(q)
	}
	return dst
}

// appendNews appends the items that the clients of leg's watcher ask for and
// do not have. ask are the questions for what they ask for.
func (c *component) appendNews(dst []byte, leg bridge.Leg, from string, items *shownItems) (_ []byte, ask []question) {
	// XEP-0163 §4.3.2 rule 2: of whom no presence is known gets one
	// notification at his bare JID; his server knows what he has online.
	v, _ := c.port.hub.Standing(reverse(leg))
	present := v.State == bridge.Active && c.asks.following(reverse(leg))
	c.clients.mu.Lock()
	defer c.clients.mu.Unlock()
	a := c.clients.all[leg]
	if a == nil || len(a.clients) == 0 {
		to, ok := mapping.JID(leg.Watcher)
		if present || !ok {
			return dst, nil
		}
		if a == nil && len(c.clients.all) >= maxClients {
			c.tooManyClients(leg)
			return dst, nil
		}
		return c.appendItemsTo(dst, from, to, ^payload.Wants(0), items, &c.clients.of(leg).bare), nil
	}
	for _, x := range a.clients {
		if x.known == unknown {
			wants, ok := c.clients.known.Get(x.caps.key())
			if ok {
				x.wants, x.known = wants.(payload.Wants), told
			} else {
				x.known = asked
				ask = append(ask, question{why: askCaps, leg: leg, from: from, to: x.jid, caps: x.caps})
			}
		}
		if x.known == told {
			dst = c.appendItemsTo(dst, from, x.jid, x.wants, items, &x.sent)
		}
	}
	return dst, ask
}

// appendItemsTo appends the notifications (XEP-0163 §4.3) of the items that
// are wanted and were not sent to this JID yet.
func (c *component) appendItemsTo(dst []byte, from, to string, wants payload.Wants, items *shownItems, sent *digests) []byte {
	for i := range items {
		it := &items[i]
		if it.payload == nil || !wants.Has(i) || sent[i] == it.digest {
			continue
		}
		sent[i] = it.digest
		c.port.metrics.out("message")
		dst = append(appendHead(dst, "message", from, to, "headline", ""), "><event xmlns='"+payload.NSPubSubEvent+"'>"...)
		dst = payload.AppendItems(dst, payload.Nodes[i], it.id, it.payload)
		dst = append(dst, "</event></message>"...)
	}
	return dst
}
