//go:build integration

package realpeers

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// mood is a document with a mood, "" for none.
func mood(name string) string {
	if name == "" {
		return pidf(alice, "open", "", "")
	}
	return rich(alice, "<rpid:mood><rpid:"+name+"/></rpid:mood>")
}

// The last item comes with a login, to one who only watches as well as to one
// who is watched; so does a change after it. A stranger gets nothing.
func TestPEP_LastItemOnLogin(t *testing.T) { onBothServers(t, lastItemOnLogin) }

func lastItemOnLogin(t *testing.T, s xmppServer) {
	g := startGateway(t, config(s))
	g.waitReady()
	a := newPhone(t, g, alice)
	etag := a.publish("", "600", mood("happy")).get("SIP-ETag")
	r := loginPEP(t, s, "romeo", "orchard")
	j := loginPEP(t, s, "juliet", "balcony")
	j.send("<presence type='subscribe' to='alice@sip.example'/>")
	// Nothing is known of her clients yet: her server knows them.
	j.expect("the mood at once", event("mood", "alice@sip.example", map[string]string{"value": "happy"}))
	j.quit()

	etag = a.publish(etag, "600", mood("bored")).get("SIP-ETag")
	j = loginPEP(t, s, "juliet", "chamber")
	j.expect("the mood of now after a login", event("mood", "alice@sip.example", map[string]string{"value": "bored"}))
	etag = a.publish(etag, "600", mood("calm")).get("SIP-ETag")
	j.expect("the next one", event("mood", "alice@sip.example", map[string]string{"value": "calm"}))

	// Bob watches Juliet, who does not watch him: he has shown himself to her
	// alone.
	b := newPhone(t, g, bob)
	j.publish("mood", map[string]any{"value": "proud"})
	d, _ := b.subscribe(juliet, "3600")
	j.expect("a prompt", presence("bob@sip.example", "subscribe"))
	j.send("<presence type='subscribed' to='bob@sip.example'/>")
	d.notify("her last mood", has("active", "<rpid:proud/>"))
	j.publish("mood", map[string]any{"value": "sick"})
	d.notify("the next one, at once", has("active", "<rpid:sick/>"))
	if res := d.refresh("0"); res.code() != 200 {
		t.Fatalf("unsubscribe: %v", res)
	}
	j.publish("mood", map[string]any{"value": "sad"})
	d, _ = b.subscribe(juliet, "3600")
	d.notify("her mood of now", has("active", "<rpid:sad/>"))

	// Clients without an interest get no events, and strangers nothing at all.
	k := login(t, s, "juliet", "plain")
	k.send("<presence/>")
	k.expect("alice", presence("alice@sip.example", ""))
	a.publish(etag, "600", mood("angry"))
	j.expect("angry", event("mood", "alice@sip.example", map[string]string{"value": "angry"}))
	k.never("an event nobody asked for", func(s stanza) bool { return s.Ev == "message" })
	r.command(map[string]string{"cmd": "card", "jid": "alice@sip.example"})
	r.expect("no card for a stranger", func(s stanza) bool { return s.Ev == "failed" && s.What == "card" })
	r.send("<iq type='get' id='x1' to='alice@sip.example'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='http://jabber.org/protocol/mood'/></pubsub></iq>")
	r.expect("no items for a stranger", func(s stanza) bool { return s.ID == "x1" && strings.Contains(s.XML, "presence-subscription-required") })
	r.never("an event of a user he does not watch", func(s stanza) bool { return s.Ev == "pep" || s.Ev == "message" })
}

// Alice is watched by Juliet and offline: she must not be shown, so Juliet's
// items are asked for, and asked for again when Juliet says something.
func TestPEP_WatchedButOffline(t *testing.T) {
	onBothServers(t, func(t *testing.T, s xmppServer) {
		g := startGateway(t, config(s))
		g.waitReady()
		a := newPhone(t, g, alice)
		j := loginPEP(t, s, "juliet", "balcony")
		j.publish("mood", map[string]any{"value": "shy"})
		j.send("<presence type='subscribe' to='alice@sip.example'/>")
		j.expect("subscribed", presence("alice@sip.example", "subscribed"))
		d, _ := a.subscribe(juliet, "3600")
		j.expect("a prompt", presence("alice@sip.example", "subscribe"))
		j.send("<presence type='subscribed' to='alice@sip.example'/>")
		d.notify("her mood, with her presence or after it", has("active", "<rpid:shy/>"))
		j.never("alice, who is offline", presence("alice@sip.example", ""))
		j.publish("mood", map[string]any{"value": "brave"})
		time.Sleep(11 * time.Second) // items are asked for every 10 s at most
		j.command(map[string]string{"cmd": "presence", "show": "away"})
		d.notify("her new mood", has("active", "<rpid:brave/>"))
		j.never("alice, who is offline", presence("alice@sip.example", ""))
	})
}

func TestPEP_Idle(t *testing.T) {
	onBothServers(t, func(t *testing.T, s xmppServer) {
		g := startGateway(t, config(s))
		g.waitReady()
		a := newPhone(t, g, alice)
		j := login(t, s, "juliet", "balcony")
		j.send("<presence/>")
		etag := a.publish("", "600", pidf(alice, "open", "", "")).get("SIP-ETag")
		d := befriend(t, j, a)
		j.send("<presence><show>away</show><idle xmlns='urn:xmpp:idle:1' since='2026-01-02T03:04:05Z'/></presence>")
		d.notify("XEP-0319", has("active", `last-input="2026-01-02T03:04:05Z"`, ">idle<"))
		j.send("<presence/>")
		d.notify("back", func(m sipMessage) bool { return has("active")(m) && !strings.Contains(m.body, "idle") })
		begin := time.Now().UTC().Add(-time.Hour)
		j.send("<presence><show>away</show><query xmlns='jabber:iq:last' seconds='3600'/></presence>")
		n := d.notify("XEP-0256", has("active", ">idle<"))
		m := regexp.MustCompile(`last-input="([^"]*)"`).FindStringSubmatch(n.body)
		if m == nil {
			t.Fatalf("no last input: %s", n.body)
		}
		at, err := time.Parse(time.RFC3339, m[1])
		if err != nil || at.Before(begin.Add(-2*time.Second)) || at.After(time.Now().Add(-time.Hour+time.Second)) {
			t.Errorf("idle since %s, an hour ago was %s", m[1], begin)
		}
		a.publish(etag, "600", rich(alice, `<rpid:user-input last-input="2026-01-02T03:04:05Z">idle</rpid:user-input>`))
		j.expect("alice idle", func(s stanza) bool {
			return presence("alice@sip.example", "")(s) && strings.Contains(s.XML, "2026-01-02T03:04:05Z") && strings.Contains(s.XML, "urn:xmpp:idle:1")
		})
	})
}

// portrait is a picture that no other test has.
func portrait(t *testing.T, seed byte) (data []byte, id string) {
	t.Helper()
	m := image.NewPaletted(image.Rect(0, 0, 48, 48), color.Palette{color.Black, color.RGBA{seed, 100, 200, 255}})
	for i := range m.Pix {
		m.Pix[i] = byte(i/7) % 2
	}
	var b bytes.Buffer
	err := png.Encode(&b, m)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), fmt.Sprintf("%x", sha1.Sum(b.Bytes()))
}

func TestPEP_Avatar(t *testing.T) { onBothServers(t, avatars) }

func avatars(t *testing.T, s xmppServer) {
	g := startGateway(t, config(s))
	g.waitReady()
	a := newPhone(t, g, alice)
	etag := a.publish("", "600", pidf(alice, "open", "", "")).get("SIP-ETag")
	j := loginPEP(t, s, "juliet", "balcony")
	d := befriend(t, j, a)

	// Hers: by eventing, and away again.
	data, id := portrait(t, 1)
	j.publish("avatar_metadata", map[string]any{"base64": base64.StdEncoding.EncodeToString(data)})
	n := d.notify("her picture", has("active", "status-icon", id))
	served(t, n.body, data)
	j.publish("avatar_metadata", nil)
	d.notify("no picture", func(m sipMessage) bool { return has("active")(m) && !strings.Contains(m.body, "status-icon") })

	// His: the item, the data, the card and the hash in presence.
	data, id = portrait(t, 2)
	icon := `<rpid:status-icon>data:image/png;base64,` + base64.StdEncoding.EncodeToString(data) + `</rpid:status-icon>`
	etag = a.publish(etag, "600", rich(alice, icon+`<c:display-name>Alice</c:display-name>`)).get("SIP-ETag")
	j.expect("the hash in his presence", func(s stanza) bool {
		return presence("alice@sip.example", "")(s) && strings.Contains(s.XML, id)
	})
	st := j.expect("his picture announced", func(s stanza) bool { return s.Ev == "pep" && s.What == "avatar_metadata" })
	if st.ID != id || !strings.Contains(st.XML, id) {
		t.Errorf("announced: %s, want %s", st.XML, id)
	}
	j.command(map[string]string{"cmd": "avatar", "jid": "alice@sip.example", "id": id})
	j.expect("his picture", func(s stanza) bool { return s.Ev == "avatar" && s.ID == id })
	j.command(map[string]string{"cmd": "card", "jid": "alice@sip.example"})
	card := j.expect("his card", func(s stanza) bool { return s.Ev == "card" })
	if card.Values["photo"] != id || card.Values["FN"] != "Alice" {
		t.Errorf("card %v", card.Values)
	}
	a.publish(etag, "600", pidf(alice, "open", "", ""))
	j.expect("no picture in his presence", func(s stanza) bool {
		return presence("alice@sip.example", "")(s) && strings.Contains(s.XML, "photo") && !strings.Contains(s.XML, id)
	})
	j.expect("his picture taken back", event("avatar_metadata", "alice@sip.example", nil))
}

// The photo of a card counts for who has no avatar by eventing.
func TestPEP_AvatarOfTheCard(t *testing.T) {
	onBothServers(t, func(t *testing.T, s xmppServer) {
		g := startGateway(t, config(s))
		g.waitReady()
		a := newPhone(t, g, alice)
		j := loginPEP(t, s, "juliet", "balcony")
		d := befriend(t, j, a)
		data, id := portrait(t, 3)
		j.command(map[string]string{"cmd": "photo", "base64": base64.StdEncoding.EncodeToString(data)})
		n := d.notify("her photo", has("active", "status-icon", id))
		served(t, n.body, data)
	})
}

// served checks that the status-icon of a document leads to data.
func served(t *testing.T, body string, data []byte) {
	t.Helper()
	m := regexp.MustCompile(`<rpid:status-icon[^>]*>([^<]*)<`).FindStringSubmatch(body)
	if m == nil {
		t.Fatalf("no status-icon: %s", body)
	}
	res, err := http.Get(m[1])
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var b bytes.Buffer
	_, err = b.ReadFrom(res.Body)
	if err != nil || !bytes.Equal(b.Bytes(), data) {
		t.Errorf("%s: %d, %d bytes, %v", m[1], res.StatusCode, b.Len(), err)
	}
	if !strings.Contains(body, fmt.Sprintf(`fsize="%d"`, len(data))) || !strings.Contains(body, `contenttype="image/png"`) {
		t.Errorf("OMA's attributes: %s", body)
	}
}

// After a restart of the server events go on, both ways, and what was cleared
// meanwhile is cleared.
func TestPEP_ServerRestart(t *testing.T) {
	onBothServers(t, func(t *testing.T, s xmppServer) {
		g := startGateway(t, config(s))
		g.waitReady()
		a := newPhone(t, g, alice)
		etag := a.publish("", "600", mood("happy")).get("SIP-ETag")
		j := loginPEP(t, s, "juliet", "balcony")
		d := befriend(t, j, a)
		j.expect("happy", event("mood", "alice@sip.example", map[string]string{"value": "happy"}))
		j.publish("mood", map[string]any{"value": "proud"})
		d.notify("proud", has("active", "<rpid:proud/>"))
		j.quit()
		d.notify("juliet leaves", has("active", "<basic>closed</basic>"))
		s.Stop()
		eventually(t, "the gateway notices", func() bool {
			code, _ := g.get("/readyz")
			return code == 503
		})
		etag = a.publish(etag, "600", mood("")).get("SIP-ETag")
		s.Start()
		g.waitReady()
		j = loginPEP(t, s, "juliet", "balcony")
		j.expect("no mood any more", event("mood", "alice@sip.example", nil))
		a.publish(etag, "600", mood("calm"))
		j.expect("calm", event("mood", "alice@sip.example", map[string]string{"value": "calm"}))
		d.notify("juliet is back", has("active", "<basic>open</basic>"))
		j.publish("mood", map[string]any{"value": "sad"})
		d.notify("sad", has("active", "<rpid:sad/>"))
	})
}
