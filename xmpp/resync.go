package xmpp

import (
	"crypto/rand"
	"strings"
	"sync"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

// resync makes both sides right after the stream was joined (again): XEP-0114
// has no resumption, so whatever happened meanwhile was missed. The state of
// each watch is sent again, each follow is probed, and a Jabber user whose
// server is up but who does not answer has left.
//
// All fields but those under mu belong to the writer.
type resync struct {
	resend   []bridge.Leg // watches whose state is still to be sent
	probes   []bridge.Leg // follows that are still to be probed
	deadline time.Time    // for the answers; zero until all probes are out

	mu      sync.Mutex
	waiting map[bridge.Leg]struct{} // probed and not answered
	pings   map[string]string       // id of each ping in flight: the domain
	alive   map[string]bool         // domains that have answered a ping of this resync
}

func newResync() *resync { return &resync{pings: make(map[string]string)} }

// begin starts over.
func (r *resync) begin(resend, probes []bridge.Leg) {
	r.resend, r.probes, r.deadline = resend, probes, time.Time{}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = make(map[bridge.Leg]struct{})
	r.pings = make(map[string]string)
	r.alive = make(map[string]bool)
}

// answered notes that leg's presentity, or her server, has said something.
func (r *resync) answered(leg bridge.Leg) {
	r.mu.Lock()
	delete(r.waiting, leg)
	r.mu.Unlock()
}

func (r *resync) wait(leg bridge.Leg) {
	r.mu.Lock()
	r.waiting[leg] = struct{}{}
	r.mu.Unlock()
}

// ping notes a ping to domain and returns its unguessable id. Pings that were
// never answered are forgotten when there are too many.
func (r *resync) ping(domain string) (id string) {
	id = rand.Text()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.pings) > 1000 {
		clear(r.pings)
	}
	r.pings[id] = domain
	return id
}

// pong takes an answer to an iq. Any answer of the domain itself shows that it
// is up; an error about reaching it shows the contrary.
func (r *resync) pong(s *stanza) {
	r.mu.Lock()
	defer r.mu.Unlock()
	domain, ok := r.pings[s.id]
	if !ok || domain != s.from {
		return
	}
	delete(r.pings, s.id)
	if s.kind == errorType && strings.HasPrefix(s.err.Condition, "remote-server-") {
		return
	}
	r.alive[domain] = true
}

// silent takes the legs that have not answered though their domain is alive,
// and returns the domains of the others.
func (r *resync) silent() (gone []bridge.Leg, unreached map[string]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	unreached = make(map[string]bool)
	for leg := range r.waiting {
		if r.alive[leg.Presentity.Host] {
			gone = append(gone, leg)
			delete(r.waiting, leg)
		} else {
			unreached[leg.Presentity.Host] = true
		}
	}
	return gone, unreached
}

// hosts returns the domains of the legs that are waited for.
func (r *resync) hosts() map[string]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	hosts := make(map[string]bool)
	for leg := range r.waiting {
		hosts[leg.Presentity.Host] = true
	}
	return hosts
}

// next returns when the next step is due; zero for never.
func (r *resync) next(now time.Time) time.Time {
	if len(r.resend)+len(r.probes) > 0 {
		return now.Add(resyncInterval)
	}
	return r.deadline
}

// beginResync lists what is to be told and asked after the stream was joined.
func (c *component) beginResync() {
	var follows []bridge.Leg
	c.port.hub.Attached(portName, func(leg bridge.Leg, v bridge.Verdict, _ *presence.State, _ []byte) {
		if leg.Watcher.Host == c.domain && (v.State == bridge.Active || v.State == bridge.Pending) {
			follows = append(follows, leg)
		}
	})
	c.watches.newStream()
	c.resync.begin(c.watches.legs(), follows)
}

// appendResync appends the next batch.
func (c *component) appendResync(dst []byte, now time.Time) []byte {
	r := c.resync
	n := min(resyncBatch, len(r.resend))
	for _, leg := range r.resend[:n] {
		dst = c.appendResend(dst, leg)
	}
	r.resend = r.resend[n:]
	n = min(resyncBatch, len(r.probes))
	for _, leg := range r.probes[:n] {
		dst = c.appendFollowAgain(dst, leg)
	}
	r.probes = r.probes[n:]
	switch {
	case n > 0 && len(r.probes) == 0:
		r.deadline = now.Add(probePatience)
		return c.appendPings(dst, r.hosts())
	case !r.deadline.IsZero() && !now.Before(r.deadline):
		return c.endResync(dst, now)
	}
	return dst
}

// appendResend appends the present state of one watch, unless news of it came
// first.
func (c *component) appendResend(dst []byte, leg bridge.Leg) []byte {
	v, view := c.port.hub.Standing(leg)
	if v.State != bridge.Active {
		return dst
	}
	if !c.watches.resend(leg) {
		return dst
	}
	return c.appendItem(dst, &bridge.Item{Leg: leg, ID: watchID(leg), View: view, Verdict: v, Change: bridge.NewChange()})
}

// appendFollowAgain appends the probe of one follow, or its request once more
// when it was never answered: a server keeps one request of each, so nobody is
// asked twice (RFC 6121 §3.1.3 step 4).
func (c *component) appendFollowAgain(dst []byte, leg bridge.Leg) []byte {
	from, ok := mapping.JID(leg.Watcher)
	to, ok2 := mapping.JID(leg.Presentity)
	if !ok || !ok2 {
		c.skip(leg, "")
		return dst
	}
	v, _ := c.port.hub.Standing(leg)
	switch v.State {
	case bridge.Active:
		c.resync.wait(leg)
		return c.appendKind(dst, from, to, probe, probeID())
	case bridge.Pending:
		return c.appendKind(dst, from, to, subscribe, subscribeID())
	}
	return dst
}

// endResync closes what has not answered, as far as its server is up, and
// waits for the rest.
func (c *component) endResync(dst []byte, now time.Time) []byte {
	gone, unreached := c.resync.silent()
	for _, leg := range gone {
		change := bridge.NewChange()
		c.log.Debug("gone while the stream was down", "watcher", leg.Watcher, "presentity", leg.Presentity, "change", change)
		c.port.hub.Deliver(leg, change, func(old *presence.State) *presence.State {
			if old == nil {
				return nil
			}
			return mapping.FromXMPP(old, mapping.Presence{Unavailable: true}, now)
		})
	}
	c.resync.deadline = time.Time{}
	if len(unreached) > 0 {
		c.resync.deadline = now.Add(probePatience)
		dst = c.appendPings(dst, unreached)
	}
	return dst
}
