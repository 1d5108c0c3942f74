package bridge

import (
	"context"
	"crypto/rand"
	"slices"
	"time"

	"github.com/porchlight-im/porchlight/bridge/policy"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

// publication is one source's soft state.
type publication struct {
	of      *presentity
	id      string // for as long as it lives
	etag    string
	source  string
	class   presence.SourceClass
	request string // that made etag
	state   *presence.State
	raw     []byte    // state as the store keeps it
	seq     uint64    // when it first came
	changed uint64    // when its state last changed
	arrived time.Time // then
	expires time.Time
	due     *due
}

// Publish applies p to a homed presentity: RFC 3903 §6 steps 3 to 6, atomic.
// When it returns without error the change is stored. Errors: NotFound (no
// such presentity here), Stale, Internal; state is as before then.
func (h *Hub) Publish(ctx context.Context, p Publication) (Receipt, error) {
	dom := h.cfg.Directory.Home(p.Presentity)
	if dom == nil || !dom.Here {
		return Receipt{}, Errorf(NotFound, "no such presentity here")
	}
	sh := h.shard(p.Presentity)
	var raw []byte
	if p.State != nil {
		raw = h.cfg.Codec.Append(nil, p.State)
	}
	var (
		r    Receipt
		undo func(*effects)
		err  error
	)
	fx := h.section(sh, func(fx *effects) {
		pr := sh.presentity(p.Presentity, dom)
		r, undo, err = h.apply(sh, pr, p, raw, fx)
		sh.drop(pr)
	})
	werr := h.finish(sh, fx)
	if err != nil {
		h.log.Debug("publish", "presentity", p.Presentity, "change", p.Change, "err", err)
		return Receipt{}, err
	}
	if werr == nil {
		return r, nil
	}
	// RFC 3903 §6 step 5: what could not be stored does not succeed.
	if undo != nil {
		h.leave(sh, h.section(sh, undo))
	}
	return Receipt{}, storeError(werr)
}

// Known reports whether a live publication of presentity has the entity-tag,
// so that a port can say so before it looks at the rest of a request
// (RFC 3903 §6 step 3). It does not block on the store.
func (h *Hub) Known(presentity presence.Addr, etag string) bool {
	sh := h.shard(presentity)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	pr := sh.presentities[presentity]
	return pr != nil && pr.byTag(etag) != nil
}

// Receipt returns the receipt of a publication that was done before, by its
// name (Publication.Request), while it is known: the publication is as it left
// it, or it has removed one a moment ago. It does not block on the store.
func (h *Hub) Receipt(presentity presence.Addr, request string) (Receipt, bool) {
	sh := h.shard(presentity)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	pr := sh.presentities[presentity]
	if pr == nil {
		return Receipt{}, false
	}
	return pr.receipt(request)
}

// receipt is Receipt with the shard locked.
func (pr *presentity) receipt(request string) (Receipt, bool) {
	pub := pr.byRequest(request)
	if pub != nil {
		return Receipt{pub.etag, time.Until(pub.expires)}, true
	}
	etag, ok := pr.removed[request]
	return Receipt{ETag: etag}, ok
}

// apply does the critical section of Publish. undo, a critical section too,
// takes it back; it may be nil.
func (h *Hub) apply(sh *shard, pr *presentity, p Publication, raw []byte, fx *effects) (r Receipt, undo func(*effects), err error) {
	r, done := pr.receipt(p.Request)
	if done {
		return r, nil, nil
	}
	var pub *publication
	if p.IfMatch != "" {
		pub = pr.byTag(p.IfMatch)
		// RFC 3903 §6 step 3: unknown entity-tag → 412.
		if pub == nil {
			return r, nil, Errorf(Stale, "no publication has this entity-tag")
		}
	}
	r = Receipt{ETag: newTag(), Expires: p.Expires}
	if p.Expires <= 0 {
		// RFC 3903 §6 step 5: removal; an initial publication with Expires 0
		// leaves nothing.
		if pub != nil {
			h.remove(sh, pub, fx)
			forget := h.remember(sh, pub, p.Request, r.ETag, fx)
			h.recompose(sh, pr, p.Change, fx)
			undo = func(fx *effects) {
				forget(fx)
				h.revive(sh, pub, p.Change, fx)
			}
		}
		return r, undo, nil
	}
	if pub == nil && p.State == nil {
		return Receipt{}, nil, Errorf(Malformed, "neither a state nor an entity-tag")
	}
	return r, h.change(sh, pr, pub, p, raw, r, fx), nil
}

// change makes (pub is nil) or changes one publication and tells the watchers.
func (h *Hub) change(sh *shard, pr *presentity, pub *publication, p Publication, raw []byte, r Receipt, fx *effects) (undo func(*effects)) {
	fresh := pub == nil
	if fresh {
		h.makeRoom(sh, pr, fx)
		pub = &publication{of: pr, id: r.ETag, source: p.Source, class: p.Class, seq: h.seq.Add(1)}
		pr.pubs = append(pr.pubs, pub)
	}
	before := *pub
	if p.State != nil {
		p.State, raw = h.keepIDs(pr, pub, p.State, raw)
	}
	now := time.Now()
	pub.etag, pub.request, pub.expires = r.ETag, p.Request, now.Add(p.Expires)
	if p.State != nil {
		pub.state, pub.raw, pub.class = p.State, raw, p.Class
		pub.changed, pub.arrived = h.seq.Add(1), now
	}
	h.setDue(sh, pub, pub.expires)
	fx.record(pub.record())
	if p.State != nil {
		h.recompose(sh, pr, p.Change, fx)
	}
	return func(fx *effects) {
		if pub.etag != r.ETag || !slices.Contains(pub.of.pubs, pub) {
			return // changed again, or gone, since
		}
		if fresh {
			h.remove(sh, pub, fx)
		} else {
			due := pub.due
			*pub = before
			pub.due = due
			h.setDue(sh, pub, pub.expires)
			fx.record(pub.record())
		}
		h.recompose(sh, pub.of, p.Change, fx)
		sh.drop(pub.of)
	}
}

// keepIDs gives s, what pub says from now on, the ids that watchers know. raw,
// which is s as the store keeps it, is made anew when they are not its own.
func (h *Hub) keepIDs(pr *presentity, pub *publication, s *presence.State, raw []byte) (*presence.State, []byte) {
	keep := presence.Keep{Source: pub.id, Shown: pr.state, Own: pub.state, Strict: h.cfg.Directory.Rules(pr.addr.Host).Strict()}
	for _, o := range pr.pubs {
		if o != pub {
			keep.Others = append(keep.Others, o.state)
		}
	}
	kept := keep.IDs(s)
	if kept != s {
		raw = h.cfg.Codec.Append(nil, kept)
	}
	return kept, raw
}

// makeRoom removes the publication that ends first when there are too many:
// its source will learn it at its next refresh, and publish anew.
func (h *Hub) makeRoom(sh *shard, pr *presentity, fx *effects) {
	if len(pr.pubs) < maxPublications {
		return
	}
	h.remove(sh, slices.MinFunc(pr.pubs, func(a, b *publication) int { return a.expires.Compare(b.expires) }), fx)
}

// setDue makes pub expire at t.
func (h *Hub) setDue(sh *shard, pub *publication, t time.Time) {
	pub.due = sh.schedule(h, pub.due, t, func(fx *effects) {
		h.remove(sh, pub, fx)
		fx.touch(pub.of)
	})
}

// remove takes a publication out; the caller has its presentity composed anew.
func (h *Hub) remove(sh *shard, pub *publication, fx *effects) {
	pr := pub.of
	i := slices.Index(pr.pubs, pub)
	if i < 0 {
		return
	}
	pr.pubs = slices.Delete(pr.pubs, i, i+1)
	sh.cancel(pub.due)
	fx.record(pub.gone())
}

// revive takes back the removal of pub.
func (h *Hub) revive(sh *shard, pub *publication, change ChangeID, fx *effects) {
	dom := h.cfg.Directory.Home(pub.of.addr)
	if dom == nil {
		return
	}
	pub.of = sh.presentity(pub.of.addr, dom)
	pub.of.pubs = append(pub.of.pubs, pub)
	h.setDue(sh, pub, pub.expires)
	fx.record(pub.record())
	h.recompose(sh, pub.of, change, fx)
}

// newTag returns an entity-tag that was never given before (80 random bits).
func newTag() string { return rand.Text()[:16] }

func (pr *presentity) byTag(etag string) *publication {
	for _, p := range pr.pubs {
		if p.etag == etag {
			return p
		}
	}
	return nil
}

func (pr *presentity) byRequest(request string) *publication {
	if request == "" {
		return nil
	}
	for _, p := range pr.pubs {
		if p.request == request {
			return p
		}
	}
	return nil
}

// recompose makes the presentity's state anew and, if that says something
// else than before, tells the watchers.
func (h *Hub) recompose(sh *shard, pr *presentity, change ChangeID, fx *effects) {
	sources := make([]presence.Source, len(pr.pubs))
	for i, p := range pr.pubs {
		sources[i] = presence.Source{ID: p.id, Class: p.class, Seq: p.seq, Changed: p.changed, Arrived: p.arrived, State: p.state}
	}
	s, next := h.cfg.Directory.Rules(pr.addr.Host).Compose(sources, time.Now())
	sh.cancel(pr.again)
	if !next.IsZero() {
		pr.again = sh.schedule(h, pr.again, next, func(fx *effects) { fx.touch(pr) })
	}
	if presence.Equal(pr.state, s) {
		return
	}
	pr.state, pr.change, pr.views = s, change, nil
	pr.version++
	told := 0
	for _, l := range pr.legs {
		told += h.fanOut(pr, l, change)
	}
	version, n := pr.version, len(pr.pubs)
	fx.log(func() {
		h.log.Debug("fan out", "presentity", pr.addr, "change", change, "version", version, "sources", n, "watchers", told)
	})
}

// fanOut tells one leg's subscriptions of the new state.
func (h *Hub) fanOut(pr *presentity, l *legEntry, change ChangeID) (told int) {
	v, view := h.standing(pr, l)
	if v.State != Active || v.Hidden {
		return 0
	}
	for _, s := range l.subs {
		s.put(Item{View: view, Verdict: v, Change: change})
		told++
	}
	return told
}

// view returns the presentity's state as class sees it.
func (h *Hub) view(pr *presentity, class policy.Class) *View {
	if v := pr.views[class]; v != nil {
		return v
	}
	if pr.state == nil {
		pr.state, _ = presence.Compose(nil, time.Now())
	}
	v := h.newView(pr.addr, pr.version, policy.Apply(class, pr.addr, pr.state), pr.change)
	if pr.views == nil {
		pr.views = map[policy.Class]*View{}
	}
	pr.views[class] = v
	return v
}
