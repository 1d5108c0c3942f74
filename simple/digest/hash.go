package digest

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"strings"
)

// hash is a hash function, in lower-case hex digits.
type hash func(b []byte) string

// algorithms are the hash functions by the names of RFC 7616 §6.1, in lower
// case.
var algorithms = map[string]hash{
	"md5":         func(b []byte) string { h := md5.Sum(b); return digits(h[:]) },
	"sha-256":     func(b []byte) string { h := sha256.Sum256(b); return digits(h[:]) },
	"sha-512-256": func(b []byte) string { h := sha512.Sum512_256(b); return digits(h[:]) },
}

func digits(sum []byte) string {
	var b [2 * sha256.Size]byte
	return string(hex.AppendEncode(b[:0], sum))
}

// algorithm returns the hash function that name means, and whether it is the
// session variant; nil when it is not known.
func algorithm(name string) (f hash, session bool) {
	name = strings.ToLower(name)
	if name == "" {
		name = "md5" // RFC 7616 §3.3: without algorithm it is MD5.
	}
	name, session = strings.CutSuffix(name, "-sess")
	return algorithms[name], session
}

// proof is what a response is computed from.
type proof struct {
	hash                   hash
	session                bool
	user, realm, password  string
	nonce, nc, cnonce, qop string
	method, uri            string
	body                   []byte
	buf                    []byte // what is hashed
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
		a2 += ":" + p.hash(p.body)
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
	if p.buf == nil {
		p.buf = make([]byte, 0, 256)
	}
	p.buf = p.buf[:0]
	for i, s := range parts {
		if i > 0 {
			p.buf = append(p.buf, ':')
		}
		p.buf = append(p.buf, s...)
	}
	return p.hash(p.buf)
}
