package pidf

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/mapping/presence/sample"
)

// What package sample promises: its states are what Decode makes.
func TestSamplesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := sample.State(func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "pick") })
		again(t, s)
		checkOutput(t, s)
	})
}

// Whatever stands wherever in a document, the feed's JSON says it too.
func TestAnyTreeComesBackFromJSON(t *testing.T) {
	alice := presence.Addr{Scheme: presence.SIP, User: "alice", Host: "sip.example"}
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		b.WriteString("<p:presence" + prolog)
		attributes(t, &b)
		b.WriteString(">")
		for range rapid.IntRange(0, 3).Draw(t, "components") {
			tree(t, &b, below("p:presence"), 4)
		}
		b.WriteString("</p:presence>")
		s, err := Decode([]byte(b.String()))
		if err != nil {
			return // attributes that stand twice
		}
		doc := mapping.Standard.AppendJSON(nil, alice, s, time.Unix(0, 0))
		got, err := mapping.FromJSON(doc)
		if err != nil && len(doc) < 60<<10 {
			t.Fatalf("%v in\n%s", err, doc)
		}
		if err == nil && !presence.Equal(s, got) {
			t.Fatalf("%s\n-want +got:\n%s", doc, cmp.Diff(s, got))
		}
	})
}
