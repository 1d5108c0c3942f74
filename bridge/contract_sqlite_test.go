package bridge_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/bridge/policy"
	"github.com/porchlight-im/porchlight/bridge/store"
)

// copyDir copies what is on disk at this moment, as kill -9 would leave it.
func copyDir(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	es, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range es {
		in, err := os.Open(filepath.Join(from, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out, err := os.Create(filepath.Join(to, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(out, in)
		if err != nil {
			t.Fatal(err)
		}
		in.Close()
		out.Close()
	}
	return to
}

func openStore(t *testing.T, dir string) *store.Disk {
	t.Helper()
	st, err := store.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func TestContract_PUB_17_SurvivesKill(t *testing.T) {
	dir := t.TempDir()
	s := newStage(t, policy.Allow, openStore(t, dir))
	tag := s.publish("", time.Hour, open("a"))
	tag = s.publish(tag, time.Hour, open("b"))
	s.watch(legOf(bob, alice), "d1 x", time.Hour)
	s.authorize(legOf(carol, alice), policy.Block)
	dead := copyDir(t, dir)
	s.close()

	s = newStage(t, policy.Allow, openStore(t, dead))
	defer s.close()
	var ids []string
	s.hub.Resume("sip", func(r bridge.Resumed) *bridge.Outbox { ids = append(ids, r.ID); return s.box })
	if !slices.Equal(ids, []string{"d1 x"}) {
		t.Errorf("resumed %q", ids)
	}
	if _, v := s.hub.Standing(legOf(bob, alice)); content(v) != "open b" {
		t.Errorf("state %s", content(v))
	}
	_, err := s.tryWatch(legOf(carol, alice), "d2", time.Hour)
	kind(t, err, bridge.Forbidden)
	s.publish(tag, time.Hour, nil)
}

func TestContract_StoreOneProcess(t *testing.T) {
	dir := t.TempDir()
	st := openStore(t, dir)
	_, err := store.Open(dir, nil)
	if err == nil {
		t.Fatal("opened twice")
	}
	err = st.Close()
	if err != nil {
		t.Fatal(err)
	}
	err = openStore(t, dir).Close()
	if err != nil {
		t.Fatal(err)
	}
}

func TestContract_StoreCorrupted(t *testing.T) {
	for _, junk := range []string{"this is no database, however long one looks at it ....................................................................................", "SQLite format 3\x00 cut"} {
		dir := t.TempDir()
		st := openStore(t, dir)
		es, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		_ = st.Close()
		for _, e := range es {
			if filepath.Ext(e.Name()) == ".db" {
				err = os.WriteFile(filepath.Join(dir, e.Name()), []byte(junk), 0o600)
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		st, err = store.Open(dir, nil)
		if err == nil {
			err = st.Load(context.Background(), func(store.Record) error { return nil })
			_ = st.Close()
		}
		if err == nil {
			t.Error("a corrupted database was taken")
		}
		t.Log(err)
	}
}

// benchmarkAppend measures n callers who each wait for their record.
func BenchmarkContractStore(b *testing.B) {
	for _, callers := range []int{1, 2, 64, 1000} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			st, err := store.Open(b.TempDir(), nil)
			if err != nil {
				b.Fatal(err)
			}
			defer st.Close()
			value := make([]byte, 600)
			b.SetParallelism(callers)
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					err := st.Append([]store.Record{{Key: fmt.Sprintf("p\x00sip:u%d@sip.example\x00%p", i%5000, pb), Value: value}}).Wait()
					if err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

func BenchmarkContractFanOut(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("watchers=%d", n), func(b *testing.B) {
			s := newStage(b, policy.Allow, nil)
			defer s.hub.Close()
			for i := range n {
				w := bob
				w.User = name(i)
				_, err := s.tryWatch(legOf(w, alice), "d", bridge.Forever)
				if err != nil {
					b.Fatal(err)
				}
			}
			r, err := s.tryPublish("", time.Hour, open("a"))
			if err != nil {
				b.Fatal(err)
			}
			states := []string{"x", "y"}
			var items []bridge.Item
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				r, err = s.tryPublish(r.ETag, time.Hour, open(states[i%2]))
				if err != nil {
					b.Fatal(err)
				}
				items = s.box.Take(items[:0])
			}
			if len(items) != n {
				b.Fatalf("%d items", len(items))
			}
		})
	}
}

func BenchmarkContractRefresh(b *testing.B) {
	s := newStage(b, policy.Allow, nil)
	defer s.hub.Close()
	r, err := s.tryPublish("", time.Hour, open("a"))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		r, err = s.tryPublish(r.ETag, time.Hour, nil)
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkContractWatchChurn(b *testing.B) {
	s := newStage(b, policy.Allow, nil)
	defer s.hub.Close()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		_, _ = s.tryWatch(legOf(bob, alice), "d", time.Hour)
		_, _ = s.tryWatch(legOf(bob, alice), "d", 0)
		s.box.Take(nil)
	}
}
