package store

import (
	"errors"
	"fmt"
	"time"
)

// write is the journal goroutine: it appends whatever has queued up since its
// last batch to the log as the next one, and has the database take over what
// is in the log.
func (d *Disk) write() {
	defer close(d.stopped)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var moveAt time.Time
	for {
		select {
		case <-d.wake:
		case <-timer.C:
		case m := <-d.moved:
			d.forget(m)
		case done := <-d.settles:
			d.waiting = append(d.waiting, done)
		case <-d.stop:
			d.finish()
			return
		}
		d.commit(d.take())
		if len(d.recent) == 0 {
			moveAt = time.Time{}
		} else if moveAt.IsZero() {
			moveAt = time.Now().Add(moveInterval)
		}
		now := time.Now()
		if len(d.waiting) > 0 || !moveAt.IsZero() && (!now.Before(moveAt) || d.cur.size > moveSize) {
			if d.begin() {
				moveAt = time.Time{}
			} else {
				moveAt = now.Add(retryInterval) // or when the last one is over
			}
		}
		d.settled()
		next := time.Hour
		if !moveAt.IsZero() {
			next = max(moveAt.Sub(now), 10*time.Millisecond)
		}
		if len(d.failed) > 0 {
			next = min(next, max(d.retryAt.Sub(now), 0))
		}
		timer.Reset(next)
	}
}

// commit appends one batch, and what has failed before when it is time, and
// tells those who wait.
func (d *Disk) commit(b *Batch) {
	defer close(b.done)
	rs := newest(b.records)
	b.records = nil
	if len(d.failed) > 0 && !time.Now().Before(d.retryAt) {
		rs = d.withFailed(rs)
	}
	if len(rs) == 0 {
		return
	}
	b.err = d.cur.append(rs)
	if b.err != nil {
		d.log.Error("writing to the store", "records", len(rs), "err", b.err)
		d.retryAt = time.Now().Add(retryInterval)
		for _, r := range rs {
			d.failed[r.Key] = r.Value
		}
		return
	}
	for _, r := range rs {
		d.recent[r.Key] = r.Value
		delete(d.failed, r.Key)
	}
	select {
	case d.dirty <- struct{}{}:
	default:
	}
}

// withFailed returns rs with what has failed before and is not in it.
func (d *Disk) withFailed(rs []Record) []Record {
	have := make(map[string]bool, len(rs))
	for _, r := range rs {
		have[r.Key] = true
	}
	all := rs[:len(rs):len(rs)]
	for k, v := range d.failed {
		if !have[k] {
			all = append(all, Record{k, v})
		}
	}
	return all
}

// begin has the database take over the current log, and goes on with a new
// one. It reports false when that must wait: the database is still busy with
// the last one, or there is no room for a new log.
func (d *Disk) begin() bool {
	if d.moving != nil || len(d.recent) == 0 {
		return len(d.recent) == 0
	}
	m := &move{log: d.cur, records: d.recent}
	err := d.newLog()
	if err != nil {
		d.log.Error("the log goes on growing", "err", err)
		return false
	}
	d.moving, d.recent = m, make(map[string][]byte, len(m.records))
	d.wg.Go(func() { d.carry(m) })
	return true
}

// carry gives the database the records of m, again and again until it takes
// them or the store is closed.
func (d *Disk) carry(m *move) {
	for {
		err := d.db.take(m.records)
		if err == nil {
			d.moved <- m
			return
		}
		d.log.Error("the database does not take over the log, trying again", "records", len(m.records), "err", err)
		select {
		case <-d.stop:
			d.moved <- m // finish tries for the last time
			return
		case <-time.After(retryInterval):
		}
	}
}

// forget removes the log of m, which the database has taken over.
func (d *Disk) forget(m *move) {
	d.moving = nil
	err := m.log.remove()
	if err != nil {
		d.log.Error("removing a log that is taken over", "err", err)
	}
}

// settled tells those who wait for it that the database has everything.
func (d *Disk) settled() {
	if len(d.recent) > 0 || d.moving != nil {
		return
	}
	for _, done := range d.waiting {
		close(done)
	}
	d.waiting = nil
}

// finish writes what is queued, and gives the database everything.
func (d *Disk) finish() {
	d.retryAt = time.Time{}
	d.commit(d.take())
	if d.moving != nil {
		m := <-d.moved
		for k, v := range d.recent {
			m.records[k] = v
		}
		err := d.db.take(m.records)
		if err != nil {
			d.err = fmt.Errorf("the log was not taken over, the next start will: %w", err)
			return
		}
		d.err = errors.Join(m.log.remove(), d.cur.remove())
		return
	}
	err := d.db.take(d.recent)
	if err != nil {
		d.err = fmt.Errorf("the log was not taken over, the next start will: %w", err)
		return
	}
	d.err = d.cur.remove()
}

// newest drops records that a later one of the same key replaces.
func newest(rs []Record) []Record {
	if len(rs) < 2 {
		return rs
	}
	last := make(map[string]int, len(rs))
	for i, r := range rs {
		last[r.Key] = i
	}
	if len(last) == len(rs) {
		return rs
	}
	out := rs[:0:0]
	for i, r := range rs {
		if last[r.Key] == i {
			out = append(out, r)
		}
	}
	return out
}
