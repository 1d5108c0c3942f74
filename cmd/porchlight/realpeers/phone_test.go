//go:build integration

package realpeers

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// phone is a SIP user agent on UDP made of plain text, so that the gateway is
// judged by something that shares no code with it. It answers every NOTIFY
// with 200, and keeps what comes.
type phone struct {
	t      *testing.T
	aor    string // "sip:bob@sip.example"
	conn   *net.UDPConn
	server *net.UDPAddr
	port   int
	cseq   int
	last   []byte // request that was sent
	done   chan struct{}

	mu      sync.Mutex
	seen    []sipMessage
	more    chan struct{}
	replied map[string]string // branch → answer, for retransmissions
}

// sipMessage is one parsed message.
type sipMessage struct {
	start  string
	header map[string][]string // names in lower case
	body   string
}

// get returns the first value of a header field.
func (m sipMessage) get(name string) string {
	if v := m.header[strings.ToLower(name)]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// code returns the status code, 0 for a request.
func (m sipMessage) code() int {
	f := strings.Fields(m.start)
	if len(f) < 2 || f[0] != "SIP/2.0" {
		return 0
	}
	n, _ := strconv.Atoi(f[1])
	return n
}

func (m sipMessage) String() string {
	return fmt.Sprintf("%s %v\n%s", m.start, m.header, m.body)
}

func parseSIP(b []byte) sipMessage {
	head, body, _ := strings.Cut(string(b), "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	m := sipMessage{start: lines[0], header: map[string][]string{}, body: body}
	for _, l := range lines[1:] {
		name, value, _ := strings.Cut(l, ":")
		name = strings.ToLower(strings.TrimSpace(name))
		m.header[name] = append(m.header[name], strings.TrimSpace(value))
	}
	return m
}

// newPhone returns a phone of aor that talks to the gateway's SIP port.
func newPhone(t *testing.T, g *gateway, aor string) *phone {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	p := &phone{t: t, aor: aor, conn: conn, port: conn.LocalAddr().(*net.UDPAddr).Port,
		server: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: g.sip},
		more:   make(chan struct{}, 1), done: make(chan struct{}), replied: map[string]string{}}
	go p.read()
	t.Cleanup(func() {
		conn.Close()
		<-p.done
	})
	return p
}

func (p *phone) read() {
	defer close(p.done)
	buf := make([]byte, 65536)
	for {
		n, from, err := p.conn.ReadFromUDP(buf)
		if err != nil {
			return
		}
		m := parseSIP(buf[:n])
		if m.code() == 0 && !p.reply(m, from) {
			continue
		}
		p.mu.Lock()
		p.seen = append(p.seen, m)
		p.mu.Unlock()
		select {
		case p.more <- struct{}{}:
		default:
		}
	}
}

// reply answers a request and reports whether it is new.
func (p *phone) reply(m sipMessage, to *net.UDPAddr) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	via := strings.Join(m.header["via"], ", ")
	if old, again := p.replied[via]; again {
		p.conn.WriteToUDP([]byte(old), to)
		return false
	}
	r := "SIP/2.0 200 OK\r\n"
	for _, v := range m.header["via"] {
		r += "Via: " + v + "\r\n"
	}
	for _, h := range []string{"From", "To", "Call-ID", "CSeq"} {
		r += h + ": " + m.get(h) + "\r\n"
	}
	r += "Content-Length: 0\r\n\r\n"
	p.replied[via] = r
	p.conn.WriteToUDP([]byte(r), to)
	return true
}

// request sends a request and returns its final response. UDP loses nothing
// on loopback, so there is no retransmission but one after 500 ms, as a
// restarting gateway needs.
func (p *phone) request(method, uri string, extra []string, body string) sipMessage {
	p.t.Helper()
	p.cseq++
	branch := fmt.Sprintf("z9hG4bK%d%d", time.Now().UnixNano(), p.cseq)
	lines := []string{
		method + " " + uri + " SIP/2.0",
		fmt.Sprintf("Via: SIP/2.0/UDP 127.0.0.1:%d;branch=%s;rport", p.port, branch),
		"Max-Forwards: 70",
		fmt.Sprintf("CSeq: %d %s", p.cseq, method),
	}
	lines = append(lines, extra...)
	lines = append(lines, fmt.Sprintf("Content-Length: %d", len(body)), "", body)
	p.last = []byte(strings.Join(lines, "\r\n"))
	return p.again()
}

// again sends the last request once more, as a client does whose response was
// lost, and returns its final response.
func (p *phone) again() sipMessage {
	p.t.Helper()
	msg, branch := p.last, branch(parseSIP(p.last))
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		p.conn.WriteToUDP(msg, p.server)
		for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); time.Sleep(time.Millisecond) {
			m, ok := p.take(func(m sipMessage) bool {
				return m.code() >= 200 && strings.Contains(m.get("Via"), branch)
			}, false)
			if ok {
				return m
			}
		}
	}
	p.t.Fatalf("no response to %s", parseSIP(msg).start)
	return sipMessage{}
}

// take returns the first kept message that ok accepts; with drop it and all
// before it are forgotten, otherwise only it.
func (p *phone) take(ok func(sipMessage) bool, drop bool) (sipMessage, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, m := range p.seen {
		if ok(m) {
			if drop {
				p.seen = p.seen[i+1:]
			} else {
				p.seen = append(p.seen[:i:i], p.seen[i+1:]...)
			}
			return m, true
		}
	}
	return sipMessage{}, false
}

// notify waits for a NOTIFY that ok accepts, dropping those before it.
func (p *phone) notify(what string, ok func(sipMessage) bool) sipMessage {
	p.t.Helper()
	deadline := time.After(patience)
	for {
		m, found := p.take(func(m sipMessage) bool {
			return strings.HasPrefix(m.start, "NOTIFY ") && ok(m)
		}, true)
		if found {
			return m
		}
		select {
		case <-p.more:
		case <-deadline:
			p.t.Fatalf("%s waits in vain for a NOTIFY: %s; has %v", p.aor, what, p.seen)
		}
	}
}

// silent checks that no NOTIFY that bad accepts comes within silence.
func (p *phone) silent(what string, bad func(sipMessage) bool) {
	p.t.Helper()
	time.Sleep(silence)
	if m, found := p.take(func(m sipMessage) bool {
		return strings.HasPrefix(m.start, "NOTIFY ") && bad(m)
	}, false); found {
		p.t.Fatalf("%s got a NOTIFY that should not come, %s: %v", p.aor, what, m)
	}
}

// identity are the headers by which a trusted peer vouches for the phone.
func (p *phone) identity(to, callID, tag string) []string {
	return []string{
		"From: <" + p.aor + ">;tag=" + tag,
		"To: " + to,
		"Call-ID: " + callID,
		"P-Asserted-Identity: <" + p.aor + ">",
		fmt.Sprintf("Contact: <sip:127.0.0.1:%d>", p.port),
	}
}

// publish sends a PUBLISH; etag "" makes a new publication, body "" refreshes.
func (p *phone) publish(etag, expires, body string) sipMessage {
	p.t.Helper()
	h := p.identity("<"+p.aor+">", fmt.Sprintf("pub-%d", time.Now().UnixNano()), "p1")
	h = append(h, "Event: presence", "Expires: "+expires)
	if etag != "" {
		h = append(h, "SIP-If-Match: "+etag)
	}
	if body != "" {
		h = append(h, "Content-Type: application/pidf+xml")
	}
	return p.request("PUBLISH", p.aor, h, body)
}

// dialog is one subscription of a phone.
type dialog struct {
	p                   *phone
	target, callID, tag string
	to                  string // with the remote tag, once known
}

// subscribe sends an initial SUBSCRIBE.
func (p *phone) subscribe(target, expires string, extra ...string) (*dialog, sipMessage) {
	p.t.Helper()
	d := &dialog{p: p, target: target, callID: fmt.Sprintf("sub-%d", time.Now().UnixNano()), tag: "s1", to: "<" + target + ">"}
	res := d.refresh(expires, extra...)
	if res.code() == 200 {
		d.to = res.get("To")
	}
	return d, res
}

// refresh sends a SUBSCRIBE in the dialog.
func (d *dialog) refresh(expires string, extra ...string) sipMessage {
	d.p.t.Helper()
	h := append(d.p.identity(d.to, d.callID, d.tag), "Event: presence", "Accept: application/pidf+xml", "Expires: "+expires)
	return d.p.request("SUBSCRIBE", d.target, append(h, extra...), "")
}

// notify waits for a NOTIFY of this dialog.
func (d *dialog) notify(what string, ok func(sipMessage) bool) sipMessage {
	d.p.t.Helper()
	return d.p.notify(what, func(m sipMessage) bool { return m.get("Call-ID") == d.callID && ok(m) })
}

// has returns an expectation: Subscription-State begins with state and the
// body has every part.
func has(state string, parts ...string) func(sipMessage) bool {
	return func(m sipMessage) bool {
		if !strings.HasPrefix(m.get("Subscription-State"), state) {
			return false
		}
		for _, part := range parts {
			if !strings.Contains(m.body, part) {
				return false
			}
		}
		return true
	}
}

// pidf returns a presence document of aor with one tuple.
func pidf(aor, basic, activity, note string) string {
	s := `<?xml version="1.0" encoding="UTF-8"?><presence xmlns="urn:ietf:params:xml:ns:pidf"` +
		` xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="` + aor + `">` +
		`<tuple id="t1"><status><basic>` + basic + `</basic></status><contact priority="0.8">` + aor + `</contact>`
	if note != "" {
		s += `<note xml:lang="en">` + note + `</note>`
	}
	s += `</tuple>`
	if activity != "" {
		s += `<dm:person id="p1"><rpid:activities><rpid:` + activity + `/></rpid:activities></dm:person>`
	}
	return s + `</presence>`
}
