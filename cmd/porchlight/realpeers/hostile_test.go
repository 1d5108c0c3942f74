//go:build integration

package realpeers

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// Group 7: addresses that one side cannot write as the other does. On ejabberd
// one illegal address from the component would end its stream.
func TestAddresses(t *testing.T) {
	onBothServers(t, func(t *testing.T, s xmppServer) {
		g := startGateway(t, config(s))
		g.waitReady()
		j := login(t, s, "juliet", "balcony")
		j.send("<presence><status>on the balcony</status></presence>")
		for _, c := range []struct{ sip, jid string }{
			{"sip:o'malley@sip.example", `o\27malley@sip.example`},
			{"sip:m&m@sip.example", `m\26m@sip.example`},
			{"sip:a/b@sip.example", `a\2fb@sip.example`},
			{"sip:f%C3%BC@sip.example", "fü@sip.example"},
			{"sip:space%20man@sip.example", `space\20man@sip.example`},
			{"sip:%40home@sip.example", `\40home@sip.example`},
			{"sip:%23x@sip.example", "#x@sip.example"},
			{"sip:back%5Cslash@sip.example", `back\slash@sip.example`},
			{"sip:%5C20x@sip.example", `\5c20x@sip.example`},
			{"sip:host-case@SIP.Example", "host-case@sip.example"},
			{"tel:+49-30-654321", "+4930654321@sip.example"},
			{"sip:+4930123456@sip.example;user=phone", "+4930123456@sip.example"},
		} {
			t.Run(c.jid, func(t *testing.T) { seenAndSeeing(t, g, j, c.sip, c.jid) })
		}
		// JIDs know no case: such a user can watch, and is one with the other.
		p := newPhone(t, g, "sip:ROMEO@SIP.Example")
		p.subscribe("sip:JULIET@IM.Example", "3600")
		j.expect("a prompt from romeo", presence("romeo@sip.example", "subscribe"))
		if code, _ := g.get("/readyz"); code != 200 {
			t.Error("the component's stream has not survived the addresses")
		}
	})
}

// seenAndSeeing has a SIP user seen by juliet, and juliet by him.
func seenAndSeeing(t *testing.T, g *gateway, j *jabber, sip, jid string) {
	t.Helper()
	xml := strings.NewReplacer("'", "&apos;", "&", "&amp;")
	p := newPhone(t, g, sip)
	note := "from " + jid
	res := p.publish("", "600", pidf(strings.ReplaceAll(sip, "&", "&amp;"), "open", "", xml.Replace(note)))
	if res.code() != 200 {
		t.Fatalf("PUBLISH: %v", res)
	}
	j.send("<presence type='subscribe' to='%s'/>", xml.Replace(jid))
	j.expect("presence of "+jid, func(s stanza) bool {
		bare, _, _ := strings.Cut(s.From, "/")
		return s.Ev == "presence" && s.Type == "" && bare == jid && s.Status["en"] == note
	})
	d, res := p.subscribe(juliet, "3600")
	if res.code() != 200 {
		t.Fatalf("SUBSCRIBE: %v", res)
	}
	j.expect("a prompt from "+jid, presence(jid, "subscribe"))
	j.send("<presence type='subscribed' to='%s'/>", xml.Replace(jid))
	d.notify("juliet's state", has("active", "on the balcony"))
}

// A SIP user whose name no JID can say is refused, and nobody suffers.
func TestAddresses_Unsayable(t *testing.T) {
	onBothServers(t, func(t *testing.T, s xmppServer) {
		g := startGateway(t, config(s))
		g.waitReady()
		for _, user := range []string{"%E2%98%83", "%00", "%C3", "%20", strings.Repeat("x", 1500)} {
			p := newPhone(t, g, "sip:"+user+"@sip.example")
			_, res := p.subscribe(juliet, "3600")
			if res.code() == 0 {
				t.Errorf("%s: no answer", user)
			}
		}
		b := newPhone(t, g, bob)
		j := login(t, s, "juliet", "balcony")
		j.send("<presence/>")
		befriend(t, j, b)
	})
}

// Group 8: unknown IQs are answered, to the domain and to a user; errors are
// not.
func TestIQ(t *testing.T) {
	onBothServers(t, func(t *testing.T, s xmppServer) {
		g := startGateway(t, config(s))
		g.waitReady()
		j := login(t, s, "juliet", "balcony")
		j.send("<presence/>")
		for i, c := range []struct{ to, query, typ, has string }{
			{"sip.example", "<query xmlns='http://jabber.org/protocol/disco#info'/>", "result", `category="gateway"`},
			{"sip.example", "<query xmlns='http://jabber.org/protocol/disco#items'/>", "result", ""},
			{"sip.example", "<ping xmlns='urn:xmpp:ping'/>", "result", ""},
			{"sip.example", "<query xmlns='jabber:iq:version'/>", "result", "Porchlight"},
			{"sip.example", "<time xmlns='urn:xmpp:time'/>", "result", "utc"},
			{"sip.example", "<query xmlns='urn:example:unknown'/>", "error", "service-unavailable"},
			{"alice@sip.example", "<ping xmlns='urn:xmpp:ping'/>", "", ""},
			{"alice@sip.example", "<query xmlns='urn:example:unknown'/>", "error", ""},
			{"alice@sip.example/phone", "<query xmlns='http://jabber.org/protocol/disco#info'/>", "", ""},
		} {
			id := fmt.Sprintf("q%d", i)
			j.send("<iq type='get' id='%s' to='%s'>%s</iq>", id, c.to, c.query)
			a := j.expect("an answer to "+c.query, func(s stanza) bool { return s.Ev == "iq" && s.ID == id })
			if c.typ != "" && a.Type != c.typ || !strings.Contains(a.XML, c.has) {
				t.Errorf("%s to %s: %s", c.query, c.to, a.XML)
			}
		}
		j.send("<iq type='error' id='e1' to='sip.example'/>")
		j.never("an answer to an error", func(s stanza) bool { return s.ID == "e1" })
	})
}

// Group 10: hostile documents and messages get their answer and change
// nothing; the phone's state before them is what its watchers see after.
func TestHostile(t *testing.T) { onBothServers(t, hostile) }

func hostile(t *testing.T, s xmppServer) {
	g := startGateway(t, config(s))
	g.waitReady()
	a, b := newPhone(t, g, alice), newPhone(t, g, bob)
	res := a.publish("", "600", pidf(alice, "open", "", "good"))
	tag := res.get("SIP-ETag")
	d, _ := b.subscribe(alice, "3600")
	d.notify("the good state", has("active", "good"))

	for name, c := range map[string]struct {
		body string
		code int
	}{
		"SEC-01 DTD":             {`<!DOCTYPE x [<!ENTITY e "boo">]><presence xmlns="urn:ietf:params:xml:ns:pidf" entity="x">&e;</presence>`, 400},
		"SEC-01 external entity": {`<!DOCTYPE x SYSTEM "file:///etc/passwd"><presence/>`, 400},
		"PUB-30 not well-formed": {`<presence xmlns="urn:ietf:params:xml:ns:pidf"><tuple>`, 400},
		"invalid UTF-8":          {"<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"" + alice + "\"><note>\xff</note></presence>", 400},
		"other user's entity":    {pidf("sip:mallory@sip.example", "open", "", "evil"), 400},
	} {
		res := a.publish(tag, "600", c.body)
		if res.code() != c.code {
			t.Errorf("%s: %s, want %d", name, res.start, c.code)
		}
	}
	for _, raw := range []string{
		"", "\r\n\r\n", "NOT SIP AT ALL\r\n\r\n", "PUBLISH sip:alice@sip.example SIP/2.0\r\n\r\n",
		"SIP/2.0 200 OK\r\nVia: nothing\r\n\r\n", strings.Repeat("A", 60000),
		"PUBLISH sip:alice@sip.example SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\nContent-Length: 99999999\r\n\r\n",
		"INVITE sip:alice@sip.example SIP/7.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKz\r\nCSeq: 1 INVITE\r\nFrom: <sip:x@y>;tag=1\r\nTo: <sip:x@y>\r\nCall-ID: q\r\n\r\n",
	} {
		a.conn.WriteTo([]byte(raw), &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: g.sip})
	}
	b.silent("anything hostile", func(m sipMessage) bool { return strings.Contains(m.body, "evil") })
	if res := a.publish(tag, "600", ""); res.code() != 200 {
		t.Errorf("the tag from before the hostile requests: %s", res.start)
	}
	if res := d.refresh("3600"); res.code() != 200 {
		t.Errorf("the dialog from before the hostile requests: %s", res.start)
	}
	d.notify("the good state still", has("active", "good"))
}

// Group 10: of a flood of 1000 changes the last state arrives, both ways.
func TestFlood(t *testing.T) { onBothServers(t, flood) }

func flood(t *testing.T, s xmppServer) {
	g := startGateway(t, config(s))
	g.waitReady()
	a := newPhone(t, g, alice)
	res := a.publish("", "600", pidf(alice, "open", "", "flood 0"))
	j := login(t, s, "juliet", "balcony")
	j.send("<presence/>")
	d := befriend(t, j, a)
	for i := range 1000 {
		j.send("<presence><status>wave %d</status></presence>", i)
		res = a.publish(res.get("SIP-ETag"), "600", pidf(alice, "open", "", fmt.Sprintf("flood %d", i)))
		if res.code() != 200 {
			t.Fatalf("PUBLISH %d: %s", i, res.start)
		}
	}
	j.expect("the last state", func(s stanza) bool { return s.Ev == "presence" && s.Status["en"] == "flood 999" })
	d.notify("the last state", has("active", "wave 999"))
}

// Group 10: a document of a megabyte, and one that is never sent to its end,
// over TCP: each costs its own connection at most.
func TestHostile_Large(t *testing.T) { onBothServers(t, large) }

func large(t *testing.T, s xmppServer) {
	g := startGateway(t, config(s))
	g.waitReady()
	a, b := newPhone(t, g, alice), newPhone(t, g, bob)
	tag := a.publish("", "600", pidf(alice, "open", "", "good")).get("SIP-ETag")
	d, _ := b.subscribe(alice, "3600")
	d.notify("the good state", has("active", "good"))
	j := login(t, s, "juliet", "balcony")
	j.send("<presence/><presence type='subscribe' to='alice@sip.example'/>")
	j.expect("alice", fromDevice("", "good"))

	body := strings.Replace(pidf(alice, "open", "", "evil"), "</tuple>", strings.Repeat("<note>evil</note>", 1<<16)+"</tuple>", 1)
	request := func(length int) string {
		return fmt.Sprintf("PUBLISH %s SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKlarge%d\r\nMax-Forwards: 70\r\n"+
			"From: <%[1]s>;tag=l\r\nTo: <%[1]s>\r\nCall-ID: large%[2]d\r\nCSeq: 1 PUBLISH\r\nP-Asserted-Identity: <%[1]s>\r\n"+
			"Event: presence\r\nContent-Type: application/pidf+xml\r\nContent-Length: %[2]d\r\n\r\n", alice, length)
	}
	for _, text := range []string{
		request(len(body)) + body, // 1 MB
		request(4<<30) + body,     // says that it has 4 GB
		request(600) + "<presence",
		strings.Repeat("X-Header: evil\r\n", 1<<16),
	} {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", g.sip))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience))
		_, err = io.WriteString(conn, text)
		if err != nil || len(text) < 1<<16 {
			continue // it has hung up, or waits for the rest
		}
		answer, err := bufio.NewReader(conn).ReadString('\n')
		if err == nil && !strings.HasPrefix(answer, "SIP/2.0 4") && !strings.HasPrefix(answer, "SIP/2.0 5") {
			t.Errorf("%.60s: %s", text, answer)
		}
	}
	b.silent("anything hostile", func(m sipMessage) bool { return strings.Contains(m.body, "evil") })
	j.never("anything hostile", func(s stanza) bool { return strings.Contains(s.XML, "evil") })
	if res := a.publish(tag, "600", pidf(alice, "open", "", "still good")); res.code() != 200 {
		t.Errorf("the tag from before: %s", res.start)
	}
	d.notify("the next state", has("active", "still good"))
	j.expect("the next state", fromDevice("", "still good"))
}
