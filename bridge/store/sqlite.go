package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// ErrClosed is the error of a batch that came after Close.
var ErrClosed = errors.New("the store is closed")

// The times of the journal. What a power cut may cost is at most what was
// written since the last sync.
var (
	syncInterval  = 100 * time.Millisecond
	retryInterval = time.Second // after a transaction that failed
)

// SQLite is the embedded Store.
//
// What could not be written, such as while the disk is full, is kept and
// written when that is possible again, so that the database comes to agree
// with the memory of its user even where he did not wait for the batch. The
// Batch has failed all the same; whoever then takes his change back appends
// records that say so.
type SQLite struct {
	*journal
	db       *sql.DB
	put, del *sql.Stmt
	lock     *os.File
	wal      string // path
	log      *slog.Logger
	stop     chan struct{}
	dirty    chan struct{} // capacity 1: there is something to sync
	wg       sync.WaitGroup
	once     sync.Once
	err      error // of Close

	// Of the journal goroutine alone: the newest records that could not be
	// written, and when to try again.
	failed  map[string][]byte
	retryAt time.Time
}

// schemaVersion is PRAGMA user_version of the database.
const schemaVersion = 1

// Open opens, or makes, the store in the folder dir. Only one process at a
// time can have it open; the error for a second one says so.
func Open(dir string, log *slog.Logger) (*SQLite, error) {
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
	db, err := openDB(filepath.Join(dir, "porchlight.db"))
	if err != nil {
		lock.Close()
		return nil, err
	}
	s := &SQLite{journal: newJournal(), db: db, lock: lock, wal: filepath.Join(dir, "porchlight.db-wal"), log: log,
		stop: make(chan struct{}), dirty: make(chan struct{}, 1), failed: map[string][]byte{}}
	err = s.prepare()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("preparing the statements: %w", err), db.Close(), lock.Close())
	}
	s.wg.Go(s.write)
	s.wg.Go(s.sync)
	return s, nil
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

// openDB opens the database. Write-ahead log and synchronous=NORMAL: what is
// committed survives the process, and a power cut leaves a consistent past.
func openDB(path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)"+
		"&_pragma=busy_timeout(5000)&_pragma=wal_autocheckpoint(8000)&_pragma=temp_store(MEMORY)&_pragma=cache_size(-64000)")
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	err = prepareDB(db)
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	return db, nil
}

func prepareDB(db *sql.DB) error {
	var version int
	err := db.QueryRow("PRAGMA user_version").Scan(&version)
	if err != nil {
		return err
	}
	if version > schemaVersion {
		return fmt.Errorf("it is of version %d, made by a newer program; this one knows %d", version, schemaVersion)
	}
	_, err = db.Exec(fmt.Sprintf(`
CREATE TABLE IF NOT EXISTS records (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
PRAGMA user_version = %d`, schemaVersion))
	return err
}

// Load calls each with every record.
func (s *SQLite) Load(ctx context.Context, each func(Record) error) error {
	rows, err := s.db.QueryContext(ctx, "SELECT key, value FROM records")
	if err != nil {
		return fmt.Errorf("reading the records: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var r Record
		err = rows.Scan(&r.Key, &r.Value)
		if err != nil {
			return fmt.Errorf("reading a record: %w", err)
		}
		err = each(r)
		if err != nil {
			return err
		}
	}
	return rows.Err()
}

func (s *SQLite) prepare() (err error) {
	s.put, err = s.db.Prepare("INSERT INTO records (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value")
	if err != nil {
		return err
	}
	s.del, err = s.db.Prepare("DELETE FROM records WHERE key = ?")
	return err
}

// write is the journal goroutine: it writes whatever has queued up since its
// last transaction as the next one.
func (s *SQLite) write() {
	retry := time.NewTimer(time.Hour)
	defer retry.Stop()
	for {
		select {
		case <-s.wake:
		case <-retry.C:
		case <-s.stop:
			s.retryAt = time.Time{}
			s.commit(s.take())
			return
		}
		s.commit(s.take())
		if len(s.failed) > 0 {
			retry.Reset(max(time.Until(s.retryAt), 0))
		}
	}
}

// commit writes one batch, and what has failed before when it is time, and
// tells those who wait.
func (s *SQLite) commit(b *Batch) {
	defer close(b.done)
	rs := newest(b.records)
	b.records = nil
	if len(s.failed) > 0 && !time.Now().Before(s.retryAt) {
		rs = s.withFailed(rs)
	}
	if len(rs) == 0 {
		return
	}
	b.err = s.transact(rs)
	if b.err != nil {
		s.log.Error("writing to the store", "records", len(rs), "err", b.err)
		s.retryAt = time.Now().Add(retryInterval)
		for _, r := range rs {
			s.failed[r.Key] = r.Value
		}
		return
	}
	if len(s.failed) > 0 {
		for _, r := range rs {
			delete(s.failed, r.Key)
		}
	}
	select {
	case s.dirty <- struct{}{}:
	default:
	}
}

// withFailed returns rs with what has failed before and is not in it.
func (s *SQLite) withFailed(rs []Record) []Record {
	have := make(map[string]bool, len(rs))
	for _, r := range rs {
		have[r.Key] = true
	}
	all := rs[:len(rs):len(rs)]
	for k, v := range s.failed {
		if !have[k] {
			all = append(all, Record{k, v})
		}
	}
	return all
}

func (s *SQLite) transact(rs []Record) error {
	tx, err := s.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	put, del := tx.Stmt(s.put), tx.Stmt(s.del)
	for _, r := range rs {
		if r.Value == nil {
			_, err = del.Exec(r.Key)
		} else {
			_, err = put.Exec(r.Key, r.Value)
		}
		if err != nil {
			return err
		}
	}
	return tx.Commit()
}

// sync brings the write-ahead log to the disk in the background: nobody waits
// for it.
func (s *SQLite) sync() {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-s.stop:
			return // closing the database syncs
		case <-pause.C:
		}
		select {
		case <-s.stop:
			return
		case <-s.dirty:
		}
		err := syncFile(s.wal)
		if err != nil {
			s.log.Error("syncing the store", "err", err)
		}
		pause.Reset(syncInterval)
	}
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil // a checkpoint has taken it
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
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

// Close writes what is queued and closes the database.
func (s *SQLite) Close() error {
	s.once.Do(func() {
		s.close()
		close(s.stop)
		s.wg.Wait()
		s.err = errors.Join(s.put.Close(), s.del.Close(), s.db.Close(), s.lock.Close())
	})
	return s.err
}
