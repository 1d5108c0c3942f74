package simple

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/porchlight-im/porchlight/simple/pidf"
)

// omaSample has every element of OMA's presence data extensions (OMA-01), and
// within them elements that nobody knows (OMA-03).
const omaSample = `<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model"
 xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" xmlns:op="urn:oma:xml:prs:pidf:oma-pres"
 xmlns:opd="urn:oma:xml:pde:pidf:ext" xmlns:opd11="urn:oma:xml:pde:pidf:ext:1.1" xmlns:x="urn:x"
 xmlns:gp="urn:ietf:params:xml:ns:pidf:geopriv10" xmlns:gml="http://www.opengis.net/gml" entity="sip:alice@sip.example">
 <tuple id="a1232"><status><basic>open</basic></status>
  <op:willingness opd:until="2100-05-30T22:00:29Z"><op:basic>open</op:basic><x:why>asked</x:why></op:willingness>
  <op:session-participation><op:basic>closed</op:basic></op:session-participation>
  <rpid:status-icon opd:etag="26362" opd:fsize="1024" opd:contenttype="image/gif" opd:resolution="40x40">http://example.com/icon.gif</rpid:status-icon>
  <op:registration-state>active</op:registration-state>
  <op:barring-state>terminated</op:barring-state>
  <rpid:class>forfriends</rpid:class>
  <op:service-description><op:service-id>org.openmobilealliance:PoC-session</op:service-id><op:version>1.0</op:version><op:description>PoC</op:description><x:more/></op:service-description>
  <dm:deviceID>urn:uuid:d27459b7-8213-4395-aa77-ed859a3e5b3a</dm:deviceID>
  <opd:session-answermode>automatic</opd:session-answermode>
  <contact>sip:alice@sip.example</contact>
  <timestamp>2026-02-22T20:07:07Z</timestamp>
 </tuple>
 <dm:person id="a1233">
  <op:overriding-willingness opd:until="2100-05-30T22:00:29Z"><op:basic>open</op:basic></op:overriding-willingness>
  <opd11:link opd11:label="My page" opd11:priority="0.8">http://example.com/~alice</opd11:link>
  <rpid:activities><rpid:meeting/></rpid:activities>
  <rpid:place-type><lt:office xmlns:lt="urn:ietf:params:xml:ns:location-type"/></rpid:place-type>
  <rpid:mood><rpid:happy/></rpid:mood>
  <rpid:status-icon opd:etag="26363" opd:fsize="2048">http://example.com/me.gif</rpid:status-icon>
  <rpid:time-offset>120</rpid:time-offset>
  <gp:geopriv><gp:location-info><gml:Point srsName="urn:ogc:def:crs:EPSG::4326"><gml:pos>45.4 10.9</gml:pos></gml:Point></gp:location-info><gp:usage-rules/></gp:geopriv>
  <dm:note xml:lang="en">I'll be in Tokyo next week</dm:note>
  <dm:timestamp>2026-02-22T20:07:07Z</dm:timestamp>
 </dm:person>
 <dm:device id="a1234">
  <op:network-availability><op:network id="IMS"><op:active/><opd:home/></op:network></op:network-availability>
  <dm:deviceID>urn:uuid:d27459b7-8213-4395-aa77-ed859a3e5b3a</dm:deviceID>
  <dm:timestamp>2026-02-22T20:07:07Z</dm:timestamp>
 </dm:device>
</presence>`

// OMA-01, OMA-03: what is published arrives unchanged at a watcher who may see
// it all, what nobody knows within OMA's elements included.
func TestOMA_01_OMA_03_ArrivesUnchanged(t *testing.T) {
	want, err := pidf.Decode([]byte(omaSample))
	if err != nil {
		t.Fatal(err)
	}
	watched(t, func(t *testing.T, w *world, alice, bob *peer) {
		alice.publish("", omaSample)
		m := bob.tells("asked", "opd:until", "PoC-session")
		got, err := pidf.Decode([]byte(m.body))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("-published +seen:\n%s", d)
		}
		for _, word := range []string{"session-answermode", "network-availability", "home", "overriding-willingness", "link", "more"} {
			if !strings.Contains(m.body, word) {
				t.Errorf("%s is gone", word)
			}
		}
	})
}
