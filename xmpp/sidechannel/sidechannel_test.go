package sidechannel

import (
	"errors"
	"strings"
	"testing"

	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

func state() *presence.State {
	return &presence.State{
		Services: []presence.Service{{ID: "t1", Basic: presence.Open, Contact: &presence.Contact{URI: "sip:alice@192.0.2.1"}}},
		Persons: []presence.Person{{ID: "p1", Sphere: &presence.Choice{Values: []presence.Value{{Name: "work"}}},
			Ext: []presence.RawXML{{Space: "urn:x", Local: "y", Bytes: `<y xmlns="urn:x">a &amp; b</y>`}}}},
		Notes: []presence.Note{{Lang: "de", Text: "<Bin gleich zurück>"}},
	}
}

func TestThereAndBack(t *testing.T) {
	lineage := mapping.Lineage{Origin: "a'b", Change: "27ZOYSAV6Y"}
	b, err := Append([]byte("<status/>"), state(), "sip:alice@sip.example", lineage)
	if err != nil {
		t.Fatal(err)
	}
	text, ok := strings.CutPrefix(string(b), "<status/>")
	if !ok || strings.Contains(text, "<?") {
		t.Fatalf("wrote %s", b)
	}
	got, l, err := Read([]byte(text))
	if err != nil || l != lineage || !presence.Equal(got, state()) {
		t.Errorf("got %+v, %v, %v", got, l, err)
	}
}

func TestTooLarge(t *testing.T) {
	s := state()
	s.Notes[0].Text = strings.Repeat("x", MaxBytes)
	b, err := Append([]byte("before"), s, "sip:a@b", mapping.Lineage{})
	if !errors.Is(err, ErrTooLarge) || string(b) != "before" {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	_, _, err = Read(make([]byte, MaxBytes+1))
	if !errors.Is(err, ErrTooLarge) {
		t.Errorf("read: %v", err)
	}
}

func TestHostile(t *testing.T) {
	const doc = `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:a@b"/>`
	for name, b := range map[string]string{
		"nothing":           ``,
		"another element":   `<other xmlns='urn:porchlight:presence:1'>` + doc + `</other>`,
		"another namespace": `<exact xmlns='urn:x'>` + doc + `</exact>`,
		"no document":       `<exact xmlns='urn:porchlight:presence:1'/>`,
		"two documents":     `<exact xmlns='urn:porchlight:presence:1'>` + doc + doc + `</exact>`,
		"no presence":       `<exact xmlns='urn:porchlight:presence:1'><presence/></exact>`,
		"a DTD":             `<!DOCTYPE x><exact xmlns='urn:porchlight:presence:1'>` + doc + `</exact>`,
		"cut off":           `<exact xmlns='urn:porchlight:presence:1'><presence`,
	} {
		s, _, err := Read([]byte(b))
		if err == nil || s != nil {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	b, _ := Append(nil, state(), "sip:alice@sip.example", mapping.Lineage{Origin: "o", Change: "c"})
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, l, err := Read(b)
		if err != nil {
			return
		}
		again, err := Append(nil, s, "sip:alice@sip.example", l)
		if err != nil {
			return // grown by its own namespaces
		}
		got, l2, err := Read(again)
		if err != nil || l2 != l || !presence.Equal(got, s) {
			t.Fatalf("%q became %q: %v", b, again, err)
		}
	})
}
