//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A NOTIFY is counted once, whatever order its copies come in.
func TestNotifyOrder(t *testing.T) {
	e := &engine{cfg: &config{engines: 1, run: "r", outOfOrder: 500}, st: &stats{}, isDirty: map[*link]bool{}, remotes: map[string]*remote{}}
	e.wats = []watcher{{dialog: 1, state: active}}
	e.pubs = []publisher{{}}
	l := &link{e: e, tcp: true}
	send := func(cseq string) string {
		l.wbuf = nil
		text := "NOTIFY sip:w0@x SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z\r\nFrom: <sip:p>;tag=t\r\nTo: <sip:w>;tag=w0000000000000001\r\nCall-ID: w0000000000000001-r@lg\r\nCSeq: " + cseq + " NOTIFY\r\nSubscription-State: active\r\nContent-Length: 0\r\n\r\n"
		if e.m.parse([]byte(text), false) < 0 {
			t.Fatal("the test's NOTIFY does not parse")
		}
		e.handle(l, nil)
		return string(l.wbuf[8:11])
	}
	for i, c := range []struct{ cseq, want string }{{"1", "200"}, {"1", "200"}, {"3", "200"}, {"2", "500"}, {"3", "200"}, {"1", "200"}, {"4", "200"}, {"2", "500"}, {"3", "200"}} {
		if g := send(c.cseq); g != c.want {
			t.Errorf("message %d, CSeq %s: %s, want %s", i, c.cseq, g, c.want)
		}
	}
	if n := e.st.n; n[notifies] != 3 || n[notifyOutOfOrder] != 2 || n[notifyRetransmits] != 4 {
		t.Errorf("%d new, %d out of order, %d again", n[notifies], n[notifyOutOfOrder], n[notifyRetransmits])
	}
}

// Requests in a dialog go through the Record-Route set, reversed.
func TestRouteSet(t *testing.T) {
	e := &engine{cfg: &config{}, remotes: map[string]*remote{}}
	e.m = message{nroute: 2}
	e.m.route[0] = []byte("<sip:10.0.0.1:1;lr>, <sip:10.0.0.2:2;lr>")
	e.m.route[1] = []byte("<sip:10.0.0.3:3;lr>")
	r := e.remoteOf([]byte("<sip:s@10.0.0.9:9>"), true)
	want := "Route: <sip:10.0.0.3:3;lr>\r\nRoute: <sip:10.0.0.2:2;lr>\r\nRoute: <sip:10.0.0.1:1;lr>\r\n"
	if r.uri != "sip:s@10.0.0.9:9" || r.route != want || r.addr != newSockaddr([4]byte{10, 0, 0, 3}, 3) {
		t.Errorf("%+v", r)
	}
}

// withFloor runs a scenario against a floor in this process and returns its
// report.
func withFloor(t *testing.T, transport string, set func(f *floor), s scenario) map[string]any {
	t.Helper()
	var stop atomic.Bool
	f, err := newFloor(netip.MustParseAddrPort("127.0.0.1:0"), transport == "tcp", &stop)
	if err != nil {
		t.Fatal(err)
	}
	if set != nil {
		set(f)
	}
	var served sync.WaitGroup
	served.Go(f.run)
	defer func() { stop.Store(true); served.Wait() }()

	o := s.flags()
	*o = options{Target: f.self, Transport: transport, Identity: true, Body: "small", Domain: "example.org", User: "p", Expires: 60,
		Event: "presence", Accept: "application/pidf+xml", Bind: "127.0.0.1", Links: 2, Engines: 1, Sockbuf: 1 << 20, Datagram: 16384,
		T1: 5 * time.Millisecond, Timeout: 5 * time.Second, WaitMax: 5 * time.Second, OutOfOrder: 500, SetupConc: 4, Cleanup: true}
	var out bytes.Buffer
	err = play(context.Background(), "test", s, "", &out)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]any{}
	err = json.Unmarshal(out.Bytes(), &got)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// hitchless names the counts that must not be there.
var hitchless = []string{"timeouts", "publish_err", "subscribe_err", "notify_regress", "bad_tag", "bad_branch", "parse_errors",
	"no_notify", "notify_stray", "terminated_unasked", "phase_timeouts", "wait_all_timeouts", "link_down"}

func TestScenarios(t *testing.T) {
	brief := loop{Conc: 2, Dur: 20 * time.Millisecond}
	for name, s := range map[string]struct {
		load  scenario
		count string
	}{
		"publish": {&publishLoad{loop: brief, Pubs: 3, Mode: "modify"}, "publish_ok"},
		"refresh": {&publishLoad{loop: brief, Pubs: 3, Mode: "refresh"}, "publish_ok"},
		"rate":    {&publishLoad{loop: loop{Rate: 500, Dur: 20 * time.Millisecond}, Pubs: 30, Mode: "modify"}, "publish_ok"},
		"churn":   {&subscribeLoad{loop: brief, Pubs: 3, Watchers: 2, Mode: "churn"}, "unsubscribe_ok"},
		"renew":   {&subscribeLoad{loop: brief, Pubs: 3, Watchers: 2, Mode: "refresh"}, "subscribe_ok"},
		"fetch":   {&subscribeLoad{loop: brief, Pubs: 3, Watchers: 2, Mode: "fetch"}, "unsubscribe_ok"},
		"all":     {&fanoutLoad{loop: brief, Pubs: 3, Watchers: 4, Wait: "all", Settle: time.Second}, "notify_fresh"},
		"ok":      {&fanoutLoad{loop: brief, Pubs: 3, Watchers: 4, Wait: "ok", Settle: time.Second}, "notify_fresh"},
		"burst":   {&fanoutLoad{loop: brief, Pubs: 3, Watchers: 4, Wait: "all", Burst: 3, Settle: time.Second}, "notify_fresh"},
	} {
		for _, transport := range []string{"udp", "tcp"} {
			t.Run(name+"/"+transport, func(t *testing.T) {
				got := withFloor(t, transport, nil, s.load)
				if n, _ := got[s.count].(float64); n < 1 {
					t.Errorf("%s is %v: nothing was done", s.count, got[s.count])
				}
				for _, k := range hitchless {
					if got[k] != nil {
						t.Errorf("%s is %v", k, got[k])
					}
				}
				if v := got["stale"]; v != nil && v != 0.0 {
					t.Errorf("%v watchers are stale", v)
				}
			})
		}
	}
}

func TestCapacity(t *testing.T) {
	got := withFloor(t, "udp", nil, &capacityLoad{Pubs: 3, Subs: 10, Conc: 2, Settle: time.Second})
	change := got["change_all"].(map[string]any)
	if got["subscriptions"] != 12.0 || change["notify_fresh"] != 12.0 || change["stale"] != 0.0 {
		t.Errorf("%v subscriptions, change: %v", got["subscriptions"], change)
	}
}

// Requests that are lost are sent again, and all work is done all the same.
func TestLostRequests(t *testing.T) {
	got := withFloor(t, "udp", func(f *floor) { f.drop = 0.3 },
		&publishLoad{loop: loop{Conc: 4, Dur: 50 * time.Millisecond}, Pubs: 20, Mode: "modify"})
	first := got["initial"].(map[string]any)
	n, _ := first["retransmits"].(float64)
	if first["publish_ok"] != 20.0 || n < 1 || got["timeouts"] != nil {
		t.Errorf("%v of 20 published with %v retransmissions, timeouts: %v", first["publish_ok"], n, got["timeouts"])
	}
}

// A server that loses NOTIFYs is found out: its watchers are stale.
func TestLostNotifies(t *testing.T) {
	var established atomic.Bool
	s := &fanoutLoad{loop: loop{Conc: 1, Dur: 20 * time.Millisecond}, Pubs: 2, Watchers: 4, Wait: "ok", Settle: 50 * time.Millisecond}
	got := withFloor(t, "udp", func(f *floor) {
		f.e.serve = func(l *link, from *sockaddr) {
			f.request(l, from)
			if !established.Load() && len(f.subs) == 8 {
				established.Store(true)
				for _, st := range f.states {
					st.subs = nil // from now on nobody is told
				}
			}
		}
	}, s)
	if got["stale"] != 8.0 {
		t.Errorf("%v stale watchers, want 8", got["stale"])
	}
}

// Every request says who asks, unless that is turned off.
func TestIdentity(t *testing.T) {
	for _, on := range []bool{true, false} {
		t.Run(fmt.Sprint(on), func(t *testing.T) {
			e := &engine{cfg: &config{identity: on, engines: 1, run: "r", domain: "d", user: "p", event: "presence"}, st: &stats{}, isDirty: map[*link]bool{}}
			e.pubs, e.wats = make([]publisher, 1), make([]watcher, 1)
			l := &link{e: e, tcp: true}
			e.links = []*link{l}
			e.publish(0, initial, 0)
			e.subscribe(0, 0, false)
			for _, header := range []string{"P-Asserted-Identity: <sip:p0-r@d>\r\n", "P-Asserted-Identity: <sip:w0-r@d>\r\n"} {
				if bytes.Contains(l.wbuf, []byte(header)) != on {
					t.Errorf("%q there: %t, in\n%s", header, !on, l.wbuf)
				}
			}
		})
	}
}
