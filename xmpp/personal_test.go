package xmpp

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/bridge/bridgetest"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/xmpp/payload"
)

// julietTells is an event message of juliet's to bob; what stands in <event/>.
func julietTells(what string) string {
	return "<message type='headline' from='juliet@im.example' to='bob@sip.example/porchlight'><event xmlns='" + payload.NSPubSubEvent + "'>" + what + "</event></message>"
}

// items is <items/> of the node mood with what stands in it.
func items(inner string) string {
	return "<items node='" + payload.NodeMood + "'>" + inner + "</items>"
}

func mooditem(id, mood string) string {
	return "<item id='" + id + "'><mood xmlns='" + payload.NodeMood + "'>" + mood + "</mood></item>"
}

// moodOf is the first mood that bob sees of juliet, "" for none; news tells
// whether anything came.
func (w *world) moodOf() (mood string, news bool) {
	w.t.Helper()
	it, ok := w.last(bob)
	if !ok || it.View == nil || it.View.State == nil {
		return "", ok
	}
	for _, p := range it.View.State.Persons {
		if p.Mood != nil && len(p.Mood.Values) > 0 {
			return p.Mood.Values[0].Name, true
		}
	}
	return "", true
}

func TestPEP_EventsOfAContact(t *testing.T) {
	happy := julietTells(items(mooditem("1", "<happy/>")))
	for _, c := range []struct {
		name, stanza string
		news         bool
		mood         string
	}{
		{"the same again", happy, false, ""},
		{"another", julietTells(items(mooditem("2", "<sad/>"))), true, "sad"},
		{"the last of several counts", julietTells(items(mooditem("2", "<sad/>") + mooditem("3", "<calm/>"))), true, "calm"},
		{"empty", julietTells(items(mooditem("2", ""))), true, ""},
		{"retracted", julietTells(items("<retract id='1'/>")), true, ""},
		{"an older one retracted", julietTells(items("<retract id='0'/>")), false, ""},
		{"purged", julietTells("<purge node='" + payload.NodeMood + "'/>"), true, ""},
		{"deleted", julietTells("<delete node='" + payload.NodeMood + "'/>"), true, ""},
		{"not understood", julietTells(items("<item id='2'><mood xmlns='other'><sad/></mood></item>")), false, ""},
		{"of an unknown node", julietTells("<items node='x'><item id='1'><x xmlns='x'/></item></items>"), false, ""},
		{"from a resource", strings.Replace(julietTells(items(mooditem("2", "<sad/>"))), "'juliet@im.example'", "'juliet@im.example/a'", 1), false, ""},
		{"bounced", strings.Replace(julietTells(items(mooditem("2", "<sad/>"))), "headline", "error", 1), false, ""},
		{"of somebody else", strings.Replace(julietTells(items(mooditem("2", "<sad/>"))), "juliet@", "romeo@", 1), false, ""},
		{"to somebody else", strings.Replace(julietTells(items(mooditem("2", "<sad/>"))), "bob@", "carol@", 1), false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			following(t, func(w *world) {
				w.send(happy)
				if m, _ := w.moodOf(); m != "happy" {
					t.Fatalf("mood %q", m)
				}
				w.send(c.stanza)
				if m, news := w.moodOf(); news != c.news || m != c.mood {
					t.Errorf("news %v, mood %q, want %v, %q", news, m, c.news, c.mood)
				}
			})
		})
	}
}

// XEP-0060 §7.1.2.1: a notification may come without the item.
func TestPEP_NotificationWithoutItem(t *testing.T) {
	following(t, func(w *world) {
		w.srv.Forget()
		w.send(julietTells(items("<item id='1'/>")))
		q := w.asked()
		if len(q) != 1 || q[0].From != "bob@sip.example/porchlight" || q[0].To != "juliet@im.example" || !q[0].Has("max_items='1'", payload.NodeMood) {
			t.Fatalf("asked %v", q)
		}
		w.answerIQ(q[0], "<pubsub xmlns='"+payload.NSPubSub+"'>"+items(mooditem("1", "<proud/>"))+"</pubsub>")
		if m, _ := w.moodOf(); m != "proud" {
			t.Errorf("mood %q", m)
		}
	})
}

// directed returns the presence that bob has shown juliet alone.
func directed(got []bridgetest.Stanza) (kinds []string) {
	for _, st := range got {
		if st.Name == "presence" && st.From == "bob@sip.example/"+watcherResource {
			kinds = append(kinds, st.Type)
		}
	}
	return kinds
}

func TestPEP_ShowsHimselfToAContactWhoDoesNotWatchHim(t *testing.T) {
	inWorld(t, func(w *world) {
		w.watch(bob, juliet, time.Hour)
		w.send(julietApproves, julietHere)
		got := w.srv.Stanzas()
		if k := directed(got); len(k) != 1 || k[0] != available {
			t.Fatalf("shown %q", k)
		}
		for _, st := range got {
			if len(directed([]bridgetest.Stanza{st})) > 0 && !st.Has("<priority>-1</priority>", userInfo.Ver()) {
				t.Errorf("%s", st.XML)
			}
		}
		w.srv.Kill() // and once more on the next stream
		w.wait()
		w.srv.Forget()
		time.Sleep(5 * time.Second)
		if k := directed(w.srv.Stanzas()); len(k) != 1 || k[0] != available {
			t.Errorf("after a reconnect: shown %q", k)
		}
		w.srv.Forget()
		w.watch(bob, juliet, 0)
		if k := directed(w.srv.Stanzas()); len(k) != 1 || k[0] != unavailable {
			t.Errorf("at the end: shown %q", k)
		}
	})
}

// Once she watches him, whether he is shown is his own matter: he is not shown
// to her alone any more, and her items are asked for; and the other way round.
func TestPEP_ContactBeginsAndEndsToWatch(t *testing.T) {
	following(t, func(w *world) {
		w.srv.Forget()
		w.send("<presence type='subscribe' from='juliet@im.example' to='bob@sip.example'/>")
		if k := directed(w.srv.Stanzas()); len(k) != 1 || k[0] != unavailable {
			t.Errorf("shown %q", k)
		}
		if q := w.asked(); len(q) != payload.NodeCount {
			t.Errorf("asked %v", q)
		}
		w.allow(juliet, bob)
		w.srv.Forget()
		w.send("<presence type='unsubscribe' from='juliet@im.example' to='bob@sip.example'/>")
		if k := directed(w.srv.Stanzas()); len(k) != 1 || k[0] != available {
			t.Errorf("shown %q", k)
		}
	})
}

// watchedOffline is a world in which bob and juliet see each other, and bob is
// offline.
func watchedOffline(t *testing.T, f func(w *world)) {
	inWorld(t, func(w *world) {
		w.send("<presence type='subscribe' from='juliet@im.example' to='bob@sip.example'/>")
		w.allow(juliet, bob)
		w.watch(bob, juliet, time.Hour)
		w.send(julietApproves, julietHere)
		f(w)
	})
}

// askedItems are the questions for items that were sent since the last Forget.
func (w *world) askedItems() []bridgetest.Stanza {
	return slices.DeleteFunc(w.asked(), func(st bridgetest.Stanza) bool { return !st.Has("max_items='1'") })
}

// The name of who is followed is on her card, which is asked for once.
func TestPEP_NameOfTheCard(t *testing.T) {
	following(t, func(w *world) {
		w.srv.Kill()
		w.wait()
		w.srv.Forget()
		time.Sleep(5 * time.Second)
		if q := w.asked(); len(q) != 0 {
			t.Errorf("asked %v after a reconnect", q)
		}
	})
	inWorld(t, func(w *world) {
		w.watch(bob, juliet, time.Hour)
		w.send(julietApproves, julietHere)
		q := w.asked()
		if len(q) != 1 || !q[0].Has("<vCard xmlns='vcard-temp'/>") {
			t.Fatalf("asked %v", q)
		}
		w.answerIQ(q[0], "<vCard xmlns='vcard-temp'><FN>Juliet Capulet</FN><NICKNAME>Jule</NICKNAME></vCard>")
		it, _ := w.last(bob)
		if got := it.View.State.Persons[0].Card.DisplayName; got != "Jule" {
			t.Errorf("name %q", got)
		}
	})
}

func TestPEP_OfflineAndWatchedHerItemsAreAskedFor(t *testing.T) {
	watchedOffline(t, func(w *world) {
		for _, st := range w.srv.Stanzas() {
			if st.Name == "presence" && st.Type == available {
				t.Errorf("bob is shown: %s", st.XML)
			}
		}
		q := w.askedItems()
		if len(q) != payload.NodeCount {
			t.Fatalf("asked %v", q)
		}
		w.answerIQ(q[0], "<pubsub xmlns='"+payload.NSPubSub+"'>"+items(mooditem("1", "<proud/>"))+"</pubsub>")
		if m, _ := w.moodOf(); m != "proud" {
			t.Errorf("mood %q", m)
		}
		w.srv.Forget()
		// What she says soon after is followed up, but not at once.
		w.send(strings.Replace(julietHere, "Here", "There", 1))
		if q := w.askedItems(); len(q) != 0 {
			t.Errorf("asked again at once: %v", q)
		}
		time.Sleep(keepAlive)
		q = w.askedItems()
		if len(q) != payload.NodeCount {
			t.Fatalf("asked %v", q)
		}
		w.send(fmt.Sprintf("<iq type='error' id='%s' from='%s' to='%s'><error type='cancel'><item-not-found xmlns='%s'/></error></iq>",
			q[0].ID, q[0].To, q[0].From, payload.NSStanzas))
		if m, news := w.moodOf(); m != "" || !news {
			t.Errorf("XEP-0060 §6.5.9.11: mood %q, %v", m, news)
		}
	})
}

func TestPEP_RefusedQuestionsChangeNothing(t *testing.T) {
	for _, why := range []string{"forbidden", "not-authorized", "service-unavailable", "remote-server-timeout"} {
		watchedOffline(t, func(w *world) {
			q := w.askedItems()
			w.answerIQ(q[0], "<pubsub xmlns='"+payload.NSPubSub+"'>"+items(mooditem("1", "<proud/>"))+"</pubsub>")
			w.moodOf()
			w.srv.Forget()
			time.Sleep(askAgain)
			w.send(strings.Replace(julietHere, "Here", "There", 1))
			q = w.askedItems()
			w.send(fmt.Sprintf("<iq type='error' id='%s' from='%s' to='%s'><error type='cancel'><%s xmlns='%s'/></error></iq>",
				q[0].ID, q[0].To, q[0].From, why, payload.NSStanzas))
			it, _ := w.last(bob)
			if it.View == nil || len(it.View.State.Persons) == 0 || it.View.State.Persons[0].Mood == nil {
				t.Errorf("%s: the mood is gone", why)
			}
		})
	}
}

// Unanswered questions are asked again, and never pile up.
func TestPEP_SilentServer(t *testing.T) {
	watchedOffline(t, func(w *world) {
		w.srv.Forget()
		time.Sleep(10 * time.Minute)
		c := w.port.byDomain["sip.example"]
		c.questions.mu.Lock()
		n := c.questions.n
		c.questions.mu.Unlock()
		if n > payload.NodeCount {
			t.Errorf("%d questions wait", n)
		}
		if q := w.askedItems(); len(q) < payload.NodeCount || len(q) > (maxTries+1)*payload.NodeCount {
			t.Errorf("asked %d more times in ten minutes", len(q))
		}
		w.srv.Forget()
		w.send(strings.Replace(julietHere, "Here", "There", 1)) // a reason
		if q := w.askedItems(); len(q) != payload.NodeCount {
			t.Errorf("asked %d times", len(q))
		}
	})
}

func TestStanza_IdleSince(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	stamp := now.Add(-time.Hour)
	for name, c := range map[string]struct {
		s    stanza
		want time.Time
	}{
		"XEP-0319":            {stanza{idle: stamp, lastActive: time.Minute, show: "away"}, stamp},
		"XEP-0256 §1.2":       {stanza{lastActive: time.Minute, show: "away"}, now.Add(-time.Minute)},
		"XEP-0256 with delay": {stanza{lastActive: time.Minute, show: "xa", stamp: stamp}, stamp.Add(-time.Minute)},
		"XEP-0256 §1.1":       {stanza{lastActive: time.Minute}, time.Time{}},
		"none":                {stanza{show: "away"}, time.Time{}},
	} {
		if got := c.s.idleSince(now); !got.Equal(c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	var p parser
	var s stanza
	err := p.parse([]byte("<presence from='a@b/c' to='d@e'><show>away</show><query xmlns='jabber:iq:last' seconds='600'/></presence>"), &s)
	if err != nil || s.lastActive != 10*time.Minute {
		t.Errorf("%v, %v", s.lastActive, err)
	}
}

// What a contact's events say goes to him who follows her, and nobody else.
func TestPEP_OnlyTheFollower(t *testing.T) {
	following(t, func(w *world) {
		w.send(julietTells(items(mooditem("1", "<happy/>"))))
		_, view := w.hub.Standing(bridge.Leg{Watcher: presence.Addr{Scheme: presence.SIP, User: "carol", Host: "sip.example"}, Presentity: juliet})
		if view != nil {
			t.Errorf("carol sees %+v", view.State)
		}
	})
}
