package simple

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

const proxyAddr = "192.0.2.99:5060"

var (
	juliet = presence.Addr{Scheme: presence.XMPP, User: "juliet", Host: "im.example"}
	romeo  = presence.Addr{Scheme: presence.SIP, User: "romeo", Host: "far.example"}
	theLeg = bridge.Leg{Watcher: juliet, Presentity: romeo}
)

// elsewhere is a world with a scripted notifier behind the outbound proxy,
// and a watcher with an outbox.
type elsewhere struct {
	*world
	far  *peer
	box  *bridge.Outbox
	now  time.Time
	sent int // NOTIFYs
}

func newElsewhere(t *testing.T, s setup) *elsewhere {
	t.Helper()
	if s.config == nil {
		s.config = func(c *Config) { c.Outbound = "sip:" + proxyAddr + ";lr" }
	}
	w := newWorld(t, s)
	synctest.Wait() // it serves
	e := &elsewhere{world: w, box: bridge.NewOutbox(), now: time.Now()}
	e.far = w.peerAt("sip:far", proxyAddr)
	return e
}

// far runs f in a bubble with a fresh elsewhere.
func far(t *testing.T, f func(t *testing.T, e *elsewhere)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		e := newElsewhere(t, setup{})
		f(t, e)
		e.stop()
	})
}

// known is a setup in which the outbound proxy knows the server.
var known = setup{config: func(c *Config) {
	c.Outbound = "sip:" + proxyAddr + ";lr"
	c.OutboundAuth = Credentials{User: "gateway", Password: "secret"}
}}

func (e *elsewhere) watch(leg bridge.Leg, expires time.Duration) {
	e.t.Helper()
	_, err := e.hub.Watch(e.t.Context(), bridge.WatchRequest{
		Leg: leg, Port: "xmpp", ID: leg.Watcher.String(), Expires: expires, Outbox: e.box, Change: bridge.NewChange(),
	})
	if err != nil {
		e.t.Fatal(err)
	}
}

// next returns the next request to the notifier, within d.
func (e *elsewhere) next(d time.Duration) message {
	e.t.Helper()
	m, ok := e.far.read(d)
	if !ok {
		e.t.Fatalf("no request within %v", d)
	}
	return m
}

// quiet demands that nothing is sent for d.
func (e *elsewhere) quiet(d time.Duration) {
	e.t.Helper()
	m, ok := e.far.read(d)
	if ok {
		e.t.Fatalf("unexpected after %v:\n%s", time.Since(e.now), m.text)
	}
}

// asked demands a SUBSCRIBE and answers it.
func (e *elsewhere) asked(d time.Duration, status, lines string) message {
	e.t.Helper()
	m := e.next(d)
	if !strings.HasPrefix(m.start, "SUBSCRIBE ") {
		e.t.Fatalf("unexpected:\n%s", m.text)
	}
	if status != "" {
		e.far.answer(m, status, lines)
	}
	return m
}

// tell sends a NOTIFY in the dialog of a SUBSCRIBE and returns the status
// line of its answer.
func (e *elsewhere) tell(sub message, cseq int, standing, body string) string {
	return e.tellFrom(sub, "far", cseq, standing, body, "")
}

func (e *elsewhere) tellFrom(sub message, tag string, cseq int, standing, body, lines string) string {
	e.t.Helper()
	e.sent++
	to, _, _ := strings.Cut(sub.get("To"), ";tag=")
	extra := "Contact: <sip:romeo@" + proxyAddr + ">\nEvent: presence\nSubscription-State: " + standing + "\n"
	if body != "" {
		extra += "Content-Type: application/pidf+xml\n"
	}
	text := "NOTIFY " + strings.Trim(sub.get("Contact"), "<>") + " SIP/2.0\r\n" +
		fmt.Sprintf("Via: SIP/2.0/UDP %s;rport;branch=z9hG4bKfar%d\r\n", proxyAddr, e.sent) +
		"Max-Forwards: 70\r\nFrom: " + to + ";tag=" + tag + "\r\nTo: " + sub.get("From") + "\r\n" +
		"Call-ID: " + sub.get("Call-ID") + fmt.Sprintf("\r\nCSeq: %d NOTIFY\r\n", cseq)
	for l := range strings.SplitSeq(with(lines, strings.Split(strings.TrimSpace(extra), "\n")...), "\n") {
		if _, v, _ := strings.Cut(l, ":"); strings.TrimSpace(v) != "" {
			text += l + "\r\n"
		}
	}
	e.far.raw(text + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body))
	m := e.next(time.Second)
	synctest.Wait() // the state follows the answer
	return strings.TrimPrefix(m.start, "SIP/2.0 ")
}

// told takes what the watcher is told, one word each: the state of the leg,
// with a note of what he sees after it.
func (e *elsewhere) told() string {
	synctest.Wait()
	var out []string
	for _, it := range e.box.Take(nil) {
		s := it.Verdict.State.String()
		switch {
		case it.Probe:
			s = "probe"
		case it.Verdict.State == bridge.Terminated:
			s += "/" + it.Verdict.Reason
			if it.Verdict.Err != nil {
				s += "/" + it.Verdict.Err.Kind.String() + "/" + it.Verdict.Err.Detail
			}
		}
		if it.View != nil && it.View.State != nil && !it.Probe {
			s += "="
			for _, t := range it.View.State.Services {
				for _, n := range t.Notes {
					s += n.Text
				}
			}
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

func (e *elsewhere) wantTold(want string) {
	e.t.Helper()
	if got := e.told(); got != want {
		e.t.Errorf("the watcher was told %q, want %q", got, want)
	}
}

func wantStatus(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("answered %q, want %q", got, want)
	}
}

// romeoIs is a presence document of romeo.
func romeoIs(note string) string { return docOf("sip:romeo@far.example", "t1", "open", note) }

// active makes an active subscription of an hour; what the watcher is told
// of it is taken.
func (e *elsewhere) active() message {
	e.t.Helper()
	e.watch(theLeg, bridge.Forever)
	sub := e.asked(time.Second, "200 OK", "Expires: 3600\nContact: <sip:romeo@"+proxyAddr+">")
	wantStatus(e.t, e.tell(sub, 1, "active;expires=3600", romeoIs("here")), "200 OK")
	e.told()
	return sub
}

func TestX2S_B1_Subscribe(t *testing.T) {
	far(t, func(t *testing.T, e *elsewhere) {
		e.watch(theLeg, bridge.Forever)
		m := e.asked(time.Second, "200 OK", "Expires: 3600")
		m.want(t, "SUBSCRIBE sip:romeo@far.example SIP/2.0",
			"Event: presence", "Accept: application/pidf+xml", "Expires: 3600", "To: <sip:romeo@far.example>",
			"Route: <sip:"+proxyAddr+";lr>", "CSeq: 1 SUBSCRIBE", "P-Asserted-Identity: <sip:juliet@im.example>",
			"Contact: <sip:"+server+";gr>")
		if !strings.HasPrefix(m.get("From"), "<sip:juliet@im.example>;tag=") {
			t.Errorf("From %s", m.get("From"))
		}
		// B2: the 200 tells the watcher nothing.
		e.wantTold("pending")
	})
}

func TestX2S_B2_B3_B4_PendingThenActive(t *testing.T) {
	far(t, func(t *testing.T, e *elsewhere) {
		e.watch(theLeg, bridge.Forever)
		sub := e.asked(time.Second, "202 Accepted", "Expires: 3600")
		wantStatus(t, e.tell(sub, 1, "pending;expires=3600", romeoIs("secret")), "200 OK")
		e.wantTold("pending")
		wantStatus(t, e.tell(sub, 2, "active;expires=3600", romeoIs("here")), "200 OK")
		if got := e.told(); got != "active=here" && got != "active active=here" {
			t.Errorf("told %q", got)
		}
		wantStatus(t, e.tell(sub, 3, "active;expires=3599", romeoIs("gone")), "200 OK")
		e.wantTold("active=gone")
	})
}

func TestX2S_B5_ActiveWithoutBody(t *testing.T) {
	far(t, func(t *testing.T, e *elsewhere) {
		e.watch(theLeg, bridge.Forever)
		sub := e.asked(time.Second, "200 OK", "Expires: 3600")
		wantStatus(t, e.tell(sub, 1, "active;expires=3600", ""), "200 OK")
		e.wantTold("active")
	})
}

func TestX2S_B7_B9_B17_Refresh(t *testing.T) {
	far(t, func(t *testing.T, e *elsewhere) {
		sub := e.active()
		first := time.Now()
		m := e.next(time.Hour)
		if d := time.Since(first); d < 3150*time.Second || d > 3240*time.Second {
			t.Errorf("refreshed after %v", d)
		}
		m.want(t, "SUBSCRIBE sip:romeo@"+proxyAddr+" SIP/2.0", "Call-ID: "+sub.get("Call-ID"), "CSeq: 2 SUBSCRIBE",
			"From: "+sub.get("From"), "To: <sip:romeo@far.example>;tag=far", "Expires: 3600", "Event: presence",
			"P-Asserted-Identity: <sip:juliet@im.example>", "Route:")
		e.wantTold("probe")
		e.far.answer(m, "200 OK", "Expires: 1800")
		wantStatus(t, e.tell(sub, 2, "active;expires=1800", romeoIs("here")), "200 OK")
		m = e.asked(1620*time.Second, "200 OK", "Expires: 1800")
		m.want(t, "SUBSCRIBE sip:romeo@"+proxyAddr+" SIP/2.0", "CSeq: 3 SUBSCRIBE")
		wantStatus(t, e.tell(sub, 3, "active;expires=1800", romeoIs("here")), "200 OK")
		e.wantTold("probe") // nothing changed for the watcher

		// B17: gone after the probe, no refresh but an end.
		time.Sleep(1575 * time.Second)
		for e.told() != "probe" {
			time.Sleep(time.Second)
		}
		e.hub.Park(theLeg)
		m = e.asked(time.Second, "200 OK", "Expires: 0")
		m.want(t, "SUBSCRIBE sip:romeo@"+proxyAddr+" SIP/2.0", "CSeq: 4 SUBSCRIBE", "Expires: 0")
		wantStatus(t, e.tell(sub, 4, "terminated;reason=timeout", ""), "200 OK")
		e.quiet(2 * time.Hour)
		e.wantTold("")

		// B8: he is back.
		e.watch(theLeg, bridge.Forever)
		m = e.asked(time.Second, "200 OK", "Expires: 3600")
		m.want(t, "SUBSCRIBE sip:romeo@far.example SIP/2.0", "CSeq: 1 SUBSCRIBE")
		if m.get("Call-ID") == sub.get("Call-ID") || m.get("From") == sub.get("From") {
			t.Error("a new dialog with the old identifiers")
		}
	})
}

func TestX2S_B8_AttachedAgain(t *testing.T) {
	far(t, func(t *testing.T, e *elsewhere) {
		e.active()
		e.port.Attach(theLeg, bridge.Follow)
		m := e.asked(time.Second, "200 OK", "Expires: 3600")
		m.want(t, "SUBSCRIBE sip:romeo@"+proxyAddr+" SIP/2.0", "CSeq: 2 SUBSCRIBE", "Expires: 3600")
	})
}

func TestX2S_B11_Refused(t *testing.T) {
	for status, want := range map[string]string{
		"403 Not In My House": "pending terminated/rejected/forbidden/Not In My House",
		"489 Bad Event":       "pending terminated/rejected/bad event/Bad Event",
		"603 Decline":         "pending terminated/rejected/forbidden/Decline",
		"404 Not Found":       "pending terminated/noresource/not found/Not Found",
	} {
		t.Run("B11 "+status, func(t *testing.T) {
			far(t, func(t *testing.T, e *elsewhere) {
				e.watch(theLeg, bridge.Forever)
				first := e.told()
				e.asked(time.Second, status, "")
				e.quiet(time.Hour)
				if got := first + " " + e.told(); got != want {
					t.Errorf("told %q, want %q", got, want)
				}
			})
		})
	}
}

func TestX2S_B12_Transient(t *testing.T) {
	far(t, func(t *testing.T, e *elsewhere) {
		e.watch(theLeg, bridge.Forever)
		e.asked(time.Second, "423 Interval Too Brief", "Min-Expires: 7200")
		m := e.asked(time.Second, "503 Service Unavailable", "Retry-After: 300 (busy);duration=3")
		m.want(t, "SUBSCRIBE sip:romeo@far.example SIP/2.0", "Expires: 7200")
		e.quiet(299 * time.Second)
		e.asked(100*time.Second, "401 Unauthorized", `WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"`)
		e.quiet(29 * time.Second) // without credentials it is a passing trouble
		e.asked(100*time.Second, "500 Oops", "")
		sub := e.asked(10*time.Minute, "200 OK", "Expires: 7200")
		wantStatus(t, e.tell(sub, 1, "active;expires=7200", romeoIs("here")), "200 OK")
		e.wantTold("active=here")
		// A lost dialog: a new one at once, and the watcher is told nothing.
		e.port.Attach(theLeg, bridge.Follow)
		e.asked(time.Second, "481 Gone", "")
		again := e.asked(time.Second, "200 OK", "Expires: 7200")
		if again.get("Call-ID") == sub.get("Call-ID") {
			t.Error("the dialog is used again after 481")
		}
		wantStatus(t, e.tell(sub, 2, "active;expires=7200", romeoIs("old")), "481 Subscription Does Not Exist")
		wantStatus(t, e.tell(again, 1, "active;expires=7200", romeoIs("here")), "200 OK")
		e.wantTold("")
	})
}

func TestX2S_B13_B16_Unsubscribe(t *testing.T) {
	far(t, func(t *testing.T, e *elsewhere) {
		sub := e.active()
		e.watch(theLeg, 0)
		m := e.asked(time.Second, "200 OK", "Expires: 0")
		m.want(t, "SUBSCRIBE sip:romeo@"+proxyAddr+" SIP/2.0", "Expires: 0", "CSeq: 2 SUBSCRIBE", "To: <sip:romeo@far.example>;tag=far")
		wantStatus(t, e.tell(sub, 2, "terminated;reason=timeout", romeoIs("last")), "200 OK")
		e.wantTold("terminated/timeout=")
		wantStatus(t, e.tell(sub, 3, "terminated;reason=timeout", ""), "481 Subscription Does Not Exist")
		e.quiet(3 * time.Hour)
	})
}

func TestX2S_B13_WithoutDialog(t *testing.T) {
	far(t, func(t *testing.T, e *elsewhere) {
		e.watch(theLeg, bridge.Forever)
		sub := e.asked(time.Second, "200 OK", "Expires: 3600")
		e.watch(theLeg, 0)
		synctest.Wait()
		// RFC 6665 §4.2.2: the 481 ends it for the notifier.
		wantStatus(t, e.tell(sub, 1, "active;expires=3600", romeoIs("here")), "481 Subscription Does Not Exist")
		e.quiet(time.Hour)
	})
}
