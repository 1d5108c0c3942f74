package simple

import (
	"strings"
	"testing"
	"time"
)

// from gives a document the lineage of a state that origin translated first.
func from(origin, doc string) string {
	return strings.Replace(doc, "</presence>", `<lineage xmlns="urn:porchlight:presence:1" origin="`+origin+`" change="C1"/></presence>`, 1)
}

// A state of our own that a foreign server tells us is no news; one of another
// gateway is.
func TestEcho_Notify(t *testing.T) {
	far(t, func(t *testing.T, e *elsewhere) {
		sub := e.active()
		wantStatus(t, e.tell(sub, 2, "active;expires=3600", from(e.hub.Origin(), romeoIs("echo"))), "200 OK")
		e.wantTold("")
		wantStatus(t, e.tell(sub, 3, "active;expires=3600", from("another", romeoIs("news"))), "200 OK")
		e.wantTold("active=news")
	})
}

// A state of our own that somebody publishes is a publication that says
// nothing: it can be refreshed and removed, and nobody is told.
func TestEcho_Publish(t *testing.T) {
	watched(t, func(t *testing.T, w *world, alice, bob *peer) {
		m := alice.publish("", from(w.hub.Origin(), doc("open", "echo")))
		bob.silent(time.Minute)
		m = alice.publish("SIP-If-Match: "+m.get("SIP-ETag"), from("another", doc("open", "news")))
		bob.tells("news")
		alice.publish("Expires: 0\nSIP-If-Match: "+m.get("SIP-ETag"), "")
	})
}
