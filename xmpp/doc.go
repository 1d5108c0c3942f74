// Package xmpp is the port to Jabber networks: a component (XEP-0114) of an
// XMPP server for each of the gateway's domains. Every SIP or web user of a
// component's domain is a virtual XMPP user there.
//
//	XMPP server ──▶ reader ──▶ workers ──▶ hub        (subscribe, presence, probe)
//	XMPP server ◀── writer ◀── Outbox, asks ◀── hub   (newest state per leg)
//
// A leg whose watcher is on XMPP is a watch (watch.go): the subscriptions of
// RFC 6121 §3 to virtual users, which never end by themselves. A leg whose
// presentity is on XMPP is a follow (follow.go): a virtual user's subscription
// to a Jabber user. Both directions are independent of each other
// (RFC 8048 §5.2.3).
//
// Beside presence goes personal eventing (XEP-0163), both ways too: what a
// virtual user's person says to the clients of his watchers that ask for it
// (clients.go, events.go, pubsub.go, photo.go), and what a contact's server
// sends or, asked, answers (personal.go, avatar.go, questions.go).
//
// The port holds no queue that grows with traffic: what must not be lost is
// keyed by leg, and everything else is answered at once or dropped.
package xmpp
