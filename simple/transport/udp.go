package transport

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// way is how messages reach a peer: a UDP socket with an address, or a
// connection.
type way interface {
	// send puts b on the way without blocking. When it comes out later that
	// b, or its answer, will not arrive, at gets the error.
	send(b []byte, at *attempt) error
	reliable() bool
	flow() Flow
	// origin is the transport, and our sent-by on it.
	origin() (transport, sentBy string)
}

// udpSocket is one listening UDP socket. It keeps no state per source.
type udpSocket struct {
	t     *Transport
	conn  net.PacketConn
	udp   *net.UDPConn // conn, when it is the system's
	local string
	six   bool // can reach IPv6
	four  bool // can reach IPv4
	// sentBy is the same for all peers, but of a socket on no one address.
	sentBy string
}

// udpWay is a peer's address as seen from a socket.
type udpWay struct {
	socket *udpSocket
	to     netip.AddrPort
}

func (w udpWay) reliable() bool { return false }

func (w udpWay) origin() (transport, sentBy string) {
	if w.socket.sentBy != "" {
		return "udp", w.socket.sentBy
	}
	return "udp", w.socket.t.sentBy(w.flow())
}

func (w udpWay) flow() Flow {
	return Flow{Transport: "udp", Local: w.socket.local, Remote: w.to.String()}
}

func (w udpWay) send(b []byte, _ *attempt) error {
	if len(b) > maxDatagram-28 {
		return errors.New("message too large for a datagram")
	}
	var err error
	if w.socket.udp != nil {
		_, err = w.socket.udp.WriteToUDPAddrPort(b, w.to)
	} else {
		_, err = w.socket.conn.WriteTo(b, net.UDPAddrFromAddrPort(w.to))
	}
	if err != nil {
		return fmt.Errorf("sending to %s: %w", w.to, err)
	}
	return nil
}

func newUDPSocket(t *Transport, conn net.PacketConn) *udpSocket {
	s := &udpSocket{t: t, conn: conn, local: conn.LocalAddr().String()}
	s.udp, _ = conn.(*net.UDPConn)
	if s.udp != nil {
		// Bursts come faster than a reader is scheduled; the system may
		// grant less.
		_ = s.udp.SetReadBuffer(4 << 20)
		_ = s.udp.SetWriteBuffer(4 << 20)
	}
	a, err := netip.ParseAddrPort(s.local)
	if err == nil {
		s.six = a.Addr().Is6() && !a.Addr().Is4In6()
		s.four = !s.six
	}
	return s
}

// read serves datagrams until the socket is closed.
func (s *udpSocket) read() {
	buf := make([]byte, maxDatagram+1)
	for {
		n, from, err := s.readFrom(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			// ICMP errors and the like concern one peer, not the socket.
			s.t.log.Debug("udp read", "err", err)
			if !s.t.pause(10 * time.Millisecond) {
				return
			}
			continue
		}
		s.t.datagram(s, buf[:n], from)
	}
}

func (s *udpSocket) readFrom(buf []byte) (int, netip.AddrPort, error) {
	if s.udp != nil {
		n, from, err := s.udp.ReadFromUDPAddrPort(buf)
		return n, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), err
	}
	n, a, err := s.conn.ReadFrom(buf)
	if err != nil {
		return 0, netip.AddrPort{}, err
	}
	u, ok := a.(*net.UDPAddr)
	if !ok {
		return 0, netip.AddrPort{}, fmt.Errorf("address of type %T", a)
	}
	from := u.AddrPort()
	return n, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), nil
}

// datagram takes one UDP packet; b is reused after it returns.
func (t *Transport) datagram(s *udpSocket, b []byte, from netip.AddrPort) {
	defer t.rescue("datagram", nil)
	for len(b) > 0 && (b[0] == '\r' || b[0] == '\n') {
		b = b[1:] // RFC 3261 §7.5; a datagram of CRLF only is a keep-alive
	}
	// Shorter than any request line, or STUN (its first bits are zero).
	if len(b) < len("A b:c SIP/2.0\r\n") || b[0] < ' ' {
		return
	}
	head, body := cutHead(b)
	t.receive(head, body, udpWay{s, from}, from)
}

// udpReply is where the response to a datagram goes.
// RFC 3261 §18.2.2, RFC 3581 §4: with rport back to the source port, without
// to the port of sent-by; always to the source address.
func udpReply(w udpWay, m *message) udpWay {
	if m.via == nil || m.via.Params.Has("rport") {
		return w
	}
	port := m.via.Port
	if port == 0 {
		port = 5060
	}
	w.to = netip.AddrPortFrom(w.to.Addr(), uint16(port))
	return w
}
