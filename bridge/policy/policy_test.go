package policy

import (
	"testing"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

var alice = presence.Addr{Scheme: presence.SIP, User: "o'malley ü", Host: "sip.example"}

// CMP-10 and RFC 5025 §3.2.1: who is politely blocked sees what everybody sees
// of a presentity without a source.
func TestApply(t *testing.T) {
	full := &presence.State{Services: []presence.Service{{ID: "t", Basic: presence.Open}}}
	if got := Apply(Class{Allow}, alice, full); got != full {
		t.Errorf("allowed: %+v", got)
	}
	for _, sub := range []SubHandling{Block, Confirm} {
		if got := Apply(Class{sub}, alice, full); got != nil {
			t.Errorf("%v: %+v", sub, got)
		}
	}
	polite, nothing := Apply(Class{PoliteBlock}, alice, full), Apply(Class{Allow}, alice, &presence.State{})
	if !presence.Equal(polite, nothing) {
		t.Errorf("a politely blocked watcher can tell: %+v, %+v", polite, nothing)
	}
	tuple := polite.Services[0]
	if tuple.Basic != presence.Closed || tuple.Contact.URI != "sip:o'malley%20%C3%BC@sip.example" {
		t.Errorf("the document is not plausible: %+v", tuple)
	}
}

func TestSubHandlingWords(t *testing.T) {
	for s := Block; s <= Allow; s++ {
		got, ok := ParseSubHandling(s.String())
		if !ok || got != s {
			t.Errorf("%v comes back as %v", s, got)
		}
	}
	if _, ok := ParseSubHandling("maybe"); ok {
		t.Error("an unknown word is accepted")
	}
}
