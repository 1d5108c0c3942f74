//go:build integration

package realpeers

import (
	"strings"
	"testing"
	"time"
)

// timed are the cases of group 3 in which RFC 6665 has the subscriber wait:
// what the Jabber user is told, and how his second SUBSCRIBE comes.
var timed = []struct {
	user     string
	told     string        // kinds of stanza, and the notes of those without
	inDialog bool          // the second SUBSCRIBE is in the dialog of the first
	after    time.Duration // and does not come before
}{
	// B7, B9: refreshed in the dialog, in good time.
	{"short", "subscribed before,hello short", true, 0},
	// B10, B12: a dialog that is gone is replaced; the authorization stays.
	{"gone", "subscribed before,hello gone", true, 0},
	{"c481", "subscribed hello c481", false, 10 * time.Second},
	// RFC 6665 §4.1.2.2: the subscription lives on, until it expires.
	{"busy", "subscribed before,hello busy", true, 0},
	// SUB-42: Timer F, then a back-off.
	{"silent", "subscribed hello silent", false, 32 * time.Second},
	// SUB-42: Timer N, then a back-off.
	{"mute", "subscribed hello mute", false, 32 * time.Second},
	// SUB-43: not before retry-after.
	{"probation", "subscribed before,hello probation", false, 62 * time.Second},
	{"giveup", "subscribed before,hello giveup", false, 63 * time.Second},
}

// Group 3 with the timers of RFC 6665 as they are: a notifier that does not
// answer, one that answers and never notifies, one that has lost the dialog,
// one that asks for patience. The Jabber user sees no break. All cases, on
// both servers, wait at the same time. This file comes first, so that they do
// beside all other tests.
func TestForeignSIPDomain_InTime(t *testing.T) {
	t.Parallel()
	type side struct {
		name string
		n    *notifier
		j    *jabber
	}
	var sides []side
	for _, start := range []func(*testing.T) xmppServer{startProsody, startEjabberd} {
		s, n := start(t), startNotifier(t)
		sides = append(sides, side{s.Name(), n, startForeign(t, s, n)})
	}
	for _, s := range sides {
		for _, c := range timed {
			s.j.send("<presence type='subscribe' to='%s@far.example'/>", c.user)
		}
	}
	for _, c := range timed {
		for _, s := range sides {
			within(t, 3*time.Minute, c.user+" says hello by "+s.name, func() bool {
				return strings.HasSuffix(s.j.told(c.user+"@far.example"), "hello "+c.user)
			})
		}
	}
	for _, c := range timed {
		for _, s := range sides {
			t.Run(c.user+" "+s.name, func(t *testing.T) {
				if told := s.j.told(c.user + "@far.example"); told != c.told {
					t.Errorf("told %q, want %q", told, c.told)
				}
				s.n.checkSecond(t, c.user, c.inDialog, c.after)
			})
		}
	}
}

// checkSecond compares the second SUBSCRIBE for user with the first.
func (n *notifier) checkSecond(t *testing.T, user string, inDialog bool, after time.Duration) {
	t.Helper()
	asked := n.subscribes(user)
	if len(asked) < 2 {
		t.Fatalf("%d SUBSCRIBEs", len(asked))
	}
	one, two := asked[0], asked[1]
	if waited := two.at.Sub(one.at); waited < after {
		t.Errorf("the second SUBSCRIBE came after %v, not %v", waited, after)
	}
	same := one.get("Call-ID") == two.get("Call-ID") && one.get("From") == two.get("From") &&
		strings.HasSuffix(two.get("To"), ";tag=far") && two.get("CSeq") == "2 SUBSCRIBE"
	fresh := one.get("Call-ID") != two.get("Call-ID") && one.get("From") != two.get("From") &&
		!strings.Contains(two.get("To"), "tag=") && two.get("CSeq") == "1 SUBSCRIBE"
	if inDialog && !same || !inDialog && !fresh {
		t.Errorf("in the dialog of the first: want %v\n%v\n%v", inDialog, one, two)
	}
	if two.get("Expires") != hour {
		t.Errorf("Expires: %s", two.get("Expires"))
	}
}

// told says in short what has come from the bare address, in order: the types
// of the stanzas, and the notes of those that have none.
func (j *jabber) told(from string) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out strings.Builder
	for _, s := range j.seen {
		bare, _, _ := strings.Cut(s.From, "/")
		switch {
		case s.Ev != "presence" || bare != from:
		case s.Type != "":
			out.WriteString(s.Type + " ")
		default:
			out.WriteString(s.Status["en"] + ",")
		}
	}
	return strings.TrimRight(out.String(), ", ")
}
