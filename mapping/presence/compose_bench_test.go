package presence_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// fifty are fifty phones of one person: four services each, of which the first
// is the same on all, the person and the device.
func fifty() []presence.Source {
	var ss []presence.Source
	for n := range 50 {
		s := &presence.State{}
		for i, contact := range []string{"sip:alice@sip.example", fmt.Sprintf("sip:alice@192.0.2.%d", n)} {
			for _, service := range []string{"org.openmobilealliance:IM-session", "org.3gpp.urn:urn-7:3gpp-service.ims.icsi.mmtel"} {
				t := described(fmt.Sprintf("t%d-%d", i, len(s.Services)), contact)
				t.OMA.Description.ID = service
				t.Contact.Priority = "0.5"
				t.Timestamp = noon.Add(time.Duration(n) * time.Second)
				t.Caps = &presence.Caps{Items: []presence.Capability{{Name: "audio", Text: "true"}, {Name: "video", Text: "true"}}}
				t.DeviceIDs = []string{fmt.Sprintf("urn:uuid:%d", n)}
				s.Services = append(s.Services, t)
			}
		}
		s.Persons = []presence.Person{{ID: "p", Activities: &presence.Activities{Values: []presence.Value{{Name: "meeting"}}},
			Mood: &presence.Mood{Values: []presence.Value{{Name: "happy"}}}, Notes: []presence.Note{{Lang: "en", Text: "at work"}}}}
		s.Devices = []presence.Device{{ID: "d", DeviceID: fmt.Sprintf("urn:uuid:%d", n), Networks: []presence.Network{{ID: "IMS", Active: true}}}}
		ss = append(ss, src(n+1, s))
	}
	return ss
}

// CMP-11: one update of one of fifty sources.
func BenchmarkCMP_11_Compose50(b *testing.B) {
	ss := fifty()
	b.ReportAllocs()
	old, _ := presence.Compose(ss, noon)
	for b.Loop() {
		s, _ := presence.Compose(ss, noon)
		if !presence.Equal(old, s) {
			b.Fatal("not the same")
		}
	}
}

// BenchmarkComposeOne is the usual case.
func BenchmarkComposeOne(b *testing.B) {
	ss := fifty()[:1]
	b.ReportAllocs()
	for b.Loop() {
		presence.Compose(ss, noon)
	}
}
