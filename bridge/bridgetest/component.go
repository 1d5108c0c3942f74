package bridgetest

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// Stanza is one stanza that a component has sent.
type Stanza struct {
	Name               string // "presence", "iq", "message"
	Type, From, To, ID string
	XML                string // the whole element as it was on the wire
	At                 time.Time
}

// Has reports whether the stanza's XML contains each of the texts.
func (s Stanza) Has(texts ...string) bool {
	for _, t := range texts {
		if !strings.Contains(s.XML, t) {
			return false
		}
	}
	return true
}

func (s Stanza) isPing() bool {
	return s.Name == "iq" && s.Type == "get" && s.Has("<ping xmlns='urn:xmpp:ping'/>")
}

// ComponentServer is the server's side of XEP-0114, in memory, for tests: it
// takes connections, checks the handshake, records what the component sends,
// and sends what the test wants. It works in a testing/synctest bubble.
//
// Its Dial goes into xmpp.Config.Dial. All methods may be called by any
// goroutine.
type ComponentServer struct {
	// Domain and Secret are what a component must have.
	Domain, Secret string

	mu      sync.Mutex
	conns   []net.Conn
	current *link // the joined stream
	stanzas []Stanza
	down    error
	dials   []time.Time
	joins   int
	frozen  bool
	answer  func(Stanza) string
	wg      sync.WaitGroup
}

// NewComponentServer returns a server that is up and ends with the test.
func NewComponentServer(t testing.TB, domain, secret string) *ComponentServer {
	s := &ComponentServer{Domain: domain, Secret: secret}
	t.Cleanup(s.Close)
	return s
}

// Dial connects a component, as net.Dialer.DialContext does.
func (s *ComponentServer) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dials = append(s.dials, time.Now())
	if s.down != nil {
		return nil, s.down
	}
	ours, theirs := net.Pipe()
	s.conns = append(s.conns, ours)
	s.wg.Go(func() { s.serve(ours) })
	return theirs, nil
}

// Answer sets a function that is asked for the answer to each stanza; "" is no
// answer. It runs in the reader of the stream.
func (s *ComponentServer) Answer(f func(Stanza) string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

// AnswerPings is an Answer that answers pings and nothing else.
func AnswerPings(st Stanza) string {
	if st.isPing() {
		return fmt.Sprintf("<iq type='result' id='%s' from='%s' to='%s'/>", st.ID, st.To, st.From)
	}
	return ""
}

// SetSecret changes the secret for new connections.
func (s *ComponentServer) SetSecret(secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Secret = secret
}

// Down makes Dial fail with err from now on, and ends the streams; nil makes
// it work again.
func (s *ComponentServer) Down(err error) {
	s.mu.Lock()
	s.down = err
	s.mu.Unlock()
	if err != nil {
		s.Kill()
	}
}

// Kill ends all connections without a word.
func (s *ComponentServer) Kill() {
	s.mu.Lock()
	conns := s.conns
	s.conns, s.current = nil, nil
	s.mu.Unlock()
	for _, c := range conns {
		c.Close()
	}
}

// Freeze makes the server neither read nor write, as behind a dead network.
func (s *ComponentServer) Freeze() {
	s.mu.Lock()
	s.frozen = true
	s.mu.Unlock()
}

// Thaw ends Freeze for new connections.
func (s *ComponentServer) Thaw() {
	s.Kill()
	s.mu.Lock()
	s.frozen = false
	s.mu.Unlock()
}

// Close ends everything and waits for the server's goroutines.
func (s *ComponentServer) Close() {
	s.Down(net.ErrClosed)
	s.wg.Wait()
}

// Send writes raw XML to the joined component.
func (s *ComponentServer) Send(format string, args ...any) error {
	s.mu.Lock()
	l := s.current
	s.mu.Unlock()
	if l == nil {
		return errors.New("no component is joined")
	}
	return l.write(fmt.Sprintf(format, args...))
}

// link is the server's writing side of one stream.
type link struct {
	mu   sync.Mutex
	conn net.Conn
}

func (l *link) write(text string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := io.WriteString(l.conn, text)
	return err
}

// Dials returns when connections were asked for.
func (s *ComponentServer) Dials() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]time.Time(nil), s.dials...)
}

// Joins returns how often a component has joined.
func (s *ComponentServer) Joins() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.joins
}

// Stanzas returns all that was received so far, but for pings.
func (s *ComponentServer) Stanzas() []Stanza {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Stanza(nil), s.stanzas...)
}

// Forget empties what Stanzas returns.
func (s *ComponentServer) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stanzas = nil
}

func (s *ComponentServer) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	l := &link{conn: conn}
	err := s.handshake(r, l)
	if err != nil {
		return
	}
	d := xml.NewDecoder(r)
	for {
		st, err := readStanza(d)
		if err != nil {
			return
		}
		if s.stopped() {
			_, _ = io.Copy(frozen{}, r)
			return
		}
		s.mu.Lock()
		if !st.isPing() {
			s.stanzas = append(s.stanzas, st)
		}
		answer := s.answer
		s.mu.Unlock()
		if answer == nil {
			continue
		}
		if a := answer(st); a != "" {
			err = l.write(a)
			if err != nil {
				return
			}
		}
	}
}

func (s *ComponentServer) stopped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.frozen
}

// frozen takes what is written to it for nothing.
type frozen struct{}

func (frozen) Write(b []byte) (int, error) { return len(b), nil }

// handshake is XEP-0114 §3 from the server's side.
func (s *ComponentServer) handshake(r *bufio.Reader, l *link) error {
	head, err := r.ReadString('>')
	if err != nil {
		return err
	}
	if !strings.Contains(head, "jabber:component:accept") {
		return errors.New("not a component's stream header: " + head)
	}
	const id = "3BF96D32"
	header := "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' from='%s' id='%s'>"
	const refusal = "<stream:error><%s xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"
	if !strings.Contains(head, "to='"+s.Domain+"'") {
		// As Prosody does it: no id, and the error.
		_ = l.write(fmt.Sprintf(header, "", "") + fmt.Sprintf(refusal, "host-unknown"))
		return errors.New("unknown host")
	}
	err = l.write(fmt.Sprintf(header, s.Domain, id))
	if err != nil {
		return err
	}
	shake, err := r.ReadString('>')
	for err == nil && !strings.HasSuffix(shake, "</handshake>") {
		var more string
		more, err = r.ReadString('>')
		shake += more
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	sum := sha1.Sum([]byte(id + s.Secret))
	s.mu.Unlock()
	if shake != "<handshake>"+hex.EncodeToString(sum[:])+"</handshake>" {
		_ = l.write(fmt.Sprintf(refusal, "not-authorized"))
		return errors.New("wrong secret")
	}
	err = l.write("<handshake/>")
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = l
	s.joins++
	return nil
}

// readStanza reads the next element and keeps its text.
func readStanza(d *xml.Decoder) (Stanza, error) {
	for {
		tok, err := d.Token()
		if err != nil {
			return Stanza{}, err
		}
		start, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		st := Stanza{Name: start.Name.Local, At: time.Now()}
		var attrs strings.Builder
		for _, a := range start.Attr {
			switch a.Name.Local {
			case "type":
				st.Type = a.Value
			case "from":
				st.From = a.Value
			case "to":
				st.To = a.Value
			case "id":
				st.ID = a.Value
			}
			fmt.Fprintf(&attrs, " %s=%q", a.Name.Local, a.Value)
		}
		var body struct {
			Inner string `xml:",innerxml"`
		}
		err = d.DecodeElement(&body, &start)
		if err != nil {
			return Stanza{}, err
		}
		st.XML = "<" + st.Name + attrs.String() + ">" + body.Inner + "</" + st.Name + ">"
		return st, nil
	}
}
