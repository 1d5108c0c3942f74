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
// SUBSCRIBE as its presentity's script says, in plain text.
type notifier struct {
	t    *testing.T
	conn *net.UDPConn
	done chan struct{}

	mu   sync.Mutex
	subs []asked             // SUBSCRIBEs that came, retransmissions left out
	seen map[string]string   // branch → answer
	from map[string]net.Addr // Call-ID → where the SUBSCRIBE came from
	cseq map[string]int      // Call-ID → of our last NOTIFY
	res  map[string]chan int // branch of a NOTIFY → code of its answer
}

// asked is a SUBSCRIBE and when it came.
type asked struct {
	sipMessage
	at time.Time
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
		n.take(parseSIP(buf[:size]), from)
	}
}

func (n *notifier) take(m sipMessage, from net.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if code := m.code(); code >= 200 {
		if c := n.res[branch(m)]; c != nil {
			c <- code
			delete(n.res, branch(m))
		}
		return
	}
	if old, again := n.seen[branch(m)]; again {
		if old != "" {
			n.conn.WriteTo([]byte(old), from)
		}
		return
	}
	if strings.HasPrefix(m.start, "SUBSCRIBE ") {
		n.seen[branch(m)] = "" // until it is answered
		n.subs = append(n.subs, asked{m, time.Now()})
		n.from[m.get("Call-ID")] = from
		n.answer(m)
	}
}

func branch(m sipMessage) string {
	_, b, _ := strings.Cut(m.get("Via"), "branch=")
	b, _, _ = strings.Cut(b, ";")
	return b
}

// userOf is the presentity's name, which its script goes by.
func userOf(m sipMessage) string {
	_, user, _ := strings.Cut(m.get("To"), "<sip:")
	user, _, _ = strings.Cut(user, "@")
	return user
}

const hour = "3600"

// answer plays the script of the presentity. n.mu is held.
func (n *notifier) answer(m sipMessage) {
	user := userOf(m)
	count := len(n.to(user))
	script := scripts[user]
	switch {
	case m.get("Expires") == "0":
		n.reply(m, "200 OK", "0")
		n.notify(m, "terminated;reason=timeout", "")
	case script != nil:
		script(n, m, count)
	case strings.HasPrefix(user, "c"):
		n.reply(m, user[1:]+" Answer "+user[1:], "")
	default:
		n.hello(m)
	}
}

// hello grants a subscription and says hello. n.mu is held.
func (n *notifier) hello(m sipMessage) {
	n.reply(m, "200 OK", m.get("Expires"))
	n.notify(m, "active;expires="+m.get("Expires"), "hello "+userOf(m))
}

// scripts are the answers to the SUBSCRIBEs for one user, by their count.
// After the last one, n.hello. Whoever is not here says hello, or is named
// for the code of his refusal.
var scripts = map[string]func(n *notifier, m sipMessage, count int){
	"early": func(n *notifier, m sipMessage, _ int) {
		n.notify(m, "active;expires=3600", "early")
		n.reply(m, "200 OK", hour)
	},
	"pending": func(n *notifier, m sipMessage, _ int) {
		n.reply(m, "200 OK", hour)
		n.notify(m, "pending;expires=3600", "")
		time.AfterFunc(100*time.Millisecond, func() {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.notify(m, "active;expires=3600", "at last")
		})
	},
	"rejected": func(n *notifier, m sipMessage, _ int) {
		n.reply(m, "200 OK", hour)
		n.notify(m, "terminated;reason=rejected", "")
	},
	"deactivated": once(func(n *notifier, m sipMessage) { n.before(m, "terminated;reason=deactivated") }),
	"timeout":     once(func(n *notifier, m sipMessage) { n.before(m, "terminated;reason=timeout") }),
	"probation":   once(func(n *notifier, m sipMessage) { n.before(m, "terminated;reason=probation;retry-after=62") }),
	"giveup":      once(func(n *notifier, m sipMessage) { n.before(m, "terminated;reason=giveup;retry-after=63") }),
	"c423":        once(func(n *notifier, m sipMessage) { n.reply(m, "423 Interval Too Brief", "", "Min-Expires: 7200") }),
	"c481":        once(func(n *notifier, m sipMessage) { n.reply(m, "481 Subscription Does Not Exist", "") }),
	"silent":      once(func(*notifier, sipMessage) {}),
	"mute":        once(func(n *notifier, m sipMessage) { n.reply(m, "200 OK", hour) }),
	"short":       brief,
	"gone":        brief,
	"busy":        brief,
}

// once makes a script of the first answer.
func once(first func(n *notifier, m sipMessage)) func(*notifier, sipMessage, int) {
	return func(n *notifier, m sipMessage, count int) {
		if count > 1 {
			n.hello(m)
			return
		}
		first(n, m)
	}
}

// before grants a subscription, shows a state, and ends it. n.mu is held.
func (n *notifier) before(m sipMessage, end string) {
	n.reply(m, "200 OK", hour)
	n.notify(m, "active;expires=3600", "before")
	n.notify(m, end, "")
}

// brief grants 20 seconds, so that the refresh comes soon, and answers it by
// the user's name.
func brief(n *notifier, m sipMessage, count int) {
	user := userOf(m)
	switch {
	case count == 1:
		n.reply(m, "200 OK", "20")
		n.notify(m, "active;expires=20", "before")
	case count == 2 && user == "gone":
		n.reply(m, "481 Subscription Does Not Exist", "")
	case count == 2 && user == "busy":
		n.reply(m, "503 Service Unavailable", "", "Retry-After: 1")
	default:
		n.hello(m)
	}
}

func (n *notifier) reply(m sipMessage, status, expires string, extra ...string) {
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
	n.conn.WriteTo([]byte(text), n.from[m.get("Call-ID")])
}

// notify sends a NOTIFY in the dialog of a SUBSCRIBE. n.mu is held.
func (n *notifier) notify(m sipMessage, state, note string) {
	id := m.get("Call-ID")
	n.cseq[id]++
	n.send(m, id, n.cseq[id], state, note)
}

// send sends a NOTIFY once and returns where its answer will come. n.mu is
// held.
func (n *notifier) send(m sipMessage, callID string, cseq int, state, note string) chan int {
	body := ""
	to, _, _ := strings.Cut(m.get("To"), ";")
	if note != "" {
		body = pidf(strings.Trim(to, "<>"), "open", "", note)
	}
	br := fmt.Sprintf("z9hG4bKfar%d-%d", cseq, time.Now().UnixNano())
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
func (n *notifier) subscribes(user string) []asked {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.to(user)
}

// to is subscribes with n.mu held.
func (n *notifier) to(user string) (all []asked) {
	for _, a := range n.subs {
		if userOf(a.sipMessage) == user {
			all = append(all, a)
		}
	}
	return all
}
