package transport_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porchlight-im/porchlight/bridge/bridgetest"
	"github.com/porchlight-im/porchlight/simple/transport"
)

// line is a TCP connection of the test network, read message by message.
type line struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func newLine(t testing.TB, n *bridgetest.Network, from, to string) *line {
	t.Helper()
	c, err := n.DialFrom(context.Background(), "tcp", from, to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &line{t: t, Conn: c, r: bufio.NewReader(c)}
}

func (l *line) send(raw string) {
	l.t.Helper()
	_, err := l.Write([]byte(raw))
	if err != nil {
		l.t.Fatal(err)
	}
}

// message reads one message, or CRLF.
func (l *line) message() (string, error) {
	l.SetReadDeadline(time.Now().Add(time.Minute))
	var head strings.Builder
	length := 0
	for {
		s, err := l.r.ReadString('\n')
		if err != nil {
			return head.String(), err
		}
		head.WriteString(s)
		v, found := strings.CutPrefix(s, "Content-Length: ")
		if found {
			length, _ = strconv.Atoi(strings.TrimSpace(v))
		}
		if s == "\r\n" {
			body := make([]byte, length)
			_, err = io.ReadFull(l.r, body)
			return head.String() + string(body), err
		}
	}
}

func (l *line) hear() string {
	l.t.Helper()
	s, err := l.message()
	if err != nil {
		l.t.Fatalf("after %q: %v", s, err)
	}
	return s
}

func (l *line) ask(raw string) string {
	l.t.Helper()
	l.send(raw)
	return l.hear()
}

// Defect T1: a malformed header gets its 400 and never costs the connection.
func TestMalformedHeaderKeepsConnection(t *testing.T) {
	bubble(t, func(t *testing.T, n *bridgetest.Network) {
		start(t, transport.Config{Listen: []string{"tcp://" + us}, Net: n})
		l := newLine(t, n, "10.0.0.2:0", us)
		for i, bad := range []string{
			"Contact: <sip:a@b\r\n", "f: x\r\n", "Max-Forwards: 99999999999\r\n", "garbage\r\n", "Route: <\r\n",
			"Via: x\r\n", "Call-ID: 2\r\n",
		} {
			hasLines(t, l.ask(publish("TCP", fmt.Sprintf("z9hG4bKb%d", i), bad)), "SIP/2.0 400 ", fmt.Sprintf("z9hG4bKb%d", i))
			hasLines(t, l.ask(publish("TCP", fmt.Sprintf("z9hG4bKg%d", i))), "SIP/2.0 200 ", fmt.Sprintf("z9hG4bKg%d", i))
		}
		l.send("WHAT IS THIS\r\nContent-Length: 3\r\n\r\nabc")
		// Defect P4 is no fault at all.
		hasLines(t, l.ask(publish("TCP", "z9hG4bKp4", "Contact: <sip:a@b>, sip:e@f\r\n")), "SIP/2.0 200 ")
	})
}

// RFC 3261 §18.3, RFC 4475 §3.1.2.3: without a length there is no next message.
func TestFramingErrorClosesConnection(t *testing.T) {
	bubble(t, func(t *testing.T, n *bridgetest.Network) {
		tr := start(t, transport.Config{Listen: []string{"tcp://" + us}, Net: n})
		raw := publish("TCP", "z9hG4bK1")
		for _, c := range [][2]string{
			{strings.Replace(raw, "Content-Length: 0\r\n", "", 1), "SIP/2.0 400 Framing"},
			{strings.Replace(raw, "Length: 0", "Length: -1", 1), "SIP/2.0 400 "},
			{strings.Replace(raw, "Length: 0", "Length: 4000000000", 1), "SIP/2.0 400 "},
			{strings.Replace(raw, "Length: 0", "Length: 2000000", 1), "SIP/2.0 413 "},
			{strings.Replace(raw, "\r\nCon", "\r\nl: 5\r\nCon", 1), "SIP/2.0 400 "},
			{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", ""},
			{strings.Repeat("x", 70000), ""},
		} {
			l := newLine(t, n, "10.0.0.2:0", us)
			l.send(c[0])
			if c[1] != "" {
				hasLines(t, l.hear(), c[1])
			}
			s, err := l.message()
			if s != "" || err == nil {
				t.Errorf("%.60q: connection open: %q %v", c[0], s, err)
			}
		}
		synctest.Wait()
		if tr.Connections() != 0 || tr.Accepted() != 0 {
			t.Errorf("%d connections, %d accepted", tr.Connections(), tr.Accepted())
		}
	})
}

// Defects T10 and T6: reads may end anywhere; a message may have 1 MiB.
func TestStreamInPieces(t *testing.T) {
	bubble(t, func(t *testing.T, n *bridgetest.Network) {
		start(t, transport.Config{
			Listen: []string{"tcp://" + us}, Net: n,
			Handler: func(_ context.Context, r *transport.Request) {
				r.Reply(transport.Reply{Code: 200, Header: []byte("S: " + r.Value("Subject") + "\r\n"), Body: r.Body()})
			},
		})
		l := newLine(t, n, "10.0.0.2:0", us)
		raw := publish("TCP", "z9hG4bK1", "Subject: one\r\n two\r\n")
		for i := range raw {
			l.send(raw[i : i+1])
			if i%50 == 0 {
				synctest.Wait()
			}
		}
		hasLines(t, l.hear(), "S: one two\r\n")
		body := strings.Repeat("0123456789abcdef", 1<<16)
		go l.send(strings.Replace(publish("TCP", "z9hG4bK2"), "Length: 0", "Length: 1048576", 1) + body)
		if got := l.hear(); !strings.HasSuffix(got, body) {
			t.Errorf("body of %d came back", len(got))
		}
		hasLines(t, l.ask(raw+publish("TCP", "z9hG4bK3")), "SIP/2.0 200")
		hasLines(t, l.hear(), "SIP/2.0 200")
	})
}

// RFC 5626 §3.5.1.
func TestKeepAlive(t *testing.T) {
	bubble(t, func(t *testing.T, n *bridgetest.Network) {
		tr := start(t, transport.Config{Listen: []string{"tcp://" + us}, Net: n, Limits: transport.Limits{Idle: 5 * time.Minute}})
		l := newLine(t, n, "10.0.0.2:0", us)
		for range 10 {
			if got := l.ask("\r\n\r\n"); got != "\r\n" {
				t.Fatalf("pong: %q", got)
			}
			time.Sleep(2 * time.Minute)
			hasLines(t, l.ask("\r\n"+publish("TCP", "z9hG4bK1")), "SIP/2.0 200 ")
			time.Sleep(2 * time.Minute)
		}
		time.Sleep(5 * time.Minute) // idle
		_, err := l.message()
		if !errors.Is(err, io.EOF) || tr.Connections() != 0 {
			t.Errorf("idle connection: %v, %d left", err, tr.Connections())
		}
	})
}

// Defect T9: what never becomes a message does not stay.
func TestHalfOpenConnectionsEnd(t *testing.T) {
	bubble(t, func(t *testing.T, n *bridgetest.Network) {
		tr := start(t, transport.Config{
			Listen: []string{"tcp://" + us, "tls://10.0.0.1:5061", "ws://10.0.0.1:5080", "wss://10.0.0.1:5443"},
			TLS:    serverTLS(t, false), Net: n,
		})
		for _, port := range []string{"5060", "5061", "5080", "5443"} {
			for i := range 100 {
				l := newLine(t, n, fmt.Sprintf("10.3.0.%d:0", i+1), "10.0.0.1:"+port)
				if port == "5080" {
					l.send("GET / HTTP/1.1\r\nHost: x\r\n") // defect T11: half an upgrade
				} else if i%2 == 0 {
					l.send("\x16\x03\x01\x02\x00\x01") // part of a ClientHello, or of a header
				}
			}
		}
		synctest.Wait()
		if tr.Accepted() != 400 {
			t.Fatalf("%d accepted", tr.Accepted())
		}
		// Others are served meanwhile.
		l := newLine(t, n, "10.0.0.2:0", us)
		hasLines(t, l.ask(publish("TCP", "z9hG4bK1")), "SIP/2.0 200 ")
		l.send(publish("TCP", "z9hG4bK2")[:100]) // a message that does not end
		time.Sleep(31 * time.Second)
		if tr.Accepted() != 0 {
			t.Errorf("%d still there", tr.Accepted())
		}
	})
}

// Defects T7 and T8: a reader that stops costs only its own connection, and
// never gets half a message followed by another.
func TestSlowReader(t *testing.T) {
	bubble(t, func(t *testing.T, n *bridgetest.Network) {
		tr := start(t, transport.Config{Listen: []string{"tcp://" + us}, Net: n, Limits: transport.Limits{WriteQueue: 1 << 20}})
		l := newLine(t, n, "10.0.0.2:5070", us)
		hasLines(t, l.ask(publish("TCP", "z9hG4bK1")), "SIP/2.0 200 ")
		body := strings.Repeat("x", 4000)
		begin := time.Now()
		var all []chan answer
		for range 1000 {
			all = append(all, send(tr, notify("sip:10.0.0.2:5070;transport=tcp", body)))
		}
		if time.Since(begin) != 0 {
			t.Errorf("writers were blocked for %v", time.Since(begin))
		}
		other := newLine(t, n, "10.0.0.3:0", us)
		hasLines(t, other.ask(publish("TCP", "z9hG4bK2")), "SIP/2.0 200 ")
		for _, ch := range all {
			if a := await(t, ch); !errors.Is(a.err, transport.ErrUnreachable) {
				t.Fatalf("got %d, %v", a.code(), a.err)
			}
		}
		if took := time.Since(begin); took != 10*time.Second {
			t.Errorf("gave up after %v", took)
		}
		whole := 0
		for {
			s, err := l.message()
			if err != nil {
				break
			}
			if !strings.HasPrefix(s, "NOTIFY ") || !strings.HasSuffix(s, "\r\n\r\n"+body) {
				t.Fatalf("corrupt message: %.80q", s)
			}
			whole++
		}
		if whole == 0 || whole > 20 {
			t.Errorf("%d whole messages", whole)
		}
	})
}

func TestConnectionLimits(t *testing.T) {
	bubble(t, func(t *testing.T, n *bridgetest.Network) {
		tr := start(t, transport.Config{
			Listen: []string{"tcp://" + us}, Net: n, Limits: transport.Limits{Connections: 5, PerSource: 3},
		})
		open := func(from string) bool {
			l := newLine(t, n, from+":0", us)
			_, err := l.Write([]byte(publish("TCP", "z9hG4bK1")))
			if err != nil {
				return false
			}
			_, err = l.message()
			return err == nil
		}
		got := ""
		for _, from := range []string{"2", "2", "2", "2", "3", "4", "5"} {
			got += fmt.Sprint(open("10.0.0."+from), " ")
		}
		if want := "true true true false true true false "; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if tr.Accepted() != 5 {
			t.Errorf("%d accepted", tr.Accepted())
		}
	})
}

// RFC 5626, defect T16: a flow is used while it lives; then Next is.
func TestFlows(t *testing.T) {
	bubble(t, func(t *testing.T, n *bridgetest.Network) {
		flows := make(chan transport.Flow, 9)
		tr := start(t, transport.Config{
			Listen: []string{"tcp://" + us, "udp://" + us}, Net: n,
			Handler: func(_ context.Context, r *transport.Request) {
				flows <- r.Flow
				r.Reply(transport.Reply{Code: 200})
			},
		})
		l := newLine(t, n, "10.0.0.2:45000", us)
		l.ask(publish("TCP", "z9hG4bK1"))
		f := <-flows
		if f.Transport != "tcp" || f.Local != us || f.Remote != "10.0.0.2:45000" || f.ID == "" || f.Secure {
			t.Errorf("flow %+v", f)
		}
		m := notify("sip:bob@10.0.0.9:5060", "x")
		m.Flow = &f
		ch := send(tr, m)
		req := l.hear()
		hasLines(t, req, "Via: SIP/2.0/TCP "+us+";branch=")
		l.send(responseTo(req, 200))
		if a := await(t, ch); a.code() != 200 {
			t.Errorf("got %d, %v", a.code(), a.err)
		}
		// Without the flow, the connection from that very address is used.
		ch = send(tr, notify("sip:bob@10.0.0.2:45000;transport=tcp", "x"))
		l.send(responseTo(l.hear(), 200))
		await(t, ch)
		// The connection dies with a request on it: Next takes over.
		p := newPhone(t, n, "10.0.0.9:5060")
		ch = send(tr, m)
		l.hear()
		l.Close()
		p.send(us, responseTo(p.hear(), 200))
		if a := await(t, ch); a.code() != 200 {
			t.Errorf("after the flow: %d, %v", a.code(), a.err)
		}
		ch = send(tr, m)
		p.send(us, responseTo(p.hear(), 200))
		await(t, ch)
	})
}

// A connection that has died is made anew; what is written on it is not lost.
func TestReconnect(t *testing.T) {
	bubble(t, func(t *testing.T, n *bridgetest.Network) {
		tr := start(t, transport.Config{Listen: []string{"tcp://" + us}, Net: n})
		ln, err := n.Listen("tcp", them)
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		next := "sip:bob@" + them + ";transport=tcp"
		for range 3 {
			ch := send(tr, notify(next, "x"))
			c, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			l := &line{t: t, Conn: c, r: bufio.NewReader(c)}
			l.send(responseTo(l.hear(), 200))
			if a := await(t, ch); a.code() != 200 {
				t.Fatalf("got %d, %v", a.code(), a.err)
			}
			again := send(tr, notify(next, "x"))
			l.hear()
			c.Close() // as a firewall does
			c, err = ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			l = &line{t: t, Conn: c, r: bufio.NewReader(c)}
			l.send(responseTo(l.hear(), 200))
			if a := await(t, again); a.code() != 200 {
				t.Fatalf("on a new connection: %d, %v", a.code(), a.err)
			}
			c.Close()
			synctest.Wait()
		}
	})
}

// Many peers that send large messages slowly do not fill the memory.
func TestPartialMessagesAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T, n *bridgetest.Network) {
		tr := start(t, transport.Config{
			Listen: []string{"tcp://" + us, "ws://" + wsAddr}, Net: n, Limits: transport.Limits{Partial: 10 << 20},
		})
		big := strings.Replace(publish("TCP", "z9hG4bK1"), "Length: 0", "Length: 1000000", 1) + strings.Repeat("x", 900000)
		for i := range 50 {
			go newLine(t, n, fmt.Sprintf("10.4.0.%d:0", i+1), us).Write([]byte(big))
			ws := openWS(t, n)
			go func() {
				w, err := ws.NextWriter(1)
				if err == nil {
					w.Write([]byte(big))
				}
			}()
		}
		synctest.Wait()
		if p := tr.Partial(); p == 0 || p > 10<<20 || tr.Connections() > 20 {
			t.Errorf("%d bytes held by %d connections", p, tr.Connections())
		}
		l := newLine(t, n, "10.0.0.2:0", us)
		hasLines(t, l.ask(publish("TCP", "z9hG4bK2")), "SIP/2.0 200 ")
		time.Sleep(31 * time.Second) // the time for one message
		synctest.Wait()
		if tr.Partial() != 0 || tr.Connections() != 1 {
			t.Errorf("%d bytes held by %d connections", tr.Partial(), tr.Connections())
		}
	})
}
