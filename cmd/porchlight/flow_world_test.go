package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/gorilla/websocket"

	"github.com/porchlight-im/porchlight/bridge/bridgetest"
)

// flowArrival is one message that has come from the gateway: who it is for,
// what it is, and in which form.
type flowArrival struct{ who, what, ext, text string }

// flowWorld is the whole gateway, in a synctest bubble, and everybody around
// it.
type flowWorld struct {
	t       *testing.T
	config  string
	dir     string // of the store
	net     *bridgetest.Network
	servers map[string]*bridgetest.ComponentServer // by the port of their listener
	phones  []*flowPhone
	feeds   []*flowFeed
	log     *flowLog
	stop    func() // ends the gateway, and waits
}

func newFlowWorld(t *testing.T, config string) *flowWorld {
	w := &flowWorld{t: t, config: config, dir: t.TempDir(), net: bridgetest.NewNetwork(), log: newFlowLog(),
		servers: map[string]*bridgetest.ComponentServer{}}
	for port, domain := range map[string]string{"5347": "sip.example", "5348": "ask.example", "5349": "far.example"} {
		s := bridgetest.NewComponentServer(t, domain, "s3cret")
		s.Answer(bridgetest.AnswerPings)
		w.servers[port] = s
	}
	far, err := newFlowPhone(w.net, "far", "sip:far.example", flowFar)
	if err != nil {
		t.Fatal(err)
	}
	w.phones = append(w.phones, far)
	w.start()
	return w
}

// fail ends the flow, with what the gateway has logged last.
func (w *flowWorld) fail(format string, args ...any) {
	w.t.Helper()
	w.t.Logf("the log ends with\n%s", w.log.tail(25))
	w.close()
	w.t.Fatalf(format, args...)
}

// start starts a gateway on what is stored.
func (w *flowWorld) start() {
	w.t.Helper()
	cfg, err := parseConfig("gateway.yaml", []byte(w.config))
	if err != nil {
		w.t.Fatal(err)
	}
	cfg.Data = w.dir
	cfg.SIP.Net = w.net
	cfg.Web.Open = w.net.Listen
	cfg.XMPP.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		_, port, _ := net.SplitHostPort(address)
		return w.servers[port].Dial(ctx, network, address)
	}
	g, err := newGateway(cfg, slog.New(w.log))
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- g.run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		err := <-done
		if err != nil {
			w.t.Errorf("run: %v", err)
		}
	})
	synctest.Wait()
	for port, err := range g.ready() {
		if err != nil {
			w.fail("the %s port is not ready: %v", port, err)
		}
	}
}

// kill ends the gateway as kill -9 would: nobody hears of it, and of the store
// there is what is on disk at this moment.
func (w *flowWorld) kill() {
	w.t.Helper()
	to := w.t.TempDir()
	err := os.CopyFS(to, os.DirFS(w.dir))
	if err != nil {
		w.t.Fatal(err)
	}
	w.net.SetLoss(func(_, _ netip.AddrPort, _ []byte) bool { return true })
	for _, s := range w.servers {
		s.Down(net.ErrClosed)
	}
	w.hangUp()
	w.stop()
	w.net.SetLoss(nil)
	for _, s := range w.servers {
		s.Down(nil)
	}
	w.dir = to
}

// hangUp ends all feeds, from their side.
func (w *flowWorld) hangUp() {
	for _, f := range w.feeds {
		f.ws.Close()
		<-f.done
	}
	w.feeds = nil
	synctest.Wait()
}

// close ends everything.
func (w *flowWorld) close() {
	w.hangUp()
	w.stop()
	for _, p := range w.phones {
		p.close()
	}
	w.phones = nil
	for _, s := range w.servers {
		s.Close()
	}
	if bad := w.log.errors(); bad != "" {
		w.t.Errorf("logged as errors:\n%s", bad)
	}
}

// order carries out a step without content, such as "bob.dead".
func (w *flowWorld) order(who, what string) error {
	w.t.Helper()
	switch who + "." + what {
	case "gateway.restart":
		w.kill()
		w.start()
		return nil
	case "jabber.down", "jabber.up":
		var down error
		if what == "down" {
			down = errors.New("connection refused")
		}
		for _, s := range w.servers {
			s.Down(down)
		}
		return nil
	}
	p, err := w.phone(who)
	if err != nil || what != "dead" && what != "alive" {
		return errors.Join(err, errors.New("nobody knows how to do this"))
	}
	p.setDead(what == "dead")
	return nil
}

var xmlTo = regexp.MustCompile(`^\s*<[^>]*\sto=['"]([^'"]*)['"]`)

// send feeds text in, in the name of s.who.
func (w *flowWorld) send(s *flowStep, text string) error {
	switch s.ext {
	case "sip":
		p, err := w.phone(s.who)
		if err != nil {
			return err
		}
		return p.send(text)
	case "xml":
		m := xmlTo.FindStringSubmatch(text)
		for _, srv := range w.servers {
			if m != nil && strings.Contains(m[1], srv.Domain) {
				return srv.Send("%s", text)
			}
		}
		return errors.New("it is to nobody behind the gateway")
	case "json":
		f, err := w.feed(s.who)
		if err != nil {
			return err
		}
		return f.ws.WriteMessage(websocket.TextMessage, []byte(text))
	}
	return errors.New("nobody knows how to send this")
}

// flowUsers are the SIP users of ask.example; all others are of sip.example.
var flowUsers = map[string]bool{"carol": true, "dave": true}

// phone returns the phone of a SIP user, new if he had none yet.
func (w *flowWorld) phone(who string) (*flowPhone, error) {
	for _, p := range w.phones {
		if p.who == who {
			return p, nil
		}
	}
	host := "sip.example"
	user, _, _ := strings.Cut(who, "-")
	if flowUsers[user] {
		host = "ask.example"
	}
	p, err := newFlowPhone(w.net, who, "sip:"+user+"@"+host, fmt.Sprintf("192.0.2.%d:5060", 10+len(w.phones)))
	if err == nil {
		w.phones = append(w.phones, p)
	}
	return p, err
}

// feed returns the feed of a token, new if it has none yet.
func (w *flowWorld) feed(token string) (*flowFeed, error) {
	for _, f := range w.feeds {
		if f.token == token {
			return f, nil
		}
	}
	d := websocket.Dialer{NetDialContext: w.net.Dial}
	ws, _, err := d.Dial("ws://127.0.0.1:8080/v1/feed", http.Header{"Authorization": {"Bearer " + token}})
	if err != nil {
		return nil, err
	}
	for range 2 { // hello, authenticated
		_, _, err = ws.ReadMessage()
		if err != nil {
			return nil, err
		}
	}
	f := &flowFeed{token: token, ws: ws, done: make(chan struct{})}
	w.feeds = append(w.feeds, f)
	go f.read()
	return f, nil
}

// flowFeed is one client of the web feed.
type flowFeed struct {
	token string
	ws    *websocket.Conn
	done  chan struct{}

	mu      sync.Mutex
	arrived []flowArrival
}

func (f *flowFeed) read() {
	defer close(f.done)
	for {
		_, b, err := f.ws.ReadMessage()
		if err != nil {
			return
		}
		op := "frame"
		if _, rest, ok := strings.Cut(string(b), `"op":"`); ok {
			op, _, _ = strings.Cut(rest, `"`)
		}
		f.mu.Lock()
		f.arrived = append(f.arrived, flowArrival{f.token, op, "json", string(b)})
		f.mu.Unlock()
	}
}

// collect takes all that has arrived since the last collect.
func (w *flowWorld) collect() (as []flowArrival) {
	w.t.Helper()
	for _, p := range w.phones {
		some, faults := p.collect()
		for _, f := range faults {
			w.t.Errorf("%s: %s", p.who, f)
		}
		as = append(as, some...)
	}
	for _, port := range []string{"5347", "5348", "5349"} {
		s := w.servers[port]
		for _, st := range s.Stanzas() {
			user, _, _ := strings.Cut(st.To, "@")
			what := st.Type
			if what == "" {
				what = st.Name
			}
			as = append(as, flowArrival{user, what, "xml", st.XML})
		}
		s.Forget()
	}
	for _, f := range w.feeds {
		f.mu.Lock()
		as = append(as, f.arrived...)
		f.arrived = nil
		f.mu.Unlock()
	}
	return as
}
