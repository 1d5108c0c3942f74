// Package event is RFC 6665 as pure code, in both roles: the notifier's
// decision when the next NOTIFY goes out ([Notifier]), and what the subscriber
// does next ([Subscriber]); the dialog of a subscription ([Dialog]), which
// both have; and the header fields Event and Subscription-State.
//
// The notifier (the subscriber's phases are those of RFC 6665 §4.1.2):
//
//	Receive SUBSCRIBE          Offer(active)
//	   init ───────────▶ pending ───────────▶ active
//	     │                 │ ▲                   │
//	     │                 │ └───────────────────┘ rules changed
//	     │                 ▼                     ▼
//	     └──────────▶ terminated ◀───────────────┘  NOTIFY failure, expiry
//
// RFC 6665 §4.2.2 has one state more, resp_wait: it lies within the call of
// bridge.Hub.Watch, which answers with one of the three.
//
// Nothing here does I/O, reads a clock or starts a goroutine: the caller says
// what happened and when, and is told what to do.
package event
