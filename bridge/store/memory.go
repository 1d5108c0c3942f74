package store

import (
	"context"
	"sync"
)

// Memory is a Store that lasts as long as the process: for tests, and for
// running without a data folder. What is in it after a Close can be loaded
// again by giving it to another hub.
type Memory struct {
	mu      sync.Mutex
	records map[string][]byte
	fail    error
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory { return &Memory{records: map[string][]byte{}} }

// Load calls each with every record.
func (m *Memory) Load(_ context.Context, each func(Record) error) error {
	m.mu.Lock()
	rs := make([]Record, 0, len(m.records))
	for k, v := range m.records {
		rs = append(rs, Record{k, v})
	}
	m.mu.Unlock()
	for _, r := range rs {
		err := each(r)
		if err != nil {
			return err
		}
	}
	return nil
}

// Append stores rs at once.
func (m *Memory) Append(rs []Record) *Batch {
	b := newBatch()
	close(b.done)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		b.err = m.fail
		return b
	}
	for _, r := range rs {
		if r.Value == nil {
			delete(m.records, r.Key)
		} else {
			m.records[r.Key] = r.Value
		}
	}
	return b
}

// SetFail makes every further write fail with err; nil ends that.
func (m *Memory) SetFail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

// Copy returns a Memory with the same records: what a process that starts now
// would find.
func (m *Memory) Copy() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := NewMemory()
	for k, v := range m.records {
		c.records[k] = v
	}
	return c
}

// Len returns the number of records.
func (m *Memory) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.records)
}

// Throttle returns at once.
func (m *Memory) Throttle() {}

// Close keeps everything.
func (m *Memory) Close() error { return nil }
