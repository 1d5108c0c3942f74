package transport_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/porchlight-im/porchlight/bridge/bridgetest"
	"github.com/porchlight-im/porchlight/simple/transport"
)

// The tests of this file use the system's loopback.

func TestRequestAndReplyOnLoopback(t *testing.T) {
	tr := start(t, transport.Config{
		Listen: []string{"udp://127.0.0.1:0", "tcp://127.0.0.1:0", "udp://[::1]:0", "tcp://[::1]:0"},
		Handler: func(_ context.Context, r *transport.Request) {
			r.Reply(transport.Reply{Code: 200, Header: []byte("SIP-ETag: x\r\n"), Body: []byte(r.Flow.Transport)})
		},
	})
	for i, a := range tr.Addrs() {
		t.Run(a, func(t *testing.T) {
			scheme, host, _ := strings.Cut(a, "://")
			c, err := net.Dial(scheme, host)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			got := ask(t, c, publish(strings.ToUpper(scheme), fmt.Sprintf("z9hG4bK%d", i)))
			hasLines(t, got, "SIP/2.0 200 OK\r\n", ";received=", ";rport=", "To: <sip:alice@example.com>;tag=",
				"CSeq: 1 PUBLISH\r\n", "SIP-ETag: x\r\n", "Content-Length: 3\r\n\r\n"+scheme)
		})
	}
}

func TestSendOnLoopback(t *testing.T) {
	for _, scheme := range []string{"udp", "tcp", "tls"} {
		for _, ip := range []string{"127.0.0.1", "[::1]"} {
			if scheme == "tls" && ip == "[::1]" {
				continue // the certificate has not that address
			}
			t.Run(scheme+" "+ip, func(t *testing.T) {
				via := make(chan string, 9)
				cfg := transport.Config{
					Listen: []string{scheme + "://" + ip + ":0"}, TLS: serverTLS(t, false),
					Handler: func(_ context.Context, r *transport.Request) {
						via <- r.Via().Host
						r.Reply(transport.Reply{Code: 200})
					},
				}
				peer, tr := start(t, cfg), start(t, cfg)
				for range 3 {
					a := await(t, send(tr, notify("sip:bob@"+addr(peer, scheme)+";transport="+scheme, "hello")))
					if a.code() != 200 {
						t.Fatalf("got %d, %v", a.code(), a.err)
					}
					// Defect T20: Via has our address of the right family.
					if got := <-via; got != strings.Trim(ip, "[]") {
						t.Errorf("Via names %s", got)
					}
				}
			})
		}
	}
}

// Listeners on 0.0.0.0 and [::] live side by side on one port (defect T4), and
// name the address by which the peer reaches them.
func TestWildcardListeners(t *testing.T) {
	flows := make(chan transport.Flow, 9)
	handler := func(_ context.Context, r *transport.Request) {
		flows <- r.Flow
		r.Reply(transport.Reply{Code: 200})
	}
	four := start(t, transport.Config{Listen: []string{"udp://0.0.0.0:0"}, Handler: handler})
	port := addr(four, "udp")[len("0.0.0.0:"):]
	six := start(t, transport.Config{Listen: []string{"udp://[::]:" + port}, Handler: handler})
	for host, tr := range map[string]*transport.Transport{"127.0.0.1": four, "::1": six} {
		c, err := net.Dial("udp", net.JoinHostPort(host, port))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		ask(t, c, publish("UDP", "z9hG4bK1"))
		f := <-flows
		got, tp := tr.Contact(&f)
		if want := net.JoinHostPort(host, port); got != want || tp != "udp" {
			t.Errorf("Contact %s;transport=%s, want %s", got, tp, want)
		}
		ch := send(tr, notify("sip:"+c.LocalAddr().String(), "x"))
		req := hear(t, c)
		hasLines(t, req, "Via: SIP/2.0/UDP "+net.JoinHostPort(host, port)+";")
		_, err = c.Write([]byte(responseTo(req, 200)))
		if err != nil {
			t.Fatal(err)
		}
		await(t, ch)
	}
}

func TestContactNamesTheListener(t *testing.T) {
	n := bridgetest.NewNetwork()
	listen := []string{"udp://10.0.0.1:5060", "tcp://10.0.0.1:5062", "udp://[2001:db8::1]:5064", "wss://10.0.0.1:443", "udp://10.0.0.9:5066"}
	for _, c := range []struct {
		advertise string
		flow      *transport.Flow
		want      string
	}{
		{"", nil, "10.0.0.1:5060 udp"},
		{"", &transport.Flow{Transport: "tcp", Local: "10.0.0.1:40000", Remote: "10.0.0.2:5060"}, "10.0.0.1:5062 tcp"},
		{"", &transport.Flow{Transport: "udp", Local: "10.0.0.9:5066", Remote: "10.0.0.2:5060"}, "10.0.0.9:5066 udp"},
		{"", &transport.Flow{Transport: "udp", Remote: "[2001:db8::2]:5060"}, "[2001:db8::1]:5064 udp"},
		{"", &transport.Flow{Transport: "wss", Local: "10.0.0.1:443", Remote: "10.0.0.2:7"}, "10.0.0.1:443 ws"},
		{"sip.example.org", &transport.Flow{Transport: "tcp", Remote: "10.0.0.2:5060"}, "sip.example.org:5062 tcp"},
	} {
		tr, err := transport.New(transport.Config{
			Listen: listen, Net: n, Advertise: c.advertise, TLS: serverTLS(t, false), Handler: ok, Resolver: zone{},
		})
		if err != nil {
			t.Fatal(err)
		}
		hostport, tp := tr.Contact(c.flow)
		if got := hostport + " " + tp; got != c.want {
			t.Errorf("%+v: %s, want %s", c.flow, got, c.want)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		tr.Run(ctx)
	}
}

// The default Resolver, against a DNS server.
func TestResolver(t *testing.T) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	srv := &dns.Server{PacketConn: pc, NotifyStartedFunc: func() { close(started) }, Handler: dns.HandlerFunc(answerDNS)}
	go srv.ActivateAndServe()
	defer srv.Shutdown()
	<-started
	r := transport.NewResolverAt(pc.LocalAddr().String())
	naptr, err := r.NAPTR(context.Background(), "x.example")
	if err != nil || len(naptr) != 1 || naptr[0].Service != "SIP+D2U" || naptr[0].Replacement != "_sip._udp.x.example." {
		t.Errorf("NAPTR %+v, %v", naptr, err)
	}
	records, err := r.SRV(context.Background(), "_sip._udp.x.example")
	if err != nil || len(records) != 1 || records[0] != (transport.SRV{Priority: 1, Weight: 2, Port: 5070, Target: "a.x.example."}) {
		t.Errorf("SRV %+v, %v", records, err)
	}
	records, err = r.SRV(context.Background(), "none.example")
	if err != nil || len(records) != 0 {
		t.Errorf("NXDOMAIN: %+v, %v", records, err)
	}
	_, err = r.SRV(context.Background(), "fail.example")
	if err == nil {
		t.Error("SERVFAIL is no error")
	}
	hosts, err := r.Hosts(context.Background(), "localhost")
	if err != nil || len(hosts) == 0 || !hosts[0].IsLoopback() {
		t.Errorf("localhost %v, %v", hosts, err)
	}
}

func answerDNS(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg)
	m.SetReply(q)
	switch name := q.Question[0].Name; name {
	case "x.example.":
		rr, _ := dns.NewRR(`x.example. 60 IN NAPTR 1 2 "s" "SIP+D2U" "" _sip._udp.x.example.`)
		m.Answer = append(m.Answer, rr)
	case "_sip._udp.x.example.":
		rr, _ := dns.NewRR(`_sip._udp.x.example. 60 IN SRV 1 2 5070 a.x.example.`)
		m.Answer = append(m.Answer, rr)
	case "fail.example.":
		m.Rcode = dns.RcodeServerFailure
	default:
		m.Rcode = dns.RcodeNameError
	}
	w.WriteMsg(m)
}
