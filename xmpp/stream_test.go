package xmpp

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	mcomponent "mellium.im/xmpp/component"
	"mellium.im/xmpp/jid"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/bridge/bridgetest"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

// The fake server is held against another implementation of the protocol.
func TestFakeServer_AgreesWithMellium(t *testing.T) {
	srv := bridgetest.NewComponentServer(t, "sip.example", "s3cret")
	for secret, ok := range map[string]bool{"s3cret": true, "wrong": false} {
		conn, err := srv.Dial(t.Context(), "tcp", "x:1")
		if err != nil {
			t.Fatal(err)
		}
		_, err = mcomponent.NewSession(t.Context(), jid.MustParse("sip.example"), []byte(secret), conn)
		if (err == nil) != ok {
			t.Errorf("secret %q: %v", secret, err)
		}
		conn.Close()
	}
}

func TestStream_WrongSecretBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.stop()
		w.srv.SetSecret("other")
		before := len(w.srv.Dials())
		w.start()
		defer w.stop()
		w.wait()
		err := w.port.Ready()
		if err == nil || !strings.Contains(err.Error(), "sip.example") || !strings.Contains(err.Error(), "not-authorized") {
			t.Errorf("Ready: %v", err)
		}
		if h := hint(err); !strings.Contains(h, "secret") {
			t.Errorf("hint %q", h)
		}
		time.Sleep(10 * time.Minute)
		dials := w.srv.Dials()[before:]
		if n := len(dials); n < 10 || n > 20 {
			t.Errorf("%d attempts in ten minutes", n)
		}
		for i := 1; i < len(dials); i++ {
			gap := dials[i].Sub(dials[i-1])
			if gap < time.Second || gap > 76*time.Second || i > 7 && gap < time.Minute {
				t.Errorf("wait %d is %v", i, gap)
			}
		}
		w.srv.SetSecret("s3cret")
		time.Sleep(2 * time.Minute)
		if err := w.port.Ready(); err != nil {
			t.Errorf("Ready after the cure: %v", err)
		}
	})
}

func TestStream_OtherFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.stop()
		w.wait()
		w.srv.Send("<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
		w.wait()
		err := w.port.Ready()
		if err == nil || !strings.Contains(hint(err), "second gateway") {
			t.Errorf("%v: hint %q", err, hint(err))
		}
		time.Sleep(2 * time.Second)
		w.srv.Down(errors.New("connection refused"))
		w.wait()
		if err := w.port.Ready(); err == nil {
			t.Error("ready without a server")
		}
		w.srv.Down(nil)
		time.Sleep(2 * time.Minute)
		if err := w.port.Ready(); err != nil {
			t.Error(err)
		}
	})
}

func TestStream_HalfDeadConnectionIsNoticed(t *testing.T) {
	inWorld(t, func(w *world) {
		time.Sleep(10 * time.Minute) // pings keep a quiet stream
		if n := w.srv.Joins(); n != 1 {
			t.Fatalf("%d joins", n)
		}
		w.srv.Freeze()
		time.Sleep(keepAlive + pongTimeout + time.Second)
		if w.port.Ready() == nil {
			t.Error("a dead connection was not noticed")
		}
		w.srv.Thaw()
		time.Sleep(time.Minute)
		if err := w.port.Ready(); err != nil {
			t.Error(err)
		}
	})
}

// ejabberd answers on any stream of a listener: one that is quiet because its
// pings are answered on the other is not dead, and is noticed when it is.
func TestStream_AnsweredOnTheOtherStream(t *testing.T) {
	inWorld(t, func(w *world) {
		w.far.Answer(func(st bridgetest.Stanza) string {
			pong := bridgetest.AnswerPings(st)
			if pong != "" {
				err := w.srv.Send("%s", pong)
				if err != nil {
					t.Error(err)
				}
			}
			return ""
		})
		time.Sleep(time.Hour)
		if n := w.far.Joins(); n != 1 {
			t.Errorf("%d joins", n)
		}
		w.far.Freeze()
		time.Sleep(2*(keepAlive+pongTimeout) + 5*time.Second)
		if w.far.Joins() == 1 {
			t.Error("a dead connection was not noticed")
		}
	})
}

func TestStream_KilledInTheMiddle(t *testing.T) {
	befriended(t, func(w *world, tag string) {
		w.watch(bob, juliet, time.Hour)
		w.send(julietApproves, julietHere)
		w.watch(carol, juliet, time.Hour)
		w.send(strings.ReplaceAll(julietApproves, "bob", "carol"), strings.ReplaceAll(julietHere, "bob", "carol"))
		w.last(bob)
		w.srv.Forget()

		w.srv.Kill()
		tag = w.publish(alice, tag, open("laptop", "meanwhile 1"))
		w.publish(alice, tag, open("laptop", "meanwhile 2"))
		if it, ok := w.last(bob); ok {
			t.Errorf("bob was told %+v though nothing is known", it)
		}
		time.Sleep(3 * time.Second)
		got := w.srv.Stanzas()
		w.srv.Forget()
		lines := make(map[string]int)
		for _, st := range got {
			lines[short(st)]++
			if st.From == "alice@sip.example/laptop" && !st.Has("meanwhile 2") {
				t.Errorf("an old state: %s", st.XML)
			}
		}
		for want, n := range map[string]int{
			"unavailable alice@sip.example/phone>romeo@im.example": 1,
			"probe bob@sip.example>juliet@im.example":              1,
			"probe carol@sip.example>juliet@im.example":            1,
			"subscribe bob@sip.example>juliet@im.example":          0,
		} {
			if lines[want] != n {
				t.Errorf("%s: %d times, want %d; all: %v", want, lines[want], n, lines)
			}
		}
		if lines["presence alice@sip.example/laptop>romeo@im.example"] == 0 {
			t.Errorf("the new state was not sent: %v", lines)
		}
		// Carol's probe is answered, bob's is not: for bob, juliet is gone.
		w.send(strings.ReplaceAll(julietHere, "bob", "carol"))
		time.Sleep(2*probePatience + 2*time.Second)
		_, view := w.hub.Standing(bobJuliet)
		if view == nil || anyOpen(view.State) {
			t.Errorf("bob still sees juliet: %+v", view)
		}
		_, view = w.hub.Standing(bridge.Leg{Watcher: carol, Presentity: juliet})
		if view == nil || !anyOpen(view.State) {
			t.Errorf("carol does not see juliet: %+v", view)
		}
	})
}

func TestStream_SilentServerClosesNobody(t *testing.T) {
	following(t, func(w *world) {
		w.srv.Answer(func(st bridgetest.Stanza) string {
			if !st.Has("urn:xmpp:ping") {
				return ""
			}
			return fmt.Sprintf("<iq type='error' id='%s' from='%s' to='%s'><error type='wait'><remote-server-timeout xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>", st.ID, st.To, st.From)
		})
		w.srv.Kill()
		time.Sleep(time.Minute)
		if _, view := w.hub.Standing(bobJuliet); view == nil || !anyOpen(view.State) {
			t.Error("juliet was closed though her server is out of reach")
		}
		w.srv.Answer(bridgetest.AnswerPings)
		time.Sleep(time.Minute)
		if _, view := w.hub.Standing(bobJuliet); view == nil || anyOpen(view.State) {
			t.Error("juliet was not closed though her server is back")
		}
	})
}

func TestStream_NothingIsLostWhileDown(t *testing.T) {
	inWorld(t, func(w *world) {
		w.send(subscribeAlice)
		w.srv.Kill()
		w.allow(romeo, alice)
		w.watch(bob, juliet, time.Hour)
		time.Sleep(3 * time.Second)
		got := map[string]bool{}
		for _, st := range w.srv.Stanzas() {
			got[short(st)] = true
		}
		for _, want := range []string{"subscribed alice@sip.example>romeo@im.example", "subscribe bob@sip.example>juliet@im.example"} {
			if !got[want] {
				t.Errorf("no %s in %v", want, got)
			}
		}
	})
}

func TestStream_FloodEndsInTheLastState(t *testing.T) {
	befriended(t, func(w *world, tag string) {
		w.watch(bob, juliet, time.Hour)
		w.send(julietApproves)
		var b strings.Builder
		for i := range 1000 {
			fmt.Fprintf(&b, "<presence from='juliet@im.example/balcony' to='bob@sip.example'><status>wave %d</status></presence>", i)
		}
		w.send(b.String())
		for i := range 1000 {
			tag = w.publish(alice, tag, open("phone", fmt.Sprintf("flood %d", i)))
		}
		w.wait()
		_, view := w.hub.Standing(bobJuliet)
		if view == nil || view.State.Services[0].Notes[0].Text != "wave 999" {
			t.Errorf("bob sees %+v", view)
		}
		all := w.srv.Stanzas()
		if last := all[len(all)-1]; !last.Has("flood 999") {
			t.Errorf("romeo's last is %s", last.XML)
		}
	})
}

func TestStream_HostileStanzasCostOnlyThemselves(t *testing.T) {
	inWorld(t, func(w *world) {
		big := strings.Repeat("x", 600<<10)
		w.send(
			"<presence from='☃@im.example' to='alice@sip.example' type='subscribe'/>",
			"<presence from='@im.example' to='alice@sip.example' type='subscribe'/>",
			"<presence from='romeo@im.example/' to='alice@sip.example' type='probe'/>",
			"<presence from='romeo@im_x.example' to='alice@sip.example'/>",
			"<presence/>", "<presence from='' to=''/>", "<presence from='romeo@im.example'/>",
			"<presence from='romeo@im.example' to='☃@sip.example' type='subscribe'/>",
			"<iq/>", "<iq type='get' from='romeo@im.example' to='sip.example'/>",
			"<iq type='get' id='i1' from='romeo@im.example' to='sip.example'>text</iq>",
			"<!-- a comment --><?pi?>", "<nonsense xmlns='urn:x'><deep/></nonsense>",
			"<presence from='romeo@im.example' to='alice@sip.example'><status>&undefined;</status></presence>",
			"<presence from='romeo@im.example' to='alice@sip.example'><status>\xff\x00</status></presence>",
			"<presence from='romeo@im.example' to='alice@sip.example'><a></b></presence>",
			"<message from='romeo@im.example' to='alice@sip.example'><body>"+big+"</body></message>",
			"<presence from='romeo@im.example' to='alice@sip.example'>"+strings.Repeat("<a>", 20000)+strings.Repeat("</a>", 20000)+"</presence>",
			"<presence from='"+strings.Repeat("r", 5000)+"@im.example' to='alice@sip.example' type='subscribe'/>",
		)
		time.Sleep(time.Second)
		if w.srv.Joins() != 1 || w.port.Ready() != nil {
			t.Fatalf("the stream has ended: %v", w.port.Ready())
		}
		w.srv.Forget()
		w.publish(alice, "", open("phone", ""))
		w.allow(romeo, alice)
		w.send(subscribeAlice)
		w.expect("subscribed alice@sip.example>romeo@im.example", "presence alice@sip.example/phone>romeo@im.example")
	})
}

func TestStream_StrangeAddresses(t *testing.T) {
	inWorld(t, func(w *world) {
		omalley := presence.Addr{Scheme: presence.SIP, User: "o'malley", Host: "sip.example"}
		w.publish(omalley, "", open("🏖 beach", "at sea"))
		w.allow(romeo, omalley)
		w.send(`<presence type='subscribe' from='romeo@im.example' to='o\27malley@sip.example'/>`)
		got := w.srv.Stanzas()
		w.srv.Forget()
		if len(got) != 2 || short(got[0]) != `subscribed o\27malley@sip.example>romeo@im.example` {
			t.Fatalf("stanzas %v", got)
		}
		// An emoji is no legal resource everywhere: ejabberd ends the stream.
		if from := got[1].From; !strings.HasPrefix(from, `o\27malley@sip.example/`) || strings.Contains(from, "🏖") {
			t.Errorf("from %q", from)
		}
		w.watch(bob, juliet, time.Hour)
		w.send(julietApproves, "<presence from='juliet@im.example/🌙' to='bob@sip.example'/>")
		_, view := w.hub.Standing(bobJuliet)
		if view == nil || !anyOpen(view.State) {
			t.Errorf("a resource with an emoji is not seen: %+v", view)
		}
		w.send("<iq type='get' id='1' from='juliet@im.example/🌙' to='sip.example'><ping xmlns='urn:xmpp:ping'/></iq>")
		w.expect("subscribe bob@sip.example>juliet@im.example", "probe bob@sip.example>juliet@im.example", "iq result sip.example>juliet@im.example/🌙")
	})
}

func TestStream_ServerThatDoesNotRead(t *testing.T) {
	a := newAnswers(mustMetrics(t))
	for range 100_000 {
		a.add("iq", func(dst []byte) []byte { return append(dst, make([]byte, 1000)...) })
	}
	if n := len(a.take(nil)); n > maxAnswers+2000 {
		t.Errorf("%d bytes kept", n)
	}
}

func mustMetrics(t *testing.T) *metrics {
	t.Helper()
	m, err := newMetrics(nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
