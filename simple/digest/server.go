package digest

import (
	"crypto/subtle"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Result says what became of the credentials of a request.
type Result uint8

// The results. None: there are no credentials for our realm. OK: they are
// right. Stale: they are right, but the nonce is too old, not ours any more
// or used already; a challenge with stale lets the client repeat without
// asking its user. Bad: anything else.
const (
	None Result = iota
	OK
	Stale
	Bad
)

// Offered are the algorithms of the challenges unless others are asked for.
// RFC 8760 §2.3: the most preferred algorithm stands at the top, each once.
var Offered = []string{"SHA-256", "MD5"}

// maxCredentials is how many credentials of one request are looked at.
const maxCredentials = 8

// Authenticator checks credentials for one realm. Its methods may be called
// by any goroutine.
type Authenticator struct {
	realm  string
	secret func(user string) (password string, ok bool)
	nonces *nonces
	// offered are the algorithms of the challenges, by preference.
	offered []string
}

// New returns an Authenticator for realm. secret knows the passwords; it is
// asked with the user name as the client sent it, and again with or without
// "@realm" when it does not know that. It must not block for long, and must
// be safe for concurrent use. algorithms are those of the challenges, by
// preference; none means Offered.
func New(realm string, secret func(user string) (password string, ok bool), algorithms ...string) *Authenticator {
	if len(algorithms) == 0 {
		algorithms = Offered
	}
	return &Authenticator{realm: realm, secret: secret, nonces: newNonces(), offered: algorithms}
}

// Challenge returns the values of the WWW-Authenticate header fields of a
// 401, in order of preference. stale says that the last credentials were
// right but for their nonce.
func (a *Authenticator) Challenge(stale bool) []string {
	// RFC 7616 §3.3: a nonce is made anew for each response; realm, nonce and
	// qop are quoted, stale and algorithm are not.
	s := "Digest realm=" + quote(a.realm) + `, nonce="` + a.nonces.make() + `"`
	if stale {
		s += ", stale=true"
	}
	values := make([]string, len(a.offered))
	for i, name := range a.offered {
		// RFC 8760 §2.6: a UAS MUST always send qop.
		values[i] = s + ", algorithm=" + name + `, qop="auth,auth-int", charset=UTF-8`
	}
	return values
}

// Check checks the Authorization header fields of a request. uri is its
// Request-URI, body its body as it came. user is the name as the client sent
// it, "" unless the result is OK or Stale.
func (a *Authenticator) Check(method, uri string, authorization []string, body []byte) (user string, res Result) {
	for _, v := range authorization[:min(len(authorization), maxCredentials)] {
		f, err := parse(v)
		// RFC 3261 §22.3: credentials are told apart by their realm.
		// RFC 3261 §22: Basic MUST NOT be accepted.
		if err == errNotDigest || err == nil && f["realm"] != a.realm {
			continue
		}
		name, got := "", Bad
		if err == nil {
			name, got = a.check(f, method, uri, body)
		}
		if got == OK {
			return name, OK
		}
		if res != Stale {
			user, res = name, got
		}
	}
	return user, res
}

// check checks one credential of our realm.
func (a *Authenticator) check(f fields, method, uri string, body []byte) (string, Result) {
	user, err := f.user()
	if err != nil || !a.accepts(f["uri"], uri) {
		return "", Bad
	}
	p := proof{
		user: user, realm: a.realm, nonce: f["nonce"], nc: f["nc"], cnonce: f["cnonce"],
		qop: strings.ToLower(f["qop"]), method: method, uri: f["uri"], body: body,
	}
	p.hash, p.session = algorithm(f["algorithm"])
	nc, ok := count(p.qop, p.nc, p.cnonce)
	if !ok || p.hash == nil || !a.isOffered(f["algorithm"]) {
		return "", Bad
	}
	known := false
	p.password, known = a.password(user)
	// An unknown user costs the same time as a wrong password.
	same := subtle.ConstantTimeCompare([]byte(p.response()), []byte(strings.ToLower(f["response"])))
	if same != 1 || !known {
		return "", Bad
	}
	// RFC 7616 §3.3: stale says that only the nonce was wrong.
	if !a.nonces.use(p.nonce, nc) {
		return user, Stale
	}
	return user, OK
}

// count returns the nonce count and whether qop, nc and cnonce fit together.
func count(qop, nc, cnonce string) (uint32, bool) {
	switch qop {
	case "":
		// RFC 8760 §2.6: old clients send no qop. Without a count, a nonce
		// serves for one request.
		return 1, nc == "" && cnonce == ""
	case "auth", "auth-int":
	default:
		return 0, false
	}
	n, err := strconv.ParseUint(nc, 16, 32)
	// RFC 7616 §3.4: nc is eight digits, and the first request has 1.
	return uint32(n), err == nil && len(nc) == 8 && n > 0 && cnonce != ""
}

func (a *Authenticator) isOffered(name string) bool {
	for _, o := range a.offered {
		if strings.EqualFold(o, name) || name == "" && o == "MD5" {
			return true
		}
	}
	return false
}

// password looks user up, under his name with and without the realm.
func (a *Authenticator) password(user string) (string, bool) {
	password, ok := a.secret(user)
	if ok || user == "" {
		return password, ok
	}
	name, host, full := strings.Cut(user, "@")
	switch {
	case !full:
		return a.secret(user + "@" + a.realm)
	case strings.EqualFold(host, a.realm):
		return a.secret(name)
	}
	return "", false
}

// accepts reports whether credentials for the URI got may stand in a request
// to want. RFC 8760 §2.6: proxies may have changed the Request-URI, but what
// the client asked for must be served here: it is in our realm, or on the
// same host as the Request-URI.
func (a *Authenticator) accepts(got, want string) bool {
	if got == "" || strings.EqualFold(got, want) {
		return got != ""
	}
	g, w := hostOf(got), hostOf(want)
	return g != "" && (g == w || g == strings.ToLower(a.realm))
}

// hostOf returns the host of a SIP URI in lower case, "" of other URIs.
func hostOf(uri string) string {
	var u sip.Uri
	err := sip.ParseUri(uri, &u)
	if err != nil || u.Scheme != "sip" && u.Scheme != "sips" {
		return ""
	}
	return strings.ToLower(u.Host)
}
