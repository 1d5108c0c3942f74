package transport

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const plain = "PUBLISH sip:alice@example.com SIP/2.0\r\n" +
	"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx1\r\n" +
	"Max-Forwards: 70\r\n" +
	"From: <sip:alice@example.com>;tag=a1\r\n" +
	"To: <sip:alice@example.com>\r\n" +
	"Call-ID: c1@x\r\n" +
	"CSeq: 1 PUBLISH\r\n" +
	"X-A: b\r\n" +
	"Content-Length: 0\r\n\r\n"

// parsed parses plain with one text replaced by another.
func parsed(t *testing.T, old, new string) *message {
	t.Helper()
	if !strings.Contains(plain, old) {
		t.Fatalf("nothing to replace: %q", old)
	}
	m, err := parseMessage(cutHead([]byte(strings.Replace(plain, old, new, 1))))
	if err != nil {
		t.Fatalf("%q: %v", new, err)
	}
	return m
}

const plainVia = "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx1\r\n"

// Defects P1, P2, P5 and P7 of sipgo's parser.
func TestVia(t *testing.T) {
	for _, c := range []struct {
		name, via string
		host      string
		port      int
		branch    string
		more      []string // the other Via values
	}{
		{"P1 space before ;", "SIP/2.0/UDP 192.0.2.1:5060 ;branch=z9hG4bKx1", "192.0.2.1", 5060, "z9hG4bKx1", nil},
		{"P1 no port", "SIP/2.0/UDP 192.0.2.1 ;branch=z9hG4bKx1", "192.0.2.1", 0, "z9hG4bKx1", nil},
		{"P2 space around =", "SIP/2.0/UDP h ; branch = z9hG4bKx1", "h", 0, "z9hG4bKx1", nil},
		{"P3 upper case", "sip/2.0/udp h;BRANCH=z9hG4bKx1", "h", 0, "z9hG4bKx1", nil},
		{"space around / and :", "SIP / 2.0 / UDP  h : 5070;branch=z9hG4bKx1", "h", 5070, "z9hG4bKx1", nil},
		{"IPv6", "SIP/2.0/UDP [2001:db8::1]:5060 ;branch=z9hG4bKx1", "2001:db8::1", 5060, "z9hG4bKx1", nil},
		{
			"P5 list, first without parameters", "SIP/2.0/UDP h1, SIP/2.0/TCP h2;branch=z9hG4bKx2", "h1", 0, "",
			[]string{"SIP/2.0/TCP h2;branch=z9hG4bKx2"},
		},
		{"P7 quoted comma", `SIP/2.0/UDP h;branch=z9hG4bKx1;x="a,b"`, "h", 0, "z9hG4bKx1", nil},
		{"fold", "SIP/2.0/UDP\r\n h\r\n\t;branch=z9hG4bKx1", "h", 0, "z9hG4bKx1", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := parsed(t, plainVia, "Via: "+c.via+"\r\n")
			if m.fault != nil {
				t.Fatalf("fault: %v", *m.fault)
			}
			branch, _ := m.via.Params.Get("branch")
			if m.via.Host != c.host || m.via.Port != c.port || branch != c.branch {
				t.Errorf("got %q %d %q", m.via.Host, m.via.Port, branch)
			}
			if m.req.Via() != m.via {
				t.Error("Request.Via is not the topmost")
			}
			if d := cmp.Diff(c.more, values(m.fields, "v")[1:]); d != "" && len(c.more) > 0 {
				t.Error(d)
			}
		})
	}
}

func TestFromTag(t *testing.T) {
	for _, from := range []string{
		"<sip:alice@example.com> ; tag = a1", "<sip:alice@example.com>;TAG=a1", "sip:alice@example.com;tag=a1",
		`"Al \" \\ <sip:x@y>;tag=z, B" <sip:alice@example.com>;tag=a1`, "Al Ice<sip:alice@example.com>;x;tag=a1",
		`<sip:alice@example.com>;y="a;tag=b";tag=a1`, "SEC-07 Ünïcödé 王 <sip:alice@example.com>;tag=a1",
		"\"Ünïcödé 王\"\r\n <sip:alice@example.com>\r\n ;tag=a1",
	} {
		m := parsed(t, "From: <sip:alice@example.com>;tag=a1", "From: "+from)
		if m.fault != nil {
			t.Errorf("%s: %v", from, *m.fault)
			continue
		}
		tag, _ := m.req.From().Params.Get("tag")
		if tag != "a1" || m.req.From().Address.User != "alice" {
			t.Errorf("%s: tag %q of %v", from, tag, m.req.From().Address)
		}
	}
}

// Defect P4, and lists in general.
func TestValuesSplitLists(t *testing.T) {
	m := parsed(t, "X-A: b\r\n", "Contact: \"A, B\" <sip:a@b;x=1,2>;q=0.3, sip:e@f\r\n"+
		"m: <sip:g@h>;+g.x=\"c,d\"\r\n"+
		"P-Asserted-Identity: \"A\" <sip:a@b>, tel:+1201\r\n"+
		"record-route: <sip:p1;lr>;x=y,<sip:p2;lr>\r\n"+
		"Accept: a/b ,, c/d;q=0.5\r\n"+
		"Subject: one, two\r\n\tthree\r\n"+
		"x-custom: p, q\r\n")
	if m.fault != nil {
		t.Fatal(*m.fault)
	}
	r := Request{Request: m.req, fields: m.fields}
	for _, c := range []struct {
		name string
		want []string
	}{
		{"Contact", []string{`"A, B" <sip:a@b;x=1,2>;q=0.3`, "sip:e@f", `<sip:g@h>;+g.x="c,d"`}},
		{"p-asserted-identity", []string{`"A" <sip:a@b>`, "tel:+1201"}},
		{"Record-Route", []string{"<sip:p1;lr>;x=y", "<sip:p2;lr>"}},
		{"Accept", []string{"a/b", "c/d;q=0.5"}},
		{"s", []string{"one, two three"}},
		{"X-Custom", []string{"p, q"}},
		{"Route", nil},
	} {
		if d := cmp.Diff(c.want, r.Values(c.name)); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}

// Defect P6, SEC-07.
func TestSEC_07_CompactNames(t *testing.T) {
	m, err := parseMessage(cutHead([]byte("\r\n\r\nSUBSCRIBE sip:a@b SIP/2.0\r\nv: SIP/2.0/TCP h;branch=z9hG4bKq\r\n" +
		"f: <sip:a@b>;tag=1\r\nt : <sip:a@b>\r\nI: x\r\nCSeq: 1 SUBSCRIBE\r\no: presence\r\nk: eventlist\r\n" +
		"u: x\r\ne: gzip\r\nm: <sip:a@c>\r\nc: text/plain\r\nr: <sip:r@r>\r\nb: <sip:b@b>\r\nx: 1800\r\n" +
		"j: *\r\na: *\r\nd: proxy\r\ny: abc\r\nn: <http://n>\r\ns: sub\r\nl: 0\r\n\r\n")))
	if err != nil || m.fault != nil {
		t.Fatal(err, m.fault)
	}
	for name, want := range map[string]string{
		"Event": "presence", "Supported": "eventlist", "Allow-Events": "x", "Content-Encoding": "gzip",
		"Contact": "<sip:a@c>", "Content-Type": "text/plain", "Refer-To": "<sip:r@r>", "Referred-By": "<sip:b@b>",
		"Session-Expires": "1800", "Reject-Contact": "*", "Accept-Contact": "*", "Request-Disposition": "proxy",
		"Identity": "abc", "Identity-Info": "<http://n>", "Subject": "sub",
	} {
		if got, ok := value(m.fields, name); !ok || got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if m.req.To().Address.User != "a" || m.req.CallID().Value() != "x" {
		t.Error("compact To or Call-ID not typed")
	}
}

// Defect P8: the method is case-sensitive (RFC 3261 §7.1).
func TestMethodKeepsItsCase(t *testing.T) {
	m, err := parseMessage(cutHead([]byte(strings.ReplaceAll(plain, "PUBLISH", "Publish"))))
	if err != nil || m.fault != nil || m.req.Method != "Publish" {
		t.Errorf("got %v, %v", m, err)
	}
}

// Defect T21 and RFC 3261 §8.2.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name, old, new string
		code           int
		reason         string
	}{
		{"no Via", plainVia, "", 400, "Missing Via"},
		{"no From", "From: <sip:alice@example.com>;tag=a1\r\n", "", 400, "Missing From"},
		{"no To", "To: <sip:alice@example.com>\r\n", "", 400, "Missing To"},
		{"no Call-ID", "Call-ID: c1@x\r\n", "", 400, "Missing Call-ID"},
		{"no CSeq", "CSeq: 1 PUBLISH\r\n", "", 400, "Missing CSeq"},
		{"two From", "X-A: b", "f: <sip:e@x>;tag=1", 400, "More than one From"},
		{"two To", "X-A: b", "t: <sip:e@x>", 400, "More than one To"},
		{"two Call-ID", "X-A: b", "i: other", 400, "More than one Call-ID"},
		{"two CSeq", "X-A: b", "CSeq: 8 PUBLISH", 400, "More than one CSeq"},
		{"two Max-Forwards", "X-A: b", "Max-Forwards: 5", 400, "More than one Max-Forwards"},
		{"differing Content-Length", "X-A: b", "l: 7", 400, "Content-Length: several that differ"},
		{"CSeq method", "CSeq: 1 PUBLISH", "CSeq: 1 INVITE", 400, "CSeq method is not the request's"},
		{"CSeq 2^31", "CSeq: 1 P", "CSeq: 2147483648 P", 400, "CSeq: sequence number out of range"},
		{"CSeq negative", "CSeq: 1 P", "CSeq: -1 P", 400, "CSeq: sequence number out of range"},
		{"Max-Forwards 300", "Max-Forwards: 70", "Max-Forwards: 300", 400, "Max-Forwards: not a number from 0 to 255"},
		{"IMS-28 Max-Forwards 0", "Max-Forwards: 70", "Max-Forwards: 0", 483, "Too Many Hops"},
		{"version", "com SIP/2.0", "com SIP/7.0", 505, "Version Not Supported"},
		{"Content-Length negative", "Content-Length: 0", "Content-Length: -9", 400, "Content-Length: not a length"},
		{"Content-Length plus", "Content-Length: 0", "Content-Length: +0", 400, "Content-Length: not a length"},
		{"Content-Length too long", "Content-Length: 0", "Content-Length: 9", 400, "Content-Length is more than the message has"},
		{"no colon", "X-A: b", "garbage", 400, "Malformed header line"},
		{"empty name", "X-A: b", ": b", 400, "Malformed header line"},
		{"bare LF", "X-A: b", "X-A: b\nCSeq: 9 X", 400, "Line break inside X-A"},
		{"Via port", ":5060;", ":99999;", 400, "Via: bad port"},
		{"Via empty", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx1", "", 400, "Via: no sent-by"},
		{"From bracket", "m>;tag=a1", "m;tag=a1", 400, "From: address without closing >"},
		{"From two tags", ";tag=a1", ";tag=a1;Tag=a2", 400, "From: parameter tag twice"},
		{"Contact bracket", "X-A: b", "Contact: <sip:a@b", 400, "Contact: address without closing >"},
		{"Route", "X-A: b", "Route: <sip:p1;lr", 400, "Route: address without closing >"},
		{"Request-URI", "sip:alice@example.com SIP", "<sip:alice@example.com> SIP", 400, "Request-URI: URI without scheme"},
		{"Request-URI port", "alice@example.com SIP", "alice@example.com:99999 SIP", 400, "Request-URI: URI with a bad host or port"},
		{"Request-URI space", "alice@example.com SIP", "alice@example.com; lr SIP", 400, "Request-URI: URI with a character that needs escaping"},
		{"many fields", "X-A: b\r\n", strings.Repeat("X: y\r\n", 5000), 400, "Too many header fields"},
		{"many parameters", ";tag=a1", strings.Repeat(";x", 1) + manyParams(), 400, "From: too many parameters"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := parsed(t, c.old, c.new)
			want := fault{c.code, c.reason}
			if m.fault == nil || *m.fault != want {
				t.Errorf("got %v, want %v", m.fault, want)
			}
		})
	}
}

func manyParams() string {
	var b strings.Builder
	for i := range 200 {
		b.WriteString(";p" + strings.Repeat("a", i))
	}
	return b.String()
}

func TestWhatIsNotSIPIsDropped(t *testing.T) {
	for _, raw := range []string{
		"", "\r\n", "x", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "PUBLISH sip:a@b SIP", "SIP/2.0 42 x\r\n\r\n",
		"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\r\n\r\n",
		"SIP/2.0 700 x\r\n" + plain[strings.Index(plain, "Via"):], "\xff\xfe\x00\x01\r\n\r\n",
		"SIP/2.0 200 OK\r\n" + plainVia + plain[strings.Index(plain, "Via"):], // two Via
	} {
		m, err := parseMessage(cutHead([]byte(raw)))
		if err == nil {
			t.Errorf("%.40q: taken as %v", raw, m)
		}
	}
}

// better are torture messages where we use the freedom that the remark gives:
// the Date is ignored when nobody needs it.
var better = map[string]bool{"rfc4475/baddate.dat": true}

// answered are messages that are well-formed but refused here already.
var answered = map[string]int{
	"rfc4475/insuf.dat": 400, "rfc4475/multi01.dat": 400, "rfc4475/mcl01.dat": 400, "rfc4475/zeromf.dat": 483,
	"rfc4475/badvers.dat": 505,
}

func TestTorture(t *testing.T) {
	raw, err := os.ReadFile("../../testdata/sip-torture/expected.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct{ File, Parse, Reaction string }
	err = json.Unmarshal(raw, &cases)
	if err != nil || len(cases) < 60 {
		t.Fatal(len(cases), err)
	}
	for _, c := range cases {
		t.Run(c.File, func(t *testing.T) {
			raw, err := os.ReadFile("../../testdata/sip-torture/" + c.File)
			if err != nil {
				t.Fatal(err)
			}
			m, err := parseMessage(cutHead(raw))
			taken := err == nil && m.fault == nil
			code := answered[c.File]
			switch {
			case strings.HasPrefix(c.Reaction, "discard"):
				if err == nil {
					t.Errorf("not discarded: %v", m.fault)
				}
			case code != 0:
				if err != nil || m.fault == nil || m.fault.code != code {
					t.Errorf("got %v, want %d", m, code)
				}
			case c.Parse == "accept" && !taken, c.Parse == "reject" && taken && !better[c.File]:
				t.Errorf("want %s, got %+v, %v", c.Parse, m, err)
			case c.Parse == "reject" && !taken && (m == nil || m.fault.code != 400):
				t.Errorf("no 400: %v, %v", m, err)
			}
		})
	}
}

// RFC 4475 §3.1.1.1: all of it legal.
func TestTortuousInvite(t *testing.T) {
	raw, err := os.ReadFile("../../testdata/sip-torture/rfc4475/wsinv.dat")
	if err != nil {
		t.Fatal(err)
	}
	m, err := parseMessage(cutHead(raw))
	if err != nil || m.fault != nil {
		t.Fatal(err, m.fault)
	}
	to, _ := m.req.To().Params.Get("tag")
	from, _ := m.req.From().Params.Get("tag")
	if to != "1918181833n" || from != "98asjd8" || m.req.From().DisplayName != `J Rosenberg \"` {
		t.Errorf("to %q from %q %q", to, from, m.req.From().DisplayName)
	}
	if n := len(m.req.GetHeaders("Via")); n != 3 || m.via.Host != "192.0.2.2" || m.req.CSeq().SeqNo != 9 {
		t.Errorf("%d Via, top %v, CSeq %v", n, m.via, m.req.CSeq())
	}
	if len(m.req.Body()) != 150 || *m.req.MaxForwards() != 68 {
		t.Errorf("body %d, Max-Forwards %v", len(m.req.Body()), m.req.MaxForwards())
	}
}

func FuzzParse(f *testing.F) {
	for _, dir := range []string{"rfc4475", "rfc5118"} {
		files, err := os.ReadDir("../../testdata/sip-torture/" + dir)
		if err != nil {
			f.Fatal(err)
		}
		for _, e := range files {
			b, err := os.ReadFile("../../testdata/sip-torture/" + dir + "/" + e.Name())
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Add([]byte(plain))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseMessage(cutHead(b))
		if err != nil {
			return
		}
		if m.res != nil {
			m.res.Values("Contact")
			return
		}
		raw, _ := value(m.fields, "Via")
		top := responseVia(raw, m.via, "192.0.2.9", 5)
		out := appendResponse(nil, m.fields, top, Reply{Code: 400, ToTag: toTag(m.fields)})
		head, body := cutHead(out)
		if len(body) != 0 || strings.Count(head, "\nContent-Length:") != 1 {
			t.Fatalf("a field broke the response:\n%s", out)
		}
		if m.fault != nil {
			return
		}
		serverKey(m)
		m.req.Contact()
		m.req.Route()
		// What we accept, we answer so that we would accept it again.
		again, err := parseMessage(strings.Replace(head, "SIP/2.0 400 Bad Request",
			m.method+" sip:a@b SIP/2.0", 1), nil)
		if err != nil || again.fault != nil {
			t.Fatalf("answer does not parse: %v %v\n%s", err, again, out)
		}
	})
}
