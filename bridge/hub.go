package bridge

import (
	"context"
	"log/slog"

	"github.com/porchlight-im/porchlight/bridge/policy"
	"github.com/porchlight-im/porchlight/bridge/store"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

// Config is what a Hub is made from. Its fields must not change afterwards.
type Config struct {
	Directory *Directory
	Log       *slog.Logger // nil: discarded
	// Store keeps what must survive the process; nil keeps it in memory.
	Store store.Store
	// Codec turns states into the bytes that the Store keeps, and back.
	Codec Codec
}

// Codec reads and writes a State for the store, losslessly.
type Codec struct {
	Append func(dst []byte, s *presence.State) []byte
	Decode func(b []byte) (*presence.State, error)
}

// Hub joins the ports. All methods may be called by any goroutine; each is
// one short critical section, and those that return an error wait, after it,
// until the change is written to the Store.
type Hub struct {
	cfg Config
}

// Register makes p known to the hub under p.Name(). All ports are registered
// before the first other call.
func (h *Hub) Register(p Port) { panic("todo") }

// Directory returns the hub's directory.
func (h *Hub) Directory() *Directory { return h.cfg.Directory }

// Publish applies p to a homed presentity: RFC 3903 §6 steps 3 to 6, atomic.
// When it returns without error the change is stored. Errors: NotFound (no
// such presentity here), Stale, Busy, Internal.
func (h *Hub) Publish(ctx context.Context, p Publication) (Receipt, error) { panic("todo") }

// Watch starts, refreshes, ends or (Expires 0, unknown ID) fetches a
// subscription, and returns how it stands. In every case but an error,
// exactly one mandatory Item for it is in w.Outbox when Watch returns, except
// for a fetch of a foreign presentity whose state is not known yet: its one
// Item follows when the state arrives, or after FetchPatience. When it
// returns without error the change is stored. Errors: NotFound (no such
// presentity or domain), Forbidden (blocked), Busy, Internal.
func (h *Hub) Watch(ctx context.Context, w WatchRequest) (Verdict, error) { panic("todo") }

// Park says that the watcher is gone without having ended its subscriptions:
// an offline Jabber user. A foreign presentity is detached; the standing of
// the leg remains, and the next Watch attaches it again (RFC 8048 §8.1).
func (h *Hub) Park(leg Leg) { panic("todo") }

// Authorize stores the presentity's answer to a watcher, for ever, and
// re-decides his live subscriptions. The presentity must be homed here. It
// may be given before the watcher has asked.
func (h *Hub) Authorize(ctx context.Context, leg Leg, answer policy.SubHandling, change ChangeID) error {
	panic("todo")
}

// Settle is the word of a foreign presentity's home on a leg: pending,
// active, or terminated with a reason. It is stored.
func (h *Hub) Settle(leg Leg, v Verdict, change ChangeID) { panic("todo") }

// Deliver changes the state that a foreign presentity shows on leg: update
// gets what was shown, or nil, and returns what is shown now. It runs under a
// lock and must be a pure function. It goes to leg.Watcher alone.
func (h *Hub) Deliver(leg Leg, change ChangeID, update func(old *presence.State) *presence.State) {
	panic("todo")
}

// Renew asks the watcher's port whether leg.Watcher is still there, before its
// foreign subscription is refreshed (RFC 8048 §8.1). The answer, if any, is
// Park.
func (h *Hub) Renew(leg Leg) { panic("todo") }

// Keep stores data of the home port with a foreign leg (a subscriber's
// dialog), without waiting for the write; nil removes it.
func (h *Hub) Keep(leg Leg, data []byte) { panic("todo") }

// Note stores data of the watcher's port with its subscription id, without
// waiting for the write.
func (h *Hub) Note(leg Leg, port, id string, data []byte) { panic("todo") }

// Resume calls each with every stored subscription of the watcher's port and
// attaches the Outbox that it returns; nil ends the subscription. A port
// calls it first in Run, before it takes requests.
func (h *Hub) Resume(port string, each func(Resumed) *Outbox) { panic("todo") }

// Attached calls each with every foreign leg whose home is port, with what
// Keep stored: for the home port after a restart or reconnect.
func (h *Hub) Attached(port string, each func(leg Leg, v Verdict, s *presence.State, data []byte)) {
	panic("todo")
}

// Standing returns how leg stands, and the State that its watcher may see now
// (nil when none is known): for probes and snapshots.
func (h *Hub) Standing(leg Leg) (Verdict, *View) { panic("todo") }
