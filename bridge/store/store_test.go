package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func open(t testing.TB, dir string) *Disk {
	t.Helper()
	s, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func load(t testing.TB, s Store) map[string]string {
	t.Helper()
	m := map[string]string{}
	err := s.Load(context.Background(), func(r Record) error {
		m[r.Key] = string(r.Value)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func want(t testing.TB, s Store, m map[string]string) {
	t.Helper()
	if got := load(t, s); !maps.Equal(got, m) {
		t.Errorf("stored %q, want %q", got, m)
	}
}

func put(t testing.TB, s Store, kv ...string) {
	t.Helper()
	err := s.Append(records(kv...)).Wait()
	if err != nil {
		t.Fatal(err)
	}
}

// records makes records of keys and values; "-" deletes.
func records(kv ...string) (rs []Record) {
	for i := 0; i < len(kv); i += 2 {
		r := Record{Key: kv[i]}
		if kv[i+1] != "-" {
			r.Value = []byte(kv[i+1])
		}
		rs = append(rs, r)
	}
	return rs
}

func TestStore_RoundTrip(t *testing.T) {
	for name, s := range map[string]Store{"sqlite": open(t, t.TempDir()), "memory": NewMemory()} {
		t.Run(name, func(t *testing.T) {
			odd := "k\x00\xff %'\"" // keys are any bytes
			put(t, s, "a", "1", odd, "2", "b", "3", "a", "4", "b", "-", "empty", "")
			want(t, s, map[string]string{"a": "4", odd: "2", "empty": ""})
			put(t, s, "a", "-", "b", "5", "nothing", "-")
			want(t, s, map[string]string{odd: "2", "b": "5", "empty": ""})
			err := s.Close()
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestStore_CloseWritesWhatIsQueued(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	m := map[string]string{}
	for i := range 1000 {
		k := strconv.Itoa(i)
		s.Append(records(k, k))
		m[k] = k
	}
	for range 2 { // closing twice is no fault
		err := s.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
	err := s.Append(records("late", "x")).Wait()
	if err == nil {
		t.Error("a closed store took a record")
	}
	s = open(t, dir)
	defer s.Close()
	want(t, s, m)
}

// PUB-17: what has been waited for survives kill -9, each batch whole.
func TestPUB_17_SurvivesKill(t *testing.T) {
	if dir := os.Getenv("STORE_TO_BE_KILLED"); dir != "" {
		s := open(t, dir)
		for i := 0; ; i++ {
			v := strconv.Itoa(i)
			put(t, s, "x", v, "y", v, "i"+v, v)
			fmt.Println("written", i)
		}
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=TestPUB_17_SurvivesKill")
	cmd.Env = append(os.Environ(), "STORE_TO_BE_KILLED="+dir)
	var out strings.Builder
	var mu sync.Mutex
	cmd.Stdout = writer(func(b []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return out.Write(b)
	})
	err := cmd.Start()
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		mu.Lock()
		n := strings.Count(out.String(), "written")
		mu.Unlock()
		if n > 200 {
			break
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	last := strings.TrimPrefix(lines[len(lines)-1], "written ")
	n, err := strconv.Atoi(last)
	if err != nil || n < 200 {
		t.Fatalf("the process wrote up to %q", last)
	}
	s := open(t, dir)
	defer s.Close()
	m := load(t, s)
	if m["x"] != m["y"] {
		t.Errorf("half a batch: %s and %s", m["x"], m["y"])
	}
	for i := range n + 1 {
		if k := strconv.Itoa(i); m["i"+k] != k {
			t.Fatalf("record %d of %d is lost", i, n)
		}
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

// PUB-18: a full disk is told to whoever waits; what nobody waited for is
// written when there is room again, unless something newer has been.
func TestPUB_18_DiskFull(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	put(t, s, "a", "1", "b", "1")
	before := maxLog.Swap(4 << 10)
	defer maxLog.Store(before)
	big := strings.Repeat("x", 1<<20)
	if err := s.Append(records("big", big, "b", "2")).Wait(); err == nil {
		t.Fatal("a full disk took a megabyte")
	}
	want(t, s, map[string]string{"a": "1", "b": "1"}) // whole or not at all
	// Small changes still find room, and are newer than what failed.
	put(t, s, "b", "3")
	maxLog.Store(before)
	deadline := time.Now().Add(10 * time.Second)
	for load(t, s)["big"] != big {
		if time.Now().After(deadline) {
			t.Fatal("what failed was never written")
		}
		time.Sleep(50 * time.Millisecond)
	}
	want(t, s, map[string]string{"a": "1", "b": "3", "big": big})
}

// PUB-18: when the database cannot take what the log has, nothing is lost, and
// it is taken over as soon as that is possible, be it by the next process.
func TestPUB_18_DatabaseFull(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	put(t, s, "a", "1")
	want(t, s, map[string]string{"a": "1"})
	limit := func(pages int) {
		_, err := s.db.db.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages))
		if err != nil {
			t.Fatal(err)
		}
	}
	limit(1) // as many as there are
	big := strings.Repeat("x", 1<<20)
	put(t, s, "big", big, "a", "-")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := s.Load(ctx, func(Record) error { return nil })
	if err == nil {
		t.Fatal("a full database took a megabyte")
	}
	put(t, s, "b", "2")
	err = s.Close()
	if err == nil {
		t.Error("closing does not tell that the database lacks something")
	}
	s = open(t, dir)
	defer s.Close()
	want(t, s, map[string]string{"big": big, "b": "2"})
	if paths, _, _ := logsOf(dir); len(paths) != 1 {
		t.Errorf("logs left: %q", paths)
	}
}

// A log that ends in the middle of a batch, or in rubbish, gives what is whole
// before that.
func TestStore_LogCutShort(t *testing.T) {
	l, err := newLog(t.TempDir(), 7)
	if err != nil {
		t.Fatal(err)
	}
	for _, rs := range [][]Record{records("a", "1", "b", "2"), records("a", "-", "c", "")} {
		err = l.append(rs)
		if err != nil {
			t.Fatal(err)
		}
	}
	whole, err := os.ReadFile(l.path)
	if err != nil {
		t.Fatal(err)
	}
	first := frameHead + int(binary.LittleEndian.Uint32(whole))
	for n := range len(whole) + 1 {
		for _, rubbish := range []string{"", "\x00\x00\x00\x00\x01\x00\x00\x00rubbish"} {
			err = os.WriteFile(l.path, append(bytes.Clone(whole[:n]), rubbish...), 0o600)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string][]byte{}
			_, err = readLog(l.path, got)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{}
			if n >= first {
				want = map[string]string{"a": "1", "b": "2"}
			}
			if n == len(whole) {
				want = map[string]string{"a": "<nil>", "b": "2", "c": ""}
			}
			if d := cmp.Diff(want, texts(got)); d != "" {
				t.Fatalf("%d bytes, then %q: -want +got:\n%s", n, rubbish, d)
			}
		}
	}
}

func texts(m map[string][]byte) map[string]string {
	out := map[string]string{}
	for k, v := range m {
		out[k] = string(v)
		if v == nil {
			out[k] = "<nil>"
		}
	}
	return out
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte("\x01a\x02x\x01b\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		into := map[string][]byte{}
		err := readFrame(b, into)
		size := 0
		for k, v := range into {
			size += len(k) + len(v)
		}
		if size > len(b) || err == nil && len(b) > 0 && len(into) == 0 {
			t.Fatalf("%d bytes gave %d records of %d bytes", len(b), len(into), size)
		}
	})
}

func TestStore_OneProcess(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	_, err := Open(dir, nil)
	if err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a second opening: %v", err)
	}
	err = s.Close()
	if err != nil {
		t.Fatal(err)
	}
	_ = open(t, dir).Close()
}

func TestStore_NotOurs(t *testing.T) {
	for name, content := range map[string]string{
		"text":      strings.Repeat("this is no database\n", 500),
		"cut short": "SQLite format 3\x00",
	} {
		dir := t.TempDir()
		err := os.WriteFile(filepath.Join(dir, "porchlight.db"), []byte(content), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Open(dir, nil)
		if err == nil {
			s.Close()
			t.Errorf("%s was opened", name)
			continue
		}
		if !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: the error does not say which file: %v", name, err)
		}
		if f, err := lockDir(dir); err != nil {
			t.Errorf("%s: the folder stays locked: %v", name, err)
		} else {
			f.Close()
		}
	}
	dir := t.TempDir()
	s := open(t, dir)
	_, err := s.db.db.Exec("PRAGMA user_version = 999")
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	_, err = Open(dir, nil)
	if err == nil || !strings.Contains(err.Error(), "newer") {
		t.Errorf("a database of the future: %v", err)
	}
}

// The order of Append is the order of effect, whoever waits or not.
func TestStore_Order(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	var mu sync.Mutex
	n := 0
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for i := range 100 {
				mu.Lock()
				n++
				b := s.Append(records("k", strconv.Itoa(n)))
				mu.Unlock()
				if i%3 == 0 {
					if err := b.Wait(); err != nil {
						t.Error(err)
					}
				} else {
					s.Throttle()
				}
			}
		})
	}
	wg.Wait()
	put(t, s, "end", "x")
	want(t, s, map[string]string{"k": strconv.Itoa(n), "end": "x"})
}

// Throttle holds back who does not wait: the queue is bounded.
func TestStore_Throttle(t *testing.T) {
	j := newJournal()
	for range queueLimit + 1 {
		j.Append(records("k", "v"))
	}
	done := make(chan struct{})
	go func() { j.Throttle(); close(done) }()
	select {
	case <-done:
		t.Fatal("a full queue does not hold anyone back")
	case <-time.After(50 * time.Millisecond):
	}
	j.take()
	<-done
}

// BenchmarkAppend measures callers who each wait for their record of 600
// bytes.
func BenchmarkAppend(b *testing.B) {
	value := make([]byte, 600)
	for _, callers := range []int{2, 64, 1000} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := open(b, b.TempDir())
			defer s.Close()
			var wg sync.WaitGroup
			per := b.N/callers + 1
			b.ResetTimer()
			for c := range callers {
				wg.Go(func() {
					for i := range per {
						err := s.Append([]Record{{Key: fmt.Sprintf("p\x00sip:u%d-%d@sip.example", c, i%100), Value: value}}).Wait()
						if err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}
