package event

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestFetch(t *testing.T) {
	for _, c := range []struct {
		name   string
		script []did
	}{
		{"F1 one NOTIFY", []did{
			{0, begin, Subscribe, NotifyWait},
			{0, sent, 0, NotifyWait},
			{0, reply(200, 0, -1), 0, NotifyWait},
			{1 * second, tells("terminated;reason=timeout"), Forget, Terminated},
		}},
		{"F1 NOTIFY before the 200", []did{
			{0, begin, Subscribe, NotifyWait},
			{0, sent, 0, NotifyWait},
			{1 * second, tells("terminated;reason=timeout"), Forget, Terminated},
			{1 * second, reply(200, 0, -1), 0, Terminated},
		}},
		{"F1 a notifier that goes on", []did{
			{0, begin, Subscribe, NotifyWait},
			{1 * second, tells("active;expires=3600"), Forget, NotifyWait},
		}},
		{"F1 refused", []did{
			{0, begin, Subscribe, NotifyWait},
			{1 * second, reply(403, -1, -1), Forget, Terminated},
		}},
		{"F1 brief", []did{
			{0, begin, Subscribe, NotifyWait},
			{1 * second, brief(60 * second), Forget, Terminated},
		}},
		{"F1 nothing comes", []did{
			{0, begin, Subscribe, NotifyWait},
			{0, sent, 0, NotifyWait},
			{32 * second, clock, Forget, Terminated},
		}},
		{"F1 the watcher is gone", []did{
			{0, begin, Subscribe, NotifyWait},
			{0, sent, 0, NotifyWait},
			{1 * second, gone, Forget, NotifyWait},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := NewSubscriber(0, 0)
			if s.Asks() != 0 {
				t.Error("asks for a subscription")
			}
			for i, in := range c.script {
				got := in.do(s, start.Add(in.at))
				if got != in.want || s.Phase() != in.phase {
					t.Fatalf("line %d: orders %b, phase %d, want %b, %d", i, got, s.Phase(), in.want, in.phase)
				}
			}
			if !s.Over() || !s.Next().IsZero() {
				t.Error("it goes on")
			}
		})
	}
}

// TestSUB_43_ResumedDialog: the refresh of a dialog that the process before
// has made.
func TestSUB_43_ResumedDialog(t *testing.T) {
	s := ResumeSubscriber(time.Hour, 0, true, start.Add(10*time.Minute), start)
	if !s.Next().Equal(start.Add(530 * second)) {
		t.Errorf("next %v", s.Next().Sub(start))
	}
	if o := s.Due(start.Add(530 * second)); o != Probe {
		t.Errorf("orders %b", o)
	}
	if o := s.Due(start.Add(540 * second)); o != Refresh {
		t.Errorf("orders %b", o)
	}
	s.Sent(start.Add(540 * second))
	// The notifier has not survived: a new dialog, and the watcher is told
	// nothing.
	if o := s.Answered(Answer{Code: 481}, start.Add(541*second)); o != Store|Subscribe {
		t.Errorf("orders %b", o)
	}
	late := ResumeSubscriber(time.Hour, 0, true, start.Add(-time.Minute), start)
	if o := late.Due(start); o != Store|Subscribe {
		t.Errorf("expired meanwhile: orders %b", o)
	}
}

func TestMeaningOf(t *testing.T) {
	want := map[int]Meaning{
		200: Granted, 202: Granted, 204: Granted, 302: Missing, 400: Passing, 401: Passing, 403: Refused,
		404: Missing, 405: Missing, 407: Passing, 408: Passing, 410: Missing, 416: Missing, 423: Brief,
		480: Gone, 481: Gone, 482: Gone, 483: Gone, 484: Missing, 485: Missing, 489: Refused,
		500: Passing, 501: Missing, 503: Passing, 504: Passing, 600: Passing, 603: Refused, 604: Missing,
	}
	for code, m := range want {
		if got := MeaningOf(code); got != m {
			t.Errorf("%d: %d, want %d", code, got, m)
		}
	}
	// RFC 6665 §4.1.2.2: with these the subscription MUST be considered
	// terminated.
	for _, code := range []int{404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604} {
		if m := MeaningOf(code); m != Gone && m != Missing && m != Refused {
			t.Errorf("%d: %d", code, m)
		}
	}
}

func TestParseStanding(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Standing
		ok   bool
	}{
		{"active;expires=600", Standing{"active", 600 * second, "", -1}, true},
		{" Active ; EXPIRES = 600 ", Standing{"active", 600 * second, "", -1}, true},
		{"pending", Standing{"pending", -1, "", -1}, true},
		{"terminated;reason=Probation;retry-after=30;x=y;z", Standing{"terminated", -1, "probation", 30 * second}, true},
		{"active;expires=99999999999999999999", Standing{"active", (1<<32 - 1) * second, "", -1}, true},
		{"active;expires=", Standing{}, false},
		{"active;expires=-1", Standing{}, false},
		{"terminated;reason=a b", Standing{}, false},
		{"", Standing{}, false},
		{";expires=1", Standing{}, false},
		{"a,b", Standing{}, false},
	} {
		got, err := ParseStanding(c.in)
		if got != c.want || (err == nil) != c.ok {
			t.Errorf("%q: %+v, %v", c.in, got, err)
		}
	}
}

// TestSUB_43_NeverStuck: whatever a notifier does, the subscription is over
// or something happens next; and what is sent stays bounded.
func TestSUB_43_NeverStuck(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := NewSubscriber(time.Hour, rapid.Float64Range(0, 1).Draw(t, "jitter"))
		now := start
		dialogs, out := 0, false // out: a SUBSCRIBE is not answered
		take := func(o Orders) {
			if o&(Subscribe|Refresh|Unsubscribe) != 0 {
				out = true
				s.Sent(now)
			}
			if o&Subscribe != 0 {
				dialogs++
			}
			if n := o & (Subscribe | Refresh | Unsubscribe); n&(n-1) != 0 {
				t.Fatalf("two requests at once: %b", o)
			}
			if o&TellEnded != 0 && s.End().Reason == "" {
				t.Fatal("an end without a reason")
			}
			if (o&Forget != 0) != s.Over() && !(s.Over() && o == 0) {
				t.Fatalf("orders %b, over %v", o, s.Over())
			}
		}
		take(s.Start(now))
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "input") {
			case 0, 1:
				if !s.Over() && !s.Next().IsZero() {
					if s.Next().After(now) {
						now = s.Next()
					}
					take(s.Due(now))
				}
			case 2:
				if out {
					out = false
					take(s.Answered(Answer{
						Code:       rapid.SampledFrom([]int{200, 200, 202, 204, 403, 404, 408, 423, 481, 500, 503}).Draw(t, "code"),
						Expires:    time.Duration(rapid.IntRange(-1, 4000).Draw(t, "expires")) * second,
						MinExpires: time.Duration(rapid.IntRange(-1, 9000).Draw(t, "min")) * second,
						RetryAfter: time.Duration(rapid.IntRange(-1, 900).Draw(t, "retry")) * second,
					}, now))
				}
			case 3, 4:
				take(s.Notified(Standing{
					State:      rapid.SampledFrom([]string{"active", "pending", "terminated", "odd"}).Draw(t, "state"),
					Reason:     rapid.SampledFrom([]string{"", "timeout", "deactivated", "probation", "giveup", "rejected"}).Draw(t, "reason"),
					Expires:    time.Duration(rapid.IntRange(-1, 4000).Draw(t, "expires")) * second,
					RetryAfter: -second,
				}, now))
			case 5:
				if rapid.IntRange(0, 9).Draw(t, "leave") == 0 {
					take(s.Leave(now))
				}
				now = now.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "s")) * second)
			}
			if !s.Over() && s.Next().IsZero() {
				t.Fatalf("stuck in phase %d", s.Phase())
			}
		}
		// New dialogs come with a back-off between them, except one a minute,
		// and two more when a lifetime was too brief.
		if most := 6 + 3*int(now.Sub(start)/backoffFirst); dialogs > most {
			t.Fatalf("%d dialogs in %v", dialogs, now.Sub(start))
		}
	})
}
