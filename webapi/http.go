package webapi

import (
	"context"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/porchlight-im/porchlight/bridge/picture"
	"github.com/porchlight-im/porchlight/webapi/ui"
)

// handler is all of the HTTP interface. ctx lives as long as feeds may.
func (p *Port) handler(ctx context.Context) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		respond(w, "application/json", http.StatusOK, map[string]string{"status": "alive"})
	})
	mux.HandleFunc("GET /readyz", p.readyz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(p.registry, promhttp.HandlerOpts{
		Registry: p.registry, MaxRequestsInFlight: 4, Timeout: requestTimeout}))
	mux.HandleFunc("GET /v1/feed", func(w http.ResponseWriter, r *http.Request) { p.feed(ctx, w, r) })
	mux.HandleFunc("GET /v1/presence/{address}", p.getPresence)
	mux.HandleFunc("PUT /v1/presence/{address}", p.putPresence)
	mux.HandleFunc("DELETE /v1/presence/{address}", p.deletePresence)
	mux.HandleFunc("GET "+picture.Path+"{file}", p.getPicture)
	mux.Handle("GET /", ui.Handler())
	return secured(mux)
}

// secured sets the fields that keep browsers from doing more than they are
// asked to.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		next.ServeHTTP(w, r)
	})
}

// readyz tells whether every port of the gateway serves, and which do not.
func (p *Port) readyz(w http.ResponseWriter, _ *http.Request) {
	code, status := http.StatusOK, "ready"
	ports := map[string]string{}
	all := map[string]error{portName: p.Ready()}
	if p.ready != nil {
		all = p.ready()
	}
	for name, err := range all {
		ports[name] = "ready"
		if err != nil {
			code, status = http.StatusServiceUnavailable, "not ready"
			ports[name] = err.Error()
		}
	}
	respond(w, "application/json", code, map[string]any{"status": status, "ports": ports})
}
