//go:build linux

package main

import (
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// config is what an engine needs to know.
type config struct {
	target     sockaddr
	tcp        bool
	tcpListen  bool
	bind       [4]byte
	sockbuf    int
	links      int
	engines    int
	datagram   int    // receive buffer per datagram
	run        string // in Call-IDs and user names
	domain     string
	user       string // what presentities' names begin with
	stable     bool   // user names without the run
	full       bool   // full RPID bodies
	identity   bool   // send P-Asserted-Identity
	expires    int    // seconds
	t1         int64  // nanoseconds, as the next two
	timeout    int64
	waitMax    int64
	extra      string // header lines for PUBLISH and SUBSCRIBE
	outOfOrder int    // the answer to a NOTIFY with a lower CSeq
	event      string
	accept     string
}

var epoch = time.Now()

// nanos is the time since the program began; tokens carry it.
func nanos() int64 { return int64(time.Since(epoch)) }

// remote is the target of requests in a dialog, with its route set.
type remote struct {
	uri   string
	route string // whole Route lines
	addr  sockaddr
}

// pubKind is the kind of a PUBLISH.
type pubKind uint8

const (
	initial pubKind = iota
	modify
	refresh
	remove
)

// hasBody reports whether a PUBLISH of this kind brings a new version.
func (k pubKind) hasBody() bool { return k == initial || k == modify }

// publisher is one presentity and its one publication.
type publisher struct {
	etag           []byte
	cseq           uint32
	version, acked uint32 // last sent, last with a 200
	watchers       int32
	missing        int32 // watchers that have not seen version
	link           int32
	kind           pubKind
	active         bool // a transaction is outstanding
	waiting        bool // the round waits for the watchers too
	sent, due      int64
}

// watchState is where a subscription stands.
type watchState uint8

const (
	idle watchState = iota
	subscribing
	active
	ending
	gone
)

// watcher is one subscription, or the place for one.
type watcher struct {
	dialog      uint32 // counts the dialogs had
	cseq, rcseq uint32 // ours, the server's
	version     uint32 // last seen
	seen        uint64 // which of the 64 CSeqs before rcseq have come
	presentity  int32
	link        int32
	state       watchState
	active      bool // a transaction is outstanding
	answered    bool // it had its 2xx
	notified    bool // it had its NOTIFY
	haveRCSeq   bool
	leave       bool // the outstanding SUBSCRIBE has Expires: 0
	rtag        string
	to          *remote
	due, sent   int64
}

// engine is one event loop with its sockets, publishers and watchers. One
// goroutine uses it.
type engine struct {
	cfg        *config
	id         int
	stop       *atomic.Bool // set: end every phase
	epoll      int
	links      []*link // those we opened
	byFD       map[int32]*link
	listener   int // -1: none
	listenName string
	in         *readBatch
	m          message
	now        int64
	pubs       []publisher
	wats       []watcher
	st         *stats
	timers     [4]timerQueue
	dirty      []*link // with something to flush
	isDirty    map[*link]bool
	remotes    map[string]*remote
	key        []byte
	body       []byte
	bad        []byte // the first message that did not parse

	inflight    int
	started     int
	cursor      int
	waitAll     bool
	onPublish   func(p *publisher, i int32, status int)
	onSubscribe func(w *watcher, i int32, ok bool)
	serve       func(l *link, from *sockaddr) // the floor's; nil: we are the client
}

// newEngine opens the engine's sockets. Close it also after an error.
func newEngine(cfg *config, id int, stop *atomic.Bool) (*engine, error) {
	e := &engine{cfg: cfg, id: id, stop: stop, in: newReadBatch(cfg.datagram), st: &stats{}, byFD: map[int32]*link{},
		isDirty: map[*link]bool{}, remotes: map[string]*remote{}, listener: -1, epoll: -1}
	var err error
	e.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return e, fmt.Errorf("opening epoll: %w", err)
	}
	for i := range cfg.links {
		var l *link
		if cfg.tcp {
			l, err = newTCPLink(e, i, cfg.target)
		} else {
			l, err = newUDPLink(e, i)
		}
		if err != nil {
			return e, err
		}
		e.links = append(e.links, l)
		err = e.addLink(l)
		if err != nil {
			return e, err
		}
	}
	if cfg.tcp && cfg.tcpListen {
		return e, e.listenTCP(0)
	}
	return e, nil
}

func (e *engine) close() {
	for _, l := range e.byFD {
		unix.Close(l.fd)
	}
	for _, fd := range []int{e.listener, e.epoll} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// poll changes what epoll tells about fd.
func (e *engine) poll(op, fd int, events uint32) error {
	err := unix.EpollCtl(e.epoll, op, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
	if err != nil {
		return fmt.Errorf("watching a socket: %w", err)
	}
	return nil
}

func (e *engine) addLink(l *link) error {
	e.byFD[int32(l.fd)] = l
	return e.poll(unix.EPOLL_CTL_ADD, l.fd, unix.EPOLLIN)
}

func (e *engine) dropLink(l *link) {
	if l.dead {
		return
	}
	l.dead = true
	e.st.n[linksDown]++
	unix.Close(l.fd)
	delete(e.byFD, int32(l.fd))
	l.wbuf = nil
}

// link returns link i, connected anew when it was lost. It may be dead.
func (e *engine) link(i int32) *link {
	at := int(i) % len(e.links)
	l := e.links[at]
	if !l.dead {
		return l
	}
	n, err := newTCPLink(e, int(l.id), e.cfg.target)
	if err != nil {
		return l
	}
	e.links[at] = n
	err = e.addLink(n)
	if err != nil {
		e.dropLink(n)
	}
	return n
}

func (e *engine) markDirty(l *link) {
	if !e.isDirty[l] {
		e.isDirty[l] = true
		e.dirty = append(e.dirty, l)
	}
}

func (e *engine) flushDirty() {
	for _, l := range e.dirty {
		delete(e.isDirty, l)
		if !l.dead {
			l.flush()
		}
	}
	e.dirty = e.dirty[:0]
}

func (e *engine) tick() { e.now = nanos() }

// keepBad keeps the beginning of the first message that did not parse.
func (e *engine) keepBad(b []byte) {
	if e.bad == nil {
		e.bad = append([]byte{}, b[:min(len(b), 1500)]...)
	}
}

// global numbers this engine's index i among those of all engines.
func (e *engine) global(i int32) uint32 { return uint32(int(i)*e.cfg.engines + e.id) }

// local is the other way; ok is false for what is not among this engine's n.
func (e *engine) local(g uint32, n int) (i int32, ok bool) {
	if int(g)%e.cfg.engines != e.id {
		return 0, false
	}
	at := int(g) / e.cfg.engines
	return int32(at), at < n
}
