package main

import (
	"fmt"
	"net"
	"strings"
	"sync"

	"github.com/porchlight-im/porchlight/bridge/bridgetest"
)

const (
	flowGateway = "192.0.2.1:5060"
	flowFar     = "192.0.2.99:5060" // sip.outbound
)

// flowPhone is a scripted SIP peer: it sends what a flow says, answers each
// NOTIFY with 200, and records what comes.
type flowPhone struct {
	who, addr, aor string
	sock           net.PacketConn
	done           chan struct{} // closed when its reader has ended

	mu      sync.Mutex
	dead    bool // takes nothing, answers nothing
	cseq    int
	calls   map[string]string // tag of the gateway → Call-ID
	heard   map[string]uint   // Call-ID → the gateway's last CSeq
	asked   *flowSIP          // the last request that came
	arrived []flowArrival
	faults  []string
}

// newFlowPhone makes a phone at addr and starts its reader.
func newFlowPhone(n *bridgetest.Network, who, aor, addr string) (*flowPhone, error) {
	sock, err := n.ListenPacket("udp", addr)
	if err != nil {
		return nil, err
	}
	p := &flowPhone{who: who, addr: addr, aor: aor, sock: sock, done: make(chan struct{}),
		calls: map[string]string{}, heard: map[string]uint{}}
	go func() {
		defer close(p.done)
		b := make([]byte, 1<<16)
		for {
			n, _, err := sock.ReadFrom(b)
			if err != nil {
				return
			}
			p.take(string(b[:n]))
		}
	}()
	return p, nil
}

func (p *flowPhone) close() {
	p.sock.Close()
	<-p.done
}

// take takes one message from the gateway.
func (p *flowPhone) take(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return
	}
	m := parseSIP(text)
	a := flowArrival{who: p.who, what: "response", ext: "sip", text: text}
	if m.response() {
		p.calls[m.tag("To")] = m.get("Call-ID")
		p.arrived = append(p.arrived, a)
		return
	}
	var n uint
	_, err := fmt.Sscan(m.get("CSeq"), &n)
	last := p.heard[m.get("Call-ID")]
	switch {
	case err != nil || n < last:
		p.faults = append(p.faults, fmt.Sprintf("CSeq %s after %d (RFC 3261 §12.2.1.1):\n%s", m.get("CSeq"), last, text))
		return
	case n == last:
		return // sent again
	}
	p.heard[m.get("Call-ID")] = n
	p.asked = m
	a.what = strings.ToLower(m.method())
	p.arrived = append(p.arrived, a)
	if a.what == "notify" {
		p.reply("SIP/2.0 200 OK", nil)
	}
}

func (p *flowPhone) collect() (as []flowArrival, faults []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	as, faults = p.arrived, p.faults
	p.arrived, p.faults = nil, nil
	return as, faults
}

func (p *flowPhone) setDead(dead bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = dead
}

// send sends a request or an answer; what every message has and the flow does
// not say is filled in.
func (p *flowPhone) send(text string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := parseSIP(text)
	if m.response() {
		if p.asked == nil {
			return fmt.Errorf("there is nothing to answer")
		}
		p.reply(m.start, m.lines)
		return nil
	}
	p.cseq++
	call := fmt.Sprintf("%s-%d@phone", p.who, p.cseq)
	if id, ok := p.calls[m.tag("To")]; ok {
		call = id
	}
	uri := strings.Fields(m.start + " ?")[1]
	have := []string{
		fmt.Sprintf("Via: SIP/2.0/UDP %s;rport;branch=z9hG4bK-%s-%d", p.addr, p.who, p.cseq),
		"Max-Forwards: 70", "From: <" + p.aor + ">;tag=" + p.who, "To: <" + uri + ">", "Call-ID: " + call,
	}
	if m.method() == "NOTIFY" && p.asked != nil {
		// In the dialog of the gateway's SUBSCRIBE.
		to, _, _ := strings.Cut(p.asked.get("To"), ";tag=")
		have = []string{have[0], have[1], "From: " + to + ";tag=" + p.who, "To: " + p.asked.get("From"), "Call-ID: " + p.asked.get("Call-ID")}
	}
	have = append(have, fmt.Sprintf("CSeq: %d %s", p.cseq, m.method()), "Contact: <sip:"+p.who+"@"+p.addr+">",
		"P-Asserted-Identity: <"+p.aor+">", "Event: presence")
	p.write(m, have)
	return nil
}

// write writes m with those of have that it lacks.
func (p *flowPhone) write(m *flowSIP, have []string) {
	out := m.start + "\r\n"
	for _, h := range have {
		if m.get(fieldName(h)) == "" {
			out += h + "\r\n"
		}
	}
	for _, l := range m.lines {
		out += l + "\r\n"
	}
	out += fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(m.body), m.body)
	_, _ = p.sock.WriteTo([]byte(out), flowUDP(flowGateway))
}

func flowUDP(addr string) net.Addr {
	a, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		panic(err)
	}
	return a
}

// reply answers the last request.
func (p *flowPhone) reply(status string, lines []string) {
	var have []string
	for _, name := range []string{"Via", "From", "To", "Call-ID", "CSeq"} {
		for _, l := range p.asked.lines {
			if !strings.EqualFold(fieldName(l), name) {
				continue
			}
			if name == "To" && p.asked.tag("To") == "" {
				l += ";tag=" + p.who
			}
			have = append(have, l)
		}
	}
	have = append(have, "Contact: <sip:"+p.who+"@"+p.addr+">")
	p.write(&flowSIP{start: status, lines: lines}, have)
}

// flowSIP is a SIP message as text.
type flowSIP struct {
	start, body string
	lines       []string
}

func parseSIP(text string) *flowSIP {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	head, body, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(strings.TrimRight(head, "\n"), "\n")
	return &flowSIP{start: lines[0], lines: lines[1:], body: body}
}

func (m *flowSIP) response() bool { return strings.HasPrefix(m.start, "SIP/2.0 ") }

func (m *flowSIP) method() string {
	method, _, _ := strings.Cut(m.start, " ")
	return method
}

func (m *flowSIP) get(name string) string {
	for _, l := range m.lines {
		if strings.EqualFold(fieldName(l), name) {
			_, v, _ := strings.Cut(l, ":")
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func (m *flowSIP) tag(name string) string {
	_, tag, _ := strings.Cut(m.get(name), ";tag=")
	return tag
}
