package simple

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/bridge/bridgetest"
	"github.com/porchlight-im/porchlight/bridge/store"
)

// TestSUB_45_Restart: dialogs, CSeq numbers and entity-tags outlive the
// process.
func TestSUB_45_Restart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := allowed
		s.store, s.net = store.NewMemory(), bridgetest.NewNetwork()
		w := newWorld(t, s)
		alice, bob := w.peer(aliceURI), w.peer("sip:bob@sip.example")
		tag := alice.publish("", doc("open", "before")).get("SIP-ETag")
		res, n := bob.subscribe("pres:alice@sip.example", "Event: presence;id=9")
		w.stop() // SUB-33: nothing is told; another process takes over
		bob.silent(time.Minute)

		w = newWorld(t, s)
		alice.w, bob.w = w, w
		m := bob.tells("before") // it may not have been told before the restart
		if cseq(t, m) <= cseq(t, n) {
			t.Errorf("CSeq %d after %d", cseq(t, m), cseq(t, n))
		}
		alice.publish("SIP-If-Match: "+tag, doc("open", "after"))
		m = bob.tells("after", `entity="pres:alice@sip.example"`)
		m.want(t, n.start, "From: "+n.get("From"), "To: "+n.get("To"), "Call-ID: "+n.get("Call-ID"),
			"Event: presence;id=9", "Contact: "+n.get("Contact"), "Subscription-State: active;expires=3540")
		if cseq(t, m) <= cseq(t, n) {
			t.Errorf("CSeq %d after %d", cseq(t, m), cseq(t, n))
		}
		bob.again(res, "Event: presence;id=9\nExpires: 600")
		bob.response().want(t, "SIP/2.0 200 OK", "Expires: 600")
		bob.notify().want(t, n.start, "Subscription-State: active;expires=600")
		bob.silent(598 * time.Second)
		bob.notify().want(t, n.start, "Subscription-State: terminated;reason=timeout")
		w.stop()
	})
}

func cseq(t *testing.T, m message) (n int) {
	t.Helper()
	_, err := fmt.Sscanf(m.get("CSeq"), "%d NOTIFY", &n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestSUB_45_BadRecord: what cannot be read ends that subscription alone.
func TestSUB_45_BadRecord(t *testing.T) {
	for _, data := range []string{"", "x", "{}", `{"dialog":{"local_tag":"id"}}`,
		`{"dialog":{"local_tag":"other","target":"sip:a@b","call_id":"c"}}`} {
		_, err := restore(bridge.Resumed{Leg: bobAlice, ID: "id", Data: []byte(data)})
		if err == nil {
			t.Errorf("%q was taken", data)
		}
	}
}
