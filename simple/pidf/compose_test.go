package pidf

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

// CMP-06: four documents in every order, byte for byte the same; with their
// times, classes and ranks, composed and decided.
func TestCompose_CMP_06_Bytes(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	var sources []presence.Source
	for i, class := range []presence.SourceClass{presence.Session, presence.Calendar, presence.Manual, presence.Static} {
		doc := fmt.Sprintf(`<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" xmlns:op="urn:oma:xml:prs:pidf:oma-pres" xmlns:x="urn:example:%d" entity="sip:a@h">
<tuple id="t1"><status><basic>%s</basic></status><op:service-description><op:service-id>chat</op:service-id><op:version>1.0</op:version></op:service-description><contact priority="0.%d">sip:a@h</contact><note>n%d</note></tuple>
<tuple id="t2"><status><basic>open</basic></status><x:e>%d</x:e></tuple><note>doc</note>
<dm:person id="t1"><r:activities><r:%s/></r:activities><r:mood><r:happy/></r:mood><x:e/><dm:note xml:lang="en">p%d</dm:note></dm:person>
<dm:device id="d"><dm:deviceID>urn:%d</dm:deviceID></dm:device></presence>`,
			i%2, []string{"open", "closed"}[i%2], i, i, i, []string{"busy", "meeting", "away", "working"}[i], i, i%2)
		s, err := Decode([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, presence.Source{ID: fmt.Sprint("s", i), Class: class, Rank: i / 3, Seq: uint64(i), Changed: uint64(9 - i), Arrived: now, State: s})
	}
	for _, r := range []*mapping.Rules{mapping.Standard, {Composition: presence.Composition{Strict: true}}} {
		var want []byte
		permutations(sources, 0, func(of []presence.Source) {
			s, _ := r.Compose(of, now)
			got := Append(nil, s, "sip:a@h")
			if want == nil {
				want = bytes.Clone(got)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("another order, other bytes:\n%s\n%s", want, got)
			}
		})
		back, err := Decode(want)
		if err != nil || len(back.Services) < 3 || len(back.Persons) == 0 {
			t.Errorf("%v in %s", err, want)
		}
	}
}

// permutations calls f with of in every order.
func permutations(of []presence.Source, k int, f func([]presence.Source)) {
	if k == len(of) {
		f(of)
	}
	for i := k; i < len(of); i++ {
		of[k], of[i] = of[i], of[k]
		permutations(of, k+1, f)
		of[k], of[i] = of[i], of[k]
	}
}
