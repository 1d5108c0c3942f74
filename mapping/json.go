package mapping

import (
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// AppendJSON appends the JSON presence document of s (docs/feed.md): address,
// availability, and everything RPID says. s may be nil.
func AppendJSON(dst []byte, a presence.Addr, s *presence.State, now time.Time) []byte {
	panic("todo")
}

// FromJSON reads what a web client publishes: the document that AppendJSON
// writes, or any part of it. The error names the member that is wrong.
func FromJSON(b []byte) (*presence.State, error) { panic("todo") }
