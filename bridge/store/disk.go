package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// ErrClosed is the error of a batch that came after Close.
var ErrClosed = errors.New("the store is closed")

// The times and sizes of the journal. What a power cut may cost is at most
// what was written since the last sync.
var (
	syncInterval  = 100 * time.Millisecond
	retryInterval = time.Second // after what has failed
	moveInterval  = 2 * time.Second
	moveSize      = int64(64 << 20)
)

// Disk is the embedded Store: a log that batches are appended to, and an
// SQLite database that takes the newest record of each key over from it every
// few seconds. A batch costs one write to a file; what changes often costs the
// database one row in that time, and what comes and goes nothing.
//
// What could not be written, such as while the disk is full, is kept and
// written when that is possible again, so that the store comes to agree with
// the memory of its user even where he did not wait for the batch. The Batch
// has failed all the same; whoever then takes his change back appends records
// that say so.
type Disk struct {
	*journal
	dir  string
	db   *database
	lock *os.File
	log  *slog.Logger

	stop    chan struct{}
	stopped chan struct{} // the journal goroutine has ended
	dirty   chan struct{} // capacity 1: there is something to sync
	moved   chan *move    // capacity 1
	settles chan chan struct{}
	syncing atomic.Pointer[os.File]
	wg      sync.WaitGroup
	once    sync.Once
	err     error // of Close

	// Of the journal goroutine alone.
	cur     *logFile
	next    int               // number of the next log
	recent  map[string][]byte // the newest records of cur
	moving  *move
	failed  map[string][]byte // the newest records that could not be written
	retryAt time.Time         // when to try these again
	waiting []chan struct{}   // who waits until the database has all
}

// move is a log whose records the database takes over.
type move struct {
	log     *logFile
	records map[string][]byte
}

// Open opens, or makes, the store in the folder dir. Only one process at a
// time can have it open; the error for a second one says so.
func Open(dir string, log *slog.Logger) (*Disk, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	err := os.MkdirAll(dir, 0o700)
	if err != nil {
		return nil, fmt.Errorf("making the folder: %w", err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	db, err := openDatabase(filepath.Join(dir, "porchlight.db"))
	if err != nil {
		lock.Close()
		return nil, err
	}
	d := &Disk{journal: newJournal(), dir: dir, db: db, lock: lock, log: log,
		stop: make(chan struct{}), stopped: make(chan struct{}), dirty: make(chan struct{}, 1),
		moved: make(chan *move, 1), settles: make(chan chan struct{}),
		recent: map[string][]byte{}, failed: map[string][]byte{}}
	err = d.replay()
	if err != nil {
		return nil, errors.Join(err, db.close(), lock.Close())
	}
	d.wg.Go(d.write)
	d.wg.Go(d.sync)
	return d, nil
}

// lockDir takes the folder for this process; the kernel frees it when the
// process ends, however it ends.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("making the lock file: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err != nil {
		f.Close()
		return nil, errors.New("another process is using it")
	}
	return f, nil
}

// replay gives the database what logs of an earlier process still have, and
// begins a new log.
func (d *Disk) replay() error {
	paths, next, err := logsOf(d.dir)
	if err != nil {
		return fmt.Errorf("looking for logs: %w", err)
	}
	records := map[string][]byte{}
	for _, path := range paths {
		left, err := readLog(path, records)
		if err != nil {
			return err
		}
		if left > 0 {
			d.log.Info("a log ends in the middle of a batch, which nobody was told is stored", "file", path, "bytes", left)
		}
	}
	err = d.db.take(records)
	if err != nil {
		return fmt.Errorf("taking over the log: %w", err)
	}
	for _, path := range paths {
		err = os.Remove(path)
		if err != nil {
			return fmt.Errorf("removing a log that is taken over: %w", err)
		}
	}
	d.next = next
	return d.newLog()
}

func (d *Disk) newLog() error {
	l, err := newLog(d.dir, d.next)
	if err != nil {
		return err
	}
	d.next++
	d.cur = l
	d.syncing.Store(l.f)
	return nil
}

// Load calls each with every record.
func (d *Disk) Load(ctx context.Context, each func(Record) error) error {
	done := make(chan struct{})
	select {
	case d.settles <- done:
		select {
		case <-done:
		case <-d.stopped:
		case <-ctx.Done():
			return ctx.Err()
		}
	case <-d.stopped:
		return ErrClosed
	}
	return d.db.load(ctx, each)
}

// Close writes what is queued and closes the store.
func (d *Disk) Close() error {
	d.once.Do(func() {
		d.close()
		close(d.stop)
		d.wg.Wait()
		d.err = errors.Join(d.err, d.db.close(), d.lock.Close())
	})
	return d.err
}

// sync brings the log to the disk in the background: nobody waits for it.
func (d *Disk) sync() {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-d.stop:
			return // closing gives the database all, and syncs that
		case <-pause.C:
		}
		select {
		case <-d.stop:
			return
		case <-d.dirty:
		}
		err := d.syncing.Load().Sync()
		if err != nil && !errors.Is(err, os.ErrClosed) { // the database has it then
			d.log.Error("syncing the log", "err", err)
		}
		pause.Reset(syncInterval)
	}
}
