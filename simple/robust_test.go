package simple

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/bridge/policy"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/simple/event"
	"github.com/porchlight-im/porchlight/simple/transport"
)

func TestSEC_06_Gzip(t *testing.T) {
	watched(t, func(t *testing.T, w *world, alice, bob *peer) {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		fmt.Fprint(z, doc("open", "zipped"))
		z.Close()
		alice.publish("Content-Encoding: gzip", b.String()) // PUB-29
		n := bob.tells("zipped")
		n.want(t, n.start, "Content-Encoding:") // nobody asked for it
		// Too large once undone, and undone in bounded memory.
		b.Reset()
		z.Reset(&b)
		z.Write(make([]byte, 16<<20))
		z.Close()
		alice.request("PUBLISH "+aliceURI, "Event: presence\nContent-Encoding: gzip", b.String())
		alice.response().want(t, "SIP/2.0 413 *")
	})
}

// TestANDR_PassingTrouble: phones take 403, 404 and 504 on PUBLISH for
// lasting.
func TestANDR_PassingTrouble(t *testing.T) {
	in(t, allowed, func(t *testing.T, w *world) {
		for _, k := range []bridge.Kind{bridge.Timeout, bridge.Busy, bridge.Internal} {
			rep := w.port.publishRefusal(&bridge.Error{Kind: k})
			if rep.Code != 500 && rep.Code != 503 || !strings.Contains(string(rep.Header), "Retry-After: ") {
				t.Errorf("%v: %d %s", k, rep.Code, rep.Header)
			}
		}
	})
}

func TestPUB_24_StaleNonce(t *testing.T) {
	s := setup{config: withUsers, defRule: policy.Allow}
	in(t, s, func(t *testing.T, w *world) {
		p := w.stranger(aliceURI)
		p.request("PUBLISH "+aliceURI, "Event: presence", doc("open", ""))
		m := p.response()
		time.Sleep(24 * time.Hour)
		p.request("PUBLISH "+aliceURI, "Event: presence\n"+authorize(m, "alice", "secret", "PUBLISH", aliceURI, 1), doc("open", ""))
		m = p.response()
		m.want(t, "SIP/2.0 401 Unauthorized")
		if !strings.Contains(m.get("WWW-Authenticate"), "stale=true") {
			t.Errorf("not stale: %s", m.text)
		}
		p.request("PUBLISH "+aliceURI, "Event: presence\n"+authorize(m, "alice", "secret", "PUBLISH", aliceURI, 1), doc("open", ""))
		p.response().want(t, "SIP/2.0 200 OK")
	})
}

// TestSEC_10_Logs: what is private and what is secret is not in the logs.
func TestSEC_10_Logs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		w := newWorld(t, setup{config: withUsers, defRule: policy.Allow, log: &b})
		alice, bob := w.peer(aliceURI), w.peer("sip:bob@sip.example")
		bob.subscribe(aliceURI, "Privacy: id")
		alice.publish("", doc("open", "a note of mine"))
		bob.tells("a note of mine")
		w.stop()
		for _, word := range []string{"bob", "a note of mine", "secret", "hunter2"} {
			if strings.Contains(b.String(), word) {
				t.Errorf("%q is in the log:\n%s", word, b.String())
			}
		}
		if !strings.Contains(b.String(), "anonymous@anonymous.invalid") {
			t.Errorf("the watcher is not logged at all:\n%s", b.String())
		}
	})
}

// TestSUB_45_CSeqBlocks: a long-lived dialog stores new blocks as it goes.
func TestSUB_45_CSeqBlocks(t *testing.T) {
	watched(t, func(t *testing.T, w *world, alice, bob *peer) {
		d := w.port.dialogs.get(w.only())
		first := d.sip.Reserved
		tag := alice.publish("", doc("open", "0")).get("SIP-ETag")
		bob.notify()
		for i := range event.Block {
			tag = alice.publish("SIP-If-Match: "+tag, doc("open", fmt.Sprint(i+1))).get("SIP-ETag")
			bob.notify()
		}
		synctest.Wait()
		if d.sip.Reserved <= first || d.sip.LocalCSeq >= d.sip.Reserved {
			t.Errorf("at %d of %d", d.sip.LocalCSeq, d.sip.Reserved)
		}
	})
}

// FuzzServe: every request gets exactly one final response, whatever it says,
// and nothing else happens.
func FuzzServe(f *testing.F) {
	const head = " SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\nFrom: <sip:alice@sip.example>;tag=1\r\n" +
		"To: <sip:alice@sip.example>\r\nCall-ID: 1\r\nContact: <sip:192.0.2.9>\r\nP-Asserted-Identity: <sip:alice@sip.example>\r\nEvent: presence\r\n"
	f.Add("PUBLISH sip:alice@sip.example" + head + "CSeq: 1 PUBLISH\r\nContent-Type: application/pidf+xml\r\n\r\n" + doc("open", ""))
	f.Add("SUBSCRIBE tel:+49-30" + head + "CSeq: 1 SUBSCRIBE\r\nExpires: 0\r\nRecord-Route: <sip:a;lr>\r\nAccept: */*;q=0\r\n\r\n")
	f.Add("OPTIONS sip:a" + head + "CSeq: 1 OPTIONS\r\nRequire: x\r\n\r\n")
	hub, err := bridge.New(bridge.Config{
		Directory: bridge.NewDirectory([]bridge.Domain{{Name: "sip.example", Scheme: presence.SIP, Here: true, Default: policy.Allow}}),
		Codec:     codec,
	})
	if err != nil {
		f.Fatal(err)
	}
	p, err := New(Config{Listen: []string{"udp://127.0.0.1:0"}, Trusted: []string{"192.0.2.9"}}, hub, nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		n := 0
		r, err := transport.ParseRequest([]byte(raw), transport.Flow{Transport: "udp", Local: "192.0.2.1:5060", Remote: "192.0.2.9:5060"},
			func(rep transport.Reply) {
				n++
				if rep.Code < 200 || rep.Code > 699 {
					t.Errorf("code %d", rep.Code)
				}
				for l := range strings.SplitSeq(string(rep.Header), "\r\n") {
					if l != "" && !strings.Contains(l, ": ") || strings.ContainsAny(l, "\r\n") {
						t.Errorf("header line %q", l)
					}
				}
			})
		if err != nil || r.Method == "PUBLISH" && len(r.Body()) > 1<<16 || r.Method == "NOTIFY" || r.Method == "ACK" {
			return
		}
		p.serve(context.Background(), r)
		if n != 1 {
			t.Errorf("%d responses", n)
		}
	})
}

// exampleDialog is a dialog of usual size.
func exampleDialog(i int) *dialog {
	tag := newTag()
	return &dialog{
		id: tag, leg: bobAlice, owner: bobAddr, event: event.Event{Package: "presence"},
		contact: fmt.Sprintf("sip:%s;gr", server), expires: time.Now().Add(time.Hour),
		sip: event.Dialog{CallID: fmt.Sprintf("%d-3848276298220188511@atlanta.example.com", i), LocalTag: tag, RemoteTag: "9fxced76sl",
			Local: "<sip:alice@sip.example>", Remote: "<sip:bob@sip.example>", Target: fmt.Sprintf("sip:bob@192.0.2.%d:5060;transport=udp", i%250),
			Routes: []string{"sip:p1.sip.example;lr", "sip:p2.sip.example;lr"}},
	}
}

// BenchmarkMessage is what one NOTIFY costs above the transport.
func BenchmarkMessage(b *testing.B) {
	p, d := &Port{}, exampleDialog(1)
	view := &bridge.View{Presentity: aliceAddr, State: &presence.State{Services: []presence.Service{{ID: "t", Basic: presence.Open}}}}
	n := &notice{view: view, verdict: bridge.Verdict{State: bridge.Active}}
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		p.message(d, n, false, now)
	}
}

// BenchmarkIdle reports the memory of an idle subscription in this port.
func BenchmarkIdle(b *testing.B) {
	var before, after runtime.MemStats
	t := &dialogs{metrics: newMetrics(nil)}
	runtime.GC()
	runtime.ReadMemStats(&before)
	const n = 100_000
	for i := range n {
		t.put(exampleDialog(i))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	for b.Loop() {
		t.get("x")
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/subscription")
}
