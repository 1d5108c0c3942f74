package payload

import (
	"slices"
	"strings"
)

// The namespaces of personal eventing (XEP-0163).
const (
	NSPubSub       = "http://jabber.org/protocol/pubsub"
	NSPubSubEvent  = "http://jabber.org/protocol/pubsub#event"
	NSPubSubErrors = "http://jabber.org/protocol/pubsub#errors"
	NSDataForms    = "jabber:x:data"
	NSVCard        = "vcard-temp"
	NSVCardUpdate  = "vcard-temp:x:update"
	NSLastActivity = NSLast // XEP-0256: in presence
)

// The nodes of personal eventing, which are the namespaces of what they hold.
const (
	NodeMood           = "http://jabber.org/protocol/mood"     // XEP-0107
	NodeActivity       = "http://jabber.org/protocol/activity" // XEP-0108
	NodeGeoloc         = "http://jabber.org/protocol/geoloc"   // XEP-0080
	NodeTune           = "http://jabber.org/protocol/tune"     // XEP-0118
	NodeNick           = "http://jabber.org/protocol/nick"     // XEP-0172
	NodeAvatarMetadata = "urn:xmpp:avatar:metadata"            // XEP-0084
	NodeAvatarData     = "urn:xmpp:avatar:data"                // XEP-0084
)

// Nodes are the nodes whose items are notified of, in the order of the bits of
// a Wants.
var Nodes = [...]string{NodeMood, NodeActivity, NodeGeoloc, NodeTune, NodeNick, NodeAvatarMetadata}

// NodeCount is the number of Nodes.
const NodeCount = len(Nodes)

// NodeIndex returns the place of node in Nodes, -1 when it is none of them.
func NodeIndex(node string) int { return slices.Index(Nodes[:], node) }

// Empty is the payload that takes the item of each of Nodes back: the empty
// element of XEP-0107 §2.2, XEP-0108 §2.2, XEP-0080 §4.1, XEP-0118 §2.2 and
// XEP-0084 §3.5. XEP-0172 says nothing of it; clients take an empty <nick/> for
// no nickname, and know no retraction.
var Empty = [NodeCount]string{
	"<mood xmlns='" + NodeMood + "'/>",
	"<activity xmlns='" + NodeActivity + "'/>",
	"<geoloc xmlns='" + NodeGeoloc + "'/>",
	"<tune xmlns='" + NodeTune + "'/>",
	"<nick xmlns='" + NodeNick + "'/>",
	"<metadata xmlns='" + NodeAvatarMetadata + "'/>",
}

// Wants is a set of Nodes, by their places.
type Wants uint8

// Notify is what an entity adds to a node to make a feature that asks for its
// notifications (XEP-0163 §4.3.2).
const Notify = "+notify"

// WantsOf returns the nodes whose notifications features ask for.
func WantsOf(features []string) (w Wants) {
	for _, f := range features {
		node, ok := strings.CutSuffix(f, Notify)
		if i := NodeIndex(node); ok && i >= 0 {
			w = w.With(i)
		}
	}
	return w
}

// Has reports whether the node at the place i is in w.
func (w Wants) Has(i int) bool { return w&(1<<i) != 0 }

// With returns w with the node at the place i.
func (w Wants) With(i int) Wants { return w | 1<<i }

// AppendItems appends <items/> with one item of a node; payload is its child
// element.
func AppendItems[T string | []byte](dst []byte, node string, id, payload T) []byte {
	dst = AppendAttr(append(dst, "<items"...), "node", node)
	dst = AppendAttr(append(dst, "><item"...), "id", string(id))
	dst = append(dst, '>')
	dst = append(dst, payload...)
	return append(dst, "</item></items>"...)
}

// AppendItemsQuestion appends the question for the last item of a node, or,
// when id is not "", for that item (XEP-0060 §6.5).
func AppendItemsQuestion(dst []byte, node, id string) []byte {
	dst = append(dst, "<pubsub xmlns='"+NSPubSub+"'><items"...)
	dst = AppendAttr(dst, "node", node)
	if id == "" {
		return append(dst, " max_items='1'/></pubsub>"...)
	}
	dst = AppendAttr(append(dst, "><item"...), "id", id)
	return append(dst, "/></items></pubsub>"...)
}

// AppendPubSubError appends a stanza error with the condition of
// publish-subscribe that says more (XEP-0060 §6.5.9, §7.1.3); feature names what
// is missing, with "unsupported".
func AppendPubSubError(dst []byte, kind, condition, more, feature string) []byte {
	dst = AppendError(dst, kind, condition, "", "")
	dst = dst[:len(dst)-len("</error>")]
	dst = append(dst, '<')
	dst = append(dst, more...)
	dst = append(dst, " xmlns='"+NSPubSubErrors+"'"...)
	if feature != "" {
		dst = AppendAttr(dst, "feature", feature)
	}
	return append(dst, "/></error>"...)
}
