package xmpp

import (
	"time"

	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

// stanza is what the port reads of one incoming stanza. What it does not know
// it ignores.
type stanza struct {
	name               string // "presence", "iq", "message"; "error" for a stream error
	kind               string // the type attribute
	from, to, id, lang string

	// Of presence.
	show        string
	status      []presence.Note
	priority    int8
	hasPriority bool
	stamp, idle time.Time
	exact       *presence.State // of the side channel, with its lineage
	lineage     mapping.Lineage
	unread      error // why the side channel was not read

	// Of an iq: its first child element, and that one's node attribute.
	space, local, node string

	// Of type error, and of a stream error.
	err mapping.StanzaError
}

// presence returns the content of a presence stanza that came from i.
func (s *stanza) presence(i presence.Instance) mapping.Presence {
	return mapping.Presence{
		Resource:    i.Resource,
		From:        i.Addr,
		Unavailable: s.kind == unavailable,
		Show:        s.show,
		Status:      s.status,
		Priority:    s.priority,
		HasPriority: s.hasPriority,
		Stamp:       s.stamp,
		Idle:        s.idle,
		Exact:       s.exact,
		Lineage:     s.lineage,
	}
}

// text returns the status text that explains a subscription stanza, if any.
func (s *stanza) text() string {
	for _, n := range s.status {
		if n.Text != "" {
			return n.Text
		}
	}
	return ""
}
