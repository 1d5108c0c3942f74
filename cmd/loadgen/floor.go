//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"sync/atomic"
)

// floorCmd serves the floor. It is no presence server: it answers PUBLISH and
// SUBSCRIBE with 200 and copies the published bytes into one NOTIFY per
// subscription, with no checks, no XML, no transactions, no timers and nothing
// stored. It is what the same messages cost on the sockets of this machine.
type floorCmd struct {
	Listen    string  `help:"Address, an IPv4 literal." default:"127.0.0.1:5099"`
	Transport string  `help:"udp or tcp." enum:"udp,tcp" default:"udp"`
	Drop      float64 `help:"Share of requests to lose, to try the generator."`
	DropOut   float64 `help:"Share of messages sent to lose, to try the generator."`
	PIDFile   string  `name:"pidfile" help:"Write our process id there." type:"path"`
}

// Run serves until it is interrupted.
func (c *floorCmd) Run(ctx context.Context) error {
	addr, err := netip.ParseAddrPort(c.Listen)
	if err != nil || !addr.Addr().Is4() {
		return fmt.Errorf("the address is %q, not an IPv4 address and port", c.Listen)
	}
	if c.PIDFile != "" {
		err = os.WriteFile(c.PIDFile, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644)
		if err != nil {
			return fmt.Errorf("writing our process id: %w", err)
		}
	}
	var stop atomic.Bool
	defer context.AfterFunc(ctx, func() { stop.Store(true) })()
	f, err := newFloor(addr, c.Transport == "tcp", &stop)
	if err != nil {
		return err
	}
	f.drop, f.dropOut = c.Drop, c.DropOut
	f.run()
	return nil
}

// floorSub is one subscription: its NOTIFY but for CSeq, branch and body.
type floorSub struct {
	before  []byte // up to the branch's number
	between []byte // from there to the CSeq's number
	after   []byte // from there to the body's length
	cseq    uint32
	to      sockaddr
	link    *link
	watched *floorState
}

// floorState is one presentity.
type floorState struct {
	doc  []byte
	subs []*floorSub
}

// floor is the server's state.
type floor struct {
	e             *engine
	self          string
	drop, dropOut float64
	states        map[string]*floorState
	subs          map[string]*floorSub
	number        uint64 // of entity-tags and branches
}

// newFloor opens the floor's socket on addr; port 0 is any.
func newFloor(addr netip.AddrPort, tcp bool, stop *atomic.Bool) (*floor, error) {
	cfg := &config{bind: addr.Addr().As4(), tcp: tcp, engines: 1, sockbuf: 16 << 20, datagram: 16384}
	e, err := newEngine(cfg, 0, stop)
	if err != nil {
		e.close()
		return nil, err
	}
	f := &floor{e: e, states: map[string]*floorState{}, subs: map[string]*floorSub{}}
	e.serve = f.request
	if tcp {
		err = e.listenTCP(int(addr.Port()))
		f.self = e.listenName
	} else {
		var l *link
		l, err = bindUDP(e, 0, int(addr.Port()))
		if err == nil {
			f.self = l.local
			err = e.addLink(l)
		}
	}
	if err != nil {
		e.close()
		return nil, err
	}
	return f, nil
}

// run serves until the engine is stopped, and closes it.
func (f *floor) run() {
	defer f.e.close()
	f.e.run(&phase{until: func(*engine) bool { return false }})
}

func (f *floor) state(uri []byte) *floorState {
	key, _, _ := bytes.Cut(uri, []byte(";"))
	s := f.states[string(key)]
	if s == nil {
		s = &floorState{}
		f.states[string(key)] = s
	}
	return s
}

func lose(share float64) bool { return share > 0 && rand.Float64() < share }

func (f *floor) request(l *link, from *sockaddr) {
	if lose(f.drop) {
		return
	}
	switch string(f.e.m.method) {
	case "PUBLISH":
		f.publish(l, from)
	case "SUBSCRIBE":
		f.subscribe(l, from)
	}
}

func (f *floor) answer(l *link, from *sockaddr, headers string) {
	if !lose(f.dropOut) {
		f.e.reply(l, from, statusOK, headers)
	}
}

func (f *floor) publish(l *link, from *sockaddr) {
	m := &f.e.m
	f.number++
	m.to = withTag(m.to)
	f.answer(l, from, "SIP-ETag: "+strconv.FormatUint(f.number, 10)+"\r\nExpires: 3600\r\n")
	if len(m.body) == 0 {
		return
	}
	s := f.state(m.uri)
	s.doc = append(s.doc[:0], m.body...)
	for _, sub := range s.subs {
		f.notify(sub, s.doc)
	}
}

func (f *floor) contact() string {
	if f.e.cfg.tcp {
		return "Contact: <sip:" + f.self + ";transport=tcp>\r\n"
	}
	return "Contact: <sip:" + f.self + ">\r\n"
}

func (f *floor) subscribe(l *link, from *sockaddr) {
	m := &f.e.m
	sub := f.subs[string(m.callID)]
	if sub == nil {
		sub = f.newSub(l, from)
		f.subs[string(m.callID)] = sub
	}
	m.to = withTag(m.to)
	f.answer(l, from, f.contact()+"Expires: 3600\r\n")
	if m.expires != 0 {
		f.notify(sub, sub.watched.doc)
		return
	}
	sub.after = bytes.Replace(sub.after, []byte("active;expires=3600"), []byte("terminated;reason=timeout"), 1)
	f.notify(sub, sub.watched.doc)
	delete(f.subs, string(m.callID))
	subs := sub.watched.subs
	for i, other := range subs {
		if other == sub {
			subs[i] = subs[len(subs)-1]
			sub.watched.subs = subs[:len(subs)-1]
			return
		}
	}
}

// withTag gives a To value the floor's tag, if it has none.
func withTag(to []byte) []byte {
	if param(to, "tag") != nil {
		return to
	}
	return append(bytes.Clone(to), ";tag=fl"...)
}

func (f *floor) newSub(l *link, from *sockaddr) *floorSub {
	m := &f.e.m
	target := uriOf(m.contact)
	sub := &floorSub{link: l, to: *from, watched: f.state(m.uri)}
	if ip, port, ok := hostPort(target); ok {
		sub.to = newSockaddr(ip, port)
	}
	transport := "UDP"
	if l.tcp {
		transport = "TCP"
	}
	sub.before = fmt.Appendf(nil, "NOTIFY %s SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=z9hG4bKfl", target, transport, f.self)
	sub.between = fmt.Appendf(nil, "\r\nMax-Forwards: 70\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: ", withTag(m.to), m.from, m.callID)
	sub.after = fmt.Appendf(nil, " NOTIFY\r\n%sEvent: presence\r\nSubscription-State: active;expires=3600\r\nContent-Type: application/pidf+xml\r\nContent-Length: ", f.contact())
	sub.watched.subs = append(sub.watched.subs, sub)
	return sub
}

func (f *floor) notify(sub *floorSub, doc []byte) {
	sub.cseq++
	f.number++
	if sub.link.dead || lose(f.dropOut) {
		return
	}
	b := sub.link.room()
	b = append(b, sub.before...)
	b = strconv.AppendUint(b, f.number, 16)
	b = append(b, sub.between...)
	b = appendInt(b, int64(sub.cseq))
	b = append(b, sub.after...)
	b = appendInt(b, int64(len(doc)))
	b = append(b, "\r\n\r\n"...)
	b = append(b, doc...)
	sub.link.sent(b, &sub.to)
}
