package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/simple/pidf"
	"github.com/porchlight-im/porchlight/simple/transport"
)

// phone is Alice's scripted SIP phone: it publishes, subscribes, and tells
// each NOTIFY in words.
type phone struct {
	t      *transport.Transport
	server string
	etag   string
	cseq   int
	seen   chan string
	stop   context.CancelFunc
	done   chan struct{}
}

const alice = "sip:alice@sip.example"

func newPhone(p ports) (*phone, error) {
	ph := &phone{server: fmt.Sprintf("sip:127.0.0.1:%d;transport=udp;lr", p.sip),
		seen: make(chan string, 100), done: make(chan struct{})}
	t, err := transport.New(transport.Config{Listen: []string{"udp://127.0.0.1:0"}, Handler: ph.handle})
	if err != nil {
		return nil, err
	}
	ph.t = t
	ctx, stop := context.WithCancel(context.Background())
	ph.stop = stop
	go func() {
		defer close(ph.done)
		t.Run(ctx)
	}()
	return ph, nil
}

func (p *phone) close() {
	p.stop()
	<-p.done
}

// handle answers NOTIFYs.
func (p *phone) handle(_ context.Context, r *transport.Request) {
	r.Reply(transport.Reply{Code: 200})
	if r.Method != sip.NOTIFY || len(r.Body()) == 0 {
		return
	}
	s, err := pidf.Decode(r.Body())
	if err != nil {
		return
	}
	select {
	case p.seen <- describe(s):
	default:
	}
}

// describe tells a presence document in words.
func describe(s *presence.State) string {
	words := []string{strings.TrimPrefix(s.Entity, "sip:") + " is"}
	for _, t := range s.Services {
		switch t.Basic {
		case presence.Open:
			words = append(words, "open")
		case presence.Closed:
			words = append(words, "closed")
		}
		for _, n := range t.Notes {
			words = append(words, fmt.Sprintf("%q", n.Text))
		}
	}
	for _, p := range s.Persons {
		if p.Activities == nil {
			continue
		}
		for _, v := range p.Activities.Values {
			words = append(words, v.Name)
		}
	}
	return strings.Join(words, " ")
}

// publish PUBLISHes Alice's state, replacing what she published before.
func (p *phone) publish(activity, note string) error {
	s := &presence.State{Entity: alice, Services: []presence.Service{{
		ID: "phone", Basic: presence.Open, Contact: &presence.Contact{URI: alice},
		Notes: []presence.Note{{Lang: "en", Text: note}},
	}}}
	if activity != "" {
		s.Persons = []presence.Person{{ID: "alice", Activities: &presence.Activities{
			Values: []presence.Value{{Name: activity}},
		}}}
	}
	header := "Event: presence\r\nExpires: 600\r\nContent-Type: " + pidf.ContentType + "\r\n"
	if p.etag != "" {
		header += "SIP-If-Match: " + p.etag + "\r\n"
	}
	res, err := p.request("PUBLISH", alice, header, pidf.Append(nil, s, ""))
	if err != nil {
		return err
	}
	if tag := res.Value("SIP-ETag"); tag != "" {
		p.etag = tag
	}
	return nil
}

// subscribe SUBSCRIBEs to target.
func (p *phone) subscribe(target string) error {
	_, err := p.request("SUBSCRIBE", target, "Event: presence\r\nExpires: 3600\r\nAccept: "+pidf.ContentType+"\r\n", nil)
	return err
}

// request sends a request and waits for its 200.
func (p *phone) request(method, uri, header string, body []byte) (*transport.Response, error) {
	p.cseq++
	hostport, _ := p.t.Contact(nil)
	header = fmt.Sprintf("From: <%s>;tag=demo%d\r\nTo: <%s>\r\nCall-ID: demo-%d-%d\r\nCSeq: %d %s\r\nContact: <sip:alice@%s>\r\nP-Asserted-Identity: <%s>\r\n",
		alice, p.cseq, uri, time.Now().UnixNano(), p.cseq, p.cseq, method, hostport, alice) + header
	type answer struct {
		res *transport.Response
		err error
	}
	got := make(chan answer, 1)
	p.t.Send(transport.Message{Method: method, URI: uri, Header: []byte(header), Body: body, Next: p.server},
		func(res *transport.Response, err error) { got <- answer{res, err} })
	a := <-got
	if a.err != nil {
		return nil, fmt.Errorf("%s: %w", method, a.err)
	}
	if a.res.StatusCode != 200 {
		return nil, errors.New(method + " was answered " + strconv.Itoa(a.res.StatusCode) + " " + a.res.Reason)
	}
	return a.res, nil
}
