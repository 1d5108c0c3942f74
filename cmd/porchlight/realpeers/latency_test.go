//go:build integration

package realpeers

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

const latencyChanges = 500

// TestLatency measures the way of a change from PUBLISH to a Jabber client on
// a real Prosody, to a SIP watcher and to a web page's frame, one change at a
// time, and logs median and 99th percentile. It asserts only that each change
// arrives.
func TestLatency(t *testing.T) {
	s := startProsody(t)
	g := startGateway(t, strings.Replace(config(s), "level: debug", "level: info", 1))
	g.waitReady()
	a, b := newPhone(t, g, alice), newPhone(t, g, bob)
	res := a.publish("", "600", pidf(alice, "open", "", "begin"))
	d, _ := b.subscribe(alice, "3600")
	d.notify("the state", has("active", "begin"))

	stanzas := watchStream(t, s, "juliet", "<presence/><presence type='subscribe' to='alice@sip.example'/>")
	frames := watchFeed(t, g, alice)
	arrived := map[string]func(note string) time.Time{
		"stanza": func(note string) time.Time { return awaitNote(t, stanzas, note) },
		"frame":  func(note string) time.Time { return awaitNote(t, frames, note) },
	}
	for _, wait := range arrived {
		wait("begin")
	}
	took := map[string][]time.Duration{}
	for i := range latencyChanges {
		note := fmt.Sprintf("change-%d-", i)
		begin := time.Now()
		res = a.publish(res.get("SIP-ETag"), "600", pidf(alice, "open", "busy", note))
		if res.code() != 200 {
			t.Fatalf("PUBLISH: %v", res)
		}
		took["200"] = append(took["200"], time.Since(begin))
		for name, wait := range arrived {
			took[name] = append(took[name], wait(note).Sub(begin))
		}
		d.notify(note, has("active", note))
	}
	for _, name := range []string{"200", "stanza", "frame"} {
		ds := took[name]
		slices.Sort(ds)
		t.Logf("PUBLISH → %-6s median %v  p99 %v  max %v  (%d changes)", name,
			ds[len(ds)/2].Round(10*time.Microsecond), ds[len(ds)*99/100].Round(10*time.Microsecond),
			ds[len(ds)-1].Round(10*time.Microsecond), len(ds))
	}
}

// arrival is a piece of a stream and when it was read.
type arrival struct {
	text string
	at   time.Time
}

func awaitNote(t *testing.T, c <-chan arrival, note string) time.Time {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case a := <-c:
			if strings.Contains(a.text, note) {
				return a.at
			}
		case <-deadline:
			t.Fatalf("%q did not arrive", note)
		}
	}
}

// watchStream logs a Jabber client in over a plain socket, sends what it is
// given, and returns what comes in.
func watchStream(t *testing.T, s xmppServer, user, send string) <-chan arrival {
	t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.C2S()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := make(chan arrival, 10000)
	go func() {
		buf := make([]byte, 65536)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			c <- arrival{string(buf[:n]), time.Now()}
		}
	}()
	const header = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='im.example' version='1.0'>"
	plain := base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00pw"))
	for _, step := range [][2]string{
		{header, "</stream:features>"},
		{"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + plain + "</auth>", "<success"},
		{header, "</stream:features>"},
		{"<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", "<jid>"},
		{"<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>" + send, "type='subscribed'"},
	} {
		_, err = conn.Write([]byte(step[0]))
		if err != nil {
			t.Fatal(err)
		}
		var all string
		for deadline := time.After(patience); !strings.Contains(strings.ReplaceAll(all, `"`, "'"), step[1]); {
			select {
			case a := <-c:
				all += a.text
			case <-deadline:
				t.Fatalf("the server did not say %s: %s", step[1], all)
			}
		}
		if strings.Contains(all, "begin") {
			c <- arrival{"begin", time.Now()}
		}
	}
	return c
}

// watchFeed opens the web feed on one address and returns its frames.
func watchFeed(t *testing.T, g *gateway, address string) <-chan arrival {
	t.Helper()
	dialer := websocket.Dialer{Subprotocols: []string{"porchlight.v1.json"}}
	conn, _, err := dialer.Dial(fmt.Sprintf("ws://127.0.0.1:%d/v1/feed", g.web),
		http.Header{"Authorization": {"Bearer demo"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := make(chan arrival, 10000)
	go func() {
		for {
			_, b, err := conn.ReadMessage()
			if err != nil {
				return
			}
			c <- arrival{string(b), time.Now()}
		}
	}()
	err = conn.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"op":"subscribe","ref":1,"addresses":[%q]}`, address))
	if err != nil {
		t.Fatal(err)
	}
	return c
}
