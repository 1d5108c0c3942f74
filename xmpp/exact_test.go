package xmpp

import (
	"strings"
	"testing"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/xmpp/sidechannel"
)

// julietCarries is a stanza of juliet's whose side channel comes from origin.
func julietCarries(t *testing.T, origin string) string {
	t.Helper()
	s := &presence.State{
		Services: []presence.Service{{ID: "balcony", Basic: presence.Open, Class: "private"}},
		Persons:  []presence.Person{{ID: "p", Sphere: &presence.Choice{Values: []presence.Value{{Name: "home"}}}}},
	}
	b, err := sidechannel.Append([]byte("<presence from='juliet@im.example/balcony' to='bob@sip.example'>"), s,
		"sip:juliet@im.example", mapping.Lineage{Origin: origin, Change: "C1"})
	if err != nil {
		t.Fatal(err)
	}
	return string(b) + "</presence>"
}

// What another gateway carries beside XMPP's words is the state itself.
func TestS2X_SideChannelIsRestored(t *testing.T) {
	following(t, func(w *world) {
		w.send(julietCarries(t, "elsewhere"))
		it, _ := w.last(bob)
		s := it.View.State
		if len(s.Services) != 1 || s.Services[0].Class != "private" || len(s.Persons) != 1 || s.Persons[0].Sphere == nil {
			t.Errorf("state = %+v", s)
		}
		if l, ok := mapping.LineageOf(s); !ok || l.Origin != "elsewhere" || l.Change != "C1" {
			t.Errorf("lineage = %+v", l)
		}
		w.send(julietHere) // a client of hers, which carries nothing
		it, _ = w.last(bob)
		if s = it.View.State; len(s.Services) != 1 || s.Services[0].Class != "" || s.Services[0].Show != "away" {
			t.Errorf("afterwards = %+v", s)
		}
	})
}

// A state that this gateway has translated itself is no news when it returns.
func TestS2X_EchoIsNoNews(t *testing.T) {
	following(t, func(w *world) {
		before, _ := w.last(bob)
		w.send(julietCarries(t, w.hub.Origin()))
		after, _ := w.last(bob)
		if after.View != before.View {
			t.Errorf("taken for news: %+v", after.View.State)
		}
	})
}

// A side channel that is broken costs only itself.
func TestS2X_SideChannelBroken(t *testing.T) {
	following(t, func(w *world) {
		w.send(strings.Replace(julietCarries(t, "elsewhere"), "<tuple id=", "<tuple di=", 1))
		it, _ := w.last(bob)
		if s := it.View.State; len(s.Services) != 1 || s.Services[0].Class != "" || s.Services[0].Show != "" {
			t.Errorf("state = %+v", s)
		}
		w.send("<presence from='juliet@im.example/balcony' to='bob@sip.example'><show>dnd</show>" +
			"<exact xmlns='urn:porchlight:presence:1'><presence/></exact></presence>")
		it, _ = w.last(bob)
		if s := it.View.State; len(s.Services) != 1 || s.Services[0].Show != "dnd" {
			t.Errorf("state = %+v", s)
		}
		if it.Verdict.State != bridge.Active {
			t.Error("the subscription suffered")
		}
	})
}
