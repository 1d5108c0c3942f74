package xmpp

import (
	"encoding/base64"
	"slices"

	"github.com/porchlight-im/porchlight/bridge"
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
	switch {
	case s.verb == "publish" || s.verb == "retract":
		c.answerError(s, errForbidden) // XEP-0060 §7.1.3.1, §7.2.3.1
		return
	case s.kind != "get" || s.verb != "items":
		c.answerUnsupported(s)
		return
	}
	view := c.viewFor(s)
	if view == nil {
		// XEP-0060 §6.5.9.6: whether there is such a node or not.
		c.answerPubSubError(s, "auth", "not-authorized", "presence-subscription-required", "")
		return
	}
	if s.verbNode == payload.NodeAvatarData {
		c.answerPicture(s, view)
		return
	}
	items, i := c.itemsOf(view), payload.NodeIndex(s.verbNode)
	if i < 0 || items[i].payload == nil || len(s.ids) > 0 && !slices.Contains(s.ids, string(items[i].id)) {
		c.answerError(s, errNotFound) // XEP-0060 §6.5.9.11, §6.5.9.12
		return
	}
	c.answerItems(s, string(items[i].id), items[i].payload)
}

var errForbidden = mapping.StanzaError{Type: "auth", Condition: "forbidden"}

// answerUnsupported tells by its name what is not there (XEP-0060 §6.1.3.10,
// §8.1.1): who watches a user is subscribed to all of his nodes (XEP-0163 §4.1).
func (c *component) answerUnsupported(s *stanza) {
	feature, known := map[string]string{
		"subscribe": "subscribe", "unsubscribe": "subscribe", "options": "subscription-options",
		"subscriptions": "retrieve-subscriptions", "affiliations": "retrieve-affiliations",
		"create": "create-nodes", "default": "retrieve-default",
	}[s.verb]
	if !known {
		c.answerError(s, errNoFeature)
		return
	}
	c.answerPubSubError(s, "cancel", "feature-not-implemented", "unsupported", feature)
}

func (c *component) answerPubSubError(s *stanza, kind, condition, more, feature string) {
	c.answers.add("iq", func(dst []byte) []byte {
		dst = append(appendHead(dst, s.name, s.to, s.from, errorType, s.id), '>')
		dst = payload.AppendPubSubError(dst, kind, condition, more, feature)
		return append(dst, "</iq>"...)
	})
}

func (c *component) answerItems(s *stanza, id string, body []byte) {
	c.answerResult(s, func(dst []byte) []byte {
		dst = append(dst, "<pubsub xmlns='"+payload.NSPubSub+"'>"...)
		dst = payload.AppendItems(dst, s.verbNode, []byte(id), body)
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
	body := base64.StdEncoding.AppendEncode([]byte("<data xmlns='"+payload.NodeAvatarData+"'>"), data)
	c.answerItems(s, p.ID, append(body, "</data>"...))
}

// answerNodes lists the nodes of a virtual user that have something
// (XEP-0060 §5.2).
func (c *component) answerNodes(s *stanza) {
	bare := bareOf(s.to)
	items := c.itemsOf(c.viewFor(s))
	c.answerResult(s, func(dst []byte) []byte {
		dst = append(dst, "<query xmlns='"+payload.NSItems+"'>"...)
		for i := range items {
			if items[i].payload != nil {
				dst = payload.AppendAttr(append(dst, "<item"...), "jid", bare)
				dst = append(payload.AppendAttr(dst, "node", payload.Nodes[i]), '/', '>')
			}
		}
		return append(dst, "</query>"...)
	})
}

// answerCard hands out the card of a virtual user (XEP-0054 §3.3) to who
// watches him.
func (c *component) answerCard(s *stanza) {
	view := c.viewFor(s)
	if view == nil || view.State == nil {
		c.answerError(s, errUnavailable)
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
