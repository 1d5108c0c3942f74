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

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// ErrClosed is the error of a batch that came after Close.
var ErrClosed = errors.New("the store is closed")

// SQLite is the embedded Store.
type SQLite struct {
	*journal
	db   *sql.DB
	lock *os.File
	log  *slog.Logger
	stop chan struct{}
	wg   sync.WaitGroup
	once sync.Once
	err  error // of Close
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
	s := &SQLite{journal: newJournal(), db: db, lock: lock, log: log, stop: make(chan struct{})}
	s.wg.Go(s.write)
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
		"&_pragma=busy_timeout(5000)&_pragma=wal_autocheckpoint(4000)&_pragma=temp_store(MEMORY)")
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

// write is the journal goroutine: it writes whatever has queued up since its
// last transaction as the next one.
func (s *SQLite) write() {
	for {
		select {
		case <-s.wake:
			s.commit(s.take())
		case <-s.stop:
			s.commit(s.take())
			return
		}
	}
}

// commit writes one batch and tells those who wait.
func (s *SQLite) commit(b *Batch) {
	defer close(b.done)
	if len(b.records) == 0 {
		return
	}
	b.err = s.transact(b.records)
	if b.err != nil {
		s.log.Error("writing to the store", "records", len(b.records), "err", b.err)
	}
	b.records = nil
}

func (s *SQLite) transact(rs []Record) error {
	tx, err := s.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	put, err := tx.Prepare("INSERT INTO records (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value")
	if err != nil {
		return err
	}
	defer put.Close()
	del, err := tx.Prepare("DELETE FROM records WHERE key = ?")
	if err != nil {
		return err
	}
	defer del.Close()
	for _, r := range newest(rs) {
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
		s.err = errors.Join(s.db.Close(), s.lock.Close())
	})
	return s.err
}
