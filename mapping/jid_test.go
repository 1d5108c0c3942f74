package mapping

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

func TestRFC7247Addresses(t *testing.T) {
	var cases struct {
		SIPToXMPP []struct{ SIP, XMPP string } `json:"sip_to_xmpp"`
		XMPPToSIP []struct{ SIP, XMPP string } `json:"xmpp_to_sip"`
	}
	readJSON(t, "rfc7247-addresses.json", &cases)
	if len(cases.SIPToXMPP) != 3 || len(cases.XMPPToSIP) != 3 {
		t.Fatal("not all examples were read")
	}
	for _, c := range cases.SIPToXMPP {
		i, err := ParseSIP(c.SIP, "")
		got, ok := FullJID(i)
		if err != nil || !ok || got != c.XMPP {
			t.Errorf("A5: %s becomes %q, %v, %v, want %q", c.SIP, got, ok, err, c.XMPP)
		}
	}
	for _, c := range cases.XMPPToSIP {
		i, err := ParseJID(c.XMPP)
		got := SIPInstance(i)
		if err != nil || got != c.SIP {
			t.Errorf("A6: %s becomes %q, %v, want %q", c.XMPP, got, err, c.SIP)
		}
	}
}

func TestXEP0106Escaping(t *testing.T) {
	var cases struct {
		Cases []struct{ Source, Unescaped, Escaped string }
		SIP   []struct {
			SIPURI       string `json:"sip_uri"`
			Decoded, JID string
		}
	}
	readJSON(t, "jid-escaping.json", &cases)
	for _, c := range cases.Cases {
		t.Run("A4 A8 "+c.Source, func(t *testing.T) {
			at := strings.LastIndexByte(c.Unescaped, '@')
			user, local, host := c.Unescaped, c.Escaped, "h"
			if at >= 0 {
				user, host = c.Unescaped[:at], c.Unescaped[at+1:]
				local = strings.TrimSuffix(c.Escaped, "@"+host)
			}
			a := presence.Addr{Scheme: presence.XMPP, User: user, Host: host}
			jid, ok := JID(a)
			if !ok || jid != local+"@"+host {
				t.Errorf("JID(%q) = %q, %v, want %q", user, jid, ok, local+"@"+host)
			}
			back, err := ParseJID(jid)
			if err != nil || back.Addr != a {
				t.Errorf("ParseJID(%q) = %+v, %v, want %+v", jid, back, err, a)
			}
		})
	}
	for _, c := range cases.SIP {
		i, err := ParseSIP(c.SIPURI, "")
		jid, ok := JID(i.Addr)
		if err != nil || !ok || jid != c.JID {
			t.Errorf("%s becomes %q, %v, %v, want %q", c.SIPURI, jid, ok, err, c.JID)
		}
	}
}

func TestRFC7622JIDs(t *testing.T) {
	var cases []struct {
		ID         int
		Valid      bool
		Notes, JID string
	}
	readJSON(t, "jids.json", &cases)
	for _, c := range cases {
		i, err := ParseJID(c.JID)
		if c.Valid != (err == nil) {
			t.Errorf("%d, %s: %q gives %v", c.ID, c.Notes, c.JID, err)
		}
		if err != nil {
			continue
		}
		back, ok := FullJID(i)
		again, err := ParseJID(back)
		if !ok || err != nil || again != i {
			t.Errorf("%q: %+v comes back as %q, %+v, %v", c.JID, i, back, again, err)
		}
	}
}

func TestParseJID(t *testing.T) {
	for _, c := range []struct{ name, jid, user, host, resource string }{
		{"bare", "juliet@im.example", "juliet", "im.example", ""},
		{"domain", "im.example", "", "im.example", ""},
		{"domain with resource", "im.example/a@b/c", "", "im.example", "a@b/c"},
		{"case is folded", "Juliet@IM.Example/Balcony", "juliet", "im.example", "Balcony"},
		{"case outside ASCII", "ÜBER@im.example", "über", "im.example", ""},
		{"escapes", `d\27artagnan@im.example`, "d'artagnan", "im.example", ""},
		{"capital escapes", `a\2Fb@im.example`, "a/b", "im.example", ""},
		{"an escaped backslash", `a\5c27@im.example`, `a\27`, "im.example", ""},
		{"no escape", `a\7eb@im.example`, `a\7eb`, "im.example", ""},
		{"U-labels", "a@MÜNCHEN.example", "a", "münchen.example", ""},
		{"A-labels", "a@xn--mnchen-3ya.example", "a", "münchen.example", ""},
		{"IPv6", "a@[::1]", "a", "[::1]", ""},
		{"final dot", "a@im.example./r", "a", "im.example", "r"},
		{"resource of any script", "a@h/Юля's  phone", "a", "h", "Юля's  phone"},
		{"decomposed", "u\u0308@h/u\u0308", "ü", "h", "ü"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseJID(c.jid)
			if want := inst(presence.XMPP, c.user, c.host, c.resource); err != nil || got != want {
				t.Errorf("ParseJID(%q) = %+v, %v, want %+v", c.jid, got, err, want)
			}
		})
	}
}

func TestParseJIDRefuses(t *testing.T) {
	long := strings.Repeat("a", 1024)
	for _, jid := range []string{
		"", "@", "@h", "a@", "a@h/", "/r", "a@b@c", "a b@h", "a\"b@h", "a'b@h", "a&b@h", "a:b@h", "a<b@h", "a>b@h", "a\x00@h",
		"a@h\x00", "a@h h", "a@h/\x01", "a@h/ r", "a\xff@h", "a@\xff", "a@h/\xff", long + "@h", "a@" + long, "a@h/" + long,
		`a\5cb@h`, `\20a@h`, `a\20@h`, // escapes that XEP-0106 does not make
	} {
		i, err := ParseJID(jid)
		if !errors.Is(err, ErrJID) || i != (presence.Instance{}) {
			t.Errorf("ParseJID(%.40q) = %+v, %v, want ErrJID", jid, i, err)
		}
	}
}

func TestA10_LookAlikesAreRefused(t *testing.T) {
	for name, user := range map[string]string{
		"compatibility character":   "henryⅣ",
		"symbol":                    "♚",
		"full-width @":              "a＠b",
		"full-width backslash":      "a＼27",
		"zero width joiner":         "a\u200db",
		"soft hyphen":               "a\u00adb",
		"right to left and digits":  "a\u05d0",
		"unassigned":                "a\U000E0FFF",
		"private use":               "a\ue000",
		"line separator":            "a\u2028",
		"space at the beginning":    " a",
		"space at the end":          "a ",
		"non-breaking space within": "a\u00a0b",
	} {
		jid, ok := JID(presence.Addr{Scheme: presence.SIP, User: user, Host: "h"})
		if ok {
			t.Errorf("%s: %q became the JID %q", name, user, jid)
		}
	}
	// What is only wide is the same as narrow (RFC 7622 §3.3).
	jid, ok := JID(presence.Addr{Scheme: presence.SIP, User: "ａlice", Host: "h"})
	if !ok || jid != "alice@h" {
		t.Errorf("full-width letter: got %q, %v, want alice@h", jid, ok)
	}
}

func TestJIDRefuses(t *testing.T) {
	for _, i := range []presence.Instance{
		{}, inst(presence.SIP, "a", "", ""), inst(presence.SIP, "a", "h h", ""), inst(presence.SIP, strings.Repeat("a", 1024), "h", ""),
		inst(presence.SIP, strings.Repeat("@", 342), "h", ""), inst(presence.SIP, "a", "h", "a\nb"),
		inst(presence.SIP, "a", "h", " x"), inst(presence.SIP, "a", "h", "\ue000\ufffe"),
	} {
		jid, ok := FullJID(i)
		if ok || jid != "" {
			t.Errorf("FullJID(%.60q) = %.60q, %v, want none", i, jid, ok)
		}
	}
}

// checkRound demands that the address of i comes back from each network as it
// was, once XMPP has folded it.
func checkRound(t interface {
	Helper()
	Fatalf(string, ...any)
}, i presence.Instance) {
	t.Helper()
	i.Scheme = presence.SIP
	uri := SIPInstance(i)
	back, err := ParseSIP(uri, "")
	if err != nil || back != i {
		t.Fatalf("SIP: %+v is %q, and that %+v, %v", i, uri, back, err)
	}
	jid, ok := FullJID(i)
	if !ok {
		return
	}
	folded, err := ParseJID(jid)
	if err != nil {
		t.Fatalf("JID: %+v is %q, and that %v", i, jid, err)
	}
	again, ok := FullJID(folded)
	if !ok || again != jid {
		t.Fatalf("JID: %+v is %q, then %+v, then %q", i, jid, folded, again)
	}
	folded.Scheme = presence.SIP
	back, err = ParseSIP(SIPInstance(folded), "")
	if err != nil || back != folded {
		t.Fatalf("SIP→JID→SIP: %+v is %q, and that %+v, %v", folded, SIPInstance(folded), back, err)
	}
}

func TestA8_EveryAddressComesBack(t *testing.T) {
	ascii := rapid.StringOfN(rapid.RuneFrom([]rune(` !"#$%&'()*+,-./:;<=>?@[\]^_{|}~0257acefzACFZ`)), 1, 20, -1)
	text := rapid.OneOf(ascii, ascii, rapid.StringN(1, 20, 200))
	rapid.Check(t, func(t *rapid.T) {
		user, resource := text.Draw(t, "user"), rapid.OneOf(rapid.Just(""), text).Draw(t, "resource")
		if checkText(user) != nil || checkText(resource) != nil || mixed(user) {
			return
		}
		checkRound(t, inst(presence.SIP, user, "sip.example", resource))
		// Lower-case ASCII comes back unchanged even at the first time.
		i := inst(presence.XMPP, strings.ToLower(user), "sip.example", "")
		jid, ok := JID(i.Addr)
		back, err := ParseJID(jid)
		if ok && localASCII(i.User) && (err != nil || back != i) {
			t.Fatalf("%q is %q, and that %+v, %v", i.User, jid, back, err)
		}
		if !ok && localASCII(i.User) && strings.TrimSpace(i.User) == i.User {
			t.Fatalf("%q has no JID", i.User)
		}
	})
}

func localASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

func FuzzAddresses(f *testing.F) {
	for _, s := range []string{"sip:alice@sip.example;gr=x", `"A" <sips:a%C3%BC@[::1]:5061>;tag=1`, "tel:+49-30;ext=1", "tel:7;phone-context=+1",
		"juliet@im.example/balcony", `d\27a\5c20@im.example`, "a@xn--mnchen-3ya.example", "ＡＢ@h", "İ@h", "sip:a%40b@h;user=phone"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if i, err := ParseSIP(s, "numbers.example"); err == nil {
			checkRound(t, i)
		}
		if i, err := ParseJID(s); err == nil {
			jid, ok := FullJID(i)
			again, err := ParseJID(jid)
			if !ok || err != nil || again != i {
				t.Fatalf("%q is %+v, then %q, then %+v, %v", s, i, jid, again, err)
			}
			checkRound(t, i)
		}
	})
}

func BenchmarkParseJID(b *testing.B) {
	for _, jid := range []string{"juliet@im.example", "juliet@im.example/balcony", `d\27artagnan@im.example`, "tschüss@xmpp.example"} {
		b.Run(jid, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sinkInstance, _ = ParseJID(jid)
			}
		})
	}
}

func BenchmarkJID(b *testing.B) {
	for _, user := range []string{"alice", "o'malley", "tschüss"} {
		b.Run(user, func(b *testing.B) {
			a := presence.Addr{Scheme: presence.SIP, User: user, Host: "sip.example"}
			b.ReportAllocs()
			for b.Loop() {
				sinkString, _ = JID(a)
			}
		})
	}
}
