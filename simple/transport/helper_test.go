package transport_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porchlight-im/porchlight/bridge/bridgetest"
	"github.com/porchlight-im/porchlight/simple/transport"
)

// publish is a PUBLISH as a phone sends it.
func publish(tp, branch string, extra ...string) string {
	return request("PUBLISH", tp, branch, extra...)
}

func request(method, tp, branch string, extra ...string) string {
	return method + " sip:alice@example.com SIP/2.0\r\n" +
		"Via: SIP/2.0/" + tp + " 192.0.2.7:5060;branch=" + branch + ";rport\r\n" +
		"Max-Forwards: 70\r\n" +
		"From: <sip:alice@example.com>;tag=a1\r\n" +
		"To: <sip:alice@example.com>\r\n" +
		"Call-ID: " + branch + "@x\r\n" +
		"CSeq: 1 " + method + "\r\n" +
		strings.Join(extra, "") +
		"Content-Length: 0\r\n\r\n"
}

func ok(_ context.Context, r *transport.Request) { r.Reply(transport.Reply{Code: 200}) }

// start runs a transport until the test ends.
func start(t testing.TB, cfg transport.Config) *transport.Transport {
	t.Helper()
	tr, _ := startStop(t, cfg)
	return tr
}

func startStop(t testing.TB, cfg transport.Config) (*transport.Transport, func()) {
	t.Helper()
	if cfg.Handler == nil {
		cfg.Handler = ok
	}
	if cfg.Resolver == nil {
		cfg.Resolver = zone{}
	}
	tr, err := transport.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		tr.Run(ctx)
		close(ended)
	}()
	stop := func() {
		cancel()
		<-ended
	}
	t.Cleanup(func() {
		stop()
		if n := tr.Panics(); n > 0 {
			t.Errorf("%d panics in the transport", n)
		}
	})
	return tr, stop
}

// bubble runs f in fake time on an in-memory network.
func bubble(t *testing.T, f func(t *testing.T, n *bridgetest.Network)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, bridgetest.NewNetwork()) })
}

// addr returns the address of a scheme's first listener.
func addr(tr *transport.Transport, scheme string) string {
	for _, a := range tr.Addrs() {
		host, found := strings.CutPrefix(a, scheme+"://")
		if found {
			return host
		}
	}
	return ""
}

// phone is a UDP socket with what has arrived on it.
type phone struct {
	t    testing.TB
	conn net.PacketConn
	in   chan string
	from chan string
}

func newPhone(t testing.TB, n *bridgetest.Network, address string) *phone {
	t.Helper()
	c, err := n.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	p := &phone{t: t, conn: c, in: make(chan string, 100000), from: make(chan string, 100000)}
	go func() {
		b := make([]byte, 70000)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			p.in <- string(b[:n])
			p.from <- from.String()
		}
	}()
	t.Cleanup(func() { c.Close() })
	return p
}

func (p *phone) send(to, raw string) {
	p.t.Helper()
	_, err := p.conn.WriteTo([]byte(raw), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(to)))
	if err != nil {
		p.t.Fatal(err)
	}
}

// hear waits for the next message, ten seconds at most.
func (p *phone) hear() string {
	p.t.Helper()
	select {
	case s := <-p.in:
		return s
	case <-time.After(10 * time.Second):
		p.t.Fatal("no message")
		return ""
	}
}

func (p *phone) ask(to, raw string) string {
	p.t.Helper()
	p.send(to, raw)
	return p.hear()
}

// quiet fails if anything has come.
func (p *phone) quiet() {
	p.t.Helper()
	synctest.Wait()
	select {
	case s := <-p.in:
		p.t.Errorf("unexpected: %s", s)
	default:
	}
}

// hasLines fails unless s has each of the texts.
func hasLines(t testing.TB, s string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(s, w) {
			t.Errorf("no %q in:\n%s", w, s)
		}
	}
}

// ask writes raw and returns the next thing that comes.
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
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	b := make([]byte, 70000)
	n, err := c.Read(b)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	return string(b[:n])
}

// answer is what done was called with.
type answer struct {
	res *transport.Response
	err error
}

func (a answer) code() int {
	if a.res == nil {
		return 0
	}
	return a.res.StatusCode
}

// send starts m; the channel gets each call of done.
func send(tr *transport.Transport, m transport.Message) chan answer {
	ch := make(chan answer, 4)
	tr.Send(m, func(r *transport.Response, err error) { ch <- answer{r, err} })
	return ch
}

func await(t testing.TB, ch chan answer) answer {
	t.Helper()
	select {
	case a := <-ch:
		return a
	case <-time.After(time.Hour):
		t.Fatal("done was not called")
	}
	return answer{}
}

func notify(next, body string) transport.Message {
	return transport.Message{
		Method: "NOTIFY", URI: "sip:bob@example.net", Next: next,
		Header: []byte("From: <sip:alice@example.com>;tag=s1\r\nTo: <sip:bob@example.com>;tag=b1\r\n" +
			"Call-ID: n1@x\r\nCSeq: 7 NOTIFY\r\nEvent: presence\r\n"),
		Body: []byte(body),
	}
}

// responseTo answers a request as a UAS does.
func responseTo(raw string, code int) string {
	r, err := transport.ParseRequest([]byte(raw), transport.Flow{}, nil)
	if err != nil {
		panic(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "SIP/2.0 %d X\r\n", code)
	for _, n := range []string{"Via", "From", "To", "Call-ID", "CSeq"} {
		for _, v := range r.Values(n) {
			b.WriteString(n + ": " + v + "\r\n")
		}
	}
	return b.String() + "Content-Length: 0\r\n\r\n"
}

// zone is a Resolver with fixed answers.
type zone struct {
	naptr map[string][]transport.NAPTR
	srv   map[string][]transport.SRV
	hosts map[string][]string
	asked func(kind, name string)
}

func (z zone) note(kind, name string) {
	if z.asked != nil {
		z.asked(kind, name)
	}
}

func (z zone) NAPTR(_ context.Context, name string) ([]transport.NAPTR, error) {
	z.note("NAPTR", name)
	return z.naptr[name], nil
}

func (z zone) SRV(_ context.Context, name string) ([]transport.SRV, error) {
	z.note("SRV", name)
	return z.srv[name], nil
}

func (z zone) Hosts(_ context.Context, name string) ([]netip.Addr, error) {
	z.note("A", name)
	if name == "broken.example" {
		return nil, errors.New("SERVFAIL")
	}
	var out []netip.Addr
	for _, h := range z.hosts[name] {
		out = append(out, netip.MustParseAddr(h))
	}
	return out, nil
}

// recordVia answers 200 and notes the flow's transport and that of Via.
func recordVia(mu *sync.Mutex, got *[]string) func(context.Context, *transport.Request) {
	return func(_ context.Context, r *transport.Request) {
		mu.Lock()
		*got = append(*got, r.Flow.Transport+" "+r.Via().Transport)
		mu.Unlock()
		r.Reply(transport.Reply{Code: 200})
	}
}

func replyCode(code int) func(context.Context, *transport.Request) {
	return func(_ context.Context, r *transport.Request) { r.Reply(transport.Reply{Code: code}) }
}

func replyBody(size int) func(context.Context, *transport.Request) {
	return func(_ context.Context, r *transport.Request) {
		r.Reply(transport.Reply{Code: 200, Body: make([]byte, size)})
	}
}

// noteDials notes where TCP connections are made to.
type noteDials struct {
	*bridgetest.Network
	note func(string)
}

func (d noteDials) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	d.note("TCP " + address)
	return d.Network.Dial(ctx, network, address)
}

// drain forgets what has come.
func (p *phone) drain() {
	for len(p.in) > 0 {
		<-p.in
	}
}
