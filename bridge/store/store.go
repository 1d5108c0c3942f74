// Package store keeps the hub's durable state: records of soft state in one
// embedded SQLite database, written in groups by one journal goroutine.
//
// Memory is the truth; the store is what a restart begins with. A Commit that
// has returned survives the end of the process (kill -9); a power cut may
// cost the last 100 ms of soft state, never consistency.
package store

import "context"

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
	// before the first Commit. An error of each ends it and is returned.
	Load(ctx context.Context, each func(Record) error) error
	// Commit writes rs as one atomic batch and returns when they would
	// survive the end of the process. Batches of several callers may be
	// written together; order of calls is kept.
	Commit(ctx context.Context, rs []Record) error
	// Enqueue is Commit without the wait. Its order with Commit is kept. It
	// blocks only while the bounded queue is full.
	Enqueue(rs []Record)
	// Close writes what is queued and closes the store.
	Close() error
}
