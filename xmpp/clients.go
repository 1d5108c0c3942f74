package xmpp

import (
	"slices"
	"sync"
	"time"

	"github.com/patrickmn/go-cache"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/xmpp/payload"
)

// client is one resource of a Jabber user that has shown itself to a virtual
// user, by presence or by the probe of its login, and which events of his it
// asks for (XEP-0163 §4.3.2).
type client struct {
	jid   string
	caps  caps // zero when it has told none
	known knowledge
	wants payload.Wants
	sent  digests
}

// digests has for each of payload.Nodes the digest of what was sent last, zero
// when nothing was.
type digests [payload.NodeCount]uint64

// knowledge is how well it is known what a client asks for.
type knowledge uint8

const (
	unknown knowledge = iota
	asked
	told
)

// audience are the clients of one leg's watcher, the latest to show itself
// last.
type audience struct {
	clients []*client
	// bare is what was sent to the watcher's bare JID, for want of clients.
	bare digests
}

// clients are those of one component.
type clients struct {
	mu  sync.Mutex
	all map[bridge.Leg]*audience
	n   int // clients
	// known has what verified capabilities ask for. Only what everyone can
	// check is in it, so that nobody can speak for the clients of others
	// (XEP-0115 §9.3).
	known *cache.Cache
}

// The bounds of clients.
var (
	maxClients      = 200_000
	maxClientsOfLeg = 32
	maxKnown        = 10_000
	maxCaps         = 1024 // bytes of <c/>'s attributes
	knownFor        = 24 * time.Hour
)

func newClients() *clients {
	return &clients{all: make(map[bridge.Leg]*audience), known: cache.New(knownFor, 0)}
}

// key names what a client can, in the cache; "" when it is not told in a way
// that can be verified.
func (c caps) key() string {
	if c.hash != "sha-1" || c.ver == "" {
		return ""
	}
	return c.ver
}

func (c caps) size() int { return len(c.hash) + len(c.node) + len(c.ver) }

// of returns the audience of leg, making it. mu is held.
func (cs *clients) of(leg bridge.Leg) *audience {
	a := cs.all[leg]
	if a == nil {
		a = &audience{}
		cs.all[leg] = a
	}
	return a
}

func (a *audience) index(jid string) int {
	return slices.IndexFunc(a.clients, func(x *client) bool { return x.jid == jid })
}

// put makes x the latest client of leg, unless there are too many of others.
// Of too many of leg the one that showed itself first is forgotten. mu is held.
func (cs *clients) put(leg bridge.Leg, x *client) (ok bool) {
	if cs.n >= maxClients && cs.all[leg] == nil {
		return false
	}
	a := cs.of(leg)
	if i := a.index(x.jid); i >= 0 {
		a.clients = slices.Delete(a.clients, i, i+1)
		cs.n--
	}
	a.clients = append(a.clients, x)
	cs.n++
	if len(a.clients) > maxClientsOfLeg {
		a.clients = slices.Delete(a.clients, 0, 1)
		cs.n--
	}
	return true
}

// show notes that the client jid of leg's watcher has shown itself with c, and
// reports whether that is news, and whether there was room for it.
func (cs *clients) show(leg bridge.Leg, jid string, c caps) (news, ok bool) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	x := &client{jid: jid, caps: c}
	if a := cs.all[leg]; a != nil {
		if i := a.index(jid); i >= 0 {
			old := a.clients[i]
			if old.caps == c {
				return false, true
			}
			x.sent = old.sent
		}
	}
	ok = cs.put(leg, x)
	return ok, ok
}

// login notes that the client jid of leg's watcher has logged in: it has
// nothing yet. What may be left of other clients, of which only their login is
// known, is asked again whether it is still there. ok tells that there was room.
func (cs *clients) login(leg bridge.Leg, jid string) (ok bool) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if a := cs.all[leg]; a != nil {
		for _, x := range a.clients {
			if byLogin(x) && x.known == told {
				x.known = unknown
			}
		}
	}
	return cs.put(leg, &client{jid: jid})
}

// describe notes what the client jid asks for, if it still shows the caps that
// it was asked about.
func (cs *clients) describe(leg bridge.Leg, jid string, c caps, wants payload.Wants) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	a := cs.all[leg]
	if a == nil {
		return
	}
	if i := a.index(jid); i >= 0 && a.clients[i].caps == c {
		a.clients[i].wants, a.clients[i].known = wants, told
	}
}

// verify notes what capabilities mean, for all that show them.
func (cs *clients) verify(key string, wants payload.Wants) {
	if cs.known.ItemCount() >= maxKnown {
		cs.known.DeleteExpired()
	}
	if cs.known.ItemCount() < maxKnown {
		cs.known.SetDefault(key, wants)
	}
}

// unasked notes that the client jid was not asked, or has not answered.
func (cs *clients) unasked(leg bridge.Leg, jid string) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	a := cs.all[leg]
	if a == nil {
		return
	}
	if i := a.index(jid); i >= 0 && a.clients[i].known == asked {
		a.clients[i].known = unknown
	}
}

// leave forgets a client, or all of the leg's watcher when jid is "".
func (cs *clients) leave(leg bridge.Leg, jid string) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.drop(leg, func(x *client) bool { return jid == "" || x.jid == jid })
}

// forget forgets the clients of leg, which is no watch any more, that only
// their login is known of.
func (cs *clients) forget(leg bridge.Leg) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.drop(leg, byLogin)
}

func byLogin(x *client) bool { return x.caps.ver == "" }

// drop forgets those clients of leg that which is true of. mu is held.
func (cs *clients) drop(leg bridge.Leg, which func(*client) bool) {
	a := cs.all[leg]
	if a == nil {
		return
	}
	cs.n -= len(a.clients)
	a.clients = slices.DeleteFunc(a.clients, which)
	cs.n += len(a.clients)
	if len(a.clients) == 0 {
		delete(cs.all, leg)
	}
}

// again makes everything be sent again to the clients of leg's watcher, who has
// subscribed anew.
func (cs *clients) again(leg bridge.Leg) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if a := cs.all[leg]; a != nil {
		a.bare = digests{}
		for _, x := range a.clients {
			x.sent = digests{}
		}
	}
}

// reset makes the clients that only their login is known of be asked anew, and
// forgets the others: the stream on which they were is gone, and the resync
// makes these show themselves again. What capabilities mean stays known.
func (cs *clients) reset() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for leg, a := range cs.all {
		cs.drop(leg, func(x *client) bool { return !byLogin(x) })
		for _, x := range a.clients {
			x.known, x.sent = unknown, digests{}
		}
	}
	cs.known.DeleteExpired()
}

// seen takes in that a resource of a Jabber user has sent presence to a
// virtual user.
func (c *component) seen(leg bridge.Leg, s *stanza) {
	_, resource := partsOf(s.from)
	switch {
	case s.kind == unavailable && resource == "":
		c.clients.leave(leg, "")
	case s.kind == unavailable:
		c.clients.leave(leg, s.from)
	case resource == "" || s.caps.ver == "" || s.caps.node == "" || s.caps.size() > maxCaps:
		// XEP-0163 §4.3.2 rule 3: without capabilities it asks for nothing.
	default:
		news, ok := c.clients.show(leg, s.from, s.caps)
		if !ok {
			c.tooManyClients(leg)
		}
		if news {
			c.tellEvents(leg)
		}
	}
}

// tooManyClients tells that a client was not noted.
func (c *component) tooManyClients(leg bridge.Leg) {
	c.port.metrics.bounded.WithLabelValues("client").Inc()
	c.log.Debug("too many clients, one gets no events", "watcher", leg.Watcher, "presentity", leg.Presentity)
}

// login takes in the probe that a server sends for a watcher's new resource.
// When the virtual user follows him, presence with capabilities comes too.
func (c *component) login(leg bridge.Leg, s *stanza) {
	_, resource := partsOf(s.from)
	v, _ := c.port.hub.Standing(reverse(leg))
	if resource == "" || v.State == bridge.Active && c.asks.following(reverse(leg)) {
		return
	}
	if !c.clients.login(leg, s.from) {
		c.tooManyClients(leg)
		return
	}
	c.tellEvents(leg)
}

// takeCaps takes in what a client has said of its capabilities. rest are those
// of the others, who wait, for whom it is no answer.
func (c *component) takeCaps(q question, others []question, s *stanza) (rest []question) {
	if s.described == nil && s.kind != errorType {
		return others
	}
	var wants payload.Wants
	verified := false
	if s.described != nil {
		wants = payload.WantsOf(s.described.Features)
		// XEP-0115 §5.4 step 3.9: what does not give the same string is true
		// of this client alone.
		key := q.caps.key()
		verified = key != "" && s.described.Ver() == key
		if verified {
			c.clients.verify(key, wants)
		}
	}
	for _, x := range append(others, q) {
		switch {
		case s.kind == errorType && x.to == q.to:
			c.clients.leave(x.leg, x.to) // it is gone, or no client for us
		case verified || x.to == q.to:
			c.clients.describe(x.leg, x.to, x.caps, wants)
		default:
			rest = append(rest, x)
			continue
		}
		c.tellEvents(x.leg)
	}
	return rest
}
