//go:build linux

package main

import (
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batch is how many datagrams one system call moves.
const batch = 64

// mmsghdr is struct mmsghdr of recvmmsg(2) and sendmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
}

// readBatch is the receive buffer of one engine, shared by its UDP links.
type readBatch struct {
	buf   []byte
	size  int // of one datagram
	msgs  [batch]mmsghdr
	iov   [batch]unix.Iovec
	names [batch]sockaddr
}

func newReadBatch(size int) *readBatch {
	r := &readBatch{buf: make([]byte, batch*size), size: size}
	for i := range r.msgs {
		r.iov[i].Base = &r.buf[i*size]
		r.iov[i].SetLen(size)
		h := &r.msgs[i].hdr
		h.Iov = &r.iov[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&r.names[i]))
	}
	return r
}

// sendBatch is the datagrams of one link that wait to be sent.
type sendBatch struct {
	buf   []byte
	n     int
	ends  [batch]int
	names [batch]sockaddr
	msgs  [batch]mmsghdr
	iov   [batch]unix.Iovec
}

func newSendBatch() *sendBatch { return &sendBatch{buf: make([]byte, 0, batch*4096)} }

// add takes b, the buffer with one more datagram, and reports whether it is
// time to flush.
func (s *sendBatch) add(b []byte, to *sockaddr) (full bool) {
	s.buf = b
	s.ends[s.n] = len(b)
	s.names[s.n] = *to
	s.n++
	return s.n == batch || len(b) > batch*4096-16384
}

// prepare fills in the headers for sendmmsg.
func (s *sendBatch) prepare() {
	at := 0
	for i := range s.n {
		s.iov[i].Base = &s.buf[at]
		s.iov[i].SetLen(s.ends[i] - at)
		at = s.ends[i]
		h := &s.msgs[i].hdr
		h.Iov = &s.iov[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&s.names[i]))
		h.Namelen = unix.SizeofSockaddrInet4
	}
}

func newUDPLink(e *engine, id int) (*link, error) {
	return bindUDP(e, id, 0)
}

// bindUDP opens a UDP socket on the engine's address; port 0 is any.
func bindUDP(e *engine, id, port int) (*link, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening a UDP socket: %w", err)
	}
	setBuffers(fd, e.cfg.sockbuf)
	err = unix.Bind(fd, &unix.SockaddrInet4{Addr: e.cfg.bind, Port: port})
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("binding a UDP socket: %w", err)
	}
	port, err = boundPort(fd)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &link{e: e, id: int32(id), fd: fd, port: port, local: localName(e.cfg.bind, port),
		peer: e.cfg.target, out: newSendBatch()}, nil
}

// setBuffers asks for large socket buffers, beyond the system's limit where we
// may. A smaller buffer shows in the drops of the report.
func setBuffers(fd, size int) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, size)
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, size) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, size)
	}
}

// flushUDP sends the batch. A full socket buffer is waited for, 10 ms at most;
// a datagram that cannot go is counted and left to retransmission.
func (l *link) flushUDP() {
	s := l.out
	if s.n == 0 {
		return
	}
	s.prepare()
	done, spins := 0, 0
	for done < s.n {
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(l.fd), uintptr(unsafe.Pointer(&s.msgs[done])), uintptr(s.n-done), 0, 0, 0)
		switch {
		case errno == 0:
			done += int(n)
		case errno == unix.EINTR:
		case errno == unix.EAGAIN && spins < 200:
			spins++
			l.e.st.n[sendAgain]++
			time.Sleep(50 * time.Microsecond)
		default:
			l.e.st.n[sendErrors]++
			done++
		}
	}
	s.n = 0
	s.buf = s.buf[:0]
}

// readUDP handles one batch of datagrams.
func (l *link) readUDP(r *readBatch) {
	e := l.e
	for i := range r.msgs {
		r.msgs[i].hdr.Namelen = unix.SizeofSockaddrInet4
	}
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(l.fd), uintptr(unsafe.Pointer(&r.msgs[0])), batch, unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		if errno != unix.EAGAIN && errno != unix.EINTR {
			e.st.n[readErrors]++
		}
		return
	}
	e.tick()
	for i := range int(n) {
		h := &r.msgs[i]
		if h.hdr.Flags&unix.MSG_TRUNC != 0 {
			e.st.n[readCut]++
		}
		b := r.buf[i*r.size : i*r.size+int(h.len)]
		e.st.n[readMessages]++
		e.st.n[readBytes] += uint64(len(b))
		if e.m.parse(b, false) > 0 {
			e.handle(l, &r.names[i])
			continue
		}
		if len(trim(b)) > 4 { // less is a keep-alive
			e.st.n[parseErrors]++
			e.keepBad(b)
		}
	}
}
