package transport

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// publish is a PUBLISH as a phone sends it; the test may change it.
func publish(transport, branch string, extra ...string) string {
	return request("PUBLISH", transport, branch, extra...)
}

func request(method, transport, branch string, extra ...string) string {
	return method + " sip:alice@example.com SIP/2.0\r\n" +
		"Via: SIP/2.0/" + transport + " 192.0.2.7:5060;branch=" + branch + ";rport\r\n" +
		"Max-Forwards: 70\r\n" +
		"From: <sip:alice@example.com>;tag=a1\r\n" +
		"To: <sip:alice@example.com>\r\n" +
		"Call-ID: " + branch + "@x\r\n" +
		"CSeq: 1 " + method + "\r\n" +
		strings.Join(extra, "") +
		"Content-Length: 0\r\n\r\n"
}

// startReal runs a transport on real loopback sockets.
func startReal(t testing.TB, cfg Config) *Transport {
	t.Helper()
	if cfg.Handler == nil {
		cfg.Handler = func(_ context.Context, r *Request) { r.Reply(Reply{Code: 200}) }
	}
	tr, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		tr.Run(ctx)
		close(ended)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		if n := tr.panics.Load(); n > 0 {
			t.Errorf("%d panics in the transport", n)
		}
	})
	return tr
}

// addr returns the address of a scheme's first listener.
func (t *Transport) addr(scheme string) string {
	for _, e := range t.endpoints {
		if e.scheme == scheme {
			return e.addr.String()
		}
	}
	return ""
}

// ask sends raw bytes and returns the next thing that comes.
func ask(t testing.TB, c net.Conn, raw string) string {
	t.Helper()
	_, err := c.Write([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	return hear(t, c)
}

func hear(t testing.TB, c net.Conn) string {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(3 * time.Second))
	b := make([]byte, 70000)
	n, err := c.Read(b)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	return string(b[:n])
}

func TestRequestAndReplyOnLoopback(t *testing.T) {
	tr := startReal(t, Config{
		Listen: []string{"udp://127.0.0.1:0", "tcp://127.0.0.1:0", "udp://[::1]:0", "tcp://[::1]:0"},
		Handler: func(_ context.Context, r *Request) {
			r.Reply(Reply{Code: 200, Header: []byte("SIP-ETag: x\r\n"), Body: []byte(r.Flow.Transport)})
		},
	})
	for i, e := range tr.endpoints {
		t.Run(e.scheme+" "+e.addr.String(), func(t *testing.T) {
			c, err := net.Dial(e.scheme, e.addr.String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			got := ask(t, c, publish(strings.ToUpper(e.scheme), fmt.Sprintf("z9hG4bK%d", i)))
			for _, want := range []string{
				"SIP/2.0 200 OK\r\n", ";received=", ";rport=", "To: <sip:alice@example.com>;tag=",
				"CSeq: 1 PUBLISH\r\n", "SIP-ETag: x\r\n", "Content-Length: 3\r\n\r\n" + e.scheme,
			} {
				if !strings.Contains(got, want) {
					t.Errorf("answer lacks %q:\n%s", want, got)
				}
			}
		})
	}
}

type answer struct {
	res *sip.Response
	err error
}

// send sends m and waits for the end of its transaction.
func send(t testing.TB, tr *Transport, m Message) answer {
	t.Helper()
	ch := make(chan answer, 2)
	tr.Send(m, func(r *sip.Response, err error) { ch <- answer{r, err} })
	select {
	case a := <-ch:
		return a
	case <-time.After(20 * time.Minute):
		t.Fatal("done was not called")
	}
	return answer{}
}

func notify(next string, body string) Message {
	return Message{
		Method: "NOTIFY", URI: next, Next: next,
		Header: []byte("From: <sip:alice@example.com>;tag=s1\r\nTo: <sip:bob@example.com>;tag=b1\r\n" +
			"Call-ID: n1@x\r\nCSeq: 7 NOTIFY\r\nEvent: presence\r\n"),
		Body: []byte(body),
	}
}

func TestSendOnLoopback(t *testing.T) {
	for _, scheme := range []string{"udp", "tcp"} {
		t.Run(scheme, func(t *testing.T) {
			peer := startReal(t, Config{Listen: []string{scheme + "://127.0.0.1:0"}})
			tr := startReal(t, Config{Listen: []string{scheme + "://127.0.0.1:0"}})
			for range 3 {
				a := send(t, tr, notify("sip:bob@"+peer.addr(scheme)+";transport="+scheme, "hello"))
				if a.err != nil || a.res.StatusCode != 200 {
					t.Fatalf("got %v, %v", a.res, a.err)
				}
			}
		})
	}
}
