package webapi

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/webapi/wire"
)

// maxExpires is the longest lifetime that a client may ask for.
const maxExpires = 366 * 24 * time.Hour

// publication is what a feed publishes. It lives as long as the feed: the port
// refreshes it, and lets it run out a moment after the socket has gone.
type publication struct {
	presentity presence.Addr

	// mu keeps the entity-tags in order: it is held while the hub stores. Only
	// this feed's reader and its refresh wait for it.
	mu    sync.Mutex
	etag  string // "": nothing is published
	state *presence.State
	until time.Time // when the client wants it to end; zero: never

	next sync.Mutex // guards at
	at   time.Time  // of the next refresh; zero: none
}

// due reports whether a refresh is due, and takes it: it is told once.
func (p *publication) due(now time.Time) bool {
	if p == nil {
		return false
	}
	p.next.Lock()
	defer p.next.Unlock()
	if p.at.IsZero() || now.Before(p.at) {
		return false
	}
	p.at = time.Time{}
	return true
}

// schedule sets the time of the next refresh; zero: none.
func (p *publication) schedule(at time.Time) {
	p.next.Lock()
	p.at = at
	p.next.Unlock()
}

// lifetime is what to ask the hub for now; 0 when the client's time is over.
func (p *publication) lifetime(now time.Time) time.Duration {
	if p.until.IsZero() {
		return publishHorizon
	}
	return max(0, min(publishHorizon, p.until.Sub(now)))
}

// put publishes s, or refreshes with s nil. p.mu is held.
func (p *publication) put(ctx context.Context, hub *bridge.Hub, s *presence.State) error {
	now := time.Now()
	pub := bridge.Publication{Presentity: p.presentity, Source: portName, IfMatch: p.etag,
		Expires: p.lifetime(now), State: s, Change: bridge.NewChange()}
	rec, err := hub.Publish(ctx, pub)
	if errors.Is(err, &bridge.Error{Kind: bridge.Stale}) {
		// RFC 3903 §6 step 3: the tag is not known any more; publish anew.
		pub.IfMatch, pub.Change = "", bridge.NewChange()
		if s == nil {
			pub.State = p.state
		}
		rec, err = hub.Publish(ctx, pub)
	}
	if err != nil {
		return err
	}
	p.etag = rec.ETag
	if s != nil {
		p.state = s
	}
	next := now.Add(rec.Expires / 2)
	if !p.until.IsZero() && p.until.Sub(now) <= publishHorizon {
		next = p.until // the hub has it until then
	}
	p.schedule(next)
	return nil
}

// refresh keeps the publication alive; ended says that its time is over, and
// that the hub has let it expire.
func (p *publication) refresh(ctx context.Context, c *conn) (ended bool) {
	ctx, cancel := context.WithTimeout(ctx, hubTimeout)
	defer cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.etag == "":
		return false
	case p.lifetime(time.Now()) == 0:
		p.etag, p.state = "", nil
		return true
	}
	err := p.put(ctx, c.port.hub, nil)
	if err != nil {
		c.log.Warn("refreshing a publication", "presentity", p.presentity, "err", err)
		p.schedule(time.Now().Add(publishGrace)) // try again
	}
	return false
}

// outlive leaves the publication to expire, a while after its feed has gone.
func (p *publication) outlive(ctx context.Context, c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.schedule(time.Time{})
	if p.etag == "" {
		return
	}
	left := min(publishGrace, p.lifetime(time.Now()))
	if left <= 0 {
		return
	}
	_, err := c.port.hub.Publish(ctx, bridge.Publication{Presentity: p.presentity, Source: portName,
		IfMatch: p.etag, Expires: left, Change: bridge.NewChange()})
	if err != nil {
		c.log.Debug("leaving a publication", "presentity", p.presentity, "err", err)
	}
	p.etag = ""
}

// publish serves publish: the state of the token's holder, in place of what
// this feed has published before.
func (c *conn) publish(ctx context.Context, r *wire.Request) error {
	if len(r.Presence) == 0 {
		return bridge.Errorf(bridge.Malformed, "presence is missing")
	}
	if r.ExpiresS < 0 || r.ExpiresS > int64(maxExpires/time.Second) {
		return bridge.Errorf(bridge.Malformed, "expires_s must be from 0 to %d", maxExpires/time.Second)
	}
	s, err := mapping.FromJSON(r.Presence)
	if err != nil {
		return bridge.Errorf(bridge.Malformed, "presence: %v", err)
	}
	c.mu.Lock()
	if c.pub == nil {
		c.pub = &publication{presentity: c.account.addr}
	}
	p := c.pub
	c.mu.Unlock()
	p.mu.Lock()
	old := p.until
	p.until = time.Time{}
	if r.ExpiresS > 0 {
		p.until = time.Now().Add(time.Duration(r.ExpiresS) * time.Second)
	}
	err = p.put(ctx, c.port.hub, s)
	etag := p.etag
	if err != nil {
		p.until = old
	}
	p.mu.Unlock()
	if err != nil {
		return err
	}
	return c.send(wire.Published{Op: wire.OpPublished, Ref: r.Ref, ETag: etag, ExpiresS: r.ExpiresS})
}

// unpublish removes what this feed has published; it is no error that there is
// nothing.
func (c *conn) unpublish(ctx context.Context, r *wire.Request) error {
	c.mu.Lock()
	p := c.pub
	c.mu.Unlock()
	if p != nil {
		err := p.remove(ctx, c.port.hub)
		if err != nil {
			return err
		}
	}
	return c.send(wire.Published{Op: wire.OpUnpublished, Ref: r.Ref})
}

func (p *publication) remove(ctx context.Context, hub *bridge.Hub) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.etag == "" {
		return nil
	}
	_, err := hub.Publish(ctx, bridge.Publication{Presentity: p.presentity, Source: portName,
		IfMatch: p.etag, Change: bridge.NewChange()})
	if err != nil && !errors.Is(err, &bridge.Error{Kind: bridge.Stale}) {
		return err
	}
	p.etag, p.state = "", nil
	p.schedule(time.Time{})
	return nil
}
