package pidf

import (
	"bytes"
	"encoding/xml"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// again checks that s comes back when it is written and read, that it is
// written the same then, and that others can read it.
func again(t interface {
	Helper()
	Fatalf(string, ...any)
}, s *presence.State) {
	t.Helper()
	out := Append(nil, s, "")
	back, err := Decode(out)
	if err != nil {
		t.Fatalf("what was written: %v\n%s", err, out)
	}
	if !presence.Equal(s, back) {
		t.Fatalf("changed (-first +second):\n%s\n%s", cmp.Diff(s, back), out)
	}
	if twice := Append(nil, back, ""); !bytes.Equal(twice, out) {
		t.Fatalf("not canonical:\n%s\n%s", out, twice)
	}
	for d := xml.NewDecoder(bytes.NewReader(out)); ; {
		_, err := d.Token()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatalf("encoding/xml: %v\n%s", err, out)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, doc := range corpus(f) {
		f.Add(doc)
	}
	for _, doc := range hostile {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		s, err := Decode(doc)
		if err != nil {
			return
		}
		if bytes.ContainsFunc(doc, func(r rune) bool { return r >= 0x80 }) {
			// encoding/xml has other names above ASCII.
			back, err := Decode(Append(nil, s, ""))
			if err != nil || !presence.Equal(s, back) {
				t.Fatalf("%v\n%s", err, cmp.Diff(s, back))
			}
			return
		}
		again(t, s)
	})
}

// hostile are documents that are well-formed and little else.
var hostile = []string{
	// each of the elements twice, in the wrong order, with odd content
	`<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" xmlns:d="urn:ietf:params:xml:ns:pidf:data-model" xmlns:x="urn:x">` +
		`<x:y/><note/><d:note>a</d:note><r:mood>happy<r:sad/>&amp;<![CDATA[c]]></r:mood><tuple/><tuple id=""><timestamp>never</timestamp><timestamp>2001-10-27t16:49:29z</timestamp>` +
		`<contact priority="2">a</contact><contact/><status><r:activities/><r:activities>b</r:activities><basic>c</basic><basic>open</basic></status>` +
		`<status><x:z mustUnderstand="true"/></status><d:deviceID/><r:class/><r:class>d</r:class><r:class>e</r:class>` +
		`<r:user-input>away</r:user-input><r:user-input x:f="g" idle-threshold="-1">idle</r:user-input></tuple>` +
		`<d:person id="tuple"><r:sphere from="never">a<r:home/>b<r:note>c</r:note>d</r:sphere><r:sphere/><r:place-is><r:audio x:a="b"/><r:text><x:c/></r:text></r:place-is>` +
		`<r:time-offset description="e">f</r:time-offset><r:time-offset>+60</r:time-offset><d:timestamp>0001-01-01T00:00:00Z</d:timestamp></d:person>` +
		`<d:device><r:activities/><r:relationship/></d:device></presence>`,
	`<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:o="urn:oma:xml:prs:pidf:oma-pres" xmlns:e="urn:oma:xml:pde:pidf:ext" xmlns:f="urn:oma:xml:pde:pidf:ext:1.1" xmlns:c="urn:ietf:params:xml:ns:pidf:caps" xmlns:d="urn:ietf:params:xml:ns:pidf:data-model">` +
		`<tuple><o:willingness e:until="never" f:until="2026-01-05T17:00:00.5+14:00"><o:basic>maybe</o:basic><o:basic>open</o:basic></o:willingness><o:willingness/>` +
		`<o:service-description a="b"><o:version> 1 .0 </o:version><e:home/></o:service-description><o:registration-state e:a="b">active</o:registration-state>` +
		`<c:servcaps><c:audio/><c:class><c:supported/></c:class><c:duplex><c:notsupported><c:full/></c:notsupported><c:supported><c:half>a</c:half></c:supported></c:duplex>` +
		`<c:a>b<c:supported><c:c/></c:supported></c:a><c:d>e<![CDATA[f]]></c:d><d:g/></c:servcaps><c:servcaps/></tuple>` +
		`<d:person><f:link label="a" f:label="b" e:priority="c">d</f:link><o:overriding-willingness/></d:person>` +
		`<d:device><o:network-availability><o:network a="b"><o:active c="d"/><o:terminated/></o:network></o:network-availability>` +
		`<o:network-availability><e:x/></o:network-availability></d:device></presence>`,
}
