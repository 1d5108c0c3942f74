package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/porchlight-im/porchlight/simple/digest"
	"github.com/porchlight-im/porchlight/simple/pidf"
	"github.com/porchlight-im/porchlight/simple/transport"
)

// The patience of publish.
const (
	publishQuiet  = 4 * time.Second  // without an answer, before it says so
	publishFinish = 5 * time.Second  // for what is under way at Ctrl-C, and for the removal
	publishRetry  = 10 * time.Second // after a failed refresh; doubles
	publishLast   = 5 * time.Minute
	publishTries  = 5 // challenges and too brief lifetimes in a row
)

// publisher keeps one publication: the EPA of RFC 3903 §4.
type publisher struct {
	cmd    *publishCmd
	t      *transport.Transport
	out    io.Writer
	uri    string // the Request-URI: whose presence it is
	body   []byte
	callID string
	tag    string
	cseq   int
	auth   *digest.Client // for 401
	proxy  *digest.Client // for 407
	etag   string         // of the publication that stands
}

func newPublisher(c *publishCmd, t *transport.Transport, out io.Writer, uri string, body []byte) *publisher {
	return &publisher{cmd: c, t: t, out: out, uri: uri, body: body, callID: rand.Text(), tag: rand.Text()}
}

func (p *publisher) say(format string, args ...any) {
	fmt.Fprintf(p.out, format+"\n", args...)
}

// run publishes, refreshes until ctx ends, and removes.
func (p *publisher) run(ctx context.Context) error {
	lifetime, err := p.put(ctx, p.body)
	if err != nil {
		return err
	}
	p.say("Published for %s: %s", p.uri, p.cmd.summary())
	if p.cmd.Once {
		p.say("It ends in %v.", lifetime)
		return nil
	}
	p.say("It lasts %v and is refreshed until Ctrl-C, which removes it.", lifetime)
	for wait, retry := refreshAfter(lifetime), publishRetry; ; {
		select {
		case <-ctx.Done():
			return p.remove()
		case <-time.After(wait):
		}
		lifetime, err = p.refresh(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			p.say("Not refreshed: %v\nNext try in %v.", err, retry)
			wait, retry = retry, min(2*retry, publishLast)
		default:
			wait, retry = refreshAfter(lifetime), publishRetry
		}
	}
}

// refreshAfter is when a publication that lasts d is refreshed: after 90 %,
// but 30 s before its end where that is possible.
func refreshAfter(d time.Duration) time.Duration {
	return max(d-max(d/10, min(30*time.Second, d/2)), time.Second)
}

// refresh makes the publication last longer.
func (p *publisher) refresh(ctx context.Context) (time.Duration, error) {
	if p.etag == "" {
		return p.put(ctx, p.body)
	}
	lifetime, err := p.put(ctx, nil)
	var no *refusal
	if errors.As(err, &no) && no.code == 412 {
		// RFC 3903 §5: after a 412, the entity-tag is discarded and the state
		// is published anew.
		p.etag = ""
		p.say("The server does not know the publication any more; publishing it anew.")
		return p.put(ctx, p.body)
	}
	if err == nil {
		p.say("Refreshed for %v.", lifetime)
	}
	return lifetime, err
}

// remove ends the publication: RFC 3903 §4.5.
func (p *publisher) remove() error {
	if p.etag == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), publishFinish)
	defer cancel()
	_, err := p.exchange(ctx, 0, nil)
	var no *refusal
	switch {
	case err == nil:
		p.say("Removed.")
	case errors.As(err, &no) && no.code == 412:
		p.say("It was gone already.")
	default:
		return fmt.Errorf("the publication could not be removed and ends by itself: %w", err)
	}
	return nil
}

// put publishes body, or refreshes with none, and returns how long it lasts.
func (p *publisher) put(ctx context.Context, body []byte) (time.Duration, error) {
	res, err := p.exchange(ctx, p.cmd.Expires, body)
	if err != nil {
		return 0, err
	}
	tags := res.Values("SIP-ETag")
	if len(tags) != 1 {
		return 0, &refusal{code: res.StatusCode, text: "the server sent no SIP-ETag: it is no presence server"}
	}
	p.etag = tags[0]
	lifetime := p.cmd.Expires
	if granted, ok := secondsOf(res, "Expires"); ok {
		lifetime = granted
	}
	return lifetime, nil
}

// exchange sends a PUBLISH until it has an answer that is neither a challenge
// nor "too brief". A failure answer is a *refusal.
func (p *publisher) exchange(ctx context.Context, expires time.Duration, body []byte) (*transport.Response, error) {
	for range publishTries {
		res, err := p.once(ctx, expires, body)
		if err != nil {
			return nil, err
		}
		switch {
		case res.StatusCode == 401, res.StatusCode == 407:
			err = p.challenged(res)
			if err != nil {
				return nil, &exitError{exitFailed, err}
			}
			continue
		case res.StatusCode == 423 && expires > 0:
			// RFC 3903 §5: retry with what Min-Expires says.
			least, ok := secondsOf(res, "Min-Expires")
			if ok && least > expires {
				p.say("The server wants a lifetime of at least %v.", least)
				p.cmd.Expires, expires = least, least
				continue
			}
		}
		for _, c := range []*digest.Client{p.auth, p.proxy} {
			if c != nil {
				c.Accepted()
			}
		}
		if res.StatusCode >= 300 {
			return nil, &exitError{exitFailed, p.explain(res)}
		}
		return res, nil
	}
	return nil, &exitError{exitFailed, errors.New("the server asks for credentials again and again")}
}

// challenged prepares the credentials that a 401 or 407 asks for.
func (p *publisher) challenged(res *transport.Response) error {
	if p.cmd.Password == "" {
		return fmt.Errorf("the server asks for a password (%d): give --user and --password", res.StatusCode)
	}
	c, name := &p.auth, "WWW-Authenticate"
	if res.StatusCode == 407 {
		c, name = &p.proxy, "Proxy-Authenticate"
	}
	if *c == nil {
		*c = digest.NewClient(p.cmd.User, p.cmd.Password)
	}
	return (*c).Challenged(res.Values(name))
}

// once sends one PUBLISH and waits for its answer. At the end of ctx it waits
// a little longer, so that what was published can be removed.
func (p *publisher) once(ctx context.Context, expires time.Duration, body []byte) (*transport.Response, error) {
	type answer struct {
		res *transport.Response
		err error
	}
	got := make(chan answer, 1)
	p.t.Send(p.message(expires, body), func(res *transport.Response, err error) { got <- answer{res, err} })
	quiet := time.NewTimer(publishQuiet)
	defer quiet.Stop()
	ended, late := ctx.Done(), (<-chan time.Time)(nil)
	for {
		select {
		case a := <-got:
			if a.err != nil {
				return nil, p.unreachable(a.err)
			}
			return a.res, nil
		case <-quiet.C:
			p.say("No answer from %s yet; waiting.", p.cmd.Server)
		case <-ended:
			ended, late = nil, time.After(publishFinish)
		case <-late:
			return nil, fmt.Errorf("no answer from %s: %w", p.cmd.Server, ctx.Err())
		}
	}
}

// message makes the next PUBLISH: RFC 3903 §4.
func (p *publisher) message(expires time.Duration, body []byte) transport.Message {
	p.cseq++
	line := func(h []byte, name, value string) []byte { return fmt.Appendf(h, "%s: %s\r\n", name, value) }
	h := line(nil, "From", "<"+p.uri+">;tag="+p.tag)
	h = line(h, "To", "<"+p.uri+">")
	h = line(h, "Call-ID", p.callID)
	h = line(h, "CSeq", strconv.Itoa(p.cseq)+" PUBLISH")
	h = line(h, "Event", "presence")
	h = line(h, "Expires", strconv.Itoa(int(expires/time.Second)))
	// A server that trusts this host needs no password (RFC 3325 §5); others
	// pay no attention to it.
	h = line(h, "P-Asserted-Identity", "<"+p.uri+">")
	h = line(h, "User-Agent", "porchlight publish")
	if p.etag != "" {
		h = line(h, "SIP-If-Match", p.etag)
	}
	if len(body) > 0 {
		h = line(h, "Content-Type", pidf.ContentType)
	}
	if p.auth != nil {
		h = line(h, "Authorization", p.auth.Authorize("PUBLISH", p.uri, body))
	}
	if p.proxy != nil {
		h = line(h, "Proxy-Authorization", p.proxy.Authorize("PUBLISH", p.uri, body))
	}
	return transport.Message{Method: "PUBLISH", URI: p.uri, Header: h, Body: body, Next: p.cmd.Server}
}

// unreachable says what to do when there is no answer.
func (p *publisher) unreachable(err error) error {
	if errors.Is(err, transport.ErrTimeout) {
		err = fmt.Errorf("%s does not answer: is it running, and are host, port and transport right? (for TCP: --server '%s;transport=tcp')",
			p.cmd.Server, p.cmd.Server)
	} else {
		err = fmt.Errorf("%s cannot be reached: %w", p.cmd.Server, err)
	}
	return &exitError{exitNoReach, err}
}

// refusal is a failure response.
type refusal struct {
	code int
	text string
}

func (r *refusal) Error() string { return r.text }

// explain says what a failure response means, and what to do.
func (p *publisher) explain(res *transport.Response) *refusal {
	hint := ""
	switch res.StatusCode {
	case 403:
		hint = fmt.Sprintf("; it does not take %s from here: give --user and --password, or check who is trusted in its configuration", p.uri)
	case 404:
		hint = fmt.Sprintf("; %s is not one of its users: check the address, and its domains", p.uri)
	case 405, 489, 501:
		hint = "; it is no presence server: check --server"
	case 480, 503:
		hint = "; try again later"
	case 412:
		hint = "; the publication is gone"
	case 413, 513:
		hint = "; the note is too long for it"
	}
	if wait, ok := secondsOf(res, "Retry-After"); ok {
		hint += fmt.Sprintf(" (after %v)", wait)
	}
	return &refusal{res.StatusCode, fmt.Sprintf("the server refused: %d %s%s", res.StatusCode, res.Reason, hint)}
}

// secondsOf reads a header field of seconds.
func secondsOf(res *transport.Response, name string) (time.Duration, bool) {
	vs := res.Values(name)
	if len(vs) == 0 {
		return 0, false
	}
	n, err := strconv.ParseUint(vs[0], 10, 31)
	return time.Duration(n) * time.Second, err == nil
}
