package presence_test

import (
	"slices"
	"testing"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// rcs is a service of an RCS phone.
func rcs(id, service, contact string) presence.Service {
	s := svc(id, contact, presence.Open)
	s.OMA.Description = &presence.ServiceDescription{ID: service, Version: "1.0"}
	return s
}

// TestKeepIDs: rule 6 of the clients: tuple ids that a phone makes anew with
// each document are not new to watchers.
func TestKeepIDs(t *testing.T) {
	const me = "sip:a@b"
	old := services(rcs("tid0", "dp", me), rcs("tid1", "mmtel", me), svc("own", me, presence.Open))
	for _, tt := range []struct {
		name string
		doc  *presence.State
		want []string
	}{
		{"all anew", services(rcs("tid7", "dp", me), rcs("tid8", "mmtel", me)), []string{"tid0", "tid1"}},
		{"another order, one more", services(rcs("tid7", "mmtel", me), rcs("tid8", "chat", me), rcs("tid9", "dp", me)), []string{"tid1", "tid8", "tid0"}},
		{"another contact", services(rcs("tid7", "dp", "sip:c@d")), []string{"tid7"}},
		{"without description", services(svc("tid7", me, presence.Open)), []string{"tid7"}},
		{"its own is taken", services(svc("tid0", me, presence.Open), rcs("tid7", "dp", me)), []string{"tid0-2", "tid0"}},
		{"a new one's is taken", services(rcs("tid0", "chat", me), rcs("tid0-2", "dp", me)), []string{"tid0-2", "tid0"}},
		{"twice the same", services(rcs("tid7", "dp", me), rcs("tid8", "dp", me)), []string{"tid0", "tid8"}},
		{"nothing", services(), nil},
	} {
		before := text(t, tt.doc)
		if got := ids((&presence.Keep{Shown: old}).IDs(tt.doc)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: ids %v, want %v", tt.name, got, tt.want)
		}
		if text(t, tt.doc) != before {
			t.Errorf("%s: the document was changed", tt.name)
		}
	}
	if (&presence.Keep{}).IDs(old) != old || (&presence.Keep{Shown: old, Own: old}).IDs(old) != old || (&presence.Keep{Shown: services()}).IDs(old) != old {
		t.Error("a copy of what needs no change")
	}
}
