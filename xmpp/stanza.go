package xmpp

import (
	"strings"
	"time"

	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/xmpp/payload"
)

// caps is <c/> of a presence stanza: names of what a client can.
type caps struct{ hash, node, ver string }

// vcard is what is used of a contact's card (XEP-0054).
type vcard struct {
	name, nick, url string
	photo           string // base64
}

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
	lastActive  time.Duration   // how long ago, of XEP-0256; zero for not told
	exact       *presence.State // of the side channel, with its lineage
	lineage     mapping.Lineage
	unread      error // why the side channel was not read

	caps  caps    // of presence: what the client can (XEP-0115)
	photo *string // of presence: the hash of its photo, "" for none (XEP-0153)

	// Of an iq: its first child element, and that one's node attribute.
	space, local, node string
	// Of an iq about publish-subscribe: what is to be done, with which node
	// and items.
	verb, verbNode string
	ids            []string
	described      *payload.Described // of the answer to disco#info
	card           *vcard             // of the answer to vcard-temp
	// items are those of an answer, or of an event message; an empty payload
	// stands for a retraction.
	items []mapping.Item
	// notified are the nodes of which an event message tells without the item.
	notified []string

	// Of type error, and of a stream error.
	err mapping.StanzaError
}

// answers reports whether s answers a question (questions.add).
func (s *stanza) answers() bool {
	return (s.kind == "result" || s.kind == errorType) && strings.HasPrefix(s.id, questionIDs)
}

// idleSince is the time of the last input as the stanza tells it.
//
// XEP-0256 §1: with a delay it is counted from then. Of a client that has just
// come online it is the time of its last session, which is not told here.
func (s *stanza) idleSince(now time.Time) time.Time {
	switch {
	case !s.idle.IsZero() || s.lastActive <= 0 || s.show != "away" && s.show != "xa":
		return s.idle
	case !s.stamp.IsZero():
		return s.stamp.Add(-s.lastActive)
	}
	return now.Add(-s.lastActive).UTC().Truncate(time.Second)
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
		Idle:        s.idleSince(time.Now()),
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
