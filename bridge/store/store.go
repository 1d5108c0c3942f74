// Package store keeps the hub's durable state: records of soft state, written
// in groups by one journal goroutine to a log, from which an embedded SQLite
// database takes them over.
//
// Memory is the truth; the store is what a restart begins with. A batch that
// has been waited for survives the end of the process (kill -9); a power cut
// may cost the last 100 ms of soft state, never consistency.
package store

import (
	"context"
	"sync"
)

// Record is one durable thing, such as a publication or a subscription. A nil
// Value deletes the key.
type Record struct {
	Key   string
	Value []byte
}

// Store keeps records over restarts. Its methods may be called by any
// goroutine.
type Store interface {
	// Load calls each with every record, in no order. It is called once,
	// before the first Append. An error of each ends it and is returned.
	Load(ctx context.Context, each func(Record) error) error
	// Append queues rs to be written, in the order of the calls, and returns
	// at once; it may be called under a lock. All of rs are written or none.
	Append(rs []Record) *Batch
	// Throttle waits while the queue is long. Whoever appends without waiting
	// for the batch calls it afterwards, not under a lock.
	Throttle()
	// Close writes what is queued and closes the store.
	Close() error
}

// Batch is a group of records that are written as one.
type Batch struct {
	records []Record
	done    chan struct{}
	err     error
}

// Wait waits until the batch is written, and returns what went wrong.
func (b *Batch) Wait() error {
	<-b.done
	return b.err
}

// queueLimit is how many records may be waiting before Throttle blocks.
const queueLimit = 1 << 16

// journal collects records into batches for one writer.
type journal struct {
	mu      sync.Mutex
	pending *Batch
	room    *sync.Cond    // signalled when pending has been taken
	wake    chan struct{} // capacity 1
	closed  bool
}

func newJournal() *journal {
	j := &journal{wake: make(chan struct{}, 1), pending: newBatch()}
	j.room = sync.NewCond(&j.mu)
	return j
}

func newBatch() *Batch { return &Batch{done: make(chan struct{})} }

func (j *journal) Append(rs []Record) *Batch {
	j.mu.Lock()
	defer j.mu.Unlock()
	b := j.pending
	if j.closed {
		closed := newBatch()
		closed.err = ErrClosed
		close(closed.done)
		return closed
	}
	b.records = append(b.records, rs...)
	select {
	case j.wake <- struct{}{}:
	default:
	}
	return b
}

func (j *journal) Throttle() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for len(j.pending.records) > queueLimit && !j.closed {
		j.room.Wait()
	}
}

// take returns the batch to be written now.
func (j *journal) take() *Batch {
	j.mu.Lock()
	defer j.mu.Unlock()
	b := j.pending
	j.pending = newBatch()
	j.room.Broadcast()
	return b
}

// close refuses further records and returns whether this call closed it.
func (j *journal) close() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	was := j.closed
	j.closed = true
	j.room.Broadcast()
	return !was
}
