// Package webapi is the web port: a live feed of presence as JSON frames over
// WebSocket (RFC 6455), the same as single HTTP requests, a page that shows
// it, health and metrics. docs/feed.md specifies the feed; package wire has
// its frames.
//
//	reader goroutine ── Hub.Watch, Publish ──▶ Hub ──▶ Outbox
//	      ▲                                              │ Wake
//	   socket ◀── writer, only while there is something ◀─ lane
//
// A connection that is idle has one goroutine, its reader. Up to 64
// connections form a lane: their outboxes wake one goroutine, which starts a
// writer for each connection that has something to say. The writer ends when
// it has said it. A client that reads slowly finds the newest state and never
// a queue, because its Outbox holds one item per presentity.
//
// Locks, outermost first: Port.mu and lane.mu, conn.mu, then those of package
// bridge. None is held during I/O but conn.writing, which is there to keep
// writes apart, and publication.mu, which keeps the entity-tags of one client
// in order.
package webapi
