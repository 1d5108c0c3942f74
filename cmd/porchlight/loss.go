package main

import (
	"fmt"
	"io"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// losses are the reasons why an element does not come through a format.
var losses = map[string]string{
	"xmpp": "a presence stanza has show, status, priority and resource only (RFC 6121 §4.7, RFC 8048 §6.3)",
	"json": "the JSON document carries no XML of other namespaces",
	"pidf": "PIDF has no place for it",
}

// report tells what state said and back, which went through the format to, no
// longer says.
func report(w io.Writer, state, back *presence.State, to string) {
	before, after := elements(state), elements(back)
	lost := 0
	for _, e := range before.names {
		n := before.count[e] - after.count[e]
		if n <= 0 {
			continue
		}
		if lost == 0 {
			fmt.Fprintf(w, "Lost on the way to %s:\n", to)
		}
		lost++
		fmt.Fprintf(w, "  %s\n", e)
	}
	if lost == 0 {
		fmt.Fprintf(w, "Nothing is lost on the way to %s.\n", to)
		return
	}
	fmt.Fprintf(w, "Why: %s.\n", losses[to])
}

// inventory counts what a state says.
type inventory struct {
	names []string // in the order of the document
	count map[string]int
}

func (v *inventory) add(present bool, format string, args ...any) {
	if !present {
		return
	}
	name := fmt.Sprintf(format, args...)
	if v.count[name] == 0 {
		v.names = append(v.names, name)
	}
	v.count[name]++
}

// elements lists what s says, in plain words.
func elements(s *presence.State) *inventory {
	v := &inventory{count: map[string]int{}}
	for i := range s.Services {
		v.service(&s.Services[i])
	}
	for i := range s.Persons {
		v.person(&s.Persons[i])
	}
	for _, d := range s.Devices {
		v.add(true, "device %s", d.DeviceID)
	}
	v.notes("the document", s.Notes)
	v.raw("the document", s.Ext)
	return v
}

func (v *inventory) service(t *presence.Service) {
	where := "tuple " + t.ID
	v.add(t.Basic == presence.Open || t.Basic == presence.Closed, "basic status of a tuple")
	v.add(t.Contact != nil && t.Contact.URI != "", "contact of %s", where)
	v.add(!t.Timestamp.IsZero(), "timestamp of %s", where)
	v.notes("a tuple", t.Notes)
	v.add(t.Class != "", "class of %s", where)
	v.add(t.Privacy != nil, "privacy of %s", where)
	v.add(t.Relationship != nil, "relationship of %s", where)
	v.add(t.ServiceClass != nil, "service-class of %s", where)
	v.add(len(t.StatusIcons) > 0, "status-icon of %s", where)
	v.add(len(t.DeviceIDs) > 0, "deviceID of %s", where)
	v.add(t.Caps != nil, "capabilities of %s", where)
	v.add(len(t.Timed) > 0, "timed-status of %s", where)
	v.add(t.OMA.Description != nil, "service-description of %s", where)
	v.add(t.Card != (presence.CIPID{}), "contact card of %s", where)
	v.add(len(t.Geo) > 0, "location of %s", where)
	v.raw(where, t.Ext)
	v.raw("the status of "+where, t.StatusExt)
}

func (v *inventory) person(p *presence.Person) {
	if p.Activities != nil {
		for _, a := range p.Activities.Values {
			v.add(true, "activity %s", a.Name)
		}
	}
	if p.Mood != nil {
		for _, m := range p.Mood.Values {
			v.add(true, "mood %s", m.Name)
		}
	}
	v.add(p.PlaceIs != nil, "place-is")
	v.add(p.PlaceType != nil, "place-type")
	v.add(p.Privacy != nil, "privacy of the person")
	v.add(p.Sphere != nil, "sphere")
	v.add(len(p.StatusIcons) > 0, "status-icon of the person")
	v.add(p.TimeOffset != nil, "time-offset")
	v.add(p.UserInput != nil && p.UserInput.Idle, "idle time of the person")
	v.add(p.Class != "", "class of the person")
	v.add(p.Card != (presence.CIPID{}), "contact card of the person")
	v.add(len(p.Geo) > 0, "location of the person")
	v.add(p.OMA.OverridingWillingness != nil, "overriding-willingness")
	v.notes("the person", p.Notes)
	v.raw("the person", p.Ext)
}

func (v *inventory) notes(where string, ns []presence.Note) {
	for _, n := range ns {
		v.add(true, "note %q of %s", n.Text, where)
	}
}

func (v *inventory) raw(where string, rs []presence.RawXML) {
	for _, r := range rs {
		v.add(true, "element {%s}%s of %s", r.Space, r.Local, where)
	}
}
