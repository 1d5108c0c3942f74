package webapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/webapi/wire"
)

// The lifetime of what PUT publishes, unless the client says otherwise.
const defaultExpires = time.Hour

// caller returns whom the request's token acts for, and the address in its
// path. It answers the request when either is missing.
func (p *Port) caller(w http.ResponseWriter, r *http.Request) (who, about presence.Addr, ok bool) {
	token, _ := bearer(r)
	a := p.accounts.find(token)
	if a == nil {
		problem(w, errNoToken)
		return who, about, false
	}
	about, err := p.parseAddress(r.PathValue("address"))
	if err != nil {
		problem(w, bridge.Errorf(bridge.Malformed, "the path must end with an address: it is %v", err))
		return who, about, false
	}
	return a.addr, about, true
}

// fail answers a request that did not succeed.
func (p *Port) fail(w http.ResponseWriter, r *http.Request, about presence.Addr, err error) {
	if e := asError(err); e.Err != nil {
		p.log.Warn("request failed", "method", r.Method, "presentity", about, "kind", e.Kind, "err", e.Err)
	}
	problem(w, err)
}

// getPresence serves GET /v1/presence/{address}: what the token's holder may
// see of it now.
func (p *Port) getPresence(w http.ResponseWriter, r *http.Request) {
	who, about, ok := p.caller(w, r)
	if !ok {
		return
	}
	state, view, err := p.fetch(r.Context(), bridge.Leg{Watcher: who, Presentity: about})
	if err != nil {
		p.fail(w, r, about, err)
		return
	}
	snap := wire.Snapshot{Address: about.String(), State: state.String()}
	if view != nil {
		snap.Rev, snap.Presence = view.Version, view.Bytes(jsonFormat)
	}
	respond(w, "application/json", http.StatusOK, snap)
}

// fetch asks the hub for the state once. The view is nil while the presentity
// has not decided, or when its home has not answered.
func (p *Port) fetch(ctx context.Context, leg bridge.Leg) (bridge.SubState, *bridge.View, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchPatience)
	defer cancel()
	box := bridge.NewOutbox()
	change := bridge.NewChange()
	v, err := p.hub.Watch(ctx, bridge.WatchRequest{Leg: leg, Port: portName, ID: "fetch." + string(change),
		Outbox: box, Change: change})
	if err != nil {
		return v.State, nil, err
	}
	for {
		for _, it := range box.Take(nil) {
			switch {
			case it.Probe:
			case it.View != nil:
				// The item's verdict is that the fetch is over.
				return bridge.Active, it.View, nil
			default:
				return v.State, nil, nil
			}
		}
		select {
		case <-box.Wake:
		case <-ctx.Done():
			return v.State, nil, bridge.Errorf(bridge.Timeout, "the presentity's home has not answered")
		}
	}
}

// ownPublications are what clients have published with PUT: one for each
// address that a token acts for.
type ownPublications struct {
	mu sync.Mutex
	of map[presence.Addr]*ownPublication
}

// ownPublication is one of them. mu is held while the hub stores, so that two
// requests of one client come one after the other.
type ownPublication struct {
	mu   sync.Mutex
	etag string
}

func (o *ownPublications) get(a presence.Addr) *ownPublication {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.of[a]
	if p == nil {
		p = new(ownPublication)
		o.of[a] = p
	}
	return p
}

var errNotOwn = bridge.Errorf(bridge.Forbidden, "the token acts for another address")

// putPresence serves PUT /v1/presence/{own address}: it publishes, in place of
// what was published so before. ?expires=SECONDS sets the lifetime; If-Match
// names an earlier answer's ETag.
func (p *Port) putPresence(w http.ResponseWriter, r *http.Request) {
	who, about, ok := p.caller(w, r)
	if !ok {
		return
	}
	pub, err := p.readPublication(w, r)
	if err == nil && who != about {
		err = errNotOwn
	}
	if err != nil {
		p.fail(w, r, about, err)
		return
	}
	pub.Presentity = who
	rec, err := p.own.get(who).put(r, p.hub, pub)
	if err != nil {
		p.fail(w, r, about, err)
		return
	}
	w.Header().Set("ETag", strconv.Quote(rec.ETag))
	respond(w, "application/json", http.StatusOK, wire.Published{Op: wire.OpPublished, ETag: rec.ETag,
		ExpiresS: int64(rec.Expires / time.Second)})
}

// readPublication reads the body and lifetime of a PUT.
func (p *Port) readPublication(w http.ResponseWriter, r *http.Request) (bridge.Publication, error) {
	pub := bridge.Publication{Source: portName, Expires: defaultExpires, Change: bridge.NewChange()}
	if ct := r.Header.Get("Content-Type"); ct != "" && !strings.HasPrefix(ct, "application/json") {
		// curl -d says this of everything.
		if !strings.HasPrefix(ct, "application/x-www-form-urlencoded") {
			return pub, bridge.Errorf(bridge.Unsupported, "the body must be application/json")
		}
	}
	if s := r.URL.Query().Get("expires"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 1 || n > int64(maxExpires/time.Second) {
			return pub, bridge.Errorf(bridge.Malformed, "expires must be from 1 to %d seconds", maxExpires/time.Second)
		}
		pub.Expires = time.Duration(n) * time.Second
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(p.limits.FrameBytes)))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return pub, bridge.Errorf(bridge.TooLarge, "the body is larger than %d bytes", tooLarge.Limit)
	case err != nil:
		return pub, bridge.Errorf(bridge.Malformed, "the body could not be read")
	}
	pub.State, err = mapping.FromJSON(body)
	if err != nil {
		return pub, bridge.Errorf(bridge.Malformed, "presence: %v", err)
	}
	return pub, nil
}

// put publishes pub for the request r.
func (o *ownPublication) put(r *http.Request, hub *bridge.Hub, pub bridge.Publication) (bridge.Receipt, error) {
	ctx, cancel := context.WithTimeout(r.Context(), hubTimeout)
	defer cancel()
	o.mu.Lock()
	defer o.mu.Unlock()
	pub.IfMatch = o.etag
	asked := ifMatch(r)
	if asked != "" {
		pub.IfMatch = asked
	}
	rec, err := hub.Publish(ctx, pub)
	if asked == "" && errors.Is(err, &bridge.Error{Kind: bridge.Stale}) {
		pub.IfMatch = "" // the last one has expired
		rec, err = hub.Publish(ctx, pub)
	}
	if err == nil {
		o.etag = rec.ETag
	}
	return rec, err
}

// deletePresence serves DELETE /v1/presence/{own address}: it removes what PUT
// has published.
func (p *Port) deletePresence(w http.ResponseWriter, r *http.Request) {
	who, about, ok := p.caller(w, r)
	if !ok {
		return
	}
	err := error(errNotOwn)
	if who == about {
		err = p.own.get(who).remove(r, p.hub, who)
	}
	if err != nil {
		p.fail(w, r, about, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (o *ownPublication) remove(r *http.Request, hub *bridge.Hub, who presence.Addr) error {
	ctx, cancel := context.WithTimeout(r.Context(), hubTimeout)
	defer cancel()
	o.mu.Lock()
	defer o.mu.Unlock()
	etag := o.etag
	asked := ifMatch(r)
	if asked != "" {
		etag = asked
	}
	if etag == "" {
		return nil
	}
	_, err := hub.Publish(ctx, bridge.Publication{Presentity: who, Source: portName, IfMatch: etag,
		Change: bridge.NewChange()})
	if asked == "" && errors.Is(err, &bridge.Error{Kind: bridge.Stale}) {
		err = nil // it has expired: there is nothing to remove
	}
	if err == nil && etag == o.etag {
		o.etag = ""
	}
	return err
}

// ifMatch returns the entity-tag of the If-Match field, without its quotes.
func ifMatch(r *http.Request) string {
	return strings.Trim(strings.TrimPrefix(strings.TrimSpace(r.Header.Get("If-Match")), "W/"), `"`)
}
