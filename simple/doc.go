// Package simple is the IMS port: SIP SIMPLE presence. For domains that are
// here it is event state compositor (RFC 3903) and presence agent (RFC 3856,
// RFC 6665); for SIP domains elsewhere it is a watcher.
//
//	PUBLISH   → publish.go   → Hub.Publish
//	SUBSCRIBE → subscribe.go → Hub.Watch → Outbox → notify.go → NOTIFY
//	NOTIFY    → subscriber   → Hub.Deliver
//
// A subscription is one dialog in memory and one record in the hub's store.
// It has no goroutine and no timer: one dispatcher takes what the hub has put
// into the outbox, and the state machine of simple/event says when it goes
// out.
package simple
