package simple

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/bridge/bridgetest"
	"github.com/porchlight-im/porchlight/bridge/store"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/simple/transport"
)

func TestX2S_B10_NotifyBeforeResponse(t *testing.T) {
	far(t, func(t *testing.T, e *elsewhere) {
		e.watch(theLeg, bridge.Forever)
		sub := e.asked(time.Second, "", "")
		wantStatus(t, e.tell(sub, 1, "active;expires=600", romeoIs("here")), "200 OK")
		e.far.answer(sub, "200 OK", "Expires: 3600")
		e.told()
		// What the NOTIFY said counts: refreshed within its ten minutes.
		e.asked(541*time.Second, "200 OK", "Expires: 600")
	})
}

func TestX2S_B10_Fork(t *testing.T) {
	far(t, func(t *testing.T, e *elsewhere) {
		sub := e.active()
		wantStatus(t, e.tellFrom(sub, "other", 1, "active;expires=3600", romeoIs("fork"), ""), "481 Subscription Does Not Exist")
		wantStatus(t, e.tellFrom(sub, "other", 2, "terminated;reason=rejected", "", ""), "481 Subscription Does Not Exist")
		e.wantTold("")
		wantStatus(t, e.tell(sub, 2, "active;expires=3600", romeoIs("mine")), "200 OK")
		e.wantTold("active=mine")
	})
}

func TestSUB_43_StrayAndMalformedNotify(t *testing.T) {
	far(t, func(t *testing.T, e *elsewhere) {
		sub := e.active()
		stray := message{lines: append([]string(nil), sub.lines...)}
		for i, l := range stray.lines {
			if strings.HasPrefix(l, "Call-ID:") {
				stray.lines[i] = "Call-ID: stray"
			}
		}
		wantStatus(t, e.tell(stray, 9, "active", romeoIs("x")), "481 Subscription Does Not Exist")
		wantStatus(t, e.tell(sub, 1, "active", romeoIs("x")), "500 CSeq Out Of Order")
		for i, c := range []struct{ name, standing, body, lines, want string }{
			{"another package", "active", "", "Event: dialog", "489 Bad Event"},
			{"an event id", "active", "", "Event: presence;id=7", "481 Subscription Does Not Exist"},
			{"no Subscription-State", "", "", "Subscription-State:", "400 no From tag, or not one Subscription-State"},
			{"malformed Subscription-State", "active;expires=x", "", "", "400 Subscription-State: malformed parameter"},
			{"another type", "active", "hello", "Content-Type: text/plain", "415 Unsupported Media Type"},
			{"another coding", "active", "hello", "Content-Encoding: br", "415 content coding is neither gzip nor deflate"},
		} {
			wantStatus(t, e.tellFrom(sub, "far", 10+i, c.standing, c.body, c.lines), c.want)
		}
		got := e.tell(sub, 30, "active", "<presence")
		if !strings.HasPrefix(got, "400 ") {
			t.Errorf("a malformed document: %s", got)
		}
		// Nothing of that has changed anything.
		e.wantTold("")
		wantStatus(t, e.tell(sub, 31, "active;expires=3600", romeoIs("still here")), "200 OK")
		e.wantTold("active=still here")
	})
}

func TestX2S_B10_Reasons(t *testing.T) {
	for _, c := range []struct {
		standing string
		from, to time.Duration // when the next SUBSCRIBE comes; 0: never
		told     string
	}{
		{"terminated;reason=deactivated;retry-after=600", 0, time.Second, ""},
		{"terminated;reason=timeout", 0, time.Second, ""},
		{"terminated;reason=probation;retry-after=600", 600 * time.Second, 601 * time.Second, "active="},
		{"terminated;reason=giveup;retry-after=90", 90 * time.Second, 91 * time.Second, ""},
		{"terminated;reason=giveup", 60 * time.Second, 91 * time.Second, ""},
		{"terminated;reason=rejected", 0, 0, "terminated/rejected/forbidden/"},
		{"terminated;reason=noresource", 0, 0, "terminated/noresource/not found/"},
		{"terminated;reason=invariant;retry-after=5", 0, 0, "terminated/invariant"},
		{"terminated", 0, time.Second, ""},
	} {
		t.Run("SUB-43 "+c.standing, func(t *testing.T) {
			far(t, func(t *testing.T, e *elsewhere) {
				sub := e.active()
				e.now = time.Now()
				wantStatus(t, e.tell(sub, 2, c.standing, ""), "200 OK")
				if c.to == 0 {
					e.quiet(3 * time.Hour)
				} else {
					e.quiet(c.from - time.Millisecond)
					m := e.asked(c.to-c.from+time.Second, "200 OK", "Expires: 3600")
					if m.get("Call-ID") == sub.get("Call-ID") || !strings.HasPrefix(m.start, "SUBSCRIBE sip:romeo@far.example ") {
						t.Errorf("not a new dialog:\n%s", m.text)
					}
				}
				e.wantTold(c.told)
			})
		})
	}
}

func TestSUB_42_NoNotify(t *testing.T) {
	far(t, func(t *testing.T, e *elsewhere) {
		e.watch(theLeg, bridge.Forever)
		e.now = time.Now()
		sub := e.asked(time.Second, "200 OK", "Expires: 3600")
		e.quiet(46 * time.Second) // 32 s, then a back-off of 15 s or more
		again := e.asked(10*time.Second, "200 OK", "Expires: 3600")
		wantStatus(t, e.tell(sub, 1, "active", romeoIs("late")), "481 Subscription Does Not Exist")
		wantStatus(t, e.tell(again, 1, "active", romeoIs("here")), "200 OK")
		e.told()
	})
}

// TestSUB_42_Silence: nobody answers; attempts become rare.
func TestSUB_42_Silence(t *testing.T) {
	far(t, func(t *testing.T, e *elsewhere) {
		e.watch(theLeg, bridge.Forever)
		time.Sleep(24 * time.Hour)
		calls := map[string]bool{}
		for {
			m, ok := e.far.read(time.Millisecond)
			if !ok {
				break
			}
			calls[m.get("Call-ID")] = true
		}
		if len(calls) < 20 || len(calls) > 40 {
			t.Errorf("%d attempts in a day", len(calls))
		}
	})
}

func TestX2S_F1_Fetch(t *testing.T) {
	far(t, func(t *testing.T, e *elsewhere) {
		e.watch(theLeg, 0)
		sub := e.asked(time.Second, "200 OK", "Expires: 0")
		sub.want(t, "SUBSCRIBE sip:romeo@far.example SIP/2.0", "Expires: 0", "Event: presence", "CSeq: 1 SUBSCRIBE")
		wantStatus(t, e.tell(sub, 1, "terminated;reason=timeout", romeoIs("once")), "200 OK")
		e.wantTold("terminated/timeout=once")
		wantStatus(t, e.tell(sub, 2, "active", romeoIs("twice")), "481 Subscription Does Not Exist")
		e.quiet(time.Hour)
		e.wantTold("")
	})
}

func TestIMS_06_Privacy(t *testing.T) {
	far(t, func(t *testing.T, e *elsewhere) {
		e.watch(bridge.Leg{Watcher: anonymous, Presentity: romeo}, bridge.Forever)
		m := e.asked(time.Second, "200 OK", "Expires: 3600")
		m.want(t, "SUBSCRIBE sip:romeo@far.example SIP/2.0", "P-Asserted-Identity:")
		if !strings.HasPrefix(m.get("From"), `"Anonymous" <sip:anonymous@anonymous.invalid>;tag=`) {
			t.Errorf("From %s", m.get("From"))
		}
	})
}

// TestIMS_10_Untrusted: outside the trust domain nobody's identity is
// asserted.
func TestIMS_10_Untrusted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newElsewhere(t, setup{config: func(c *Config) {
			c.Outbound, c.Trusted = "sip:"+proxyAddr+";lr", nil
		}})
		sub := e.active()
		// The dialog goes on elsewhere, not through the proxy.
		other := e.peerAt("sip:other", "198.51.100.7:5060")
		wantStatus(t, e.tellFrom(sub, "far", 2, "active;expires=60", "", "Contact: <sip:romeo@198.51.100.7>"), "200 OK")
		m, ok := other.read(time.Minute)
		if !ok {
			t.Fatal("no refresh")
		}
		m.want(t, "SUBSCRIBE sip:romeo@198.51.100.7 SIP/2.0", "P-Asserted-Identity:")
		e.stop()
	})
}

// TestX2S_B10_RouteSet: the route set is that of the NOTIFY.
func TestX2S_B10_RouteSet(t *testing.T) {
	far(t, func(t *testing.T, e *elsewhere) {
		e.watch(theLeg, bridge.Forever)
		sub := e.asked(time.Second, "200 OK", "Expires: 3600\nRecord-Route: <sip:192.0.2.55;lr>")
		r1, r2 := "<sip:"+proxyAddr+";lr>", "<sip:192.0.2.98;lr>"
		wantStatus(t, e.tellFrom(sub, "far", 1, "active;expires=60", "", "Record-Route: "+r1+", "+r2), "200 OK")
		m := e.asked(time.Minute, "200 OK", "Expires: 60")
		m.want(t, "SUBSCRIBE sip:romeo@"+proxyAddr+" SIP/2.0", "P-Asserted-Identity: <sip:juliet@im.example>")
		if got := strings.Join(m.all("Route"), " "); got != r1+" "+r2 {
			t.Errorf("Route %s", got)
		}
	})
}

func TestSUB_43_Credentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newElsewhere(t, known)
		defer e.stop()
		e.watch(theLeg, bridge.Forever)
		const challenge = `Proxy-Authenticate: Digest realm="r", nonce="n", algorithm=MD5, qop="auth"`
		m := e.asked(time.Second, "407 Proxy Authentication Required", challenge)
		again := e.asked(time.Second, "200 OK", "Expires: 3600")
		again.want(t, "SUBSCRIBE sip:romeo@far.example SIP/2.0", "CSeq: 2 SUBSCRIBE", "Call-ID: "+m.get("Call-ID"))
		if !strings.Contains(again.get("Proxy-Authorization"), `username="gateway", realm="r"`) {
			t.Errorf("Proxy-Authorization %s", again.get("Proxy-Authorization"))
		}
		wantStatus(t, e.tell(again, 1, "active;expires=60", romeoIs("here")), "200 OK")
		// The nonce is used on, until it is stale.
		m = e.asked(time.Minute, "407 Proxy Authentication Required", strings.Replace(challenge, `"n"`, `"m", stale=true`, 1))
		if !strings.Contains(m.get("Proxy-Authorization"), "nc=00000002") {
			t.Errorf("Proxy-Authorization %s", m.get("Proxy-Authorization"))
		}
		m = e.asked(time.Second, "407 Proxy Authentication Required", challenge)
		if !strings.Contains(m.get("Proxy-Authorization"), `nonce="m"`) {
			t.Errorf("Proxy-Authorization %s", m.get("Proxy-Authorization"))
		}
		// A password that is refused is not sent again and again.
		e.quiet(14 * time.Second)
	})
}

// TestX2S_Restart: the dialog goes on in the next process.
func TestX2S_Restart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := setup{store: store.NewMemory(), net: bridgetest.NewNetwork()}
		e := newElsewhere(t, s)
		sub := e.active()
		e.stop()
		e.far.sock.Close()
		time.Sleep(time.Minute)

		e = newElsewhere(t, s)
		wantStatus(t, e.tell(sub, 2, "active;expires=300", romeoIs("after")), "200 OK")
		v, view := e.hub.Standing(theLeg)
		if v.State != bridge.Active || view.State.Services[0].Notes[0].Text != "after" {
			t.Errorf("%v %v", v, view)
		}
		m := e.asked(5*time.Minute, "200 OK", "Expires: 3600")
		m.want(t, "SUBSCRIBE sip:romeo@"+proxyAddr+" SIP/2.0", "Call-ID: "+sub.get("Call-ID"), "From: "+sub.get("From"),
			"To: <sip:romeo@far.example>;tag=far", "CSeq: *")
		var n int
		fmt.Sscan(m.get("CSeq"), &n)
		if n < 2 {
			t.Errorf("CSeq %d is not higher than before", n)
		}
		wantStatus(t, e.tell(sub, 3, "active;expires=3600", ""), "200 OK")
		e.stop()
		e.far.sock.Close()
		time.Sleep(2 * time.Hour)

		// It has expired meanwhile: a new one.
		e = newElsewhere(t, s)
		m = e.asked(time.Second, "200 OK", "Expires: 3600")
		m.want(t, "SUBSCRIBE sip:romeo@far.example SIP/2.0", "Expires: 3600")
		e.stop()
	})
}

// TestSUB_42_BoundedConcurrency: many legs, few SUBSCRIBEs at once.
func TestSUB_42_BoundedConcurrency(t *testing.T) {
	far(t, func(t *testing.T, e *elsewhere) {
		const n = 3 * maxSubscribes
		for i := range n {
			e.watch(bridge.Leg{Watcher: juliet, Presentity: presence.Addr{Scheme: presence.SIP, User: fmt.Sprint("u", i), Host: "far.example"}}, bridge.Forever)
		}
		synctest.Wait()
		var open []message
		for {
			m, ok := e.far.read(time.Millisecond)
			if !ok {
				break
			}
			open = append(open, m)
		}
		if len(open) != maxSubscribes {
			t.Errorf("%d SUBSCRIBEs at once, want %d", len(open), maxSubscribes)
		}
		seen := len(open)
		for len(open) > 0 {
			e.far.answer(open[0], "200 OK", "Expires: 3600")
			open = open[1:]
			synctest.Wait()
			m, ok := e.far.read(time.Millisecond)
			if ok {
				open = append(open, m)
				seen++
			}
		}
		if seen != n {
			t.Errorf("%d SUBSCRIBEs, want %d", seen, n)
		}
	})
}

// FuzzNotify: whatever is in a NOTIFY, reading it ends with an answer.
func FuzzNotify(f *testing.F) {
	f.Add("active;expires=600", "presence", "application/pidf+xml", "", []byte(romeoIs("x")))
	f.Add("terminated;reason=giveup;retry-after=3", "presence;id=1", "multipart/related;boundary=b1", "gzip", []byte(multi(pidfPart, iconPart)))
	f.Fuzz(func(t *testing.T, standing, event, typ, coding string, b []byte) {
		raw := "NOTIFY sip:gw SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKf\r\nMax-Forwards: 70\r\n" +
			"From: <sip:romeo@far.example>;tag=far\r\nTo: <sip:juliet@im.example>;tag=us\r\nCall-ID: f\r\nCSeq: 1 NOTIFY\r\n" +
			"Subscription-State: " + standing + "\r\nEvent: " + event + "\r\nContent-Type: " + typ + "\r\nContent-Encoding: " + coding +
			fmt.Sprintf("\r\nContent-Length: %d\r\n\r\n%s", len(b), b)
		r, err := transport.ParseRequest([]byte(raw), transport.Flow{}, nil)
		if err != nil {
			return
		}
		n, refused := readNotice(r)
		if refused == nil && (n.standing.State == "" || n.state != nil && n.fault != nil) {
			t.Errorf("%+v", n)
		}
		if refused != nil && (refused.Code < 400 || refused.Code >= 500) {
			t.Errorf("answered %d", refused.Code)
		}
	})
}
