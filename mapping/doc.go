// Package mapping has every translation table between networks: the presence
// model to and from XMPP presence (RFC 8048) and JSON, addresses (RFC 7247
// §6), errors (RFC 7247 §7), and the one word of availability. Functions are
// pure; both directions of a table stand in the same file.
package mapping
