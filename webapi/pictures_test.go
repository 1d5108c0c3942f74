package webapi

import (
	"bytes"
	"image"
	"image/gif"
	"image/png"
	"net/http"
	"strings"
	"testing"

	"github.com/porchlight-im/porchlight/bridge/picture"
)

// withPicture is a store with one picture.
func withPicture(t *testing.T) (*picture.Store, picture.Picture, string) {
	t.Helper()
	s, err := picture.Open(picture.Config{PublicURL: "http://127.0.0.1:8080"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	var b bytes.Buffer
	err = png.Encode(&b, image.NewGray(image.Rect(0, 0, 8, 8)))
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Put(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return s, p, b.String()
}

// A picture is served to everyone who knows its hash, as what it is and as
// nothing else.
func TestPictures(t *testing.T) {
	s, p, data := withPicture(t)
	path := strings.TrimPrefix(s.URL(p.ID), "http://127.0.0.1:8080")
	for _, tc := range []struct {
		name, method, path string
		head               http.Header
		code               int
		body               string
	}{
		{"GET", "GET", path, nil, 200, data},
		{"HEAD", "HEAD", path, nil, 200, ""},
		{"known", "GET", path, http.Header{"If-None-Match": {`"x", "` + p.ID + `"`}}, 304, ""},
		{"another known", "GET", path, http.Header{"If-None-Match": {`"x"`}}, 200, data},
		{"a part", "GET", path, http.Header{"Range": {"bytes=0-3"}}, 206, "\x89PNG"},
		{"another ending", "GET", "/v1/pictures/" + p.ID + ".html", nil, 404, "not_found"},
		{"no ending", "GET", "/v1/pictures/" + p.ID, nil, 404, "not_found"},
		{"capitals", "GET", "/v1/pictures/" + strings.ToUpper(p.ID) + ".png", nil, 404, "not_found"},
		{"unknown", "GET", "/v1/pictures/" + strings.Repeat("0", 40) + ".png", nil, 404, "not_found"},
		{"a way out", "GET", "/v1/pictures/..%2f..%2fetc%2fpasswd", nil, 404, "not_found"},
		{"no name", "GET", "/v1/pictures/", nil, 404, ""},
		{"another method", "PUT", path, nil, 405, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, func(c *Config) { c.Pictures = s })
				res, body := w.httpHead(tc.method, tc.path, "", "", tc.head)
				ok := tc.code < 300
				if res.StatusCode != tc.code || ok && body != tc.body || !ok && !strings.Contains(body, tc.body) {
					t.Fatalf("got %d %q, want %d %q", res.StatusCode, body, tc.code, tc.body)
				}
				h := res.Header
				if h.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") {
					t.Errorf("without protection: %v", h)
				}
				if !ok {
					if tc.code == 404 && strings.Contains(h.Get("Cache-Control"), "immutable") {
						t.Error("a 404 for ever")
					}
					return
				}
				if h.Get("Content-Type") != "image/png" || h.Get("Etag") != `"`+p.ID+`"` || h.Get("Cache-Control") != "public, max-age=31536000, immutable" ||
					h.Get("Content-Security-Policy") != "default-src 'none'; sandbox" {
					t.Errorf("header %v", h)
				}
			})
		})
	}
}

// Each picture has the media type of its bytes; without a store there is none.
func TestPictures_TypeAndNone(t *testing.T) {
	s, p, _ := withPicture(t)
	var b bytes.Buffer
	err := gif.Encode(&b, image.NewGray(image.Rect(0, 0, 4, 4)), nil)
	if err != nil {
		t.Fatal(err)
	}
	g, err := s.Put(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	bubble(t, func(t *testing.T) {
		w := newWorld(t, func(c *Config) { c.Pictures = s })
		res, _ := w.http("GET", picture.Path+g.FileName(), "", "")
		if res.Header.Get("Content-Type") != "image/gif" {
			t.Errorf("a GIF is %s", res.Header.Get("Content-Type"))
		}
	})
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		res, body := w.http("GET", picture.Path+p.FileName(), "", "")
		if !isProblem(res, body, 404) {
			t.Errorf("without a store: %d %s", res.StatusCode, body)
		}
	})
}

// Where the port is reached is what the configuration says, or else where it
// listens, if that is a place.
func TestConfig_Public(t *testing.T) {
	for _, c := range []struct{ listen, public, want string }{
		{"", "", "http://127.0.0.1:8080"},
		{"gw.example:80", "", "http://gw.example:80"},
		{"[::1]:8080", "", "http://[::1]:8080"},
		{"0.0.0.0:8080", "", ""},
		{":8080", "", ""},
		{"[::]:8080", "", ""},
		{"127.0.0.1:0", "", ""},
		{"0.0.0.0:8080", "https://gw.example/p", "https://gw.example/p"},
	} {
		cfg := Config{Listen: c.listen, PublicURL: c.public}
		if got := cfg.Public(); got != c.want || len(cfg.Validate()) > 0 {
			t.Errorf("%+v: %q, %v", c, got, cfg.Validate())
		}
	}
	cfg := Config{PublicURL: "gw.example"}
	if errs := cfg.Validate(); len(errs) != 1 || !strings.HasPrefix(errs[0].Error(), "public_url: ") {
		t.Errorf("got %v", errs)
	}
}
