package event

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

const second = time.Second

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// input is one line of a script: what happens, when, and what has to be done.
type input struct {
	at   time.Duration
	do   func(n *Notifier, now time.Time) Step
	want Action
	wait time.Duration // of a Wait, since start
}

func offer(o Notice) func(*Notifier, time.Time) Step {
	return func(n *Notifier, now time.Time) Step { return n.Offer(o, now, 5*second) }
}

func answer(code int, retry time.Duration) func(*Notifier, time.Time) Step {
	return func(n *Notifier, now time.Time) Step { return n.Answered(OutcomeOf(code), retry, now, 5*second) }
}

func delay(d time.Duration) func(*Notifier, time.Time) Step {
	return func(n *Notifier, now time.Time) Step { n.Delay(now.Add(d)); return Step{} }
}

func hold(n *Notifier, _ time.Time) Step      { n.Hold(); return Step{} }
func release(n *Notifier, now time.Time) Step { return n.Release(now, 5*second) }
func due(n *Notifier, now time.Time) Step     { return n.Due(now, 5*second) }

var (
	change    = offer(Notice{})
	mandatory = offer(Notice{Mandatory: true})
	final     = offer(Notice{Mandatory: true, Final: true})
	ok        = answer(200, 0)
)

// scripts are what TestNotifier plays.
var scripts = []struct {
	name   string
	script []input
	gone   bool
}{
	{"SUB-08 the NOTIFY goes out after the response to SUBSCRIBE", []input{
		{0, hold, None, 0},
		{0, mandatory, None, 0},
		{second, release, Send, 0},
		{second, ok, None, 0},
	}, false},
	{"SUB-30 changes are spaced, the newest is told", []input{
		{0, mandatory, Send, 0},
		{0, ok, None, 0},
		{1 * second, change, Wait, 5 * second},
		{2 * second, change, Wait, 5 * second},
		{5 * second, due, Send, 0},
		{5 * second, ok, None, 0},
		{6 * second, change, Wait, 10 * second},
	}, false},
	{"SUB-30 a lone change after a quiet time goes at once", []input{
		{0, mandatory, Send, 0},
		{0, ok, None, 0},
		{9 * second, change, Send, 0},
	}, false},
	{"SUB-31 what answers a SUBSCRIBE is not delayed", []input{
		{0, mandatory, Send, 0},
		{0, ok, None, 0},
		{1 * second, change, Wait, 5 * second},
		{2 * second, mandatory, Send, 0},
		{2 * second, ok, None, 0},
		{5 * second, due, None, 0},
	}, false},
	{"SUB-32 one outstanding NOTIFY", []input{
		{0, mandatory, Send, 0},
		{1 * second, mandatory, None, 0},
		{2 * second, mandatory, None, 0},
		{3 * second, ok, Send, 0},
		{4 * second, ok, None, 0},
	}, false},
	{"SUB-14 the last NOTIFY ends it", []input{
		{0, mandatory, Send, 0},
		{0, ok, None, 0},
		{1 * second, final, SendLast, 0},
		{2 * second, change, None, 0},
		{3 * second, mandatory, None, 0},
	}, true},
	{"SUB-32 the last NOTIFY waits for the one before", []input{
		{0, mandatory, Send, 0},
		{1 * second, final, None, 0},
		{1 * second, change, None, 0},
		{2 * second, ok, SendLast, 0},
	}, true},
	{"SUB-15 a 481 ends it, and what waited is not sent", []input{
		{0, mandatory, Send, 0},
		{1 * second, change, None, 0},
		{2 * second, answer(481, 0), Remove, 0},
		{3 * second, mandatory, None, 0},
	}, true},
	{"SUB-17 a 503 delays the next change", []input{
		{0, mandatory, Send, 0},
		{0, answer(503, 60*second), None, 0},
		{9 * second, change, Wait, 60 * second},
		{60 * second, due, Send, 0},
	}, false},
	{"SUB-17 a 500 is not repeated by itself", []input{
		{0, mandatory, Send, 0},
		{1 * second, answer(500, 0), None, 0},
		{90 * second, due, None, 0},
	}, false},
	{"SUB-45 after a restart changes and ends are spread", []input{
		{0, delay(20 * second), None, 0},
		{1 * second, change, Wait, 20 * second},
		{2 * second, final, Wait, 20 * second},
		{20 * second, due, SendLast, 0},
	}, true},
	{"SUB-45 after a restart a SUBSCRIBE is answered at once", []input{
		{0, delay(20 * second), None, 0},
		{1 * second, hold, None, 0},
		{1 * second, final, None, 0},
		{1 * second, release, SendLast, 0},
	}, true},
	{"SUB-45 after a restart new rules count at once", []input{
		{0, delay(20 * second), None, 0},
		{1 * second, mandatory, Send, 0},
	}, false},
	{"a refresh that meets the expiry starts anew", []input{
		{0, mandatory, Send, 0},
		{0, ok, None, 0},
		{1 * second, hold, None, 0},
		{1 * second, final, None, 0},
		{1 * second, mandatory, None, 0},
		{1 * second, release, Send, 0},
		{1 * second, ok, None, 0},
	}, false},
}

func TestNotifier(t *testing.T) {
	for _, c := range scripts {
		t.Run(c.name, func(t *testing.T) {
			var n Notifier
			for i, in := range c.script {
				got := in.do(&n, start.Add(in.at))
				if got.Action != in.want {
					t.Fatalf("input %d: action %d, want %d", i, got.Action, in.want)
				}
				if got.Action == Wait && !got.At.Equal(start.Add(in.wait)) {
					t.Fatalf("input %d: waits until %v, want %v", i, got.At.Sub(start), in.wait)
				}
			}
			if n.Gone() != c.gone || n.Removed() != c.gone {
				t.Errorf("gone %v, removed %v, want %v", n.Gone(), n.Removed(), c.gone)
			}
		})
	}
}

// TestSUB_32_OneOutstanding: whatever happens, at most one NOTIFY is
// outstanding, none follows the last, and the newest notice is told in the
// end.
func TestSUB_32_OneOutstanding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var n Notifier
		now, interval := start, 5*second
		outstanding, ended, untold := false, false, false
		take := func(s Step) {
			switch s.Action {
			case Send, SendLast:
				if outstanding || ended {
					t.Fatalf("a NOTIFY while one is outstanding, or after the last")
				}
				untold = false
				outstanding = s.Action == Send
				ended = s.Action == SendLast
			case Remove:
				ended, untold = true, false
			case Wait:
				if !s.At.After(now) {
					t.Fatal("waits for the past")
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"change": func(t *rapid.T) {
				o := Notice{Mandatory: rapid.Bool().Draw(t, "mandatory"), Final: rapid.IntRange(0, 9).Draw(t, "final") == 0}
				untold = untold || n.Takes()
				take(n.Offer(o, now, interval))
			},
			"answer": func(t *rapid.T) {
				if !outstanding {
					t.Skip("nothing to answer")
				}
				outstanding = false
				take(n.Answered(OutcomeOf(rapid.SampledFrom([]int{200, 503, 481}).Draw(t, "code")), 0, now, interval))
			},
			"hold":    func(*rapid.T) { n.Hold() },
			"release": func(*rapid.T) { take(n.Release(now, interval)) },
			"time": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(1, 7).Draw(t, "s")) * second)
				take(n.Due(now, interval))
			},
		})
		take(n.Release(now, interval))
		if outstanding {
			outstanding = false
			take(n.Answered(Delivered, 0, now, interval))
		}
		now = now.Add(time.Hour)
		take(n.Due(now, interval))
		if untold {
			t.Fatal("the newest notice was never told")
		}
	})
}

func TestSUB_15_Outcomes(t *testing.T) {
	dead := map[int]bool{404: true, 405: true, 408: true, 410: true, 416: true, 480: true, 481: true, 482: true,
		483: true, 484: true, 485: true, 489: true, 501: true, 604: true}
	for code := 200; code < 700; code++ {
		want := Failed
		switch {
		case code < 300:
			want = Delivered
		case dead[code]:
			want = Dead
		}
		if got := OutcomeOf(code); got != want {
			t.Errorf("%d: %d, want %d", code, got, want)
		}
	}
}
