//go:build integration

package realpeers

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	kills      = 50
	publishers = 8
	watchers   = 8
)

// TestKill kills the gateway at random moments under traffic, 50 times, and
// starts it again. Phones go on as if nothing had happened: they retransmit
// what was not answered, and must get a 200 for it; every dialog and
// entity-tag that a 200 promised lives on, NOTIFY numbers rise, and in the end
// each watcher has the newest state that was acknowledged. A Jabber user
// subscribed all the while is asked nothing and ends with the newest state
// too (SUB-45, PUB-15, PUB-17).
func TestKill(t *testing.T) { onBothServers(t, killed) }

func killed(t *testing.T, s xmppServer) {
	g := startGateway(t, config(s))
	g.waitReady()
	k := &killTest{t: t, g: g}
	j := login(t, s, "juliet", "balcony")
	j.send("<presence/>")
	for i := range publishers {
		k.addPublisher(i, j)
	}
	for i := range watchers {
		k.addWatcher(i)
	}

	var wg sync.WaitGroup
	for _, p := range k.publishers {
		wg.Go(func() { p.run(&k.stop) })
	}
	for _, w := range k.watchers {
		wg.Go(func() { w.run(&k.stop) })
	}
	begin := time.Now()
	for range kills {
		time.Sleep(time.Duration(20+rand.IntN(280)) * time.Millisecond)
		g.kill()
		g.start()
	}
	k.stop.Store(true)
	wg.Wait()
	g.waitReady()
	k.check(j)
	t.Logf("%d kills in %v: %d PUBLISH and %d SUBSCRIBE acknowledged, none lost; %d tags and %d dialogs alive",
		kills, time.Since(begin).Round(time.Millisecond), k.published.Load(), k.refreshed.Load(), publishers, watchers)
}

type killTest struct {
	t                    *testing.T
	g                    *gateway
	stop                 atomic.Bool
	published, refreshed atomic.Int64
	publishers           []*killPublisher
	watchers             []*killWatcher
}

type killPublisher struct {
	k    *killTest
	p    *phone
	tag  string
	note string // acknowledged
}

func (k *killTest) addPublisher(i int, j *jabber) {
	k.t.Helper()
	aor := fmt.Sprintf("sip:p%d@sip.example", i)
	p := &killPublisher{k: k, p: newPhone(k.t, k.g, aor), note: "begin"}
	res := p.p.publish("", "3600", pidf(aor, "open", "", p.note))
	if res.code() != 200 {
		k.t.Fatalf("PUBLISH: %v", res)
	}
	p.tag = res.get("SIP-ETag")
	j.send("<presence type='subscribe' to='%s'/>", strings.TrimPrefix(aor, "sip:"))
	j.expect("subscribed", presence(strings.TrimPrefix(aor, "sip:"), "subscribed"))
	k.publishers = append(k.publishers, p)
}

// run changes the state as fast as it is acknowledged.
func (p *killPublisher) run(stop *atomic.Bool) {
	for i := 0; !stop.Load(); i++ {
		note := fmt.Sprintf("note %d", i)
		res := p.p.publish(p.tag, "3600", pidf(p.p.aor, "open", "", note))
		if res.code() != 200 {
			p.k.t.Errorf("%s: a PUBLISH with the tag of a 200 was answered %s", p.p.aor, res.start)
			return
		}
		p.tag, p.note = res.get("SIP-ETag"), note
		p.k.published.Add(1)
	}
}

type killWatcher struct {
	k *killTest
	p *phone
	d *dialog
}

func (k *killTest) addWatcher(i int) {
	k.t.Helper()
	p := newPhone(k.t, k.g, fmt.Sprintf("sip:w%d@sip.example", i))
	d, res := p.subscribe(k.publishers[i%publishers].p.aor, "3600")
	if res.code() != 200 {
		k.t.Fatalf("SUBSCRIBE: %v", res)
	}
	k.watchers = append(k.watchers, &killWatcher{k: k, p: p, d: d})
}

// run refreshes its dialog now and then.
func (w *killWatcher) run(stop *atomic.Bool) {
	for !stop.Load() {
		res := w.d.refresh("3600")
		if res.code() != 200 {
			w.k.t.Errorf("%s: a refresh in a dialog of a 200 was answered %s", w.p.aor, res.start)
			return
		}
		w.k.refreshed.Add(1)
		time.Sleep(time.Duration(rand.IntN(50)) * time.Millisecond)
	}
}

// check compares what everyone has in the end with what was acknowledged.
func (k *killTest) check(j *jabber) {
	k.t.Helper()
	for _, p := range k.publishers {
		res := p.p.publish(p.tag, "3600", "") // refresh: the tag lives
		if res.code() != 200 {
			k.t.Errorf("%s: refresh in the end: %s", p.p.aor, res.start)
		}
	}
	for i, w := range k.watchers {
		w.check(k.publishers[i%publishers].note)
	}
	k.checkJabber(j)
}

// check waits for the NOTIFY with note and looks at the numbers of all.
func (w *killWatcher) check(note string) {
	t := w.k.t
	t.Helper()
	newest, last, seen := false, 0, 0
	eventually(t, w.p.aor+" has the newest state "+note, func() bool {
		w.p.mu.Lock()
		defer w.p.mu.Unlock()
		for _, m := range w.p.seen[seen:] {
			if !strings.HasPrefix(m.start, "NOTIFY ") {
				continue
			}
			n, _ := strconv.Atoi(strings.Fields(m.get("CSeq"))[0])
			if n <= last {
				t.Errorf("%s: NOTIFY number %d after %d", w.p.aor, n, last)
			}
			last, newest = n, strings.Contains(m.body, ">"+note+"<")
			if m.get("Call-ID") != w.d.callID || !strings.HasPrefix(m.get("Subscription-State"), "active") {
				t.Errorf("%s: a NOTIFY of another dialog, or not active: %v", w.p.aor, m)
			}
		}
		seen = len(w.p.seen)
		return newest
	})
}

// checkJabber waits until the Jabber user has the newest state of everyone;
// what comes last, of one process or the next, comes in any order.
func (k *killTest) checkJabber(j *jabber) {
	k.t.Helper()
	has := map[string]string{}
	missing := func() (who []string) {
		for _, p := range k.publishers {
			if has[strings.TrimPrefix(p.p.aor, "sip:")] != p.note {
				who = append(who, p.p.aor+" "+p.note)
			}
		}
		return who
	}
	begin := time.Now()
	for len(missing()) > 0 {
		if time.Since(begin) > patience {
			k.t.Fatalf("%s waits in vain for %q; has %q", j.jid, missing(), has)
		}
		time.Sleep(10 * time.Millisecond)
		j.mu.Lock()
		seen := j.seen
		j.seen = nil
		j.mu.Unlock()
		for _, s := range seen {
			bare, _, _ := strings.Cut(s.From, "/")
			switch {
			case s.Ev != "presence":
			case s.Type == "":
				has[bare] = s.Status["en"]
			case s.Type == "unavailable":
				delete(has, bare)
			default:
				k.t.Errorf("%s was sent %s", j.jid, s.XML)
			}
		}
	}
}
