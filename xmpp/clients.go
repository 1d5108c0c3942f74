package xmpp

import (
	"sync"
	"time"

	"github.com/patrickmn/go-cache"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/xmpp/payload"
)

// client is one resource of a Jabber user that has shown itself to a virtual
// user, and which events of his it asks for (XEP-0163 §4.3.2).
type client struct {
	jid   string
	caps  caps
	wants payload.Wants
	sent  map[string]string // by node: the payload that was sent last
}

// clients are those of one component, by the leg of user and virtual user.
type clients struct {
	mu  sync.Mutex
	all map[bridge.Leg]map[string]*client // by full JID
	n   int
	// known has what verified capabilities ask for. Only what everyone can
	// check is in it, so that nobody can speak for the clients of others
	// (XEP-0115 §8.1).
	known *cache.Cache
}

// The bounds of clients.
const (
	maxClients      = 200_000
	maxClientsOfLeg = 32
	maxKnown        = 10_000
	knownFor        = 24 * time.Hour
)

func newClients() *clients {
	return &clients{all: make(map[bridge.Leg]map[string]*client), known: cache.New(knownFor, 0)}
}

// show notes that the client jid of leg's watcher has shown itself with caps.
// fresh tells that it was not known so before; ask, that nobody knows what it
// asks for.
func (cs *clients) show(leg bridge.Leg, jid string, c caps) (fresh, ask bool) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	of := cs.all[leg]
	old := of[jid]
	if old != nil && old.caps == c {
		return false, false
	}
	if old == nil && (cs.n >= maxClients || len(of) >= maxClientsOfLeg) {
		return false, false
	}
	if of == nil {
		of = make(map[string]*client)
		cs.all[leg] = of
	}
	if old == nil {
		cs.n++
	}
	x := &client{jid: jid, caps: c, sent: make(map[string]string)}
	of[jid] = x
	wants, known := cs.known.Get(c.key())
	if known {
		x.wants = wants.(payload.Wants)
	}
	return true, !known
}

// key names what a client can, in the cache.
func (c caps) key() string { return c.hash + " " + c.node + "#" + c.ver }

// describe notes what the client jid asks for, if it still shows the caps that
// it was asked about; with verified it is true of all that show these.
func (cs *clients) describe(leg bridge.Leg, jid string, c caps, wants payload.Wants, verified bool) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if verified {
		if cs.known.ItemCount() >= maxKnown {
			cs.known.Flush()
		}
		cs.known.SetDefault(c.key(), wants)
	}
	if x := cs.all[leg][jid]; x != nil && x.caps == c {
		x.wants = wants
	}
}

// leave forgets a client, or all of the leg's watcher when jid is "".
func (cs *clients) leave(leg bridge.Leg, jid string) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	of := cs.all[leg]
	for full := range of {
		if jid == "" || full == jid {
			delete(of, full)
			cs.n--
		}
	}
	if len(of) == 0 {
		delete(cs.all, leg)
	}
}

// clear forgets all clients: the stream on which they showed themselves is
// gone. What capabilities mean stays known.
func (cs *clients) clear() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	clear(cs.all)
	cs.n = 0
	cs.known.DeleteExpired()
}

// seen takes in that a resource of a Jabber user has sent presence to a
// virtual user.
func (c *component) seen(leg bridge.Leg, s *stanza) {
	if s.kind == unavailable {
		_, resource := partsOf(s.from)
		if resource == "" {
			c.clients.leave(leg, "")
		} else {
			c.clients.leave(leg, s.from)
		}
		return
	}
	if s.caps.ver == "" || s.caps.node == "" {
		return
	}
	fresh, ask := c.clients.show(leg, s.from, s.caps)
	switch {
	case ask:
		c.askCaps(leg, s.from, bareOf(s.to), s.caps)
	case fresh:
		c.push(leg)
	}
}

// askCaps asks a client what its capabilities mean (XEP-0115 §6.2).
func (c *component) askCaps(leg bridge.Leg, to, from string, what caps) {
	node := what.node + "#" + what.ver
	c.ask(question{why: askCaps, leg: leg, to: to, caps: what}, from, func(dst []byte) []byte {
		return append(payload.AppendAttr(append(dst, "<query xmlns='"+payload.NSInfo+"'"...), "node", node), '/', '>')
	})
}

// takeCaps takes in what a client has said of its capabilities.
func (c *component) takeCaps(q question, s *stanza) {
	if s.described == nil {
		return
	}
	// XEP-0115 §5.4: what does not give the same string is true of this
	// client alone.
	verified := q.caps.hash == "sha-1" && s.described.Ver() == q.caps.ver
	c.clients.describe(q.leg, q.to, q.caps, payload.WantsOf(s.described.Features), verified)
	c.push(q.leg)
}
