package bridge_test

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/bridge/policy"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

func TestContract_SUB_08_OneItemForEachWatch(t *testing.T) {
	play(t, policy.Allow, func(t *testing.T, s *stage) {
		s.publish("", 10*time.Hour, open("a"))
		leg := legOf(bob, alice)
		now := func(want string) { // without synctest.Wait: when Watch returns
			t.Helper()
			if got := s.told(); got != want {
				t.Errorf("told %q, want %q", got, want)
			}
		}
		v := s.watch(leg, "d1", time.Hour)
		if v.State != bridge.Active || v.Hidden {
			t.Errorf("verdict %+v", v)
		}
		now("d1 active M: open a")
		s.watch(leg, "d1", time.Hour)
		now("d1 active M: open a")
		s.watch(leg, "d2", time.Hour) // a second phone
		now("d2 active M: open a")
		s.watch(leg, "f", 0) // SUB-12
		now("f terminated(timeout) M F: open a")
		s.watch(leg, "d1", 0) // SUB-13
		now("d1 terminated(timeout) M F: open a")
		s.publish("", time.Hour, open("b"))
		s.is("d2 active: open a, open b")
	})
}

func TestContract_SUB_14_Expiry(t *testing.T) {
	play(t, policy.Allow, func(t *testing.T, s *stage) {
		s.publish("", 10*time.Hour, open("a"))
		s.watch(legOf(bob, alice), "d1", time.Minute)
		s.told()
		time.Sleep(50 * time.Second)
		s.watch(legOf(bob, alice), "d1", 20*time.Second) // SUB-19: may shorten
		s.told()
		time.Sleep(19 * time.Second)
		s.is()
		time.Sleep(2 * time.Second)
		items := s.box.Take(nil)
		if len(items) != 1 || !items[0].Final || items[0].Verdict.Reason != "timeout" || content(items[0].View) != "open a" {
			t.Fatalf("at expiry: %+v", items)
		}
		s.publish("", time.Hour, open("b"))
		s.is()
	})
}

func TestContract_SUB_24_27_28_Pending(t *testing.T) {
	play(t, policy.Confirm, func(t *testing.T, s *stage) {
		leg := legOf(juliet, alice)
		tag := s.publish("", time.Hour, open("a"))
		v := s.watch(leg, "d1", time.Hour)
		if v.State != bridge.Pending {
			t.Errorf("verdict %+v", v)
		}
		s.is("d1 pending M: -")
		tag = s.publish(tag, time.Hour, open("b"))
		s.is()
		s.watch(leg, "f", 0) // an unauthorised fetch shows nothing
		s.is("f terminated(timeout) M F: -")
		if _, view := s.hub.Standing(leg); view != nil {
			t.Errorf("a pending watcher may see %s", content(view))
		}
		s.authorize(leg, policy.Allow)
		s.is("d1 active M: open b")
		s.publish(tag, time.Hour, open("c"))
		s.is("d1 active: open c")
	})
}

func TestContract_SUB_25_Block(t *testing.T) {
	play(t, policy.Confirm, func(t *testing.T, s *stage) {
		leg := legOf(juliet, alice)
		s.publish("", time.Hour, open("a"))
		s.authorize(leg, policy.Block)
		for _, d := range []time.Duration{time.Hour, bridge.Forever, 0} {
			_, err := s.tryWatch(leg, "d1", d)
			kind(t, err, bridge.Forbidden)
		}
		s.is()
		if _, view := s.hub.Standing(leg); view != nil {
			t.Error("a blocked watcher may see something")
		}
		s.authorize(leg, policy.Allow)
		s.watch(leg, "d1", time.Hour)
		s.is("d1 active M: open a")
	})
	t.Run("own watching is always allowed", func(t *testing.T) {
		play(t, policy.Block, func(t *testing.T, s *stage) {
			s.publish("", time.Hour, open("a"))
			s.watch(legOf(alice, alice), "own", time.Hour)
			s.is("own active M: open a")
			_, err := s.tryWatch(legOf(bob, alice), "d1", time.Hour)
			kind(t, err, bridge.Forbidden)
		})
	})
}

func TestContract_SUB_26_PoliteBlock(t *testing.T) {
	play(t, policy.Confirm, func(t *testing.T, s *stage) {
		leg := legOf(juliet, alice)
		s.authorize(leg, policy.PoliteBlock)
		st := open("secret")
		st.Persons = []presence.Person{{ID: "p", Notes: []presence.Note{{Text: "secret"}}}}
		tag := s.publish("", time.Hour, st)
		v := s.watch(leg, "d1", time.Hour)
		if v.State != bridge.Active || !v.Hidden {
			t.Errorf("verdict %+v", v)
		}
		items := s.box.Take(nil)
		if len(items) != 1 || items[0].Verdict.State != bridge.Active || items[0].View == nil {
			t.Fatalf("first item %+v", items)
		}
		first := items[0].View
		if len(first.State.Services) != 1 || content(first) != "closed" || len(first.State.Persons)+len(first.State.Devices)+len(first.State.Notes) != 0 {
			t.Errorf("made-up state %+v", first.State)
		}
		if c := first.State.Services[0].Contact; c == nil || c.URI != "sip:alice@sip.example" {
			t.Errorf("contact %+v", c)
		}
		for range 3 {
			time.Sleep(time.Minute)
			tag = s.publish(tag, time.Hour, open("secret2"))
			tag = s.publish(tag, time.Hour, open("secret"))
			s.is() // changes of the real state never show
			s.watch(leg, "d1", time.Hour)
			items = s.box.Take(nil)
			if len(items) != 1 || !same(items[0].View.State, first.State) || items[0].View.Version != first.Version {
				t.Fatalf("after a refresh: %+v", items)
			}
			if items[0].Change == "" {
				t.Error("no change id")
			}
		}
		if _, view := s.hub.Standing(leg); view == nil || !same(view.State, first.State) {
			t.Error("Standing shows something else")
		}
		if bytes.Contains(encode(first.State), []byte("secret")) {
			t.Error("the secret is in the made-up state")
		}
		s.watch(leg, "f", 0)
		items = s.box.Take(nil)
		if len(items) != 1 || !items[0].Final || !same(items[0].View.State, first.State) {
			t.Fatalf("a fetch: %+v", items)
		}
		s.watch(leg, "d1", 0)
		items = s.box.Take(nil)
		if len(items) != 1 || !items[0].Final || !same(items[0].View.State, first.State) {
			t.Fatalf("the end: %+v", items)
		}
	})
}

// A name with characters that a URI does not allow must not break the
// made-up document, nor tell it from a real one.
func TestContract_SUB_26_ContactIsAURI(t *testing.T) {
	hub, err := bridge.New(bridge.Config{Codec: jsonCodec, Directory: bridge.NewDirectory([]bridge.Domain{
		{Name: "sip.example", Scheme: presence.SIP, Here: true, Default: policy.PoliteBlock}})})
	if err != nil {
		t.Fatal(err)
	}
	defer hub.Close()
	box := bridge.NewOutbox()
	a := presence.Addr{Scheme: presence.SIP, User: "o ü<", Host: "sip.example"}
	_, err = hub.Watch(t.Context(), bridge.WatchRequest{Leg: legOf(bob, a), Port: "sip", ID: "d", Expires: time.Hour, Outbox: box})
	if err != nil {
		t.Fatal(err)
	}
	items := box.Take(nil)
	if got := items[0].View.State.Services[0].Contact.URI; got != "sip:o%20%C3%BC%3C@sip.example" && got != "sip:o%20%c3%bc%3c@sip.example" {
		t.Errorf("contact %q", got)
	}
}

func TestContract_SUB_29_ActiveThenNot(t *testing.T) {
	for _, c := range []struct {
		to   policy.SubHandling
		want string
	}{
		{policy.Block, "d1 terminated(rejected) M F: -"},
		{policy.Confirm, "d1 pending M: -"},
		{policy.PoliteBlock, "d1 active M: closed"},
	} {
		t.Run([...]string{"block", "confirm", "polite-block", "allow"}[c.to], func(t *testing.T) {
			play(t, policy.Allow, func(t *testing.T, s *stage) {
				leg := legOf(juliet, alice)
				tag := s.publish("", time.Hour, open("a"))
				s.watch(leg, "d1", time.Hour)
				s.is("d1 active M: open a")
				s.authorize(leg, c.to)
				s.is(c.want)
				s.publish(tag, time.Hour, open("b"))
				s.is()
				s.watch(legOf(bob, alice), "d2", time.Hour) // others are not touched
				s.is("d2 active M: open b")
			})
		})
	}
}

func TestContract_CMP_10_NoSource(t *testing.T) {
	play(t, policy.Allow, func(t *testing.T, s *stage) {
		s.watch(legOf(bob, carol), "d1", time.Hour)
		s.is("d1 active M: closed")
		s.watch(legOf(bob, carol), "f", 0)
		s.is("f terminated(timeout) M F: closed")
	})
}

func TestContract_SUB_35_UnknownUser(t *testing.T) {
	play(t, policy.Allow, func(t *testing.T, s *stage) {
		for _, a := range []presence.Addr{{Scheme: presence.SIP, User: "nobody", Host: "sip.example"},
			{Scheme: presence.SIP, User: "x", Host: "unknown.example"}, {Scheme: presence.SIP, Host: "sip.example"}, {}} {
			for _, d := range []time.Duration{time.Hour, 0} {
				_, err := s.tryWatch(legOf(bob, a), "d1", d)
				kind(t, err, bridge.NotFound)
			}
			v, view := s.hub.Standing(legOf(bob, a))
			if v.State != bridge.NoState || view != nil {
				t.Errorf("%v stands %+v %v", a, v, view)
			}
			err := s.hub.Authorize(t.Context(), legOf(bob, a), policy.Allow, "")
			kind(t, err, bridge.NotFound)
		}
		err := s.hub.Authorize(t.Context(), legOf(bob, juliet), policy.Allow, "") // not homed here
		if err == nil {
			t.Error("Authorize of a foreign presentity succeeded")
		}
		s.is()
	})
}

func TestContract_AuthorizeBeforeTheWatch(t *testing.T) {
	play(t, policy.Confirm, func(t *testing.T, s *stage) {
		s.authorize(legOf(juliet, alice), policy.Allow)
		s.watch(legOf(juliet, alice), "d1", bridge.Forever)
		s.is("d1 active M: closed")
		time.Sleep(10000 * time.Hour) // forever
		s.is()
	})
}

// Two watchers' subscriptions may have the same id: it is unique in its leg.
func TestContract_SameIDOnTwoLegs(t *testing.T) {
	play(t, policy.Allow, func(t *testing.T, s *stage) {
		s.watch(legOf(bob, alice), "x", time.Hour)
		s.watch(legOf(carol, alice), "x", time.Hour)
		s.is("x active M: closed", "x active M: closed")
		s.watch(legOf(bob, alice), "x", 0)
		s.is("x terminated(timeout) M F: closed")
		s.publish("", time.Hour, open("a"))
		s.is("x active: open a")
	})
}

func TestContract_ViewIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, policy.Allow, nil)
		defer s.close()
		s.watch(legOf(bob, alice), "d1", time.Hour)
		s.watch(legOf(carol, alice), "d2", time.Hour)
		s.told()
		s.publish("", time.Hour, open("a"))
		items := s.box.Take(nil)
		if len(items) != 2 || items[0].View != items[1].View {
			t.Error("two watchers of one class do not share the View")
		}
	})
}

func TestContract_OutboxStickiness(t *testing.T) {
	box := bridge.NewOutbox()
	leg := legOf(bob, alice)
	box.Put(bridge.Item{Leg: leg, ID: "a", Mandatory: true, Change: "1"})
	box.Put(bridge.Item{Leg: leg, ID: "a", Change: "2"})
	got := box.Take(nil)
	if len(got) != 1 || !got[0].Mandatory || got[0].Change != "2" {
		t.Errorf("mandatory does not stick: %+v", got)
	}
	box.Put(bridge.Item{Leg: leg, ID: "a", Final: true, Mandatory: true, Change: "3"})
	box.Put(bridge.Item{Leg: leg, ID: "a", Change: "4"})
	got = box.Take(nil)
	if len(got) != 1 || !got[0].Final || got[0].Change != "3" {
		t.Errorf("an ordinary item replaced a final one: %+v", got)
	}
}
