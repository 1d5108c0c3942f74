package transport_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/porchlight-im/porchlight/bridge/bridgetest"
	"github.com/porchlight-im/porchlight/simple/transport"
)

// authority makes certificates for the tests; bubbles begin in the year 2000.
var authority = sync.OnceValue(func() tls.Certificate {
	return certify(nil, &x509.Certificate{
		Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	})
})

func certify(ca *tls.Certificate, c *x509.Certificate) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	c.SerialNumber = big.NewInt(time.Now().UnixNano())
	c.NotBefore, c.NotAfter = time.Unix(0, 0), time.Unix(1<<33, 0)
	parent, signer := c, any(key)
	if ca != nil {
		parent, signer = ca.Leaf, ca.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(authority().Leaf)
	return pool
}

// serverTLS is for a server of example.org; mutual asks clients for theirs.
func serverTLS(t testing.TB, mutual bool) *tls.Config {
	t.Helper()
	ca := authority()
	cert := certify(&ca, &x509.Certificate{
		DNSNames: []string{"example.org"}, IPAddresses: []net.IP{net.IPv4(10, 0, 0, 2), net.IPv4(127, 0, 0, 1)},
		URIs:        []*url.URL{{Scheme: "sip", Opaque: "example.org"}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	c := &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: roots(), ClientCAs: roots()}
	if mutual {
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return c
}

// PUB-26 and SUB-40: TLS, one-way and mutual, and what the certificate proves.
func TestPUB_26_SUB_40_TLS(t *testing.T) {
	for _, mutual := range []bool{false, true} {
		bubble(t, func(t *testing.T, n *bridgetest.Network) {
			flows := make(chan transport.Flow, 9)
			start(t, transport.Config{
				Listen: []string{"tls://10.0.0.2:5061"}, TLS: serverTLS(t, mutual), Net: n,
				Handler: func(_ context.Context, r *transport.Request) {
					flows <- r.Flow
					r.Reply(transport.Reply{Code: 200})
				},
			})
			z := zone{hosts: map[string][]string{"example.org": {"10.0.0.2"}, "evil.example": {"10.0.0.2"}}}
			tr := start(t, transport.Config{Listen: []string{"tls://10.0.0.1:5061"}, TLS: serverTLS(t, false), Net: n, Resolver: z})
			for _, next := range []string{"sips:bob@example.org", "sip:bob@10.0.0.2;transport=tls", "sips:bob@example.org:5061"} {
				if a := await(t, send(tr, notify(next, "x"))); a.code() != 200 {
					t.Fatalf("%s: %d, %v", next, a.code(), a.err)
				}
				f := <-flows
				if f.Transport != "tls" || !f.Secure || f.ID == "" || slices.Contains(f.PeerNames, "example.org") != mutual {
					t.Errorf("%s: flow %+v", next, f)
				}
			}
			// The certificate has to have the name of the URI (RFC 5922 §4).
			a := await(t, send(tr, notify("sips:bob@evil.example", "x")))
			var name x509.HostnameError
			if !errors.Is(a.err, transport.ErrUnreachable) || !errors.As(a.err, &name) {
				t.Errorf("evil.example: %d, %v", a.code(), a.err)
			}
		})
	}
}

// RFC 5923: a connection that the peer has opened is used for requests to it
// if its certificate proves the name, and only then.
func TestAlias(t *testing.T) {
	for _, mutual := range []bool{false, true} {
		bubble(t, func(t *testing.T, n *bridgetest.Network) {
			z := zone{hosts: map[string][]string{"example.org": {"10.0.0.2"}}}
			tr := start(t, transport.Config{Listen: []string{"tls://" + us}, TLS: serverTLS(t, mutual), Net: n, Resolver: z})
			raw, err := n.DialFrom(context.Background(), "tcp", "10.0.0.2:0", us)
			if err != nil {
				t.Fatal(err)
			}
			cfg := serverTLS(t, false)
			cfg.ServerName = "example.org"
			c := tls.Client(raw, cfg)
			defer c.Close()
			l := &line{t: t, Conn: c, r: bufio.NewReader(c)}
			hasLines(t, l.ask(strings.Replace(publish("TLS", "z9hG4bK1"), "192.0.2.7:5060;", "Example.org:5061;alias;", 1)), "SIP/2.0 200 ")
			ch := send(tr, notify("sips:bob@example.org:5061", "x"))
			if !mutual { // a new connection is tried, and nobody listens
				if a := await(t, ch); !errors.Is(a.err, transport.ErrUnreachable) {
					t.Errorf("without a certificate: %d, %v", a.code(), a.err)
				}
				return
			}
			l.send(responseTo(l.hear(), 200))
			if a := await(t, ch); a.code() != 200 {
				t.Errorf("got %d, %v", a.code(), a.err)
			}
		})
	}
}

func TestTLSPeersAreVerified(t *testing.T) {
	bubble(t, func(t *testing.T, n *bridgetest.Network) {
		server := serverTLS(t, true)
		start(t, transport.Config{Listen: []string{"tls://10.0.0.2:5061"}, TLS: server, Net: n})
		stranger := certify(nil, &x509.Certificate{DNSNames: []string{"example.org"}})
		for name, c := range map[string]*tls.Config{
			"authority unknown to the client": {},
			"client without certificate":      {RootCAs: roots()},
			"client with a forged one":        {RootCAs: roots(), Certificates: []tls.Certificate{stranger}},
		} {
			tr := start(t, transport.Config{TLS: c, Net: n})
			a := await(t, send(tr, notify("sip:bob@10.0.0.2;transport=tls", "x")))
			if !errors.Is(a.err, transport.ErrUnreachable) {
				t.Errorf("%s: %d, %v", name, a.code(), a.err)
			}
		}
	})
}

// A tls listener needs a certificate, and each scheme is what it says
// (defect T18).
func TestListenURLs(t *testing.T) {
	n := bridgetest.NewNetwork()
	for _, c := range []struct {
		listen, want string
		tls          *tls.Config
	}{
		{"tls://10.0.0.1:5061", "", nil},
		{"wss://10.0.0.1", "", nil},
		{"sctp://10.0.0.1:5060", "", nil},
		{"udp:10.0.0.1:5060", "", nil},
		{"udp://10.0.0.1:99999", "", nil},
		{"udp://10.0.0.1", "udp://10.0.0.1:5060", nil},
		{"tls://[2001:db8::1]", "tls://[2001:db8::1]:5061", serverTLS(t, false)},
		{"wss://10.0.0.1", "wss://10.0.0.1:443", serverTLS(t, false)},
	} {
		tr, err := transport.New(transport.Config{Listen: []string{c.listen}, TLS: c.tls, Net: n, Handler: ok, Resolver: zone{}})
		if c.want == "" {
			if err == nil {
				t.Errorf("%s: no error", c.listen)
			}
			continue
		}
		if err != nil || tr.Addrs()[0] != c.want {
			t.Errorf("%s: %v, %v", c.listen, tr, err)
		}
	}
}
