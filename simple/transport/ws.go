package transport

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"
)

// wsWire is a WebSocket that carries one SIP message per message (RFC 7118).
type wsWire struct {
	conn *websocket.Conn
	raw  net.Conn
}

// maxUpgrade bounds the HTTP request of a WebSocket handshake.
const maxUpgrade = 16 << 10

var errNoSubprotocol = errors.New("WebSocket without subprotocol sip")

// writeBuffers are shared, so that an idle connection holds none.
var writeBuffers sync.Pool

var upgrader = websocket.Upgrader{
	Subprotocols:    []string{"sip"}, // RFC 7118 §4.1
	ReadBufferSize:  1 << 10,
	WriteBufferSize: 4 << 10,
	WriteBufferPool: &writeBuffers,
	// Requests are authenticated one by one; the Origin of a page says
	// nothing about who speaks.
	CheckOrigin: func(*http.Request) bool { return true },
}

// upgradeWS reads an HTTP upgrade and answers it. The connection's deadline
// bounds it.
func (t *Transport) upgradeWS(conn, raw net.Conn) (wire, error) {
	br := bufio.NewReaderSize(io.LimitReader(conn, maxUpgrade), 2<<10)
	req, err := http.ReadRequest(br)
	if err != nil {
		return nil, err
	}
	h := &hijack{conn: conn, br: br, header: make(http.Header)}
	offered := false
	for _, p := range websocket.Subprotocols(req) {
		offered = offered || p == "sip"
	}
	if !offered {
		http.Error(h, errNoSubprotocol.Error(), http.StatusBadRequest)
		return nil, errNoSubprotocol
	}
	c, err := upgrader.Upgrade(h, req, nil)
	if err != nil {
		return nil, err
	}
	return t.newWS(c, raw), conn.SetDeadline(time.Time{})
}

func (t *Transport) newWS(c *websocket.Conn, raw net.Conn) *wsWire {
	c.SetReadLimit(int64(t.lim.StreamMessage + maxHead))
	return &wsWire{conn: c, raw: raw}
}

// dialWS is the client's side of the handshake, on a connection that is made.
func (t *Transport) dialWS(ctx context.Context, s *stream, conn, raw net.Conn) (wire, error) {
	host := s.host
	if host == "" {
		host = s.remote.Addr().String()
	}
	d := websocket.Dialer{
		Subprotocols:   []string{"sip"},
		NetDialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil },
		ReadBufferSize: 1 << 10, WriteBufferSize: 4 << 10, WriteBufferPool: &writeBuffers,
	}
	// TLS, if any, is done already.
	u := url.URL{Scheme: "ws", Host: joinHostPort(host, int(s.remote.Port())), Path: "/"}
	c, res, err := d.DialContext(ctx, u.String(), nil)
	if err != nil {
		return nil, err
	}
	res.Body.Close()
	if c.Subprotocol() != "sip" {
		c.Close()
		return nil, errNoSubprotocol
	}
	return t.newWS(c, raw), nil
}

func (w *wsWire) close() { w.raw.Close() }

func (w *wsWire) write(msgs [][]byte, deadline time.Time) error {
	err := w.conn.SetWriteDeadline(deadline)
	if err != nil {
		return err
	}
	for _, b := range msgs {
		kind := websocket.TextMessage
		if !utf8.Valid(b) {
			kind = websocket.BinaryMessage // RFC 7118 §5: both are allowed
		}
		err = w.conn.WriteMessage(kind, b)
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *wsWire) read(s *stream) error {
	deadline := time.Until(s.firstDeadline())
	w.conn.SetPingHandler(func(data string) error {
		err := w.conn.SetReadDeadline(time.Now().Add(s.t.lim.Idle))
		if err != nil {
			return err
		}
		err = w.conn.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(s.t.lim.Write))
		if errors.Is(err, websocket.ErrCloseSent) {
			return nil
		}
		return err
	})
	for {
		err := w.conn.SetReadDeadline(time.Now().Add(deadline))
		if err != nil {
			return err
		}
		_, r, err := w.conn.NextReader()
		if err != nil {
			return err
		}
		err = w.conn.SetReadDeadline(time.Now().Add(s.t.lim.Message))
		if err != nil {
			return err
		}
		b, err := s.readAll(r)
		if err != nil {
			return err
		}
		deadline = s.t.lim.Idle
		s.wsMessage(b)
	}
}

// readAll reads one WebSocket message within the common bound.
func (s *stream) readAll(r io.Reader) ([]byte, error) {
	part := partial{t: s.t}
	defer part.hold(0)
	b := make([]byte, 0, 2<<10)
	for {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return nil, err
		}
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
			if !part.hold(cap(b)) {
				return nil, errTooMuch
			}
		}
	}
}

// wsMessage takes one WebSocket message: RFC 7118 §5 puts one whole SIP
// message in it, so that Content-Length is not needed for framing.
func (s *stream) wsMessage(b []byte) {
	n := 0
	for n < len(b) && (b[n] == '\r' || b[n] == '\n') {
		n++
	}
	if n == len(b) {
		if n == 4 {
			s.pong()
		}
		return
	}
	head, body := cutHead(b[n:])
	if len(head) > maxHead {
		return
	}
	s.t.receive(head, body, s, s.remote)
}

// hijack lets gorilla upgrade a connection on which we have read the request
// ourselves, so that no http.Server with its goroutines is needed.
type hijack struct {
	conn   net.Conn
	br     *bufio.Reader
	header http.Header
	code   int
}

func (h *hijack) Header() http.Header { return h.header }

func (h *hijack) WriteHeader(code int) { h.code = code }

// Write sends the refusal of a handshake.
func (h *hijack) Write(b []byte) (int, error) {
	res := http.Response{
		StatusCode: h.code, ProtoMajor: 1, ProtoMinor: 1, Header: h.header,
		ContentLength: 0, Close: true,
	}
	return len(b), res.Write(h.conn)
}

func (h *hijack) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.conn, bufio.NewReadWriter(h.br, bufio.NewWriterSize(h.conn, 1<<10)), nil
}
