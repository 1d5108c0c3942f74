package transport_test

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porchlight-im/porchlight/bridge/bridgetest"
	"github.com/porchlight-im/porchlight/simple/transport"
)

// order is a handler that notes how requests of one Call-ID come.
type order struct {
	mu            sync.Mutex
	last          map[string]uint32
	inside        map[string]int
	swapped, most int
}

func (o *order) handle(_ context.Context, r *transport.Request) {
	id, seq := r.CallID().Value(), r.CSeq().SeqNo
	o.mu.Lock()
	o.inside[id]++
	o.most = max(o.most, o.inside[id])
	if seq != o.last[id]+1 {
		o.swapped++
	}
	o.last[id] = seq
	o.mu.Unlock()
	if seq%97 == 0 {
		runtime.Gosched()
	}
	o.mu.Lock()
	o.inside[id]--
	o.mu.Unlock()
	r.Reply(transport.Reply{Code: 200})
}

// Defect T13: requests of one Call-ID reach the handler in order of arrival.
func TestOrderWithinCallID(t *testing.T) {
	const total = 20000
	bubble(t, func(t *testing.T, n *bridgetest.Network) {
		o := &order{last: map[string]uint32{}, inside: map[string]int{}}
		tr := start(t, transport.Config{
			Listen: []string{"tcp://" + us}, Net: n, Limits: transport.Limits{Queue: 2 * total}, Handler: o.handle,
		})
		c, err := n.Dial(context.Background(), "tcp", us)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		go io.Copy(io.Discard, c)
		write := func(id string, seq int) {
			branch := fmt.Sprintf("z9hG4bK%s.%d", id, seq)
			raw := strings.Replace(publish("TCP", branch), "Call-ID: "+branch+"@x", "Call-ID: "+id, 1)
			_, err := io.WriteString(c, strings.Replace(raw, "CSeq: 1", fmt.Sprintf("CSeq: %d", seq), 1))
			if err != nil {
				t.Fatal(err)
			}
		}
		for i := range total {
			write("a", i+1)
			if i%10 == 0 {
				write("b", i/10+1)
				write("c", i/10+1)
			}
		}
		synctest.Wait()
		if o.swapped != 0 || o.most != 1 || len(o.last) != 3 || o.last["a"] != total {
			t.Errorf("%d out of order, %d at a time, last %v", o.swapped, o.most, o.last)
		}
		if tr.ServerTransactions() != 0 {
			t.Errorf("%d transactions kept on a stream", tr.ServerTransactions())
		}
	})
}

// Defect T13: a bounded number of handlers; when the queue is full, 503.
func TestFloodIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T, n *bridgetest.Network) {
		var running, most, calls atomic.Int64
		free := make(chan struct{})
		tr := start(t, transport.Config{
			Listen: []string{"udp://" + us}, Net: n,
			Limits: transport.Limits{Workers: 8, Queue: 100, Transactions: 1600},
			Handler: func(_ context.Context, r *transport.Request) {
				calls.Add(1)
				most.Store(max(most.Load(), running.Add(1)))
				<-free
				running.Add(-1)
				r.Reply(transport.Reply{Code: 200})
			},
		})
		p := newPhone(t, n, them)
		synctest.Wait()
		before := runtime.NumGoroutine()
		for i := range 5000 {
			p.send(us, publish("UDP", fmt.Sprintf("z9hG4bK%d", i)))
			if i%1000 == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		if g := runtime.NumGoroutine() - before; g > 8 || most.Load() != 8 {
			t.Errorf("%d goroutines more, %d handlers at a time", g, most.Load())
		}
		if tr.ServerTransactions() > 108 {
			t.Errorf("%d transactions", tr.ServerTransactions())
		}
		busy := 0
		for len(p.in) > 0 {
			got := <-p.in
			hasLines(t, got, "SIP/2.0 503 ", "Retry-After: ")
			busy++
		}
		close(free)
		synctest.Wait()
		if busy != 5000-108 || calls.Load() != 108 || len(p.in) != 108 {
			t.Errorf("%d got 503, %d handled, %d answers", busy, calls.Load(), len(p.in))
		}
		hasLines(t, func() string { p.drain(); return p.ask(us, publish("UDP", "z9hG4bKnew")) }(), "SIP/2.0 200 ")
	})
}

// Large requests that wait are bounded in bytes too.
func TestWaitingBytesAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T, n *bridgetest.Network) {
		free := make(chan struct{})
		start(t, transport.Config{
			Listen: []string{"udp://" + us}, Net: n, Limits: transport.Limits{Workers: 1, QueueBytes: 1 << 20},
			Handler: func(_ context.Context, r *transport.Request) {
				<-free
				r.Reply(transport.Reply{Code: 200})
			},
		})
		p := newPhone(t, n, them)
		for i := range 100 {
			p.send(us, publish("UDP", fmt.Sprintf("z9hG4bK%d", i), "X: "+strings.Repeat("y", 60000)+"\r\n"))
		}
		synctest.Wait()
		if got := len(p.in); got < 80 || got > 85 {
			t.Errorf("%d got 503", got)
		}
		close(free)
		synctest.Wait()
	})
}

// A slow call does not hold up the others.
func TestCallsRunSideBySide(t *testing.T) {
	bubble(t, func(t *testing.T, n *bridgetest.Network) {
		start(t, transport.Config{
			Listen: []string{"udp://" + us}, Net: n,
			Handler: func(_ context.Context, r *transport.Request) {
				if strings.HasPrefix(r.CallID().Value(), "z9hG4bKslow") {
					time.Sleep(5 * time.Second)
				}
				r.Reply(transport.Reply{Code: 200})
			},
		})
		p := newPhone(t, n, them)
		for i := range 100 {
			p.send(us, publish("UDP", fmt.Sprintf("z9hG4bKslow%d", i)))
		}
		begin := time.Now()
		hasLines(t, p.ask(us, publish("UDP", "z9hG4bKquick")), "z9hG4bKquick")
		if time.Since(begin) != 0 {
			t.Errorf("waited %v", time.Since(begin))
		}
	})
}

// Kept responses are bounded in number and in bytes; the oldest go.
func TestKeptTransactionsAreBounded(t *testing.T) {
	for name, lim := range map[string]transport.Limits{
		"number": {Transactions: 160}, "bytes": {TransactionBytes: 1 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *bridgetest.Network) {
				tr := start(t, transport.Config{Listen: []string{"udp://" + us}, Net: n, Limits: lim, Handler: replyBody(6000)})
				p := newPhone(t, n, them)
				for i := range 2000 {
					p.ask(us, publish("UDP", fmt.Sprintf("z9hG4bK%d", i)))
				}
				if n := tr.ServerTransactions(); n > 175 || n < 100 {
					t.Errorf("%d kept", n)
				}
				time.Sleep(33 * time.Second)
				if n := tr.ServerTransactions(); n != 0 {
					t.Errorf("%d kept after Timer J", n)
				}
			})
		})
	}
}

// Defects T2 and T3: nothing is kept per source or per destination.
func TestUDPKeepsNoStatePerPeer(t *testing.T) {
	bubble(t, func(t *testing.T, n *bridgetest.Network) {
		tr := start(t, transport.Config{Listen: []string{"udp://" + us}, Net: n})
		synctest.Wait()
		before := runtime.NumGoroutine()
		for i := range 500 {
			c, err := n.DialFrom(context.Background(), "udp", fmt.Sprintf("10.7.%d.%d:5060", i/250, i%250), us)
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Write([]byte("\r\n\r\n"))
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
			send(tr, notify(fmt.Sprintf("sip:10.8.%d.%d", i/250, i%250), "x"))
		}
		synctest.Wait()
		if g := runtime.NumGoroutine() - before; g > 0 || tr.Connections() != 0 {
			t.Errorf("%d goroutines, %d connections", g, tr.Connections())
		}
		time.Sleep(time.Minute)
		if tr.ServerTransactions() != 0 || tr.ClientTransactions() != 0 {
			t.Error("transactions left")
		}
	})
}
