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
)

// onLoopback serves sip.example on a real socket and returns one to it.
func onLoopback(t *testing.T) net.Conn {
	t.Helper()
	hub, err := bridge.New(bridge.Config{Codec: codec, Directory: bridge.NewDirectory([]bridge.Domain{
		{Name: "sip.example", Scheme: presence.SIP, Here: true, Default: policy.Allow},
	})})
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(Config{Listen: []string{"udp://127.0.0.1:0"}, Trusted: []string{"127.0.0.1"}}, hub, slog.New(slog.DiscardHandler), nil)
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

// TestSUB_08_ResponseFirst: under load, on real UDP, the NOTIFY never comes
// before the response to its SUBSCRIBE. RFC 6665 §4.1.2.4 allows it, but not
// every client expects it.
func TestSUB_08_ResponseFirst(t *testing.T) {
	const total, window = 2000, 100
	conn := onLoopback(t)
	sent := 0
	send := func() {
		fmt.Fprintf(conn, "SUBSCRIBE sip:alice@sip.example SIP/2.0\r\nVia: SIP/2.0/UDP %[2]s;branch=z9hG4bK%[1]d;rport\r\n"+
			"Max-Forwards: 70\r\nFrom: <sip:w%[1]d@sip.example>;tag=%[1]d\r\nTo: <sip:alice@sip.example>\r\nCall-ID: %[1]d\r\n"+
			"CSeq: 1 SUBSCRIBE\r\nContact: <sip:w@%[2]s>\r\nP-Asserted-Identity: <sip:w%[1]d@sip.example>\r\n"+
			"Event: presence\r\nExpires: 600\r\nContent-Length: 0\r\n\r\n", sent, conn.LocalAddr())
		sent++
	}
	begin := time.Now()
	answered, notified, early := map[string]bool{}, map[string]bool{}, 0
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
		if !answered[id] {
			early++
		}
		notified[id] = true
		out := "SIP/2.0 200 OK\r\n"
		for _, name := range []string{"Via", "From", "To", "Call-ID", "CSeq"} {
			out += name + ": " + m.get(name) + "\r\n"
		}
		fmt.Fprint(conn, out+"Content-Length: 0\r\n\r\n")
	}
	if early > 0 {
		t.Errorf("%d of %d NOTIFYs came before the response", early, total)
	}
	t.Logf("%d in %v", total, time.Since(begin))
}
