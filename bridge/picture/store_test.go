package picture

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// put stores data that must be fine.
func put(t *testing.T, s *Store, data []byte) Picture {
	t.Helper()
	p, err := s.Put(data)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func has(s *Store, p Picture) bool {
	_, _, ok := s.Get(p.ID)
	return ok
}

// each runs a test on a store in memory and on one with files.
func each(t *testing.T, cfg Config, test func(t *testing.T, s *Store)) {
	t.Run("memory", func(t *testing.T) { test(t, open(t, cfg)) })
	t.Run("files", func(t *testing.T) {
		cfg.Dir = filepath.Join(t.TempDir(), "pictures")
		test(t, open(t, cfg))
		for _, e := range fileNames(t, cfg.Dir) {
			if _, ok := ours(e); !ok {
				t.Errorf("%s is left", e)
			}
		}
	})
}

// values are the metrics' values, each with its label.
func values(t *testing.T, cs ...prometheus.Collector) (all []string) {
	t.Helper()
	for _, c := range cs {
		reg := prometheus.NewRegistry()
		must(reg.Register(c))
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				s := fmt.Sprint(m.GetCounter().GetValue() + m.GetGauge().GetValue())
				for _, l := range m.GetLabel() {
					s = l.GetValue() + "=" + s
				}
				all = append(all, s)
			}
		}
	}
	return all
}

func fileNames(t *testing.T, dir string) (names []string) {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names
}

// MaxTotal is kept, in blocks of 4 KiB, and what was not used for the longest
// time goes first.
func TestEviction_LastUsedStays(t *testing.T) {
	each(t, Config{MaxBytes: 4096, MaxTotal: 3 * 4096}, func(t *testing.T, s *Store) {
		a, b, c := put(t, s, pngOf(8, 8, 1)), put(t, s, pngOf(8, 8, 2)), put(t, s, pngOf(8, 8, 3))
		if !has(s, b) || !has(s, a) { // now c is the oldest
			t.Fatal("three do not fit")
		}
		d := put(t, s, pngOf(8, 8, 4))
		if has(s, c) || !has(s, a) || !has(s, b) || !has(s, d) {
			t.Errorf("stayed: a %v b %v c %v d %v", has(s, a), has(s, b), has(s, c), has(s, d))
		}
		if s.total != 3*4096 || len(s.all) != 3 || s.used.Len() != 3 {
			t.Errorf("%d bytes, %d pictures", s.total, len(s.all))
		}
		if s.files.on() && len(fileNames(t, s.cfg.Dir)) != 3 {
			t.Errorf("files: %v", fileNames(t, s.cfg.Dir))
		}
		put(t, s, pngOf(8, 8, 3))
		if !has(s, c) || has(s, a) {
			t.Error("what was dropped cannot come again")
		}
		if n := values(t, s.metrics.evicted)[0]; n != "2" {
			t.Errorf("%v dropped, by the metric", n)
		}
	})
}

// The pictures and their order are there after a restart; files that are not
// ours are left alone, those that are damaged are not served.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Config{Dir: dir})
	a, b, c := put(t, s, pngOf(8, 8, 1)), put(t, s, jpegOf(9, 9)), put(t, s, gifOf(7, 7, 1))
	s.Close()
	write := func(name string, data []byte) {
		must(os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	old := time.Now().Add(-48 * time.Hour)
	must(os.Chtimes(filepath.Join(dir, b.FileName()), old, old))
	write("README", []byte("hello"))
	write("0000.png", pngOf(3, 3, 3))
	write(temporary+"123", pngOf(3, 3, 4))
	write(strings.Repeat("ab", 20)+".png", pngOf(3, 3, 5)) // another's hash
	write(idOf(pngOf(3, 3, 6))+".gif", pngOf(3, 3, 6))     // another type
	write(c.FileName(), gifOf(7, 7, 1)[:20])               // cut short
	write(idOf([]byte(svg))+".png", []byte(svg))           // not an image
	must(os.Mkdir(filepath.Join(dir, a.ID+".gif"), 0o700)) // no file
	must(os.Symlink("/dev/zero", filepath.Join(dir, idOf(nil)+".png")))

	s = open(t, Config{Dir: dir})
	got, data, ok := s.Get(a.ID)
	if !ok || got != a || !bytes.Equal(data, pngOf(8, 8, 1)) || !has(s, b) || has(s, c) || len(s.all) != 2 {
		t.Errorf("after the restart: %v %+v; %d pictures", ok, got, len(s.all))
	}
	want := []string{a.ID + ".gif", a.FileName(), b.FileName(), "0000.png", "README", idOf(nil) + ".png"}
	left := strings.Join(fileNames(t, dir), " ")
	for _, name := range want {
		if !strings.Contains(left, name) {
			t.Errorf("%s is gone", name)
		}
	}
	if n := len(strings.Fields(left)); n != len(want) {
		t.Errorf("%d files are left: %s", n, left)
	}
}

// With a lower limit a restart keeps what was used last.
func TestRestart_LowerLimit(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Config{Dir: dir})
	var all []Picture
	for i := range 5 {
		p := put(t, s, pngOf(8, 8, i))
		at := time.Now().Add(-time.Duration(10-i) * time.Hour)
		must(os.Chtimes(filepath.Join(dir, p.FileName()), at, at))
		all = append(all, p)
	}
	s = open(t, Config{Dir: dir, MaxBytes: 4096, MaxTotal: 2 * 4096})
	if !has(s, all[4]) || !has(s, all[3]) || has(s, all[2]) || len(fileNames(t, dir)) != 2 {
		t.Errorf("files: %v", fileNames(t, dir))
	}
	// A use after more than an hour is remembered over the next restart.
	old, err := os.Stat(filepath.Join(dir, all[3].FileName()))
	if err != nil || time.Since(old.ModTime()) > time.Minute {
		t.Errorf("the time of a used file is %v (%v)", old.ModTime(), err)
	}
}

// A file that vanishes or changes behind our back is not served, and may come
// again.
func TestGet_FileLost(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Config{Dir: dir})
	for _, spoil := range []func(path string) error{
		os.Remove,
		func(path string) error { return os.WriteFile(path, []byte(svg), 0o600) },
	} {
		p := put(t, s, pngOf(8, 8, 1))
		must(spoil(filepath.Join(dir, p.FileName())))
		if has(s, p) || len(s.all) != 0 || s.total != 0 {
			t.Errorf("still there: %d pictures of %d bytes", len(s.all), s.total)
		}
		put(t, s, pngOf(8, 8, 1))
		if !has(s, p) {
			t.Error("does not come again")
		}
	}
}

// A disk that does not take the file is told, and nothing is kept.
func TestPut_DiskFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "p")
	s := open(t, Config{Dir: dir})
	must(os.Remove(dir))
	_, err := s.Put(pngOf(8, 8, 1))
	if err == nil || !strings.Contains(err.Error(), "storing a picture") || len(s.all) != 0 {
		t.Errorf("got %v, %d pictures", err, len(s.all))
	}
	_, err = Open(Config{Dir: string([]byte{0})}, nil, nil)
	if err == nil {
		t.Error("a directory that cannot be is opened")
	}
}

// Many at once put, get and evict.
func TestStore_Concurrent(t *testing.T) {
	each(t, Config{MaxBytes: 4096, MaxTotal: 4 * 4096}, func(t *testing.T, s *Store) {
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				for i := range 60 {
					data := pngOf(8, 8, (i*g)%8)
					p, err := s.Put(data)
					if err != nil {
						t.Error(err)
					}
					_, got, ok := s.Get(p.ID)
					if ok && !bytes.Equal(got, data) {
						t.Error("another picture came")
					}
				}
			})
		}
		wg.Wait()
		if s.total != int64(len(s.all))*4096 || len(s.all) > 4 || s.used.Len() != len(s.all) {
			t.Errorf("%d pictures, %d bytes", len(s.all), s.total)
		}
		if s.files.on() && len(fileNames(t, s.cfg.Dir)) != len(s.all) {
			t.Errorf("%d pictures, files %v", len(s.all), fileNames(t, s.cfg.Dir))
		}
	})
}

// A URI stands for a picture when it is data:, or one of our own URLs.
func TestOf(t *testing.T) {
	s := open(t, Config{PublicURL: "https://gw.example/sub/", MaxBytes: 8192})
	data := pngOf(16, 16, 1)
	p := put(t, s, data)
	if got := s.URL(p.ID); got != "https://gw.example/sub/v1/pictures/"+p.ID+".png" {
		t.Errorf("URL %q", got)
	}
	b64 := base64.StdEncoding.EncodeToString
	other := gifOf(4, 4, 1)
	folded := strings.ReplaceAll(b64(other), "A", "%0D%0A A")
	for _, c := range []struct {
		name, uri string
		want      []byte
	}{
		{"own URL", s.URL(p.ID), data},
		{"own URL with blanks", "\n  " + s.URL(p.ID) + " ", data},
		{"own URL, unknown", s.cfg.PublicURL + Path + strings.Repeat("0", 40) + ".png", nil},
		{"own URL of no hash", s.cfg.PublicURL + Path + "../../etc/passwd", nil},
		{"own URL without ending", s.cfg.PublicURL + Path + p.ID, nil},
		{"another's URL", "https://other.example/v1/pictures/" + p.ID + ".png", nil},
		{"data", "data:image/gif;base64," + b64(other), other},
		{"data, another label", "DATA:text/html;charset=x;BASE64," + b64(other), other},
		{"data without label", "data:;base64," + strings.TrimRight(b64(other), "="), other},
		{"data, escaped and folded", "data:image/gif;base64," + folded, other},
		{"data, not base64", "data:image/gif," + url.PathEscape(string(other)), other},
		{"data of SVG", "data:image/png," + url.PathEscape(svg), nil},
		{"data without comma", "data:image/png;base64", nil},
		{"data, wrong escape", "data:,%zz", nil},
		{"data, wrong base64", "data:;base64,!!!!", nil},
		{"data, too long", "data:;base64," + strings.Repeat("A", 40000), nil},
		{"data, too large", "data:;base64," + strings.Repeat("A", 20000), nil},
		{"nothing", "", nil},
		{"cid", "cid:icon@x", nil},
		{"a link", "https://phone.example/a.png", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok := s.Of(c.uri)
			if ok != (c.want != nil) || ok && got.ID != idOf(c.want) {
				t.Errorf("got %+v, %v", got, ok)
			}
		})
	}
	if got := open(t, Config{}).URL(p.ID); got != "" {
		t.Errorf("a URL without PublicURL: %q", got)
	}
	if got := s.URL("nobody"); got != "" {
		t.Errorf("a URL of nothing: %q", got)
	}
}

// What is refused is counted by reason, and told at debug level, without a
// word of what is in it.
func TestRefused_CountedAndTold(t *testing.T) {
	var log bytes.Buffer
	reg := prometheus.NewRegistry()
	s, err := Open(Config{}, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), reg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, _ = s.Put([]byte(svg))
	_, _ = s.Of("data:,%zz")
	put(t, s, pngOf(8, 8, 1))
	got := strings.Join(values(t, s.metrics.current, s.metrics.bytes, s.metrics.stored, s.metrics.refused), " ")
	if got != "1 4096 1 damaged=1 type=1" {
		t.Errorf("metrics %s", got)
	}
	if text := log.String(); !strings.Contains(text, "kind=type") || !strings.Contains(text, "kind=damaged") || strings.Contains(text, "alert") {
		t.Errorf("log:\n%s", text)
	}
	_, err = Open(Config{}, nil, reg)
	if err == nil {
		t.Error("metrics are registered twice")
	}
}

func TestConfigFaults(t *testing.T) {
	cfg := Config{MaxBytes: 1, MaxTotal: 2, MaxSide: 3, Fetch: []string{"ok.example", "*.ok.example:8080", "10.0.0.1",
		"[2001:db8::1]:80", "::1", "https://no.example", "no.example/x", "", "*", "a:b", "x:0", "x:70000", "a b"}}
	var got []string
	for _, e := range cfg.Validate() {
		path, _, _ := strings.Cut(e.Error(), ":")
		got = append(got, path)
	}
	want := "max_bytes max_total max_side fetch[5] fetch[6] fetch[7] fetch[8] fetch[9] fetch[10] fetch[11] fetch[12]"
	if strings.Join(got, " ") != want {
		t.Errorf("got %v", got)
	}
	_, err := Open(cfg, nil, nil)
	if err == nil {
		t.Error("opened")
	}
	for s, fine := range map[string]bool{
		"https://gw.example": true, "http://127.0.0.1:8080/": true, "https://gw.example/a/b": true,
		"gw.example": false, "ftp://gw.example": false, "https://": false, "https://u@gw.example": false,
		"https://gw.example?x": false, "https://gw.example#": false, "https://gw.example/?": false, "http://:8080": false,
	} {
		if err := CheckPublicURL(s); (err == nil) != fine {
			t.Errorf("%s: %v", s, err)
		}
	}
	_, err = Open(Config{PublicURL: "gw.example"}, nil, nil)
	if err == nil {
		t.Error("opened without a scheme")
	}
}
