package simple

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/simple/transport"
)

func squeeze(coding, text string) string {
	var b bytes.Buffer
	var w io.WriteCloser
	switch coding {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "zlib":
		w = zlib.NewWriter(&b)
	case "raw":
		w, _ = flate.NewWriter(&b, flate.BestCompression)
	}
	io.WriteString(w, text)
	w.Close()
	return b.String()
}

// carrying makes a request with header lines and a body.
func carrying(t testing.TB, lines, content string) *transport.Request {
	t.Helper()
	if lines != "" {
		lines = strings.ReplaceAll(strings.TrimSpace(lines), "\n", "\r\n") + "\r\n"
	}
	raw := "PUBLISH sip:alice@sip.example SIP/2.0\r\n" +
		"Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKb\r\nMax-Forwards: 70\r\nFrom: <sip:alice@sip.example>;tag=1\r\n" +
		"To: <sip:alice@sip.example>\r\nCall-ID: body\r\nCSeq: 1 PUBLISH\r\n" + lines +
		fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(content), content)
	r, err := transport.ParseRequest([]byte(raw), transport.Flow{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// multi writes a multipart body of parts, each header lines, an empty line
// and content.
func multi(parts ...string) string {
	s := "preamble\r\n"
	for _, p := range parts {
		s += "--b1\r\n" + strings.ReplaceAll(p, "\n", "\r\n") + "\r\n"
	}
	return s + "--b1--\r\n"
}

const (
	theDoc   = "<presence/>"
	pidfPart = "Content-Type: application/pidf+xml\nContent-ID: <doc@x>\n\n" + theDoc
	iconPart = "Content-Type: image/png\nContent-ID: <icon@x>\nContent-Transfer-Encoding: binary\n\n\x89PNG"
)

// isPIDF is the usual Content-Type, bomb what swells under compression.
const isPIDF = "Content-Type: application/pidf+xml\n"

var bomb = strings.Repeat(" ", 2000)

var bodyCases = []struct {
	name, lines, content string
	typ, want            string
	fault                bridge.Kind // with typ ""
}{
	{"plain", isPIDF, theDoc, "application/pidf+xml", theDoc, 0},
	{"no body", "", "", "", "", 0},
	{"SEC-07 parameters and case", "c: Application/PIDF+xml ; charset=\"Utf-8\";x=y\n", theDoc, "application/pidf+xml", theDoc, 0},
	{"SEC-07 folded", "Content-Type: application/pidf+xml;\n charset=UTF-8\n", theDoc, "application/pidf+xml", theDoc, 0},
	{"another type is for the caller", "Content-Type: text/plain\n", "hi", "text/plain", "hi", 0},
	{"SEC-07 another charset", "Content-Type: application/pidf+xml;charset=ISO-8859-1\n", theDoc, "", "", bridge.Unsupported},
	{"no Content-Type", "", theDoc, "", "", bridge.Malformed},
	{"two Content-Types", isPIDF + isPIDF, theDoc, "", "", bridge.Malformed},
	{"no media type", "Content-Type: pidf\n", theDoc, "", "", bridge.Malformed},
	{"too large", isPIDF, strings.Repeat("x", 1001), "", "", bridge.TooLarge},
	{"just not too large", isPIDF, strings.Repeat("x", 1000), "application/pidf+xml", strings.Repeat("x", 1000), 0},

	{"PUB-29 gzip", isPIDF + "Content-Encoding: gzip\n", squeeze("gzip", theDoc), "application/pidf+xml", theDoc, 0},
	{"PUB-29 gzip, compact name, in capitals", isPIDF + "e: GZIP\n", squeeze("gzip", theDoc), "application/pidf+xml", theDoc, 0},
	{"PUB-29 gzip that is zlib", isPIDF + "Content-Encoding: gzip\n", squeeze("zlib", theDoc), "application/pidf+xml", theDoc, 0},
	{"PUB-29 deflate", isPIDF + "Content-Encoding: deflate\n", squeeze("zlib", theDoc), "application/pidf+xml", theDoc, 0},
	{"PUB-29 deflate without wrapper", isPIDF + "Content-Encoding: deflate\n", squeeze("raw", theDoc), "application/pidf+xml", theDoc, 0},
	{"PUB-29 identity", isPIDF + "Content-Encoding: identity\n", theDoc, "application/pidf+xml", theDoc, 0},
	{"PUB-29 two codings", isPIDF + "Content-Encoding: deflate, gzip\n", squeeze("gzip", squeeze("zlib", theDoc)), "application/pidf+xml", theDoc, 0},
	{"PUB-29 unknown coding", isPIDF + "Content-Encoding: br\n", theDoc, "", "", bridge.Unsupported},
	{"PUB-29 too many codings", isPIDF + "Content-Encoding: gzip, gzip, gzip, gzip\n", theDoc, "", "", bridge.Unsupported},
	{"PUB-29 not gzip", isPIDF + "Content-Encoding: gzip\n", theDoc, "", "", bridge.Malformed},
	{"PUB-29 cut short", isPIDF + "Content-Encoding: gzip\n", squeeze("gzip", theDoc)[:15], "", "", bridge.Malformed},
	{"SEC-06 bomb", isPIDF + "Content-Encoding: gzip\n", squeeze("gzip", bomb), "", "", bridge.TooLarge},
	{"SEC-06 bomb in a bomb", isPIDF + "Content-Encoding: gzip, gzip\n", squeeze("gzip", squeeze("gzip", bomb)), "", "", bridge.TooLarge},

	{"PUB-32 related, the first part", "Content-Type: multipart/related;type=\"application/pidf+xml\";boundary=b1\n",
		multi(pidfPart, iconPart), "application/pidf+xml", theDoc, 0},
	{"PUB-32 related, start", "Content-Type: multipart/related;boundary=b1;start=\"<doc@x>\"\n",
		multi(iconPart, pidfPart), "application/pidf+xml", theDoc, 0},
	{"PUB-32 related, start without <>", "Content-Type: multipart/related;boundary=\"b1\";start=\"doc@x\"\n",
		multi(iconPart, pidfPart), "application/pidf+xml", theDoc, 0},
	{"PUB-32 related, start names no part", "Content-Type: multipart/related;boundary=b1;start=\"<no@x>\"\n",
		multi(iconPart, pidfPart), "", "", bridge.Malformed},
	{"PUB-32 related and gzip", "Content-Type: multipart/related;boundary=b1\nContent-Encoding: gzip\n",
		squeeze("gzip", multi(pidfPart, iconPart)), "application/pidf+xml", theDoc, 0},
	{"PUB-32 a part in base64", "Content-Type: multipart/related;boundary=b1\n",
		multi("Content-Type: application/pidf+xml\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString([]byte(theDoc)) + "\n"),
		"application/pidf+xml", theDoc, 0},
	{"SEC-07 mixed, the rest optional", "Content-Type: multipart/mixed;boundary=b1\n",
		multi("Content-Type: text/x\nContent-Disposition: render; handling=optional\n\nhi", pidfPart), "application/pidf+xml", theDoc, 0},
	{"SEC-07 mixed, the rest required", "Content-Type: multipart/mixed;boundary=b1\n",
		multi("Content-Type: text/x\n\nhi", pidfPart), "", "", bridge.Unsupported},
	{"SEC-07 alternative, the last that is understood", "Content-Type: multipart/alternative;boundary=b1\n",
		multi("Content-Type: application/pidf+xml\n\n<old/>", pidfPart, "Content-Type: text/x\n\nhi"), "application/pidf+xml", theDoc, 0},
	{"SEC-07 signed", "Content-Type: multipart/signed;boundary=b1\n",
		multi(pidfPart, "Content-Type: application/pkcs7-signature\n\nx"), "application/pidf+xml", theDoc, 0},
	{"multipart without boundary", "Content-Type: multipart/related\n", multi(pidfPart), "", "", bridge.Malformed},
	{"multipart without end", "Content-Type: multipart/related;boundary=b1\n", "--b1\r\n\r\nx", "", "", bridge.Malformed},
	{"multipart without parts", "Content-Type: multipart/related;boundary=b1\n", "--b1--\r\n", "", "", bridge.Malformed},
	{"multipart with too many parts", "Content-Type: multipart/related;boundary=b1\n",
		"--b1\r\n" + strings.Repeat("\r\n\r\n--b1\r\n", 40) + "\r\n\r\n--b1--\r\n", "", "", bridge.Malformed},
	{"multipart in itself", "Content-Type: multipart/related;boundary=b1\n", nested(5), "", "", bridge.Malformed},
	{"multipart in multipart", "Content-Type: multipart/related;boundary=b1\n", nested(1), "application/pidf+xml", theDoc, 0},
}

func TestBody(t *testing.T) {
	for _, c := range bodyCases {
		t.Run(c.name, func(t *testing.T) {
			typ, b, fault := body(carrying(t, c.lines, c.content), 1000)
			if typ != c.typ || string(b) != c.want {
				t.Errorf("%q, %q, want %q, %q (%v)", typ, b, c.typ, c.want, fault)
			}
			switch {
			case c.fault == 0 && fault != nil:
				t.Errorf("error %v", fault)
			case c.fault != 0 && (fault == nil || fault.Kind != c.fault):
				t.Errorf("error %v, want %v", fault, c.fault)
			}
		})
	}
}

// nested puts a document into n more multipart bodies than one.
func nested(n int) string {
	s := "--c\r\nContent-Type: application/pidf+xml\r\n\r\n" + theDoc + "\r\n--c--\r\n"
	name := "c"
	for range n - 1 {
		s = "--x" + name + "\r\nContent-Type: multipart/related;boundary=" + name + "\r\n\r\n" + s + "\r\n--x" + name + "--\r\n"
		name = "x" + name
	}
	return "--b1\r\nContent-Type: multipart/related;boundary=" + name + "\r\n\r\n" + s + "\r\n--b1--\r\n"
}

// TestPUB_29_Refusal: the 415 names the codings that are understood.
func TestPUB_29_Refusal(t *testing.T) {
	_, _, fault := body(carrying(t, "Content-Type: application/pidf+xml\nContent-Encoding: br\n", theDoc), 1000)
	rep := refusal(fault)
	if rep.Code != 415 || !strings.Contains(string(rep.Header), "Accept-Encoding: gzip, deflate") {
		t.Errorf("%d %s", rep.Code, rep.Header)
	}
}

func TestPUB_32_References(t *testing.T) {
	icon := presence.Icon{URI: "CID:icon@x"}
	web := presence.Icon{URI: "https://sip.example/i.png"}
	s := &presence.State{
		Services: []presence.Service{{ID: "t1", StatusIcons: []presence.Icon{icon, web}}},
		Persons:  []presence.Person{{ID: "p1", StatusIcons: []presence.Icon{icon}, Card: presence.CIPID{Icon: "cid:a@b", DisplayName: "cid: is my name"}}},
	}
	want := &presence.State{
		Services: []presence.Service{{ID: "t1", StatusIcons: []presence.Icon{web}}},
		Persons:  []presence.Person{{ID: "p1", Card: presence.CIPID{DisplayName: "cid: is my name"}}},
	}
	got := withoutParts(s)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if len(s.Services[0].StatusIcons) != 2 || s.Persons[0].Card.Icon == "" {
		t.Error("the state was changed in place")
	}
	if withoutParts(want) != want {
		t.Error("a copy without need")
	}
}

func FuzzBody(f *testing.F) {
	f.Add("application/pidf+xml", "", []byte(theDoc))
	f.Add("application/pidf+xml", "gzip", []byte(squeeze("gzip", theDoc)))
	f.Add("application/pidf+xml", "deflate", []byte(squeeze("raw", theDoc)))
	f.Add("multipart/related;boundary=b1;start=\"<doc@x>\"", "", []byte(multi(iconPart, pidfPart)))
	f.Add("multipart/mixed;boundary=b1", "", []byte(nested(2)))
	f.Fuzz(func(t *testing.T, typ, coding string, b []byte) {
		e := entity{b: b}
		if coding != "" {
			e.codings = strings.Split(coding, ",")
		}
		if e.setType(typ) != nil {
			return
		}
		const limit = 4096
		got, fault := e.open(limit, maxNesting)
		if fault == nil && (len(got.b) > limit || strings.HasPrefix(got.contentType, "multipart/")) {
			t.Errorf("%d bytes of %s", len(got.b), got.contentType)
		}
		if fault != nil && fault.Kind != bridge.Malformed && fault.Kind != bridge.TooLarge && fault.Kind != bridge.Unsupported {
			t.Errorf("error %v", fault)
		}
	})
}
