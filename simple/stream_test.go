package simple

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/bridge/policy"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/simple/transport"
)

// authority makes certificates for one test.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	n    int64
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.issue("ca", nil)
	return a
}

// issue makes a certificate for name and writes name.crt and name.key.
func (a *authority) issue(name string, parent *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	a.n++
	c := &x509.Certificate{
		SerialNumber: big.NewInt(a.n), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name, "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: parent == nil, BasicConstraintsValid: true,
	}
	signer, by := key, c
	if parent != nil {
		signer, by = a.key, parent
	}
	der, err := x509.CreateCertificate(rand.Reader, c, by, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	priv, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(name+".crt", "CERTIFICATE", der)
	a.write(name+".key", "EC PRIVATE KEY", priv)
	c, err = x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return c, key
}

func (a *authority) write(name, typ string, der []byte) {
	err := os.WriteFile(a.file(name), pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: der}), 0o600)
	if err != nil {
		a.t.Fatal(err)
	}
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// serving runs a port with cfg on the system's network.
func serving(t *testing.T, cfg Config) *Port {
	t.Helper()
	hub, err := bridge.New(bridge.Config{
		Directory: bridge.NewDirectory([]bridge.Domain{{Name: "sip.example", Scheme: presence.SIP, Here: true, Default: policy.Allow}}),
		Codec:     codec,
	})
	if err != nil {
		t.Fatal(err)
	}
	if errs := cfg.Validate(); len(errs) > 0 {
		t.Fatal(errs)
	}
	p, err := New(cfg, hub, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	hub.Register(p)
	if p.Ready() == nil {
		t.Error("ready before Run")
	}
	run(t, p.Run)
	t.Cleanup(func() { hub.Close() })
	return p
}

func run(t *testing.T, f func(context.Context) error) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	t.Cleanup(func() {
		cancel()
		err := <-done
		if err != nil {
			t.Error(err)
		}
	})
}

// phone is a client over a stream: a transport of its own.
type phone struct {
	t    *testing.T
	tr   *transport.Transport
	got  chan *transport.Request
	next string
	n    int
}

func newPhone(t *testing.T, server, scheme string, c *tls.Config) *phone {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	ph := &phone{t: t, got: make(chan *transport.Request, 10), next: "sip:localhost:" + u.Port() + ";transport=" + scheme + ";lr"}
	ph.tr, err = transport.New(transport.Config{Listen: []string{"udp://127.0.0.1:0"}, TLS: c,
		Handler: func(_ context.Context, r *transport.Request) {
			r.Reply(transport.Reply{Code: 200})
			ph.got <- r
		}})
	if err != nil {
		t.Fatal(err)
	}
	run(t, ph.tr.Run)
	return ph
}

// send sends a request of alice and returns its response.
func (p *phone) send(method, uri, lines, body string) *transport.Response {
	p.t.Helper()
	p.n++
	h := "From: <" + aliceURI + ">;tag=a\r\nTo: <" + uri + ">\r\nCall-ID: " + rand.Text() + "\r\nCSeq: 1 " + method + "\r\n" +
		"Contact: <sip:alice@invalid.invalid;transport=tls>\r\nEvent: presence\r\n" + lines
	type answer struct {
		res *transport.Response
		err error
	}
	got := make(chan answer, 1)
	p.tr.Send(transport.Message{Method: method, URI: uri, Header: []byte(h), Body: []byte(body), Next: p.next},
		func(res *transport.Response, err error) { got <- answer{res, err} })
	a := <-got
	if a.err != nil {
		p.t.Fatal(a.err)
	}
	return a.res
}

// TestSUB_40_PUB_26_I4_TLS: sips: works over TLS (RFC 7247 §8), NOTIFYs come
// back over the watcher's own connection, and the name in a client's
// certificate can be trusted (PUB-26: one-way and mutual).
func TestSUB_40_PUB_26_I4_TLS(t *testing.T) {
	ca := newAuthority(t)
	ca.issue("porchlight.example", ca.cert)
	ca.issue("scscf.example", ca.cert)
	p := serving(t, Config{
		Listen: []string{"tls://127.0.0.1:0"}, Trusted: []string{"scscf.example"},
		TLS: TLSConfig{Cert: ca.file("porchlight.example.crt"), Key: ca.file("porchlight.example.key"), CA: ca.file("ca.crt")},
	})
	one, err := TLSConfig{CA: ca.file("ca.crt")}.load()
	if err != nil {
		t.Fatal(err)
	}
	mutual, err := TLSConfig{Cert: ca.file("scscf.example.crt"), Key: ca.file("scscf.example.key"), CA: ca.file("ca.crt")}.load()
	if err != nil {
		t.Fatal(err)
	}
	const pai = "P-Asserted-Identity: <" + aliceURI + ">\r\n"
	stranger := newPhone(t, p.Addrs()[0], "tls", one)
	if res := stranger.send("PUBLISH", "sips:alice@sip.example", pai, ""); res.StatusCode != 403 {
		t.Errorf("one-way, asserted: %d", res.StatusCode)
	}
	if res := stranger.send("OPTIONS", "sips:alice@sip.example", "", ""); res.StatusCode != 200 {
		t.Errorf("one-way OPTIONS: %d", res.StatusCode)
	}
	ph := newPhone(t, p.Addrs()[0], "tls", mutual)
	res := ph.send("PUBLISH", "sips:alice@sip.example", pai+"Content-Type: application/pidf+xml\r\n", doc("open", "here"))
	if res.StatusCode != 200 {
		t.Fatalf("PUBLISH: %d", res.StatusCode)
	}
	res = ph.send("SUBSCRIBE", "sips:alice@sip.example", pai, "")
	if res.StatusCode != 200 || !strings.HasPrefix(res.Value("Contact"), "<sips:") {
		t.Fatalf("SUBSCRIBE: %d", res.StatusCode)
	}
	select {
	case r := <-ph.got:
		if r.Method != sip.NOTIFY || r.Flow.Transport != "tls" || !bytes.Contains(r.Body(), []byte("here")) {
			t.Errorf("got\n%s", r)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("no NOTIFY over the watcher's connection")
	}
}

func TestReady(t *testing.T) {
	p := serving(t, Config{Listen: []string{"udp://127.0.0.1:0", "tcp://127.0.0.1:0"}})
	for range 100 {
		if p.Ready() == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := p.Ready(); err != nil {
		t.Error(err)
	}
	if a := p.Addrs(); len(a) != 2 || strings.HasSuffix(a[0], ":0") || !strings.HasPrefix(a[1], "tcp://127.0.0.1:") {
		t.Errorf("addresses %v", a)
	}
}
