//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sockaddr is an IPv4 address as the kernel takes it.
type sockaddr = unix.RawSockaddrInet4

func newSockaddr(ip [4]byte, port int) sockaddr {
	sa := sockaddr{Family: unix.AF_INET, Addr: ip}
	p := (*[2]byte)(unsafe.Pointer(&sa.Port))
	p[0], p[1] = byte(port>>8), byte(port)
	return sa
}

func portOf(sa *sockaddr) int {
	p := (*[2]byte)(unsafe.Pointer(&sa.Port))
	return int(p[0])<<8 | int(p[1])
}

// link is one UDP socket or one TCP connection of an engine.
type link struct {
	e     *engine
	id    int32
	fd    int
	tcp   bool
	dead  bool
	local string // address and port for Via and Contact
	port  int
	peer  sockaddr

	out *sendBatch // UDP: what goes out with the next flush

	rbuf    []byte // TCP: read, not yet handled
	wbuf    []byte // TCP: to be written
	wantOut bool   // TCP: waiting for room in the socket
}

func localName(ip [4]byte, port int) string {
	return netip.AddrPortFrom(netip.AddrFrom4(ip), uint16(port)).String()
}

// boundPort returns the local port of fd.
func boundPort(fd int) (int, error) {
	name, err := unix.Getsockname(fd)
	if err != nil {
		return 0, fmt.Errorf("asking a socket for its address: %w", err)
	}
	sa, ok := name.(*unix.SockaddrInet4)
	if !ok {
		return 0, fmt.Errorf("a socket's address is %T, not IPv4", name)
	}
	return sa.Port, nil
}

// room returns the buffer to append one message to; sent takes it back.
func (l *link) room() []byte {
	if l.tcp {
		return l.wbuf
	}
	if l.out.n == batch {
		l.flush()
	}
	return l.out.buf
}

// sent says that b is the buffer of room with one more message, for to.
func (l *link) sent(b []byte, to *sockaddr) {
	l.e.st.n[sentMessages]++
	full := false
	if l.tcp {
		l.wbuf = b
		full = len(b) >= 64<<10
	} else {
		full = l.out.add(b, to)
	}
	if full {
		l.flush()
		return
	}
	l.e.markDirty(l)
}

// flush hands the kernel what is waiting.
func (l *link) flush() {
	if l.tcp {
		l.flushTCP()
		return
	}
	l.flushUDP()
}
