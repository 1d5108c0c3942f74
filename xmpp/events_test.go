package xmpp

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/bridge/bridgetest"
	"github.com/porchlight-im/porchlight/bridge/policy"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/xmpp/payload"
)

// moody is a state with an open tuple and moods, of which XMPP gets the first.
func moody(moods ...string) *presence.State {
	s := open("phone", "")
	for _, m := range moods {
		if len(s.Persons) == 0 {
			s.Persons = []presence.Person{{ID: "p", Mood: &presence.Mood{}}}
		}
		s.Persons[0].Mood.Values = append(s.Persons[0].Mood.Values, presence.Value{Name: m})
	}
	return s
}

var itemOf = regexp.MustCompile(`<items node='[^']*[/:]([a-z]+)'><item id='[^']*'>(.*)</item>`)

// events compares the events that came since the last time, each as "to node:
// payload" without namespaces.
func (w *world) events(want ...string) {
	w.t.Helper()
	w.wait()
	var got []string
	for _, st := range w.srv.Stanzas() {
		m := itemOf.FindStringSubmatch(st.XML)
		if st.Name == "message" && m != nil {
			if st.Type != "headline" || st.From != "alice@sip.example" {
				w.t.Errorf("XEP-0163 §4.3.1: %s", st.XML)
			}
			body := regexp.MustCompile(` xmlns=("[^"]*"|'[^']*')`).ReplaceAllString(m[2], "")
			got = append(got, fmt.Sprintf("%s %s: %s", st.To, m[1], body))
		}
	}
	w.srv.Forget()
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("events (-want +got):\n%s", diff)
	}
}

// asked returns the iqs that were sent since the last Forget.
func (w *world) asked() (out []bridgetest.Stanza) {
	w.wait()
	for _, st := range w.srv.Stanzas() {
		if strings.HasPrefix(st.ID, questionIDs) {
			out = append(out, st)
		}
	}
	return out
}

// answer answers st, which came from a virtual user, with body.
func (w *world) answerIQ(st bridgetest.Stanza, body string) {
	w.t.Helper()
	w.send(fmt.Sprintf("<iq type='result' id='%s' from='%s' to='%s'>%s</iq>", st.ID, st.To, st.From, body))
}

// described is what a client says that asks for the events of nodes.
func described(nodes ...string) string {
	b := "<query xmlns='" + payload.NSInfo + "'><identity category='client' type='pc'/>"
	for _, n := range nodes {
		b += "<feature var='" + n + "+notify'/>"
	}
	return b + "</query>"
}

// verOf is the verification string of what described says.
func verOf(nodes ...string) string {
	d := payload.Described{Identities: []payload.Identity{{Category: "client", Type: "pc"}}}
	for _, n := range nodes {
		d.Features = append(d.Features, n+payload.Notify)
	}
	return d.Ver()
}

// here is presence of one of romeo's resources to alice, with capabilities.
func here(resource, ver string) string {
	return fmt.Sprintf("<presence from='romeo@im.example/%s' to='alice@sip.example'><c xmlns='%s' hash='sha-1' node='x' ver='%s'/></presence>",
		resource, payload.NSCaps, ver)
}

const (
	romeoProbes = "<presence type='probe' from='romeo@im.example/orchard' to='alice@sip.example'/>"
	orchard     = "romeo@im.example/orchard"
)

func TestPEP_UnknownClientsAreReachedAtTheBareJID(t *testing.T) {
	befriended(t, func(w *world, tag string) {
		tag = w.publish(alice, tag, moody("happy"))
		w.events("romeo@im.example mood: <mood><happy/></mood>")
		tag = w.publish(alice, tag, moody("happy", "sad")) // XMPP has one mood
		w.events()
		w.publish(alice, tag, moody())
		w.events("romeo@im.example mood: <mood/>")
	})
}

func TestPEP_LoginIsAskedWhatItWants(t *testing.T) {
	befriended(t, func(w *world, tag string) {
		tag = w.publish(alice, tag, moody("happy"))
		w.events("romeo@im.example mood: <mood><happy/></mood>")
		w.send(romeoProbes)
		q := w.asked()
		if len(q) != 1 || q[0].From != "alice@sip.example" || q[0].To != orchard || !q[0].Has(payload.NSInfo) {
			t.Fatalf("asked %v", q)
		}
		w.events() // not before the answer
		w.answerIQ(q[0], described(payload.NodeMood))
		w.events(orchard + " mood: <mood><happy/></mood>")
		tag = w.publish(alice, tag, moody("sad"))
		w.events(orchard + " mood: <mood><sad/></mood>")
		// XEP-0163 §4.3.3 rule 2: a new login gets the last item again.
		w.send(romeoProbes)
		w.answerIQ(w.asked()[0], described(payload.NodeMood))
		w.events(orchard + " mood: <mood><sad/></mood>")
		// Gone without a word: its server says so.
		w.send("<message type='error' from='" + orchard + "' to='alice@sip.example'><error type='cancel'><service-unavailable xmlns='" + payload.NSStanzas + "'/></error></message>")
		w.publish(alice, tag, moody("calm"))
		w.events("romeo@im.example mood: <mood><calm/></mood>")
	})
}

// One login is one question, however many virtual users are on the roster.
func TestPEP_LoginIsAskedOnceForAll(t *testing.T) {
	befriended(t, func(w *world, tag string) {
		w.send(strings.Replace(subscribeAlice, "alice@", "bob@", 1))
		w.allow(romeo, bob)
		w.publish(alice, tag, moody("happy"))
		w.publish(bob, "", moody("sad"))
		w.wait()
		w.srv.Forget()
		w.send(romeoProbes, strings.Replace(romeoProbes, "alice@", "bob@", 1))
		q := w.asked()
		if len(q) != 1 {
			t.Fatalf("asked %v", q)
		}
		w.srv.Forget()
		w.answerIQ(q[0], described(payload.NodeMood))
		got := w.srv.Stanzas()
		if len(got) != 2 || got[0].From == got[1].From || got[0].To != orchard || got[1].To != orchard {
			t.Errorf("got %v", got)
		}
	})
}

// romeoFollowed is befriended, and alice follows romeo too, so that presence
// with capabilities comes.
func romeoFollowed(t *testing.T, f func(w *world, tag string)) {
	befriended(t, func(w *world, tag string) {
		w.watch(alice, romeo, time.Hour)
		w.send("<presence type='subscribed' from='romeo@im.example' to='alice@sip.example'/>")
		w.wait()
		w.srv.Forget()
		f(w, tag)
	})
}

func TestPEP_CapsAreAskedOnceAndVerified(t *testing.T) {
	romeoFollowed(t, func(w *world, tag string) {
		tag = w.publish(alice, tag, moody("happy"))
		w.events() // XEP-0163 §4.3.2: none of his resources is there
		ver := verOf(payload.NodeMood)
		w.send(here("a", ver), here("b", ver))
		q := w.asked()
		if len(q) != 1 || !q[0].Has("node='x#"+ver+"'") {
			t.Fatalf("one question for both: %v", q)
		}
		w.srv.Forget()
		w.answerIQ(q[0], described(payload.NodeMood))
		w.events("romeo@im.example/a mood: <mood><happy/></mood>", "romeo@im.example/b mood: <mood><happy/></mood>")
		w.send(here("c", ver)) // known to everyone now
		if q := w.asked(); len(q) != 0 {
			t.Errorf("asked %v", q)
		}
		w.events("romeo@im.example/c mood: <mood><happy/></mood>")
		w.send("<presence type='unavailable' from='romeo@im.example/b' to='alice@sip.example'/>")
		tag = w.publish(alice, tag, moody("sad"))
		w.events("romeo@im.example/a mood: <mood><sad/></mood>", "romeo@im.example/c mood: <mood><sad/></mood>")
		w.send("<presence type='unavailable' from='romeo@im.example' to='alice@sip.example'/>")
		w.publish(alice, tag, moody("calm"))
		w.events()
	})
}

// XEP-0115 §5.4 step 3.9, §9.3: who lies speaks for himself alone.
func TestPEP_PoisonedCapsCountForTheLiarAlone(t *testing.T) {
	romeoFollowed(t, func(w *world, tag string) {
		w.publish(alice, tag, moody("happy"))
		ver := verOf(payload.NodeMood)
		w.send(here("liar", ver), here("honest", ver))
		liar := w.asked()[0]
		w.srv.Forget()
		w.answerIQ(liar, described(payload.NodeTune)) // not what ver says
		q := w.asked()
		if len(q) != 1 || q[0].To != "romeo@im.example/honest" {
			t.Fatalf("the next is asked: %v", q)
		}
		w.events()
		w.answerIQ(q[0], described(payload.NodeMood))
		w.events("romeo@im.example/honest mood: <mood><happy/></mood>")
		w.send(here("third", ver))
		w.events("romeo@im.example/third mood: <mood><happy/></mood>")
	})
}

func TestPEP_WhatNobodyAskedForIsNotSent(t *testing.T) {
	romeoFollowed(t, func(w *world, tag string) {
		w.send(here("a", verOf(payload.NodeTune)))
		if q := w.asked(); len(q) != 0 {
			t.Errorf("asked %v when there is nothing to tell", q)
		}
		w.publish(alice, tag, moody("happy"))
		w.answerIQ(w.asked()[0], described(payload.NodeTune))
		w.events()
		w.send("<presence from='romeo@im.example/b' to='alice@sip.example'/>") // no capabilities
		w.events()
		if q := w.asked(); len(q) != 0 {
			t.Errorf("asked %v", q)
		}
	})
}

// Who may not see alice gets nothing: pending, refused, politely blocked, gone.
func TestPEP_OnlyWhoMaySee(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer policy.SubHandling
		want   []string
	}{
		{"blocked", policy.Block, nil},
		{"pending", policy.Confirm, []string{"romeo@im.example mood: <mood/>"}},
		{"politely blocked", policy.PoliteBlock, []string{"romeo@im.example mood: <mood/>"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			befriended(t, func(w *world, tag string) {
				tag = w.publish(alice, tag, moody("happy"))
				w.events("romeo@im.example mood: <mood><happy/></mood>")
				w.answer(romeo, alice, c.answer)
				w.events(c.want...)
				w.publish(alice, tag, moody("sad"))
				w.events()
			})
		})
	}
	inWorld(t, func(w *world) {
		w.publish(alice, "", moody("happy"))
		w.send(subscribeAlice)
		w.events() // pending
		w.send(here("a", verOf(payload.NodeMood)), romeoProbes)
		w.events()
		if q := w.asked(); len(q) != 0 {
			t.Errorf("a stranger is asked %v", q)
		}
	})
	befriended(t, func(w *world, tag string) {
		w.send("<presence type='unsubscribe' from='romeo@im.example' to='alice@sip.example'/>")
		w.srv.Forget()
		w.publish(alice, tag, moody("sad"))
		w.events()
	})
}

// What was taken back while the stream or the gateway was down is taken back
// afterwards.
func TestPEP_TakenBackWhileDown(t *testing.T) {
	befriended(t, func(w *world, tag string) {
		tag = w.publish(alice, tag, moody("happy"))
		w.events("romeo@im.example mood: <mood><happy/></mood>")
		w.srv.Down(errors.New("maintenance"))
		w.wait()
		tag = w.publish(alice, tag, moody())
		w.srv.Down(nil)
		time.Sleep(5 * time.Second)
		w.events("romeo@im.example mood: <mood/>")
		tag = w.publish(alice, tag, moody("sad"))
		w.events("romeo@im.example mood: <mood><sad/></mood>")
		w.stop()
		w.start()
		w.wait()
		w.srv.Forget()
		w.publish(alice, tag, moody())
		w.events("romeo@im.example mood: <mood/>")
	})
}

// The clients that only their login is known of are asked again after a break.
func TestPEP_ClientsAfterAReconnect(t *testing.T) {
	befriended(t, func(w *world, tag string) {
		w.publish(alice, tag, moody("happy"))
		w.send(romeoProbes)
		w.answerIQ(w.asked()[0], described(payload.NodeMood))
		w.srv.Kill()
		w.wait()
		w.srv.Forget()
		time.Sleep(5 * time.Second)
		q := w.asked()
		if len(q) != 1 || q[0].To != orchard {
			t.Fatalf("asked %v", q)
		}
		w.srv.Forget()
		w.answerIQ(q[0], described(payload.NodeMood))
		w.events(orchard + " mood: <mood><happy/></mood>")
	})
}

// Capabilities of any size are not kept.
func TestPEP_HugeCapsAreNone(t *testing.T) {
	romeoFollowed(t, func(w *world, tag string) {
		w.send(here("a", strings.Repeat("v", maxCaps)))
		w.publish(alice, tag, moody("happy"))
		w.events()
		if q := w.asked(); len(q) != 0 {
			t.Errorf("asked %.100v", q)
		}
	})
}

func TestClients_AreBounded(t *testing.T) {
	cs := newClients()
	leg := bridge.Leg{Watcher: romeo, Presentity: alice}
	for i := range 3 * maxClientsOfLeg {
		cs.show(leg, fmt.Sprint("romeo@im.example/", i), caps{"sha-1", "x", "y"})
	}
	a := cs.all[leg]
	if len(a.clients) != maxClientsOfLeg || cs.n != maxClientsOfLeg || a.clients[0].jid != fmt.Sprint("romeo@im.example/", 2*maxClientsOfLeg) {
		t.Errorf("%d of %d, the first is %s", len(a.clients), cs.n, a.clients[0].jid)
	}
	old := maxClients
	maxClients = cs.n
	defer func() { maxClients = old }()
	other := bridge.Leg{Watcher: juliet, Presentity: alice}
	_, ok := cs.show(other, "juliet@im.example/a", caps{"sha-1", "x", "y"})
	if ok || cs.all[other] != nil || cs.login(other, "juliet@im.example/b") {
		t.Error("more than maxClients")
	}
	cs.leave(leg, "")
	if cs.n != 0 || len(cs.all) != 0 {
		t.Errorf("%d left", cs.n)
	}
}

func TestQuestions_AreBoundedAndExpire(t *testing.T) {
	qs := newQuestions()
	now := time.Now()
	q := question{why: askItems, from: "a@sip.example/porchlight", to: "b@im.example"}
	for range maxQuestions {
		if _, ok := qs.add(q, now); !ok {
			t.Fatal("refused too early")
		}
	}
	if _, ok := qs.add(q, now); ok {
		t.Error("more than maxQuestions")
	}
	late, _ := qs.expire(now.Add(questionPatience))
	if len(late) != maxQuestions || qs.n != 0 || len(qs.all) != 0 {
		t.Errorf("%d expired, %d left", len(late), qs.n)
	}
	// Those who wait for the same answer are no question of their own.
	q = question{why: askCaps, from: "a@sip.example", to: "b@im.example/x", caps: caps{"sha-1", "n", "v"}}
	first, _ := qs.add(q, now)
	q.to = "c@im.example/y"
	second, ok := qs.add(q, now)
	if first == "" || second != "" || !ok {
		t.Errorf("ids %q, %q, %v", first, second, ok)
	}
	for _, wrong := range []stanza{
		{id: "q-guessed", from: "b@im.example/x", to: "a@sip.example"},
		{id: first, from: "evil@im.example/x", to: "a@sip.example"},
		{id: first, from: "b@im.example/x", to: "other@sip.example"},
	} {
		if _, _, ok := qs.take(&wrong); ok {
			t.Errorf("taken: %+v", wrong)
		}
	}
	_, others, ok := qs.take(&stanza{id: first, from: "b@im.example/x", to: "a@sip.example"})
	if !ok || len(others) != 1 || others[0].to != "c@im.example/y" || qs.n != 0 {
		t.Errorf("%v %v, %d left", ok, others, qs.n)
	}
}

func TestLegQueue_HoldsEachOnce(t *testing.T) {
	q := newLegQueue()
	a, b := bridge.Leg{Watcher: romeo}, bridge.Leg{Watcher: juliet}
	for _, l := range []bridge.Leg{a, b, a, a} {
		q.put(l)
	}
	var got []bridge.Leg
	for l, ok := q.take(); ok; l, ok = q.take() {
		got = append(got, l)
	}
	if !slices.Equal(got, []bridge.Leg{a, b}) {
		t.Errorf("%v", got)
	}
}
