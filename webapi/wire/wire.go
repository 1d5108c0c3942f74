// Package wire has the JSON frames of the web feed. docs/feed.md is their
// specification; this package is that document as Go types.
package wire

import (
	"encoding/json"
	"time"
)

// Version is the version of the protocol, and Subprotocol its WebSocket
// subprotocol (RFC 6455 §1.9). TokenProtocol begins the subprotocol that
// carries a token, for browsers, which cannot set the Authorization field.
const (
	Version       = 1
	Subprotocol   = "porchlight.v1.json"
	TokenProtocol = "porchlight.token."
)

// The operations of a client.
const (
	OpAuth        = "auth"
	OpSubscribe   = "subscribe"
	OpUnsubscribe = "unsubscribe"
	OpPublish     = "publish"
	OpUnpublish   = "unpublish"
	OpAuthorize   = "authorize"
	OpPing        = "ping"
)

// The frames of the server.
const (
	OpHello         = "hello"
	OpAuthenticated = "authenticated"
	OpSubscribed    = "subscribed"
	OpUnsubscribed  = "unsubscribed"
	OpPresence      = "presence"
	OpState         = "state"
	OpPublished     = "published"
	OpUnpublished   = "unpublished"
	OpAuthorized    = "authorized"
	OpPong          = "pong"
	OpError         = "error"
)

// Request is any frame of a client; which members count depends on Op.
// Members that are not known are ignored.
type Request struct {
	Op        string          `json:"op"`
	Ref       int64           `json:"ref,omitempty"` // repeated in the answer
	Token     string          `json:"token,omitempty"`
	Addresses []string        `json:"addresses,omitempty"`
	Presence  json.RawMessage `json:"presence,omitempty"`
	ExpiresS  int64           `json:"expires_s,omitempty"` // 0: as long as connected
	Watcher   string          `json:"watcher,omitempty"`
	Answer    string          `json:"answer,omitempty"` // allow, block, polite-block, confirm
}

// Hello is the first frame of a connection.
type Hello struct {
	Op          string    `json:"op"`
	V           int       `json:"v"`
	Session     string    `json:"session"`
	ServerTime  time.Time `json:"server_time"`
	HeartbeatMS int64     `json:"heartbeat_ms"`
	Limits      Limits    `json:"limits"`
}

// Limits are what one client may do.
type Limits struct {
	FrameBytes      int `json:"frame_bytes"`
	FramesPerMinute int `json:"frames_per_minute"`
	Subscriptions   int `json:"subscriptions"`
	Connections     int `json:"connections"` // of one token
}

// Authenticated says whom the connection acts for.
type Authenticated struct {
	Op      string `json:"op"`
	Ref     int64  `json:"ref,omitempty"`
	Address string `json:"address"`
}

// The results of subscribing to one address.
const (
	ResultOK      = "ok"
	ResultPending = "pending" // asked; a state frame follows
	ResultDenied  = "denied"
	ResultUnknown = "unknown" // no such presentity or domain
	ResultInvalid = "invalid" // not an address
	ResultLimit   = "limit"   // too many subscriptions
	ResultBusy    = "busy"    // try again later
)

// Result is how one address of a request fared. Address is the form that all
// later frames use; Asked is what the client wrote, when that differs.
type Result struct {
	Address string `json:"address"`
	Asked   string `json:"asked,omitempty"`
	Result  string `json:"result"`
	Detail  string `json:"detail,omitempty"`
}

// Results answers subscribe and unsubscribe.
type Results struct {
	Op      string   `json:"op"`
	Ref     int64    `json:"ref,omitempty"`
	Results []Result `json:"results"`
}

// Presence is the state of one presentity: complete, newest wins.
type Presence struct {
	Op       string          `json:"op"`
	Address  string          `json:"address"`
	Rev      uint64          `json:"rev"`
	Change   string          `json:"change,omitempty"`
	Presence json.RawMessage `json:"presence"`
}

// State tells a change of a subscription: pending, active or terminated.
type State struct {
	Op      string `json:"op"`
	Address string `json:"address"`
	State   string `json:"state"`
	Reason  string `json:"reason,omitempty"` // of a termination (RFC 6665 §4.1.3)
	Detail  string `json:"detail,omitempty"`
	RetryMS int64  `json:"retry_ms,omitempty"`
	Change  string `json:"change,omitempty"`
}

// Published answers publish, and (as unpublished) unpublish.
type Published struct {
	Op       string `json:"op"`
	Ref      int64  `json:"ref,omitempty"`
	ETag     string `json:"etag,omitempty"`
	ExpiresS int64  `json:"expires_s,omitempty"`
}

// Authorized answers authorize.
type Authorized struct {
	Op      string `json:"op"`
	Ref     int64  `json:"ref,omitempty"`
	Watcher string `json:"watcher"`
	Answer  string `json:"answer"`
}

// Pong answers ping.
type Pong struct {
	Op         string    `json:"op"`
	Ref        int64     `json:"ref,omitempty"`
	ServerTime time.Time `json:"server_time"`
}

// Error answers a request that was not carried out.
type Error struct {
	Op        string `json:"op"`
	Ref       int64  `json:"ref,omitempty"`
	Code      string `json:"code"`
	Message   string `json:"message"`
	Temporary bool   `json:"temporary"`
	RetryMS   int64  `json:"retry_ms,omitempty"`
}

// Frame is any frame of the server, for clients that read them all: the union
// of the members.
type Frame struct {
	Op          string          `json:"op"`
	Ref         int64           `json:"ref"`
	V           int             `json:"v"`
	Session     string          `json:"session"`
	HeartbeatMS int64           `json:"heartbeat_ms"`
	Limits      Limits          `json:"limits"`
	Address     string          `json:"address"`
	Rev         uint64          `json:"rev"`
	Change      string          `json:"change"`
	Presence    json.RawMessage `json:"presence"`
	State       string          `json:"state"`
	Reason      string          `json:"reason"`
	Detail      string          `json:"detail"`
	Results     []Result        `json:"results"`
	ETag        string          `json:"etag"`
	ExpiresS    int64           `json:"expires_s"`
	Watcher     string          `json:"watcher"`
	Answer      string          `json:"answer"`
	Code        string          `json:"code"`
	Message     string          `json:"message"`
	Temporary   bool            `json:"temporary"`
	RetryMS     int64           `json:"retry_ms"`
	ServerTime  time.Time       `json:"server_time"`
}

// Snapshot is the body of GET /v1/presence/{address}.
type Snapshot struct {
	Address  string          `json:"address"`
	State    string          `json:"state"`
	Reason   string          `json:"reason,omitempty"`
	Rev      uint64          `json:"rev"`
	Presence json.RawMessage `json:"presence"` // null while pending
}

// Problem is an error of the HTTP interface (RFC 9457).
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	Code   string `json:"code"`
}

// Close codes beyond those of RFC 6455 §7.4.1. Up to 4499 the client may
// connect again, with back-off; from 4500 it must not without a change.
const (
	CloseSlow     = 4008 // does not read what it is sent
	CloseSilent   = 4009 // nothing heard for longer than the heartbeat allows
	CloseNoAuth   = 4401 // no token in time
	CloseTooMany  = 4409 // too many connections of this token
	CloseFlood    = 4429 // too many frames
	CloseBadToken = 4501 // the token is not known
)
