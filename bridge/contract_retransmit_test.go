package bridge_test

import (
	"testing"
	"time"

	"github.com/porchlight-im/porchlight/bridge/policy"
)

func TestContract_PUB_05_Known(t *testing.T) {
	play(t, policy.Allow, func(t *testing.T, s *stage) {
		old := s.publish("", time.Hour, open("a"))
		tag := s.publish(old, time.Hour, nil)
		if !s.hub.Known(alice, tag) {
			t.Error("a live tag is not known")
		}
		if s.hub.Known(alice, old) || s.hub.Known(alice, "") || s.hub.Known(bob, tag) || s.hub.Known(far, tag) {
			t.Error("known: an old tag, none, or that of another")
		}
		time.Sleep(61 * time.Minute)
		if s.hub.Known(alice, tag) {
			t.Error("an expired tag is known")
		}
	})
}
