package picture

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// now is the time as files have it.
func now() int64 { return time.Now().Unix() }

// temporary begins the names of files that are not complete yet.
const temporary = ".new-"

// files is the directory of the pictures: one file for each, named by its
// hash and type. The zero value is none.
type files struct{ dir string }

func (f files) on() bool { return f.dir != "" }

func (f files) path(p Picture) string { return filepath.Join(f.dir, p.ID+"."+extension(p.Type)) }

// write makes the file of p, complete or not at all. A power cut may leave a
// damaged one, which the next start removes.
func (f files) write(p Picture, data []byte) error {
	t, err := os.CreateTemp(f.dir, temporary+"*")
	if err != nil {
		return err
	}
	_, err = t.Write(data)
	if cerr := t.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(t.Name(), f.path(p))
	}
	if err != nil {
		_ = os.Remove(t.Name()) // it is of no use
	}
	return err
}

// read returns the file of p, of whatever is there no more than one byte
// beyond its length.
func (f files) read(p Picture) ([]byte, error) { return readBounded(f.path(p), p.Bytes) }

func readBounded(path string, size int) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, int64(size)+1))
}

func (f files) remove(p Picture) error {
	err := os.Remove(f.path(p))
	if os.IsNotExist(err) {
		return nil
	}
	return err
}

// touch sets the file's time, by which a restart knows what was used last.
func (f files) touch(p Picture) {
	t := time.Now()
	_ = os.Chtimes(f.path(p), t, t) // only the order of eviction would differ
}

// ours returns the id in a file name of ours.
func ours(name string) (id string, ok bool) {
	id, ext, _ := strings.Cut(name, ".")
	if !isID(id) {
		return "", false
	}
	for _, f := range formats {
		if f.ext == ext {
			return id, true
		}
	}
	return "", false
}

// isID reports whether s has the form of an ID.
func isID(s string) bool {
	if len(s) != 40 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// load makes the directory and fills the index from it, the last used first.
func (s *Store) load() error {
	if !s.files.on() {
		return nil
	}
	err := os.MkdirAll(s.files.dir, 0o700)
	if err != nil {
		return err
	}
	dir, err := os.ReadDir(s.files.dir)
	if err != nil {
		return err
	}
	var found []*entry
	for _, d := range dir {
		if strings.HasPrefix(d.Name(), temporary) {
			s.discard(d.Name(), "it was not complete")
			continue
		}
		e := s.loadFile(d)
		if e != nil {
			found = append(found, e)
		}
	}
	sort.SliceStable(found, func(i, j int) bool { return found[i].touched < found[j].touched })
	s.writing.Lock()
	defer s.writing.Unlock()
	for _, e := range found {
		s.drop(s.insert(e))
	}
	return nil
}

// loadFile returns the entry of one file; nil when it is not ours, or was
// damaged and is now removed.
func (s *Store) loadFile(d fs.DirEntry) *entry {
	id, ok := ours(d.Name())
	if !ok || !d.Type().IsRegular() {
		return nil
	}
	info, err := d.Info()
	if err != nil {
		return nil // gone meanwhile
	}
	data, err := readBounded(filepath.Join(s.files.dir, d.Name()), s.cfg.MaxBytes)
	if err != nil {
		s.log.Warn("picture not read", "file", d.Name(), "err", err)
		return nil
	}
	p, err := check(data, s.cfg.MaxBytes, s.cfg.MaxSide)
	if err == nil && (p.ID != id || d.Name() != id+"."+extension(p.Type)) {
		err = fmt.Errorf("its name is not its hash and type")
	}
	if err != nil {
		s.discard(d.Name(), err.Error())
		return nil
	}
	return &entry{Picture: p, touched: info.ModTime().Unix()}
}

// discard removes a file of ours that is of no use.
func (s *Store) discard(name, why string) {
	err := os.Remove(filepath.Join(s.files.dir, name))
	s.log.Warn("picture file removed", "file", name, "reason", why, "err", err)
}
