//go:build integration

package realpeers

import (
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/porchlight-im/porchlight/mapping"
	model "github.com/porchlight-im/porchlight/mapping/presence"
	document "github.com/porchlight-im/porchlight/simple/pidf"
)

// farConfig is a second gateway, of far.example, for which sip.example is
// a Jabber domain like any other.
func farConfig(s xmppServer) string {
	return fmt.Sprintf(`
data: $DATA
log: {level: debug}
domains:
  - {name: far.example, home: here, default: allow}
sip:
  listen: ["udp://127.0.0.1:$SIP"]
  trusted: ["127.0.0.1/32"]
  notify_interval: 0s
xmpp:
  components: [{server: "127.0.0.1:%d", domain: far.example, secret: s3cret}]
  domains: [sip.example]
web: {listen: "127.0.0.1:$WEB", tokens: {demo: {address: "sip:carol@far.example"}}}
`, s.Component())
}

// Two gateways with an XMPP server between them: what a phone of one says
// comes out at a phone of the other exactly, though XMPP has no words for most
// of it. On Prosody alone: one listener of ejabberd mixes the stanzas of its
// components.
func TestTwo_SideChannelRestoresExactly(t *testing.T) {
	s := startProsody(t)
	near := startGateway(t, strings.Replace(config(s), "[im.example]", "[im.example, far.example]", 1))
	far := startGateway(t, farConfig(s))
	near.waitReady()
	far.waitReady()
	a, b := newPhone(t, near, alice), newPhone(t, far, "sip:bob@far.example")
	text, err := os.ReadFile(filepath.Join("testdata", "rich.xml"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := document.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	if res := a.publish("", "600", string(text)); res.code() != 200 {
		t.Fatalf("PUBLISH: %v", res)
	}
	d, res := b.subscribe(alice, "600")
	if res.code() != 200 {
		t.Fatalf("SUBSCRIBE: %v", res)
	}
	m := d.notify("alice's state", has("active", "bs35r9", "eg92n8", "lineage"))
	got, err := document.Decode([]byte(m.body))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := mapping.LineageOf(got); !ok {
		t.Error("the document has no lineage")
	}
	got.Ext = slices.DeleteFunc(got.Ext, func(x model.RawXML) bool { return x.Local == "lineage" })
	if len(got.Ext) == 0 {
		got.Ext = nil
	}
	got.Entity = want.Entity
	// The server writes unknown elements with prefixes of its own.
	if d := cmp.Diff(want, got, cmp.Transformer("XML", tokens)); d != "" {
		t.Errorf("-published +seen behind two gateways:\n%s", d)
	}
}

// tokens are what x says, however it is written.
func tokens(x model.RawXML) (out []string) {
	d := xml.NewDecoder(strings.NewReader(x.Bytes))
	for {
		t, err := d.Token()
		if err != nil {
			return out
		}
		if e, ok := t.(xml.StartElement); ok {
			e.Attr = slices.DeleteFunc(e.Attr, func(a xml.Attr) bool { return a.Name.Space == "xmlns" || a.Name.Local == "xmlns" })
			t = e
		}
		out = append(out, fmt.Sprint(t))
	}
}
