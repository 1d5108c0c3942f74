//go:build linux

package main

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// maxStream is the most that one message may take on a connection.
const maxStream = 4 << 20

func newTCPLink(e *engine, id int, to sockaddr) (*link, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening a TCP socket: %w", err)
	}
	err = unix.Bind(fd, &unix.SockaddrInet4{Addr: e.cfg.bind})
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("binding a TCP socket: %w", err)
	}
	err = unix.Connect(fd, &unix.SockaddrInet4{Addr: to.Addr, Port: portOf(&to)})
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("connecting to %s: %w", localName(to.Addr, portOf(&to)), err)
	}
	return tcpLink(e, id, fd, to)
}

// tcpLink makes a link of a connected socket.
func tcpLink(e *engine, id, fd int, peer sockaddr) (*link, error) {
	err := errors.Join(unix.SetNonblock(fd, true), unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1))
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("setting up a connection: %w", err)
	}
	port, err := boundPort(fd)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &link{e: e, id: int32(id), fd: fd, tcp: true, port: port, peer: peer,
		local: localName(e.cfg.bind, port), rbuf: make([]byte, 0, 256<<10)}, nil
}

// listenTCP opens a listening socket on the engine's address; port 0 is any.
func (e *engine) listenTCP(port int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening a TCP socket: %w", err)
	}
	e.listener = fd
	err = errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		unix.Bind(fd, &unix.SockaddrInet4{Addr: e.cfg.bind, Port: port}),
		unix.Listen(fd, 1024))
	if err != nil {
		return fmt.Errorf("listening on TCP: %w", err)
	}
	port, err = boundPort(fd)
	if err != nil {
		return err
	}
	e.listenName = localName(e.cfg.bind, port)
	return e.poll(unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN)
}

// accept takes the connections that wait at the listening socket.
func (e *engine) accept() {
	for {
		fd, from, err := unix.Accept4(e.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return
		}
		sa, ok := from.(*unix.SockaddrInet4)
		if !ok {
			unix.Close(fd)
			continue
		}
		l, err := tcpLink(e, -1, fd, newSockaddr(sa.Addr, sa.Port))
		if err == nil {
			err = e.addLink(l)
		}
		if err != nil {
			e.st.n[linksDown]++
		}
	}
}

func (l *link) flushTCP() {
	for len(l.wbuf) > 0 && !l.wantOut && !l.dead {
		n, err := unix.Write(l.fd, l.wbuf)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			l.wantOut = true
			err = l.e.poll(unix.EPOLL_CTL_MOD, l.fd, unix.EPOLLIN|unix.EPOLLOUT)
			if err != nil {
				l.e.dropLink(l)
			}
			return
		case err != nil:
			l.e.dropLink(l)
			return
		default:
			l.wbuf = append(l.wbuf[:0], l.wbuf[n:]...)
		}
	}
}

// writable says that there is room in the socket again.
func (l *link) writable() {
	l.wantOut = false
	err := l.e.poll(unix.EPOLL_CTL_MOD, l.fd, unix.EPOLLIN)
	if err != nil {
		l.e.dropLink(l)
		return
	}
	l.flushTCP()
}

// readTCP reads what is there, a few buffers at most, and handles it.
func (l *link) readTCP() {
	for range 8 {
		if cap(l.rbuf)-len(l.rbuf) < 32<<10 {
			grown := make([]byte, len(l.rbuf), cap(l.rbuf)*2)
			copy(grown, l.rbuf)
			l.rbuf = grown
		}
		room := cap(l.rbuf) - len(l.rbuf)
		n, err := unix.Read(l.fd, l.rbuf[len(l.rbuf):cap(l.rbuf)])
		if err == unix.EAGAIN {
			return
		}
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			l.e.dropLink(l)
			return
		}
		l.rbuf = l.rbuf[:len(l.rbuf)+n]
		l.e.st.n[readBytes] += uint64(n)
		l.e.tick()
		if !l.handleStream() || n < room {
			return
		}
	}
}

// handleStream handles the whole messages of the read buffer. It reports false
// when the connection is gone.
func (l *link) handleStream() bool {
	e := l.e
	at := 0
	for at < len(l.rbuf) {
		b := l.rbuf[at:]
		if len(b) <= 4 && len(trim(b[:1])) == 0 {
			at = len(l.rbuf) // a keep-alive
			break
		}
		n := e.m.parse(b, true)
		if n == 0 && len(b) < maxStream {
			break
		}
		if n <= 0 {
			e.st.n[parseErrors]++
			e.keepBad(b)
			e.dropLink(l)
			return false
		}
		e.st.n[readMessages]++
		e.handle(l, &l.peer)
		if l.dead {
			return false
		}
		at += n
	}
	l.rbuf = append(l.rbuf[:0], l.rbuf[at:]...)
	return true
}
