package simple

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/simple/digest"
	"github.com/porchlight-im/porchlight/simple/event"
	"github.com/porchlight-im/porchlight/simple/pidf"
	"github.com/porchlight-im/porchlight/simple/transport"
)

// ticket is one SUBSCRIBE that waits for its turn or is under way.
type ticket struct {
	f       *follow
	attempt int
}

// order sends the SUBSCRIBE of t as soon as there is room.
func (s *subscriber) order(t *ticket) {
	s.mu.Lock()
	if s.busy >= maxSubscribes {
		s.waiting = append(s.waiting, t)
		s.mu.Unlock()
		return
	}
	s.busy++
	s.mu.Unlock()
	s.launch(t)
}

// done gives the room of a SUBSCRIBE that has ended to the next.
func (s *subscriber) done() {
	s.mu.Lock()
	if len(s.waiting) == 0 {
		s.busy--
		s.mu.Unlock()
		return
	}
	t := s.waiting[0]
	s.waiting[0] = nil
	s.waiting = s.waiting[1:]
	s.mu.Unlock()
	s.later(func() { s.launch(t) })
}

// launch sends the SUBSCRIBE of t, unless it is not wanted any more.
func (s *subscriber) launch(t *ticket) {
	f := t.f
	f.mu.Lock()
	if f.attempt != t.attempt || f.sub.Over() {
		f.mu.Unlock()
		s.done()
		return
	}
	msg := s.message(f)
	callID := f.dialog.CallID
	f.sub.Sent(time.Now())
	s.schedule(f, f.sub.Next())
	f.mu.Unlock()
	s.port.transport.Send(msg, func(res *transport.Response, err error) {
		// It is a goroutine of the transport, which must not wait.
		s.later(func() { s.answered(t, callID, res, err) })
	})
}

// answered takes the outcome of a SUBSCRIBE.
func (s *subscriber) answered(t *ticket, callID string, res *transport.Response, err error) {
	f := t.f
	if errors.Is(err, transport.ErrStopped) {
		return // the next process goes on
	}
	a := answerOf(res, err)
	s.port.log.Debug("subscribe elsewhere", "watcher", f.leg.Watcher, "presentity", f.leg.Presentity,
		"call_id", callID, "code", a.Code, "err", err)
	f.mu.Lock()
	if f.attempt != t.attempt {
		f.mu.Unlock()
		s.done()
		return
	}
	if res != nil && (a.Code == 401 || a.Code == 407) && s.challenged(f, res) {
		f.mu.Unlock()
		s.launch(t) // RFC 3261 §22.2: again, with credentials and the next CSeq
		return
	}
	if a.Code != 401 && a.Code != 407 {
		f.accepted()
	}
	if res != nil {
		f.phrase = res.Reason
	}
	s.carryOut(f, f.sub.Answered(a, time.Now()))
	f.mu.Unlock()
	s.done()
	s.work(f)
}

// answerOf reads the final response, or what there is instead of one.
func answerOf(res *transport.Response, err error) event.Answer {
	a := event.Answer{Code: 503, Expires: -1, MinExpires: -1, RetryAfter: -1}
	switch {
	case errors.Is(err, transport.ErrTimeout):
		a.Code = 408 // RFC 3261 §8.1.3.1
		return a
	case err != nil:
		return a
	}
	a.Code = res.StatusCode
	for _, f := range []struct {
		name string
		to   *time.Duration
	}{{"Expires", &a.Expires}, {"Min-Expires", &a.MinExpires}, {"Retry-After", &a.RetryAfter}} {
		vs := res.Values(f.name)
		if len(vs) == 0 {
			continue
		}
		v, _, _ := strings.Cut(vs[0], ";")
		v, _, _ = strings.Cut(v, "(") // RFC 3261 §20.33: a comment
		d, ok := deltaSeconds(v)
		if ok {
			*f.to = d
		}
	}
	return a
}

// challenged prepares the answer to a challenge, and reports whether there is
// one. f.mu is held.
func (s *subscriber) challenged(f *follow, res *transport.Response) bool {
	if s.user == "" {
		return false
	}
	c, name := &f.auth, "WWW-Authenticate"
	if res.StatusCode == 407 {
		c, name = &f.proxy, "Proxy-Authenticate"
	}
	if *c == nil {
		*c = digest.NewClient(s.user, s.password)
	}
	err := (*c).Challenged(res.Values(name))
	if err != nil {
		s.port.log.Warn("subscribe elsewhere", "presentity", f.leg.Presentity, "call_id", f.dialog.CallID, "err", err)
		*c = nil
	}
	return err == nil
}

// accepted says that the credentials were taken, if there were any.
func (f *follow) accepted() {
	for _, c := range []*digest.Client{f.auth, f.proxy} {
		if c != nil {
			c.Accepted()
		}
	}
}

// message makes the next SUBSCRIBE of f: RFC 6665 §4.1.2, RFC 8048 §5.2.1.
// f.mu is held.
func (s *subscriber) message(f *follow) transport.Message {
	d := &f.dialog
	cseq, _ := d.Next()
	m := transport.Message{Method: "SUBSCRIBE"}
	h := make([]byte, 0, 512)
	if d.RemoteTag == "" {
		var route string
		m.URI = mapping.SIP(f.leg.Presentity)
		m.Next, route = s.firstHop(m.URI)
		h = line(h, "From", d.Local+";tag="+d.LocalTag)
		h = line(h, "To", d.Remote)
		h = line(h, "Call-ID", d.CallID)
		h = line(h, "CSeq", strconv.FormatUint(uint64(cseq), 10)+" SUBSCRIBE")
		if route != "" {
			h = line(h, "Route", "<"+route+">")
		}
	} else {
		var routes []string
		m.URI, routes, m.Next = d.Path()
		h = d.Append(h, "SUBSCRIBE", cseq, routes)
	}
	h = line(h, "Contact", "<"+s.contact()+">")
	h = line(h, "Event", eventPresence)
	h = line(h, "Accept", pidf.ContentType)
	h = line(h, "Expires", strconv.FormatInt(event.Seconds(f.sub.Asks()), 10))
	// RFC 3325 §7: the identity is asserted inside the trust domain only, and
	// not of who wants privacy.
	if f.leg.Watcher != anonymous && s.trusts(m.Next) {
		h = line(h, "P-Asserted-Identity", nameAddr("", mapping.SIP(f.leg.Watcher)))
	}
	if f.auth != nil {
		h = line(h, "Authorization", f.auth.Authorize(m.Method, m.URI, nil))
	}
	if f.proxy != nil {
		h = line(h, "Proxy-Authorization", f.proxy.Authorize(m.Method, m.URI, nil))
	}
	m.Header = h
	return m
}

// firstHop returns the next hop to a URI outside a dialog, and the Route
// value that goes with it, "" for none.
func (s *subscriber) firstHop(uri string) (next, route string) {
	out := s.port.cfg.Outbound
	if out == "" {
		return uri, ""
	}
	var u sip.Uri
	err := transport.ParseURI(out, &u)
	if err == nil && u.UriParams.Has("lr") {
		return out, out
	}
	return out, ""
}

// trusts reports whether the next hop is in the trust domain: the outbound
// proxy, or a trusted network or TLS name of the configuration.
func (s *subscriber) trusts(next string) bool {
	var u, out sip.Uri
	err := transport.ParseURI(next, &u)
	if err != nil {
		return false
	}
	if s.port.cfg.Outbound != "" && transport.ParseURI(s.port.cfg.Outbound, &out) == nil &&
		strings.EqualFold(u.Host, out.Host) && u.Port == out.Port {
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(u.Host, "[]"))
	if err != nil {
		tp, _ := u.UriParams.Get("transport")
		secure := u.Scheme == "sips" || strings.EqualFold(tp, "tls")
		return secure && s.port.trust.names[strings.ToLower(u.Host)]
	}
	for _, p := range s.port.trust.nets {
		if p.Contains(a.Unmap()) {
			return true
		}
	}
	return false
}

// contact is our Contact URI, on the transport that leads to the outbound
// proxy if we listen on it: a self-made GRUU (RFC 6665 §4.5.1).
func (s *subscriber) contact() string {
	var u sip.Uri
	err := transport.ParseURI(s.port.cfg.Outbound, &u)
	if err != nil {
		return s.port.contact(nil, false)
	}
	want, ok := u.UriParams.Get("transport")
	switch {
	case u.Scheme == "sips":
		want = "tls"
	case !ok:
		want = "udp"
	}
	for _, a := range s.port.Addrs() {
		if scheme, _, _ := strings.Cut(a, "://"); strings.EqualFold(scheme, want) {
			return s.port.contact(&transport.Flow{Transport: scheme}, u.Scheme == "sips")
		}
	}
	return s.port.contact(nil, false)
}
