package bridge

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

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

// Codec reads and writes a State for the store, losslessly. Equal states give
// equal bytes.
type Codec struct {
	Append func(dst []byte, s *presence.State) []byte
	Decode func(b []byte) (*presence.State, error)
}

// FetchPatience is how long a fetch of a foreign presentity waits for its
// state before it is answered without.
var FetchPatience = 4 * time.Second

// giveUpAfter is how long a foreign leg that nobody watches is remembered when
// its presentity has refused, or has not answered.
var giveUpAfter = 7 * 24 * time.Hour

// The bounds of what one presentity's sources, or one watcher, can make the
// hub hold.
const (
	maxPublications  = 64 // of a presentity; beyond, the one that ends first goes
	maxSubscriptions = 64 // of a leg, with waiting fetches
)

const shardCount = 256

// Hub joins the ports. All methods may be called by any goroutine; each is
// one short critical section, and those that return an error wait, after it,
// until the change is written to the Store.
type Hub struct {
	cfg    Config
	log    *slog.Logger
	store  store.Store
	ports  map[string]Port
	seed   maphash.Seed
	seq    atomic.Uint64 // orders publications
	closed atomic.Bool
	origin string
	shards [shardCount]shard
}

// shard owns the presentities whose address hashes to it. Its lock is the
// first level; under it there is no I/O and no call into a Port.
type shard struct {
	mu           sync.Mutex
	presentities map[presence.Addr]*presentity
	ended        []ended // in an earlier process, until their port has resumed
	due          dueHeap
	timer        *time.Timer
	calls        []call // to the home ports, in their order
	calling      bool   // a goroutine makes them
}

// presentity is everything the hub knows of one address.
type presentity struct {
	addr    presence.Addr
	here    bool // homed
	deflt   policy.SubHandling
	pubs    []*publication
	removed map[string]string // entity-tag by request, of an earlier process
	answers map[presence.Addr]policy.SubHandling
	legs    map[presence.Addr]*legEntry // by watcher

	state   *presence.State // composed; nil until first asked
	first   uint64          // version of the empty state
	version uint64
	change  ChangeID
	views   map[policy.Class]*View
	again   *due // when the composition changes by itself
}

// legEntry is what the hub knows of one leg: one watcher of a presentity.
type legEntry struct {
	of      *presentity
	watcher presence.Addr
	subs    []*sub

	// What follows is of foreign presentities only.
	verdict  Verdict
	view     *View // what was delivered on this leg; nil: nothing known
	version  uint64
	data     []byte // the home port's (Keep)
	attached bool
	parked   bool // its watcher is away (Park)
	giveUp   *due // when an idle leg without an approval is forgotten
}

func (l *legEntry) Leg() Leg { return Leg{Watcher: l.watcher, Presentity: l.of.addr} }

// sub is one subscription: an outbox that a leg's news goes to.
type sub struct {
	leg      *legEntry
	port, id string
	outbox   *Outbox // nil until its port has resumed it
	data     []byte
	expires  time.Time // zero: forever
	fetch    bool      // waits for one answer
	turn     int       // counts the requests about it
	due      *due
}

// New returns a Hub with what cfg.Store has kept.
func New(cfg Config) (*Hub, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Directory == nil || cfg.Codec.Append == nil || cfg.Codec.Decode == nil {
		return nil, errors.New("a hub needs a Directory and a Codec")
	}
	if cfg.Store == nil {
		cfg.Store = store.NewMemory()
	}
	h := &Hub{cfg: cfg, log: cfg.Log, store: cfg.Store, ports: map[string]Port{}, seed: maphash.MakeSeed()}
	for i := range h.shards {
		h.shards[i].presentities = map[presence.Addr]*presentity{}
	}
	err := h.load(context.Background())
	if err != nil {
		return nil, fmt.Errorf("loading the store: %w", err)
	}
	return h, nil
}

// Close stops the timers and closes the store, writing what is queued. The
// ports have ended before.
func (h *Hub) Close() error {
	h.closed.Store(true)
	for i := range h.shards {
		sh := &h.shards[i]
		sh.mu.Lock()
		if sh.timer != nil {
			sh.timer.Stop()
		}
		sh.mu.Unlock()
	}
	return h.store.Close()
}

// Register makes p known to the hub under p.Name(). All ports are registered
// before the first other call.
func (h *Hub) Register(p Port) { h.ports[p.Name()] = p }

// Directory returns the hub's directory.
func (h *Hub) Directory() *Directory { return h.cfg.Directory }

func (h *Hub) shard(a presence.Addr) *shard {
	return &h.shards[maphash.Comparable(h.seed, a)%shardCount]
}

// presentity returns the entry of a, making it for a domain that is known.
func (sh *shard) presentity(a presence.Addr, dom *Domain) *presentity {
	pr := sh.presentities[a]
	if pr == nil {
		first := firstVersion()
		pr = &presentity{addr: a, here: dom.Here, deflt: dom.Default, first: first, version: first}
		sh.presentities[a] = pr
	}
	return pr
}

// firstVersion is where versions begin: later than those of an earlier
// process, so that they rise over restarts, and exact in JSON.
func firstVersion() uint64 { return uint64(time.Now().UnixMilli()) }

// drop forgets pr when nothing is left of it.
func (sh *shard) drop(pr *presentity) {
	if len(pr.pubs)+len(pr.removed)+len(pr.legs)+len(pr.answers) == 0 {
		sh.cancel(pr.again)
		delete(sh.presentities, pr.addr)
	}
}

// leg returns the leg of watcher, making it.
func (pr *presentity) leg(watcher presence.Addr) *legEntry {
	l := pr.legs[watcher]
	if l == nil {
		l = &legEntry{of: pr, watcher: watcher, version: firstVersion()}
		if pr.legs == nil {
			pr.legs = map[presence.Addr]*legEntry{}
		}
		pr.legs[watcher] = l
	}
	return l
}

// sub returns the subscription, or the waiting fetch, of port and id, or nil.
func (l *legEntry) sub(port, id string, fetch bool) *sub {
	for _, s := range l.subs {
		if s.fetch == fetch && s.id == id && s.port == port {
			return s
		}
	}
	return nil
}
