package transport_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porchlight-im/porchlight/bridge/bridgetest"
	"github.com/porchlight-im/porchlight/simple/transport"
)

// RFC 3261 §17.1.2: Timer E doubles from T1 to T2, Timer F is 64·T1.
func TestTimersEAndF(t *testing.T) {
	bubble(t, func(t *testing.T, n *bridgetest.Network) {
		tr := start(t, transport.Config{Listen: []string{"udp://" + us}, Net: n})
		p := newPhone(t, n, them)
		begin := time.Now()
		ch := send(tr, notify("sip:bob@10.0.0.2", "x"))
		var at []time.Duration
		first := p.hear()
		at = append(at, time.Since(begin))
		var a answer
		for a.err == nil {
			select {
			case again := <-p.in:
				at = append(at, time.Since(begin))
				if again != first {
					t.Errorf("retransmission differs:\n%s\n%s", first, again)
				}
			case a = <-ch:
			}
		}
		ms := time.Millisecond
		want := []time.Duration{
			0, 500 * ms, 1500 * ms, 3500 * ms, 7500 * ms, 11500 * ms, 15500 * ms,
			19500 * ms, 23500 * ms, 27500 * ms, 31500 * ms,
		}
		if !slices.Equal(at, want) {
			t.Errorf("sent at %v", at)
		}
		if !errors.Is(a.err, transport.ErrTimeout) || time.Since(begin) != 32*time.Second {
			t.Errorf("ended with %v after %v", a.err, time.Since(begin))
		}
		time.Sleep(time.Hour)
		p.quiet()
		if len(ch) != 0 || tr.ClientTransactions() != 0 {
			t.Errorf("done %d more times, %d transactions left", len(ch), tr.ClientTransactions())
		}
	})
}

// RFC 3261 §17.1.2.2: after a provisional response Timer E fires each T2.
func TestProvisionalResponse(t *testing.T) {
	bubble(t, func(t *testing.T, n *bridgetest.Network) {
		tr := start(t, transport.Config{Listen: []string{"udp://" + us}, Net: n})
		p := newPhone(t, n, them)
		begin := time.Now()
		ch := send(tr, notify("sip:bob@10.0.0.2", "x"))
		p.send(us, responseTo(p.hear(), 100))
		var at []time.Duration
		for len(at) < 3 {
			p.hear()
			at = append(at, time.Since(begin))
		}
		want := []time.Duration{500 * time.Millisecond, 4500 * time.Millisecond, 8500 * time.Millisecond}
		if !slices.Equal(at, want) || len(ch) != 0 {
			t.Errorf("sent again at %v, done %d times", at, len(ch))
		}
	})
}

// Exactly one call of done; what comes after it finds nothing.
func TestResponseEndsTransactionOnce(t *testing.T) {
	bubble(t, func(t *testing.T, n *bridgetest.Network) {
		tr := start(t, transport.Config{Listen: []string{"udp://" + us}, Net: n})
		p := newPhone(t, n, them)
		ch := send(tr, notify("sip:bob@10.0.0.2", "hello"))
		req := p.hear()
		hasLines(t, req, "NOTIFY sip:bob@example.net SIP/2.0\r\nVia: SIP/2.0/UDP "+us+";branch=z9hG4bK", ";rport\r\n",
			"Max-Forwards: 70\r\n", "Content-Length: 5\r\n\r\nhello")
		for _, wrong := range []string{
			strings.Replace(responseTo(req, 200), "7 NOTIFY", "7 SUBSCRIBE", 1),
			strings.Replace(responseTo(req, 200), ";branch=z9hG4bK", ";branch=z9hG4bK0", 1),
			strings.Replace(responseTo(req, 200), ";rport", "x;rport", 1), // the branch gets longer
			strings.Replace(responseTo(req, 200), "Via:", "Via: SIP/2.0/UDP h;branch=z9hG4bKq\r\nVia:", 1),
		} {
			p.send(us, wrong)
			synctest.Wait()
		}
		if len(ch) != 0 {
			t.Fatalf("a response that is not ours ended it: %v", (<-ch).code())
		}
		for range 3 {
			p.send(us, responseTo(req, 489))
			synctest.Wait()
		}
		if a := await(t, ch); a.code() != 489 || a.err != nil {
			t.Errorf("got %d, %v", a.code(), a.err)
		}
		if tr.ClientTransactions() != 0 || len(ch) != 0 {
			t.Errorf("afterwards: %d transactions, %d calls of done", tr.ClientTransactions(), len(ch))
		}
		p.quiet()
	})
}

// SEC-09, RFC 3261 §18.1.1, defect T5.
func TestSEC_09_LargeRequestGoesByTCP(t *testing.T) {
	big := strings.Repeat("x", 1200)
	bubble(t, func(t *testing.T, n *bridgetest.Network) {
		tr := start(t, transport.Config{Listen: []string{"udp://" + us, "tcp://" + us}, Net: n})
		var got []string
		var mu sync.Mutex
		peer := start(t, transport.Config{Listen: []string{"udp://" + them, "tcp://" + them}, Net: n, Handler: recordVia(&mu, &got)})
		flow := &transport.Flow{Transport: "udp", Local: us, Remote: them}
		for _, m := range []transport.Message{
			notify("sip:bob@10.0.0.2", "small"), notify("sip:bob@10.0.0.2", big), {
				Method: "NOTIFY", URI: "sip:bob@10.0.0.2", Header: notify("", "").Header, Body: []byte(big), Flow: flow,
			},
		} {
			if a := await(t, send(tr, m)); a.code() != 200 {
				t.Fatalf("got %d, %v", a.code(), a.err)
			}
		}
		if !slices.Equal(got, []string{"udp UDP", "tcp TCP", "tcp TCP"}) {
			t.Errorf("came by %v", got)
		}
		if n := peer.Connections(); n != 1 {
			t.Errorf("%d connections", n)
		}
	})
	for _, silent := range []bool{false, true} {
		bubble(t, func(t *testing.T, n *bridgetest.Network) {
			tr := start(t, transport.Config{Listen: []string{"udp://" + us, "tcp://" + us}, Net: n})
			n.SetSilent("10.0.0.2", silent)
			var got []string
			var mu sync.Mutex
			start(t, transport.Config{Listen: []string{"udp://" + them}, Net: n, Handler: recordVia(&mu, &got)})
			for i := range 2 {
				begin := time.Now()
				a := await(t, send(tr, notify("sip:bob@10.0.0.2", big)))
				if a.code() != 200 || got[i] != "udp UDP" {
					t.Fatalf("got %d, %v by %v", a.code(), a.err, got)
				}
				took := time.Since(begin)
				if wait := i == 0 && silent; wait != (took > 0) {
					t.Errorf("silent %v: request %d took %v", silent, i, took)
				}
			}
		})
	}
}

// Defect T5: a response goes out as the request came, however large.
func TestLargeResponseStaysOnUDP(t *testing.T) {
	bubble(t, func(t *testing.T, n *bridgetest.Network) {
		start(t, transport.Config{Listen: []string{"udp://" + us}, Net: n, Handler: replyBody(3000)})
		p := newPhone(t, n, them)
		if got := p.ask(us, publish("UDP", "z9hG4bK1")); len(got) < 3000 {
			t.Errorf("got %d bytes", len(got))
		}
		// Defect T6: a datagram may have 65,507 bytes.
		long := strings.Replace(publish("UDP", "z9hG4bK2", "X: "+strings.Repeat("y", 63000)+"\r\n"), "Content-Length: 0", "Content-Length: 1000", 1)
		hasLines(t, p.ask(us, long+strings.Repeat("b", 1000)), "SIP/2.0 200 ", "z9hG4bK2")
	})
}

// places is the DNS of TestLocatingTheNextHop.
var places = zone{
	naptr: map[string][]transport.NAPTR{
		"n.example": {
			{Order: 20, Flags: "s", Service: "SIP+D2T", Replacement: "tcp.n.example."},
			{Order: 10, Preference: 5, Flags: "s", Service: "SIP+D2U", Replacement: "udp.n.example."},
			{Order: 1, Flags: "s", Service: "SIP+D2W", Replacement: "ws.n.example."},
			{Order: 1, Flags: "u", Service: "E2U+sip", Replacement: "."},
		},
		"t.example": {{Order: 1, Flags: "S", Service: "sip+d2t", Replacement: "tcp.n.example"}},
	},
	srv: map[string][]transport.SRV{
		"udp.n.example":        {{Priority: 2, Port: 5072, Target: "b.example"}, {Priority: 1, Port: 5071, Target: "a.example."}},
		"tcp.n.example":        {{Port: 5073, Target: "a.example"}},
		"_sip._udp.s.example":  {{Port: 5074, Target: "a.example"}},
		"_sip._tcp.s.example":  {{Port: 5075, Target: "a.example"}},
		"_sip._tcp.tt.example": {{Port: 5076, Target: "b.example"}},
	},
	hosts: map[string][]string{
		"a.example": {"10.1.0.1"}, "b.example": {"10.1.0.2", "10.1.0.3"}, "tt.example": {"10.1.0.4"},
		"m.example": {"224.0.1.75", "255.255.255.255", "0.0.0.0", "10.1.0.5"}, "localhost": {"127.0.0.1"},
		"s.example": {"10.9.9.9"},
	},
}

// nextHops says where a request to a URI is tried.
var nextHops = []struct {
	next string
	want []string // transport and address of each try, in order
}{
	{"sip:10.1.0.9", []string{"UDP 10.1.0.9:5060"}},
	{"sip:10.1.0.9:5099", []string{"UDP 10.1.0.9:5099"}},
	{"sip:[2001:db8::9]:5098;lr", []string{"UDP [2001:db8::9]:5098"}},
	{"sip:10.1.0.9;transport=tcp", []string{"TCP 10.1.0.9:5060"}},
	{"sip:10.1.0.9;TRANSPORT=TCP", []string{"TCP 10.1.0.9:5060"}},
	{"sip:u@x.example:5077;maddr=10.1.0.8", []string{"UDP 10.1.0.8:5077"}},
	{"sip:b.example:5077", []string{"UDP 10.1.0.2:5077", "UDP 10.1.0.3:5077"}},
	{"sip:n.example", []string{"UDP 10.1.0.1:5071", "UDP 10.1.0.2:5072", "UDP 10.1.0.3:5072", "TCP 10.1.0.1:5073"}},
	{"sip:N.Example;transport=udp", nil}, // no SRV of its own, no address
	{"sip:t.example", []string{"TCP 10.1.0.1:5073"}},
	{"sip:s.example", []string{"UDP 10.1.0.1:5074", "TCP 10.1.0.1:5075"}},
	{"sip:tt.example;transport=tcp", []string{"TCP 10.1.0.2:5076", "TCP 10.1.0.3:5076"}},
	{"sip:a.example", []string{"UDP 10.1.0.1:5060"}},
	{"sip:m.example", []string{"UDP 10.1.0.5:5060"}},
	{"sip:localhost", []string{"UDP 127.0.0.1:5060"}},
	{"sip:10.1.0.9;transport=sctp", nil},
	{"sips:10.1.0.9;transport=udp", nil},
	{"sip:224.0.1.75", nil},
	{"sip:none.example", nil},
	{"sip:broken.example:5060", nil},
	{"tel:+1201", nil},
	{"", nil},
}

// RFC 3263, row A1, and defect T19.
func TestLocatingTheNextHop(t *testing.T) {
	for _, c := range nextHops {
		t.Run(c.next, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *bridgetest.Network) {
				var mu sync.Mutex
				var got []string
				note := func(s string) {
					mu.Lock()
					defer mu.Unlock()
					if !slices.Contains(got, s) {
						got = append(got, s)
					}
				}
				n.SetLoss(func(_, to netip.AddrPort, _ []byte) bool { note("UDP " + to.String()); return true })
				tr := start(t, transport.Config{
					Listen: []string{"udp://" + us, "udp://[2001:db8::1]:5060"}, Net: noteDials{n, note}, Resolver: places,
				})
				a := await(t, send(tr, notify(c.next, "")))
				if a.err == nil || len(c.want) == 0 && !errors.Is(a.err, transport.ErrUnreachable) {
					t.Errorf("ended with %v", a.err)
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("tried %q, want %q", got, c.want)
				}
			})
		})
	}
}

// RFC 3263 §4.3: failover on 503, refused connections and timeouts.
func TestFailover(t *testing.T) {
	for _, c := range []struct {
		name string
		port uint16
		took time.Duration
	}{{"503", 5071, 0}, {"refused", 5072, 0}, {"timeout", 5073, 32 * time.Second}} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *bridgetest.Network) {
				tp := "udp"
				if c.name == "refused" {
					tp = "tcp"
				}
				z := zone{
					srv: map[string][]transport.SRV{"_sip._" + tp + ".x.example": {
						{Priority: 1, Port: c.port, Target: "10.0.0.2"}, {Priority: 2, Port: 5060, Target: "10.0.0.2"},
					}},
				}
				tr := start(t, transport.Config{Listen: []string{"udp://" + us}, Net: n, Resolver: z})
				start(t, transport.Config{Listen: []string{"udp://" + them, "tcp://" + them}, Net: n})
				start(t, transport.Config{Listen: []string{"udp://10.0.0.2:5071"}, Net: n, Handler: replyCode(503)})
				begin := time.Now()
				a := await(t, send(tr, notify("sip:x.example;transport="+tp, "")))
				if a.code() != 200 || time.Since(begin) != c.took {
					t.Errorf("got %d, %v after %v", a.code(), a.err, time.Since(begin))
				}
				begin = time.Now()
				a = await(t, send(tr, notify("sip:x.example;transport="+tp, "")))
				if a.code() != 200 || time.Since(begin) != 0 {
					t.Errorf("the hop that failed was tried first again: %d, %v after %v", a.code(), a.err, time.Since(begin))
				}
				if c.name == "503" { // the last hop's 503 is the answer
					a = await(t, send(tr, notify("sip:10.0.0.2:5071", "")))
					if a.code() != 503 {
						t.Errorf("got %d, %v", a.code(), a.err)
					}
				}
			})
		})
	}
}

// One lookup serves all that wait, and the cache those that come later.
func TestLookupsAreSharedAndDoNotBlock(t *testing.T) {
	bubble(t, func(t *testing.T, n *bridgetest.Network) {
		var mu sync.Mutex
		asked := 0
		z := zone{hosts: map[string][]string{"a.example": {"10.0.0.2"}}, asked: func(string, string) {
			mu.Lock()
			asked++
			mu.Unlock()
			time.Sleep(time.Second)
		}}
		tr := start(t, transport.Config{Listen: []string{"udp://" + us}, Net: n, Resolver: z})
		start(t, transport.Config{Listen: []string{"udp://" + them}, Net: n})
		begin := time.Now()
		var all []chan answer
		for range 100 {
			all = append(all, send(tr, notify("sip:bob@a.example:5060", "")))
		}
		if time.Since(begin) != 0 {
			t.Error("Send has blocked")
		}
		for _, ch := range all {
			if a := await(t, ch); a.code() != 200 {
				t.Fatalf("got %d, %v", a.code(), a.err)
			}
		}
		await(t, send(tr, notify("sip:bob@a.example:5060", "")))
		if asked != 1 || time.Since(begin) != time.Second {
			t.Errorf("asked %d times, took %v", asked, time.Since(begin))
		}
		time.Sleep(time.Minute + time.Millisecond)
		await(t, send(tr, notify("sip:bob@a.example:5060", "")))
		if asked != 2 {
			t.Errorf("asked %d times after a minute", asked)
		}
	})
}

// done runs on another goroutine even when Send can tell at once.
func TestDoneNeverRunsInSend(t *testing.T) {
	bubble(t, func(t *testing.T, n *bridgetest.Network) {
		tr := start(t, transport.Config{Listen: []string{"udp://" + us}, Net: n})
		for _, m := range []transport.Message{
			notify("", ""), {Method: "NOTIFY", URI: "sip:a b\r\nX: y", Next: "sip:10.0.0.2"},
			{Method: "NO TIFY", URI: "sip:a", Next: "sip:10.0.0.2"}, notify("sip:[2001:db8::7]", ""),
		} {
			var mu sync.Mutex
			called := make(chan error, 1)
			mu.Lock()
			tr.Send(m, func(_ *transport.Response, err error) {
				mu.Lock()
				defer mu.Unlock()
				called <- err
			})
			mu.Unlock()
			if err := <-called; !errors.Is(err, transport.ErrUnreachable) {
				t.Errorf("%s %q: %v", m.Method, m.URI, err)
			}
		}
	})
}
