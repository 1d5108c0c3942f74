package payload

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

// Empty is the payload that takes the item of a node back: each of these
// specifications has the empty element for it.
func Empty(node string) string {
	name := map[string]string{NodeMood: "mood", NodeActivity: "activity", NodeGeoloc: "geoloc", NodeTune: "tune",
		NodeNick: "nick", NodeAvatarMetadata: "metadata"}[node]
	return "<" + name + " xmlns='" + node + "'/>"
}

// Wants is a set of Nodes.
type Wants uint8

// Notify is what an entity adds to a node to make a feature that asks for its
// notifications (XEP-0163 §4.3.2).
const Notify = "+notify"

// WantsOf returns the nodes whose notifications features ask for.
func WantsOf(features []string) (w Wants) {
	for _, f := range features {
		for i, node := range Nodes {
			if f == node+Notify {
				w |= 1 << i
			}
		}
	}
	return w
}

// Has reports whether the node is in w.
func (w Wants) Has(node string) bool {
	for i, n := range Nodes {
		if n == node {
			return w&(1<<i) != 0
		}
	}
	return false
}

// AppendItems appends <items/> with one item of a node; payload is its child
// element, "" for none.
func AppendItems(dst []byte, node, id, payload string) []byte {
	dst = AppendAttr(append(dst, "<items"...), "node", node)
	dst = AppendAttr(append(dst, "><item"...), "id", id)
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
