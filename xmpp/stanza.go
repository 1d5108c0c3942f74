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

	// Of type error, and of a stream error.
	err mapping.StanzaError
}

// answers reports whether s answers a question (questions.add).
func (s *stanza) answers() bool {
	return (s.kind == "result" || s.kind == errorType) && strings.HasPrefix(s.id, questionIDs)
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
