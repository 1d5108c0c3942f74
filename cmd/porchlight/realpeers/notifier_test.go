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

// notifier is a scripted SIP presence server of far.example: it answers each
// SUBSCRIBE as its presentity's name says, in plain text.
type notifier struct {
	t    *testing.T
	conn *net.UDPConn
	done chan struct{}

	mu   sync.Mutex
	subs []sipMessage        // SUBSCRIBEs that came, retransmissions left out
	seen map[string]string   // branch → answer
	from map[string]net.Addr // Call-ID → where the SUBSCRIBE came from
	cseq map[string]int      // Call-ID → of our last NOTIFY
	res  map[string]chan int // branch of a NOTIFY → code of its answer
}

func startNotifier(t *testing.T) *notifier {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	n := &notifier{t: t, conn: conn, done: make(chan struct{}), seen: map[string]string{}, from: map[string]net.Addr{},
		cseq: map[string]int{}, res: map[string]chan int{}}
	go n.read()
	t.Cleanup(func() {
		conn.Close()
		<-n.done
	})
	return n
}

func (n *notifier) port() int { return n.conn.LocalAddr().(*net.UDPAddr).Port }

func (n *notifier) read() {
	defer close(n.done)
	buf := make([]byte, 65536)
	for {
		size, from, err := n.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		m := parseSIP(buf[:size])
		n.mu.Lock()
		if code := m.code(); code >= 200 {
			if c := n.res[branch(m)]; c != nil {
				c <- code
				delete(n.res, branch(m))
			}
		} else if old, again := n.seen[branch(m)]; again {
			n.conn.WriteTo([]byte(old), from)
		} else if strings.HasPrefix(m.start, "SUBSCRIBE ") {
			n.subs = append(n.subs, m)
			n.from[m.get("Call-ID")] = from
			n.answer(m, from)
		}
		n.mu.Unlock()
	}
}

func branch(m sipMessage) string {
	_, b, _ := strings.Cut(m.get("Via"), "branch=")
	b, _, _ = strings.Cut(b, ";")
	return b
}

// answer plays the script of the presentity. n.mu is held.
func (n *notifier) answer(m sipMessage, from net.Addr) {
	user, _, _ := strings.Cut(strings.TrimPrefix(strings.Fields(m.start)[1], "sip:"), "@")
	count := 0
	for _, s := range n.subs {
		if strings.Contains(s.start+s.get("To"), user+"@") {
			count++
		}
	}
	active := "active;expires=3600"
	switch {
	case m.get("Expires") == "0":
		n.reply(m, from, "200 OK", "0")
		n.notify(m, "terminated;reason=timeout", "")
	case user == "early":
		n.notify(m, active, "early")
		n.reply(m, from, "200 OK", "3600")
	case user == "pending":
		n.reply(m, from, "200 OK", "3600")
		n.notify(m, "pending;expires=3600", "")
		time.AfterFunc(100*time.Millisecond, func() {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.notify(m, active, "at last")
		})
	case user == "rejected":
		n.reply(m, from, "200 OK", "3600")
		n.notify(m, "terminated;reason=rejected", "")
	case user == "deactivated" && count == 1:
		n.reply(m, from, "200 OK", "3600")
		n.notify(m, active, "first")
		n.notify(m, "terminated;reason=deactivated", "")
	case user == "c423" && count == 1:
		n.reply(m, from, "423 Interval Too Brief", "", "Min-Expires: 7200")
	case strings.HasPrefix(user, "c") && user != "c423":
		n.reply(m, from, user[1:]+" Answer "+user[1:], "")
	default:
		n.reply(m, from, "200 OK", m.get("Expires"))
		n.notify(m, active, "hello "+user)
	}
}

func (n *notifier) reply(m sipMessage, to net.Addr, status, expires string, extra ...string) {
	lines := []string{"SIP/2.0 " + status}
	for _, v := range m.header["via"] {
		lines = append(lines, "Via: "+v)
	}
	toTag := m.get("To")
	if !strings.Contains(toTag, "tag=") {
		toTag += ";tag=far"
	}
	lines = append(lines, "From: "+m.get("From"), "To: "+toTag, "Call-ID: "+m.get("Call-ID"), "CSeq: "+m.get("CSeq"),
		fmt.Sprintf("Contact: <sip:127.0.0.1:%d>", n.port()))
	if expires != "" {
		lines = append(lines, "Expires: "+expires)
	}
	lines = append(append(lines, extra...), "Content-Length: 0", "", "")
	text := strings.Join(lines, "\r\n")
	n.seen[branch(m)] = text
	n.conn.WriteTo([]byte(text), to)
}

// notify sends a NOTIFY in the dialog of a SUBSCRIBE, and returns where its
// answer will come. n.mu is held.
func (n *notifier) notify(m sipMessage, state, note string) chan int {
	id := m.get("Call-ID")
	n.cseq[id]++
	return n.send(m, id, n.cseq[id], state, note)
}

func (n *notifier) send(m sipMessage, callID string, cseq int, state, note string) chan int {
	body := ""
	to, _, _ := strings.Cut(m.get("To"), ";")
	if note != "" {
		body = pidf(strings.Trim(to, "<>"), "open", "", note)
	}
	br := fmt.Sprintf("z9hG4bKfar%d", time.Now().UnixNano())
	c := make(chan int, 1)
	n.res[br] = c
	target := strings.Trim(m.get("Contact"), "<>")
	target, _, _ = strings.Cut(target, ">")
	lines := []string{"NOTIFY " + target + " SIP/2.0",
		fmt.Sprintf("Via: SIP/2.0/UDP 127.0.0.1:%d;branch=%s;rport", n.port(), br), "Max-Forwards: 70",
		"From: " + to + ";tag=far", "To: " + m.get("From"), "Call-ID: " + callID, "CSeq: " + strconv.Itoa(cseq) + " NOTIFY",
		fmt.Sprintf("Contact: <sip:127.0.0.1:%d>", n.port()), "Event: presence", "Subscription-State: " + state}
	if body != "" {
		lines = append(lines, "Content-Type: application/pidf+xml")
	}
	lines = append(lines, fmt.Sprintf("Content-Length: %d", len(body)), "", body)
	n.conn.WriteTo([]byte(strings.Join(lines, "\r\n")), n.from[m.get("Call-ID")])
	return c
}

// subscribes returns the SUBSCRIBEs for user that have come.
func (n *notifier) subscribes(user string) (ms []sipMessage) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, m := range n.subs {
		if strings.Contains(m.get("To"), "<sip:"+user+"@") {
			ms = append(ms, m)
		}
	}
	return ms
}

// Group 3: a Jabber user watches users of a foreign SIP domain, through a
// scripted notifier (rows B1 to B13, H).
func TestForeignSIPDomain(t *testing.T) {
	onBothServers(t, func(t *testing.T, s xmppServer) {
		n := startNotifier(t)
		cfg := strings.Replace(config(s), "domains:\n", "domains:\n  - {name: far.example, home: remote}\n", 1)
		cfg = strings.Replace(cfg, "  notify_interval", fmt.Sprintf("  outbound: \"sip:127.0.0.1:%d;transport=udp;lr\"\n  notify_interval", n.port()), 1)
		cfg = strings.Replace(cfg, "components: [", fmt.Sprintf("components: [{server: \"127.0.0.1:%d\", domain: far.example, secret: s3cret}, ", s.Component()), 1)
		g := startGateway(t, cfg)
		g.waitReady()
		j := login(t, s, "juliet", "balcony")
		j.send("<presence/>")
		for _, c := range []struct{ user, typ, says string }{
			{"plain", "", "hello plain"}, {"early", "", "early"}, {"pending", "", "at last"},
			{"c423", "", "hello c423"}, {"deactivated", "", "hello deactivated"},
			{"rejected", "unsubscribed", ""}, {"c403", "unsubscribed", "Answer 403"}, {"c489", "unsubscribed", "Answer 489"},
			{"c603", "unsubscribed", "Answer 603"}, {"c404", "error", "item-not-found"},
		} {
			t.Run(c.user, func(t *testing.T) {
				j.send("<presence type='subscribe' to='%s@far.example'/>", c.user)
				j.expect(c.user, func(s stanza) bool {
					return presence(c.user+"@far.example", c.typ)(s) && strings.Contains(s.XML, c.says)
				})
			})
		}
		t.Run("unsubscribe", func(t *testing.T) {
			j.send("<presence type='unsubscribe' to='plain@far.example'/>")
			eventually(t, "SUBSCRIBE Expires 0 in the dialog", func() bool {
				ms := n.subscribes("plain")
				last := ms[len(ms)-1]
				return last.get("Expires") == "0" && last.get("Call-ID") == ms[0].get("Call-ID") && strings.Contains(last.get("To"), "tag=far")
			})
		})
		t.Run("stray NOTIFY and lower CSeq", func(t *testing.T) {
			m := n.subscribes("early")[0]
			n.mu.Lock()
			stray, lower := n.send(m, "no-such-call", 1, "active;expires=60", "stray"), n.send(m, m.get("Call-ID"), 0, "active;expires=60", "lower")
			n.mu.Unlock()
			if a, b := await(t, stray), await(t, lower); a != 481 || b != 500 {
				t.Errorf("stray: %d, want 481; lower: %d, want 500", a, b)
			}
			j.never("what they say", func(s stanza) bool { return strings.Contains(s.XML, "stray") || strings.Contains(s.XML, "lower") })
		})
	})
}

func await(t *testing.T, c chan int) int {
	t.Helper()
	select {
	case code := <-c:
		return code
	case <-time.After(patience):
		t.Fatal("no answer to a NOTIFY")
		return 0
	}
}
