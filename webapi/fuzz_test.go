package webapi

import (
	"testing"

	"github.com/gorilla/websocket"

	"github.com/porchlight-im/porchlight/webapi/wire"
)

// FuzzRequest sends any frame as an authenticated client: it is answered, or
// it ends the feed with a code that says why, and the port serves on.
func FuzzRequest(f *testing.F) {
	for _, s := range []string{`{"op":"ping","ref":1}`, `{"op":"subscribe","addresses":["sip:a@open.example","x"]}`,
		`{"op":"unsubscribe","addresses":["sip:a@open.example"]}`, `{"op":"authorize","watcher":"sip:b@b","answer":"allow"}`,
		`{"op":"publish","presence":{"availability":"available","note":{"text":"x"}},"expires_s":9}`, `{"op":"unpublish"}`,
		`{"op":"auth","token":"x"}`, `{"op":1}`, `[]`, `null`, `"`, "{\"op\":\"\xff\"}", `{"OP":"ping","ref":1e99}`} {
		f.Add([]byte(s), true)
	}
	w := newWorld(f, func(c *Config) { c.Limits = Limits{FramesPerMinute: 1 << 20, PerToken: 1 << 20} })
	f.Fuzz(func(t *testing.T, b []byte, text bool) {
		w.t = t
		defer func() { w.t = f }()
		c := w.connect("tj")
		kind := websocket.BinaryMessage
		if text {
			kind = websocket.TextMessage
		}
		_ = c.ws.WriteMessage(kind, b) // if it ends the feed, the next fails
		_ = c.ws.WriteMessage(websocket.TextMessage, []byte(`{"op":"ping","ref":4711}`))
		for answers := 0; ; {
			fr, err := c.read()
			switch {
			case websocket.IsCloseError(err, unsupported, notUTF8, tooBig):
				return
			case err != nil:
				t.Fatalf("%q ended the feed: %v", b, err)
			case fr.Op == wire.OpPong && fr.Ref == 4711:
				if answers == 0 {
					t.Fatalf("%q was not answered", b)
				}
				return
			case fr.Op != wire.OpPresence && fr.Op != wire.OpState:
				answers++
			}
		}
	})
}
