// Package bridge is the switchboard: the Hub knows every presentity, its
// sources and its watchers, and hands each change to the ports that carry it
// to their networks.
//
//	        Publish / Watch / Deliver / Settle
//	port ───────────────────────────────────────▶ Hub
//	port ◀─────────────────────────────────────── Hub
//	             Outbox (newest state per leg)
//
// Data flows one way: port → hub → port. A presentity is either homed here
// (this server composes what its sources publish, filtered by class) or
// foreign (its home is elsewhere; what was delivered on a leg is seen on that
// leg alone, RFC 8048 §8.2).
//
// Two lock levels exist: shard, then Outbox or the queue of the journal. Under
// a shard's lock there is no I/O, no blocking send, no call into a Port and no
// second shard. What a critical section leaves to be done afterwards is in its
// effects; calls to the home ports are made in the order of the sections.
package bridge
