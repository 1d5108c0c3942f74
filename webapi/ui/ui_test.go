package ui

import (
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

var reference = regexp.MustCompile(`(?:src|href)="([^"]*)"|from '([^']*)'|url\(([^)]*)\)`)

// The page loads only its own files, all of which are there, with their media
// types and a policy that allows nothing else.
func TestPage_IsSelfContained(t *testing.T) {
	h := Handler()
	todo, seen := []string{"/"}, map[string]bool{}
	for len(todo) > 0 {
		path := todo[0]
		todo = todo[1:]
		if seen[path] {
			continue
		}
		seen[path] = true
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		csp := w.Header().Get("Content-Security-Policy")
		if w.Code != 200 || w.Header().Get("Content-Type") == "" || !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
		body := w.Body.String()
		for _, m := range reference.FindAllStringSubmatch(body, -1) {
			todo = append(todo, "/"+strings.TrimPrefix(m[1]+m[2]+m[3], "./"))
		}
		// The SVG namespace is a name, not an address.
		if rest := strings.ReplaceAll(body, "http://www.w3.org/2000/svg", ""); strings.Contains(rest, "http://") || strings.Contains(rest, "https://") {
			t.Errorf("%s names another site", path)
		}
		if strings.Contains(body, "innerHTML") || strings.Contains(body, "eval(") || strings.Contains(body, " style=") || strings.Contains(body, " onclick=") {
			t.Errorf("%s has what its policy forbids", path)
		}
	}
	// "/" is index.html, which nothing refers to.
	if len(seen) != len(load()) {
		t.Errorf("used are %v", seen)
	}
}

func TestPage_NotModified(t *testing.T) {
	h := Handler()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/app.js", nil))
	r := httptest.NewRequest("GET", "/app.js", nil)
	r.Header.Set("If-None-Match", w.Header().Get("ETag"))
	w = httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 304 || w.Body.Len() != 0 {
		t.Errorf("got %d with %d bytes", w.Code, w.Body.Len())
	}
	w = httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/ui.go", nil))
	if w.Code != 404 {
		t.Errorf("another file: %d", w.Code)
	}
}
