package bridge

import (
	"time"

	"github.com/porchlight-im/porchlight/bridge/store"
)

// answerPatience is how long whoever got no answer may send the same request
// again: 64·T1 (RFC 3261 §17.1.2.2).
const answerPatience = 32 * time.Second

// remember stores for a while that request has removed pub and got etag, so
// that the next process can say so again when the answer is lost with this
// one. forget, called in a critical section, takes it back.
func (h *Hub) remember(sh *shard, pub *publication, request, etag string, fx *effects) (forget func(*effects)) {
	if request == "" {
		return func(*effects) {}
	}
	key := key(kindRemoval, addrPart(pub.of.addr), pub.id)
	until := time.Now().Add(answerPatience)
	fx.record(store.Record{Key: key, Value: newValue(len(request) + len(etag)).string(request).string(etag).time(until).b})
	gone := func(fx *effects) { fx.record(store.Record{Key: key}) }
	due := sh.schedule(h, nil, until, gone)
	return func(fx *effects) {
		sh.cancel(due)
		gone(fx)
	}
}

// loadRemoval takes in what remember of an earlier process has stored.
func (h *Hub) loadRemoval(sh *shard, pr *presentity, key string, f *fields) (kept bool, err error) {
	request, etag, until := f.string(), f.string(), f.time()
	if f.err() != nil {
		return false, f.err()
	}
	if !pr.here || !until.After(time.Now()) {
		return false, nil
	}
	if pr.removed == nil {
		pr.removed = map[string]string{}
	}
	pr.removed[request] = etag
	sh.schedule(h, nil, until, func(fx *effects) {
		delete(pr.removed, request)
		fx.record(store.Record{Key: key})
		sh.drop(pr)
	})
	return true, nil
}
