package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"mellium.im/sasl"
	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
)

// jabber is a Jabber client that approves everyone who asks, and tells each
// presence of others in words.
type jabber struct {
	session *xmpp.Session
	seen    chan string
	done    chan struct{}
}

// login connects user@im.example to the demo's Prosody, in the clear on
// loopback.
func login(ctx context.Context, p ports, user string) (*jabber, error) {
	me, err := jid.New(user, "im.example", "demo")
	if err != nil {
		return nil, err
	}
	var conn net.Conn
	for try := 0; ; try++ {
		conn, err = net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", p.c2s))
		if err == nil {
			break
		}
		if try == 100 {
			return nil, err
		}
		time.Sleep(50 * time.Millisecond)
	}
	session, err := xmpp.NewSession(ctx, me.Domain(), me, conn, xmpp.Secure,
		xmpp.NewNegotiator(func(*xmpp.Session, *xmpp.StreamConfig) xmpp.StreamConfig {
			return xmpp.StreamConfig{Features: []xmpp.StreamFeature{
				xmpp.SASL("", "demo", sasl.ScramSha1, sasl.Plain), xmpp.BindResource(),
			}}
		}))
	if err != nil {
		return nil, fmt.Errorf("logging in: %w", err)
	}
	j := &jabber{session: session, seen: make(chan string, 100), done: make(chan struct{})}
	go func() {
		defer close(j.done)
		session.Serve(xmpp.HandlerFunc(j.handle))
	}()
	return j, nil
}

func (j *jabber) close() {
	j.session.Close()
	j.session.Conn().Close()
	<-j.done
}

// handle takes one stanza; only presences matter here.
func (j *jabber) handle(t xmlstream.TokenReadEncoder, start *xml.StartElement) error {
	if start.Name.Local != "presence" {
		_, err := io.Copy(io.Discard, readerOf(t))
		return err
	}
	var p struct {
		stanza.Presence
		Show   string `xml:"show"`
		Status string `xml:"status"`
	}
	err := xml.NewTokenDecoder(xmlstream.MultiReader(xmlstream.Token(*start), t)).Decode(&p)
	if err != nil && err != io.EOF {
		return nil
	}
	switch p.Type {
	case stanza.SubscribePresence:
		_, err = xmlstream.Copy(t, stanza.Presence{To: p.From.Bare(), Type: stanza.SubscribedPresence}.Wrap(nil))
		return err
	case "":
		show := p.Show
		if show == "" {
			show = "available"
		}
		j.tell(fmt.Sprintf("%s is %s: %q", p.From.Bare(), show, p.Status))
	case stanza.UnavailablePresence:
		j.tell(p.From.Bare().String() + " is offline")
	}
	return nil
}

// readerOf drains what is left of a stanza.
func readerOf(t xml.TokenReader) io.Reader {
	for {
		_, err := t.Token()
		if err != nil {
			return bytes.NewReader(nil)
		}
	}
}

func (j *jabber) tell(s string) {
	select {
	case j.seen <- s:
	default:
	}
}

// presence says show and status to the contacts.
func (j *jabber) presence(show, status string) error {
	var parts []xml.TokenReader
	for _, e := range [][2]string{{"show", show}, {"status", status}} {
		if e[1] != "" {
			parts = append(parts, xmlstream.Wrap(
				xmlstream.Token(xml.CharData(e[1])), xml.StartElement{Name: xml.Name{Local: e[0]}}))
		}
	}
	return j.send(stanza.Presence{}.Wrap(xmlstream.MultiReader(parts...)))
}

// subscribe asks to see address.
func (j *jabber) subscribe(address string) error {
	return j.send(stanza.Presence{To: jid.MustParse(address), Type: stanza.SubscribePresence}.Wrap(nil))
}

func (j *jabber) send(r xml.TokenReader) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := j.session.Send(ctx, r)
	if err != nil && !strings.Contains(err.Error(), "EOF") {
		return fmt.Errorf("sending to Prosody: %w", err)
	}
	return nil
}
