package xmpp

import (
	"strings"
	"testing"

	"github.com/porchlight-im/porchlight/bridge"
)

func TestStatus_EveryKindHasAStanzaError(t *testing.T) {
	if len(stanzaErrors) != len(bridge.Kinds()) {
		t.Errorf("%d kinds, %d rows", len(bridge.Kinds()), len(stanzaErrors))
	}
	for _, k := range bridge.Kinds() {
		e, ok := stanzaErrors[k]
		if !ok || e.Condition == "" {
			t.Errorf("%v has no stanza error", k)
		}
		switch e.Type {
		case "auth", "cancel", "continue", "modify", "wait": // RFC 6120 §8.3.2
		default:
			t.Errorf("%v: type %q", k, e.Type)
		}
	}
}

func TestStatus_InternalDetailIsNotTold(t *testing.T) {
	if e := stanzaError(bridge.Errorf(bridge.Internal, "disk /dev/sda1 full")); e.Text != "" {
		t.Errorf("text %q", e.Text)
	}
	if e := stanzaError(bridge.Errorf(bridge.Forbidden, "no")); e.Text != "no" {
		t.Errorf("text %q", e.Text)
	}
}

func TestConfig_Validate(t *testing.T) {
	good := Config{Components: []Component{{Server: "127.0.0.1:5347", Domain: "sip.example", Secret: "s"}}, Domains: []string{"im.example"}}
	if errs := good.Validate(); len(errs) > 0 {
		t.Errorf("a good configuration: %v", errs)
	}
	bad := Config{
		Components: []Component{
			{Server: "127.0.0.1", Domain: "a b", Secret: "x", SecretFile: "/nowhere/at/all"},
			{Server: ":5347", Domain: "im.example", Secret: "x"},
			{Server: "h:1", Domain: "IM.example"},
		},
		Domains: []string{"im.example", "x@y"},
	}
	errs := bad.Validate()
	for _, want := range []string{
		"components[0].server: ", "components[0].domain: ", "components[0].secret: ", "components[0].secret_file: ",
		"components[2].domain: im.example is already", "components[2].secret: ", "domains[0]: im.example is the domain", "domains[1]: ",
	} {
		found := false
		for _, e := range errs {
			found = found || strings.HasPrefix(e.Error(), want)
		}
		if !found {
			t.Errorf("no fault %q in %v", want, errs)
		}
	}
	if errs := (&Config{}).Validate(); len(errs) != 2 {
		t.Errorf("an empty section: %v", errs)
	}
}
