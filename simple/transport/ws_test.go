package transport_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/porchlight-im/porchlight/bridge/bridgetest"
	"github.com/porchlight-im/porchlight/simple/transport"
)

const wsAddr = "10.0.0.1:5080"

// browser opens a WebSocket.
func browser(t testing.TB, n *bridgetest.Network, protocols ...string) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	// So small a buffer makes frames of 100 bytes.
	d := websocket.Dialer{Subprotocols: protocols, NetDialContext: n.Dial, WriteBufferSize: 100}
	c, res, err := d.Dial("ws://"+wsAddr+"/", nil)
	if err == nil {
		t.Cleanup(func() { c.Close() })
	}
	return c, res, err
}

func openWS(t testing.TB, n *bridgetest.Network) *websocket.Conn {
	t.Helper()
	c, _, err := browser(t, n, "sip")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func wsHear(t testing.TB, c *websocket.Conn) string {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(time.Minute))
	kind, b, err := c.ReadMessage()
	if err != nil {
		t.Fatal(err)
	}
	if kind != websocket.TextMessage {
		return "binary " + string(b)
	}
	return string(b)
}

// RFC 7118, defect T12; the browser sends each message in several frames.
func TestWebSocket(t *testing.T) {
	bubble(t, func(t *testing.T, n *bridgetest.Network) {
		start(t, transport.Config{
			Listen: []string{"ws://" + wsAddr}, Net: n,
			Handler: func(_ context.Context, r *transport.Request) { r.Reply(transport.Reply{Code: 200, Body: r.Body()}) },
		})
		c := openWS(t, n)
		if c.Subprotocol() != "sip" {
			t.Errorf("subprotocol %q", c.Subprotocol())
		}
		var pong string
		c.SetPongHandler(func(s string) error { pong = s; return nil })
		raw := publish("WS", "z9hG4bK1")
		for _, kind := range []int{websocket.TextMessage, websocket.BinaryMessage} {
			c.WriteMessage(kind, []byte(raw))
			hasLines(t, wsHear(t, c), "SIP/2.0 200 OK\r\nVia: SIP/2.0/WS 192.0.2.7:5060;branch=z9hG4bK1;received=127.0.0.1;rport=")
		}
		c.WriteControl(websocket.PingMessage, []byte("hello"), time.Time{})
		c.WriteMessage(websocket.TextMessage, []byte(raw))
		hasLines(t, wsHear(t, c), "SIP/2.0 200 OK")
		if pong != "hello" {
			t.Errorf("pong %q", pong)
		}
		c.WriteMessage(websocket.TextMessage, []byte("\r\n\r\n"))
		if got := wsHear(t, c); got != "\r\n" {
			t.Errorf("keep-alive: %q", got)
		}
		// Content-Length is not needed (RFC 7118 §5.3), 40 kB are no matter.
		long := strings.Replace(publish("WS", "z9hG4bK2"), "Content-Length: 0\r\n", "", 1) + strings.Repeat("z", 40000)
		c.WriteMessage(websocket.TextMessage, []byte(long))
		hasLines(t, wsHear(t, c), "Content-Length: 40000\r\n")
		c.WriteMessage(websocket.BinaryMessage, []byte(long[:len(long)-39999]+"\xff"))
		hasLines(t, wsHear(t, c), "")
		for _, bad := range []string{strings.Replace(raw, "To: <", "To: ", 1), "nonsense", ""} {
			c.WriteMessage(websocket.TextMessage, []byte(bad))
		}
		hasLines(t, wsHear(t, c), "SIP/2.0 400 To: ")
		c.WriteMessage(websocket.TextMessage, []byte(publish("WS", "z9hG4bK3")))
		hasLines(t, wsHear(t, c), "SIP/2.0 200 OK", "z9hG4bK3")
		c.WriteMessage(websocket.TextMessage, make([]byte, 2<<20))
		_, _, err := c.ReadMessage()
		if !websocket.IsCloseError(err, websocket.CloseMessageTooBig) {
			t.Errorf("after 2 MiB: %v", err)
		}
	})
}

func TestWebSocketHandshake(t *testing.T) {
	bubble(t, func(t *testing.T, n *bridgetest.Network) {
		tr := start(t, transport.Config{Listen: []string{"ws://" + wsAddr}, Net: n})
		for _, protocols := range [][]string{nil, {"xmpp"}} {
			_, res, err := browser(t, n, protocols...)
			if !errors.Is(err, websocket.ErrBadHandshake) || res.StatusCode != 400 {
				t.Errorf("%v: %v %v", protocols, res, err)
			}
		}
		if _, _, err := browser(t, n, "xmpp", "sip"); err != nil {
			t.Error(err)
		}
		for _, junk := range []string{
			"GET / HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Protocol: sip\r\n\r\n", "\x00\x01\x02\r\n\r\n",
			"GET / HTTP/1.1\r\n" + strings.Repeat("X: "+strings.Repeat("y", 100)+"\r\n", 1000),
		} {
			l := newLine(t, n, "10.0.0.2:0", wsAddr)
			go l.Write([]byte(junk))
			l.SetReadDeadline(time.Now().Add(10 * time.Second))
			_, err := io.ReadAll(l)
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				t.Errorf("%.40q: still open", junk)
			}
		}
		synctest.Wait()
		if tr.Connections() != 1 {
			t.Errorf("%d connections", tr.Connections())
		}
	})
}

// A NOTIFY goes back on the WebSocket its SUBSCRIBE came on, and we can be
// the client too.
func TestSendOnWebSocket(t *testing.T) {
	bubble(t, func(t *testing.T, n *bridgetest.Network) {
		flows := make(chan transport.Flow, 9)
		tr := start(t, transport.Config{
			Listen: []string{"ws://" + wsAddr}, Net: n,
			Handler: func(_ context.Context, r *transport.Request) {
				flows <- r.Flow
				r.Reply(transport.Reply{Code: 200})
			},
		})
		c := openWS(t, n)
		c.WriteMessage(websocket.TextMessage, []byte(request("SUBSCRIBE", "WS", "z9hG4bK1")))
		wsHear(t, c)
		f := <-flows
		m := notify("sip:bob@df7jal23ls0d.invalid;transport=ws", "x\xff")
		m.Flow = &f
		ch := send(tr, m)
		req := wsHear(t, c)
		hasLines(t, req, "binary NOTIFY sip:bob@example.net SIP/2.0\r\nVia: SIP/2.0/WS "+wsAddr+";branch=z9hG4bK")
		c.WriteMessage(websocket.TextMessage, []byte(responseTo(strings.TrimPrefix(req, "binary "), 200)))
		if a := await(t, ch); a.code() != 200 {
			t.Errorf("got %d, %v", a.code(), a.err)
		}
		hostport, param := tr.Contact(&f)
		if hostport != wsAddr || param != "ws" {
			t.Errorf("Contact %s;transport=%s", hostport, param)
		}
		client := start(t, transport.Config{Net: n})
		if a := await(t, send(client, notify("sip:"+wsAddr+";transport=ws", "x"))); a.code() != 200 {
			t.Errorf("as a client: %d, %v", a.code(), a.err)
		}
	})
}
