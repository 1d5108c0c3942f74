package pidf

import (
	"strconv"

	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/mapping/xmltext"
)

// tuple writes a service in the order of RFC 3863 §4.4: status, extensions,
// contact, notes, timestamp.
func (e *encoder) tuple(t *presence.Service) {
	e.open(nsPIDF, "tuple")
	e.attr("id", t.ID)
	e.attrs(t.Attrs)
	e.gt()
	e.status(t)
	e.leaf(nsRPID, "class", t.Class)
	e.choice("privacy", t.Privacy, nsRPID)
	e.choice("relationship", t.Relationship, nsRPID)
	e.choice("service-class", t.ServiceClass, nsRPID)
	e.icons(t.StatusIcons)
	e.userInput(t.UserInput)
	e.serviceOMA(&t.OMA)
	e.caps("servcaps", t.Caps)
	e.card(&t.Card)
	e.timed(t.Timed)
	for _, id := range t.DeviceIDs {
		e.leaf(nsDM, "deviceID", id)
	}
	e.raws(t.Geo)
	e.raws(t.Ext)
	if c := t.Contact; c != nil {
		e.open(nsPIDF, "contact")
		if validPriority(c.Priority) {
			e.attr("priority", c.Priority)
		}
		e.gt()
		e.b = xmltext.AppendText(e.b, c.URI)
		e.close(nsPIDF, "contact")
	}
	e.notes(nsPIDF, t.Notes)
	e.time(nsPIDF, "timestamp", t.Timestamp)
	e.close(nsPIDF, "tuple")
}

// status writes <status>; basic comes first, since clients demand it.
func (e *encoder) status(t *presence.Service) {
	e.open(nsPIDF, "status")
	if t.Basic == presence.NoBasic && t.Show == "" && len(t.StatusExt) == 0 {
		e.empty()
		return
	}
	e.gt()
	e.basic(nsPIDF, t.Basic)
	if t.Basic == presence.OddBasic {
		e.open(nsPIDF, "basic")
		e.gt()
		e.b = xmltext.AppendText(e.b, t.BasicText)
		e.close(nsPIDF, "basic")
	}
	if t.Show != "" {
		// RFC 8048 §6.2: the show of the XMPP side.
		e.b = append(e.b, `<show xmlns="jabber:client">`...)
		e.b = xmltext.AppendText(e.b, t.Show)
		e.b = append(e.b, "</show>"...)
	}
	e.raws(t.StatusExt)
	e.close(nsPIDF, "status")
}

// person writes <dm:person> (RFC 4479 §5): the elements, then notes and
// timestamp.
func (e *encoder) person(p *presence.Person) {
	e.open(nsDM, "person")
	e.attr("id", p.ID)
	e.attrs(p.Attrs)
	e.gt()
	e.choice("activities", (*presence.Choice)(p.Activities), nsRPID)
	e.leaf(nsRPID, "class", p.Class)
	e.choice("mood", (*presence.Choice)(p.Mood), nsRPID)
	e.placeIs(p.PlaceIs)
	e.choice("place-type", p.PlaceType, nsLT)
	e.choice("privacy", p.Privacy, nsRPID)
	e.choice("sphere", p.Sphere, nsRPID)
	e.icons(p.StatusIcons)
	e.timeOffset(p.TimeOffset)
	e.userInput(p.UserInput)
	e.onOff("overriding-willingness", p.OMA.OverridingWillingness)
	for _, l := range p.OMA.Links {
		e.link(l)
	}
	e.card(&p.Card)
	e.raws(p.Geo)
	e.raws(p.Ext)
	e.notes(nsDM, p.Notes)
	e.time(nsDM, "timestamp", p.Timestamp)
	e.close(nsDM, "person")
}

// device writes <dm:device> (RFC 4479 §5): the elements, then deviceID, notes
// and timestamp.
func (e *encoder) device(v *presence.Device) {
	e.open(nsDM, "device")
	e.attr("id", v.ID)
	e.attrs(v.Attrs)
	e.gt()
	e.leaf(nsRPID, "class", v.Class)
	e.userInput(v.UserInput)
	e.networks(v.Networks)
	e.caps("devcaps", v.Caps)
	e.raws(v.Geo)
	e.raws(v.Ext)
	e.leaf(nsDM, "deviceID", v.DeviceID)
	e.notes(nsDM, v.Notes)
	e.time(nsDM, "timestamp", v.Timestamp)
	e.close(nsDM, "device")
}

func (e *encoder) span(r *presence.Range) {
	if r.ID != "" {
		e.attr("id", r.ID)
	}
	e.timeAttr("from", r.From)
	e.timeAttr("until", r.Until)
	e.attrs(r.Attrs)
}

// choice writes an RPID element of notes and values.
func (e *encoder) choice(local string, c *presence.Choice, own ns) {
	if c == nil {
		return
	}
	e.open(nsRPID, local)
	e.span(&c.Range)
	if len(c.Notes) == 0 && len(c.Values) == 0 {
		e.empty()
		return
	}
	e.gt()
	e.notes(nsRPID, c.Notes)
	if space, name := loose(local); name != "" {
		e.named(c.Values, space, name, own)
	} else {
		e.values(c.Values, own)
	}
	e.close(nsRPID, local)
}

func (e *encoder) values(vs []presence.Value, own ns) {
	for i := range vs {
		v := &vs[i]
		switch {
		case v.Raw != nil:
			e.b = append(e.b, v.Raw.Bytes...)
		case v.Name == "":
			if i > 0 && vs[i-1].Name == "" {
				e.b = append(e.b, ' ')
			}
			e.b = xmltext.AppendText(e.b, v.Text)
		case xmltext.IsName(v.Name):
			e.value(v, own)
		}
	}
}

// named writes values, and those without a name as space and name.
func (e *encoder) named(vs []presence.Value, space, name string, own ns) {
	for i := range vs {
		if vs[i].Name == "" && vs[i].Raw == nil {
			e.value(&presence.Value{Space: space, Name: name, Text: vs[i].Text, Lang: vs[i].Lang}, own)
			continue
		}
		e.values(vs[i:i+1], own)
	}
}

func (e *encoder) value(v *presence.Value, own ns) {
	n := own
	if v.Space != "" {
		n = ns(spaces[v.Space])
	}
	foreign := n == nsOther || n == nsJabber
	e.open(n, v.Name)
	if foreign {
		e.attr("xmlns", v.Space)
	}
	if v.Lang != "" {
		e.attr("xml:lang", v.Lang)
	}
	if v.Text == "" {
		e.empty()
		return
	}
	e.gt()
	e.b = xmltext.AppendText(e.b, v.Text)
	e.close(n, v.Name)
}

func (e *encoder) placeIs(p *presence.PlaceIs) {
	if p == nil {
		return
	}
	e.open(nsRPID, "place-is")
	e.span(&p.Range)
	e.gt()
	e.notes(nsRPID, p.Notes)
	for _, m := range []struct {
		local string
		vs    []presence.Value
	}{{"audio", p.Audio}, {"video", p.Video}, {"text", p.Text}} {
		if len(m.vs) > 0 {
			e.open(nsRPID, m.local)
			e.gt()
			e.values(m.vs, nsRPID)
			e.close(nsRPID, m.local)
		}
	}
	e.raws(p.Ext)
	e.close(nsRPID, "place-is")
}

func (e *encoder) icons(is []presence.Icon) {
	for i := range is {
		e.open(nsRPID, "status-icon")
		e.span(&is[i].Range)
		e.gt()
		e.b = xmltext.AppendText(e.b, is[i].URI)
		e.close(nsRPID, "status-icon")
	}
}

func (e *encoder) timeOffset(t *presence.TimeOffset) {
	if t == nil {
		return
	}
	e.open(nsRPID, "time-offset")
	e.span(&t.Range)
	if t.Description != "" {
		e.attr("description", t.Description)
	}
	e.gt()
	e.b = strconv.AppendInt(e.b, int64(t.Minutes), 10)
	e.close(nsRPID, "time-offset")
}

func (e *encoder) userInput(u *presence.UserInput) {
	if u == nil {
		return
	}
	e.open(nsRPID, "user-input")
	if u.ID != "" {
		e.attr("id", u.ID)
	}
	if u.IdleThreshold > 0 {
		e.b = append(e.b, ` idle-threshold="`...)
		e.b = strconv.AppendInt(e.b, int64(u.IdleThreshold), 10)
		e.b = append(e.b, '"')
	}
	e.timeAttr("last-input", u.LastInput)
	e.attrs(u.Attrs)
	e.gt()
	if u.Idle {
		e.b = append(e.b, "idle"...)
	} else {
		e.b = append(e.b, "active"...)
	}
	e.close(nsRPID, "user-input")
}

func (e *encoder) timed(ts []presence.TimedStatus) {
	for i := range ts {
		t := &ts[i]
		e.open(nsTimed, "timed-status")
		e.timeAttr("from", t.From)
		e.timeAttr("until", t.Until)
		e.attrs(t.Attrs)
		e.gt()
		e.basic(nsTimed, t.Basic)
		e.notes(nsTimed, t.Notes)
		e.raws(t.Ext)
		e.close(nsTimed, "timed-status")
	}
}

func (e *encoder) card(c *presence.CIPID) {
	e.leaf(nsCIPID, "card", c.Card)
	e.leaf(nsCIPID, "display-name", c.DisplayName)
	e.leaf(nsCIPID, "homepage", c.Homepage)
	e.leaf(nsCIPID, "icon", c.Icon)
	e.leaf(nsCIPID, "map", c.Map)
	e.leaf(nsCIPID, "sound", c.Sound)
}

func (e *encoder) serviceOMA(o *presence.ServiceOMA) {
	if d := o.Description; d != nil {
		e.open(nsOP, "service-description")
		e.gt()
		e.leaf(nsOP, "service-id", d.ID)
		e.leaf(nsOP, "version", d.Version)
		for _, n := range d.Descriptions {
			e.lang(nsOP, "description", n)
		}
		e.raws(d.Ext)
		e.close(nsOP, "service-description")
	}
	e.onOff("willingness", o.Willingness)
	e.onOff("session-participation", o.SessionParticipation)
	e.leaf(nsOP, "registration-state", o.RegistrationState)
	e.leaf(nsOP, "barring-state", o.BarringState)
}

func (e *encoder) onOff(local string, o *presence.OnOff) {
	if o == nil {
		return
	}
	e.open(nsOP, local)
	if !o.Until.IsZero() {
		e.used[nsOPD] = true
		e.timeAttr("opd:until", o.Until)
	}
	e.attrs(o.Attrs)
	e.gt()
	e.basic(nsOP, o.Basic)
	e.raws(o.Ext)
	e.close(nsOP, local)
}

func (e *encoder) link(l presence.Link) {
	e.open(nsOPD11, "link")
	if l.Label != "" {
		e.attr("opd11:label", l.Label)
	}
	if l.Priority != "" {
		e.attr("opd11:priority", l.Priority)
	}
	e.attrs(l.Attrs)
	e.gt()
	e.b = xmltext.AppendText(e.b, l.URI)
	e.close(nsOPD11, "link")
}

func (e *encoder) networks(all []presence.Network) {
	if len(all) == 0 {
		return
	}
	e.open(nsOP, "network-availability")
	e.gt()
	for i := range all {
		n := &all[i]
		e.open(nsOP, "network")
		e.attr("id", n.ID)
		e.attrs(n.Attrs)
		e.gt()
		if n.Active {
			e.open(nsOP, "active")
			e.empty()
		}
		if n.Terminated {
			e.open(nsOP, "terminated")
			e.empty()
		}
		e.raws(n.Ext)
		e.close(nsOP, "network")
	}
	e.close(nsOP, "network-availability")
}

func (e *encoder) caps(local string, c *presence.Caps) {
	if c == nil {
		return
	}
	e.open(nsCaps, local)
	e.attrs(c.Attrs)
	e.gt()
	for i := range c.Items {
		e.capability(&c.Items[i])
	}
	e.raws(c.Ext)
	e.close(nsCaps, local)
}

func (e *encoder) capability(c *presence.Capability) {
	if c.Raw != nil {
		e.b = append(e.b, c.Raw.Bytes...)
		return
	}
	if !xmltext.IsName(c.Name) {
		return
	}
	e.open(nsCaps, c.Name)
	e.gt()
	e.b = xmltext.AppendText(e.b, c.Text)
	e.nameList("supported", c.Supported)
	e.nameList("notsupported", c.NotSupported)
	e.close(nsCaps, c.Name)
}

func (e *encoder) nameList(local string, list []string) {
	if len(list) == 0 {
		return
	}
	e.open(nsCaps, local)
	e.gt()
	for _, name := range list {
		if xmltext.IsName(name) {
			e.open(nsCaps, name)
			e.empty()
		}
	}
	e.close(nsCaps, local)
}
