package picture

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// site is a server at the end of pipes, for tests in a bubble.
type site struct {
	serve func(c net.Conn, r *http.Request)
	tasks sync.WaitGroup

	mu          sync.Mutex
	asked       int
	open, peak  int
	ifNoneMatch string // of the last request
}

// dial is a Config.dial to the site.
func (s *site) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	s.mu.Lock()
	s.open++
	s.peak = max(s.peak, s.open)
	s.mu.Unlock()
	s.tasks.Go(func() {
		defer func() {
			_ = theirs.Close()
			s.mu.Lock()
			s.open--
			s.mu.Unlock()
		}()
		r, err := http.ReadRequest(bufio.NewReader(theirs))
		if err != nil {
			return
		}
		s.mu.Lock()
		s.asked++
		s.ifNoneMatch = r.Header.Get("If-None-Match")
		s.mu.Unlock()
		s.serve(theirs, r)
	})
	return ours, nil
}

func (s *site) count() (asked, peak int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked, s.peak
}

// reply writes a response with the header fields and body.
func reply(c net.Conn, status, fields string, body []byte) {
	_, _ = fmt.Fprintf(c, "HTTP/1.1 %s\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n%s", status, fields, len(body), body)
}

// silent waits until the peer hangs up.
func silent(c net.Conn, _ *http.Request) { _, _ = io.Copy(io.Discard, c) }

// inBubble runs a test with a store that fetches from a site.
func inBubble(t *testing.T, serve func(c net.Conn, r *http.Request), test func(t *testing.T, s *Store, at *site)) {
	synctest.Test(t, func(t *testing.T) {
		at := &site{serve: serve}
		s, err := Open(Config{Fetch: []string{"*.example"}, dial: at.dial}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer at.tasks.Wait()
		test(t, s, at)
		s.Close()
		time.Sleep(2 * time.Second) // until a slow site has noticed
	})
}

// A server that is silent, or slow, costs five seconds and no more.
func TestFetch_Timeout(t *testing.T) {
	for name, serve := range map[string]func(c net.Conn, r *http.Request){
		"silent": silent,
		"a byte a second": func(c net.Conn, r *http.Request) {
			_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
			for err == nil {
				time.Sleep(time.Second)
				_, err = c.Write([]byte{0x89})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, serve, func(t *testing.T, s *Store, at *site) {
				start := time.Now()
				s.Want("http://a.example/", func(Picture) { t.Error("done was called") })
				idle(s)
				if d := time.Since(start); d != fetchTimeout {
					t.Errorf("it took %v", d)
				}
				if got := values(t, s.metrics.fetches)[0]; got != "timeout=1" {
					t.Errorf("metrics %v", got)
				}
			})
		})
	}
}

// What may pass is tried again after a minute, what is wrong there after ten.
func TestFetch_NegativeCache(t *testing.T) {
	for status, keep := range map[string]time.Duration{
		"503 Busy": failedShort, "429 Slow": failedShort, "404 Not Found": failedLong, "403 No": failedLong,
	} {
		t.Run(status, func(t *testing.T) {
			inBubble(t, func(c net.Conn, r *http.Request) { reply(c, status, "", nil) }, func(t *testing.T, s *Store, at *site) {
				try := func() bool {
					ok := s.Want("http://a.example/", func(Picture) { t.Error("done was called") })
					idle(s)
					return ok
				}
				if !try() || try() {
					t.Error("not tried, or tried twice")
				}
				time.Sleep(keep - time.Second)
				if try() {
					t.Errorf("tried again before %v", keep)
				}
				time.Sleep(2 * time.Second)
				if !try() {
					t.Errorf("not tried again after %v", keep)
				}
				if asked, _ := at.count(); asked != 2 {
					t.Errorf("asked %d times", asked)
				}
			})
		})
	}
}

// At most four fetches run at once, a bounded number wait, and Want does not
// wait for any of them.
func TestFetch_Bounds(t *testing.T) {
	inBubble(t, silent, func(t *testing.T, s *Store, at *site) {
		start, taken := time.Now(), 0
		for i := range 2 * maxQueue {
			if s.Want(fmt.Sprintf("http://a.example/%d", i), func(Picture) {}) {
				taken++
			}
			if i == 0 {
				synctest.Wait() // the first worker has taken it
			}
		}
		if taken < maxQueue || taken > maxQueue+maxFetches || !time.Now().Equal(start) {
			t.Errorf("%d are queued after %v", taken, time.Since(start))
		}
		calls := 0
		for s.Want("http://a.example/0", func(Picture) {}) {
			calls++
		}
		if calls != maxWaiters-1 {
			t.Errorf("%d may wait for one", calls+1)
		}
		synctest.Wait()
		if asked, peak := at.count(); asked != maxFetches || peak != maxFetches {
			t.Errorf("asked %d, at once %d", asked, peak)
		}
	})
}

// Close ends what is under way at once, and nothing is called afterwards.
func TestFetch_Close(t *testing.T) {
	inBubble(t, silent, func(t *testing.T, s *Store, at *site) {
		for i := range 10 {
			s.Want(fmt.Sprintf("http://a.example/%d", i), func(Picture) { t.Error("done was called") })
		}
		synctest.Wait()
		start := time.Now()
		s.Close()
		if d := time.Since(start); d != 0 {
			t.Errorf("it took %v", d)
		}
		if s.Want("http://b.example/", func(Picture) {}) {
			t.Error("wanted after the end")
		}
		if p := put(t, s, pngOf(8, 8, 1)); !has(s, p) {
			t.Error("the store does not store any more")
		}
	})
}

// done may call the store, and holds up nobody but its own fetch.
func TestWant_DoneMayCallTheStore(t *testing.T) {
	inBubble(t, func(c net.Conn, r *http.Request) { reply(c, "200 OK", "", pngOf(8, 8, len(r.URL.Path))) },
		func(t *testing.T, s *Store, at *site) {
			n := 0
			s.Want("http://a.example/", func(p Picture) {
				s.Put(pngOf(9, 9, 9))
				_, ok := s.Of("http://a.example/")
				if !ok || !has(s, p) {
					t.Error("not there yet")
				}
				s.Want("http://a.example/a", func(Picture) { n++ })
			})
			idle(s)
			if n != 1 {
				t.Errorf("the second was called %d times", n)
			}
		})
}

// A picture is asked for anew when it is not fresh any more, with its
// entity-tag; what the server says then counts (RFC 9110 §13.1.2, §15.4.5).
func TestFetch_Revalidation(t *testing.T) {
	current := 1
	serve := func(c net.Conn, r *http.Request) {
		etag := fmt.Sprintf(`"v%d"`, current)
		if r.Header.Get("If-None-Match") == etag {
			reply(c, "304 Not Modified", "Cache-Control: max-age=1200\r\n", nil)
			return
		}
		reply(c, "200 OK", "ETag: "+etag+"\r\nCache-Control: public, max-age=600\r\n", pngOf(8, 8, current))
	}
	inBubble(t, serve, func(t *testing.T, s *Store, at *site) {
		want := func(picture, asked int, ifNoneMatch string) {
			t.Helper()
			var w wanted
			s.Want("http://a.example/", w.done)
			idle(s)
			if len(w.got) != 1 || w.got[0].ID != idOf(pngOf(8, 8, picture)) {
				t.Errorf("got %v, want picture %d", w.got, picture)
			}
			p, ok := s.Of("http://a.example/")
			if !ok || p != w.got[0] {
				t.Errorf("known as %v", p)
			}
			if n, _ := at.count(); n != asked || at.ifNoneMatch != ifNoneMatch {
				t.Errorf("asked %d times, last for %s", n, at.ifNoneMatch)
			}
		}
		want(1, 1, "")
		time.Sleep(599 * time.Second)
		want(1, 1, "")
		time.Sleep(2 * time.Second)
		want(1, 2, `"v1"`) // 304
		time.Sleep(1199 * time.Second)
		want(1, 2, `"v1"`)
		current = 2
		time.Sleep(2 * time.Second)
		want(2, 3, `"v1"`)
		p, _ := s.Of("http://a.example/")
		s.mu.Lock()
		s.take(s.all[p.ID]) // as when it was dropped
		s.mu.Unlock()
		want(2, 4, "") // it must come whole
		time.Sleep(keepKnown + time.Second)
		if _, ok := s.Of("http://a.example/"); ok {
			t.Error("known for ever")
		}
	})
}

// A server that fails later does not take away what it gave before.
func TestFetch_OldOneStays(t *testing.T) {
	status := "200 OK"
	inBubble(t, func(c net.Conn, r *http.Request) { reply(c, status, "", pngOf(8, 8, 1)) }, func(t *testing.T, s *Store, at *site) {
		var w wanted
		s.Want("http://a.example/", w.done)
		idle(s)
		status = "500 Broken"
		time.Sleep(freshDefault + time.Second)
		s.Want("http://a.example/", w.done)
		idle(s)
		if _, ok := s.Of("http://a.example/"); !ok || len(w.got) != 1 {
			t.Errorf("known %v, done %d times", ok, len(w.got))
		}
	})
}

// The memory of URIs is bounded, and the oldest goes first.
func TestFetch_MemoryBounded(t *testing.T) {
	inBubble(t, silent, func(t *testing.T, s *Store, at *site) {
		c := s.fetcher.done
		for i := range maxKnown + 10 {
			makeRoom(c)
			c.Set(fmt.Sprint(i), nil, keepKnown)
			time.Sleep(time.Millisecond)
		}
		_, oldest := c.Get("9")
		_, kept := c.Get("10")
		if c.ItemCount() != maxKnown || oldest || !kept {
			t.Errorf("%d are kept; 9: %v, 10: %v", c.ItemCount(), oldest, kept)
		}
		s.fetcher.failed.Set("x", nil, time.Second)
		time.Sleep(sweepEvery + time.Second)
		s.Want("http://a.example/", func(Picture) {})
		if _, ok := s.fetcher.failed.Items()["x"]; ok || s.fetcher.failed.ItemCount() != 0 {
			t.Error("what has expired is not swept")
		}
	})
}

func TestFreshness(t *testing.T) {
	for fields, want := range map[string]time.Duration{
		"":                            freshDefault,
		"max-age=600":                 10 * time.Minute,
		"Public, MAX-AGE=\"600\"":     10 * time.Minute,
		"max-age=1":                   freshLeast,
		"max-age=0":                   freshLeast,
		"max-age=999999999":           freshMost,
		"max-age=-1":                  freshDefault,
		"max-age=99999999999999":      freshDefault,
		"no-store":                    freshLeast,
		"no-cache, max-age=600":       freshLeast,
		"max-age=600, no-cache":       freshLeast,
		"private | max-age=7200":      2 * time.Hour,
		"s-maxage=9, immutable, junk": freshDefault,
	} {
		h := http.Header{"Cache-Control": strings.Split(fields, " | ")}
		if got := freshness(h); got != want {
			t.Errorf("%q: %v, want %v", fields, got, want)
		}
	}
	if etagOf(http.Header{"Etag": {strings.Repeat("x", 300)}}) != "" || etagOf(http.Header{"Etag": {`W/"a"`}}) != `W/"a"` {
		t.Error("entity-tags")
	}
}
