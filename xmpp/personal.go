package xmpp

import (
	"strings"
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

// followed is what is known of one contact's events.
type followed struct {
	shown bool      // the virtual user has shown himself to her alone
	asked time.Time // when her items were asked for last
	again bool      // they are to be asked for once more
	tries int       // how often there was no answer
	named bool      // her card was asked for

	last digests // by node: of the id of the last item

	avatar string // the id of the picture that she announces, "" for none
	event  bool   // by eventing (XEP-0084), not by her card (XEP-0153)
}

// follows are the followed contacts of one component.
type follows struct {
	mu    sync.Mutex
	all   map[bridge.Leg]*followed
	again int // how many at least have again set
}

func newFollows() *follows { return &follows{all: make(map[bridge.Leg]*followed)} }

// of returns what is known of leg, making it. mu is held.
func (f *follows) of(leg bridge.Leg) *followed {
	x := f.all[leg]
	if x == nil {
		x = &followed{}
		f.all[leg] = x
	}
	return x
}

// show notes whether leg's virtual user shows himself to the contact alone,
// and reports whether that is news.
func (f *follows) show(leg bridge.Leg, now bool) (news bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.all[leg] == nil && !now {
		return false
	}
	x := f.of(leg)
	news = x.shown != now
	x.shown = now
	return news
}

// due reports whether the items on leg may be asked for now, and notes that
// they are. What may not be now will be later.
func (f *follows) due(leg bridge.Leg, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	x := f.of(leg)
	if now.Sub(x.asked) < askAgain {
		x.again = true
		f.again++
		return false
	}
	x.asked, x.again = now, false
	return true
}

// askLater has the items on leg asked for once more, for there was no answer;
// after some times only when there is a reason again.
func (f *follows) askLater(leg bridge.Leg) {
	f.mu.Lock()
	defer f.mu.Unlock()
	x := f.all[leg]
	if x == nil || x.again || x.tries >= maxTries {
		return
	}
	x.again = true
	x.tries++
	f.again++
}

// name reports whether the card of leg's presentity is still to be asked for,
// and notes that it is.
func (f *follows) name(leg bridge.Leg) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	x := f.of(leg)
	was := x.named
	x.named = true
	return !was
}

// answered notes that the contact of leg, or her server, answers questions.
func (f *follows) answered(leg bridge.Leg) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if x := f.all[leg]; x != nil {
		x.tries = 0
	}
}

// maxTries is how often in a row items are asked for without an answer.
const maxTries = 3

// late returns the legs whose items are to be asked for once more.
func (f *follows) late() (legs []bridge.Leg) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.again == 0 {
		return nil
	}
	f.again = 0
	for leg, x := range f.all {
		if x.again {
			x.again = false
			legs = append(legs, leg)
		}
	}
	return legs
}

// forget forgets leg.
func (f *follows) forget(leg bridge.Leg) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.all, leg)
}

// reset forgets what was said on a stream that is gone.
func (f *follows) reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, x := range f.all {
		x.shown, x.asked, x.tries = false, time.Time{}, 0
	}
}

// news notes the item it of the node at the place i, and reports whether it
// says anything of what is there now: the retraction of an older item does not
// (XEP-0060 §7.2.2).
func (f *follows) news(leg bridge.Leg, i int, it mapping.Item) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	x, id := f.of(leg), uint64(0)
	if it.ID != "" {
		id = digestOf([]byte(it.ID))
	}
	if it.Payload == "" && id != 0 && x.last[i] != 0 && x.last[i] != id {
		return false
	}
	x.last[i] = id
	return true
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
	if c.follows.name(leg) {
		c.ask(followQuestion(askCard, leg)) // for her name, once
	}
	if c.watches.known(reverse(leg)) {
		c.retire(leg)
		c.askAll(leg)
		return
	}
	if !c.follows.show(leg, true) {
		return
	}
	ok = c.answers.add("presence", func(dst []byte) []byte {
		dst = append(appendHead(dst, "presence", from, to, "", ""), "><priority>-1</priority>"...)
		return append(userInfo.AppendCaps(dst), "</presence>"...)
	})
	if !ok {
		c.follows.show(leg, false)
	}
}

// retire takes back what introduce has shown.
func (c *component) retire(leg bridge.Leg) {
	if !c.follows.show(leg, false) {
		return
	}
	from, to := jidOf(leg.Watcher)+"/"+watcherResource, jidOf(leg.Presentity)
	c.answers.add(unavailable, func(dst []byte) []byte { return appendPresence(dst, from, to, unavailable, "", "") })
}

// unfollow ends what introduce has begun.
func (c *component) unfollow(leg bridge.Leg) {
	c.retire(leg)
	c.follows.forget(leg)
}

// followQuestion is a question on behalf of leg's virtual user.
func followQuestion(why purpose, leg bridge.Leg) question {
	return question{why: why, leg: leg, from: jidOf(leg.Watcher) + "/" + watcherResource, to: jidOf(leg.Presentity)}
}

// askAll asks for the items of all nodes, at once or a little later.
func (c *component) askAll(leg bridge.Leg) {
	if !c.follows.due(leg, time.Now()) {
		return
	}
	for _, node := range payload.Nodes {
		q := followQuestion(askItems, leg)
		q.node = node
		c.ask(q)
	}
}

// refresh asks for the items anew when leg's presentity has said something and
// no event can come, since the virtual user is not shown to her.
func (c *component) refresh(leg bridge.Leg) {
	if watch := reverse(leg); c.watches.known(watch) && len(c.watches.shown(watch)) == 0 {
		c.askAll(leg)
	}
}

// askLate asks for the items for which it was too early.
func (c *component) askLate() {
	for _, leg := range c.follows.late() {
		if c.asks.following(leg) {
			c.askAll(leg)
		}
	}
}

// handleEvent takes an event message. Events of a user come from her bare JID
// (XEP-0163 §4.3.1).
func (c *component) handleEvent(s *stanza) {
	from, err := c.port.addr(s.from)
	if err == nil && s.kind == errorType {
		// Our own, come back: that client is not there any more.
		if to, err := c.port.addr(s.to); err == nil && from.Resource != "" {
			c.clients.leave(bridge.Leg{Watcher: from.Addr, Presentity: to.Addr}, s.from)
		}
		return
	}
	if err != nil || from.Resource != "" {
		c.refused("address", s, err)
		return
	}
	to, err := c.port.addr(s.to)
	if err != nil {
		c.refused("address", s, err)
		return
	}
	leg := bridge.Leg{Watcher: to.Addr, Presentity: from.Addr}
	c.takeItems(leg, s.items)
	for _, node := range s.notified {
		if payload.NodeIndex(node) >= 0 && c.asks.following(leg) {
			q := followQuestion(askItems, leg)
			q.node = node
			c.ask(q)
		}
	}
}

// takeAnswer takes in the answer to a question for the last item of a node.
func (c *component) takeAnswer(q question, s *stanza) {
	c.follows.answered(q.leg)
	switch {
	case len(s.items) > 0 && s.items[0].Node == q.node:
		c.takeItems(q.leg, s.items[len(s.items)-1:])
	case s.kind == "result", s.err.Condition == errNotFound.Condition:
		c.takeItems(q.leg, []mapping.Item{{Node: q.node}}) // XEP-0060 §6.5.9.11, §6.5.9.12: there is none
	}
}

// takeItems takes in items of leg's presentity, who is followed.
func (c *component) takeItems(leg bridge.Leg, items []mapping.Item) {
	v, _ := c.port.hub.Standing(leg)
	if v.State != bridge.Active || !c.asks.following(leg) {
		c.port.metrics.refused.WithLabelValues("event").Inc()
		c.log.Debug("event of a user who is not followed", "watcher", leg.Watcher, "presentity", leg.Presentity)
		return
	}
	for _, it := range items {
		change := bridge.NewChange()
		c.log.Debug("event received", "kind", it.Node, "watcher", leg.Watcher, "presentity", leg.Presentity, "change", change)
		c.takeItem(leg, it, change)
	}
}

func (c *component) takeItem(leg bridge.Leg, it mapping.Item, change bridge.ChangeID) {
	i := payload.NodeIndex(it.Node)
	if i >= 0 && !c.follows.news(leg, i, it) {
		return
	}
	if i == avatarNode {
		c.takeMetadata(leg, it, change)
		return
	}
	rules, now := c.port.hub.Directory().Rules(leg.Presentity.Host), time.Now()
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

// personal takes in what presence says beside itself: whether there are events
// to be asked for, and a photo.
func (c *component) personal(leg bridge.Leg, s *stanza, change bridge.ChangeID) {
	v, _ := c.port.hub.Standing(leg)
	if v.State != bridge.Active || s.kind == unavailable || !c.asks.following(leg) {
		return
	}
	c.refresh(leg)
	if s.photo != nil {
		c.takePhoto(leg, strings.ToLower(*s.photo), change)
	}
}
