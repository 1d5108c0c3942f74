package xmpp

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/porchlight-im/porchlight/bridge/bridgetest"
	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

func TestX2S_E_WhatTheWatcherSees(t *testing.T) {
	note := func(lang, text string) []presence.Note { return []presence.Note{{Lang: lang, Text: text}} }
	for _, c := range []struct {
		name  string
		state presence.State
		want  []string // short forms after the first state, then texts of the first stanza
		texts []string
	}{
		{"E1 open", presence.State{Services: []presence.Service{{ID: "phone", Basic: presence.Open, Notes: note("", "x")}}},
			[]string{"presence alice@sip.example/phone>romeo@im.example"}, nil},
		{"E2 closed", presence.State{Services: []presence.Service{{ID: "phone", Basic: presence.Closed}}},
			[]string{"unavailable alice@sip.example/phone>romeo@im.example"}, nil},
		{"E3 language, E6 note", presence.State{Services: []presence.Service{{ID: "phone", Basic: presence.Open, Notes: note("de", "Grüße & <Küsse>")}}},
			[]string{"presence alice@sip.example/phone>romeo@im.example"}, []string{"<status xml:lang='de'>Grüße &amp; &lt;Küsse&gt;</status>"}},
		{"E4 tuple is resource", presence.State{Services: []presence.Service{{ID: "ID-tablet", Basic: presence.Open, Contact: at("tablet")}}},
			[]string{"presence alice@sip.example/tablet>romeo@im.example", "unavailable alice@sip.example/phone>romeo@im.example"}, nil},
		{"E5 priority", presence.State{Services: []presence.Service{{ID: "phone", Basic: presence.Open, Contact: &presence.Contact{Priority: "1"}}}},
			[]string{"presence alice@sip.example/phone>romeo@im.example"}, []string{"<priority>127</priority>"}},
		{"E7 show", presence.State{Services: []presence.Service{{ID: "phone", Basic: presence.Open, Show: "xa"}}},
			[]string{"presence alice@sip.example/phone>romeo@im.example"}, []string{"<show>xa</show>"}},
		{"E8 tuple gone", presence.State{Services: []presence.Service{{ID: "laptop", Basic: presence.Open, Contact: at("laptop")}}},
			[]string{"presence alice@sip.example/laptop>romeo@im.example", "unavailable alice@sip.example/phone>romeo@im.example"}, nil},
		{"E9 person without tuples", presence.State{Persons: []presence.Person{{ID: "p", Activities: &presence.Activities{Values: []presence.Value{{Name: "meeting"}}}}}},
			[]string{"presence alice@sip.example/", "unavailable alice@sip.example/phone>romeo@im.example"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			befriended(t, func(w *world, tag string) {
				w.publish(alice, tag, &c.state)
				w.wait()
				got := slices.DeleteFunc(w.srv.Stanzas(), personalOnly)
				if len(got) != len(c.want) {
					t.Fatalf("stanzas %v", got)
				}
				for i, want := range c.want {
					if !strings.HasPrefix(short(got[i]), want) {
						t.Errorf("stanza %d is %s, want %s", i, short(got[i]), want)
					}
				}
				if !got[0].Has(c.texts...) {
					t.Errorf("stanza %s", got[0].XML)
				}
			})
		})
	}
}

func TestX2S_Extras(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	p := mapping.Presence{Stamp: now.Add(-time.Hour), Idle: now.Add(-2 * time.Hour), Show: "away", Priority: -5, HasPriority: true}
	want := "<show>away</show><priority>-5</priority><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='" + capsNode + "' ver='" + userInfo.Ver() + "'/>" +
		"<delay xmlns='urn:xmpp:delay' stamp='2026-11-24T11:00:00Z'/><idle xmlns='urn:xmpp:idle:1' since='2026-11-24T10:00:00Z'/>"
	if got := string(appendContent(nil, &p, "sip:a@sip.example", now)); got != want {
		t.Errorf("XEP-0115, XEP-0203, XEP-0319:\n got %s\nwant %s", got, want)
	}
	p.Unavailable, p.Status = true, []presence.Note{{Lang: "de", Text: "Weg"}}
	if got := string(appendContent(nil, &p, "sip:a@sip.example", now)); got != "<status xml:lang='de'>Weg</status><delay xmlns='urn:xmpp:delay' stamp='2026-11-24T11:00:00Z'/>" {
		t.Errorf("unavailable says %s", got)
	}
}

// A text beyond the server's limit must not end the stream (Prosody closes it
// above 512 KiB).
func TestX2S_StanzaTooLarge(t *testing.T) {
	befriended(t, func(w *world, tag string) {
		w.publish(alice, tag, open("phone", strings.Repeat("<", 300_000)))
		got := w.expect("presence alice@sip.example/phone>romeo@im.example")
		if len(got[0].XML) > maxOut || !strings.Contains(got[0].XML, "&lt;…</status>") {
			t.Errorf("%d bytes", len(got[0].XML))
		}
		if n := testutil.ToFloat64(w.port.metrics.unsaid.WithLabelValues("side channel")); n != 1 {
			t.Errorf("%v states without their side channel were counted", n)
		}
	})
}

// iqCase is an iq of romeo's and the answer that it gets.
type iqCase struct{ name, iq, kind, has string }

func iq(kind, to, query string) string {
	return fmt.Sprintf("<iq type='%s' id='q1' from='romeo@im.example/orchard' to='%s'>%s</iq>", kind, to, query)
}

func (c *iqCase) check(t *testing.T) {
	inWorld(t, func(w *world) {
		w.send(c.iq)
		var got []bridgetest.Stanza
		for _, st := range w.srv.Stanzas() {
			if st.ID == "q1" {
				got = append(got, st)
			}
		}
		if c.kind == "" {
			if len(got) > 0 {
				t.Errorf("answered %v", got)
			}
			return
		}
		if len(got) != 1 || got[0].Type != c.kind || !got[0].Has(c.has) || got[0].To != "romeo@im.example/orchard" {
			t.Errorf("answer %+v", got)
		}
	})
}

func TestIQ_PersonalEventingOfAStranger(t *testing.T) {
	pubsub := func(verb string) string {
		return "<pubsub xmlns='http://jabber.org/protocol/pubsub'><" + verb + " node='http://jabber.org/protocol/mood'/></pubsub>"
	}
	for _, c := range []iqCase{
		{"XEP-0060 §6.5.9.6", iq("get", "alice@sip.example", pubsub("items")), "error", "presence-subscription-required"},
		{"XEP-0060 §7.1.3.1", iq("set", "alice@sip.example", pubsub("publish")), "error", "<forbidden"},
		{"XEP-0060 §7.2.3.1", iq("set", "alice@sip.example", pubsub("retract")), "error", "<forbidden"},
		{"XEP-0060 §6.1.3.10", iq("set", "alice@sip.example", pubsub("subscribe")), "error", "feature='subscribe'"},
		{"XEP-0060 §8.1.1", iq("set", "alice@sip.example", pubsub("create")), "error", "feature='create-nodes'"},
		{"XEP-0060 odd", iq("set", "alice@sip.example", pubsub("odd")), "error", "feature-not-implemented"},
		{"XEP-0060 nothing", iq("get", "alice@sip.example", "<pubsub xmlns='http://jabber.org/protocol/pubsub'/>"), "error", "feature-not-implemented"},
		{"XEP-0060 of nobody", iq("get", "nobody@sip.example", pubsub("items")), "error", "service-unavailable"},
		{"XEP-0060 of the gateway", iq("get", "sip.example", pubsub("items")), "error", "feature-not-implemented"},
		{"XEP-0054 §3.3 to a stranger", iq("get", "alice@sip.example", "<vCard xmlns='vcard-temp'/>"), "error", "service-unavailable"},
		{"XEP-0054 §3.2 by another", iq("set", "alice@sip.example", "<vCard xmlns='vcard-temp'/>"), "error", "feature-not-implemented"},
		{"XEP-0163 §6.2 to a stranger", iq("get", "alice@sip.example", "<query xmlns='http://jabber.org/protocol/disco#items'/>"), "result", "disco#items'></query>"},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(t) })
	}
}

func TestIQ(t *testing.T) {
	for _, c := range []iqCase{
		{"XEP-0030 §3.1 domain", iq("get", "sip.example", "<query xmlns='http://jabber.org/protocol/disco#info'/>"), "result", `<identity category='gateway'`},
		{"XEP-0030 §3.1 bare JID", iq("get", "alice@sip.example", "<query xmlns='http://jabber.org/protocol/disco#info'/>"), "result", `<identity category='account'`},
		{"XEP-0030 §3.1 full JID", iq("get", "alice@sip.example/phone", "<query xmlns='http://jabber.org/protocol/disco#info'/>"), "result", `<identity category='client'`},
		{"XEP-0115 §6.2 node", iq("get", "alice@sip.example/phone", "<query xmlns='http://jabber.org/protocol/disco#info' node='"+capsNode+"#"+userInfo.Ver()+"'/>"), "result", "node='" + capsNode + "#" + userInfo.Ver() + "'"},
		{"XEP-0030 §7 other node", iq("get", "sip.example", "<query xmlns='http://jabber.org/protocol/disco#info' node='x'/>"), "error", "item-not-found"},
		{"XEP-0030 §4.1 items", iq("get", "sip.example", "<query xmlns='http://jabber.org/protocol/disco#items'/>"), "result", "disco#items"},
		{"XEP-0199 domain", iq("get", "sip.example", "<ping xmlns='urn:xmpp:ping'/>"), "result", ""},
		{"XEP-0199 user", iq("get", "alice@sip.example", "<ping xmlns='urn:xmpp:ping'/>"), "result", ""},
		{"XEP-0092", iq("get", "sip.example", "<query xmlns='jabber:iq:version'/>"), "result", "<name>Porchlight</name>"},
		{"XEP-0202 domain", iq("get", "sip.example", "<time xmlns='urn:xmpp:time'/>"), "result", "<utc>"},
		{"XEP-0202 user, to a stranger", iq("get", "alice@sip.example/phone", "<time xmlns='urn:xmpp:time'/>"), "error", "service-unavailable"},
		{"XEP-0012 §5", iq("get", "sip.example", "<query xmlns='jabber:iq:last'/>"), "result", "seconds='"},
		{"RFC 6120 §8.4 unknown", iq("get", "sip.example", "<query xmlns='urn:example:unknown'/>"), "error", "service-unavailable"},
		{"RFC 6120 §8.4 unknown set", iq("set", "alice@sip.example", "<query xmlns='urn:example:unknown'/>"), "error", "service-unavailable"},
		{"set of a known", iq("set", "sip.example", "<query xmlns='http://jabber.org/protocol/disco#info'/>"), "error", "feature-not-implemented"},
		{"unknown user", iq("get", "nobody@sip.example", "<ping xmlns='urn:xmpp:ping'/>"), "error", "service-unavailable"},
		{"RFC 6120 §8.2.3 no payload", iq("get", "sip.example", ""), "error", "bad-request"},
		{"RFC 6120 §8.2.3 odd type", iq("ask", "sip.example", "<ping xmlns='urn:xmpp:ping'/>"), "error", "bad-request"},
		{"result", iq("result", "sip.example", ""), "", ""},
		{"error", iq("error", "sip.example", ""), "", ""},
		{"message", "<message id='q1' from='romeo@im.example/orchard' to='alice@sip.example'><body>x</body></message>", "error", "service-unavailable"},
		{"message of type error", "<message id='q1' type='error' from='romeo@im.example' to='alice@sip.example'/>", "", ""},
		{"presence of an odd type", "<presence id='q1' type='odd' from='romeo@im.example/orchard' to='alice@sip.example'/>", "error", "bad-request"},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(t) })
	}
}

func TestIQ_TimeOfOneWhoMayBeSeen(t *testing.T) {
	befriended(t, func(w *world, tag string) {
		s := open("phone", "")
		s.Persons = []presence.Person{{ID: "p", TimeOffset: &presence.TimeOffset{Minutes: -210}}}
		w.publish(alice, tag, s)
		w.wait()
		w.srv.Forget()
		w.send("<iq type='get' id='t' from='romeo@im.example/orchard' to='alice@sip.example/phone'><time xmlns='urn:xmpp:time'/></iq>")
		if got := w.expect("iq result alice@sip.example/phone>romeo@im.example/orchard"); !got[0].Has("<tzo>-03:30</tzo>") {
			t.Errorf("time %s", got[0].XML)
		}
	})
}
