package digest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Authorize answers one challenge, the value of a WWW-Authenticate or
// Proxy-Authenticate header field, and returns the value of the Authorization
// or Proxy-Authorization header field. body is the request's body as it is
// sent. An error says that the challenge cannot be answered.
func Authorize(challenge, method, uri, user, password string, body []byte) (string, error) {
	c := NewClient(user, password)
	err := c.Challenged([]string{challenge})
	if err != nil {
		return "", err
	}
	return c.Authorize(method, uri, body), nil
}

// Client answers the challenges of one server, and goes on using its nonce in
// further requests (RFC 7616 §3.6). It is not safe for concurrent use.
type Client struct {
	user, password string
	challenge      fields // nil: never challenged
	qop, cnonce    string
	count          uint32
	// tries is how often requests went out since the server took one.
	tries int
}

// maxTries is how often a stale nonce is replaced before the server counts as
// one that never takes what it asks for.
const maxTries = 3

// ErrRefused: the server has seen the password and does not take it.
var ErrRefused = errors.New("the server does not take the password")

// NewClient returns a Client for a user.
func NewClient(user, password string) *Client {
	return &Client{user: user, password: password}
}

// Challenged takes the challenges of a 401 or 407 response: the values of its
// WWW-Authenticate or Proxy-Authenticate header fields. An error says that
// the request must not be repeated: no challenge can be answered, or the
// server has just refused the password.
func (c *Client) Challenged(values []string) error {
	// RFC 8760 §2.4: the topmost challenge that is understood counts, and
	// others are ignored.
	reason := errors.New("no challenge")
	for _, v := range values {
		f, err := parse(v)
		if err != nil {
			reason = err
			continue
		}
		hash, session := algorithm(f["algorithm"])
		qop, ok := choose(f)
		// RFC 3261 §22.4 item 8: the session variant needs qop.
		ok = ok && (qop != "" || !session)
		if hash == nil || !ok || f["nonce"] == "" || !quotable(f["realm"]+f["nonce"]+f["opaque"]) {
			reason = fmt.Errorf("the server wants algorithm %q with qop %q", f["algorithm"], f["qop"])
			continue
		}
		// RFC 3261 §22.1: a UAC MUST NOT try again what was just refused,
		// unless only the nonce was stale.
		stale := strings.EqualFold(f["stale"], "true") && c.tries < maxTries
		if c.tries > 0 && !stale && c.challenge["realm"] == f["realm"] {
			return fmt.Errorf("%w of %q in realm %q", ErrRefused, c.user, f["realm"])
		}
		// A new cnonce for each challenge: it is part of the session's key.
		c.challenge, c.qop, c.cnonce, c.count = f, qop, rand.Text(), 0
		return nil
	}
	return fmt.Errorf("answering the challenge: %w", reason)
}

// Accepted says that the server took the password: its answer was not another
// challenge. A later one is then about the nonce only.
func (c *Client) Accepted() { c.tries = 0 }

// choose returns the qop to use of those that f offers; "" when it names
// none, as servers before RFC 2617 do.
func choose(f fields) (qop string, ok bool) {
	list, ok := f["qop"]
	if !ok {
		return "", true
	}
	found := ""
	for q := range strings.SplitSeq(strings.ToLower(list), ",") {
		switch q = trim(q); q {
		case "auth":
			return q, true
		case "auth-int":
			found = q
		}
	}
	return found, found != ""
}

// Authorize returns the value of the Authorization or Proxy-Authorization
// header field for a request, "" when there was no challenge yet.
func (c *Client) Authorize(method, uri string, body []byte) string {
	if c.challenge == nil {
		return ""
	}
	c.count++
	c.tries++
	f := c.challenge
	p := proof{
		user: c.user, realm: f["realm"], password: c.password, nonce: f["nonce"],
		qop: c.qop, method: method, uri: uri, body: body,
	}
	p.hash, p.session = algorithm(f["algorithm"])
	if p.qop != "" {
		p.nc, p.cnonce = fmt.Sprintf("%08x", c.count), c.cnonce
	}
	return p.credentials(f)
}

// credentials writes p as the answer to the challenge f.
func (p *proof) credentials(f fields) string {
	var b strings.Builder
	b.WriteString("Digest ")
	hashed := strings.EqualFold(f["userhash"], "true")
	switch {
	case hashed:
		// RFC 7616 §3.4.4.
		b.WriteString("username=" + quote(p.join(p.user, p.realm)))
	case quotable(p.user):
		b.WriteString("username=" + quote(p.user))
	default:
		b.WriteString("username*=UTF-8''" + url.PathEscape(p.user))
	}
	// RFC 7616 §3.4: these are quoted, and algorithm, qop and nc are not.
	b.WriteString(", realm=" + quote(p.realm) + ", nonce=" + quote(p.nonce) + ", uri=" + quote(p.uri))
	b.WriteString(`, response="` + p.response() + `"`)
	if name, ok := f["algorithm"]; ok {
		b.WriteString(", algorithm=" + name)
	}
	if p.qop != "" {
		b.WriteString(", cnonce=" + quote(p.cnonce) + ", qop=" + p.qop + ", nc=" + p.nc)
	}
	if opaque, ok := f["opaque"]; ok {
		b.WriteString(", opaque=" + quote(opaque))
	}
	if hashed {
		b.WriteString(", userhash=true")
	}
	return b.String()
}
