package picture

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/patrickmn/go-cache"
)

// The bounds of fetching.
const (
	fetchTimeout = 5 * time.Second // from the dial to the last byte, with redirects
	maxFetches   = 4               // at once
	maxQueue     = 256             // URIs that wait
	maxWaiters   = 256             // calls of Want for one URI
	maxRedirects = 3
	maxURI       = 2048 // bytes
	maxKnown     = 4096 // URIs remembered, and as many that failed

	freshLeast, freshMost = 5 * time.Minute, 24 * time.Hour
	freshDefault          = time.Hour          // for who says nothing
	keepKnown             = 7 * 24 * time.Hour // from the last fetch or check
	failedShort           = time.Minute        // of what may pass, such as a timeout
	failedLong            = 10 * time.Minute   // of what is wrong there
	sweepEvery            = time.Minute
)

// fetched is what is known of a URI that was fetched.
type fetched struct {
	id    string
	etag  string    // of the server
	fresh time.Time // until when it is not asked again
}

// job is a URI to fetch and who wants it.
type job struct {
	uri   string
	url   *url.URL
	calls []func(Picture)
}

// fetcher fetches pictures in the background. mu is not held during I/O nor
// while a done is called.
type fetcher struct {
	store  *Store
	hosts  []host
	client *http.Client
	ctx    context.Context // ends with close
	cancel context.CancelFunc
	tasks  sync.WaitGroup // workers

	mu      sync.Mutex
	closed  bool
	workers int
	jobs    map[string]*job // those that wait and those under way
	queue   []*job
	done    *cache.Cache // URI → fetched
	failed  *cache.Cache // URI → nothing
	swept   time.Time
}

func newFetcher(s *Store) (*fetcher, error) {
	// No janitors: their goroutines would end only by finalizer.
	f := &fetcher{store: s, jobs: map[string]*job{}, done: cache.New(keepKnown, 0), failed: cache.New(failedLong, 0)}
	for _, entry := range s.cfg.Fetch {
		h, err := parseHost(entry)
		if err != nil {
			return nil, err
		}
		f.hosts = append(f.hosts, h)
	}
	f.client = f.newClient()
	f.ctx, f.cancel = context.WithCancel(context.Background())
	return f, nil
}

func (f *fetcher) close() {
	f.mu.Lock()
	f.closed = true
	f.queue = nil
	f.mu.Unlock()
	f.cancel()
	f.tasks.Wait()
}

// known returns the id of what was last fetched from uri.
func (f *fetcher) known(uri string) (id string, ok bool) {
	v, ok := f.done.Get(uri)
	if !ok {
		return "", false
	}
	return v.(fetched).id, true
}

// Want has the picture at uri fetched, if its host is one of Config.Fetch,
// and calls done once when it is there: from another goroutine, with no lock
// held. It reports whether done may be called; when the fetch fails it is
// not, and for some minutes Want returns false for this uri. A picture that
// was fetched before and is still fresh comes without asking the server; one
// that is not is asked for anew.
//
// Want never blocks. done must not block for long, nor call Close.
func (s *Store) Want(uri string, done func(Picture)) bool {
	f := s.fetcher
	uri = strings.TrimSpace(uri)
	why := f.want(uri, done)
	if why == "" {
		return true
	}
	s.metrics.fetches.WithLabelValues(why).Inc()
	s.log.Debug("picture not fetched", "reason", why)
	return false
}

// want queues uri; it returns why not, as metrics have it.
func (f *fetcher) want(uri string, done func(Picture)) (why string) {
	if len(f.hosts) == 0 || len(uri) > maxURI {
		return "not_allowed"
	}
	u, err := url.Parse(uri)
	if err != nil || f.mayFetch(u) != nil {
		return "not_allowed"
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sweep()
	if _, bad := f.failed.Get(uri); bad {
		return "failed_before"
	}
	j := f.jobs[uri]
	switch {
	case f.closed:
		return "closed"
	case j != nil && len(j.calls) >= maxWaiters, j == nil && len(f.queue) >= maxQueue:
		return "queue_full"
	case j != nil:
		j.calls = append(j.calls, done)
		return ""
	}
	j = &job{uri: uri, url: u, calls: []func(Picture){done}}
	f.jobs[uri] = j
	f.queue = append(f.queue, j)
	if f.workers < maxFetches {
		f.workers++
		f.tasks.Go(f.work)
	}
	return ""
}

// work fetches until the queue is empty.
func (f *fetcher) work() {
	for {
		f.mu.Lock()
		if len(f.queue) == 0 {
			f.workers--
			f.mu.Unlock()
			return
		}
		j := f.queue[0]
		f.queue = f.queue[1:]
		f.mu.Unlock()
		p, ok := f.serve(j)
		f.mu.Lock()
		delete(f.jobs, j.uri)
		calls := j.calls
		closed := f.closed
		f.mu.Unlock()
		if !ok || closed {
			continue
		}
		for _, done := range calls {
			done(p)
		}
	}
}

// serve returns the picture of j, from the store or the network, and
// remembers how it went.
func (f *fetcher) serve(j *job) (Picture, bool) {
	var last fetched
	v, ok := f.done.Get(j.uri)
	if ok {
		last = v.(fetched)
	}
	e, have := f.store.use(last.id)
	if have && time.Now().Before(last.fresh) {
		f.store.metrics.fetches.WithLabelValues("fresh").Inc()
		return e.Picture, true
	}
	if !have {
		last.etag = ""
	}
	p, next, err := f.fetch(j.url, last)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.fail(j, err)
		return Picture{}, false
	}
	makeRoom(f.done)
	f.done.Set(j.uri, next, keepKnown)
	return p, true
}

// fail counts, tells and remembers a failed fetch; mu is held.
func (f *fetcher) fail(j *job, err error) {
	result, passing := classify(err)
	if f.closed {
		result = "closed"
	}
	f.store.metrics.fetches.WithLabelValues(result).Inc()
	// Of the URI only the host: the rest may be a secret of its owner.
	f.store.log.Debug("picture not fetched", "host", j.url.Host, "reason", result, "err", withoutURL(err))
	keep := failedLong
	if passing {
		keep = failedShort
	}
	makeRoom(f.failed)
	f.failed.Set(j.uri, nil, keep)
}

// sweep forgets what has expired; mu is held.
func (f *fetcher) sweep() {
	now := time.Now()
	if now.Sub(f.swept) < sweepEvery {
		return
	}
	f.swept = now
	f.done.DeleteExpired()
	f.failed.DeleteExpired()
}

// makeRoom forgets, of a cache that is full, what would expire first.
func makeRoom(c *cache.Cache) {
	if c.ItemCount() < maxKnown {
		return
	}
	first, at := "", int64(0)
	for uri, item := range c.Items() {
		if first == "" || item.Expiration < at {
			first, at = uri, item.Expiration
		}
	}
	c.Delete(first)
}
