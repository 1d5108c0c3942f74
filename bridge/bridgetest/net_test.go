package bridgetest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestDatagramsArriveUnlessLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork()
		a, err := n.ListenPacket("udp4", "10.0.0.1:5060")
		if err != nil {
			t.Fatal(err)
		}
		b, err := n.ListenPacket("udp4", "0.0.0.0:5070")
		if err != nil {
			t.Fatal(err)
		}
		lost := 0
		n.SetLoss(func(netip.AddrPort, netip.AddrPort, []byte) bool { lost++; return lost == 1 })
		to := net.UDPAddrFromAddrPort(netip.MustParseAddrPort("10.0.0.2:5070"))
		for _, text := range []string{"one", "two"} {
			_, err = a.WriteTo([]byte(text), to)
			if err != nil {
				t.Fatal(err)
			}
		}
		buf := make([]byte, 10)
		k, from, err := b.ReadFrom(buf)
		if err != nil || string(buf[:k]) != "two" || from.String() != "10.0.0.1:5060" {
			t.Fatalf("got %q from %v, %v", buf[:k], from, err)
		}
		b.SetReadDeadline(time.Now().Add(time.Minute))
		start := time.Now()
		_, _, err = b.ReadFrom(buf)
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Minute {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		a.Close()
		_, _, err = a.ReadFrom(buf)
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("read after close: %v", err)
		}
		b.Close()
	})
}

func TestConnectionsBlockWriteAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork()
		l, err := n.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		c, err := n.Dial(context.Background(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if s.RemoteAddr().String() != c.LocalAddr().String() {
			t.Errorf("server sees %v, client is %v", s.RemoteAddr(), c.LocalAddr())
		}
		c.SetWriteDeadline(time.Now().Add(time.Second))
		sent, err := c.Write(make([]byte, streamQueue+1))
		if sent != streamQueue || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("wrote %d, %v", sent, err)
		}
		c.Close()
		got, err := io.ReadAll(s)
		if len(got) != streamQueue || err != nil {
			t.Errorf("read %d, %v", len(got), err)
		}
		_, err = s.Write([]byte("x"))
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("write to a closed peer: %v", err)
		}
		l.Close()
		_, err = n.Dial(context.Background(), "tcp", l.Addr().String())
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial after close: %v", err)
		}
	})
}

func TestDeadlineMovesWhileReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := connPair(netip.MustParseAddrPort("10.0.0.1:1"), netip.MustParseAddrPort("10.0.0.2:2"))
		start := time.Now()
		s.SetReadDeadline(start.Add(time.Second))
		go func() {
			time.Sleep(500 * time.Millisecond)
			s.SetReadDeadline(start.Add(3 * time.Second))
		}()
		_, err := s.Read(make([]byte, 1))
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		s.SetReadDeadline(time.Time{})
		go func() {
			time.Sleep(time.Second)
			c.Write([]byte("x"))
		}()
		_, err = s.Read(make([]byte, 1))
		if err != nil {
			t.Errorf("read after the deadline was taken away: %v", err)
		}
	})
}

func TestSilentHostHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork()
		n.SetSilent("10.0.0.9", true)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		start := time.Now()
		_, err := n.Dial(ctx, "tcp", "10.0.0.9:5060")
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 5*time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
}
