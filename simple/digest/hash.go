package digest

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"strings"
)

// algorithms are the hash functions by the names of RFC 7616 §6.1, in lower
// case.
var algorithms = map[string]func() hash.Hash{
	"md5":         md5.New,
	"sha-256":     sha256.New,
	"sha-512-256": sha512.New512_256,
}

// algorithm returns the hash function that name means, and whether it is the
// session variant; nil when it is not known.
func algorithm(name string) (f func() hash.Hash, session bool) {
	name = strings.ToLower(name)
	if name == "" {
		name = "md5" // RFC 7616 §3.3: without algorithm it is MD5.
	}
	name, session = strings.CutSuffix(name, "-sess")
	return algorithms[name], session
}

// proof is what a response is computed from.
type proof struct {
	hash                   func() hash.Hash
	session                bool
	user, realm, password  string
	nonce, nc, cnonce, qop string
	method, uri            string
	body                   []byte
}

// response computes the response parameter, in lower-case hex digits.
func (p *proof) response() string {
	// RFC 7616 §3.4.2: A1.
	a1 := p.join(p.user, p.realm, p.password)
	if p.session {
		a1 = p.join(a1, p.nonce, p.cnonce)
	}
	// RFC 7616 §3.4.3: A2; without a body it has the hash of nothing
	// (RFC 8760 §2.6).
	a2 := p.method + ":" + p.uri
	if p.qop == "auth-int" {
		a2 += ":" + p.join(string(p.body))
	}
	a2 = p.join(a2)
	if p.qop == "" {
		// RFC 3261 §22.4: clients of RFC 2069 send no qop.
		return p.join(a1, p.nonce, a2)
	}
	// RFC 7616 §3.4.1.
	return p.join(a1, p.nonce, p.nc, p.cnonce, p.qop, a2)
}

// join hashes parts with colons between them.
func (p *proof) join(parts ...string) string {
	h := p.hash()
	h.Write([]byte(strings.Join(parts, ":")))
	return hex.EncodeToString(h.Sum(nil))
}
