package webapi

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

// real makes a world on real sockets of the loopback interface, with n tokens
// "0" and so on.
func real(b *testing.B, n int) *world {
	return newWorld(b, func(c *Config) {
		c.Open, c.Listen = net.Listen, "127.0.0.1:0"
		for i := range n {
			c.Tokens[strconv.Itoa(i)] = Account{Address: fmt.Sprintf("sip:w%d@open.example", i)}
		}
	})
}

// watchers opens n feeds that watch alice; each calls got with every frame.
func watchers(b *testing.B, w *world, n int, got func([]byte)) {
	b.Helper()
	d := websocket.Dialer{ReadBufferSize: 256, WriteBufferPool: &sync.Pool{}}
	for i := range n {
		ws, _, err := d.Dial("ws://"+w.port.Addr()+"/v1/feed", http.Header{"Authorization": {"Bearer " + strconv.Itoa(i)}})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { ws.Close() })
		err = ws.WriteMessage(websocket.TextMessage, []byte(`{"op":"subscribe","addresses":["`+alice+`"]}`))
		if err != nil {
			b.Fatal(err)
		}
		for range 4 { // hello, authenticated, subscribed, presence
			_ = ws.SetReadDeadline(time.Now().Add(10 * time.Second))
			_, _, err = ws.ReadMessage()
			if err != nil {
				b.Fatal(err)
			}
		}
		_ = ws.SetReadDeadline(time.Time{})
		if got == nil {
			continue
		}
		go func() {
			for {
				_, m, err := ws.ReadMessage()
				if err != nil {
					return
				}
				got(m)
			}
		}()
	}
}

// BenchmarkBroadcast is one change that 1,000 feeds watch, until the last has
// read it. Clients and server share the process.
func BenchmarkBroadcast(b *testing.B) {
	const n = 1000
	w := real(b, n)
	var wg sync.WaitGroup
	watchers(b, w, n, func([]byte) { wg.Done() })
	etag := ""
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		wg.Add(n)
		rec, err := w.hub.Publish(context.Background(), bridge.Publication{Presentity: addr(alice), IfMatch: etag,
			Expires: time.Hour, State: &presence.State{Services: []presence.Service{{ID: "p", Basic: presence.Open}},
				Notes: []presence.Note{{Text: fmt.Sprint(i)}}}})
		if err != nil {
			b.Fatal(err)
		}
		etag = rec.ETag
		wg.Wait()
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/watcher")
}

// BenchmarkIdle is the memory of an idle feed with one subscription. The
// client's end, about half of the sockets, is in the same process, so its own
// buffers are counted too.
func BenchmarkIdle(b *testing.B) {
	const n = 2000
	for b.Loop() {
		w := real(b, n)
		before := memory()
		watchers(b, w, n, nil)
		b.ReportMetric(float64(memory()-before)/n, "B/feed")
		b.ReportMetric(float64(runtime.NumGoroutine())/n, "goroutines/feed")
		w.stop()
	}
}

func memory() int64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}
