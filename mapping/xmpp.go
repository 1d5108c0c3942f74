package mapping

import (
	"slices"
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
	Cut         bool            // a text of Status was too long and is cut
	// Priority is -128 to 127; HasPriority tells 0 from absent.
	Priority    int8
	HasPriority bool
	// Stamp is the time of an XEP-0203 delay, zero when absent.
	Stamp time.Time
	// Idle is the time of an XEP-0319 idle element, zero when absent.
	Idle time.Time
	// Exact, when set, is what the presence is to say, in the model's own
	// terms: the tuples of the resource, and what belongs to no resource.
	// Lineage is where it comes from; zero: from here.
	Exact   *presence.State
	Lineage Lineage
}

// ToXMPP returns the presences that show s, each from its own resource
// (RFC 8048 §6.3, rows E1…E9), in the order of the tuples. Each tuple gives
// one, but for those that are the abilities of one device, which give one
// together, and those that say nothing of being reachable. A State with a
// person and nothing else to show gives one without resource; it is
// unavailable unless the person's activities or input say otherwise. One with
// less than that gives an unavailable one when the side channel has something
// to carry. now decides which times count.
//
// A <show> of the tuple's own goes first (note 3), else it is what [Effective]
// makes of the tuple and the person. The status is the tuple's notes, else the
// person's, else the document's, one for each language.
func (r *Rules) ToXMPP(s *presence.State, now time.Time) []Presence {
	if s == nil {
		return nil
	}
	h := r.humanOf(s, now)
	out := make([]Presence, 0, max(1, len(s.Services)))
	names := resourceNames(s.Services)
	var at map[string]int // name → index in out, once there are several
	if len(names) > 1 {
		at = make(map[string]int, len(names))
	}
	for i := range s.Services {
		t := &s.Services[i]
		if hidden(t) {
			continue
		}
		p := presenceOf(s, t, &h, now)
		p.Resource = names[i]
		if j, ok := at[names[i]]; ok {
			out[j].join(p)
			continue
		}
		if at != nil {
			at[names[i]] = len(out)
		}
		out = append(out, p)
	}
	switch {
	case len(out) > 0:
	case len(s.Persons) > 0:
		out = append(out, r.personPresence(s, &h, now))
	case r.sideChannel() && r.carries(s):
		out = append(out, Presence{Status: statusOf(s, nil), Unavailable: true})
	}
	for i := range out {
		out[i].Status, out[i].Cut = cutNotes(out[i].Status)
	}
	if r.sideChannel() {
		r.carry(out, s, names, now)
	}
	return out
}

// presenceOf is RFC 8048 Table 2 for one tuple. What is neither open nor
// closed is not shown as available.
func presenceOf(s *presence.State, t *presence.Service, h *human, now time.Time) Presence {
	p := Presence{Status: statusOf(s, t), Stamp: t.Timestamp}
	if reachOf(t) != reachable || h.word == Offline {
		p.Unavailable = true // RFC 8048 §6.3 note 1: closed
		return p
	}
	p.Show = t.Show
	switch {
	case fromResource(t):
	case h.manual:
		p.Show = shows[h.said().word]
	case words[t.Show] == "": // RFC 8048 §6.3 note 3
		p.Show = shows[h.says(t, now).word]
	}
	if t.Contact != nil && t.Contact.Priority != "" {
		p.Priority, p.HasPriority = priorityOf(t.Contact.Priority)
	}
	if n, ok := priorityWithin(t); ok {
		p.Priority, p.HasPriority = n, true
	}
	p.Idle = idleSince(s, t)
	return p
}

// fromResource reports whether t is what tupleOf makes of an XMPP resource. It
// says by itself what its presence said: without a <show> or notes of its own
// that had none, whatever the person's activities, which FromXMPP makes of all
// resources, and input say.
func fromResource(t *presence.Service) bool {
	if t.Contact == nil {
		return strings.HasPrefix(t.ID, idPrefix) && t.Basic == presence.Closed // who is unavailable has none
	}
	return strings.HasPrefix(t.ID, idPrefix) && strings.HasPrefix(t.Contact.URI, "xmpp:")
}

// personPresence shows a person without services (row E9).
func (r *Rules) personPresence(s *presence.State, h *human, now time.Time) Presence {
	a := r.Effective(s, now)
	p := Presence{Status: statusOf(s, nil), Stamp: personOf(s).Timestamp}
	if a.Word == Offline || a.Word == Unknown {
		p.Unavailable = true
		return p
	}
	p.Show = shows[a.Word]
	p.Idle = idleSince(s, nil)
	return p
}

// join adds q, another ability of the same device: what one of them can, the
// device can.
func (p *Presence) join(q Presence) {
	if p.Unavailable && !q.Unavailable {
		*p, q = q, *p
	}
	if !q.Unavailable && q.HasPriority && (!p.HasPriority || q.Priority > p.Priority) {
		p.Priority, p.HasPriority = q.Priority, true
	}
	if q.Stamp.After(p.Stamp) {
		p.Stamp = q.Stamp
	}
	if len(p.Status) == 0 {
		p.Status = q.Status
	}
}

// idleSince is the time of the last input when t, which may be nil, or the
// person is idle (XEP-0319 §2 is RFC 4480 §3.14 from the other side).
func idleSince(s *presence.State, t *presence.Service) time.Time {
	var u *presence.UserInput
	if t != nil {
		u = t.UserInput
	}
	if u == nil && len(s.Persons) > 0 {
		u = personOf(s).UserInput
	}
	if u == nil || !u.Idle {
		return time.Time{}
	}
	return u.LastInput
}

// statusOf returns the notes to show with t, which may be nil: the first of
// the tuple's, the person's, the activities' and the document's that there
// are, one for each language.
func statusOf(s *presence.State, t *presence.Service) []presence.Note {
	if t != nil && (hasText(t.Notes) || fromResource(t)) {
		return eachLanguage(t.Notes)
	}
	if p := personOf(s); p != nil {
		if hasText(p.Notes) {
			return eachLanguage(p.Notes)
		}
		if p.Activities != nil && hasText(p.Activities.Notes) {
			return eachLanguage(p.Activities.Notes)
		}
	}
	if hasText(s.Notes) {
		return eachLanguage(s.Notes)
	}
	return nil
}

func hasText(notes []presence.Note) bool {
	for i := range notes {
		if notes[i].Text != "" {
			return true
		}
	}
	return false
}

// maxStatus is how many languages a status is shown or kept in.
const maxStatus = 32

// eachLanguage returns the first note of each language (RFC 6121 §4.7.2.2);
// notes itself when it is so already.
func eachLanguage(notes []presence.Note) []presence.Note {
	if len(notes) == 1 && notes[0].Text != "" {
		return notes
	}
	var out []presence.Note
	for _, n := range notes {
		same := func(o presence.Note) bool { return strings.EqualFold(o.Lang, n.Lang) }
		if n.Text != "" && len(out) < maxStatus && !slices.ContainsFunc(out, same) {
			out = append(out, n)
		}
	}
	return out
}

// FromXMPP returns old, which may be nil, with the tuple of p's resource
// changed to what p says (RFC 8048 §6.2, rows D1…D12). Of an unavailable
// resource the tuple stays, closed, if it is the last; otherwise it goes.
// An unavailable presence without resource closes everything. The person gets
// what all resources together say, in RPID, for watchers who do not know
// <show>; the rest of old's person stays. What p carries by the side channel
// goes before what follows from its words. A tuple's timestamp is the delay's
// stamp, else the time of its last change. old is not changed; it is returned
// itself when p brings nothing new.
func (r *Rules) FromXMPP(old *presence.State, p Presence, now time.Time) *presence.State {
	s := &presence.State{}
	if old != nil {
		*s = *old
	}
	if p.Exact != nil && r.sideChannel() {
		if e, ok := fromExact(old, p); ok {
			return news(old, e)
		}
	}
	t := tupleOf(p, now)
	withoutExact(s, p.Resource, t.ID)
	for i := range s.Services {
		if u := s.Services[i].UserInput; s.Services[i].ID == t.ID && u != nil && t.UserInput != nil && u.LastInput.Equal(t.UserInput.LastInput) {
			t.UserInput = u // the first to say so has said when the user became idle
		}
	}
	switch {
	case !p.Unavailable:
		s.Services = withTuple(s.Services, t)
	case p.Resource == "" && len(s.Services) > 0:
		t.ID = s.Services[0].ID
		s.Services = keepTime(s.Services[:1], []presence.Service{t})
	default:
		s.Services = withoutTuple(s.Services, t)
	}
	s.Persons = r.personFrom(s)
	return news(old, s)
}

// news returns s, or old when s says nothing else.
func news(old, s *presence.State) *presence.State {
	if old != nil && presence.Equal(old, s) {
		return old
	}
	return s
}

// tupleOf is RFC 8048 Table 1 for one resource.
func tupleOf(p Presence, now time.Time) presence.Service {
	t := presence.Service{ID: tupleID(p.Resource), Basic: presence.Open, Timestamp: p.Stamp}
	if hasText(p.Status) {
		t.Notes = eachLanguage(p.Status)
	}
	if t.Timestamp.IsZero() {
		t.Timestamp = now.UTC().Truncate(time.Second)
	}
	if p.Unavailable {
		t.Basic = presence.Closed // RFC 8048 §6.2 note 4
		return t
	}
	if words[p.Show] != "" {
		t.Show = p.Show // RFC 8048 §6.2 note 7
	}
	var c presence.Contact
	if p.From.Host != "" {
		c.URI = xmppURI(p)
	}
	if p.HasPriority {
		c.Priority = priorityText(p.Priority)
	}
	if p.HasPriority && p.Priority < 0 {
		t.StatusExt = []presence.RawXML{exactPriority(p.Priority)}
	}
	if c != (presence.Contact{}) {
		t.Contact = &c
	}
	if !p.Idle.IsZero() {
		t.UserInput = &presence.UserInput{Idle: true, LastInput: p.Idle, IdleThreshold: threshold(t.Timestamp.Sub(p.Idle))}
	}
	return t
}

// threshold is after how many seconds without input a client has called its
// user idle (RFC 4480 §3.14): it says so at that moment, so whoever hears it
// then can tell. Of one who has been idle for long nobody knows.
func threshold(idle time.Duration) int {
	if idle < time.Minute || idle > longIdle {
		return 0
	}
	return int(idle.Truncate(time.Minute) / time.Second)
}

// longIdle is more than any client waits before it calls its user idle.
const longIdle = 30 * time.Minute

// xmppURI is where p came from as a URI (RFC 5122 §2), "" when it has none.
func xmppURI(p Presence) string {
	jid, ok := FullJID(presence.Instance{Addr: p.From, Resource: p.Resource})
	if !ok {
		jid, ok = JID(p.From)
	}
	if !ok {
		return ""
	}
	bare, resource, found := strings.Cut(jid, "/")
	local, host, user := strings.Cut(bare, "@")
	b := make([]byte, 0, len(jid)+8)
	b = append(b, "xmpp:"...)
	if user {
		b = appendEscaped(b, local, nodeChar)
		b = append(b, '@')
	} else {
		host = bare
	}
	b = append(b, host...)
	if found {
		b = append(b, '/')
		b = appendEscaped(b, resource, nodeChar)
	}
	return string(b)
}

// maxResources is how many resources of one address are kept apart; of more,
// those that have been silent for longest are forgotten.
const maxResources = 32

// withTuple returns services with t in its place. A tuple that the last
// resource left behind, closed, has had its time.
func withTuple(services []presence.Service, t presence.Service) []presence.Service {
	out := make([]presence.Service, 0, len(services)+1)
	found := false
	for i := range services {
		o := &services[i]
		switch {
		case o.ID == t.ID:
			found = true
			out = append(out, t)
		case o.Basic != presence.Closed:
			out = append(out, *o)
		}
	}
	if !found {
		out = append(out, t)
	}
	for len(out) > maxResources {
		oldest := -1
		for i := range out {
			if out[i].ID != t.ID && (oldest < 0 || out[i].Timestamp.Before(out[oldest].Timestamp)) {
				oldest = i
			}
		}
		out = slices.Delete(out, oldest, oldest+1)
	}
	return keepTime(services, out)
}

// withoutTuple takes the tuple of t's resource away, or leaves it closed, as t
// is, when it is the last (rows D5, D12).
func withoutTuple(services []presence.Service, t presence.Service) []presence.Service {
	rest := make([]presence.Service, 0, len(services))
	for i := range services {
		if services[i].ID != t.ID {
			rest = append(rest, services[i])
		}
	}
	if len(rest) > 0 {
		return rest
	}
	return keepTime(services, []presence.Service{t})
}

// keepTime gives the tuples of services back their old timestamps when nothing
// else about them is new, so that a repeated presence is no change.
func keepTime(old, services []presence.Service) []presence.Service {
	for i := range services {
		for j := range old {
			if old[j].ID != services[i].ID {
				continue
			}
			a, b := old[j], services[i]
			b.Timestamp = a.Timestamp
			if presence.Equal(&presence.State{Services: []presence.Service{a}}, &presence.State{Services: []presence.Service{b}}) {
				services[i].Timestamp = a.Timestamp
			}
		}
	}
	return services
}

// personFrom returns the persons of s with activities and user input as the
// resources together say them, and what personal eventing says is done.
func (r *Rules) personFrom(s *presence.State) []presence.Person {
	p := presence.Person{ID: "person"}
	if len(s.Persons) > 0 {
		p = s.Persons[0]
	}
	done, notes := r.nativeActivities(&p)
	p.Activities, p.UserInput = nil, nil
	var word Word
	for i := range s.Services {
		t := &s.Services[i]
		if t.Basic != presence.Open {
			continue
		}
		w := words[t.Show]
		if w == "" {
			w = Available
		}
		if rank[w] > rank[word] {
			word = w
		}
	}
	if vs := joined(done, spoken[word]); len(vs) > 0 {
		p.Activities = &presence.Activities{Notes: notes, Values: vs}
	}
	if word != "" {
		p.UserInput = jointInput(s.Services)
	}
	if p.Activities != nil || p.UserInput != nil {
		return []presence.Person{p}
	}
	bare := presence.Person{ID: p.ID}
	if len(s.Persons) == 0 || presence.Equal(&presence.State{Persons: []presence.Person{p}}, &presence.State{Persons: []presence.Person{bare}}) {
		return nil
	}
	return []presence.Person{p}
}

// jointInput is idle when every open resource is, since the last input at any
// of them (RFC 4480 §3.14); else nil, for XMPP does not say that someone is
// active.
func jointInput(services []presence.Service) *presence.UserInput {
	var last *presence.UserInput
	for i := range services {
		if services[i].Basic != presence.Open {
			continue
		}
		u := services[i].UserInput
		if u == nil || !u.Idle {
			return nil
		}
		if last == nil || u.LastInput.After(last.LastInput) {
			last = u
		}
	}
	return last
}
