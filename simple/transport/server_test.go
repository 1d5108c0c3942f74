package transport_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porchlight-im/porchlight/bridge/bridgetest"
	"github.com/porchlight-im/porchlight/simple/transport"
)

const us, them = "10.0.0.1:5060", "10.0.0.2:5060"

func TestPUB_28_RetransmissionGetsSameBytes(t *testing.T) {
	bubble(t, func(t *testing.T, n *bridgetest.Network) {
		var calls atomic.Int64
		tr := start(t, transport.Config{
			Listen: []string{"udp://" + us}, Net: n,
			Handler: func(_ context.Context, r *transport.Request) {
				tag := calls.Add(1)
				time.Sleep(time.Second)
				r.Reply(transport.Reply{Code: 200, Header: fmt.Appendf(nil, "SIP-ETag: %d\r\n", tag)})
				r.Reply(transport.Reply{Code: 500})
			},
		})
		p := newPhone(t, n, them)
		raw := publish("UDP", "z9hG4bK1")
		p.send(us, raw)
		time.Sleep(500 * time.Millisecond)
		p.send(us, raw) // absorbed while the handler works
		p.quiet()
		first := p.hear()
		hasLines(t, first, "SIP/2.0 200 OK", "SIP-ETag: 1\r\n")
		for range 3 {
			time.Sleep(10 * time.Second)
			if again := p.ask(us, raw); again != first {
				t.Fatalf("another answer:\n%s\n%s", first, again)
			}
		}
		if calls.Load() != 1 || tr.ServerTransactions() != 1 {
			t.Errorf("%d calls, %d transactions", calls.Load(), tr.ServerTransactions())
		}
		time.Sleep(3 * time.Second) // Timer J: 32 s after the answer
		if tr.ServerTransactions() != 0 {
			t.Error("transaction kept after Timer J")
		}
		p.ask(us, raw)
		if calls.Load() != 2 {
			t.Error("a new transaction after Timer J was not handled")
		}
	})
}

// RFC 4320 §4.2: nothing is sent once the client has given up.
func TestNoAnswerAfterTimerF(t *testing.T) {
	bubble(t, func(t *testing.T, n *bridgetest.Network) {
		held := make(chan *transport.Request, 1)
		tr := start(t, transport.Config{
			Listen: []string{"udp://" + us}, Net: n,
			Handler: func(_ context.Context, r *transport.Request) { held <- r },
		})
		p := newPhone(t, n, them)
		p.send(us, publish("UDP", "z9hG4bK1"))
		r := <-held
		time.Sleep(32*time.Second + time.Millisecond)
		if tr.ServerTransactions() != 0 {
			t.Error("transaction without an answer is kept")
		}
		r.Reply(transport.Reply{Code: 200})
		p.quiet()
	})
}

// RFC 3261 §17.2.3 and defects T17, T16.
func TestTransactionMatching(t *testing.T) {
	bubble(t, func(t *testing.T, n *bridgetest.Network) {
		var calls atomic.Int64
		start(t, transport.Config{
			Listen: []string{"udp://" + us}, Net: n,
			Handler: func(_ context.Context, r *transport.Request) {
				calls.Add(1)
				r.Reply(transport.Reply{Code: 200})
			},
		})
		p := newPhone(t, n, them)
		old := strings.Replace(publish("UDP", "z9hG4bK1"), "z9hG4bK1;", "old;", 1)
		for i, c := range []struct {
			raw  string
			same bool
		}{
			{publish("UDP", "z9hG4bK1"), false},
			{publish("UDP", "z9hG4bK1"), true},
			{strings.Replace(publish("UDP", "z9hG4bK1"), "192.0.2.7", "192.0.2.8", 1), false},
			{strings.ReplaceAll(publish("UDP", "z9hG4bK1"), "PUBLISH", "OPTIONS"), false},
			{publish("UDP", "z9hG4bK2"), false},
			{old, false},
			{old, true},
			{strings.Replace(old, "CSeq: 1 ", "CSeq: 2 ", 1), false},
			{strings.Replace(old, "branch=old", "branch=z9hG4bK", 1), false},
		} {
			before := calls.Load()
			p.ask(us, c.raw)
			if same := calls.Load() == before; same != c.same {
				t.Errorf("%d: same transaction %v, want %v", i, same, c.same)
			}
		}
	})
}

// RFC 3261 §18.2.1, §18.2.2, RFC 3581 §4; defect T17.
func TestReceivedAndRport(t *testing.T) {
	bubble(t, func(t *testing.T, n *bridgetest.Network) {
		start(t, transport.Config{Listen: []string{"udp://" + us, "udp://[2001:db8::1]:5060"}, Net: n})
		natted := newPhone(t, n, "10.0.0.2:40001")
		sentBy := newPhone(t, n, "10.0.0.2:5062")
		plain := newPhone(t, n, "10.0.0.2:5060")
		six := newPhone(t, n, "[2001:db8::2]:5060")
		for i, c := range []struct {
			from *phone
			via  string // of the request
			at   *phone // where the answer comes
			want string
			to   string
		}{
			{natted, "192.0.2.7:5062;rport", natted, "192.0.2.7:5062;branch=%s;received=10.0.0.2;rport=40001\r\n", us},
			{natted, "10.0.0.2:5062;rport", natted, "10.0.0.2:5062;branch=%s;received=10.0.0.2;rport=40001\r\n", us},
			{natted, "10.0.0.2:5062;rport=9", natted, "10.0.0.2:5062;branch=%s;received=10.0.0.2;rport=40001\r\n", us},
			{natted, "192.0.2.7:5062", sentBy, "192.0.2.7:5062;branch=%s;received=10.0.0.2\r\n", us},
			{natted, "10.0.0.2:5062", sentBy, "10.0.0.2:5062;branch=%s\r\n", us},
			{natted, "10.0.0.2", plain, "10.0.0.2;branch=%s\r\n", us},
			{natted, "phone.example;received=1.2.3.4", plain, "phone.example;branch=%s;received=10.0.0.2\r\n", us},
			{six, "[2001:DB8:0::2]", six, "[2001:DB8:0::2];branch=%s\r\n", "[2001:db8::1]:5060"},
			{six, "[2001:db8::3]", six, "[2001:db8::3];branch=%s;received=2001:db8::2\r\n", "[2001:db8::1]:5060"},
		} {
			branch := fmt.Sprintf("z9hG4bK%d", i)
			host, rest, _ := strings.Cut(c.via, ";")
			if rest != "" {
				rest = ";" + rest
			}
			raw := strings.Replace(publish("UDP", branch), "192.0.2.7:5060;branch="+branch+";rport", host+";branch="+branch+rest, 1)
			c.from.send(c.to, raw)
			hasLines(t, c.at.hear(), "Via: SIP/2.0/UDP "+fmt.Sprintf(c.want, branch))
		}
	})
}

func TestSUB_21_Cancel(t *testing.T) {
	bubble(t, func(t *testing.T, n *bridgetest.Network) {
		held := make(chan *transport.Request, 1)
		start(t, transport.Config{
			Listen: []string{"udp://" + us}, Net: n,
			Handler: func(_ context.Context, r *transport.Request) { held <- r },
		})
		p := newPhone(t, n, them)
		cancel := strings.ReplaceAll(request("SUBSCRIBE", "UDP", "z9hG4bK1"), "SUBSCRIBE", "CANCEL")
		hasLines(t, p.ask(us, cancel), "SIP/2.0 481 ", "CSeq: 1 CANCEL")
		p.send(us, request("SUBSCRIBE", "UDP", "z9hG4bK1"))
		r := <-held
		pending := p.ask(us, cancel)
		hasLines(t, pending, "SIP/2.0 200 OK", "CSeq: 1 CANCEL")
		p.quiet()
		r.Reply(transport.Reply{Code: 202})
		hasLines(t, p.hear(), "SIP/2.0 202 ", "CSeq: 1 SUBSCRIBE")
		if done := p.ask(us, cancel); done != pending {
			t.Errorf("CANCEL again: %s", done)
		}
	})
}

func TestInviteAndAck(t *testing.T) {
	bubble(t, func(t *testing.T, n *bridgetest.Network) {
		var calls atomic.Int64
		start(t, transport.Config{
			Listen: []string{"udp://" + us}, Net: n,
			Handler: func(_ context.Context, r *transport.Request) {
				calls.Add(1)
				r.Reply(transport.Reply{Code: 405, Header: []byte("Allow: PUBLISH\r\n")})
			},
		})
		p := newPhone(t, n, them)
		first := p.ask(us, request("INVITE", "UDP", "z9hG4bK1"))
		hasLines(t, first, "SIP/2.0 405 Method Not Allowed", "Allow: PUBLISH")
		if p.ask(us, request("INVITE", "UDP", "z9hG4bK1")) != first {
			t.Error("another answer to the same INVITE")
		}
		for _, branch := range []string{"z9hG4bK1", "z9hG4bK2"} {
			p.send(us, strings.ReplaceAll(request("INVITE", "UDP", branch), "INVITE", "ACK"))
		}
		p.send(us, strings.Replace(request("ACK", "UDP", "z9hG4bK3"), "CSeq: 1", "CSeq: x", 1))
		p.quiet()
		if calls.Load() != 1 {
			t.Errorf("handler called %d times", calls.Load())
		}
	})
}

// Defects T15, T21; IMS-28.
func TestIMS_28_RefusedWithoutTheHandler(t *testing.T) {
	bubble(t, func(t *testing.T, n *bridgetest.Network) {
		tr := start(t, transport.Config{
			Listen: []string{"udp://" + us}, Net: n,
			Handler: func(context.Context, *transport.Request) { t.Error("handler called") },
		})
		p := newPhone(t, n, them)
		raw := publish("UDP", "z9hG4bK1")
		for _, c := range [][3]string{
			{"Max-Forwards: 70", "Max-Forwards: 0", "SIP/2.0 483 Too Many Hops\r\n"},
			{"com SIP/2.0", "com SIP/7.0", "SIP/2.0 505 Version Not Supported\r\n"},
			{"CSeq: 1 PUBLISH", "CSeq: 1 INVITE", "SIP/2.0 400 CSeq method"},
			{"Call-ID: z9hG4bK1@x\r\n", "", "SIP/2.0 400 Missing Call-ID\r\n"},
			{"From: <sip:alice@example.com>;tag=a1", "From: <sip:alice", "SIP/2.0 400 From: "},
			{";branch=", ";;branch=", "SIP/2.0 400 Via: malformed parameter"},
			{"Content-Length: 0", "Content-Length: 10", "SIP/2.0 400 Content-Length"},
		} {
			got := p.ask(us, strings.Replace(raw, c[0], c[1], 1))
			hasLines(t, got, c[2], "Via: SIP/2.0/UDP ", "CSeq: 1 ", "To: <sip:alice@example.com>;tag=")
			if again := p.ask(us, strings.Replace(raw, c[0], c[1], 1)); again != got {
				t.Errorf("RFC 3261 §8.2.7: another answer to the same request:\n%s\n%s", got, again)
			}
		}
		for _, drop := range []string{
			"\r\n\r\n", "jaK\x00", "\x00\x01\x00\x00!\x12\xa4Babcdefghijkl", "GET / HTTP/1.1\r\nVia: x\r\nCSeq: 1 GET\r\n\r\n",
			"PUBLISH sip:a@b SIP/2.0\r\n\r\n", strings.Replace(raw, "Via: ", "X: ", 1), strings.Replace(raw, "CSeq:", "X:", 1),
			"SIP/2.0 200 OK\r\n" + raw[strings.Index(raw, "Via"):],
		} {
			p.send(us, drop)
			p.quiet()
		}
		if tr.ServerTransactions() != 0 {
			t.Error("a refused request has a transaction")
		}
	})
}

func TestReplyFromPanicIs500(t *testing.T) {
	bubble(t, func(t *testing.T, n *bridgetest.Network) {
		tr, err := transport.New(transport.Config{
			Listen: []string{"udp://" + us}, Net: n, Resolver: zone{},
			Handler: func(context.Context, *transport.Request) { panic("bug") },
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		go tr.Run(ctx)
		p := newPhone(t, n, them)
		hasLines(t, p.ask(us, publish("UDP", "z9hG4bK1")), "SIP/2.0 500 ")
		hasLines(t, p.ask(us, publish("UDP", "z9hG4bK2")), "SIP/2.0 500 ")
		if tr.Panics() != 2 {
			t.Errorf("%d panics counted", tr.Panics())
		}
		cancel()
	})
}

// Run ends cleanly: 503 for what is new, a grace for handlers, all goroutines
// gone (or synctest fails).
func TestStop(t *testing.T) {
	bubble(t, func(t *testing.T, n *bridgetest.Network) {
		begun := make(chan struct{}, 2)
		var ctxErr error
		tr, stop := startStop(t, transport.Config{
			Listen: []string{"udp://" + us, "tcp://" + us}, Net: n,
			Handler: func(ctx context.Context, r *transport.Request) {
				begun <- struct{}{}
				if r.Method == "SUBSCRIBE" {
					<-ctx.Done()
					ctxErr = ctx.Err()
				} else {
					time.Sleep(time.Second)
				}
				r.Reply(transport.Reply{Code: 200})
			},
		})
		p := newPhone(t, n, them)
		p.send(us, publish("UDP", "z9hG4bK1"))
		p.send(us, request("SUBSCRIBE", "UDP", "z9hG4bK2"))
		<-begun
		<-begun
		open := send(tr, notify("sip:10.0.0.3", ""))
		start := time.Now()
		go stop()
		synctest.Wait()
		hasLines(t, p.ask(us, publish("UDP", "z9hG4bK3")), "SIP/2.0 503 ", "Retry-After: ", "branch=z9hG4bK3")
		hasLines(t, p.hear(), "SIP/2.0 200 ", "branch=z9hG4bK1")
		hasLines(t, p.hear(), "SIP/2.0 200 ", "branch=z9hG4bK2")
		stop()
		if took := time.Since(start); took != 2*time.Second || ctxErr == nil {
			t.Errorf("took %v, handler's context: %v", took, ctxErr)
		}
		if a := await(t, open); a.err != transport.ErrStopped {
			t.Errorf("open transaction: %v", a.err)
		}
		if a := await(t, send(tr, notify("sip:10.0.0.3", ""))); a.err != transport.ErrStopped {
			t.Errorf("Send after the end: %v", a.err)
		}
	})
}
