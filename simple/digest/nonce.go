package digest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"sync"
	"time"

	"github.com/patrickmn/go-cache"
)

// nonceLife is how long a nonce is good for: a client that comes later is
// told to repeat with a new one.
const nonceLife = 5 * time.Minute

// maxUsed is how many used nonces are remembered at once.
const maxUsed = 50_000

// sweepEvery is how often the nonces that have expired are forgotten.
const sweepEvery = time.Minute

// nonces makes and checks nonces. A nonce is 8 bytes of time, 8 of chance and
// 16 of MAC, in base64.
type nonces struct {
	key [32]byte

	mu    sync.Mutex
	used  *cache.Cache // nonce → *window, of nonces that are good
	since time.Time    // nonces older than this are not good any more
	swept time.Time
}

func newNonces() *nonces {
	// No janitor: its goroutine would end only by finalizer.
	n := &nonces{used: cache.New(nonceLife, 0)}
	_, _ = rand.Read(n.key[:]) // never fails
	return n
}

const nonceSize = 32

// make returns a new nonce.
func (n *nonces) make() string {
	var b [nonceSize]byte
	binary.BigEndian.PutUint64(b[:], uint64(time.Now().UnixNano()))
	_, _ = rand.Read(b[8:16]) // never fails
	copy(b[16:], n.mac(b[:16]))
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func (n *nonces) mac(b []byte) []byte {
	h := hmac.New(sha256.New, n.key[:])
	h.Write(b)
	return h.Sum(nil)[:16]
}

// born returns when nonce was made; ok is false when it is not one of ours.
func (n *nonces) born(nonce string) (at time.Time, ok bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(nonce)
	if err != nil || len(b) != nonceSize || !hmac.Equal(b[16:], n.mac(b[:16])) {
		return time.Time{}, false
	}
	return time.Unix(0, int64(binary.BigEndian.Uint64(b))), true
}

// use reports whether nonce is good and was not used with the count nc yet,
// and remembers that it is now. It must be called only for credentials that
// are right, so that nobody else can fill the memory.
func (n *nonces) use(nonce string, nc uint32) bool {
	at, ok := n.born(nonce)
	now := time.Now()
	left := at.Add(nonceLife).Sub(now)
	if !ok || left <= 0 {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if now.Sub(n.swept) >= sweepEvery {
		n.used.DeleteExpired()
		n.swept = now
	}
	if at.Before(n.since) {
		return false
	}
	v, found := n.used.Get(nonce)
	if !found {
		if n.used.ItemCount() >= maxUsed {
			// What is forgotten could be used again: with the memory goes
			// every nonce that was made so far. Clients repeat.
			n.used.Flush()
			n.since = now
			return false
		}
		v = &window{}
		n.used.Set(nonce, v, left)
	}
	return v.(*window).take(nc)
}

// window are the counts used with one nonce: the highest, and which of the 64
// below it. Requests may overtake each other on the way.
type window struct {
	top  uint32
	seen uint64 // bit i: top-1-i
}

// take marks nc, and reports whether it was free.
func (w *window) take(nc uint32) bool {
	switch {
	case nc > w.top:
		up := nc - w.top
		w.seen <<= up // 0 from 64 on
		if w.top > 0 && up <= 64 {
			w.seen |= 1 << (up - 1)
		}
		w.top = nc
		return true
	case nc == w.top || w.top-nc > 64:
		return false
	}
	bit := uint64(1) << (w.top - nc - 1)
	if w.seen&bit != 0 {
		return false
	}
	w.seen |= bit
	return nc > 0
}
