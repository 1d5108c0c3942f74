package bridge_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/bridge/policy"
	"github.com/porchlight-im/porchlight/bridge/store"
	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

// publishAs publishes what a source of class c says of Alice.
func (s *stage) publishAs(c presence.SourceClass, tag string, d time.Duration, st *presence.State) string {
	s.t.Helper()
	r, err := s.hub.Publish(s.t.Context(), bridge.Publication{Presentity: alice, Source: "test", Class: c, IfMatch: tag, Expires: d, State: st, Change: bridge.NewChange()})
	if err != nil {
		s.t.Fatalf("Publish: %v", err)
	}
	return r.ETag
}

// word is what Bob, who watches Alice, sees of her now.
func (s *stage) word() mapping.Word {
	s.t.Helper()
	_, v := s.hub.Standing(legOf(bob, alice))
	return mapping.Standard.Effective(v.State, time.Now()).Word
}

func (s *stage) seen(want mapping.Word) {
	s.t.Helper()
	synctest.Wait()
	if got := s.word(); got != want {
		s.t.Errorf("at %v Alice is %s, want %s", time.Now(), got, want)
	}
}

func web(t *testing.T, doc string) *presence.State {
	t.Helper()
	s, err := mapping.FromJSON([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func doing(name string) *presence.State {
	return &presence.State{Persons: []presence.Person{{ID: "p", Activities: &presence.Activities{Values: []presence.Value{{Name: name}}}}}}
}

// D.5 in the hub: what each source says counts by its class, and for as long as
// it lives.
func TestContract_D5_Classes(t *testing.T) {
	play(t, policy.Allow, func(t *testing.T, s *stage) {
		s.watch(legOf(bob, alice), "d1", time.Hour)
		s.publish("", time.Hour, open("phone"))
		s.seen(mapping.Available)
		meeting := s.publishAs(presence.Calendar, "", 10*time.Minute, doing("meeting"))
		s.seen(mapping.Busy)
		own := s.publishAs(presence.Session, "", time.Hour, web(t, `{"availability":"away"}`))
		s.seen(mapping.Away)
		call := s.publishAs(presence.Call, "", time.Minute, doing("on-the-phone"))
		s.seen(mapping.Busy)
		time.Sleep(time.Minute) // the call is over, and leaves nothing
		s.seen(mapping.Away)
		own = s.publishAs(presence.Session, own, time.Hour, web(t, `{"availability":"offline"}`))
		s.seen(mapping.Offline)
		s.publishAs(presence.Session, own, 0, nil)
		s.seen(mapping.Busy) // the meeting
		s.publishAs(presence.Calendar, meeting, 0, nil)
		s.seen(mapping.Available)
		if call == "" {
			t.Error("no tag")
		}
	})
}

// D.5 rule 2: someone who hides is told of as someone who has not come.
func TestContract_D5_e_NoHint(t *testing.T) {
	play(t, policy.Allow, func(t *testing.T, s *stage) {
		s.watch(legOf(bob, alice), "d1", time.Hour)
		_, nobody := s.hub.Standing(legOf(bob, alice))
		s.publish("", time.Hour, open("phone"))
		s.publish("", time.Hour, web(t, `{"availability":"offline","note":{"text":"hiding"},"person":{"mood":{"values":[{"name":"sad"}]}}}`))
		_, v := s.hub.Standing(legOf(bob, alice))
		if !same(v.State, nobody.State) {
			t.Errorf("shown %s", encode(v.State))
		}
	})
}

// until of what was chosen is kept at that instant, and so is the end of a
// manual "available" that has none.
func TestContract_D5_Until(t *testing.T) {
	play(t, policy.Allow, func(t *testing.T, s *stage) {
		s.watch(legOf(bob, alice), "d1", 50*time.Hour)
		s.publish("", 100*time.Hour, doing("busy"))
		end := time.Now().Add(30 * time.Minute)
		own := s.publish("", 100*time.Hour, web(t, fmt.Sprintf(`{"availability":"dnd","until":%q}`, end.Format(time.RFC3339))))
		s.told()
		time.Sleep(time.Until(end) - 1)
		s.seen(mapping.DND)
		s.is()
		time.Sleep(1 * time.Nanosecond)
		s.seen(mapping.Busy)
		s.is("d1 active: open")

		s.publish(own, 100*time.Hour, web(t, `{"availability":"available"}`))
		s.seen(mapping.Available)
		time.Sleep(12*time.Hour - 1)
		s.seen(mapping.Available)
		time.Sleep(1 * time.Nanosecond)
		s.seen(mapping.Busy)
	})
}

// The class of a publication is stored with it, and the time it came.
func TestContract_D5_Restart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := store.NewMemory()
		s := newStage(t, policy.Allow, st)
		s.publishAs(presence.Manual, "", 20*time.Hour, doing("away"))
		time.Sleep(time.Minute)
		s.publishAs(presence.Manual, "", 20*time.Hour, doing("meeting"))
		s.publish("", 20*time.Hour, open("phone"))
		s.publishAs(presence.Calendar, "", 20*time.Hour, doing("vacation"))
		s.watch(legOf(bob, alice), "d1", time.Hour)
		s.seen(mapping.Busy)
		_, before := s.hub.Standing(legOf(bob, alice))
		s2, _ := killed(t, policy.Allow, st)
		s.close()
		defer s2.close()
		s2.seen(mapping.Busy)
		_, after := s2.hub.Standing(legOf(bob, alice))
		if !same(before.State, after.State) {
			t.Errorf("before %s\nafter %s", encode(before.State), encode(after.State))
		}
	})
}

// CMP-07, CMP-08: the ids that watchers see stay, whoever comes and goes.
func TestContract_CMP_07_08_IDs(t *testing.T) {
	play(t, policy.Allow, func(t *testing.T, s *stage) {
		ids := func() (ids []string) {
			_, v := s.hub.Standing(legOf(bob, alice))
			for _, x := range v.State.Services {
				ids = append(ids, x.Contact.URI+" "+x.ID)
			}
			slices.Sort(ids)
			return ids
		}
		at := func(contact string) *presence.State {
			return &presence.State{Services: []presence.Service{{ID: "t1", Basic: presence.Open, Contact: &presence.Contact{URI: contact}}},
				Persons: []presence.Person{{ID: "p-" + contact}}}
		}
		s.watch(legOf(bob, alice), "d1", time.Hour)
		first := s.publish("", time.Hour, at("sip:1"))
		second := s.publish("", time.Hour, at("sip:2"))
		both := ids()
		if len(both) != 2 || both[0] != "sip:1 t1" || both[1] == "sip:2 t1" {
			t.Fatalf("ids %v", both)
		}
		second = s.publish(second, time.Hour, nil)
		second = s.publish(second, time.Hour, at("sip:2"))
		if got := ids(); !slices.Equal(got, both) {
			t.Errorf("%v became %v with a refresh", both, got)
		}
		s.publish(first, 0, nil)
		s.publish(second, time.Hour, at("sip:2"))
		if got := ids(); !slices.Equal(got, both[1:]) {
			t.Errorf("%v became %v when the first had gone", both[1:], got)
		}
		_, v := s.hub.Standing(legOf(bob, alice))
		if v.State.Persons[0].ID != "p-sip:1" {
			t.Errorf("the person became %s", v.State.Persons[0].ID)
		}
	})
}

// CMP-11: one update of one of fifty sources, with one watcher.
func BenchmarkContract_CMP_11_FiftySources(b *testing.B) {
	s := newStage(b, policy.Allow, nil)
	defer s.hub.Close()
	_, err := s.tryWatch(legOf(bob, alice), "d", time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	var tags []string
	for i := range 50 {
		r, err := s.tryPublish("", time.Hour, open(name(i)))
		if err != nil {
			b.Fatal(err)
		}
		tags = append(tags, r.ETag)
	}
	states := [2]*presence.State{open("x"), open("y")}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		r, err := s.tryPublish(tags[n%50], time.Hour, states[n/50%2])
		if err != nil {
			b.Fatal(err)
		}
		tags[n%50] = r.ETag
		n++
	}
}

// A publication that was stored before classes were is a session's.
func TestContract_RecordWithoutClass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := store.NewMemory()
		s := newStage(t, policy.Allow, st)
		s.publish("", 20*time.Hour, open("phone"))
		s.publishAs(presence.Manual, "", 20*time.Hour, doing("away"))
		s.watch(legOf(bob, alice), "d1", time.Hour)
		s.seen(mapping.Away)
		old := store.NewMemory()
		cut := 0
		err := st.Copy().Load(t.Context(), func(r store.Record) error {
			if r.Key[0] == 'p' {
				r.Value = r.Value[:len(r.Value)-1-9] // the class, and the time
				cut++
			}
			return old.Append([]store.Record{r}).Wait()
		})
		s.close()
		if err != nil || cut != 2 {
			t.Fatalf("%d records, %v", cut, err)
		}
		s = newStage(t, policy.Allow, old)
		defer s.close()
		s.seen(mapping.Away) // the person's activities, as before
		_, v := s.hub.Standing(legOf(bob, alice))
		if mapping.Standard.Effective(v.State, time.Now()).Manual || len(v.State.Services) != 1 {
			t.Errorf("shown %s", encode(v.State))
		}
	})
}
