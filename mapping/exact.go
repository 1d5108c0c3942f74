package mapping

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/mapping/xmltext"
)

// The side channel (docs/extensions.md). A presence stanza that does not say
// all there is carries its tuples, and whatever belongs to no tuple, as they
// are: Presence.Exact. Who understands it has the state itself, and what he
// would make of the rest of the stanza does not count.

// Lineage says where a state comes from: the gateway that translated it first,
// and its change there. A gateway that gets a state of its own back knows it
// by this, and takes it for no news.
type Lineage struct{ Origin, Change string }

const lineageName = "lineage"

// LineageOf returns the lineage that s carries, if it came by a side channel.
func LineageOf(s *presence.State) (l Lineage, ok bool) {
	i := lineageAt(s)
	if i < 0 {
		return l, false
	}
	var x xmltext.Scanner
	x.Reset([]byte(s.Ext[i].Bytes))
	_, err := x.Next()
	if err != nil {
		return l, true
	}
	return Lineage{string(x.Attr("origin")), string(x.Attr("change"))}, true
}

func lineageAt(s *presence.State) int {
	if s == nil {
		return -1
	}
	return slices.IndexFunc(s.Ext, func(x presence.RawXML) bool { return x.Space == Ext && x.Local == lineageName })
}

// raw is l as an element of a document.
func (l Lineage) raw() presence.RawXML {
	b := append([]byte("<"+lineageName+` xmlns="`+Ext+`" origin="`), xmltext.AppendAttr(nil, l.Origin)...)
	b = append(append(b, `" change="`...), xmltext.AppendAttr(nil, l.Change)...)
	return presence.RawXML{Space: Ext, Local: lineageName, Bytes: string(append(b, `"/>`...))}
}

// priorityName is the element of a tuple's status that has an XMPP priority
// which PIDF has no number for.
const priorityName = "priority"

// exactPriority is a negative priority as an element: RFC 8048 §6.2 note 6
// forbids it as the priority of the contact.
func exactPriority(p int8) presence.RawXML {
	return presence.RawXML{Space: Ext, Local: priorityName,
		Bytes: "<" + priorityName + ` xmlns="` + Ext + `">` + strconv.Itoa(int(p)) + "</" + priorityName + ">"}
}

// priorityWithin returns the priority that exactPriority has put into t.
func priorityWithin(t *presence.Service) (p int8, ok bool) {
	for i := range t.StatusExt {
		x := &t.StatusExt[i]
		if x.Space != Ext || x.Local != priorityName {
			continue
		}
		_, text, _ := strings.Cut(x.Bytes, ">")
		text, _, _ = strings.Cut(text, "<")
		n, err := strconv.ParseInt(text, 10, 8)
		return int8(n), err == nil
	}
	return 0, false
}

// WithoutSideChannel returns s as it is shown where the side channel is off:
// without what only another gateway understands. It is s itself when it has
// nothing of the kind, or the side channel is on.
func (r *Rules) WithoutSideChannel(s *presence.State) *presence.State {
	if r.sideChannel() || s == nil {
		return s
	}
	c := *s
	c.Ext = withoutOurs(s.Ext)
	c.Services = slices.Clone(s.Services)
	for i := range c.Services {
		c.Services[i].StatusExt = withoutOurs(c.Services[i].StatusExt)
	}
	c.Persons = slices.Clone(s.Persons)
	for i := range c.Persons {
		c.Persons[i].Ext = withoutOurs(c.Persons[i].Ext)
	}
	return news(s, &c)
}

// withoutOurs returns xs without elements of this gateway's namespace and of
// XMPP's.
func withoutOurs(xs []presence.RawXML) []presence.RawXML {
	ours := func(x presence.RawXML) bool {
		return x.Space == Ext || strings.HasPrefix(x.Space, "http://jabber.org/protocol/") || strings.HasPrefix(x.Space, "jabber:")
	}
	if !slices.ContainsFunc(xs, ours) {
		return xs
	}
	return slices.DeleteFunc(slices.Clone(xs), ours)
}

// sideChannel reports whether what XMPP cannot say is carried along.
func (r *Rules) sideChannel() bool { return r == nil || !r.SideChannelOff }

// carry gives each of ps what of s it does not say by itself. names are the
// resources of the services of s. The stanza of each resource has its own
// tuples; all have what belongs to no resource, so that each is whole.
func (r *Rules) carry(ps []Presence, s *presence.State, names []string, now time.Time) {
	rest := r.beyond(s)
	lineage, _ := LineageOf(s)
	for i := range ps {
		p := &ps[i]
		e := rest
		e.Services = slices.Clone(rest.Services)
		inexact := !empty(&rest)
		for j := range s.Services {
			t := &s.Services[j]
			if names[j] != p.Resource || hidden(t) {
				continue
			}
			inexact = inexact || !sayable(p, t, now)
			e.Services = append(e.Services, *t)
		}
		if inexact {
			p.Exact, p.Lineage = &e, lineage
		}
	}
}

// beyond returns what of s belongs to no resource and does not follow from the
// resources.
func (r *Rules) beyond(s *presence.State) presence.State {
	e := presence.State{Persons: s.Persons, Devices: s.Devices, Notes: s.Notes, Ext: s.Ext, Attrs: s.Attrs}
	if i := lineageAt(s); i >= 0 {
		e.Ext = slices.Delete(slices.Clone(s.Ext), i, i+1)
	}
	derived := r.personFrom(&presence.State{Services: s.Services})
	if presence.Equal(&presence.State{Persons: derived}, &presence.State{Persons: e.Persons}) {
		e.Persons = nil
	}
	for i := range s.Services {
		if hidden(&s.Services[i]) {
			e.Services = append(e.Services, s.Services[i])
		}
	}
	return e
}

// carries reports whether s says something that belongs to no resource.
func (r *Rules) carries(s *presence.State) bool {
	rest := r.beyond(s)
	return !empty(&rest)
}

func empty(s *presence.State) bool {
	return len(s.Services)+len(s.Persons)+len(s.Devices)+len(s.Notes)+len(s.Ext)+len(s.Attrs) == 0
}

// hidden reports whether t is shown by no presence: its status must not be
// interpreted (RFC 3863 §4.2.3), or it has none (RFC 4479 §3.6).
func hidden(t *presence.Service) bool {
	return t.NotUnderstood || reachOf(t) == silent && t.Basic != presence.OddBasic
}

// sayable reports whether t is what another gateway makes of p alone.
func sayable(p *Presence, t *presence.Service, now time.Time) bool {
	// The contact of a phone is no JID, and who is unavailable has none.
	if p.Unavailable != (t.Contact == nil) || t.Contact != nil && !contactOf(p, t.Contact.URI) {
		return false
	}
	if !p.Idle.IsZero() && !wholeSeconds(p.Idle) || !wholeSeconds(t.Timestamp) || now.Sub(t.Timestamp) <= StampAge {
		return false
	}
	q := *p
	q.From = presence.Addr{}
	d := tupleOf(q, now)
	if t.Contact != nil {
		c := presence.Contact{URI: t.Contact.URI}
		if d.Contact != nil {
			c.Priority = d.Contact.Priority
		}
		d.Contact = &c
	}
	if d.UserInput != nil && t.UserInput != nil {
		d.UserInput.IdleThreshold = t.UserInput.IdleThreshold // for each to find out
	}
	return presence.Equal(&presence.State{Services: []presence.Service{d}}, &presence.State{Services: []presence.Service{*t}})
}

// contactOf reports whether uri is what tupleOf makes of the JID of p's
// resource, at an address that p does not tell.
func contactOf(p *Presence, uri string) bool {
	at := presence.Addr{Scheme: presence.XMPP, Host: "h.invalid"}
	_, resource, _ := strings.Cut(xmppURI(Presence{From: at, Resource: p.Resource}), at.Host)
	return strings.HasPrefix(uri, "xmpp:") && strings.HasSuffix(uri, resource)
}

// StampAge is the age from which a presence stanza tells the time of a state
// (XEP-0203).
const StampAge = time.Minute

// wholeSeconds reports whether t is as a stanza tells times: in UTC, without a
// fraction of a second.
func wholeSeconds(t time.Time) bool {
	_, offset := t.Zone()
	return offset == 0 && t.Nanosecond() == 0
}

// fromExact returns old with what p carries in place of what p's resource and
// the document said before. ok is false when p cannot be meant: its tuples are
// not those of its resource, or have ids of other resources' tuples.
func fromExact(old *presence.State, p Presence) (s *presence.State, ok bool) {
	e := p.Exact
	s = &presence.State{Persons: e.Persons, Devices: e.Devices, Notes: e.Notes, Attrs: e.Attrs}
	s.Ext = append(slices.Clone(e.Ext), p.Lineage.raw())
	ids := make(map[string]bool)
	add := func(t presence.Service) bool {
		fresh := !ids[t.ID]
		ids[t.ID] = true
		s.Services = append(s.Services, t)
		return fresh
	}
	ok = lineageAt(e) < 0
	own, others := byResource(e.Services, p.Resource)
	put := false
	if old != nil {
		was, _ := byResource(old.Services, p.Resource)
		for i := range old.Services {
			switch {
			case hidden(&old.Services[i]):
			case !slices.ContainsFunc(was, func(t presence.Service) bool { return t.ID == old.Services[i].ID }):
				ok = add(old.Services[i]) && ok
			case !put:
				put = true
				for _, t := range own {
					ok = add(t) && ok
				}
			}
		}
	}
	if !put {
		for _, t := range own {
			ok = add(t) && ok
		}
	}
	for _, t := range others {
		ok = hidden(&t) && add(t) && ok
	}
	return s, ok && len(s.Services) <= maxCarried
}

// maxCarried is how many tuples a state that came by side channels may have.
const maxCarried = 250

// byResource splits services into those that resource's presence shows and all
// else.
func byResource(services []presence.Service, resource string) (own, others []presence.Service) {
	names := resourceNames(services)
	for i := range services {
		if names[i] == resource && !hidden(&services[i]) {
			own = append(own, services[i])
		} else {
			others = append(others, services[i])
		}
	}
	return own, others
}

// withoutExact makes s, which a stanza of resource without a side channel is
// to change, one without what belonged to no tuple of an earlier stanza that
// had one, and gives the resource's tuple the id that follows from its name.
func withoutExact(s *presence.State, resource, id string) {
	s.Services = slices.Clone(s.Services)
	if lineageAt(s) >= 0 {
		s.Persons, s.Devices, s.Notes, s.Ext, s.Attrs = nil, nil, nil, nil, nil
		s.Services = slices.DeleteFunc(s.Services, func(t presence.Service) bool { return hidden(&t) })
	}
	names := resourceNames(s.Services)
	out := s.Services[:0]
	renamed := false
	for i, t := range s.Services {
		if names[i] == resource {
			if renamed {
				continue
			}
			t.ID, renamed = id, true
		}
		out = append(out, t)
	}
	s.Services = out
}
