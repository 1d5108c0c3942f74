package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// database is the SQLite database that holds all records but the newest.
type database struct {
	db       *sql.DB
	put, del *sql.Stmt
	wal      string // path
}

// schemaVersion is PRAGMA user_version of the database.
const schemaVersion = 1

// openDatabase opens the database. Write-ahead log and synchronous=NORMAL: a
// power cut leaves a consistent past.
func openDatabase(path string) (*database, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)"+
		"&_pragma=busy_timeout(5000)&_pragma=wal_autocheckpoint(8000)&_pragma=temp_store(MEMORY)&_pragma=cache_size(-64000)")
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	d := &database{db: db, wal: path + "-wal"}
	err = d.prepare()
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	return d, nil
}

func (d *database) prepare() error {
	var version int
	err := d.db.QueryRow("PRAGMA user_version").Scan(&version)
	if err != nil {
		return err
	}
	if version > schemaVersion {
		return fmt.Errorf("it is of version %d, made by a newer program; this one knows %d", version, schemaVersion)
	}
	_, err = d.db.Exec(fmt.Sprintf(`
CREATE TABLE IF NOT EXISTS records (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
PRAGMA user_version = %d`, schemaVersion))
	if err != nil {
		return err
	}
	d.put, err = d.db.Prepare("INSERT INTO records (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value")
	if err != nil {
		return err
	}
	d.del, err = d.db.Prepare("DELETE FROM records WHERE key = ?")
	return err
}

// load calls each with every record.
func (d *database) load(ctx context.Context, each func(Record) error) error {
	rows, err := d.db.QueryContext(ctx, "SELECT key, value FROM records")
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

// take writes records, nil values as deletions, in one transaction, in the
// order of the keys, and returns when they are on the disk.
func (d *database) take(records map[string][]byte) error {
	if len(records) == 0 {
		return nil
	}
	tx, err := d.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	put, del := tx.Stmt(d.put), tx.Stmt(d.del)
	for _, k := range slices.Sorted(maps.Keys(records)) {
		if v := records[k]; v == nil {
			_, err = del.Exec(k)
		} else {
			_, err = put.Exec(k, v)
		}
		if err != nil {
			return err
		}
	}
	err = tx.Commit()
	if err != nil {
		return err
	}
	return syncFile(d.wal)
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

func (d *database) close() error { return errors.Join(d.put.Close(), d.del.Close(), d.db.Close()) }
