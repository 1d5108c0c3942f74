package transport

import "time"

// Limits bound what peers can make the transport hold. Zero values mean the
// defaults in brackets.
type Limits struct {
	Workers          int // handlers at a time (256)
	Queue            int // requests waiting for a handler; more get 503 (16384)
	QueueBytes       int // bytes of those requests (256 MiB)
	Partial          int // bytes of messages that have only come in part (256 MiB)
	Transactions     int // server transactions kept for retransmissions (400000)
	TransactionBytes int // bytes of responses kept for retransmissions (512 MiB)
	Connections      int // accepted connections (20000)
	PerSource        int // accepted connections of one IP address (1000)
	StreamMessage    int // bytes of one message on a stream (1 MiB)
	WriteQueue       int // bytes waiting to be written on one connection (4 MiB)
	Lookups          int // DNS lookups and dials at a time, each (256)

	Idle    time.Duration // a connection without traffic is closed (1 h)
	Begin   time.Duration // handshake and first message must come (30 s)
	Message time.Duration // from first to last byte of a message (30 s)
	Write   time.Duration // a write that takes longer closes (10 s)
	Dial    time.Duration // connecting, TLS included (5 s)
	Grace   time.Duration // for handlers after ctx has ended (2 s)
}

func (l Limits) withDefaults() Limits {
	for _, d := range []struct {
		v   *int
		def int
	}{
		{&l.Workers, 256}, {&l.Queue, 16384}, {&l.Transactions, 400_000},
		{&l.QueueBytes, 256 << 20}, {&l.Partial, 256 << 20},
		{&l.TransactionBytes, 512 << 20}, {&l.Connections, 20_000},
		{&l.PerSource, 1000}, {&l.StreamMessage, 1 << 20},
		{&l.WriteQueue, 4 << 20}, {&l.Lookups, 256},
	} {
		if *d.v <= 0 {
			*d.v = d.def
		}
	}
	for _, d := range []struct {
		v   *time.Duration
		def time.Duration
	}{
		{&l.Idle, time.Hour}, {&l.Begin, 30 * time.Second},
		{&l.Message, 30 * time.Second}, {&l.Write, 10 * time.Second},
		{&l.Dial, 5 * time.Second}, {&l.Grace, 2 * time.Second},
	} {
		if *d.v <= 0 {
			*d.v = d.def
		}
	}
	return l
}

const (
	maxDatagram = 65535     // RFC 3261 §18.1.1: the largest UDP message
	maxHead     = 64 << 10  // bytes of start line and header on a stream
	sizeSwitch  = 1300      // RFC 3261 §18.1.1: over this a request goes by TCP
	retryAfter  = 5         // seconds, in our 503
	maxAliases  = 4         // names by which one connection is reused
	readStep    = 4 << 10   // a connection's read buffer when idle
	refusedFor  = time.Hour // how long we remember that a peer has no TCP
)
