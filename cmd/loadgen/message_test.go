//go:build linux

package main

import (
	"strings"
	"testing"
)

const sampleNotify = "NOTIFY sip:w1@127.0.0.1:5070 SIP/2.0\r\nv: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKa\r\nVia: SIP/2.0/UDP 10.0.0.1\r\nf: <sip:p@x>;tag=abc\r\nTo: \"W;tag=no\" <sip:w@x;p=1>;tag=w1\r\ni: id@lg\r\nCSeq:  7   NOTIFY\r\nRecord-Route: <sip:1.2.3.4:5070;lr>\r\nSUBSCRIPTION-STATE: active;expires=60\r\nContent-Length: 5\r\n\r\nhello"

func TestParse(t *testing.T) {
	var m message
	if n := m.parse([]byte(sampleNotify), false); n != len(sampleNotify) {
		t.Fatalf("parse = %d, want all %d bytes", n, len(sampleNotify))
	}
	for _, c := range []struct {
		what string
		got  []byte
		want string
	}{
		{"method", m.method, "NOTIFY"},
		{"URI", m.uri, "sip:w1@127.0.0.1:5070"},
		{"CSeq's method", m.cseqMethod, "NOTIFY"},
		{"body", m.body, "hello"},
		{"Call-ID", m.callID, "id@lg"},
		{"To tag", param(m.to, "tag"), "w1"},
		{"From tag", param(m.from, "tag"), "abc"},
		{"branch", rawParam(m.via[0], "branch"), "z9hG4bKa"},
		{"state", m.state, "active;expires=60"},
	} {
		if string(c.got) != c.want {
			t.Errorf("%s is %q, want %q", c.what, c.got, c.want)
		}
	}
	if !m.request || m.nvia != 2 || m.number != 7 || m.nroute != 1 {
		t.Errorf("request %t, %d Via, CSeq %d, %d Record-Route", m.request, m.nvia, m.number, m.nroute)
	}
	ip, port, ok := hostPort(uriOf(m.route[0]))
	if !ok || ip != [4]byte{1, 2, 3, 4} || port != 5070 {
		t.Errorf("the route leads to %v port %d (%t)", ip, port, ok)
	}
}

func TestParseStreamGivesWholeMessagesOnly(t *testing.T) {
	var m message
	two := "\r\n" + sampleNotify + sampleNotify
	for i := range len(sampleNotify) + 1 {
		if n := m.parse([]byte(two[:i]), true); n != 0 {
			t.Fatalf("parse of %d bytes = %d, want 0", i, n)
		}
	}
	if n := m.parse([]byte(two), true); n != len(sampleNotify)+2 {
		t.Fatalf("parse of two messages = %d, want the first", n)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"a datagram cut short": strings.Replace(sampleNotify, "Length: 5", "Length: 6", 1),
		"no Call-ID":           strings.Replace(sampleNotify, "i: id@lg\r\n", "", 1),
		"a line of no header":  strings.Replace(sampleNotify, "i: id@lg", "id@lg", 1),
		"another version":      strings.Replace(sampleNotify, "SIP/2.0\r\nv", "SIP/3.0\r\nv", 1),
		"no method":            strings.Replace(sampleNotify, "NOTIFY sip:w1@127.0.0.1:5070 SIP", "SIP", 1),
		"a status of letters":  "SIP/2.0 abc OK\r\nVia: x\r\nFrom: a\r\nTo: b\r\nCall-ID: c\r\nCSeq: 1 PUBLISH\r\n\r\n",
		"nothing":              "",
	} {
		t.Run(name, func(t *testing.T) {
			var m message
			if n := m.parse([]byte(text), false); n != -1 {
				t.Errorf("parse = %d, want -1", n)
			}
		})
	}
}

func TestParseResponse(t *testing.T) {
	var m message
	n := m.parse([]byte("SIP/2.0 412 Conditional Request Failed\r\nVia: x\r\nFrom: a\r\nTo: b\r\nCall-ID: c\r\nCSeq: 1 PUBLISH\r\n\r\n"), false)
	if n <= 0 || m.request || m.status != 412 {
		t.Fatalf("parse = %d, request %t, status %d", n, m.request, m.status)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sampleNotify), true)
	f.Add([]byte("SIP/2.0 200 OK\r\nl: 4294967295\r\n\r\n"), true)
	f.Fuzz(func(t *testing.T, b []byte, stream bool) {
		var m message
		n := m.parse(b, stream)
		if n < -1 || n > len(b) || n == 0 && !stream {
			t.Errorf("parse of %d bytes = %d", len(b), n)
		}
		hostPort(uriOf(m.contact))
		nextToken(m.body)
	})
}

func TestToken(t *testing.T) {
	b := append([]byte("x lg#nope "), appendToken(nil, 17, 0xdeadbeef, 1234567890123456789)...)
	b = append(b, appendToken([]byte(" lg# "), 18, 2, 3)...)
	p, v, ns, rest, ok := nextToken(b)
	if !ok || p != 17 || v != 0xdeadbeef || ns != 1234567890123456789 {
		t.Fatal(p, v, ns, ok)
	}
	p, v, ns, rest, ok = nextToken(rest)
	if !ok || p != 18 || v != 2 || ns != 3 {
		t.Fatal(p, v, ns, ok)
	}
	_, _, _, _, ok = nextToken(rest)
	if ok {
		t.Fatal("a third token")
	}
}

func TestDocuments(t *testing.T) {
	small := smallPIDF(nil, "sip:p1@example.org", 1, 2, 3)
	full := fullRPID(nil, "sip:p1@example.org", 1, 2, 3)
	if len(small) < 250 || len(small) > 450 || len(full) < 1900 || len(full) > 2400 {
		t.Errorf("%d and %d bytes", len(small), len(full))
	}
	for _, b := range [][]byte{small, full} {
		if _, v, _, _, ok := nextToken(b); !ok || v != 2 {
			t.Errorf("no token in %s", b)
		}
	}
}

func TestHist(t *testing.T) {
	var h hist
	for i := int64(1); i <= 100000; i++ {
		h.add(i * 1000)
	}
	for _, p := range []float64{1, 50, 90, 99} {
		want := p * 1e6
		if got := float64(h.percentile(p)); got < want*0.98 || got > want*1.02 {
			t.Errorf("p%v = %v, want %v", p, got, want)
		}
	}
	if h.max != 1e8 || h.percentile(100) > h.max {
		t.Error(h.max, h.percentile(100))
	}
	for _, v := range []int64{0, 1, 63, 64, 65, 127, 128, 1 << 40} {
		if g := histValue(histIndex(v)); float64(g) < float64(v)*0.98 || float64(g) > float64(v)*1.02+1 {
			t.Errorf("%d came back as %d", v, g)
		}
	}
}
