package mapping

import (
	"slices"
	"strings"

	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/mapping/xmltext"
)

// The namespaces of OMA's presence data extensions and of RFC 5196.
const (
	omaSpace  = "urn:oma:xml:prs:pidf:oma-pres"
	capsSpace = "urn:ietf:params:xml:ns:pidf:caps"
)

// bareTuples leaves in the tuples nothing but elements of PIDF, OMA and
// capabilities: Android chooses the elements of a tuple by their local names
// at any depth, and drops the tuple when one is of another namespace. What of
// the rest is true of the person goes there. A tuple whose status must not be
// interpreted goes altogether (RFC 3863 §4.2.3).
func (d *draft) bareTuples() {
	d.Services = without(d.Services, func(t presence.Service) bool { return t.NotUnderstood })
	for i := range d.Services {
		d.giveToPerson(&d.Services[i])
	}
	for i := range d.Services {
		t := &d.Services[i]
		if t.OMA.Description != nil && t.Basic == presence.NoBasic {
			// Without one it would be read as closed as well.
			t.Basic = presence.Closed
			if reachOf(t) == reachable || words[t.Show] != "" {
				t.Basic = presence.Open
			}
		}
		*t = bareService(t)
	}
	d.noOtherTuples()
	// What the tuples said beside basic, the person says.
	if vs := spoken[d.word]; vs != nil && d.rules.Effective(d.State, d.now).Word != d.word {
		d.say(vs)
	}
}

// noOtherTuples leaves out what is nowhere understood and looks like a tuple.
func (d *draft) noOtherTuples() {
	like := func(x presence.RawXML) bool {
		return strings.Contains(x.Bytes, "tuple") || strings.Contains(x.Bytes, "presence>")
	}
	d.Ext = without(d.Ext, like)
	for i := range d.Persons {
		p := &d.Persons[i]
		p.Ext, p.Geo = without(p.Ext, like), without(p.Geo, like)
	}
	d.Devices = slices.Clone(d.Devices)
	for i := range d.Devices {
		v := &d.Devices[i]
		v.Ext, v.Geo = without(v.Ext, like), without(v.Geo, like)
	}
}

// say makes the person's activities say what vs do, in place of those that say
// another word.
func (d *draft) say(vs []presence.Value) {
	p := d.person()
	var a presence.Activities
	if p.Activities != nil && during(p.Activities.Range, d.now) {
		a = *p.Activities
	}
	silent := without(a.Values, func(v presence.Value) bool {
		m, _ := d.rules.meaningOf(&v)
		return m.word != ""
	})
	a.Values = append(slices.Clip(vs), silent...)
	p.Activities = &a
}

// giveToPerson gives the person what t says and RFC 4480 §3.1 Table 1 and RFC
// 4482 §3 allow for a person too, unless the person has it, and what stands in
// the tuple of an RCS service without being understood. Relationship, service
// class, the class of a service and timed status are of a service alone.
func (d *draft) giveToPerson(t *presence.Service) {
	foreign := func(x presence.RawXML) bool { return x.Space != omaSpace && x.Space != capsSpace }
	var ext []presence.RawXML
	if t.OMA.Description != nil {
		ext = without(t.Ext, func(x presence.RawXML) bool { return !foreign(x) })
	}
	if t.Privacy == nil && len(t.StatusIcons) == 0 && t.UserInput == nil && t.Card == (presence.CIPID{}) &&
		len(t.Geo) == 0 && len(ext) == 0 {
		return
	}
	p := d.person()
	if p.Privacy == nil {
		p.Privacy = t.Privacy
	}
	if len(p.StatusIcons) == 0 {
		p.StatusIcons = t.StatusIcons
	}
	if p.Card == (presence.CIPID{}) {
		p.Card = t.Card
	}
	if p.UserInput == nil {
		p.UserInput = joinedInput(d.Services)
	}
	p.Geo, p.Ext = withAll(p.Geo, t.Geo), withAll(p.Ext, ext)
}

// withAll is list and what of more is not in it; list is not changed.
func withAll(list, more []presence.RawXML) []presence.RawXML {
	for _, x := range more {
		if !slices.Contains(list, x) {
			list = append(slices.Clip(list), x)
		}
	}
	return list
}

// joinedInput is what all services together say of input at them.
func joinedInput(services []presence.Service) *presence.UserInput {
	var best *presence.UserInput
	for i := range services {
		u := services[i].UserInput
		if u == nil || best != nil && (!best.Idle || u.Idle && !u.LastInput.After(best.LastInput)) {
			continue
		}
		best = u
	}
	return best
}

// bareService is t without what Android cannot read.
func bareService(t *presence.Service) presence.Service {
	b := presence.Service{
		ID: t.ID, Basic: t.Basic, BasicText: t.BasicText, Contact: t.Contact, Notes: t.Notes, Timestamp: t.Timestamp,
		Caps: bareCaps(t.Caps), OMA: t.OMA,
	}
	b.OMA.Description = bareDescription(t.OMA.Description)
	b.OMA.Willingness = bareOnOff(t.OMA.Willingness)
	b.OMA.SessionParticipation = bareOnOff(t.OMA.SessionParticipation)
	return b
}

// bareDescription is d without foreign elements, nil when its version is not
// two numbers and a point: the phone's parser would fail.
func bareDescription(d *presence.ServiceDescription) *presence.ServiceDescription {
	if d == nil || d.ID == "" || !twoNumbers(d.Version) {
		return nil
	}
	if len(d.Ext) == 0 {
		return d
	}
	c := *d
	c.Ext = nil
	return &c
}

// twoNumbers reports whether v is "n.n", each of at most nine digits.
func twoNumbers(v string) bool {
	major, minor, ok := strings.Cut(v, ".")
	number := func(s string) bool {
		return len(s) > 0 && len(s) <= 9 && strings.Trim(s, "0123456789") == ""
	}
	return ok && number(major) && number(minor)
}

func bareOnOff(o *presence.OnOff) *presence.OnOff {
	if o == nil || len(o.Ext) == 0 && len(o.Attrs) == 0 {
		return o
	}
	return &presence.OnOff{Basic: o.Basic, Until: o.Until}
}

// bareCaps is c with nothing foreign in it, and each direction of duplex in
// an element of its own with no space around it, as Android writes and reads
// it.
func bareCaps(c *presence.Caps) *presence.Caps {
	if c == nil {
		return nil
	}
	b := &presence.Caps{Items: make([]presence.Capability, 0, len(c.Items))}
	for _, item := range c.Items {
		switch {
		case item.Raw != nil && strings.Count(item.Raw.Bytes, "xmlns") > 1:
			continue // more namespaces than its own
		case item.Raw != nil:
			raw := *item.Raw
			raw.Bytes = compact(raw.Bytes)
			item.Raw = &raw
		case item.Name == "duplex" && (len(item.Supported) > 1 || len(item.NotSupported) > 1):
			item = presence.Capability{Name: item.Name, Raw: splitDuplex(&item)}
		}
		b.Items = append(b.Items, item)
	}
	return b
}

// compact takes away white space between the tags of an element.
func compact(s string) string {
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '>')
		if i < 0 {
			return b.String() + s
		}
		b.WriteString(s[:i+1])
		s = s[i+1:]
		if rest := strings.TrimLeft(s, " \t\r\n"); strings.HasPrefix(rest, "<") {
			s = rest
		}
	}
}

// splitDuplex is a duplex capability with one supported or notsupported for
// each direction.
func splitDuplex(c *presence.Capability) *presence.RawXML {
	var b strings.Builder
	b.WriteString(`<duplex xmlns="` + capsSpace + `">`)
	for _, list := range []struct {
		name   string
		values []string
	}{{"supported", c.Supported}, {"notsupported", c.NotSupported}} {
		for _, v := range list.values {
			if xmltext.IsName(v) {
				b.WriteString("<" + list.name + "><" + v + "/></" + list.name + ">")
			}
		}
	}
	b.WriteString("</duplex>")
	return &presence.RawXML{Space: capsSpace, Local: "duplex", Bytes: b.String()}
}
