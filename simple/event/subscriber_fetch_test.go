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

// chaos is a subscription whose notifier does anything.
type chaos struct {
	*Subscriber
	now     time.Time
	dialogs int
	out     bool // a SUBSCRIBE is not answered
}

func (c *chaos) take(t *rapid.T, o Orders) {
	if o&(Subscribe|Refresh|Unsubscribe) != 0 {
		c.out = true
		c.Sent(c.now)
	}
	if o&Subscribe != 0 {
		c.dialogs++
	}
	if n := o & (Subscribe | Refresh | Unsubscribe); n&(n-1) != 0 {
		t.Fatalf("two requests at once: %b", o)
	}
	if o&TellEnded != 0 && c.End().Reason == "" {
		t.Fatal("an end without a reason")
	}
	if (o&Forget != 0) != c.Over() && !(c.Over() && o == 0) {
		t.Fatalf("orders %b, over %v", o, c.Over())
	}
	if !c.Over() && c.Next().IsZero() {
		t.Fatalf("stuck in phase %d", c.Phase())
	}
}

// step makes one thing happen.
func (c *chaos) step(t *rapid.T) {
	secs := func(name string, most int) time.Duration {
		return time.Duration(rapid.IntRange(-1, most).Draw(t, name)) * second
	}
	switch rapid.IntRange(0, 5).Draw(t, "input") {
	case 0, 1:
		if next := c.Next(); !next.IsZero() {
			if next.After(c.now) {
				c.now = next
			}
			c.take(t, c.Due(c.now))
		}
	case 2:
		if c.out {
			c.out = false
			code := rapid.SampledFrom([]int{200, 200, 202, 204, 403, 404, 408, 423, 481, 500, 503}).Draw(t, "code")
			c.take(t, c.Answered(Answer{code, secs("expires", 4000), secs("min", 9000), secs("retry", 900)}, c.now))
		}
	case 3, 4:
		c.take(t, c.Notified(Standing{
			State:   rapid.SampledFrom([]string{"active", "pending", "terminated", "odd"}).Draw(t, "state"),
			Reason:  rapid.SampledFrom([]string{"", "timeout", "deactivated", "probation", "giveup", "rejected"}).Draw(t, "reason"),
			Expires: secs("expires", 4000), RetryAfter: -second,
		}, c.now))
	case 5:
		if rapid.IntRange(0, 9).Draw(t, "leave") == 0 {
			c.take(t, c.Leave(c.now))
		}
		c.now = c.now.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "s")) * second)
	}
}

// TestSUB_43_NeverStuck: whatever a notifier does, the subscription is over
// or something happens next, and new dialogs stay rare.
func TestSUB_43_NeverStuck(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &chaos{Subscriber: NewSubscriber(time.Hour, rapid.Float64Range(0, 1).Draw(t, "jitter")), now: start}
		c.take(t, c.Start(c.now))
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			c.step(t)
		}
		// They come with a back-off between them, except one a minute, and
		// two more when a lifetime was too brief.
		if most := 6 + 3*int(c.now.Sub(start)/backoffFirst); c.dialogs > most {
			t.Fatalf("%d dialogs in %v", c.dialogs, c.now.Sub(start))
		}
	})
}
