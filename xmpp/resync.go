package xmpp

import (
	"crypto/rand"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

// resync makes both sides right after the stream was joined (again): XEP-0114
// has no resumption, so whatever happened meanwhile was missed. The state of
// each watch is sent again and each follow is probed.
//
// It also keeps account of all probes of follows. Servers do not answer for a
// user who is offline (RFC 6121 §4.3.2 step 3 leaves that open), so one who
// does not answer though her server is up is offline.
//
// All fields but those under mu belong to the writer.
type resync struct {
	resend []bridge.Leg // watches whose state is still to be sent
	probes []bridge.Leg // follows that are still to be probed
	step   time.Time    // when the next batch of them is due
	check  time.Time    // when to look for silent ones; zero for never

	mu      sync.Mutex
	waiting map[bridge.Leg]probed // and not answered
	pings   map[string]string     // id of each ping in flight: the domain
	alive   map[string]bool       // domains that have answered since the last check
	heard   time.Time             // when the last ping was answered
}

// probed is how long to wait for the answer to a probe, and whether it is the
// second. The first answer may have gone to a connection that has just ended:
// ejabberd spreads what comes for a component over all that it knows.
type probed struct {
	until  time.Time
	second bool
}

func newResync() *resync {
	return &resync{waiting: make(map[bridge.Leg]probed), pings: make(map[string]string), alive: make(map[string]bool)}
}

// begin starts over.
func (r *resync) begin(resend, probes []bridge.Leg, now time.Time) {
	r.resend, r.probes, r.step, r.check = resend, probes, now, time.Time{}
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.waiting)
	clear(r.pings)
	clear(r.alive)
	r.heard = time.Time{}
}

// answered notes that leg's presentity, or her server, has said something.
func (r *resync) answered(leg bridge.Leg) {
	r.mu.Lock()
	delete(r.waiting, leg)
	r.mu.Unlock()
}

// wait notes that leg has been probed.
func (r *resync) wait(leg bridge.Leg, now time.Time) {
	r.mu.Lock()
	r.waiting[leg] = probed{until: now.Add(probePatience)}
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
	r.heard = time.Now()
	if s.kind == errorType && strings.HasPrefix(s.err.Condition, "remote-server-") {
		return
	}
	r.alive[domain] = true
}

// lastPong is when the last ping of this stream was answered, on whatever
// stream the answer came.
func (r *resync) lastPong() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.heard
}

// silent takes the legs that have not answered in time though their domain is
// alive, and begins to ask anew for signs of life. Those in again are to be
// probed for the second time, those in gone were. hosts are the domains of the
// legs that are still waited for.
func (r *resync) silent(now time.Time) (again, gone []bridge.Leg, hosts map[string]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	hosts = make(map[string]bool)
	for leg, p := range r.waiting {
		switch {
		case now.Before(p.until) || !r.alive[leg.Presentity.Host]:
		case p.second:
			gone = append(gone, leg)
			delete(r.waiting, leg)
			continue
		default:
			again = append(again, leg)
			r.waiting[leg] = probed{now.Add(probePatience), true}
		}
		hosts[leg.Presentity.Host] = true
	}
	clear(r.alive)
	for _, legs := range [][]bridge.Leg{again, gone} {
		slices.SortFunc(legs, func(a, b bridge.Leg) int { return strings.Compare(watchID(a), watchID(b)) })
	}
	return again, gone, hosts
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
func (r *resync) next() time.Time {
	if len(r.resend)+len(r.probes) > 0 && (r.check.IsZero() || r.step.Before(r.check)) {
		return r.step
	}
	return r.check
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
	c.questions.clear()
	c.follows.reset()
	c.clients.reset()
	c.resync.begin(c.watches.legs(), follows, time.Now())
}

// appendResync appends what is due.
func (c *component) appendResync(dst []byte, now time.Time) []byte {
	r := c.resync
	if !now.Before(r.step) {
		n := min(resyncBatch, len(r.resend))
		for _, leg := range r.resend[:n] {
			dst = c.appendResend(dst, leg)
		}
		r.resend = r.resend[n:]
		n = min(resyncBatch, len(r.probes))
		for _, leg := range r.probes[:n] {
			dst = c.appendFollowAgain(dst, leg, now)
		}
		r.probes = r.probes[n:]
		r.step = now.Add(resyncInterval)
	}
	if !r.check.IsZero() && !now.Before(r.check) {
		r.check = time.Time{}
		dst = c.appendCheck(dst, now)
	}
	return dst
}

// appendProbe appends the probe of a follow, and arranges that silence is
// noticed.
func (c *component) appendProbe(dst []byte, leg bridge.Leg, from, to string, now time.Time) []byte {
	c.resync.wait(leg, now)
	dst = c.appendKind(dst, from, to, probe, probeID())
	if c.resync.check.IsZero() {
		c.resync.check = now.Add(probePatience)
		dst = c.appendPings(dst, c.resync.hosts())
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
func (c *component) appendFollowAgain(dst []byte, leg bridge.Leg, now time.Time) []byte {
	from, ok := mapping.JID(leg.Watcher)
	to, ok2 := mapping.JID(leg.Presentity)
	if !ok || !ok2 {
		c.skip(leg, "")
		return dst
	}
	v, _ := c.port.hub.Standing(leg)
	switch v.State {
	case bridge.Active:
		c.introduce(leg)
		return c.appendProbe(dst, leg, from, to, now)
	case bridge.Pending:
		return c.appendKind(dst, from, to, subscribe, subscribeID())
	}
	return dst
}

// appendCheck closes those who have not answered, as far as their server is
// up, and goes on waiting for the rest.
func (c *component) appendCheck(dst []byte, now time.Time) []byte {
	again, gone, hosts := c.resync.silent(now)
	for _, leg := range again {
		dst = c.appendKind(dst, jidOf(leg.Watcher), jidOf(leg.Presentity), probe, probeID())
	}
	for _, leg := range gone {
		change := bridge.NewChange()
		c.log.Debug("no answer to a probe: offline", "watcher", leg.Watcher, "presentity", leg.Presentity, "change", change)
		rules := c.port.hub.Directory().Rules(leg.Presentity.Host)
		c.port.hub.Deliver(leg, change, func(old *presence.State) *presence.State {
			return rules.FromXMPP(old, mapping.Presence{Unavailable: true}, now)
		})
	}
	if len(hosts) > 0 {
		c.resync.check = now.Add(probePatience)
		dst = c.appendPings(dst, hosts)
	}
	return dst
}
