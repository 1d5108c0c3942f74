package bridge

import (
	"crypto/rand"
	"fmt"

	"github.com/porchlight-im/porchlight/bridge/store"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

// Origin is the name of this gateway among all, made once and kept in the
// store: by it a state is known that was translated here and comes back.
func (h *Hub) Origin() string { return h.origin }

// loadOrigin takes in what makeOrigin of an earlier process has stored.
func (h *Hub) loadOrigin(value []byte) (kept bool, err error) {
	f, err := readValue(value)
	if err != nil {
		return false, err
	}
	h.origin = f.string()
	return true, f.err()
}

// makeOrigin gives this gateway its name.
func (h *Hub) makeOrigin() error {
	h.origin = rand.Text()[:16]
	r := store.Record{Key: key(kindOrigin), Value: newValue(len(h.origin)).string(h.origin).b}
	err := h.store.Append([]store.Record{r}).Wait()
	if err != nil {
		return fmt.Errorf("storing the gateway's name: %w", err)
	}
	return nil
}

// newView returns a view of s, a state of a.
func (h *Hub) newView(a presence.Addr, version uint64, s *presence.State, change ChangeID) *View {
	return &View{Presentity: a, Version: version, State: s, Change: change,
		Rules: h.cfg.Directory.Rules(a.Host), Origin: h.origin}
}
