package simple

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/bridge/policy"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/simple/transport"
)

// writeOrder is a network whose UDP socket looks at what is written to it, in
// that order: on the way the system may still exchange two datagrams.
type writeOrder struct {
	transport.Network
	net.PacketConn

	mu       sync.Mutex
	answered map[string]bool // by Call-ID
	early    int             // NOTIFYs before the response
}

func (o *writeOrder) ListenPacket(network, address string) (net.PacketConn, error) {
	c, err := net.ListenPacket(network, address)
	if err != nil {
		return nil, err
	}
	o.PacketConn = c
	return o, c.(*net.UDPConn).SetReadBuffer(4 << 20)
}

func (o *writeOrder) WriteTo(b []byte, to net.Addr) (int, error) {
	n, err := o.PacketConn.WriteTo(b, to)
	m := parse(string(b))
	o.mu.Lock()
	defer o.mu.Unlock()
	switch id := m.get("Call-ID"); {
	case m.response():
		o.answered[id] = true
	case !o.answered[id]:
		o.early++
	}
	return n, err
}

// onLoopback serves sip.example on a real socket and returns one to it.
func onLoopback(t *testing.T, n transport.Network) net.Conn {
	t.Helper()
	hub, err := bridge.New(bridge.Config{Codec: codec, Directory: bridge.NewDirectory([]bridge.Domain{
		{Name: "sip.example", Scheme: presence.SIP, Here: true, Default: policy.Allow},
	})})
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(Config{Listen: []string{"udp://127.0.0.1:0"}, Trusted: []string{"127.0.0.1"}, Net: n}, hub, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	hub.Register(p)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = p.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		hub.Close()
	})
	conn, err := net.Dial("udp", strings.TrimPrefix(p.Addrs()[0], "udp://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.(*net.UDPConn).SetReadBuffer(8 << 20)
	return conn
}

// TestSUB_08_ResponseFirst: under load no NOTIFY is handed to the socket
// before the response to its SUBSCRIBE. RFC 6665 §4.1.2.4 allows it, but not
// every client expects it.
func TestSUB_08_ResponseFirst(t *testing.T) {
	const total, window = 2000, 40
	order := &writeOrder{answered: map[string]bool{}}
	conn := onLoopback(t, order)
	sent := 0
	send := func() {
		fmt.Fprintf(conn, "SUBSCRIBE sip:alice@sip.example SIP/2.0\r\nVia: SIP/2.0/UDP %[2]s;branch=z9hG4bK%[1]d;rport\r\n"+
			"Max-Forwards: 70\r\nFrom: <sip:w%[1]d@sip.example>;tag=%[1]d\r\nTo: <sip:alice@sip.example>\r\nCall-ID: %[1]d\r\n"+
			"CSeq: 1 SUBSCRIBE\r\nContact: <sip:w@%[2]s>\r\nP-Asserted-Identity: <sip:w%[1]d@sip.example>\r\n"+
			"Event: presence\r\nExpires: 600\r\nContent-Length: 0\r\n\r\n", sent, conn.LocalAddr())
		sent++
	}
	begin := time.Now()
	answered, notified := map[string]bool{}, map[string]bool{}
	b := make([]byte, 1<<16)
	for len(answered) < total || len(notified) < total {
		for sent < total && sent-min(len(answered), len(notified)) < window {
			send()
		}
		conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, err := conn.Read(b)
		if err != nil {
			t.Fatalf("%d answered, %d notified of %d: %v", len(answered), len(notified), sent, err)
		}
		m := parse(string(b[:n]))
		id := m.get("Call-ID")
		if m.response() {
			answered[id] = true
			continue
		}
		notified[id] = true
		out := "SIP/2.0 200 OK\r\n"
		for _, name := range []string{"Via", "From", "To", "Call-ID", "CSeq"} {
			out += name + ": " + m.get(name) + "\r\n"
		}
		fmt.Fprint(conn, out+"Content-Length: 0\r\n\r\n")
	}
	order.mu.Lock()
	defer order.mu.Unlock()
	if order.early > 0 {
		t.Errorf("%d of %d NOTIFYs went out before the response", order.early, total)
	}
	t.Logf("%d in %v", total, time.Since(begin))
}
