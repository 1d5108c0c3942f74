//go:build integration

package realpeers

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// config is the usual configuration: sip.example is homed here and allows
// every watcher, im.example is reached through s.
func config(s xmppServer) string {
	return fmt.Sprintf(`
data: $DATA
log: {level: debug}
domains:
  - {name: sip.example, home: here, default: allow}
sip:
  listen: ["udp://127.0.0.1:$SIP", "tcp://127.0.0.1:$SIP"]
  trusted: ["127.0.0.1/32"]
  notify_interval: 0s
xmpp:
  components: [{server: "127.0.0.1:%d", domain: sip.example, secret: s3cret}]
  domains: [im.example]
web: {listen: "127.0.0.1:$WEB", tokens: {demo: {address: "sip:carol@sip.example"}}}
`, s.Component())
}

const (
	alice  = "sip:alice@sip.example"
	bob    = "sip:bob@sip.example"
	juliet = "sip:juliet@im.example"
)

// befriend makes the Jabber user j and the SIP user behind p see each other:
// j subscribes and is answered; p subscribes and is approved.
func befriend(t *testing.T, j *jabber, p *phone) *dialog {
	t.Helper()
	aor := strings.TrimPrefix(p.aor, "sip:")
	j.send("<presence type='subscribe' to='%s'/>", aor)
	j.expect("subscribed from "+aor, presence(aor, "subscribed"))
	user, _, _ := strings.Cut(j.jid, "/")
	d, res := p.subscribe("sip:"+user, "3600")
	if res.code() != 200 {
		t.Fatalf("SUBSCRIBE: %v", res)
	}
	d.notify("pending until approved", has("pending"))
	j.expect("a prompt from "+aor, presence(aor, "subscribe"))
	j.send("<presence type='subscribed' to='%s'/>", aor)
	d.notify("active after approval", has("active", "<basic>open</basic>"))
	return d
}

// The main job: what a phone publishes shows at a Jabber user, what a Jabber
// user says shows at the phone.
func TestFlow_PhoneAndJabberSeeEachOther(t *testing.T) {
	onBothServers(t, func(t *testing.T, s xmppServer) {
		g := startGateway(t, config(s))
		g.waitReady()
		a := newPhone(t, g, alice)
		j := login(t, s, "juliet", "balcony")
		j.send("<presence/>")
		res := a.publish("", "600", pidf(alice, "open", "", "Hello"))
		if res.code() != 200 || res.get("SIP-ETag") == "" || res.get("Expires") == "" {
			t.Fatalf("PUBLISH: %v", res)
		}
		d := befriend(t, j, a)

		for _, c := range []struct{ activity, show, note string }{
			{"on-the-phone", "dnd", "Talking"},
			{"away", "away", "Gone & <back> soon"},
			{"vacation", "xa", "Am Meer, bis Montag 🏖"},
			{"", "", "Here"},
		} {
			escaped := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(c.note)
			res = a.publish(res.get("SIP-ETag"), "600", pidf(alice, "open", c.activity, escaped))
			if res.code() != 200 {
				t.Fatalf("PUBLISH %s: %v", c.activity, res)
			}
			st := j.expect("alice "+c.activity, func(s stanza) bool {
				return presence("alice@sip.example", "")(s) && s.Status["en"] == c.note
			})
			if st.Show != c.show {
				t.Errorf("%q: show %q, want %q", c.activity, st.Show, c.show)
			}
		}

		for _, c := range []struct{ show, activity string }{
			{"away", "<rpid:away/>"}, {"dnd", "<rpid:busy/>"}, {"xa", "<rpid:away/>"}, {"chat", ""},
		} {
			j.send("<presence><show>%s</show><status xml:lang='de'>Grüße &amp; Küsse</status><priority>5</priority></presence>", c.show)
			n := d.notify("juliet "+c.show, has("active", "<show xmlns=\"jabber:client\">"+c.show+"</show>", "Grüße &amp; Küsse", c.activity))
			if !strings.Contains(n.body, `xml:lang="de"`) || !strings.Contains(n.body, `priority="0.039"`) {
				t.Errorf("language or priority is missing: %s", n.body)
			}
			if n.get("Content-Type") != "application/pidf+xml" || !strings.Contains(n.get("Subscription-State"), "expires=") {
				t.Errorf("headers: %v", n)
			}
		}

		res = a.publish(res.get("SIP-ETag"), "0", "")
		if res.code() != 200 {
			t.Fatalf("unpublish: %v", res)
		}
		j.expect("alice offline", presence("alice@sip.example", "unavailable"))
		j.quit()
		d.notify("juliet offline", has("active", "<basic>closed</basic>"))
	})
}

// Group 2 of the real peers' list: pending, approval, refusal, expiry,
// refresh, Expires: 0 in and out of dialog.
func TestFlow_SIPSubscriptionLife(t *testing.T) {
	onBothServers(t, func(t *testing.T, s xmppServer) {
		g := startGateway(t, config(s))
		g.waitReady()
		b := newPhone(t, g, bob)
		j := login(t, s, "juliet", "balcony")
		j.send("<presence><status>here</status></presence>")
		d := befriend(t, j, b)

		if res := d.refresh("600"); res.code() != 200 {
			t.Fatalf("refresh: %v", res)
		}
		d.notify("state after the refresh", has("active", "here"))

		// C7, C8: the end of a dialog; the approval stays.
		if res := d.refresh("0"); res.code() != 200 {
			t.Fatalf("unsubscribe: %v", res)
		}
		d.notify("the last NOTIFY", has("terminated;reason=timeout", "<basic>closed</basic>"))
		j.expect("bob left", presence("bob@sip.example", "unavailable"))

		again, _ := b.subscribe(juliet, "3600")
		again.notify("active without a new prompt", has("active", "here"))
		j.never("a second prompt", presence("bob@sip.example", "subscribe"))

		// F2: a fetch is answered once, with state.
		fetch, res := b.subscribe(juliet, "0")
		if res.code() != 200 {
			t.Fatalf("fetch: %v", res)
		}
		fetch.notify("one NOTIFY", has("terminated", "here"))

		// C4: the approval is taken back.
		j.send("<presence type='unsubscribed' to='bob@sip.example'/>")
		again.notify("rejected", has("terminated;reason=rejected"))
		if res := again.refresh("600"); res.code() != 481 {
			t.Errorf("refresh of an ended dialog: %v", res.start)
		}
	})
}

// A refusal ends the subscription and is remembered as such by nobody: the
// next SUBSCRIBE asks again.
func TestFlow_SIPSubscriptionRefused(t *testing.T) {
	onBothServers(t, func(t *testing.T, s xmppServer) {
		g := startGateway(t, config(s))
		g.waitReady()
		b := newPhone(t, g, bob)
		j := login(t, s, "juliet", "balcony")
		j.send("<presence/>")
		d, _ := b.subscribe(juliet, "3600")
		d.notify("pending", has("pending"))
		j.expect("a prompt", presence("bob@sip.example", "subscribe"))
		j.send("<presence type='unsubscribed' to='bob@sip.example'/>")
		d.notify("rejected", has("terminated;reason=rejected"))
	})
}

// Group 4: several resources, one leaving, TCP cut.
func TestFlow_JabberResources(t *testing.T) {
	onBothServers(t, func(t *testing.T, s xmppServer) {
		g := startGateway(t, config(s))
		g.waitReady()
		b := newPhone(t, g, bob)
		j := login(t, s, "juliet", "balcony")
		j.send("<presence><priority>-3</priority><status>one</status></presence>")
		d := befriend(t, j, b)
		k := login(t, s, "juliet", "chamber ☃")
		k.send("<presence><show>dnd</show><status>two</status><status xml:lang='fr'>deux &lt;3</status><priority>127</priority></presence>")
		n := d.notify("two tuples", has("active", "one", "two"))
		// D7: the negative priority of the other is not mapped. D6: each language.
		if strings.Count(n.body, "<tuple ") != 2 || !strings.Contains(n.body, `priority="1"`) || strings.Count(n.body, "priority=") != 1 {
			t.Errorf("tuples or priority: %s", n.body)
		}
		if !strings.Contains(n.body, `<note xml:lang="fr">deux &lt;3</note>`) {
			t.Errorf("languages: %s", n.body)
		}
		k.quit()
		n = d.notify("one tuple left", func(m sipMessage) bool {
			return has("active", "one")(m) && !strings.Contains(m.body, "two")
		})
		if !strings.Contains(n.body, "<basic>open</basic>") {
			t.Errorf("D12: the other resource is still there: %s", n.body)
		}
		j.abort()
		d.notify("closed after the TCP cut", has("active", "<basic>closed</basic>"))
	})
}

// Group 5: a login after the PUBLISH sees it; a stranger's probe sees nothing.
func TestFlow_LoginAfterPublish(t *testing.T) {
	onBothServers(t, func(t *testing.T, s xmppServer) {
		g := startGateway(t, strings.Replace(config(s), "default: allow", "default: confirm", 1))
		g.waitReady()
		a := newPhone(t, g, alice)
		a.publish("", "600", pidf(alice, "open", "meeting", "Room 5"))
		r := login(t, s, "romeo", "orchard")
		r.send("<presence/>")
		// F3: confirm, and no answer yet: a probe tells a stranger nothing.
		r.send("<presence type='probe' to='alice@sip.example'/>")
		r.send("<presence type='subscribe' to='alice@sip.example'/>")
		r.never("state or approval without alice's word", func(s stanza) bool {
			return s.Ev == "presence" && strings.HasPrefix(s.From, "alice@") && s.Type != "unsubscribed" && s.Type != "unavailable"
		})
	})
}

// The component's secret is wrong: the gateway says so, stays up, and does not
// hammer the server.
func TestFlow_WrongSecret(t *testing.T) {
	onBothServers(t, func(t *testing.T, s xmppServer) {
		g := startGateway(t, strings.Replace(config(s), "s3cret", "wrong", 1))
		eventually(t, "the log names the secret", func() bool {
			return strings.Contains(strings.ToLower(g.log.String()), "secret")
		})
		if code, body := g.get("/readyz"); code != 503 || !strings.Contains(body, "xmpp") {
			t.Errorf("/readyz: %d %s", code, body)
		}
		// One at once, and then after 1, 2, 4 … s: a loop would have had many.
		time.Sleep(4 * time.Second)
		if n := strings.Count(strings.ToLower(g.log.String()), "trying again"); n > 4 {
			t.Errorf("%d attempts in a few seconds", n)
		}
	})
}

// Group 1: after a restart of the XMPP server both sides are right again, and
// nobody is asked anything.
func TestFlow_ServerRestart(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(xmppServer){"SIGTERM": xmppServer.Stop, "SIGKILL": xmppServer.Kill} {
		t.Run(name, func(t *testing.T) {
			onBothServers(t, func(t *testing.T, s xmppServer) {
				g := startGateway(t, config(s))
				g.waitReady()
				a := newPhone(t, g, alice)
				res := a.publish("", "600", pidf(alice, "open", "", "before"))
				j := login(t, s, "juliet", "balcony")
				j.send("<presence><status>morning</status></presence>")
				d := befriend(t, j, a)
				j.quit() // an orderly server writes its roster; a killed one has it on disk by now
				d.notify("juliet leaves", has("active", "<basic>closed</basic>"))

				end(s)
				eventually(t, "the gateway notices", func() bool {
					code, _ := g.get("/readyz")
					return code == 503
				})
				res = a.publish(res.get("SIP-ETag"), "600", pidf(alice, "open", "busy", "meanwhile"))
				if res.code() != 200 {
					t.Fatalf("PUBLISH while the server is away: %v", res)
				}
				s.Start()
				g.waitReady()
				if name == "SIGKILL" && s.Name() == "ejabberd" {
					// ejabberd's own roster is written every few minutes and is
					// lost with it: what can be seen is that the component is
					// back and serves a new subscription.
					j = login(t, s, "juliet", "balcony")
					j.send("<presence/><presence type='subscribe' to='alice@sip.example'/>")
					j.expect("alice's news", func(s stanza) bool {
						return presence("alice@sip.example", "")(s) && s.Status["en"] == "meanwhile"
					})
					return
				}
				j = login(t, s, "juliet", "balcony")
				j.send("<presence><status>evening</status></presence>")
				st := j.expect("alice's news", func(s stanza) bool {
					return presence("alice@sip.example", "")(s) && s.Status["en"] == "meanwhile"
				})
				if st.Show != "dnd" {
					t.Errorf("show %q, want dnd", st.Show)
				}
				d.notify("juliet is back", has("active", "evening"))
				j.never("a new prompt", presence("alice@sip.example", "subscribe"))
			})
		})
	}
}

// Every activity of RFC 4480 §3.2 decides show, on the real wire too; those that
// say nothing of being reachable leave it out.
func TestFlow_AllActivities(t *testing.T) {
	shows := map[string]string{"appointment": "dnd", "away": "away", "breakfast": "away", "busy": "dnd", "dinner": "away",
		"holiday": "xa", "in-transit": "away", "looking-for-work": "", "lunch": "away", "meal": "away", "meeting": "dnd",
		"on-the-phone": "dnd", "performance": "dnd", "permanent-absence": "xa", "playing": "", "presentation": "dnd",
		"shopping": "away", "sleeping": "away", "spectator": "away", "steering": "away", "travel": "away", "tv": "",
		"unknown": "", "vacation": "xa", "working": "", "worship": "dnd", "other": ""}
	onBothServers(t, func(t *testing.T, s xmppServer) {
		g := startGateway(t, config(s))
		g.waitReady()
		a := newPhone(t, g, alice)
		res := a.publish("", "600", pidf(alice, "open", "", "begin"))
		j := login(t, s, "juliet", "balcony")
		j.send("<presence/><presence type='subscribe' to='alice@sip.example'/>")
		for activity, show := range shows {
			res = a.publish(res.get("SIP-ETag"), "600", pidf(alice, "open", activity, "now "+activity))
			st := j.expect(activity, func(s stanza) bool {
				return presence("alice@sip.example", "")(s) && s.Status["en"] == "now "+activity
			})
			if st.Show != show {
				t.Errorf("%s: show %q, want %q", activity, st.Show, show)
			}
		}
	})
}

// Group 2: a contact who is taken off the roster sees nothing any more.
func TestFlow_RosterRemoval(t *testing.T) {
	onBothServers(t, func(t *testing.T, s xmppServer) {
		g := startGateway(t, config(s))
		g.waitReady()
		a := newPhone(t, g, alice)
		res := a.publish("", "600", pidf(alice, "open", "", "before"))
		j := login(t, s, "juliet", "balcony")
		j.send("<presence/>")
		d := befriend(t, j, a)
		j.send("<iq type='set' id='rm'><query xmlns='jabber:iq:roster'><item jid='alice@sip.example' subscription='remove'/></query></iq>")
		j.expect("the roster's answer", func(s stanza) bool { return s.Ev == "iq" && s.ID == "rm" && s.Type == "result" })
		if s.Name() == "Prosody" { // ejabberd says only "unsubscribe"
			d.notify("the end", has("terminated;reason=rejected"))
		}
		eventually(t, "the gateway has heard of it", func() bool { return strings.Contains(g.log.String(), "kind=unsubscribe ") })
		a.publish(res.get("SIP-ETag"), "600", pidf(alice, "open", "", "after"))
		j.never("a state after the removal", func(s stanza) bool { return s.Status["en"] == "after" })
	})
}

// Group 1: a second gateway for the same component, and its end.
func TestFlow_SecondConnection(t *testing.T) {
	onBothServers(t, func(t *testing.T, s xmppServer) {
		g := startGateway(t, config(s))
		g.waitReady()
		second := startGateway(t, config(s))
		second.waitReady()
		second.stop()
		eventually(t, "the first one is joined again", func() bool {
			code, _ := g.get("/readyz")
			return code == 200
		})
		b := newPhone(t, g, bob)
		j := login(t, s, "juliet", "balcony")
		j.send("<presence/>")
		befriend(t, j, b)
	})
}
