// Package transport carries SIP below the transaction user: listeners on UDP,
// TCP, TLS and WebSocket, framing, flows, RFC 3263 resolution, the size switch
// of RFC 3261 §18.1.1 and transactions (RFC 3261 §17).
//
// Messages are parsed by github.com/emiago/sipgo/sip; its transport,
// transaction and dialog layers are not used (docs/dependencies.md says why).
// A malformed message is answered or dropped and never costs the connection.
package transport
