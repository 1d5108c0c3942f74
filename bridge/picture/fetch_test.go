package picture

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// server is an HTTP server on loopback; the store may fetch from it.
func server(t *testing.T, h http.HandlerFunc) (base, host string) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL, strings.TrimPrefix(srv.URL, "http://")
}

// wanted collects what done was called with.
type wanted struct {
	mu  sync.Mutex
	got []Picture
}

func (w *wanted) done(p Picture) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got = append(w.got, p)
}

// idle waits until nothing is being fetched.
func idle(s *Store) { s.fetcher.tasks.Wait() }

func answer(w http.ResponseWriter, data []byte) { _, _ = w.Write(data) }

// A picture is fetched once, however many want it, and then known.
func TestWant_FetchesOnce(t *testing.T) {
	var asked atomic.Int32
	let := make(chan struct{})
	base, host := server(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		<-let
		w.Header().Set("Content-Type", "text/html") // the bytes tell
		answer(w, pngOf(8, 8, 1))
	})
	s := open(t, Config{Fetch: []string{host}})
	uri := base + "/icon?x=1"
	if _, ok := s.Of(uri); ok {
		t.Fatal("known before")
	}
	var w wanted
	for range 10 {
		if !s.Want(uri, w.done) {
			t.Fatal("not wanted")
		}
	}
	close(let)
	idle(s)
	want := idOf(pngOf(8, 8, 1))
	p, ok := s.Of(" " + uri)
	if len(w.got) != 10 || w.got[0].ID != want || asked.Load() != 1 || !ok || p != w.got[0] {
		t.Fatalf("done %d times, asked %d times, known %v", len(w.got), asked.Load(), ok)
	}
	if !s.Want(uri, w.done) {
		t.Error("not wanted again")
	}
	idle(s)
	if len(w.got) != 11 || asked.Load() != 1 {
		t.Errorf("a fresh picture: done %d times, asked %d times", len(w.got), asked.Load())
	}
	if got := values(t, s.metrics.fetches); strings.Join(got, " ") != "fresh=1 ok=1" {
		t.Errorf("metrics %v", got)
	}
}

// failing are the servers that Want copes with: what they do at /, and how
// the fetch ends.
func failing(other string) []struct {
	name, result string
	do           http.HandlerFunc
} {
	redirect := func(to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
	}
	return []struct {
		name, result string
		do           http.HandlerFunc
	}{
		{"404", "status", http.NotFound},
		{"204", "status", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) }},
		{"304 unasked", "status", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNotModified) }},
		{"nothing", "empty", func(w http.ResponseWriter, r *http.Request) {}},
		{"SVG called PNG", "type", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "image/png")
			answer(w, []byte(svg))
		}},
		{"packed", "type", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			answer(w, []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"))
		}},
		{"bomb", "dimensions", func(w http.ResponseWriter, r *http.Request) { answer(w, pngSaying(65535, 65535)) }},
		{"too large by its own word", "too_large", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "99999999")
			answer(w, pngOf(8, 8, 1))
		}},
		{"endless", "too_large", func(w http.ResponseWriter, r *http.Request) {
			answer(w, pngOf(8, 8, 1))
			for r.Context().Err() == nil {
				answer(w, make([]byte, 4096))
			}
		}},
		{"cut short", "failed", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "5000")
			answer(w, pngOf(8, 8, 1))
		}},
		{"hangs up", "failed", func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }},
		{"huge header", "failed", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Long", strings.Repeat("x", 40<<10))
		}},
		{"redirect to another host", "redirect_not_allowed", redirect(other)},
		{"redirect to a file", "redirect_not_allowed", redirect("file:///etc/passwd")},
		{"redirect to data", "redirect_not_allowed", redirect("data:image/png;base64,AAAA")},
		{"redirect with a user", "redirect_not_allowed", redirect("//u:p@HOST/x")},
		{"redirect without end", "redirects", redirect("/secret/again")},
		{"redirect to nowhere", "status", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusFound) }},
	}
}

// A fetch that fails calls nothing, is counted by its reason, is told without
// the URL, and is not repeated soon.
func TestWant_Fails(t *testing.T) {
	var strayed atomic.Int32
	other, _ := server(t, func(w http.ResponseWriter, r *http.Request) {
		strayed.Add(1)
		answer(w, pngOf(8, 8, 1))
	})
	for _, c := range failing(other) {
		t.Run(c.name, func(t *testing.T) {
			var asked atomic.Int32
			base, host := server(t, func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				c.do(w, r)
			})
			var log bytes.Buffer
			s, err := Open(Config{Fetch: []string{host}}, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			never := func(Picture) { t.Error("done was called") }
			if !s.Want(base+"/secret", never) {
				t.Fatal("not tried")
			}
			idle(s)
			n := asked.Load()
			if s.Want(base+"/secret", never) || asked.Load() != n {
				t.Error("tried again at once")
			}
			idle(s)
			got := strings.Join(values(t, s.metrics.fetches), " ")
			if !strings.Contains(got, c.result+"=1") || !strings.Contains(got, "failed_before=1") {
				t.Errorf("metrics %s, want %s", got, c.result)
			}
			if text := log.String(); !strings.Contains(text, "reason="+c.result) || !strings.Contains(text, "host="+host) || strings.Contains(text, "secret") {
				t.Errorf("log:\n%s", text)
			}
			if len(s.all) != 0 {
				t.Error("something was stored")
			}
		})
	}
	if strayed.Load() != 0 {
		t.Errorf("%d requests went to a host that is not allowed", strayed.Load())
	}
}

// Three redirects between allowed hosts are followed, and tell no server of
// the one before.
func TestWant_FollowsRedirects(t *testing.T) {
	var referer atomic.Value
	last, lastHost := server(t, func(w http.ResponseWriter, r *http.Request) {
		referer.Store(r.Header.Get("Referer") + r.Header.Get("Cookie"))
		answer(w, pngOf(8, 8, 1))
	})
	base, host := server(t, func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		to := map[string]string{"/0": "/1", "/1": "/2", "/2": last + "/3"}[r.URL.Path]
		http.Redirect(w, r, to, http.StatusMovedPermanently)
	})
	s := open(t, Config{Fetch: []string{host, lastHost}})
	var w wanted
	s.Want(base+"/0", w.done)
	idle(s)
	if len(w.got) != 1 || referer.Load() != "" {
		t.Errorf("got %v, referer %q", w.got, referer.Load())
	}
	if _, ok := s.Of(base + "/0"); !ok {
		t.Error("not known by the URL that was wanted")
	}
}

// Over https the server's certificate counts.
func TestWant_TLS(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w, pngOf(8, 8, 1)) }))
	defer srv.Close()
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	cfg := Config{Fetch: []string{strings.TrimPrefix(srv.URL, "https://")}}
	s := open(t, cfg)
	var w wanted
	s.Want(srv.URL, w.done)
	idle(s)
	if len(w.got) != 0 {
		t.Error("a certificate of nobody was taken")
	}
	cfg.RootCAs = srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	s = open(t, cfg)
	s.Want(srv.URL, w.done)
	idle(s)
	if len(w.got) != 1 {
		t.Error("nothing came over https")
	}
}

// A name that leads into our own network is not followed there, unless the
// address itself is allowed.
func TestWant_NameOfPrivateAddress(t *testing.T) {
	var asked atomic.Int32
	base, host := server(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		answer(w, pngOf(8, 8, 1))
	})
	_, port, _ := strings.Cut(host, ":")
	uri := strings.Replace(base, "127.0.0.1", "localhost", 1) + "/a.png"
	s := open(t, Config{Fetch: []string{"localhost:" + port}})
	var w wanted
	if !s.Want(uri, w.done) {
		t.Fatal("not tried")
	}
	idle(s)
	if got := values(t, s.metrics.fetches); asked.Load() != 0 || len(w.got) != 0 || got[0] != "address_not_allowed=1" {
		t.Errorf("asked %d times; metrics %v", asked.Load(), got)
	}
	s = open(t, Config{Fetch: []string{"localhost:" + port, host}})
	s.Want(uri, w.done)
	idle(s)
	if len(w.got) != 1 {
		t.Errorf("metrics %v", values(t, s.metrics.fetches))
	}
}

// What is not allowed is not even tried.
func TestWant_NotAllowed(t *testing.T) {
	s := open(t, Config{Fetch: []string{"127.0.0.1:9"}})
	none := open(t, Config{})
	never := func(Picture) { t.Error("done was called") }
	for _, uri := range []string{"https://phone.example/x.png", "http://127.0.0.1:8/x", "ftp://127.0.0.1:9/x", "cid:x", "",
		"http://a b/", "//127.0.0.1:9/x", "http://u@127.0.0.1:9/x", "http:///x", "http://127.0.0.1:9/" + strings.Repeat("x", maxURI)} {
		if s.Want(uri, never) || none.Want(uri, never) {
			t.Errorf("%.40q was tried", uri)
		}
	}
	if got := fmt.Sprint(values(t, s.metrics.fetches)); got != "[not_allowed=10]" {
		t.Errorf("metrics %s", got)
	}
}
