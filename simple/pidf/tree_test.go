package pidf

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/mapping/xmltext"
)

// Every name that the package knows, and some that it does not, to be put
// anywhere.
var anyName = rapid.SampledFrom(strings.Fields(`
	p:tuple p:status p:basic p:contact p:note p:timestamp p:foo
	d:person d:device d:deviceID d:note d:timestamp d:foo
	r:activities r:class r:mood r:place-is r:place-type r:privacy r:relationship r:service-class r:sphere
	r:status-icon r:time-offset r:user-input r:note r:away r:other r:audio r:text r:home r:unknown
	c:card c:icon t:timed-status t:basic t:note k:servcaps k:devcaps k:audio k:class k:supported k:notsupported k:full
	o:service-description o:service-id o:version o:description o:willingness o:session-participation o:basic
	o:registration-state o:overriding-willingness o:network-availability o:network o:active o:terminated
	e:home f:link l:home g:geopriv j:show j:foo x:foo foo`))

var anyAttr = rapid.SampledFrom(strings.Fields(`
	id from until priority idle-threshold last-input description mustUnderstand p:mustUnderstand xml:lang
	e:until f:label label e:etag x:foo y:foo foo r:foo j:foo`))

var anyText = rapid.SampledFrom([]string{
	"", "", " ", "open", "closed", " open ", "idle", "active", "60", "0.5", "2026-01-05T09:00:00.25+01:00", "2026-01-05t09:00:00z",
	"true", "1", "never", "a b", " a  b\n", "&amp;&lt;&quot;", "&#13;&#10;&#9;", "\r\n", "é", "<![CDATA[<c>]]>", "a<!-- -->b", "home",
})

const prolog = ` xmlns:p="urn:ietf:params:xml:ns:pidf" xmlns:d="urn:ietf:params:xml:ns:pidf:data-model"` +
	` xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" xmlns:c="urn:ietf:params:xml:ns:pidf:cipid"` +
	` xmlns:t="urn:ietf:params:xml:ns:pidf:timed-status" xmlns:k="urn:ietf:params:xml:ns:pidf:caps"` +
	` xmlns:o="urn:oma:xml:prs:pidf:oma-pres" xmlns:e="urn:oma:xml:pde:pidf:ext" xmlns:f="urn:oma:xml:pde:pidf:ext:1.1"` +
	` xmlns:l="urn:ietf:params:xml:ns:location-type" xmlns:g="urn:ietf:params:xml:ns:pidf:geopriv10"` +
	` xmlns:j="jabber:client" xmlns:x="urn:x" xmlns:y="urn:y"`

// tree draws an element that is one of names, or anything, with anything in it.
func tree(t *rapid.T, b *strings.Builder, names *rapid.Generator[string], depth int) {
	name := names.Draw(t, "name")
	b.WriteString("<" + name)
	attributes(t, b)
	b.WriteString(">")
	if depth > 0 {
		for range rapid.IntRange(0, 5).Draw(t, "children") {
			tree(t, b, below(name), depth-1)
			if rapid.IntRange(0, 5).Draw(t, "mixed") == 0 {
				b.WriteString(anyText.Draw(t, "text"))
			}
		}
	}
	b.WriteString(anyText.Draw(t, "text"))
	b.WriteString("</" + name + ">")
}

func attributes(t *rapid.T, b *strings.Builder) {
	seen := map[string]bool{}
	for range rapid.IntRange(0, 3).Draw(t, "attributes") {
		name := anyAttr.Draw(t, "attribute")
		value := anyText.Draw(t, "value")
		if !seen[name] && !strings.Contains(value, "<") {
			seen[name] = true
			b.WriteString(" " + name + `="` + value + `"`)
		}
	}
}

// below is what stands below name, for the most part where it belongs.
func below(name string) *rapid.Generator[string] {
	where := map[string]string{
		"p:presence":  "p:tuple p:tuple d:person d:person d:device p:note",
		"p:tuple":     "p:status p:status p:contact p:note t:timed-status k:servcaps o:willingness o:service-description r:class r:user-input",
		"p:status":    "p:basic p:basic j:show r:activities g:geopriv",
		"d:person":    "r:activities r:mood r:place-is r:place-type r:sphere r:time-offset r:user-input r:status-icon o:overriding-willingness f:link c:card",
		"d:device":    "d:deviceID o:network-availability k:devcaps r:user-input",
		"k:servcaps":  "k:audio k:class",
		"k:class":     "k:supported k:notsupported",
		"k:supported": "k:full", "k:notsupported": "k:full",
		"o:network-availability": "o:network", "o:network": "o:active o:terminated e:home",
		"o:willingness": "o:basic", "t:timed-status": "t:basic t:note", "r:place-is": "r:audio r:text r:note",
	}[name]
	if where == "" {
		return anyName
	}
	return rapid.OneOf(rapid.SampledFrom(strings.Fields(where)), anyName)
}

// Whatever stands wherever: it is read without a panic, and comes back.
func TestAnyTreeComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		b.WriteString("<p:presence" + prolog)
		attributes(t, &b)
		b.WriteString(">")
		for range rapid.IntRange(0, 5).Draw(t, "components") {
			tree(t, &b, below("p:presence"), 4)
		}
		b.WriteString("</p:presence>")
		s, err := Decode([]byte(b.String()))
		if err != nil {
			var e *Error
			if _, ok := err.(*Error); !ok || e != nil {
				t.Fatalf("%v", err)
			}
			// Attributes of one name through two prefixes, and the like.
			if !strings.Contains(err.Error(), "stands twice") {
				t.Fatalf("%v\n%s", err, b.String())
			}
			return
		}
		again(t, s)
		checkOutput(t, s)
	})
}

// checkOutput checks what strict clients demand of a document.
func checkOutput(t *rapid.T, s *presence.State) {
	out := Append(nil, s, "")
	var x xmltext.Scanner
	x.Reset(out)
	ids := map[string]bool{}
	_, err := x.Next()
	if err != nil {
		t.Fatal(err)
	}
	last := 0
	err = x.Each(func() error {
		place := map[string]int{"tuple": 1, "person": 3, "device": 4}[string(x.Local)]
		if string(x.Local) == "note" && string(x.Space) == names[nsPIDF].uri {
			place = 2
		}
		id := string(x.Attr("id"))
		if place != 0 && place != 2 && string(x.Space) == names[map[bool]ns{true: nsPIDF, false: nsDM}[place == 1]].uri {
			if id == "" || ids[id] {
				return fmt.Errorf("id %q is no id of its own", id)
			}
			ids[id] = true
			if place < last {
				return fmt.Errorf("<%s> is out of order", x.Local)
			}
			last = place
		}
		return x.Skip()
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
