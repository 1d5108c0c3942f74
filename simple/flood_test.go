package simple

import (
	"fmt"
	"testing"
	"time"

	"github.com/porchlight-im/porchlight/bridge/policy"
)

// TestSEC_04_NobodyAnswers: subscriptions of watchers who are not there end
// with their first NOTIFY, and nothing of them is left.
func TestSEC_04_NobodyAnswers(t *testing.T) {
	in(t, setup{defRule: policy.Confirm, config: atOnce}, func(t *testing.T, w *world) {
		const n = 200
		p := w.peer("sip:stranger@flood.example")
		p.mute = true
		for i := range n {
			p.request("SUBSCRIBE "+aliceURI, fmt.Sprintf("Event: presence\nCall-ID: f%d@test\n"+
				"P-Asserted-Identity: <sip:f%d@flood.example>", i, i), "")
			p.response().want(t, "SIP/2.0 200 OK")
		}
		if got := w.hub.Stats().Subscriptions; got != n {
			t.Errorf("%d subscriptions, want %d", got, n)
		}
		time.Sleep(clientPatience + time.Second)
		if got := w.hub.Stats(); got.Subscriptions+got.Presentities != 0 || len(w.ids())+len(w.port.dialogs.byOwner) != 0 {
			t.Errorf("left: %+v, dialogs of %d watchers", got, len(w.port.dialogs.byOwner))
		}
	})
}

// TestSEC_04_OneWatcher: one identity cannot subscribe without bound; others,
// and what it has already, are not affected.
func TestSEC_04_OneWatcher(t *testing.T) {
	in(t, setup{defRule: policy.Confirm, config: atOnce}, func(t *testing.T, w *world) {
		bob, carol := w.peer("sip:bob@sip.example"), w.peer("sip:carol@sip.example")
		res, _ := bob.subscribe(aliceURI, "")
		w.port.dialogs.byOwner[bobAddr] += maxPerWatcher - 2
		bob.subscribe("sip:last@sip.example", "")
		bob.request("SUBSCRIBE sip:more@sip.example", "Event: presence", "")
		bob.response().want(t, "SIP/2.0 503 too many subscriptions", "Retry-After: 60")
		bob.again(res, "Expires: 600")
		bob.response().want(t, "SIP/2.0 200 OK", "Expires: 600")
		bob.notify()
		carol.subscribe(aliceURI, "")
		bob.again(res, "Expires: 0")
		bob.response().want(t, "SIP/2.0 200 OK")
		bob.notify()
		bob.subscribe("sip:more@sip.example", "")
	})
}
