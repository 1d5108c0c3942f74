//go:build integration

package realpeers

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// startForeign runs a gateway that reaches far.example through n, and logs
// juliet in.
func startForeign(t *testing.T, s xmppServer, n *notifier) *jabber {
	t.Helper()
	cfg := strings.Replace(config(s), "domains:\n", "domains:\n  - {name: far.example, home: remote}\n", 1)
	cfg = strings.Replace(cfg, "  notify_interval", fmt.Sprintf("  outbound: \"sip:127.0.0.1:%d;transport=udp;lr\"\n  notify_interval", n.port()), 1)
	cfg = strings.Replace(cfg, "components: [", fmt.Sprintf("components: [{server: \"127.0.0.1:%d\", domain: far.example, secret: s3cret}, ", s.Component()), 1)
	g := startGateway(t, cfg)
	g.waitReady()
	j := login(t, s, "juliet", "balcony")
	j.send("<presence/>")
	return j
}

// Group 3: a Jabber user watches users of a foreign SIP domain, through a
// scripted notifier (rows B1 to B13, H).
func TestForeignSIPDomain(t *testing.T) {
	onBothServers(t, func(t *testing.T, s xmppServer) {
		n := startNotifier(t)
		j := startForeign(t, s, n)
		for _, c := range []struct{ user, typ, says string }{
			{"plain", "", "hello plain"}, {"early", "", "early"}, {"pending", "", "at last"},
			{"c423", "", "hello c423"}, {"deactivated", "", "hello deactivated"}, {"timeout", "", "hello timeout"},
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
			m := n.subscribes("early")[0].sipMessage
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
