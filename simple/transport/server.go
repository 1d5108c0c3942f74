package transport

import (
	"hash/maphash"
	"strconv"
	"strings"
	"sync"
	"time"
)

// serverTx is one server transaction (RFC 3261 §17.2): while final is nil the
// handler has it; then final is what retransmissions get.
type serverTx struct {
	key    string
	method string
	way    way // where the response goes
	final  []byte
	next   *serverTx // same key, another method
	due    due[*serverTx]
	held   bool // in the table
}

// servers is the table of server transactions, in shards.
type servers struct {
	shards [16]serverShard
	seed   maphash.Seed
	keep   time.Duration // Timer J
	max    int           // kept transactions per shard
	bytes  int           // kept response bytes per shard
}

type serverShard struct {
	mu     sync.Mutex
	byKey  map[string]*serverTx
	agenda agenda[*serverTx]
	alarm  alarm
	bytes  int
}

func newServers(keep time.Duration, lim Limits) *servers {
	s := &servers{seed: maphash.MakeSeed(), keep: keep}
	s.max = max(lim.Transactions/len(s.shards), 1)
	s.bytes = max(lim.TransactionBytes/len(s.shards), 1<<16)
	for i := range s.shards {
		s.shards[i].byKey = make(map[string]*serverTx)
		s.shards[i].alarm = newAlarm()
	}
	return s
}

func (s *servers) shard(key string) *serverShard {
	return &s.shards[maphash.String(s.seed, key)%uint64(len(s.shards))]
}

// serverKey is what requests of one transaction and its CANCEL share.
func serverKey(m *message) string {
	branch, _ := m.via.Params.Get("branch")
	const cookie = "z9hG4bK"
	if len(branch) > len(cookie) && strings.EqualFold(branch[:len(cookie)], cookie) {
		// RFC 3261 §17.2.3: branch, sent-by and method.
		return branch + "|" + strings.ToLower(sentBy(m.via))
	}
	// RFC 3261 §17.2.3: a branch of RFC 2543 → all that names the request.
	id, _ := value(m.fields, "Call-ID")
	from, _ := m.req.From().Params.Get("tag")
	to, _ := m.req.To().Params.Get("tag")
	via, _ := value(m.fields, "Via")
	cseq := m.req.CSeq()
	uri := m.req.Recipient.String()
	if m.method == "ACK" {
		to = "" // the tag of the response
	}
	return strings.Join([]string{"", uri, to, from, id, strconv.FormatUint(uint64(cseq.SeqNo), 10), via}, "|")
}

// begin finds the transaction of m or starts one. fresh tells which; final is
// what to send again for a known one, nil while the handler works.
func (s *servers) begin(m *message, w way, now time.Time) (tx *serverTx, fresh bool, final []byte) {
	key := serverKey(m)
	sh := s.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for tx = sh.byKey[key]; tx != nil; tx = tx.next {
		if tx.method == m.method || m.method == "ACK" && tx.method == "INVITE" {
			return tx, false, tx.final
		}
	}
	tx = &serverTx{key: key, method: m.method, way: w, held: true, next: sh.byKey[key]}
	tx.due.of = tx
	sh.byKey[key] = tx
	// Without an answer the client gives up after 64·T1 (Timer F), and so
	// do we; keep is the same span.
	sh.agenda.set(&tx.due, now.Add(s.keep))
	sh.alarm.rearm(sh.agenda.next().at)
	s.evict(sh)
	return tx, true, nil
}

// known says whether there is a transaction that a CANCEL m names.
func (s *servers) known(m *message) bool {
	key := serverKey(m)
	sh := s.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for tx := sh.byKey[key]; tx != nil; tx = tx.next {
		if tx.method != "CANCEL" {
			return true
		}
	}
	return false
}

// finish records the final response. It is false when there was one already,
// or the client has given up (RFC 4320 §4.2).
func (s *servers) finish(tx *serverTx, final []byte) bool {
	sh := s.shard(tx.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if tx.final != nil {
		return false
	}
	tx.final = final
	if !tx.held {
		return false
	}
	if tx.way.reliable() {
		// RFC 3261 §17.2.2: Timer J is zero on reliable transports.
		sh.forget(tx)
		return true
	}
	sh.bytes += len(final)
	sh.agenda.set(&tx.due, time.Now().Add(s.keep))
	sh.alarm.rearm(sh.agenda.next().at)
	s.evict(sh)
	return true
}

// drop forgets a transaction that was never handed to anyone.
func (s *servers) drop(tx *serverTx) {
	sh := s.shard(tx.key)
	sh.mu.Lock()
	sh.forget(tx)
	sh.mu.Unlock()
}

// evict keeps the shard within its bounds, the oldest going first.
func (s *servers) evict(sh *serverShard) {
	for len(sh.agenda.heap) > s.max || sh.bytes > s.bytes {
		sh.forget(sh.agenda.next().of)
	}
}

// forget takes tx out of the table; the caller holds the lock.
func (sh *serverShard) forget(tx *serverTx) {
	if !tx.held {
		return
	}
	tx.held = false
	sh.agenda.drop(&tx.due)
	sh.bytes -= len(tx.final)
	if tx.way.reliable() {
		sh.bytes += len(tx.final) // was never counted
	}
	first := sh.byKey[tx.key]
	if first == tx && tx.next == nil {
		delete(sh.byKey, tx.key)
		return
	}
	if first == tx {
		sh.byKey[tx.key] = tx.next
		return
	}
	for ; first != nil; first = first.next {
		if first.next == tx {
			first.next = tx.next
			return
		}
	}
}

// run forgets transactions whose time is over, until stop.
func (sh *serverShard) run(stop <-chan struct{}) {
	sh.alarm.run(stop, func(now time.Time) time.Time {
		sh.mu.Lock()
		defer sh.mu.Unlock()
		for d := sh.agenda.take(now); d != nil; d = sh.agenda.take(now) {
			sh.forget(d.of)
		}
		sh.alarm.armed = time.Time{}
		if d := sh.agenda.next(); d != nil {
			sh.alarm.armed = d.at
		}
		return sh.alarm.armed
	})
}

// size is the number of transactions in the table.
func (s *servers) size() int {
	n := 0
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		n += len(sh.agenda.heap)
		sh.mu.Unlock()
	}
	return n
}
