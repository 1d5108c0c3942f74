package transport

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// imsPublish is a PUBLISH as it comes from an S-CSCF, about 1.7 kB; its branch
// is eight digits at branchAt.
var imsPublish, branchAt = func() (string, int) {
	body := "<?xml version=\"1.0\" encoding=\"UTF-8\"?>" + strings.Repeat("<a>presence</a>", 50)
	s := "PUBLISH sip:alice@example.com SIP/2.0\r\n" +
		"Via: SIP/2.0/UDP 127.0.0.1:5099;branch=z9hG4bK00000000;rport\r\n" +
		"Via: SIP/2.0/UDP pcscf.example.com:5060;branch=z9hG4bK240f34.1\r\n" +
		"Via: SIP/2.0/UDP [2001:db8::1:2]:1357;comp=sigcomp;branch=z9hG4bKnashds7\r\n" +
		"Max-Forwards: 68\r\n" +
		"Route: <sip:ps.example.com;lr>, <sip:cb03a0s09a2sdfglkj490333@scscf.example.com;lr>\r\n" +
		"P-Asserted-Identity: \"Alice\" <sip:alice@example.com>, <tel:+1-212-555-1111>\r\n" +
		"P-Access-Network-Info: 3GPP-UTRAN-TDD; utran-cell-id-3gpp=234151D0FCE11\r\n" +
		"P-Charging-Vector: icid-value=\"AyretyU0dm+6O2IrT5tAFrbHLso=023551024\"; orig-ioi=example.com\r\n" +
		"From: <sip:alice@example.com>;tag=31415\r\n" +
		"To: <sip:alice@example.com>\r\n" +
		"Call-ID: b89rjhnedlrfjflslj40a222\r\n" +
		"CSeq: 61 PUBLISH\r\n" +
		"Event: presence\r\n" +
		"Expires: 7200\r\n" +
		"SIP-If-Match: dx200xyz\r\n" +
		"Content-Type: application/pidf+xml\r\n" +
		"Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
	return s, strings.Index(s, "00000000")
}()

func setBranch(b []byte, n int) {
	for i := 7; i >= 0; i-- {
		b[branchAt+i] = byte('0' + n%10)
		n /= 10
	}
}

// nowhere is a network whose sockets send to nobody.
type nowhere struct{ net.PacketConn }

func (n nowhere) ListenPacket(string, string) (net.PacketConn, error) { return n, nil }
func (n nowhere) Listen(string, string) (net.Listener, error)         { return nil, net.ErrClosed }
func (n nowhere) Dial(context.Context, string, string) (net.Conn, error) {
	return nil, net.ErrClosed
}
func (n nowhere) ReadFrom([]byte) (int, net.Addr, error)    { return 0, nil, net.ErrClosed }
func (n nowhere) WriteTo(b []byte, _ net.Addr) (int, error) { return len(b), nil }
func (n nowhere) LocalAddr() net.Addr                       { return &net.UDPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 5060} }
func (n nowhere) Close() error                              { return nil }

// runBench runs a transport and returns how to stop it.
func runBench(b *testing.B, cfg Config) *Transport {
	b.Helper()
	t, err := New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		t.Run(ctx)
		close(ended)
	}()
	b.Cleanup(func() {
		cancel()
		<-ended
	})
	return t
}

func BenchmarkParse(b *testing.B) {
	raw := []byte(imsPublish)
	b.ReportAllocs()
	b.SetBytes(int64(len(raw)))
	defer cpuPerOp(b)()
	for range b.N {
		m, err := parseMessage(cutHead(raw))
		if err != nil || m.fault != nil {
			b.Fatal(err, m.fault)
		}
	}
}

// BenchmarkRequestReply is a request through parser, transaction, dispatch and
// Reply, without the system's sockets.
func BenchmarkRequestReply(b *testing.B) {
	var left atomic.Int64
	left.Store(int64(b.N))
	done := make(chan struct{})
	t := runBench(b, Config{
		Listen: []string{"udp://10.0.0.1:5060"}, Net: nowhere{}, Limits: Limits{Queue: 1 << 30},
		Handler: func(_ context.Context, r *Request) {
			r.Reply(Reply{Code: 200, Header: []byte("SIP-ETag: dx201xyz\r\nExpires: 7200\r\n")})
			if left.Add(-1) == 0 {
				close(done)
			}
		},
	})
	raw := []byte(imsPublish)
	from := netip.MustParseAddrPort("127.0.0.1:5099")
	b.ReportAllocs()
	b.ResetTimer()
	defer cpuPerOp(b)()
	for i := range b.N {
		setBranch(raw, i)
		t.datagram(t.endpoints[0].socket, raw, from)
	}
	<-done
}

// BenchmarkSendResponse is a NOTIFY out and its 200 back, without sockets.
func BenchmarkSendResponse(b *testing.B) {
	var branch []byte
	t := runBench(b, Config{Listen: []string{"udp://10.0.0.1:5060"}, Net: echo{branch: &branch}, Handler: func(context.Context, *Request) {}})
	m := Message{
		Method: "NOTIFY", URI: "sip:bob@10.0.0.2:5060", Next: "sip:bob@10.0.0.2:5060",
		Header: []byte("From: <sip:alice@example.com>;tag=s1\r\nTo: <sip:bob@example.com>;tag=b1\r\n" +
			"Call-ID: b89rjhnedlrfjflslj40a222\r\nCSeq: 7 NOTIFY\r\nEvent: presence\r\nSubscription-State: active;expires=3600\r\n" +
			"Contact: <sip:ps.example.com>\r\nContent-Type: application/pidf+xml\r\n"),
		Body: make([]byte, 700),
	}
	calls := 0
	b.ReportAllocs()
	b.ResetTimer()
	defer cpuPerOp(b)()
	for range b.N {
		t.Send(m, func(*Response, error) { calls++ })
		res := "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=" + string(branch) + ";rport\r\n" +
			"From: <sip:alice@example.com>;tag=s1\r\nTo: <sip:bob@example.com>;tag=b1\r\n" +
			"Call-ID: b89rjhnedlrfjflslj40a222\r\nCSeq: 7 NOTIFY\r\nContent-Length: 0"
		t.receive(res, nil, udpWay{}, netip.AddrPort{})
	}
	if calls != b.N {
		b.Fatalf("%d calls of done", calls)
	}
}

// echo is a network that remembers the branch of the last request sent.
type echo struct {
	nowhere
	branch *[]byte
}

func (e echo) ListenPacket(string, string) (net.PacketConn, error) { return e, nil }

func (e echo) WriteTo(b []byte, _ net.Addr) (int, error) {
	_, rest, _ := bytes.Cut(b, []byte(";branch="))
	*e.branch = append((*e.branch)[:0], rest[:bytes.IndexByte(rest, ';')]...)
	return len(b), nil
}

func cpuTime() time.Duration {
	var ru syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &ru)
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// cpuPerOp reports the process's CPU time per operation, which holds on a
// machine that does other work too.
func cpuPerOp(b *testing.B) func() {
	start := cpuTime()
	return func() {
		b.ReportMetric(float64((cpuTime()-start).Nanoseconds())/1e3/float64(b.N), "cpu-µs/op")
	}
}

// BenchmarkLoopback is request and response over the system's loopback, the
// client's part included; cpu-µs/op is what both cost together.
func BenchmarkLoopback(b *testing.B) {
	for _, scheme := range []string{"udp", "tcp"} {
		b.Run(scheme, func(b *testing.B) {
			handler := func(_ context.Context, r *Request) { r.Reply(Reply{Code: 200}) }
			cfg := Config{Listen: []string{scheme + "://127.0.0.1:0"}, Handler: handler}
			peer, t := runBench(b, cfg), runBench(b, cfg)
			to := "sip:bob@" + peer.endpoints[0].addr.String() + ";transport=" + scheme
			window := make(chan struct{}, 64)
			var all sync.WaitGroup
			var bad atomic.Int64
			b.ResetTimer()
			defer cpuPerOp(b)()
			for i := range b.N {
				window <- struct{}{}
				all.Add(1)
				m := Message{
					Method: "NOTIFY", URI: to, Next: to, Body: make([]byte, 700),
					Header: []byte("From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>;tag=2\r\nCall-ID: " + strconv.Itoa(i) + "\r\nCSeq: 7 NOTIFY\r\n"),
				}
				t.Send(m, func(_ *Response, err error) {
					if err != nil {
						bad.Add(1)
					}
					<-window
					all.Done()
				})
			}
			all.Wait()
			if bad.Load() > 0 {
				b.Errorf("%d failed", bad.Load())
			}
		})
	}
}
