package xmpp

import (
	"encoding/base64"
	"slices"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/bridge/picture"
	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/xmpp/payload"
)

// The answers of a virtual user's own publish-subscribe service (XEP-0163):
// who watches him may read his items, nobody may write any.

// viewFor returns what the sender of s may see of the virtual user that it was
// sent to; nil when that is nothing, or s is to none.
func (c *component) viewFor(s *stanza) *bridge.View {
	from, err := c.port.addr(s.from)
	to, err2 := c.port.addr(s.to)
	if err != nil || err2 != nil {
		return nil
	}
	v, view := c.port.hub.Standing(bridge.Leg{Watcher: from.Addr, Presentity: to.Addr})
	if v.State != bridge.Active {
		return nil
	}
	return view
}

// answerPubSub answers a question or a wish about a virtual user's nodes.
func (c *component) answerPubSub(s *stanza) {
	if s.kind != "get" || s.verb != "items" {
		// XEP-0060 §7.1.3, §6.1.3: what is not supported is said by name.
		c.answerError(s, errNoFeature)
		return
	}
	view := c.viewFor(s)
	if view == nil {
		c.answerError(s, errNotSubscribed)
		return
	}
	items := c.itemsOf(view)
	if s.verbNode == payload.NodeAvatarData {
		c.answerPicture(s, view)
		return
	}
	i := slices.IndexFunc(items, func(it mapping.Item) bool { return it.Node == s.verbNode })
	if i < 0 || len(s.ids) > 0 && !slices.Contains(s.ids, items[i].ID) {
		c.answerError(s, errNotFound)
		return
	}
	c.answerItems(s, items[i])
}

// errNotSubscribed tells who does not watch a user that he must
// (XEP-0060 §6.5.9.3).
var errNotSubscribed = mapping.StanzaError{Type: "auth", Condition: "not-authorized"}

func (c *component) answerItems(s *stanza, it mapping.Item) {
	c.answerResult(s, func(dst []byte) []byte {
		dst = append(dst, "<pubsub xmlns='"+payload.NSPubSub+"'>"...)
		dst = payload.AppendItems(dst, it.Node, it.ID, it.Payload)
		return append(dst, "</pubsub>"...)
	})
}

// answerPicture hands out the virtual user's avatar, and no other image
// (XEP-0084 §3.4).
func (c *component) answerPicture(s *stanza, view *bridge.View) {
	p, ok := c.avatarOf(view)
	if !ok || len(s.ids) > 0 && !slices.Contains(s.ids, p.ID) {
		c.answerError(s, errNotFound)
		return
	}
	_, data, ok := c.port.pictures.Get(p.ID)
	if !ok {
		c.answerError(s, errNotFound)
		return
	}
	body := "<data xmlns='" + payload.NodeAvatarData + "'>" + base64.StdEncoding.EncodeToString(data) + "</data>"
	c.answerItems(s, mapping.Item{Node: payload.NodeAvatarData, ID: p.ID, Payload: body})
}

// avatarOf returns the image of the virtual user that view shows.
func (c *component) avatarOf(view *bridge.View) (picture.Picture, bool) {
	if view == nil || view.State == nil {
		return picture.Picture{}, false
	}
	a := view.Presentity
	return c.port.pictureOf(view.State, func() { c.pushAll(a) })
}

// answerNodes lists the nodes of a virtual user that have something
// (XEP-0060 §5.2).
func (c *component) answerNodes(s *stanza) {
	bare := bareOf(s.to)
	items := c.itemsOf(c.viewFor(s))
	c.answerResult(s, func(dst []byte) []byte {
		dst = append(dst, "<query xmlns='"+payload.NSItems+"'>"...)
		for _, it := range items {
			dst = payload.AppendAttr(append(dst, "<item"...), "jid", bare)
			dst = append(payload.AppendAttr(dst, "node", it.Node), '/', '>')
		}
		return append(dst, "</query>"...)
	})
}

// answerCard hands out the card of a virtual user (XEP-0054 §3.1), empty for
// who does not watch him.
func (c *component) answerCard(s *stanza) {
	view := c.viewFor(s)
	if view == nil || view.State == nil {
		c.answerError(s, errNotFound)
		return
	}
	p, ok := c.avatarOf(view)
	var photo []byte
	if ok {
		_, photo, _ = c.port.pictures.Get(p.ID)
	}
	c.answerResult(s, func(dst []byte) []byte {
		return mapping.AppendVCard(dst, view.State, p.Type, photo)
	})
}
