// Package digest is Digest authentication for SIP, both sides: RFC 3261 §22
// with the algorithms of RFC 7616 and the rules of RFC 8760.
//
// The server keeps nothing per challenge: a nonce carries its time and a MAC.
// Only of nonces that were used with the right password the counts are kept,
// so that nothing is accepted twice.
package digest
