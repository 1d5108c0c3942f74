package payload

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// exodus is the complex example of XEP-0115 §5.3.
func exodus() Described {
	muc := "http://jabber.org/protocol/muc"
	return Described{
		Identities: []Identity{{"client", "pc", "en", "Psi 0.11"}, {"client", "pc", "el", "Ψ 0.11"}},
		Features:   []string{muc, NSItems, NSInfo, NSCaps},
		Forms: []Form{{Type: "urn:xmpp:dataforms:softwareinfo", Fields: []Field{
			{"software_version", []string{"0.11"}}, {"software", []string{"Psi"}}, {"os_version", []string{"10.5.1"}},
			{"os", []string{"Mac"}}, {"ip_version", []string{"ipv6", "ipv4"}},
		}}},
	}
}

func TestDescribed_Ver(t *testing.T) {
	d := exodus()
	if got := d.Ver(); got != "q07IKJEyjvHSyhy//CH0CxmKi8w=" {
		t.Errorf("XEP-0115 §5.3: ver %q", got)
	}
	d = Described{Identities: []Identity{{"client", "pc", "", "Exodus 0.9.1"}},
		Features: []string{NSCaps, NSInfo, NSItems, "http://jabber.org/protocol/muc"}}
	if got := d.Ver(); got != "QgayPKawpkPSDYmwT/WM94uAlu0=" {
		t.Errorf("XEP-0115 §5.2: ver %q", got)
	}
}

// XEP-0115 §5.4 step 3: what has something twice is ill-formed, and what could
// be read in two ways is not trusted.
func TestDescribed_VerOfWhatIsIllFormed(t *testing.T) {
	for name, spoil := range map[string]func(d *Described){
		"identity twice": func(d *Described) { d.Identities = append(d.Identities, d.Identities[0]) },
		"feature twice":  func(d *Described) { d.Features = append(d.Features, NSCaps) },
		"form twice":     func(d *Described) { d.Forms = append(d.Forms, d.Forms[0]) },
		"ambiguous":      func(d *Described) { d.Features[0] = "a<b" },
	} {
		d := exodus()
		d.Features = slices.Clone(d.Features)
		spoil(&d)
		if got := d.Ver(); got != "" {
			t.Errorf("%s: ver %q", name, got)
		}
	}
}

func TestWants(t *testing.T) {
	w := WantsOf([]string{NodeMood + "+notify", NodeNick, "x+notify", NodeAvatarMetadata + "+notify", "+notify"})
	for i, node := range Nodes {
		if want := node == NodeMood || node == NodeAvatarMetadata; w.Has(i) != want {
			t.Errorf("%s: %v", node, !want)
		}
	}
	if NodeIndex("x") != -1 || NodeIndex(NodeAvatarData) != -1 {
		t.Error("an index of what is no node")
	}
}

// Empty has the root element of each node.
func TestEmpty(t *testing.T) {
	for i, node := range Nodes {
		var x struct{ XMLName xml.Name }
		err := xml.Unmarshal([]byte(Empty[i]), &x)
		if err != nil || x.XMLName.Space != node || !strings.Contains(node, x.XMLName.Local) {
			t.Errorf("%s: %s, %v", node, Empty[i], err)
		}
	}
}

func TestAppendPubSubError(t *testing.T) {
	got := string(AppendPubSubError(nil, "cancel", "feature-not-implemented", "unsupported", "subscribe"))
	want := fmt.Sprintf("<error type='cancel'><feature-not-implemented xmlns='%s'/><unsupported xmlns='%s' feature='subscribe'/></error>", NSStanzas, NSPubSubErrors)
	if got != want {
		t.Errorf("XEP-0060 §6.1.3.10: %s", got)
	}
}
