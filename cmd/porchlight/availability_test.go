package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/mapping/tables"
)

// everyAvailability calls f with each word, with each of the flags and each of
// the activities; known tells whether XMPP has the activity.
func everyAvailability(t *testing.T, f func(doc string, s *presence.State, known bool)) {
	rows := tables.Must("activities").Rows
	for _, word := range []mapping.Word{mapping.Available, mapping.Chat, mapping.Away, mapping.ExtendedAway, mapping.Busy,
		mapping.DND, mapping.Offline, mapping.Unknown} {
		for _, flags := range []string{"", `,"idle":true`, `,"oof":true`, `,"idle":true,"oof":true`} {
			for i := range len(rows) + 1 {
				person, known := "", true
				if i < len(rows) {
					name, ours := strings.CutPrefix(rows[i].Get("rpid"), "ext:")
					space := map[bool]string{true: mapping.Ext}[ours]
					person = fmt.Sprintf(`,"person":{"activities":{"values":[{"name":%q,"namespace":%q}]}}`, name, space)
					known = rows[i].Get("xmpp") != "-"
				}
				doc := fmt.Sprintf(`{"availability":%q%s%s}`, word, flags, person)
				s, err := mapping.FromJSON([]byte(doc))
				if err != nil {
					t.Fatalf("%v in %s", err, doc)
				}
				f(doc, s, known)
			}
		}
	}
}

// D.4 test 1: what a watcher sees of someone's availability is the same on the
// other side of XMPP, but for what XMPP has no word for.
func TestAvailabilityComesBack(t *testing.T) {
	n := 0
	everyAvailability(t, func(doc string, s *presence.State, known bool) {
		n++
		before := mapping.Standard.Effective(s, reportTime)
		exact, err := pass(bothRules[0], "xmpp", s, reportTime)
		if err != nil {
			t.Fatal(err)
		}
		if got := mapping.Standard.Effective(exact, reportTime); got != before {
			t.Errorf("with the side channel %s is %+v, want %+v", doc, got, before)
		}
		words, err := pass(bothRules[1], "xmpp", s, reportTime)
		if err != nil {
			t.Fatal(err)
		}
		got := mapping.Standard.Effective(words, reportTime)
		want := before
		want.Manual = false // XMPP does not tell who chose
		want.Idle = false   // of whom it is not known since when (XEP-0319 §2)
		switch {
		case want.Word == mapping.Offline:
			want.OOF = got.OOF // the hub shows nothing of who is offline by his own word
		case want.Word == mapping.Unknown:
			want.Word = mapping.Offline // nobody is shown as there who may not be
		case want.Word == mapping.DND && got.Word == mapping.Busy:
			want.Word = mapping.Busy // RFC 8048 §6.2 note 7: XMPP's dnd is no more than busy
		case want.Word == mapping.ExtendedAway && want.Reason == "":
			want.Reason = got.Reason // a journey that was hidden behind it
		}
		if got != want && known {
			t.Errorf("%s is %+v, want %+v", doc, got, want)
		}
	})
	if n < 8*4*40 {
		t.Errorf("only %d states", n)
	}
}

// D.4 test 2: it goes out the same when it has come in.
func TestAvailabilityStays(t *testing.T) {
	everyAvailability(t, func(_ string, s *presence.State, _ bool) {
		for _, r := range bothRules {
			idempotent(t, r, s)
		}
	})
}
