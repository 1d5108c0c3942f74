package mapping

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// Presence is the content of one XMPP presence stanza from one resource
// (RFC 6121 §4.7), without its addresses.
type Presence struct {
	Resource string
	// From is the address that it came from; FromXMPP makes the contact of it.
	From        presence.Addr
	Unavailable bool
	Show        string          // "", "away", "chat", "dnd", "xa"
	Status      []presence.Note // by language
	// Priority is -128 to 127; HasPriority tells 0 from absent.
	Priority    int8
	HasPriority bool
	// Stamp is the time of an XEP-0203 delay, zero when absent.
	Stamp time.Time
	// Idle is the time of an XEP-0319 idle element, zero when absent.
	Idle time.Time
}

// personResource is the resource of a presentity that has a person and no
// tuples (row E9).
const personResource = "person"

// ToXMPP returns the presences that show s, one for each tuple, each from its
// own resource (RFC 8048 §6.3, rows E1…E9), in the order of the tuples. A
// State with a person and no tuples gives one. now decides which times count.
func ToXMPP(s *presence.State, now time.Time) []Presence {
	if s == nil {
		return nil
	}
	a := Effective(s, now)
	person := personOf(s)
	if len(s.Services) == 0 {
		if person == nil {
			return nil
		}
		p := Presence{Resource: personResource, Show: shows[a.Word], Status: statusOf(s, nil, person), Idle: idleSince(person, nil)}
		return []Presence{p}
	}
	out := make([]Presence, 0, len(s.Services))
	for i := range s.Services {
		t := &s.Services[i]
		if t.NotUnderstood {
			continue
		}
		p := Presence{Resource: resourceOf(t.ID), Status: statusOf(s, t, person)}
		// RFC 8048 §6.3: open is no type, closed is unavailable. What is
		// neither is not shown as available.
		p.Unavailable = !reachable(t, now)
		if !p.Unavailable {
			p.Show = showOf(t, a)
			p.Idle = idleSince(person, t)
			p.Priority, p.HasPriority = priorityFromContact(t.Contact)
		}
		out = append(out, p)
	}
	return out
}

// showOf is the tuple's own <show> (RFC 8048 §6.3 note 3), else what the
// presentity's availability says.
func showOf(t *presence.Service, a Availability) string {
	switch t.Show {
	case "away", "chat", "dnd", "xa":
		return t.Show
	}
	return shows[a.Word]
}

func idleSince(p *presence.Person, t *presence.Service) time.Time {
	if t != nil && t.UserInput != nil {
		if t.UserInput.Idle {
			return t.UserInput.LastInput
		}
		return time.Time{}
	}
	if p != nil && p.UserInput != nil && p.UserInput.Idle {
		return p.UserInput.LastInput
	}
	return time.Time{}
}

// statusOf returns the notes to show: the tuple's, else the person's, else
// those of the activities, else the document's; one for each language.
func statusOf(s *presence.State, t *presence.Service, p *presence.Person) []presence.Note {
	var sources [][]presence.Note
	if t != nil {
		sources = append(sources, t.Notes)
	}
	if p != nil {
		sources = append(sources, p.Notes)
		if p.Activities != nil {
			sources = append(sources, p.Activities.Notes)
		}
	}
	for _, notes := range append(sources, s.Notes) {
		var out []presence.Note
		for _, n := range notes {
			same := func(o presence.Note) bool { return strings.EqualFold(o.Lang, n.Lang) }
			if n.Text != "" && !slices.ContainsFunc(out, same) {
				out = append(out, n)
			}
		}
		if len(out) > 0 {
			return out
		}
	}
	return nil
}

// priorityToContact is RFC 8048 §6.2 note 6: 0 to 127 become 0 to 1 with at
// most three decimals; negative priorities are not mapped.
func priorityToContact(p int8) string {
	switch {
	case p < 0:
		return ""
	case p == 0:
		return "0"
	case p == 127:
		return "1"
	}
	thousandths := int(p) * 1000 / 127
	s := strings.TrimRight(fmt.Sprintf("0.%03d", thousandths), "0")
	return s
}

// priorityFromContact is the inverse of priorityToContact (row E5).
func priorityFromContact(c *presence.Contact) (int8, bool) {
	if c == nil || c.Priority == "" {
		return 0, false
	}
	f, err := strconv.ParseFloat(c.Priority, 64)
	if err != nil || f < 0 || f > 1 {
		return 0, false
	}
	thousandths := int(f*1000 + 0.5)
	// The smallest priority whose thousandths are not below.
	p := (thousandths*127 + 999) / 1000
	return int8(min(p, 127)), true
}

// idPrefix makes tuple ids of resources into xs:IDs (row D2).
const idPrefix = "ID-"

// tupleID makes a resource an xs:ID that resourceOf undoes: letters, digits,
// '-' and '_' stand for themselves, every other byte is ".xx".
func tupleID(resource string) string {
	var b strings.Builder
	b.WriteString(idPrefix)
	for i := range len(resource) {
		c := resource[i]
		if alphanum(c) || c == '-' || c == '_' {
			b.WriteByte(c)
		} else {
			b.WriteByte('.')
			b.WriteString(hex.EncodeToString([]byte{c}))
		}
	}
	return b.String()
}

// resourceOf is the resource of a tuple: the one it was made from, else its id
// (row E4).
func resourceOf(id string) string {
	rest, ok := strings.CutPrefix(id, idPrefix)
	if !ok {
		return id
	}
	var b strings.Builder
	for i := 0; i < len(rest); i++ {
		if rest[i] != '.' {
			b.WriteByte(rest[i])
			continue
		}
		if i+3 > len(rest) {
			return id
		}
		c, err := hex.DecodeString(rest[i+1 : i+3])
		if err != nil {
			return id
		}
		b.Write(c)
		i += 2
	}
	return b.String()
}

// FromXMPP returns old, which may be nil, with the tuple of p's resource
// changed to what p says (RFC 8048 §6.2, rows D1…D12). Of an unavailable
// resource the tuple stays, closed, if it is the last; otherwise it goes.
// An unavailable presence without resource closes everything.
func FromXMPP(old *presence.State, p Presence, now time.Time) *presence.State {
	s := &presence.State{}
	if old != nil {
		s.Entity = old.Entity
		s.Services = slices.Clone(old.Services)
	}
	switch {
	case !p.Unavailable:
		setTuple(s, tupleOf(p, now))
	case p.Resource == "":
		closeAll(s, p)
	default:
		closeOne(s, p, now)
	}
	s.Persons = personFrom(s)
	return s
}

func setTuple(s *presence.State, t presence.Service) {
	// A tuple that was left closed by the last resource has had its time.
	s.Services = slices.DeleteFunc(s.Services, func(o presence.Service) bool {
		return o.ID != t.ID && o.Basic == presence.Closed
	})
	for i := range s.Services {
		if s.Services[i].ID == t.ID {
			s.Services[i] = t
			return
		}
	}
	s.Services = append(s.Services, t)
}

// tupleOf is RFC 8048 Table 1 for one available resource.
func tupleOf(p Presence, now time.Time) presence.Service {
	t := presence.Service{ID: tupleID(p.Resource), Basic: presence.Open, Show: p.Show, Notes: p.Status}
	if !p.Stamp.IsZero() {
		t.Timestamp = p.Stamp
	}
	if !p.From.IsZero() {
		t.Contact = &presence.Contact{URI: "xmpp:" + contactOf(p)}
	}
	if p.HasPriority && p.Priority >= 0 {
		// RFC 8048 §6.2 note 6.
		t.Contact = &presence.Contact{URI: "xmpp:" + contactOf(p), Priority: priorityToContact(p.Priority)}
	}
	if !p.Idle.IsZero() {
		t.UserInput = &presence.UserInput{Idle: true, LastInput: p.Idle}
	}
	return t
}

// contactOf is the JID of the resource, as far as it can be said.
func contactOf(p Presence) string {
	jid, ok := FullJID(presence.Instance{Addr: p.From, Resource: p.Resource})
	if !ok {
		jid, _ = JID(p.From)
	}
	return jid
}

func closeAll(s *presence.State, p Presence) {
	for i := range s.Services {
		s.Services[i] = closed(s.Services[i].ID, p)
	}
	if len(s.Services) == 0 {
		s.Services = []presence.Service{closed(tupleID(""), p)}
	}
	s.Services = s.Services[:1]
}

// closeOne takes the resource's tuple away, or closes it when it is the last
// (rows D5, D12).
func closeOne(s *presence.State, p Presence, now time.Time) {
	id := tupleID(p.Resource)
	rest := slices.DeleteFunc(slices.Clone(s.Services), func(t presence.Service) bool { return t.ID == id })
	if len(rest) > 0 {
		s.Services = rest
		return
	}
	s.Services = []presence.Service{closed(id, p)}
}

func closed(id string, p Presence) presence.Service {
	return presence.Service{ID: id, Basic: presence.Closed, Notes: p.Status}
}

// rpidOf is the activities that say what a word means, for watchers that read
// RPID.
var rpidOf = map[Word][]presence.Value{
	Away:         {{Name: "away"}},
	ExtendedAway: {{Name: "away"}, {Space: Ext, Name: "extended-away"}},
	Busy:         {{Name: "busy"}},
}

// personFrom makes the person of what the resources say: the most available of
// them counts.
func personFrom(s *presence.State) []presence.Person {
	open, word := reach(s, time.Time{})
	if !open {
		return nil
	}
	p := presence.Person{ID: "person"}
	if vs := rpidOf[word]; vs != nil {
		p.Activities = &presence.Activities{Values: vs}
	}
	p.UserInput = personInput(s)
	if p.Activities == nil && p.UserInput == nil {
		return nil
	}
	return []presence.Person{p}
}

// personInput is idle when every resource is, since the latest of them
// (RFC 4480 §3.14).
func personInput(s *presence.State) *presence.UserInput {
	var last *presence.UserInput
	for i := range s.Services {
		u := s.Services[i].UserInput
		if u == nil || !u.Idle {
			return nil
		}
		if last == nil || u.LastInput.After(last.LastInput) {
			last = u
		}
	}
	return last
}
