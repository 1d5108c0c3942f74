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
	request string // that made etag
	state   *presence.State
	raw     []byte // state as the store keeps it
	seq     uint64 // when it first came
	changed uint64 // when its state last changed
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
	var raw []byte
	if p.State != nil {
		raw = h.cfg.Codec.Append(nil, p.State)
	}
	sh := h.shard(p.Presentity)
	sh.mu.Lock()
	pr := sh.presentity(p.Presentity, dom)
	r, undo, fx, err := h.apply(sh, pr, p, raw)
	sh.drop(pr)
	sh.mu.Unlock()
	if err != nil {
		h.log.Debug("publish", "presentity", p.Presentity, "change", p.Change, "err", err)
		return Receipt{}, err
	}
	werr := h.finish(fx)
	if werr != nil {
		sh.mu.Lock()
		undo()
		sh.mu.Unlock()
		return Receipt{}, storeError(werr)
	}
	return r, nil
}

// apply does the critical section of Publish. undo, to be called under the
// lock too, takes it back.
func (h *Hub) apply(sh *shard, pr *presentity, p Publication, raw []byte) (r Receipt, undo func(), fx *effects, err error) {
	fx = &effects{}
	undo = func() {}
	pub := pr.byRequest(p.Request)
	if pub != nil {
		return Receipt{pub.etag, time.Until(pub.expires)}, undo, fx, nil
	}
	if p.IfMatch != "" {
		pub = pr.byTag(p.IfMatch)
		// RFC 3903 §6 step 3: unknown entity-tag → 412.
		if pub == nil {
			return r, undo, fx, Errorf(Stale, "no publication has this entity-tag")
		}
	}
	r = Receipt{ETag: newTag(), Expires: p.Expires}
	if p.Expires <= 0 {
		// RFC 3903 §6 step 5: removal; an initial publication with Expires 0
		// leaves nothing.
		if pub != nil {
			undo = h.remove(sh, pub, p.Change, fx)
		}
		return r, undo, fx, nil
	}
	if pub == nil && p.State == nil {
		return Receipt{}, undo, fx, Errorf(Malformed, "neither a state nor an entity-tag")
	}
	undo = h.store1(sh, pr, pub, p, raw, r, fx)
	return r, undo, fx, nil
}

// store1 makes or changes one publication and tells the watchers.
func (h *Hub) store1(sh *shard, pr *presentity, pub *publication, p Publication, raw []byte, r Receipt, fx *effects) (undo func()) {
	fresh := pub == nil
	if fresh {
		pub = &publication{of: pr, id: r.ETag, source: p.Source, seq: h.seq.Add(1)}
		pr.pubs = append(pr.pubs, pub)
	}
	before := *pub
	pub.etag, pub.request, pub.expires = r.ETag, p.Request, time.Now().Add(p.Expires)
	if p.State != nil {
		pub.state, pub.raw, pub.changed = p.State, raw, h.seq.Add(1)
	}
	pub.due = sh.schedule(h, pub.due, pub.expires, func(fx *effects) { h.remove(sh, pub, NewChange(), fx) })
	h.record(fx, pub.record())
	if p.State != nil {
		h.recompose(sh, pr, p.Change)
	}
	return func() {
		if pub.etag != r.ETag {
			return // changed again since
		}
		if fresh {
			h.remove(sh, pub, p.Change, &effects{})
			sh.drop(pr)
			return
		}
		due := pub.due
		*pub = before
		pub.due = sh.schedule(h, due, pub.expires, func(fx *effects) { h.remove(sh, pub, NewChange(), fx) })
		h.recompose(sh, pr, p.Change)
	}
}

// remove ends a publication: removed by its source, or expired.
func (h *Hub) remove(sh *shard, pub *publication, change ChangeID, fx *effects) (undo func()) {
	pr := pub.of
	i := slices.Index(pr.pubs, pub)
	if i < 0 {
		return func() {}
	}
	pr.pubs = slices.Delete(pr.pubs, i, i+1)
	sh.cancel(pub.due)
	pub.due = nil
	h.record(fx, pub.gone())
	h.recompose(sh, pr, change)
	return func() {
		sh.presentities[pr.addr] = pr
		pr.pubs = append(pr.pubs, pub)
		pub.due = sh.schedule(h, nil, pub.expires, func(fx *effects) { h.remove(sh, pub, NewChange(), fx) })
		h.recompose(sh, pr, change)
	}
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
func (h *Hub) recompose(sh *shard, pr *presentity, change ChangeID) {
	sources := make([]presence.Source, len(pr.pubs))
	for i, p := range pr.pubs {
		sources[i] = presence.Source{ID: p.id, Seq: p.seq, Changed: p.changed, State: p.state}
	}
	s, next := presence.Compose(sources, time.Now())
	sh.cancel(pr.again)
	pr.again = nil
	if !next.IsZero() {
		pr.again = sh.schedule(h, nil, next, func(*effects) { h.recompose(sh, pr, NewChange()) })
	}
	d := h.digestOf(s)
	if pr.state != nil && d == pr.digest {
		return
	}
	pr.state, pr.digest, pr.change, pr.views = s, d, change, nil
	pr.version++
	told := 0
	for _, l := range pr.legs {
		told += h.fanOut(pr, l, change)
	}
	h.log.Debug("fan out", "presentity", pr.addr, "change", change, "version", pr.version, "sources", len(pr.pubs), "watchers", told)
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
		pr.digest = h.digestOf(pr.state)
	}
	v := &View{Presentity: pr.addr, Version: pr.version, State: policy.Apply(class, pr.addr, pr.state), Change: pr.change}
	if pr.views == nil {
		pr.views = map[policy.Class]*View{}
	}
	pr.views[class] = v
	return v
}
