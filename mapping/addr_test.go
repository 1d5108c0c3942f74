package mapping

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// readJSON reads a file of the test data.
func readJSON(t *testing.T, name string, into any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../testdata/mapping", name))
	if err != nil {
		t.Fatal(err)
	}
	err = json.Unmarshal(b, into)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func inst(scheme presence.Scheme, user, host, resource string) presence.Instance {
	return presence.Instance{Addr: presence.Addr{Scheme: scheme, User: user, Host: host}, Resource: resource}
}

func TestParseSIP(t *testing.T) {
	for _, c := range []struct{ name, uri, user, host, resource string }{
		{"plain", "sip:alice@sip.example", "alice", "sip.example", ""},
		{"A5 percent-decoded as UTF-8", "sip:f%C3%BC@sip.example", "fü", "sip.example", ""},
		{"A5 apostrophe", "sip:o'malley@sip.example", "o'malley", "sip.example", ""},
		{"A5 gr", "sip:foo@sip.example;gr=bar", "foo", "sip.example", "bar"},
		{"A5 first @", "sip:foo%40bar@sip.example", "foo@bar", "sip.example", ""},
		{"A7 gr is percent-decoded", "sip:foo@sip.example;GR=%E2%99%9A%20king", "foo", "sip.example", "♚ king"},
		{"A7 a urn as gr", "sip:a@sip.example;gr=urn:uuid:f81d4fae-7dec;transport=tcp", "a", "sip.example", "urn:uuid:f81d4fae-7dec"},
		{"A7 a temporary GRUU has no resource", "sip:tgruu.7hs==jd7vnzga5w7fajsc7-ajd6fabz0f8g5@example.com;gr", "tgruu.7hs==jd7vnzga5w7fajsc7-ajd6fabz0f8g5", "example.com", ""},
		{"sips", "sips:alice@sip.example", "alice", "sip.example", ""},
		{"pres", "pres:alice@sip.example", "alice", "sip.example", ""},
		{"im", "im:alice@sip.example", "alice", "sip.example", ""},
		{"name-addr", `"A" <sip:a@b>;tag=x`, "a", "b", ""},
		{"name-addr, name with < and escapes", `"A <\"> B" <sip:a@b;gr=c>;tag=x`, "a", "b", "c"},
		{"name-addr without quotes", `Alice <sips:a@b>`, "a", "b", ""},
		{"name-addr around tel", `<tel:+49-30>;tag=1`, "+4930", "numbers.example", ""},
		{"IMS-26 the case of the user counts, of the host not", "SIP:Alice@SIP.Example", "Alice", "sip.example", ""},
		{"port, password, parameters, headers", "sip:a:secret@h.example:5061;transport=tls;lr?Subject=x", "a", "h.example", ""},
		{"final dot", "sip:a@h.example.", "a", "h.example", ""},
		{"IPv4", "sip:a@192.0.2.4:5060", "a", "192.0.2.4", ""},
		{"IPv6", "sip:a@[2001:DB8:0::1]:5060", "a", "[2001:db8::1]", ""},
		{"A-labels", "sip:a@xn--mnchen-3ya.example", "a", "münchen.example", ""},
		{"no user", "sip:h.example", "", "h.example", ""},
		{"all that a user may be", "sip:-_.!~*'()&=+$,;?/@h", "-_.!~*'()&=+$,;?/", "h", ""},
		{"what is no escape stands for itself", "sip:50%@h", "50%", "h", ""},
		{"A9 tel", "tel:+493012345", "+493012345", "numbers.example", ""},
		{"IMS-24 visual separators", "tel:+49-30-123(45)", "+493012345", "numbers.example", ""},
		{"IMS-24 user=phone", "sip:+49.30.12345@h;user=phone", "+493012345", "h", ""},
		{"IMS-24 user=phone, capitals", "sip:+49-30@h;USER=Phone", "+4930", "h", ""},
		{"IMS-25 phone-context, a prefix", "tel:863-1234;phone-context=+1-914-555", "8631234;phone-context=+1914555", "numbers.example", ""},
		{"IMS-25 phone-context, a domain", "tel:7042;Phone-Context=Example.COM", "7042;phone-context=example.com", "numbers.example", ""},
		{"RFC 3261 §19.1.6 the same in a SIP URI", "sip:7042;tsp=a.b;phone-context=example.com@h;user=phone", "7042;phone-context=example.com", "h", ""},
		{"a global number needs no context", "tel:+4930;phone-context=+49", "+4930", "numbers.example", ""},
		{"ext", "tel:+1-212-555-1234;ext=1-2;verstat=TN-Validation-Passed", "+12125551234;ext=12", "numbers.example", ""},
		{"isub", "tel:+1212;isub=1411;npdi", "+1212;isub=1411", "numbers.example", ""},
		{"a local number of this host", "sip:10-01@h;user=phone", "1001", "h", ""},
		{"stars and squares", "sip:*21%23@h;user=phone", "*21#", "h", ""},
		{"user=phone that is none", "sip:o.malley@h;user=phone", "o.malley", "h", ""},
		{"without user=phone dots count", "sip:1.2@h", "1.2", "h", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseSIP(c.uri, "numbers.example")
			if err != nil {
				t.Fatal(err)
			}
			if want := inst(presence.SIP, c.user, c.host, c.resource); got != want {
				t.Errorf("ParseSIP(%q) = %+v, want %+v", c.uri, got, want)
			}
			again, err := ParseSIP(SIPInstance(got), "")
			if err != nil || again != got {
				t.Errorf("%q comes back as %+v, %v", SIPInstance(got), again, err)
			}
		})
	}
}

func TestParseSIPRefuses(t *testing.T) {
	for _, uri := range []string{
		"sip:a@b@h", "", "*", "alice", "alice@sip.example", "mailto:a@b", "xmpp:a@b", "sip:", "sip:@h", "sip:a@", "sip:a@:5060",
		"sip:a@h:port", "sip:a@h:123456", "sip:a@[::1", "sip:a@[1.2.3.4]", "sip:a@[::1]x", "sip:a@[fe80::1%25e]",
		"sip:a@h/../x", "sip:a@h x", "sip:a@h\"", "sip:a@%68", "sip:a%00b@h", "sip:a%0D%0Ab@h", "sip:a%FFb@h", "sip:a\x7f@h",
		"sip:a%C2%85@h", `"A`, `"A" sip:a@b`, "<sip:a@b", `"A\" <sip:a@b>`,
		"sip:a@h;gr=%FF", "sip:a@h;gr=a%0Ab", "sip:" + strings.Repeat("a", 1024) + "@h", "sip:a@" + strings.Repeat("a", 1024),
		"sip:a@.", "sip:a@..", "sip:a@h..", "sip:a@.h", "sip:a@h..x", "sip:a@h。。x",
		"sip:a@xn--a", // no such A-label
		"tel:", "tel:+", "tel:alice", "tel:+49abc", "tel:+49;x=%00", "tel:7042", "tel:7042;ext=3",
	} {
		i, err := ParseSIP(uri, "numbers.example")
		if !errors.Is(err, ErrURI) || i != (presence.Instance{}) {
			t.Errorf("ParseSIP(%.40q) = %+v, %v, want ErrURI", uri, i, err)
		}
	}
	_, err := ParseSIP("tel:+4930", "")
	if !errors.Is(err, ErrURI) {
		t.Errorf("tel: without a domain of numbers: %v, want ErrURI", err)
	}
}

func TestIMS_24_OneNumberIsOneAddress(t *testing.T) {
	want, err := ParseSIP("tel:+493012345", "h")
	if err != nil {
		t.Fatal(err)
	}
	for _, uri := range []string{"tel:+49-30-123(45)", "sip:+493012345@h;user=phone", "sips:+49-30-12345@H:5061;user=phone", "sip:+493012345@h"} {
		got, err := ParseSIP(uri, "h")
		if err != nil || got != want {
			t.Errorf("%s is %+v, %v, want %+v", uri, got, err, want)
		}
	}
}

func TestSIP(t *testing.T) {
	for _, c := range []struct {
		name string
		i    presence.Instance
		want string
	}{
		{"A3 reserved and non-ASCII bytes", inst(presence.SIP, "#%[\\]^`{|}ü", "h", ""), "sip:%23%25%5B%5C%5D%5E%60%7B%7C%7D%C3%BC@h"},
		{"A8 what RFC 7247 forgets", inst(presence.SIP, ` ":<>@`, "h", ""), "sip:%20%22%3A%3C%3E%40@h"},
		{"A2 the allowed stays", inst(presence.SIP, "!$&'()*+,-./;=?_~", "h", ""), "sip:!$&'()*+,-./;=?_~@h"},
		{"A6 resource", inst(presence.XMPP, "baz", "xmpp.example", "qux"), "sip:baz@xmpp.example;gr=qux"},
		{"A7 resource outside ASCII", inst(presence.XMPP, "baz", "xmpp.example", "a=♚;b"), "sip:baz@xmpp.example;gr=a%3D%E2%99%9A%3Bb"},
		{"U-labels", inst(presence.XMPP, "a", "münchen.example", ""), "sip:a@xn--mnchen-3ya.example"},
		{"no user", inst(presence.XMPP, "", "im.example", ""), "sip:im.example"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := SIPInstance(c.i)
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestRFC3261EqualURIs(t *testing.T) {
	var cases struct{ Equal, Different [][2]string }
	readJSON(t, "sip-uri-equality.json", &cases)
	for _, pair := range cases.Equal {
		a, err := ParseSIP(pair[0], "")
		if err != nil {
			t.Fatal(err)
		}
		b, err := ParseSIP(pair[1], "")
		if err != nil || a != b {
			t.Errorf("RFC 3261 §19.1.4: %v are %+v and %+v, %v", pair, a, b, err)
		}
	}
}

var sinkInstance presence.Instance
var sinkString string

func BenchmarkParseSIP(b *testing.B) {
	for _, uri := range []string{"sip:alice@sip.example", "tel:+493012345", "sip:+49-30-12345@sip.example;user=phone", "<sip:f%C3%BC@sip.example>;tag=x", "sip:a@xn--mnchen-3ya.example"} {
		b.Run(uri, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sinkInstance, _ = ParseSIP(uri, "numbers.example")
			}
		})
	}
}

func BenchmarkSIP(b *testing.B) {
	a := presence.Addr{Scheme: presence.SIP, User: "alice", Host: "sip.example"}
	b.ReportAllocs()
	for b.Loop() {
		sinkString = SIP(a)
	}
}
