package simple

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/bridge/bridgetest"
	"github.com/porchlight-im/porchlight/bridge/policy"
	"github.com/porchlight-im/porchlight/bridge/store"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/simple/pidf"
)

// world is a hub with the IMS port on an in-memory network, inside a synctest
// bubble.
type world struct {
	t    *testing.T
	net  *bridgetest.Network
	hub  *bridge.Hub
	port *Port
	home *jabber
	stop func()
	n    int // peers made
}

// setup is what differs from test to test.
type setup struct {
	config  func(*Config)
	defRule policy.SubHandling // of sip.example
	users   map[string]bool    // of sip.example
	store   store.Store
	log     io.Writer // nil: the test's
	net     *bridgetest.Network
}

var codec = bridge.Codec{
	Append: func(dst []byte, s *presence.State) []byte { return pidf.Append(dst, s, "") },
	Decode: pidf.Decode,
}

const server = "192.0.2.1:5060"

func newWorld(t *testing.T, s setup) *world {
	t.Helper()
	if s.net == nil {
		s.net = bridgetest.NewNetwork()
	}
	if s.log == nil {
		s.log = t.Output()
	}
	log := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	hub, err := bridge.New(bridge.Config{
		Directory: bridge.NewDirectory([]bridge.Domain{
			{Name: "sip.example", Scheme: presence.SIP, Here: true, Users: s.users, Default: s.defRule},
			{Name: "im.example", Scheme: presence.XMPP, Port: "xmpp"},
			{Name: "far.example", Scheme: presence.SIP, Port: "sip"},
		}),
		Log:   log,
		Store: s.store,
		Codec: codec,
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Listen: []string{"udp://" + server}, Trusted: []string{"192.0.2.0/24"}, Net: s.net}
	if s.config != nil {
		s.config(&cfg)
	}
	p, err := New(cfg, hub, log, nil)
	if err != nil {
		t.Fatal(err)
	}
	home := &jabber{}
	hub.Register(p)
	hub.Register(home)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	var once sync.Once
	w := &world{t: t, net: s.net, hub: hub, port: p, home: home}
	w.stop = func() {
		once.Do(func() {
			cancel()
			err := <-done
			if err != nil {
				t.Errorf("Run: %v", err)
			}
			err = hub.Close()
			if err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
	t.Cleanup(w.stop)
	return w
}

// jabber is a port that notes what the hub asks of it.
type jabber struct {
	mu    sync.Mutex
	asked []string
}

func (j *jabber) Name() string              { return "xmpp" }
func (j *jabber) Run(context.Context) error { return nil }
func (j *jabber) note(s string) {
	j.mu.Lock()
	j.asked = append(j.asked, s)
	j.mu.Unlock()
}
func (j *jabber) Attach(leg bridge.Leg, how bridge.Interest) {
	j.note(fmt.Sprintf("attach %s %s %d", leg.Watcher, leg.Presentity, how))
}
func (j *jabber) Detach(leg bridge.Leg) {
	j.note(fmt.Sprintf("detach %s %s", leg.Watcher, leg.Presentity))
}
func (j *jabber) take() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	a := j.asked
	j.asked = nil
	return a
}

// peer is a scripted SIP peer: text out, text in.
type peer struct {
	w    *world
	sock net.PacketConn
	addr string
	aor  string
	id   string // makes Call-ID and tag
	cseq int
	mute bool // does not answer NOTIFYs by itself
	seen []message
}

// peer makes a peer of the trust domain that speaks for aor.
func (w *world) peer(aor string) *peer { return w.peerAt(aor, fmt.Sprintf("192.0.2.%d:5060", 10+w.n)) }

func (w *world) peerAt(aor, addr string) *peer {
	w.t.Helper()
	w.n++
	s, err := w.net.ListenPacket("udp", addr)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { s.Close() })
	return &peer{w: w, sock: s, addr: addr, aor: aor, id: fmt.Sprintf("peer%d", w.n)}
}

// request sends a request made of a start ("PUBLISH sip:alice@sip.example"),
// header lines and a body. A line replaces the one that every request has;
// "Name:" alone removes it. It returns the text.
func (p *peer) request(start, lines, body string) string {
	p.cseq++
	method, uri, _ := strings.Cut(start, " ")
	have := []string{
		"Via: SIP/2.0/UDP " + p.addr + ";rport;branch=z9hG4bK" + p.id + "-" + strconv.Itoa(p.cseq),
		"Max-Forwards: 70",
		"From: <" + p.aor + ">;tag=" + p.id,
		"To: <" + uri + ">",
		"Call-ID: " + p.id + "@test",
		"CSeq: " + strconv.Itoa(p.cseq) + " " + method,
		"Contact: <sip:" + p.addr + ">",
		"P-Asserted-Identity: <" + p.aor + ">",
	}
	if body != "" {
		have = append(have, "Content-Type: application/pidf+xml", "Content-Length: "+strconv.Itoa(len(body)))
	}
	replaced := map[string]bool{}
	var extra []string
	for l := range strings.SplitSeq(lines, "\n") {
		l = strings.TrimSpace(l)
		if l == "" {
			continue
		}
		name, v, _ := strings.Cut(l, ":")
		replaced[strings.ToLower(name)] = true
		if strings.TrimSpace(v) != "" {
			extra = append(extra, l)
		}
	}
	out := []string{start + " SIP/2.0"}
	for _, l := range have {
		name, _, _ := strings.Cut(l, ":")
		if !replaced[strings.ToLower(name)] {
			out = append(out, l)
		}
	}
	text := strings.Join(append(out, extra...), "\r\n") + "\r\n\r\n" + body
	p.raw(text)
	return text
}

// raw sends text as it is.
func (p *peer) raw(text string) {
	to, err := net.ResolveUDPAddr("udp", server)
	if err != nil {
		p.w.t.Fatal(err)
	}
	p.sock.WriteTo([]byte(text), to)
}

// response waits for the next response; requests that come meanwhile are
// kept, and answered unless the peer is mute.
func (p *peer) response() message {
	p.w.t.Helper()
	for {
		m, ok := p.read(40 * time.Second)
		if !ok {
			p.w.t.Fatal("no response")
		}
		if m.response() {
			return m
		}
		p.take(m)
	}
}

// notify waits for the next NOTIFY.
func (p *peer) notify() message {
	p.w.t.Helper()
	m, ok := p.within(40 * time.Second)
	if !ok {
		p.w.t.Fatal("no NOTIFY")
	}
	return m
}

// within waits for the next NOTIFY for no longer than d.
func (p *peer) within(d time.Duration) (message, bool) {
	p.w.t.Helper()
	end := time.Now().Add(d)
	for len(p.seen) == 0 {
		m, ok := p.read(time.Until(end))
		if !ok {
			return message{}, false
		}
		p.take(m)
	}
	m := p.seen[0]
	p.seen = p.seen[1:]
	return m, true
}

// silent demands that no NOTIFY comes for d.
func (p *peer) silent(d time.Duration) {
	p.w.t.Helper()
	m, ok := p.within(d)
	if ok {
		p.w.t.Fatalf("unexpected:\n%s", m.text)
	}
}

func (p *peer) take(m message) {
	p.w.t.Helper()
	if !strings.HasPrefix(m.start, "NOTIFY ") {
		p.w.t.Fatalf("unexpected:\n%s", m.text)
	}
	if !p.mute {
		p.answer(m, "200 OK", "")
	}
	p.seen = append(p.seen, m)
}

// answer answers a request.
func (p *peer) answer(m message, status, lines string) {
	out := "SIP/2.0 " + status + "\r\n"
	for _, name := range []string{"Via", "From", "To", "Call-ID", "CSeq"} {
		for _, v := range m.all(name) {
			out += name + ": " + v + "\r\n"
		}
	}
	for l := range strings.SplitSeq(lines, "\n") {
		if l = strings.TrimSpace(l); l != "" {
			out += l + "\r\n"
		}
	}
	p.raw(out + "Content-Length: 0\r\n\r\n")
}

func (p *peer) read(d time.Duration) (message, bool) {
	b := make([]byte, 1<<16)
	p.sock.SetReadDeadline(time.Now().Add(max(d, 0)))
	n, _, err := p.sock.ReadFrom(b)
	return parse(string(b[:n])), err == nil
}

// message is a SIP message as text.
type message struct {
	text, start, body string
	lines             []string
}

func parse(text string) message {
	head, body, _ := strings.Cut(text, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	return message{text: text, start: lines[0], lines: lines[1:], body: body}
}

func (m message) response() bool { return strings.HasPrefix(m.start, "SIP/2.0 ") }

func (m message) all(name string) (vs []string) {
	for _, l := range m.lines {
		n, v, _ := strings.Cut(l, ":")
		if strings.EqualFold(n, name) {
			vs = append(vs, strings.TrimSpace(v))
		}
	}
	return vs
}

func (m message) get(name string) string {
	vs := m.all(name)
	if len(vs) == 0 {
		return ""
	}
	return vs[0]
}

// want demands a start line, which may end in "*" for any rest, and header
// fields, each there exactly once: "Expires: 600"; "SIP-ETag: *" for any
// value; "Contact:" for none.
func (m message) want(t *testing.T, start string, fields ...string) {
	t.Helper()
	prefix, open := strings.CutSuffix(start, "*")
	if m.start != start && !(open && strings.HasPrefix(m.start, prefix)) {
		t.Fatalf("got %q, want %q\n%s", m.start, start, m.text)
	}
	for _, f := range fields {
		name, v, _ := strings.Cut(f, ":")
		v = strings.TrimSpace(v)
		got := m.all(name)
		switch {
		case v == "" && len(got) == 0:
		case v == "" || len(got) != 1 || v != "*" && got[0] != v:
			t.Errorf("%s is %q, want %q\n%s", name, got, v, m.text)
		}
	}
}

// doc is a presence document of sip:alice@sip.example with one tuple.
func doc(basic, note string) string {
	return docOf("sip:alice@sip.example", "t1", basic, note)
}

func docOf(entity, id, basic, note string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>` +
		`<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="` + entity + `">` +
		`<tuple id="` + id + `"><status><basic>` + basic + `</basic></status><note>` + note + `</note></tuple></presence>`
}

// publish publishes with lines and returns the 200.
func (p *peer) publish(lines, body string) message {
	p.w.t.Helper()
	p.request("PUBLISH "+p.aor, with(lines, "Event: presence"), body)
	m := p.response()
	m.want(p.w.t, "SIP/2.0 200 OK", "Expires: *", "SIP-ETag: *")
	return m
}

// subscribe subscribes to uri, with lines, and returns the 200 and the first
// NOTIFY.
func (p *peer) subscribe(uri, lines string) (res, ntf message) {
	p.w.t.Helper()
	p.request("SUBSCRIBE "+uri, with(lines, "Event: presence"), "")
	res = p.response()
	if len(p.seen) > 0 {
		p.w.t.Errorf("a NOTIFY before the response")
	}
	res.want(p.w.t, "SIP/2.0 200 OK", "Expires: *", "Contact: *")
	return res, p.notify()
}

// again sends a SUBSCRIBE within the dialog that res made.
func (p *peer) again(res message, lines string) {
	uri := strings.Trim(res.get("Contact"), "<>")
	p.request("SUBSCRIBE "+uri, with(lines, "Event: presence", "To: "+res.get("To")), "")
}

// with is lines and those of defaults whose name is not among them.
func with(lines string, defaults ...string) string {
	for _, d := range defaults {
		name, _, _ := strings.Cut(d, ":")
		if !strings.Contains("\n"+lines, "\n"+name+":") {
			lines = d + "\n" + lines
		}
	}
	return lines
}
