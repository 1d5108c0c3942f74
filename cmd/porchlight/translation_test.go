package main

import (
	"strings"
	"testing"
	"time"

	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

func TestTranslationOfADomain(t *testing.T) {
	c, err := parseConfig("c.yaml", []byte(`
domains: [{name: Sip.Example}, {name: other.example}]
translation:
  SIP.example:
    side_channel: false
    activities: {tv: {availability: busy, reason: focusing, oof: true}, ext:focusing: {xmpp: "-"}}
    moods: {cranky: grumpy}
    closed_when: [away]
    composition: oma-strict
`))
	if err != nil {
		t.Fatal(err)
	}
	dir, err := c.directory()
	if err != nil {
		t.Fatal(err)
	}
	tv := &presence.State{
		Services: []presence.Service{{ID: "a", Basic: presence.Open}},
		Persons:  []presence.Person{{ID: "p", Activities: &presence.Activities{Values: []presence.Value{{Name: "tv"}}}}},
	}
	now := time.Now()
	r := dir.Rules("sip.example")
	want := mapping.Availability{Word: mapping.Busy, Reason: "focusing", OOF: true}
	if got := r.Effective(tv, now); got != want || !r.SideChannelOff || !r.Strict() {
		t.Errorf("%+v, side channel off %v, strict %v", got, r.SideChannelOff, r.Strict())
	}
	other := dir.Rules("other.example")
	if got := other.Effective(tv, now).Word; got != mapping.Available || other.Strict() {
		t.Errorf("another domain says %s, strict %v", got, other.Strict())
	}
}

func TestTranslationFaults(t *testing.T) {
	_, err := parseConfig("c.yaml", []byte(`
domains: [{name: sip.example}]
translation:
  no.example: {}
  SIP.example:
    activities: {tv: {availability: away}}
  sip.example:
    activities:
      dancing: {availability: away}
      tv: {availability: gone, xmpp: relaxing/sofa}
    moods: {sad: blue}
    closed_when: [away, never]
    composition: separate
`))
	if err == nil {
		t.Fatal("no fault is found")
	}
	for _, want := range []string{
		"translation.no.example: is not one of domains",
		"the same domain as translation.SIP.example",
		"9: translation.sip.example.activities.dancing: ",
		"translation.sip.example.activities.tv.availability: ", "translation.sip.example.activities.tv.xmpp: ",
		"translation.sip.example.moods.sad: ", "translation.sip.example.closed_when[1]: ",
		"13: translation.sip.example.composition: ",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in\n%v", want, err)
		}
	}
}
