package digest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// vector is one row of testdata/digest/vectors.json.
type vector struct {
	Username, Password, Realm, Method, URI, Nonce, NC, Cnonce, QOP, Algorithm, Source string
	Response, Userhash                                                                string
}

func TestSEC_02_Vectors(t *testing.T) {
	b, err := os.ReadFile("../../testdata/digest/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vs []vector
	err = json.Unmarshal(b, &vs)
	if err != nil {
		t.Fatal(err)
	}
	if len(vs) < 3 {
		t.Fatal("vectors are missing")
	}
	for _, v := range vs {
		t.Run(v.Source+" "+v.Algorithm, func(t *testing.T) {
			p := proof{user: v.Username, realm: v.Realm, password: v.Password, nonce: v.Nonce,
				nc: v.NC, cnonce: v.Cnonce, qop: v.QOP, method: v.Method, uri: v.URI}
			p.hash, p.session = algorithm(v.Algorithm)
			if got := p.response(); got != v.Response {
				t.Errorf("response %s, want %s", got, v.Response)
			}
			if got := p.join(p.user, p.realm); v.Userhash != "" && got != v.Userhash {
				t.Errorf("userhash %s, want %s", got, v.Userhash)
			}
		})
	}
}

const (
	realm = "sip.example"
	uri   = "sip:romeo@sip.example"
)

func newAuth() *Authenticator {
	users := map[string]string{"romeo": "let me in", "juliet@sip.example": "balcony", "Jäsøn \"D\"": "x:y"}
	return New(realm, func(user string) (string, bool) {
		p, ok := users[user]
		return p, ok
	})
}

func answer(t *testing.T, challenge, user, password string) string {
	t.Helper()
	v, err := Authorize(challenge, "PUBLISH", uri, user, password, nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func want(t *testing.T, a *Authenticator, credentials, user string, res Result) {
	t.Helper()
	gotUser, got := a.Check("PUBLISH", uri, []string{credentials}, nil)
	if got != res || gotUser != user {
		t.Errorf("%q, %d, want %q, %d\nfor %s", gotUser, got, user, res, credentials)
	}
}

func TestSEC_02_Challenge(t *testing.T) {
	a := newAuth()
	cs := a.Challenge(false)
	if len(cs) != 2 || !strings.Contains(cs[0], "algorithm=SHA-256,") || !strings.Contains(cs[1], "algorithm=MD5,") {
		t.Errorf("challenges out of order: %q", cs)
	}
	for _, c := range cs {
		if !strings.Contains(c, `qop="auth,auth-int"`) || strings.Contains(c, "stale") {
			t.Errorf("challenge %s", c)
		}
	}
	if c := a.Challenge(true)[0]; !strings.Contains(c, "stale=true,") {
		t.Errorf("challenge %s", c)
	}
	if f, g := a.nonces.make(), a.nonces.make(); f == g {
		t.Error("the same nonce twice")
	}
}

func TestSEC_02_RightAndWrong(t *testing.T) {
	a := newAuth()
	for i, name := range Offered {
		for _, c := range []struct {
			user, password string
			res            Result
		}{
			{"romeo", "let me in", OK},
			{"romeo@sip.example", "let me in", OK},
			{"romeo@SIP.example", "let me in", OK},
			{"juliet", "balcony", OK},
			{"juliet@sip.example", "balcony", OK},
			{`Jäsøn "D"`, "x:y", OK},
			{"romeo", "let me in ", Bad},
			{"romeo@other.example", "let me in", Bad},
			{"nobody", "", Bad},
			{"", "", Bad},
		} {
			t.Run(name+" "+c.user+" "+c.password, func(t *testing.T) {
				user := ""
				if c.res == OK {
					user = c.user
				}
				want(t, a, answer(t, a.Challenge(false)[i], c.user, c.password), user, c.res)
			})
		}
	}
}

func TestSEC_02_AuthInt(t *testing.T) {
	a := newAuth()
	challenge := strings.Replace(a.Challenge(false)[0], "auth,auth-int", "auth-int", 1)
	for _, body := range []string{"", "<presence/>"} {
		v, err := Authorize(challenge, "PUBLISH", uri, "romeo", "let me in", []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(v, "qop=auth-int") {
			t.Fatalf("credentials %s", v)
		}
		_, res := a.Check("PUBLISH", uri, []string{v}, []byte(body+"x"))
		if res != Bad {
			t.Errorf("another body: %d", res)
		}
		_, res = a.Check("SUBSCRIBE", uri, []string{v}, []byte(body))
		if res != Bad {
			t.Errorf("another method: %d", res)
		}
		_, res = a.Check("PUBLISH", uri, []string{v}, []byte(body))
		if res != OK {
			t.Errorf("body %q: %d", body, res)
		}
		challenge = strings.Replace(a.Challenge(false)[0], "auth,auth-int", "auth-int", 1)
	}
}

// TestPUB_24_Replay: what was accepted once is not accepted again.
func TestPUB_24_Replay(t *testing.T) {
	a := newAuth()
	c := NewClient("romeo", "let me in")
	err := c.Challenged(a.Challenge(false))
	if err != nil {
		t.Fatal(err)
	}
	var sent []string
	for range 100 {
		sent = append(sent, c.Authorize("PUBLISH", uri, nil))
	}
	// Two overtake each other.
	want(t, a, sent[1], "romeo", OK)
	want(t, a, sent[0], "romeo", OK)
	want(t, a, sent[2], "romeo", OK)
	for _, v := range sent[:3] {
		want(t, a, v, "romeo", Stale)
	}
	want(t, a, sent[99], "romeo", OK)
	want(t, a, sent[35], "romeo", OK) // 64 below the highest
	want(t, a, sent[35], "romeo", Stale)
	want(t, a, sent[34], "romeo", Stale) // further down it is not known any more
	want(t, a, sent[98], "romeo", OK)
}

// TestPUB_24_NoQop: a client of RFC 2069 has no count, so that its nonce
// serves once.
func TestPUB_24_NoQop(t *testing.T) {
	a := newAuth()
	challenge := strings.Replace(a.Challenge(false)[1], `, qop="auth,auth-int"`, "", 1)
	v := answer(t, challenge, "romeo", "let me in")
	if strings.Contains(v, "qop") || strings.Contains(v, "cnonce") {
		t.Fatalf("credentials %s", v)
	}
	want(t, a, v, "romeo", OK)
	want(t, a, v, "romeo", Stale)
}

func TestPUB_24_Stale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuth()
		challenge := a.Challenge(false)[0]
		c := NewClient("romeo", "let me in")
		err := c.Challenged([]string{challenge})
		if err != nil {
			t.Fatal(err)
		}
		want(t, a, c.Authorize("PUBLISH", uri, nil), "romeo", OK)
		time.Sleep(nonceLife - time.Second)
		want(t, a, c.Authorize("PUBLISH", uri, nil), "romeo", OK)
		time.Sleep(time.Second)
		want(t, a, c.Authorize("PUBLISH", uri, nil), "romeo", Stale)
		// A wrong password is Bad, however old the nonce.
		want(t, a, answer(t, challenge, "romeo", "wrong"), "", Bad)
		// Someone else's nonce, such as that of the process before.
		other := strings.Replace(challenge, `nonce="`, `nonce="x`, 1)
		want(t, a, answer(t, other, "romeo", "let me in"), "romeo", Stale)
		want(t, a, answer(t, newAuth().Challenge(false)[0], "romeo", "let me in"), "romeo", Stale)
		// What has expired is forgotten.
		time.Sleep(2 * nonceLife)
		want(t, a, answer(t, a.Challenge(true)[0], "romeo", "let me in"), "romeo", OK)
		if n := a.nonces.used.ItemCount(); n != 1 {
			t.Errorf("%d nonces are remembered, want 1", n)
		}
	})
}

// TestPUB_24_Bounded: the memory of used nonces has an end, and what falls
// out of it cannot be used again.
func TestPUB_24_Bounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNonces()
		first := n.make()
		if !n.use(first, 1) {
			t.Fatal("a new nonce is not good")
		}
		refused := 0
		for range maxUsed {
			if !n.use(n.make(), 1) {
				refused++
			}
			time.Sleep(time.Microsecond)
		}
		if refused != 1 || n.used.ItemCount() > maxUsed {
			t.Errorf("%d refused, %d remembered", refused, n.used.ItemCount())
		}
		if n.use(first, 1) || n.use(first, 2) {
			t.Error("a forgotten nonce is good")
		}
	})
}

func TestWindow(t *testing.T) {
	var w window
	for _, c := range []struct {
		nc   uint32
		free bool
	}{{1, true}, {1, false}, {0, false}, {65, true}, {1, false}, {2, true}, {64, true}, {64, false},
		{200, true}, {65, false}, {136, true}, {136, false}, {135, false}, {1<<32 - 1, true}, {1<<32 - 1, false}, {201, false}} {
		if got := w.take(c.nc); got != c.free {
			t.Errorf("%d: %v, want %v", c.nc, got, c.free)
		}
	}
}

func TestSEC_02_Malformed(t *testing.T) {
	a := newAuth()
	good := answer(t, a.Challenge(false)[0], "romeo", "let me in")
	replace := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("no %s in %s", old, good)
		}
		return strings.Replace(good, old, new, 1)
	}
	for _, c := range []struct {
		name, value string
		res         Result
	}{
		{"no credentials", "", None},
		{"Basic", "Basic cm9tZW86bGV0IG1lIGlu", None},
		{"another realm", replace(`realm="sip.example"`, `realm="other.example"`), None},
		{"no realm", replace(`realm="sip.example", `, ""), None},
		{"without its end", good[:len(good)-20] + `, x="`, Bad},
		{"twice the same parameter", good + `, username="juliet"`, Bad},
		{"username and username*", good + `, username*=UTF-8''romeo`, Bad},
		{"algorithm not Offered", replace("algorithm=SHA-256", "algorithm=SHA-256-sess"), Bad},
		{"unknown algorithm", replace("algorithm=SHA-256", "algorithm=CRC32"), Bad},
		{"unknown qop", replace("qop=auth", "qop=auth-conf"), Bad},
		{"nc of 7 digits", replace("nc=00000001", "nc=0000001"), Bad},
		{"nc 0", replace("nc=00000001", "nc=00000000"), Bad},
		{"nc without qop", replace("qop=auth, ", ""), Bad},
		{"no nonce", replace("nonce", "nonsense"), Bad},
		{"no response", replace("response", "reply"), Bad},
		{"uri of another host", replace(`uri="sip:romeo@sip.example"`, `uri="sip:romeo@far.example"`), Bad},
		{"uri without a host", replace(`uri="sip:romeo@sip.example"`, `uri="tel:+1"`), Bad},
		{"very long", good + ", x=" + strings.Repeat("y", maxValue), Bad},
	} {
		t.Run(c.name, func(t *testing.T) { want(t, a, c.value, "", c.res) })
	}
	// The right one among others: RFC 3261 §22.3.
	user, res := a.Check("PUBLISH", uri, []string{"Basic x", replace("romeo", "juliet"), good}, nil)
	if user != "romeo" || res != OK {
		t.Errorf("%q %d", user, res)
	}
}

// TestSEC_02_ByHand checks what clients write differently: quotes, order,
// case, white space, and the digest of a known implementation's formula.
func TestSEC_02_ByHand(t *testing.T) {
	a := newAuth()
	f, err := parse(a.Challenge(false)[0])
	if err != nil {
		t.Fatal(err)
	}
	h := func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return hex.EncodeToString(sum[:])
	}
	ha1, ha2 := h("romeo:sip.example:let me in"), h("PUBLISH:"+uri)
	v := fmt.Sprintf(`DIGEST  uri="%s",qop="auth" , nc=00000001,cnonce="a\"b",,ReSponse="%s",nonce="%s",ALGORITHM="sha-256",realm="sip.\example",username="romeo"`,
		uri, strings.ToUpper(h(ha1+":"+f["nonce"]+`:00000001:a"b:auth:`+ha2)), f["nonce"])
	want(t, a, v, "romeo", OK)
}

// TestClientTopmost: RFC 8760 §2.4, the topmost challenge that is understood.
func TestClientTopmost(t *testing.T) {
	a := newAuth()
	c := NewClient("romeo", "let me in")
	err := c.Challenged(append([]string{"Basic realm=x", `Digest realm="sip.example", nonce="n", algorithm=AKAv1-MD5`}, a.Challenge(false)...))
	if err != nil {
		t.Fatal(err)
	}
	v := c.Authorize("PUBLISH", uri, nil)
	if !strings.Contains(v, "algorithm=SHA-256,") {
		t.Errorf("credentials %s", v)
	}
	want(t, a, v, "romeo", OK)
}

// TestClientNotUnderstood: there is no answer to such challenges.
func TestClientNotUnderstood(t *testing.T) {
	_, err := Authorize(`Digest realm="x", nonce="n", algorithm=AKAv1-MD5, qop="auth"`, "PUBLISH", uri, "romeo", "", nil)
	if err == nil || !strings.Contains(err.Error(), "AKAv1-MD5") {
		t.Errorf("error %v", err)
	}
	for _, v := range []string{`Digest realm="x", nonce="n", qop="auth-conf"`, `Digest realm="x", algorithm=MD5`,
		`Digest realm="x", nonce="n", algorithm=MD5-sess`, "Digest realm=\"x\x00\", nonce=\"n\""} {
		_, err := Authorize(v, "PUBLISH", uri, "romeo", "", nil)
		if err == nil {
			t.Errorf("an answer to %q", v)
		}
	}
}

// TestClientRefused: RFC 3261 §22.1, a refused password is not sent again.
func TestClientRefused(t *testing.T) {
	a := newAuth()
	c := NewClient("romeo", "wrong")
	err := c.Challenged(a.Challenge(false))
	if err != nil {
		t.Fatal(err)
	}
	c.Authorize("PUBLISH", uri, nil)
	err = c.Challenged(a.Challenge(false))
	if err == nil {
		t.Fatal("the password is tried again")
	}
	for range maxTries {
		err = c.Challenged(a.Challenge(true))
		c.Authorize("PUBLISH", uri, nil)
	}
	if err == nil {
		t.Error("a nonce that is always stale is replaced for ever")
	}
	c.Accepted()
	err = c.Challenged(a.Challenge(false))
	if err != nil {
		t.Errorf("a challenge after a success: %v", err)
	}
}

// TestClientUserNames: RFC 7616 §3.4.4, userhash and username*.
func TestClientUserNames(t *testing.T) {
	v := answer(t, `Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth", userhash=true`, "romeo", "x")
	p := proof{hash: algorithms["sha-256"]}
	if !strings.Contains(v, `username="`+p.join("romeo", "r")+`"`) || !strings.Contains(v, "userhash=true") {
		t.Errorf("credentials %s", v)
	}
	f, err := parse(answer(t, `Digest realm="r", nonce="n"`, "ro\nméo", "x"))
	if err != nil {
		t.Fatal(err)
	}
	name, err := f.user()
	if err != nil || name != "ro\nméo" {
		t.Errorf("user %q, %v", name, err)
	}
}

func FuzzCheck(f *testing.F) {
	a := newAuth()
	challenge := a.Challenge(false)[0]
	v, err := Authorize(challenge, "PUBLISH", uri, "romeo", "let me in", nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(v)
	f.Add(challenge)
	f.Add(`Digest username*=UTF-8''%41, realm="sip.example", uri="sip:a@sip.example", nonce=""`)
	f.Fuzz(func(t *testing.T, s string) {
		user, res := a.Check("PUBLISH", "sip:nobody@sip.example", []string{s}, nil)
		if res == OK && user != "romeo" {
			t.Errorf("%q is %q", s, user)
		}
		c := NewClient("u", "p")
		if c.Challenged([]string{s}) != nil {
			return
		}
		out := c.Authorize("PUBLISH", uri, nil)
		if strings.ContainsAny(out, "\r\n\x00") {
			t.Errorf("credentials %q for %q", out, s)
		}
		_, err := parse(out)
		if err != nil && len(out) <= maxValue {
			t.Errorf("%v of our own credentials %q", err, out)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	a := newAuth()
	c := NewClient("romeo", "let me in")
	err := c.Challenged(a.Challenge(false))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		_, res := a.Check("PUBLISH", uri, []string{c.Authorize("PUBLISH", uri, nil)}, nil)
		if res != OK {
			b.Fatal(res)
		}
	}
}
