package pidf

import (
	"strconv"

	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/mapping/xmltext"
)

// tuple writes a service in the order of RFC 3863 §4.4: status, extensions,
// contact, notes, timestamp.
func (e *encoder) tuple(t *presence.Service) {
	e.open(elTuple)
	e.attr(` id="`, t.ID)
	e.attrs(t.Attrs)
	e.gt()
	e.status(t)
	e.leaf(elRPIDClass, t.Class)
	e.choice(elRPIDPrivacy, t.Privacy, nsRPID)
	e.choice(elRPIDRelationship, t.Relationship, nsRPID)
	e.choice(elRPIDServiceClass, t.ServiceClass, nsRPID)
	e.icons(t.StatusIcons)
	e.userInput(t.UserInput)
	e.serviceOMA(&t.OMA)
	e.caps(elCapsServcaps, t.Caps)
	e.card(&t.Card)
	e.timed(t.Timed)
	for _, id := range t.DeviceIDs {
		e.leaf(elDMDeviceID, id)
	}
	e.raws(t.Geo)
	e.raws(t.Ext)
	if c := t.Contact; c != nil {
		e.open(elContact)
		if validPriority(c.Priority) {
			e.attr(` priority="`, c.Priority)
		}
		e.gt()
		e.b = xmltext.AppendText(e.b, c.URI)
		e.close(elContact)
	}
	e.notes(elNote, t.Notes)
	e.time(elTimestamp, t.Timestamp)
	e.close(elTuple)
}

// status writes <status>; basic comes first, since clients demand it.
func (e *encoder) status(t *presence.Service) {
	e.open(elStatus)
	if t.Basic == presence.NoBasic && t.Show == "" && len(t.StatusExt) == 0 {
		e.empty()
		return
	}
	e.gt()
	e.basic(elBasic, t.Basic)
	if t.Basic == presence.OddBasic {
		e.text(elBasic, t.BasicText)
	}
	if t.Show != "" {
		// RFC 8048 §6.2: the show of the XMPP side.
		e.b = append(e.b, `<show xmlns="jabber:client">`...)
		e.b = xmltext.AppendText(e.b, t.Show)
		e.b = append(e.b, "</show>"...)
	}
	e.raws(t.StatusExt)
	e.close(elStatus)
}

// person writes <dm:person> (RFC 4479 §5): the elements, then notes and
// timestamp.
func (e *encoder) person(p *presence.Person) {
	e.open(elDMPerson)
	e.attr(` id="`, p.ID)
	e.attrs(p.Attrs)
	e.gt()
	e.choice(elRPIDActivities, (*presence.Choice)(p.Activities), nsRPID)
	e.leaf(elRPIDClass, p.Class)
	e.choice(elRPIDMood, (*presence.Choice)(p.Mood), nsRPID)
	e.placeIs(p.PlaceIs)
	e.choice(elRPIDPlaceType, p.PlaceType, nsLT)
	e.choice(elRPIDPrivacy, p.Privacy, nsRPID)
	e.choice(elRPIDSphere, p.Sphere, nsRPID)
	e.icons(p.StatusIcons)
	e.timeOffset(p.TimeOffset)
	e.userInput(p.UserInput)
	e.onOff(elOPOverridingWillingness, p.OMA.OverridingWillingness)
	for _, l := range p.OMA.Links {
		e.link(l)
	}
	e.card(&p.Card)
	e.raws(p.Geo)
	e.raws(p.Ext)
	e.notes(elDMNote, p.Notes)
	e.time(elDMTimestamp, p.Timestamp)
	e.close(elDMPerson)
}

// device writes <dm:device> (RFC 4479 §5): the elements, then deviceID, notes
// and timestamp.
func (e *encoder) device(v *presence.Device) {
	e.open(elDMDevice)
	e.attr(` id="`, v.ID)
	e.attrs(v.Attrs)
	e.gt()
	e.leaf(elRPIDClass, v.Class)
	e.userInput(v.UserInput)
	e.networks(v.Networks)
	e.caps(elCapsDevcaps, v.Caps)
	e.raws(v.Geo)
	e.raws(v.Ext)
	e.leaf(elDMDeviceID, v.DeviceID)
	e.notes(elDMNote, v.Notes)
	e.time(elDMTimestamp, v.Timestamp)
	e.close(elDMDevice)
}

func (e *encoder) span(r *presence.Range) {
	if r.ID != "" {
		e.attr(` id="`, r.ID)
	}
	e.timeAttr(` from="`, r.From)
	e.timeAttr(` until="`, r.Until)
	e.attrs(r.Attrs)
}

// choice writes an RPID element of notes and values.
func (e *encoder) choice(x *element, c *presence.Choice, own ns) {
	if c == nil {
		return
	}
	e.open(x)
	e.span(&c.Range)
	if len(c.Notes) == 0 && len(c.Values) == 0 {
		e.empty()
		return
	}
	e.gt()
	e.notes(elRPIDNote, c.Notes)
	space, name := loose(x.local)
	for i := range c.Values {
		v := &c.Values[i]
		if v.Name == "" && v.Raw == nil && name != "" {
			e.value(&presence.Value{Space: space, Name: name, Text: v.Text, Lang: v.Lang}, own)
			continue
		}
		e.anyValue(c.Values, i, own)
	}
	e.close(x)
}

// anyValue writes vs[i]; without a name it is loose text.
func (e *encoder) anyValue(vs []presence.Value, i int, own ns) {
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

func (e *encoder) value(v *presence.Value, own ns) {
	n := own
	if v.Space != "" {
		n = ns(spaces[v.Space])
	}
	foreign := n == nsOther || n == nsJabber
	e.openNamed(n, v.Name)
	if foreign {
		e.attr(` xmlns="`, v.Space)
	}
	if v.Lang != "" {
		e.attr(` xml:lang="`, v.Lang)
	}
	if v.Text == "" {
		e.empty()
		return
	}
	e.gt()
	e.b = xmltext.AppendText(e.b, v.Text)
	e.closeNamed(n, v.Name)
}

func (e *encoder) placeIs(p *presence.PlaceIs) {
	if p == nil {
		return
	}
	e.open(elRPIDPlaceIs)
	e.span(&p.Range)
	e.gt()
	e.notes(elRPIDNote, p.Notes)
	e.medium(elRPIDAudio, p.Audio)
	e.medium(elRPIDVideo, p.Video)
	e.medium(elRPIDText, p.Text)
	e.raws(p.Ext)
	e.close(elRPIDPlaceIs)
}

// medium writes what is said of one medium in place-is.
func (e *encoder) medium(x *element, vs []presence.Value) {
	if len(vs) > 0 {
		e.start(x)
		for i := range vs {
			e.anyValue(vs, i, nsRPID)
		}
		e.close(x)
	}
}

func (e *encoder) icons(is []presence.Icon) {
	for i := range is {
		e.open(elRPIDStatusIcon)
		e.span(&is[i].Range)
		e.gt()
		e.b = xmltext.AppendText(e.b, is[i].URI)
		e.close(elRPIDStatusIcon)
	}
}

func (e *encoder) timeOffset(t *presence.TimeOffset) {
	if t == nil {
		return
	}
	e.open(elRPIDTimeOffset)
	e.span(&t.Range)
	if t.Description != "" {
		e.attr(` description="`, t.Description)
	}
	e.gt()
	e.b = strconv.AppendInt(e.b, int64(t.Minutes), 10)
	e.close(elRPIDTimeOffset)
}

func (e *encoder) userInput(u *presence.UserInput) {
	if u == nil {
		return
	}
	e.open(elRPIDUserInput)
	if u.ID != "" {
		e.attr(` id="`, u.ID)
	}
	if u.IdleThreshold > 0 {
		e.b = append(e.b, ` idle-threshold="`...)
		e.b = strconv.AppendInt(e.b, int64(u.IdleThreshold), 10)
		e.b = append(e.b, '"')
	}
	e.timeAttr(` last-input="`, u.LastInput)
	e.attrs(u.Attrs)
	e.gt()
	if u.Idle {
		e.b = append(e.b, "idle"...)
	} else {
		e.b = append(e.b, "active"...)
	}
	e.close(elRPIDUserInput)
}

func (e *encoder) timed(ts []presence.TimedStatus) {
	for i := range ts {
		t := &ts[i]
		e.open(elTimedStatus)
		e.timeAttr(` from="`, t.From)
		e.timeAttr(` until="`, t.Until)
		e.attrs(t.Attrs)
		e.gt()
		e.basic(elTimedBasic, t.Basic)
		e.notes(elTimedNote, t.Notes)
		e.raws(t.Ext)
		e.close(elTimedStatus)
	}
}

func (e *encoder) card(c *presence.CIPID) {
	e.leaf(elCIPIDCard, c.Card)
	e.leaf(elCIPIDDisplayName, c.DisplayName)
	e.leaf(elCIPIDHomepage, c.Homepage)
	e.leaf(elCIPIDIcon, c.Icon)
	e.leaf(elCIPIDMap, c.Map)
	e.leaf(elCIPIDSound, c.Sound)
}

func (e *encoder) serviceOMA(o *presence.ServiceOMA) {
	if d := o.Description; d != nil {
		e.start(elOPServiceDescription)
		e.leaf(elOPServiceID, d.ID)
		e.leaf(elOPVersion, d.Version)
		e.notes(elOPDescription, d.Descriptions)
		e.raws(d.Ext)
		e.close(elOPServiceDescription)
	}
	e.onOff(elOPWillingness, o.Willingness)
	e.onOff(elOPSessionParticipation, o.SessionParticipation)
	e.leaf(elOPRegistrationState, o.RegistrationState)
	e.leaf(elOPBarringState, o.BarringState)
}

func (e *encoder) onOff(x *element, o *presence.OnOff) {
	if o == nil {
		return
	}
	e.open(x)
	if !o.Until.IsZero() {
		e.used |= 1 << nsOPD
		e.timeAttr(` opd:until="`, o.Until)
	}
	e.attrs(o.Attrs)
	e.gt()
	e.basic(elOPBasic, o.Basic)
	e.raws(o.Ext)
	e.close(x)
}

func (e *encoder) link(l presence.Link) {
	e.open(elOPD11Link)
	if l.Label != "" {
		e.attr(` opd11:label="`, l.Label)
	}
	if l.Priority != "" {
		e.attr(` opd11:priority="`, l.Priority)
	}
	e.attrs(l.Attrs)
	e.gt()
	e.b = xmltext.AppendText(e.b, l.URI)
	e.close(elOPD11Link)
}

func (e *encoder) networks(all []presence.Network) {
	if len(all) == 0 {
		return
	}
	e.start(elOPNetworkAvailability)
	for i := range all {
		n := &all[i]
		e.open(elOPNetwork)
		e.attr(` id="`, n.ID)
		e.attrs(n.Attrs)
		e.gt()
		if n.Active {
			e.open(elOPActive)
			e.empty()
		}
		if n.Terminated {
			e.open(elOPTerminated)
			e.empty()
		}
		e.raws(n.Ext)
		e.close(elOPNetwork)
	}
	e.close(elOPNetworkAvailability)
}

func (e *encoder) caps(x *element, c *presence.Caps) {
	if c == nil {
		return
	}
	e.open(x)
	e.attrs(c.Attrs)
	e.gt()
	for i := range c.Items {
		e.capability(&c.Items[i])
	}
	e.raws(c.Ext)
	e.close(x)
}

func (e *encoder) capability(c *presence.Capability) {
	if c.Raw != nil {
		e.b = append(e.b, c.Raw.Bytes...)
		return
	}
	if !xmltext.IsName(c.Name) {
		return
	}
	e.openNamed(nsCaps, c.Name)
	e.gt()
	e.b = xmltext.AppendText(e.b, c.Text)
	e.nameList(elCapsSupported, c.Supported)
	e.nameList(elCapsNotsupported, c.NotSupported)
	e.closeNamed(nsCaps, c.Name)
}

func (e *encoder) nameList(x *element, list []string) {
	if len(list) == 0 {
		return
	}
	e.start(x)
	for _, name := range list {
		if xmltext.IsName(name) {
			e.openNamed(nsCaps, name)
			e.empty()
		}
	}
	e.close(x)
}
