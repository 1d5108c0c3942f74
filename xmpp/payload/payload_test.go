package payload

import (
	"encoding/xml"
	"testing"
	"time"
	"unicode/utf8"
)

func TestAppendText(t *testing.T) {
	for in, want := range map[string]string{
		"plain":            "plain",
		"Tom & <Jerry>":    "Tom &amp; &lt;Jerry&gt;",
		`"it's"`:           "&quot;it&apos;s&quot;",
		"tab\tline\nend\r": "tab&#9;line&#10;end&#13;",
		"nul\x00\x1f":      "nul\uFFFD\uFFFD",
		"\xff\xfe":         "\uFFFD\uFFFD",
		"ok \uFFFD \u2603": "ok \uFFFD \u2603",
		"\uFFFE\uFFFF":     "\uFFFD\uFFFD",
		"":                 "",
	} {
		if got := string(AppendText(nil, in)); got != want {
			t.Errorf("AppendText(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzAppendText(f *testing.F) {
	f.Add("a<b>&'\"\x00")
	f.Fuzz(func(t *testing.T, s string) {
		b := AppendAttr([]byte("<a"), "k", s)
		b = append(append(b, '>'), AppendText(nil, s)...)
		b = append(b, "</a>"...)
		var a struct {
			K    string `xml:"k,attr"`
			Text string `xml:",chardata"`
		}
		err := xml.Unmarshal(b, &a)
		if err != nil {
			t.Fatalf("%q is not well-formed: %v", b, err)
		}
		if a.K != a.Text || !utf8.ValidString(a.K) {
			t.Fatalf("attribute %q, text %q", a.K, a.Text)
		}
	})
}

// XEP-0115 §5.2: the simple generation example.
func TestVer(t *testing.T) {
	i := NewInfo("http://code.google.com/p/exodus", "client", "pc", "Exodus 0.9.1",
		NSCaps, NSInfo, NSItems, "http://jabber.org/protocol/muc")
	if i.Ver() != "QgayPKawpkPSDYmwT/WM94uAlu0=" {
		t.Errorf("ver = %q", i.Ver())
	}
	want := "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='http://code.google.com/p/exodus' ver='QgayPKawpkPSDYmwT/WM94uAlu0='/>"
	if got := string(i.AppendCaps(nil)); got != want {
		t.Errorf("caps = %s", got)
	}
	for node, want := range map[string]bool{"": true, "x": false,
		"http://code.google.com/p/exodus#QgayPKawpkPSDYmwT/WM94uAlu0=": true} {
		if i.Knows(node) != want {
			t.Errorf("Knows(%q) = %v", node, !want)
		}
	}
}

func TestAppendTime(t *testing.T) {
	now := time.Date(2006, 12, 19, 17, 58, 35, 0, time.UTC)
	for off, want := range map[time.Duration]string{
		-6 * time.Hour: "-06:00", 0: "+00:00", 5*time.Hour + 45*time.Minute: "+05:45",
	} {
		got := string(AppendTime(nil, now, off))
		if got != "<time xmlns='urn:xmpp:time'><tzo>"+want+"</tzo><utc>2006-12-19T17:58:35Z</utc></time>" {
			t.Errorf("%v: %s", off, got)
		}
	}
}
