package pidf

import (
	"testing"

	"pgregory.net/rapid"

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
