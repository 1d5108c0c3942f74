//go:build integration

package realpeers

import (
	"strings"
	"testing"
	"time"
)

// shortLived is config with lifetimes of a second and more.
func shortLived(s xmppServer) string {
	return strings.Replace(config(s), "  notify_interval", "  min_expires: 1s\n  notify_interval", 1)
}

// Group 2, row C10: a subscription that nobody refreshes ends with a closed
// document and `unavailable` to the Jabber contact; her approval stays, until
// she takes it back.
func TestFlow_SIPSubscriptionExpires(t *testing.T) {
	onBothServers(t, func(t *testing.T, s xmppServer) {
		g := startGateway(t, shortLived(s))
		g.waitReady()
		b := newPhone(t, g, bob)
		j := login(t, s, "juliet", "balcony")
		j.send("<presence><status>here</status></presence>")
		d := befriend(t, j, b)
		expires(t, j, d)

		again, res := b.subscribe(juliet, "4")
		if res.code() != 200 || res.get("Expires") != "4" {
			t.Fatalf("SUBSCRIBE: %v", res)
		}
		again.notify("active without a new prompt", has("active", "here"))
		if res := again.refresh("3600"); res.code() != 200 {
			t.Fatalf("refresh: %v", res)
		}
		time.Sleep(4 * time.Second)
		b.silent("what is refreshed lives", has("terminated"))
		expires(t, j, again)
		j.never("a second prompt", presence("bob@sip.example", "subscribe"))

		// C4: she takes her approval back while he is away; he has to ask again.
		j.send("<presence type='unsubscribed' to='bob@sip.example'/>")
		eventually(t, "the gateway has heard of it", func() bool { return strings.Contains(g.log.String(), "kind=unsubscribed ") })
		third, _ := b.subscribe(juliet, "3600")
		third.notify("pending", has("pending"))
		j.expect("a prompt", presence("bob@sip.example", "subscribe"))
	})
}

// expires shortens d, lets it end, and checks what both sides are told.
func expires(t *testing.T, j *jabber, d *dialog) {
	t.Helper()
	j.forget()
	if res := d.refresh("1"); res.code() != 200 || res.get("Expires") != "1" {
		t.Fatalf("the last refresh: %v", res)
	}
	n := d.notify("the end", has("terminated;reason=timeout", "<basic>closed</basic>"))
	if strings.Contains(n.body, "<basic>open</basic>") || strings.Contains(n.get("Subscription-State"), "expires=") {
		t.Errorf("the last NOTIFY: %v", n)
	}
	j.expect("he is gone", func(s stanza) bool {
		return s.Ev == "presence" && s.Type == "unavailable" && strings.HasPrefix(s.From, "bob@sip.example")
	})
	if res := d.refresh("3600"); res.code() != 481 {
		t.Errorf("a refresh of what has expired: %s", res.start)
	}
}

// Group 2: a subscription that ends before it is approved, by itself or by the
// phone, tells nothing of the Jabber user; what she says later holds.
func TestFlow_SIPSubscriptionEndsPending(t *testing.T) {
	onBothServers(t, func(t *testing.T, s xmppServer) {
		g := startGateway(t, shortLived(s))
		g.waitReady()
		j := login(t, s, "juliet", "balcony")
		j.send("<presence><status>secret</status></presence>")
		for _, c := range []struct{ name, first, then string }{{"bob", "2", ""}, {"carol", "3600", "0"}} {
			t.Run(c.name, func(t *testing.T) {
				jid := c.name + "@sip.example"
				p := newPhone(t, g, "sip:"+jid)
				d, _ := p.subscribe(juliet, c.first)
				d.notify("pending", has("pending"))
				j.expect("a prompt", presence(jid, "subscribe"))
				if c.then != "" {
					if res := d.refresh(c.then); res.code() != 200 || res.get("Expires") != c.then {
						t.Fatalf("unsubscribe: %v", res)
					}
				}
				n := d.notify("the end", has("terminated;reason=timeout"))
				if n.body != "" {
					t.Errorf("a pending watcher is told: %v", n)
				}
				j.send("<presence type='subscribed' to='%s'/>", jid)
				eventually(t, "the gateway has heard of it", func() bool {
					return strings.Contains(g.log.String(), "kind=subscribed from=xmpp:juliet@im.example to=sip:"+jid)
				})
				again, _ := p.subscribe(juliet, "3600")
				again.notify("active without a new prompt", has("active", "secret"))
				j.never("a second prompt", presence(jid, "subscribe"))
			})
		}
	})
}
