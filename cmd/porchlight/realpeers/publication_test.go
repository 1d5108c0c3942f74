//go:build integration

package realpeers

import (
	"strings"
	"syscall"
	"testing"
)

// fromDevice is an expectation: alice's presence by the device, of the type
// and with the note.
func fromDevice(typ, note string) func(stanza) bool {
	return func(s stanza) bool { return presence("alice@sip.example", typ)(s) && s.Status["en"] == note }
}

// another is a document of another device of alice's than pidf makes.
func another(id, note string) string {
	return strings.NewReplacer(`id="t1"`, `id="`+id+`"`, `">`+alice+`</contact>`, `">`+alice+`;gr=`+id+`</contact>`).
		Replace(pidf(alice, "open", "", note))
}

// Group 5: the life of publications, as a Jabber user sees it: made, refreshed
// in silence, changed, refused with an old entity-tag, of two devices, removed
// and expired (PUB-03, 11 to 13, 16, 22, 23).
func TestFlow_PublicationLife(t *testing.T) {
	onBothServers(t, func(t *testing.T, s xmppServer) {
		g := startGateway(t, shortLived(s))
		g.waitReady()
		phone, desk := newPhone(t, g, alice), newPhone(t, g, alice)
		one := phone.publish("", "600", pidf(alice, "open", "", "phone 1"))
		j := login(t, s, "juliet", "balcony")
		j.send("<presence/><presence type='subscribe' to='alice@sip.example'/>")
		handset := j.expect("the phone", fromDevice("", "phone 1")).From

		j.forget()
		refreshed := phone.publish(one.get("SIP-ETag"), "600", "")
		if refreshed.code() != 200 || refreshed.get("SIP-ETag") == one.get("SIP-ETag") {
			t.Fatalf("refresh: %v", refreshed)
		}
		j.never("news of a refresh", presence("alice@sip.example", ""))
		changed := phone.publish(refreshed.get("SIP-ETag"), "600", pidf(alice, "open", "busy", "phone 2"))
		if st := j.expect("the change", fromDevice("", "phone 2")); st.Show != "dnd" || st.From != handset {
			t.Errorf("changed: %s", st.XML)
		}
		for _, old := range []string{one.get("SIP-ETag"), refreshed.get("SIP-ETag"), "nonsense"} {
			if res := phone.publish(old, "600", pidf(alice, "open", "", "stale")); res.code() != 412 {
				t.Errorf("PUBLISH with %s: %s", old, res.start)
			}
		}

		desk.publish("", "600", another("desk", "desk"))
		other := j.expect("the desk", fromDevice("", "desk")).From
		if other == handset {
			t.Errorf("two devices are one: %s", other)
		}
		// Who logs in now sees both.
		k := login(t, s, "juliet", "chamber")
		k.send("<presence/>")
		seen := map[string]bool{}
		for range 2 {
			seen[k.expect("a device", presence("alice@sip.example", "")).From] = true
		}
		if !seen[handset] || !seen[other] {
			t.Errorf("the second login sees %v", seen)
		}
		if res := phone.publish(changed.get("SIP-ETag"), "0", ""); res.code() != 200 || res.get("Expires") != "0" {
			t.Fatalf("removal: %v", res)
		}
		j.expect("the phone is gone", func(s stanza) bool { return s.From == handset && s.Type == "unavailable" })
		desk.publish("", "2", another("brief", "brief"))
		brief := j.expect("a brief one", fromDevice("", "brief")).From
		j.expect("it has expired", func(s stanza) bool { return s.From == brief && s.Type == "unavailable" })
		j.never("an end of the desk, or what was stale", func(s stanza) bool {
			return s.From == other && s.Type == "unavailable" || s.Status["en"] == "stale"
		})
	})
}

// Group 9: what happens on the Jabber side while the gateway is dead is known
// after its start, on the dialogs, tags and approvals of before, and nobody is
// asked (SUB-45, PUB-15).
func TestFlow_GatewayKilled(t *testing.T) {
	onBothServers(t, func(t *testing.T, s xmppServer) {
		g := startGateway(t, config(s))
		g.waitReady()
		a := newPhone(t, g, alice)
		res := a.publish("", "600", pidf(alice, "open", "", "before"))
		j := login(t, s, "juliet", "balcony")
		j.send("<presence><status>morning</status></presence>")
		d := befriend(t, j, a)
		for _, c := range []struct {
			name string
			sig  syscall.Signal
		}{{"evening", syscall.SIGKILL}, {"night", syscall.SIGTERM}} {
			j.forget()
			g.signal(c.sig)
			<-g.done
			j.send("<presence><show>away</show><status>%s</status></presence>", c.name)
			g.start()
			g.waitReady()
			d.notify("what changed meanwhile", has("active", c.name))
			res = a.publish(res.get("SIP-ETag"), "600", pidf(alice, "open", "", "after "+c.name))
			if res.code() != 200 {
				t.Fatalf("the tag of before: %v", res)
			}
			j.expect("alice's news", fromDevice("", "after "+c.name))
			if res := d.refresh("600"); res.code() != 200 {
				t.Fatalf("the dialog of before: %v", res)
			}
			d.notify("the state after the refresh", has("active", c.name))
			j.never("a new prompt", presence("alice@sip.example", "subscribe"))
		}
		// What was answered just before its death is answered the same after.
		for _, c := range []struct {
			name string
			send func() sipMessage
		}{
			{"PUBLISH", func() sipMessage { return a.publish(res.get("SIP-ETag"), "600", pidf(alice, "open", "", "last")) }},
			{"removal", func() sipMessage { return a.publish(res.get("SIP-ETag"), "0", "") }},
			{"refresh", func() sipMessage { return d.refresh("600") }},
			{"end", func() sipMessage { return d.refresh("0") }},
		} {
			res = c.send()
			g.kill()
			g.start()
			if again := a.again(); res.code() != 200 || again.start != res.start || again.get("SIP-ETag") != res.get("SIP-ETag") || again.get("Expires") != res.get("Expires") {
				t.Errorf("%s: %v, and again: %v", c.name, res, again)
			}
		}
		d.notify("the end", has("terminated;reason=timeout", "<basic>closed</basic>"))
		d, _ = a.subscribe(juliet, "600")
		d.notify("active without a new prompt", has("active", "night"))
		// One who left while the gateway was dead is gone after its start.
		g.kill()
		j.quit()
		g.start()
		g.waitReady()
		d.notify("juliet has left", has("active", "<basic>closed</basic>"))
	})
}
