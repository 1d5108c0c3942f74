package picture

import (
	"container/list"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Picture is what is known of one stored image.
type Picture struct {
	// ID is the SHA-1 of the bytes in lower-case hexadecimal digits: the item
	// id of XEP-0084 §4.2.1 and the photo of XEP-0153 §3.1.
	ID            string
	Type          string // image/png, image/jpeg, image/gif or image/webp
	Bytes         int
	Width, Height int // pixels
}

// Store keeps pictures. Its methods may be called by any goroutine.
type Store struct {
	cfg     Config
	log     *slog.Logger
	metrics *metrics
	files   files
	fetcher *fetcher

	writing sync.Mutex // keeps the writing and removing of files apart

	mu    sync.Mutex
	all   map[string]*list.Element // ID → element of used
	used  list.List                // of *entry, the last used first
	total int64                    // bytes in whole blocks
}

// entry is one picture of the store. Only data and touched change, and
// touched under Store.mu.
type entry struct {
	Picture
	data    []byte // nil when it is in a file
	touched int64  // Unix seconds of the file's time, as last set
}

// Open returns a store with what Dir holds. Files in Dir that are not ours
// are left alone; ours that are damaged are removed. It reads all of Dir.
// log and reg may be nil.
func Open(cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Store, error) {
	err := errors.Join(cfg.Validate()...)
	if err == nil && cfg.PublicURL != "" {
		err = CheckPublicURL(cfg.PublicURL)
	}
	if err != nil {
		return nil, fmt.Errorf("pictures: %w", err)
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Store{cfg: cfg.withDefaults(), log: log, all: map[string]*list.Element{}}
	s.metrics, err = newMetrics(reg)
	if err != nil {
		return nil, err
	}
	s.fetcher, err = newFetcher(s)
	if err != nil {
		return nil, fmt.Errorf("pictures: %w", err)
	}
	s.files = files{dir: s.cfg.Dir}
	err = s.load()
	if err != nil {
		return nil, fmt.Errorf("loading pictures: %w", err)
	}
	return s, nil
}

// Close ends the fetches that are under way, without a call of done, and
// waits for them. The store may still be read and written.
func (s *Store) Close() { s.fetcher.close() }

// MaxBytes is the size of the largest picture that is taken.
func (s *Store) MaxBytes() int { return s.cfg.MaxBytes }

func idOf(data []byte) string {
	sum := sha1.Sum(data)
	return hex.EncodeToString(sum[:])
}

// Put checks data and stores it, unless it is there already. The error is an
// *Error when the image is refused, else one of the disk. The store keeps
// data, which must not be changed any more. It blocks for one write of a file.
func (s *Store) Put(data []byte) (Picture, error) {
	p, err := check(data, s.cfg.MaxBytes, s.cfg.MaxSide)
	if err != nil {
		var e *Error
		if errors.As(err, &e) {
			s.metrics.refused.WithLabelValues(e.Kind.String()).Inc()
			s.log.Debug("picture refused", "kind", e.Kind, "bytes", len(data), "err", e.Detail)
		}
		return Picture{}, err
	}
	if _, ok := s.use(p.ID); ok {
		return p, nil
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	if _, ok := s.use(p.ID); ok { // someone else's Put was first
		return p, nil
	}
	e := &entry{Picture: p, data: data, touched: now()}
	if s.files.on() {
		err = s.files.write(p, data)
		if err != nil {
			s.log.Warn("picture not stored", "err", err)
			return Picture{}, fmt.Errorf("storing a picture: %w", err)
		}
		e.data = nil
	}
	s.drop(s.insert(e))
	s.metrics.stored.Inc()
	return p, nil
}

// insert adds e as the last used and takes out, and returns, what must go for
// it.
func (s *Store) insert(e *entry) (gone []*entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[e.ID] = s.used.PushFront(e)
	s.total += inBlocks(e.Bytes)
	for s.total > s.cfg.MaxTotal {
		gone = append(gone, s.take(s.used.Back()))
	}
	s.gauge()
	return gone
}

// take removes at from the index; mu is held.
func (s *Store) take(at *list.Element) *entry {
	e := s.used.Remove(at).(*entry)
	delete(s.all, e.ID)
	s.total -= inBlocks(e.Bytes)
	return e
}

func (s *Store) gauge() {
	s.metrics.current.Set(float64(len(s.all)))
	s.metrics.bytes.Set(float64(s.total))
}

// drop removes the files of gone; writing is held.
func (s *Store) drop(gone []*entry) {
	for _, e := range gone {
		s.metrics.evicted.Inc()
		s.log.Debug("picture dropped for a newer one", "picture", e.ID, "bytes", e.Bytes)
		if !s.files.on() {
			continue
		}
		err := s.files.remove(e.Picture)
		if err != nil {
			s.log.Warn("picture not removed", "picture", e.ID, "err", err)
		}
	}
}

// use returns the picture and makes it the last used. The time of its file
// follows once an hour, for the order after a restart.
func (s *Store) use(id string) (entry, bool) {
	s.mu.Lock()
	at, ok := s.all[id]
	if !ok {
		s.mu.Unlock()
		return entry{}, false
	}
	s.used.MoveToFront(at)
	e := at.Value.(*entry)
	touch := s.files.on() && now()-e.touched > 3600
	if touch {
		e.touched = now()
	}
	found := *e
	s.mu.Unlock()
	if touch {
		s.files.touch(found.Picture)
	}
	return found, true
}

// Get returns the picture called id and its bytes, which must not be changed.
// It blocks for one read of a file.
func (s *Store) Get(id string) (Picture, []byte, bool) {
	e, ok := s.use(id)
	if !ok {
		return Picture{}, nil, false
	}
	if e.data != nil {
		return e.Picture, e.data, true
	}
	data, err := s.files.read(e.Picture)
	if err != nil || idOf(data) != id {
		s.lose(id, err)
		return Picture{}, nil, false
	}
	return e.Picture, data, true
}

// lose takes a picture out whose file is gone or is another, unless it was
// dropped, and perhaps stored anew, meanwhile.
func (s *Store) lose(id string, err error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	at, ok := s.all[id]
	s.mu.Unlock()
	if !ok {
		return
	}
	e := at.Value.(*entry)
	data, again := s.files.read(e.Picture)
	if again == nil && idOf(data) == id {
		return
	}
	s.log.Warn("picture lost: its file is gone or changed", "picture", id, "err", err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.take(at)
	s.gauge()
}
