package webapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/webapi/wire"
)

func TestREST(t *testing.T) {
	const own = "/v1/presence/" + juli
	for _, tc := range []struct {
		name, method, path, token, body string
		code                            int
		says                            string
	}{
		{"snapshot", "GET", "/v1/presence/" + alice, "tj", "", 200, `"state":"active","rev":`},
		{"escaped path", "GET", "/v1/presence/sip%3Aalice%40open.example", "tj", "", 200, alice},
		{"without scheme", "GET", "/v1/presence/alice@open.example", "tj", "", 200, alice},
		{"pending", "GET", "/v1/presence/" + bob, "tj", "", 200, `"state":"pending","rev":0,"presence":null`},
		{"denied", "GET", "/v1/presence/" + carl, "tj", "", 403, `"code":"forbidden"`},
		{"unknown", "GET", "/v1/presence/sip:x@nowhere.example", "tj", "", 404, `"code":"not_found"`},
		{"not an address", "GET", "/v1/presence/here", "tj", "", 400, `"code":"malformed"`},
		{"no token", "GET", "/v1/presence/" + alice, "", "", 401, `"code":"unauthenticated"`},
		{"unknown token", "GET", "/v1/presence/" + alice, "zz", "", 401, `"code":"unauthenticated"`},
		{"publish", "PUT", own, "tj", `{"availability":"available"}`, 200, `"etag":"`},
		{"publish for a while", "PUT", own + "?expires=60", "tj", `{}`, 200, `"expires_s":60`},
		{"publish for no time", "PUT", own + "?expires=0", "tj", `{}`, 400, `expires`},
		{"publish for ever", "PUT", own + "?expires=99999999999", "tj", `{}`, 400, `expires`},
		{"publish for another", "PUT", "/v1/presence/" + alice, "tj", `{}`, 403, `"code":"forbidden"`},
		{"publish nonsense", "PUT", own, "tj", `{"availability":"purple"}`, 400, `"code":"malformed"`},
		{"publish too much", "PUT", own, "tj", `{"x":"` + strings.Repeat("x", 17<<10) + `"}`, 413, `"code":"too_large"`},
		{"publish where we are not home", "PUT", "/v1/presence/xmpp:x@jabber.example", "tx", `{}`, 404, `"code":"not_found"`},
		{"unpublish nothing", "DELETE", own, "tj", "", 204, ""},
		{"unpublish another", "DELETE", "/v1/presence/" + alice, "tj", "", 403, `"code":"forbidden"`},
		{"another method", "POST", own, "tj", "", 405, ""},
		{"another path", "GET", "/v2", "tj", "", 404, ""},
		{"feed without upgrade", "GET", "/v1/feed", "tj", "", 400, `"code":"malformed"`},
		{"health", "GET", "/healthz", "", "", 200, "alive"},
		{"ready", "GET", "/readyz", "", "", 200, `"web":"ready"`},
		{"metrics", "GET", "/metrics", "", "", 200, "porchlight_web_feeds_current 0"},
		{"page", "GET", "/", "", "", 200, "<html"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				w.publish(alice, "", "hi")
				res, body := w.http(tc.method, tc.path, tc.token, tc.body)
				if res.StatusCode != tc.code || !strings.Contains(body, tc.says) {
					t.Errorf("got %d %s, want %d with %s", res.StatusCode, body, tc.code, tc.says)
				}
				if res.Header.Get("Content-Security-Policy") == "" || res.Header.Get("X-Content-Type-Options") != "nosniff" {
					t.Errorf("without protection: %v", res.Header)
				}
				if tc.code >= 400 && tc.says != "" && !isProblem(res, body, tc.code) {
					t.Errorf("not a problem document (RFC 9457): %v %s", res.Header, body)
				}
				if tc.code == 401 && !strings.HasPrefix(res.Header.Get("WWW-Authenticate"), "Bearer") {
					t.Errorf("401 without WWW-Authenticate")
				}
			})
		})
	}
}

func isProblem(res *http.Response, body string, code int) bool {
	var p wire.Problem
	err := json.Unmarshal([]byte(body), &p)
	return err == nil && p.Status == code && p.Title != "" && res.Header.Get("Content-Type") == "application/problem+json"
}

// PUT replaces what PUT has published; the entity-tag guards against another
// client's change; DELETE removes it.
func TestREST_Publication(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		const own = "/v1/presence/" + alice
		put := func(note, tag string) (int, string) {
			head := http.Header{}
			if tag != "" {
				head.Set("If-Match", tag)
			}
			res, _ := w.httpHead("PUT", own, "ta", `{"note":{"text":"`+note+`"}}`, head)
			return res.StatusCode, res.Header.Get("ETag")
		}
		_, first := put("one", "")
		code, second := put("two", "")
		if got := w.note(t, alice); code != 200 || got != "two" || first == second {
			t.Errorf("got %d, %q, tags %s and %s", code, got, first, second)
		}
		if code, _ = put("three", first); code != 412 {
			t.Errorf("an old tag: %d, want 412", code)
		}
		if code, _ = put("three", second); code != 200 || w.note(t, alice) != "three" {
			t.Errorf("the tag: %d, %q", code, w.note(t, alice))
		}
		time.Sleep(defaultExpires + time.Second)
		if got := w.note(t, alice); got != "" {
			t.Errorf("after it has expired: %q", got)
		}
		if code, _ = put("four", ""); code != 200 || w.note(t, alice) != "four" {
			t.Errorf("after that: %d, %q", code, w.note(t, alice))
		}
		res, _ := w.http("DELETE", own, "ta", "")
		if got := w.note(t, alice); res.StatusCode != 204 || got != "" {
			t.Errorf("DELETE: %d, %q", res.StatusCode, got)
		}
	})
}

// The snapshot of a foreign presentity waits for its home, for a while.
func TestREST_ForeignFetch(t *testing.T) {
	leg := bridge.Leg{Watcher: addr(juli), Presentity: addr(romeo)}
	t.Run("answered", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			time.AfterFunc(time.Second, func() {
				w.hub.Deliver(leg, "c", func(*presence.State) *presence.State {
					return &presence.State{Notes: []presence.Note{{Text: "hello"}}}
				})
			})
			res, body := w.http("GET", "/v1/presence/"+romeo, "tj", "")
			if res.StatusCode != 200 || !strings.Contains(body, "hello") || !strings.Contains(body, `"active"`) {
				t.Errorf("got %d %s", res.StatusCode, body)
			}
		})
	})
	t.Run("not answered", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			start := time.Now()
			res, body := w.http("GET", "/v1/presence/"+romeo, "tj", "")
			if res.StatusCode != 200 || !strings.Contains(body, `"pending"`) || time.Since(start) > fetchPatience {
				t.Errorf("got %d %s after %v", res.StatusCode, body, time.Since(start))
			}
		})
	})
}

// A client that sends its request slowly, or none, is not waited for.
func TestHTTP_SlowRequest(t *testing.T) {
	for _, head := range []string{"", "GET /healthz HTTP/1.1\r\nHost:", "PUT /v1/presence/" + juli + " HTTP/1.1\r\nHost: x\r\n" +
		"Authorization: Bearer tj\r\nContent-Length: 100\r\n\r\n{"} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			nc, err := w.net.Dial(context.Background(), "tcp", "127.0.0.1:8080")
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			_, err = nc.Write([]byte(head))
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			_, err = io.Copy(io.Discard, nc) // until the server closes
			if took := time.Since(start); err != nil || took > requestTimeout+time.Second {
				t.Errorf("%q: %v after %v", head, err, took)
			}
		})
	}
}

// readyz names the port that does not serve.
func TestReady_NamesWhatIsNot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.port.ready = func() map[string]error {
			return map[string]error{"web": nil, "xmpp": errors.New("the server refused the handshake")}
		}
		res, body := w.http("GET", "/readyz", "", "")
		if res.StatusCode != 503 || !strings.Contains(body, `"xmpp":"the server refused the handshake"`) || !strings.Contains(body, `"web":"ready"`) {
			t.Errorf("got %d %s", res.StatusCode, body)
		}
	})
}

// Every Kind has its row, and nothing of an internal fault is told.
func TestStatus_Total(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range bridge.Kinds() {
		st, ok := statuses[k]
		if !ok || st.http < 400 || st.code == "" || seen[st.code] {
			t.Errorf("%v has the row %+v", k, st)
		}
		seen[st.code] = true
		f := errorFrame(1, &bridge.Error{Kind: k, Detail: "detail", RetryAfter: time.Second, Err: errors.New("secret")})
		if f.Code != st.code || f.RetryMS != 1000 || f.Temporary != st.temporary || strings.Contains(f.Message, "secret") ||
			strings.Contains(f.Message, "detail") == (k == bridge.Internal) {
			t.Errorf("%v: %+v", k, f)
		}
	}
	if f := errorFrame(0, errors.New("secret")); f.Code != "internal" || strings.Contains(f.Message, "secret") {
		t.Errorf("another error: %+v", f)
	}
}
