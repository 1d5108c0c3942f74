package simple

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/porchlight-im/porchlight/bridge/store"
)

// air is UDP in memory: it works in a synctest bubble, loses nothing and
// keeps order.
type air struct {
	mu    sync.Mutex
	socks map[string]*sock
}

func newAir() *air { return &air{socks: map[string]*sock{}} }

type packet struct {
	from *net.UDPAddr
	b    []byte
}

type sock struct {
	air    *air
	addr   *net.UDPAddr
	in     chan packet
	closed chan struct{}
	once   sync.Once
}

func (a *air) listen(addr string) (*sock, error) {
	u, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, err
	}
	s := &sock{air: a, addr: u, in: make(chan packet, 4096), closed: make(chan struct{})}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.socks[addr] != nil {
		return nil, errors.New("address in use")
	}
	a.socks[addr] = s
	return s, nil
}

func (a *air) ListenPacket(_, addr string) (net.PacketConn, error) { return a.listen(addr) }

func (a *air) Listen(string, string) (net.Listener, error) {
	return nil, errors.New("the air carries datagrams only")
}

func (a *air) Dial(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("the air carries datagrams only")
}

func (s *sock) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case p := <-s.in:
		return copy(b, p.b), p.from, nil
	case <-s.closed:
		return 0, nil, net.ErrClosed
	}
}

func (s *sock) WriteTo(b []byte, to net.Addr) (int, error) {
	s.air.mu.Lock()
	dst := s.air.socks[to.String()]
	s.air.mu.Unlock()
	if dst != nil {
		select {
		case dst.in <- packet{s.addr, append([]byte(nil), b...)}:
		default: // as the kernel does
		}
	}
	return len(b), nil
}

func (s *sock) Close() error {
	s.once.Do(func() {
		close(s.closed)
		s.air.mu.Lock()
		delete(s.air.socks, s.addr.String())
		s.air.mu.Unlock()
	})
	return nil
}

func (s *sock) LocalAddr() net.Addr              { return s.addr }
func (s *sock) SetDeadline(time.Time) error      { return nil }
func (s *sock) SetReadDeadline(time.Time) error  { return nil }
func (s *sock) SetWriteDeadline(time.Time) error { return nil }

// shelf is a store in memory that outlives the hubs of one test.
type shelf struct {
	mu   sync.Mutex
	m    map[string][]byte
	fail error // of Commit
}

func newShelf() *shelf { return &shelf{m: map[string][]byte{}} }

func (s *shelf) Load(_ context.Context, each func(store.Record) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, v := range s.m {
		err := each(store.Record{Key: k, Value: v})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *shelf) Commit(_ context.Context, rs []store.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	for _, r := range rs {
		if r.Value == nil {
			delete(s.m, r.Key)
		} else {
			s.m[r.Key] = append([]byte(nil), r.Value...)
		}
	}
	return nil
}

func (s *shelf) Enqueue(rs []store.Record) { _ = s.Commit(context.Background(), rs) }
func (s *shelf) Close() error              { return nil }
