package event

import (
	"testing"
	"time"
)

// did is one line of a subscriber's script: when, what happens, and what has
// to follow.
type did struct {
	at    time.Duration
	do    func(s *Subscriber, now time.Time) Orders
	want  Orders
	phase Phase
}

func begin(s *Subscriber, now time.Time) Orders { return s.Start(now) }
func back(s *Subscriber, now time.Time) Orders  { return s.Again(now) }
func gone(s *Subscriber, now time.Time) Orders  { return s.Leave(now) }
func sent(s *Subscriber, now time.Time) Orders  { s.Sent(now); return 0 }

// clock demands that this is the time that Next has named.
func clock(s *Subscriber, now time.Time) Orders {
	if !s.Next().Equal(now) {
		panic("Next is " + s.Next().Sub(start).String() + ", not " + now.Sub(start).String())
	}
	return s.Due(now)
}

func reply(code int, expires, other time.Duration) func(*Subscriber, time.Time) Orders {
	return func(s *Subscriber, now time.Time) Orders {
		return s.Answered(Answer{Code: code, Expires: expires, MinExpires: other, RetryAfter: other}, now)
	}
}

func brief(least time.Duration) func(*Subscriber, time.Time) Orders {
	return func(s *Subscriber, now time.Time) Orders {
		return s.Answered(Answer{Code: 423, Expires: -1, MinExpires: least, RetryAfter: -1}, now)
	}
}

func tells(value string) func(*Subscriber, time.Time) Orders {
	return func(s *Subscriber, now time.Time) Orders {
		st, err := ParseStanding(value)
		if err != nil {
			panic(err)
		}
		return s.Notified(st, now)
	}
}

var ok200 = reply(200, 3600*second, -1)

// established is the way to an active subscription of one hour, at 0s.
var established = []did{
	{0, begin, Subscribe, NotifyWait},
	{0, sent, 0, NotifyWait},
	{0, ok200, 0, NotifyWait},
	{0, tells("active;expires=3600"), Store | TellActive, Active},
}

const minute, hour = time.Minute, time.Hour

var subscriberScripts = []struct {
	name   string
	after  []did
	script []did
	end    End
	over   bool
}{
	// The edges of the diagram of RFC 6665 §4.1.2.
	{"B4 notify_wait → active", nil, established, End{}, false},
	{"B3 notify_wait → pending → active", nil, []did{
		{0, begin, Subscribe, NotifyWait},
		{0, sent, 0, NotifyWait},
		{1 * second, reply(202, 3600*second, -1), 0, NotifyWait},
		{2 * second, tells("pending;expires=3599"), Store | TellPending, Pending},
		{9 * second, tells("pending;expires=3590"), Store, Pending},
		{90 * second, tells("active;expires=3500"), Store | TellActive, Active},
	}, End{}, false},
	{"SUB-43 NOTIFY before the 200", nil, []did{
		{0, begin, Subscribe, NotifyWait},
		{0, sent, 0, NotifyWait},
		{1 * second, tells("active;expires=600"), Store | TellActive, Active},
		{2 * second, ok200, Store, Active},
		// What the NOTIFY said counts.
		{531 * second, clock, Probe, Active},
		{541 * second, clock, Refresh, Active},
	}, End{}, false},
	{"notify_wait → terminated by NOTIFY", nil, []did{
		{0, begin, Subscribe, NotifyWait},
		{0, sent, 0, NotifyWait},
		{1 * second, tells("terminated;reason=rejected"), Forget | TellEnded, Terminated},
	}, End{"rejected", 0}, true},
	{"SUB-42 notify_wait → terminated by Timer N, and again", nil, []did{
		{0, begin, Subscribe, NotifyWait},
		{1 * second, sent, 0, NotifyWait},
		{2 * second, ok200, 0, NotifyWait},
		{33 * second, clock, Store, Terminated},
		{48 * second, clock, Subscribe, NotifyWait},
		{48 * second, sent, 0, NotifyWait},
		{80 * second, clock, Store, Terminated},
		{110 * second, clock, Subscribe, NotifyWait},
	}, End{}, false},
	{"SUB-42 no response at all", nil, []did{
		{0, begin, Subscribe, NotifyWait},
		{0, sent, 0, NotifyWait},
		{32 * second, reply(408, -1, -1), Store, Terminated},
		{47 * second, clock, Subscribe, NotifyWait},
	}, End{}, false},
	{"pending → terminated by NOTIFY", nil, []did{
		{0, begin, Subscribe, NotifyWait},
		{0, tells("pending;expires=60"), Store | TellPending, Pending},
		{9 * second, tells("terminated;reason=rejected"), Forget | TellEnded, Terminated},
	}, End{"rejected", 0}, true},
	{"active → pending, the rules have changed", established, []did{
		{9 * second, tells("pending;expires=3500"), Store | TellPending, Pending},
	}, End{}, false},
	{"active → terminated by 481 → at once anew", established, []did{
		{3230 * second, clock, Probe, Active},
		{3240 * second, clock, Refresh, Active},
		{3240 * second, sent, 0, Active},
		{3241 * second, reply(481, -1, -1), Store | Subscribe, NotifyWait},
		{3242 * second, tells("active;expires=3600"), Store, Active},
	}, End{}, false},
	{"active → terminated by Timer N of a refresh → anew", established, []did{
		{3230 * second, clock, Probe, Active},
		{3240 * second, clock, Refresh, Active},
		{3240 * second, sent, 0, Active},
		{3241 * second, ok200, Store, Active},
		{3272 * second, clock, Store, Terminated},
		{3287 * second, clock, Subscribe, NotifyWait},
	}, End{}, false},

	// Refreshes.
	{"B7 B9 B17 probe, refresh, and so on", established, []did{
		{3230 * second, clock, Probe, Active},
		{3240 * second, clock, Refresh, Active},
		{3240 * second, sent, 0, Active},
		{3240 * second, ok200, Store, Active},
		{3241 * second, tells("active;expires=3600"), Store, Active},
		{6471 * second, clock, Probe, Active},
	}, End{}, false},
	{"B9 a short life is refreshed in its first half", nil, []did{
		{0, begin, Subscribe, NotifyWait},
		{0, tells("active;expires=40"), Store | TellActive, Active},
		{0, ok200, Store, Active},
		{16 * second, clock, Probe, Active},
		{20 * second, clock, Refresh, Active},
	}, End{}, false},
	{"a life of nothing is not refreshed in a loop", nil, []did{
		{0, begin, Subscribe, NotifyWait},
		{0, tells("active;expires=0"), Store | TellActive, Active},
		{0, clock, Store | Subscribe, NotifyWait},
		{1 * second, tells("active;expires=0"), Store, Active},
		{1 * second, clock, Store, Terminated},
		{16 * second, clock, Subscribe, NotifyWait},
	}, End{}, false},
	{"B8 the watcher comes back", established, []did{
		{100 * second, back, Refresh, Active},
		{100 * second, sent, 0, Active},
		{101 * second, back, 0, Active},
		{102 * second, ok200, Store | Refresh, Active},
		{102 * second, sent, 0, Active},
		{103 * second, ok200, Store, Active},
	}, End{}, false},
	{"RFC 6665 §4.1.2.2: a 500 leaves the subscription, and is repeated", established, []did{
		{3230 * second, clock, Probe, Active},
		{3240 * second, clock, Refresh, Active},
		{3240 * second, sent, 0, Active},
		{3240 * second, reply(503, -1, 60*second), 0, Active},
		{3300 * second, clock, Refresh, Active},
		{3300 * second, sent, 0, Active},
		{3300 * second, reply(500, -1, -1), 0, Active},
		{3330 * second, clock, Refresh, Active},
		{3330 * second, sent, 0, Active},
		{3330 * second, reply(500, -1, 900*second), 0, Active},
		{3600 * second, clock, Store | Subscribe, NotifyWait},
	}, End{}, false},
	{"RFC 5839 §7.1: a 204 cancels Timer N", established, []did{
		{3230 * second, clock, Probe, Active},
		{3240 * second, clock, Refresh, Active},
		{3240 * second, sent, 0, Active},
		{3240 * second, reply(204, 3600*second, -1), Store, Active},
		{6470 * second, clock, Probe, Active},
	}, End{}, false},
	{"the answer to a refresh comes after the expiry", established, []did{
		{3580 * second, back, Refresh, Active},
		{3580 * second, sent, 0, Active},
		{3600 * second, clock, 0, Active},
		{3610 * second, reply(500, -1, -1), Store, Terminated},
		{3625 * second, clock, Subscribe, NotifyWait},
	}, End{}, false},

	// Responses.
	{"B12 423: ask for Min-Expires", nil, []did{
		{0, begin, Subscribe, NotifyWait},
		{0, brief(7200 * second), Subscribe, NotifyWait},
		{0, brief(7200 * second), Store, Terminated},
		{15 * second, clock, Subscribe, NotifyWait},
	}, End{}, false},
	{"B12 423 without sense", nil, []did{
		{0, begin, Subscribe, NotifyWait},
		{0, brief(-1), Store, Terminated},
	}, End{}, false},
	{"B12 503 with Retry-After", nil, []did{
		{0, begin, Subscribe, NotifyWait},
		{1 * second, reply(503, -1, 120*second), Store, Terminated},
		{90 * second, back, 0, Terminated},
		{121 * second, clock, Subscribe, NotifyWait},
	}, End{}, false},
	{"B8 a wait of our own is cut short", nil, []did{
		{0, begin, Subscribe, NotifyWait},
		{0, reply(500, -1, -1), Store, Terminated},
		{15 * second, clock, Subscribe, NotifyWait},
		{15 * second, reply(500, -1, -1), Store, Terminated},
		{20 * second, back, 0, Terminated},
		{35 * second, back, Subscribe, NotifyWait},
	}, End{}, false},
	{"B11 403", nil, []did{
		{0, begin, Subscribe, NotifyWait},
		{0, reply(403, -1, -1), Forget | TellEnded, Terminated},
	}, End{"rejected", 403}, true},
	{"B11 603 to a refresh", established, []did{
		{100 * second, back, Refresh, Active},
		{100 * second, reply(603, -1, -1), Forget | TellEnded, Terminated},
	}, End{"rejected", 603}, true},
	{"H4 404: nobody there", nil, []did{
		{0, begin, Subscribe, NotifyWait},
		{0, reply(404, -1, -1), Forget | TellEnded, Terminated},
	}, End{"noresource", 404}, true},
	{"B12 404 to one who was authorized: later", established, []did{
		{100 * second, back, Refresh, Active},
		{100 * second, reply(404, -1, -1), Store, Terminated},
		{115 * second, clock, Subscribe, NotifyWait},
	}, End{}, false},

	// Terminations.
	{"SUB-43 B10 deactivated: now, but not in a loop", established, []did{
		{5 * second, tells("terminated;reason=deactivated"), Store | Subscribe, NotifyWait},
		{6 * second, tells("terminated;reason=deactivated;retry-after=600"), Store, Terminated},
		{21 * second, clock, Subscribe, NotifyWait},
	}, End{}, false},
	{"SUB-43 B10 timeout: anew", established, []did{
		{5 * second, tells("terminated;reason=timeout"), Store | Subscribe, NotifyWait},
	}, End{}, false},
	{"SUB-43 B10 probation: after retry-after", established, []did{
		{0, tells("terminated;reason=probation;retry-after=100"), Store, Terminated},
		{100 * second, clock, Subscribe, NotifyWait},
	}, End{}, false},
	{"SUB-43 B10 giveup without retry-after", established, []did{
		{0, tells("terminated;reason=giveup"), Store, Terminated},
		{60 * second, clock, Subscribe, NotifyWait},
	}, End{}, false},
	{"SUB-43 B10 noresource: never", established, []did{
		{0, tells("terminated;reason=noresource;retry-after=1"), Forget | TellEnded, Terminated},
		{9 * hour, back, 0, Terminated},
	}, End{"noresource", 0}, true},
	{"SUB-43 B10 invariant: never", established, []did{
		{0, tells("terminated;reason=invariant;retry-after=31536000"), Forget | TellEnded, Terminated},
	}, End{"invariant", 0}, true},
	{"SUB-43 B10 an unknown reason with retry-after", established, []did{
		{0, tells("terminated;reason=odd;retry-after=50"), Store, Terminated},
		{50 * second, clock, Subscribe, NotifyWait},
	}, End{}, false},
	{"SUB-43 B10 no reason", established, []did{
		{0, tells("terminated"), Store | Subscribe, NotifyWait},
	}, End{}, false},
	{"lost for long: nothing is known", established, []did{
		{0, tells("terminated;reason=probation;retry-after=600"), Store, Terminated},
		{2 * minute, clock, TellLost, Terminated},
		{10 * minute, clock, Subscribe, NotifyWait},
		{10 * minute, tells("active;expires=3600"), Store, Active},
	}, End{}, false},

	// The end by the watcher.
	{"B13 B16 unsubscribe", established, []did{
		{9 * second, gone, Unsubscribe, Active},
		{9 * second, sent, 0, Active},
		{9 * second, reply(200, 0, -1), 0, Active},
		{10 * second, tells("active;expires=0"), Store, Active},
		{10 * second, tells("terminated;reason=timeout"), Forget, Terminated},
	}, End{}, true},
	{"B13 unsubscribe, the last NOTIFY does not come", established, []did{
		{9 * second, gone, Unsubscribe, Active},
		{9 * second, sent, 0, Active},
		{9 * second, reply(200, 0, -1), 0, Active},
		{41 * second, clock, Forget, Terminated},
	}, End{}, true},
	{"B13 unsubscribe, refused", established, []did{
		{9 * second, gone, Unsubscribe, Active},
		{9 * second, reply(481, -1, -1), Forget, Active},
	}, End{}, true},
	{"B13 unsubscribe while a refresh is under way", established, []did{
		{9 * second, back, Refresh, Active},
		{9 * second, sent, 0, Active},
		{9 * second, gone, 0, Active},
		{10 * second, ok200, Unsubscribe, Active},
		{10 * second, sent, 0, Active},
		{10 * second, reply(200, 0, -1), 0, Active},
		{10 * second, tells("terminated"), Forget, Terminated},
	}, End{}, true},
	{"B13 unsubscribe without a dialog", nil, []did{
		{0, begin, Subscribe, NotifyWait},
		{0, sent, 0, NotifyWait},
		{1 * second, gone, Forget, NotifyWait},
		{1 * second, tells("active"), 0, NotifyWait},
		{2 * second, ok200, 0, NotifyWait},
	}, End{}, true},
	{"B17 gone after the probe: no refresh", established, []did{
		{3230 * second, clock, Probe, Active},
		{3234 * second, gone, Unsubscribe, Active},
	}, End{}, false},
}

func TestSubscriber(t *testing.T) {
	for _, c := range subscriberScripts {
		t.Run(c.name, func(t *testing.T) {
			s := NewSubscriber(hour, 0)
			for i, in := range append(append([]did(nil), c.after...), c.script...) {
				got := in.do(s, start.Add(in.at))
				if got != in.want || s.Phase() != in.phase {
					t.Fatalf("line %d, %v: orders %b, phase %d, want %b, %d", i, in.at, got, s.Phase(), in.want, in.phase)
				}
			}
			if s.Over() != c.over || s.End() != c.end {
				t.Errorf("over %v, %+v", s.Over(), s.End())
			}
			if c.over && !s.Next().IsZero() {
				t.Error("a timer runs after the end")
			}
		})
	}
}
