package xmpp

import (
	"sync"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/xmpp/payload"
)

// Personal eventing (XEP-0163) of Jabber users, for the virtual users who
// follow them.
//
// A server sends a contact's events to the resources of her subscribers whose
// capabilities ask for them, and so must have seen presence of these. A
// virtual user who is shown to the contact has such resources. One who is not
// watched by her shows himself to her alone, with a negative priority. One who
// is watched by her but offline must not show himself, for that would make him
// online: her items are asked for instead.

// introduced are the follows whose virtual user has shown himself.
type introduced struct {
	mu    sync.Mutex
	all   map[bridge.Leg]bool
	asked map[bridge.Leg]time.Time // when the items were asked for last
}

func newIntroduced() *introduced {
	return &introduced{all: make(map[bridge.Leg]bool), asked: make(map[bridge.Leg]time.Time)}
}

// set notes whether leg's virtual user has shown himself, and returns what was
// noted before.
func (i *introduced) set(leg bridge.Leg, now bool) (before bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	before = i.all[leg]
	if now {
		i.all[leg] = true
	} else {
		delete(i.all, leg)
	}
	return before
}

// due reports whether the items on leg may be asked for again, and notes that
// they are.
func (i *introduced) due(leg bridge.Leg, now time.Time) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if now.Sub(i.asked[leg]) < askAgain {
		return false
	}
	i.asked[leg] = now
	return true
}

// forget forgets leg, and returns whether its virtual user had shown himself.
func (i *introduced) forget(leg bridge.Leg) (before bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	before = i.all[leg]
	delete(i.all, leg)
	delete(i.asked, leg)
	return before
}

// clear forgets all: the stream on which they were is gone.
func (i *introduced) clear() {
	i.mu.Lock()
	defer i.mu.Unlock()
	clear(i.all)
	clear(i.asked)
}

// askAgain is the least time between two questions for all items of a contact.
const askAgain = 10 * time.Second

// introduce sees to it that the events of leg's presentity, a Jabber user who
// is followed, come. It may be called by anyone, and again.
func (c *component) introduce(leg bridge.Leg) {
	from, ok := mapping.JID(leg.Watcher)
	to, ok2 := mapping.JID(leg.Presentity)
	if !ok || !ok2 || leg.Watcher.User == "" {
		return
	}
	from += "/" + watcherResource
	if c.watches.known(reverse(leg)) {
		c.retire(leg)
		c.askAll(leg, from, to)
		return
	}
	if c.introduced.set(leg, true) {
		return
	}
	c.answers.add("presence", func(dst []byte) []byte {
		dst = append(appendHead(dst, "presence", from, to, "", ""), "><priority>-1</priority>"...)
		return append(userInfo.AppendCaps(dst), "</presence>"...)
	})
}

// retire takes back what introduce has shown.
func (c *component) retire(leg bridge.Leg) {
	if !c.introduced.set(leg, false) {
		return
	}
	from, to := jidOf(leg.Watcher)+"/"+watcherResource, jidOf(leg.Presentity)
	c.answers.add(unavailable, func(dst []byte) []byte { return appendPresence(dst, from, to, unavailable, "", "") })
}

// askAll asks for the items of all nodes, unless that was done just now.
func (c *component) askAll(leg bridge.Leg, from, to string) {
	if !c.introduced.due(leg, time.Now()) {
		return
	}
	for _, node := range payload.Nodes {
		c.askItems(question{why: askItems, leg: leg, to: to}, from, node, "")
	}
}

// refresh asks for the items anew when leg's presentity has said something and
// no event can come, since the virtual user is not shown to her.
func (c *component) refresh(leg bridge.Leg) {
	if watch := reverse(leg); c.watches.known(watch) && len(c.watches.shown(watch)) == 0 {
		c.askAll(leg, jidOf(leg.Watcher)+"/"+watcherResource, jidOf(leg.Presentity))
	}
}

// handleEvent takes an event message. Events of a user come from her bare JID
// (XEP-0163 §4.3).
func (c *component) handleEvent(s *stanza) {
	from, err := c.port.addr(s.from)
	if err != nil || from.Resource != "" {
		c.refused("address", s, err)
		return
	}
	to, err := c.port.addr(s.to)
	if err != nil {
		c.refused("address", s, err)
		return
	}
	c.takeItems(bridge.Leg{Watcher: to.Addr, Presentity: from.Addr}, s.items)
}

// takeItems takes in items of leg's presentity, who is followed.
func (c *component) takeItems(leg bridge.Leg, items []mapping.Item) {
	v, _ := c.port.hub.Standing(leg)
	if v.State != bridge.Active {
		return
	}
	rules := c.port.hub.Directory().Rules(leg.Presentity.Host)
	for _, it := range items {
		change := bridge.NewChange()
		c.log.Debug("event received", "kind", it.Node, "watcher", leg.Watcher, "presentity", leg.Presentity, "change", change)
		if it.Node == payload.NodeAvatarMetadata {
			c.takeMetadata(leg, it, change)
			continue
		}
		now := time.Now()
		var err error
		c.port.hub.Deliver(leg, change, func(old *presence.State) (s *presence.State) {
			s, err = rules.ApplyPEP(old, it, now)
			return s
		})
		if err != nil {
			c.port.metrics.refused.WithLabelValues("event").Inc()
			c.log.Debug("event not understood", "kind", it.Node, "presentity", leg.Presentity, "change", change, "err", err)
		}
	}
}

// personal takes in what presence says beside itself: whether there are events
// to be asked for, and a photo.
func (c *component) personal(leg bridge.Leg, s *stanza, change bridge.ChangeID) {
	v, _ := c.port.hub.Standing(leg)
	if v.State != bridge.Active || s.kind == unavailable {
		return
	}
	c.refresh(leg)
	if s.photo != nil {
		c.takePhoto(leg, *s.photo, change)
	}
}
