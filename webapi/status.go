package webapi

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/webapi/wire"
)

// status is how one kind of error looks on the web: the HTTP status code, and
// the code of error frames and problem documents.
type status struct {
	http      int
	code      string
	temporary bool
}

// statuses has every bridge.Kind.
var statuses = map[bridge.Kind]status{
	bridge.Internal:        {http.StatusInternalServerError, "internal", true},
	bridge.Malformed:       {http.StatusBadRequest, "malformed", false},
	bridge.Unauthenticated: {http.StatusUnauthorized, "unauthenticated", false},
	bridge.Forbidden:       {http.StatusForbidden, "forbidden", false},
	bridge.NotFound:        {http.StatusNotFound, "not_found", false},
	bridge.Stale:           {http.StatusPreconditionFailed, "stale", false},
	bridge.TooLarge:        {http.StatusRequestEntityTooLarge, "too_large", false},
	bridge.Unsupported:     {http.StatusUnsupportedMediaType, "unsupported", false},
	bridge.TooBrief:        {http.StatusBadRequest, "too_brief", false},
	bridge.NoDialog:        {http.StatusNotFound, "no_dialog", false},
	bridge.BadEvent:        {http.StatusBadRequest, "bad_event", false},
	bridge.Busy:            {http.StatusServiceUnavailable, "busy", true},
	bridge.Timeout:         {http.StatusGatewayTimeout, "timeout", true},
}

// Codes of errors that only the feed has.
const (
	codeUnknownOp   = "unknown_op"
	codeRateLimited = "rate_limited"
)

// asError returns the *bridge.Error in err, or one of Kind Internal around it.
func asError(err error) *bridge.Error {
	var e *bridge.Error
	if errors.As(err, &e) {
		return e
	}
	return &bridge.Error{Kind: bridge.Internal, Err: err}
}

// tell is what a peer may know of e: its Detail, and of our own faults nothing.
func tell(e *bridge.Error) string {
	switch {
	case e.Kind == bridge.Internal:
		return "something went wrong here"
	case e.Detail != "":
		return e.Detail
	}
	return e.Kind.String()
}

// errorFrame is the answer to the request ref that failed with err.
func errorFrame(ref int64, err error) wire.Error {
	e := asError(err)
	st := statuses[e.Kind]
	return wire.Error{Op: wire.OpError, Ref: ref, Code: st.code, Message: tell(e), Temporary: st.temporary,
		RetryMS: e.RetryAfter.Milliseconds()}
}

// problem answers an HTTP request with a problem document (RFC 9457).
func problem(w http.ResponseWriter, err error) {
	e := asError(err)
	st := statuses[e.Kind]
	switch e.Kind {
	case bridge.Unauthenticated:
		w.Header().Set("WWW-Authenticate", `Bearer realm="porchlight"`)
	case bridge.Busy:
		after := max(e.RetryAfter, time.Second)
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(after.Seconds()))))
	}
	respond(w, "application/problem+json", st.http, wire.Problem{Type: "about:blank",
		Title: http.StatusText(st.http), Status: st.http, Detail: tell(e), Code: st.code})
}

// respond writes v as JSON. The client may be gone; that is his affair.
func respond(w http.ResponseWriter, mediaType string, code int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		code, b = http.StatusInternalServerError, []byte(`{}`)
	}
	h := w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write(append(b, '\n'))
}
