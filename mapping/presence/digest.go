package presence

import (
	"math/bits"
	"time"
)

// Digest returns a number that is the same for States that are [Equal] and,
// but for the odd chance in 2^64, different for others: an equal digest means
// that there is nothing to notify. It is stable over processes and restarts,
// and is no defence against someone who looks for a collision. The digest of a
// nil State is 0.
func (s *State) Digest() uint64 {
	if s == nil {
		return 0
	}
	d := digest{h: digestSeed}
	d.text(s.Entity)
	each(&d, s.Services, (*digest).service)
	d.notes(s.Notes)
	each(&d, s.Persons, (*digest).person)
	each(&d, s.Devices, (*digest).device)
	d.raws(s.Ext)
	d.attrs(s.Attrs)
	return d.sum()
}

// The odd constants of the mixing, as wyhash has them. A change of these
// changes every digest that is stored.
const (
	digestSeed = 0xa0761d6478bd642f
	digestMix  = 0xe7037ed1a0b428db
)

// digest takes in values one after the other. Each text and each list comes
// with its length, so that no two sequences of values look alike.
type digest struct{ h uint64 }

func (d *digest) sum() uint64 { return mix(d.h, digestMix) }

func mix(h, n uint64) uint64 {
	hi, lo := bits.Mul64(h^digestSeed, n^digestMix)
	return bits.RotateLeft64(h, 29) ^ hi ^ lo
}

func (d *digest) number(n uint64) { d.h = mix(d.h, n) }

func (d *digest) flag(b bool) {
	if b {
		d.number(1)
	} else {
		d.number(2)
	}
}

// text takes in s, eight bytes at a time.
func (d *digest) text(s string) {
	h := mix(d.h, uint64(len(s)))
	for ; len(s) >= 8; s = s[8:] {
		h = mix(h, uint64(s[0])|uint64(s[1])<<8|uint64(s[2])<<16|uint64(s[3])<<24|
			uint64(s[4])<<32|uint64(s[5])<<40|uint64(s[6])<<48|uint64(s[7])<<56)
	}
	var last uint64
	for i := range len(s) {
		last |= uint64(s[i]) << (8 * i)
	}
	d.h = mix(h, last)
}

// time takes in the instant and the offset.
func (d *digest) time(t time.Time) {
	if t.IsZero() {
		d.number(0)
		return
	}
	_, offset := t.Zone()
	d.number(uint64(t.Unix()))
	d.number(uint64(t.Nanosecond())<<32 | uint64(uint32(offset)))
}

// each takes in a list.
func each[T any](d *digest, list []T, one func(*digest, *T)) {
	d.number(uint64(len(list)))
	for i := range list {
		one(d, &list[i])
	}
}

// maybe takes in what p points to, and whether there is something.
func maybe[T any](d *digest, p *T, one func(*digest, *T)) {
	d.flag(p != nil)
	if p != nil {
		one(d, p)
	}
}

func (d *digest) texts(list []string) {
	d.number(uint64(len(list)))
	for _, s := range list {
		d.text(s)
	}
}

func (d *digest) notes(list []Note) {
	d.number(uint64(len(list)))
	for i := range list {
		d.text(list[i].Lang)
		d.text(list[i].Text)
	}
}

func (d *digest) attrs(list []Attr) {
	d.number(uint64(len(list)))
	for i := range list {
		d.text(list[i].Space)
		d.text(list[i].Local)
		d.text(list[i].Value)
	}
}

func (d *digest) raws(list []RawXML) { each(d, list, (*digest).raw) }

func (d *digest) raw(r *RawXML) {
	d.text(r.Space)
	d.text(r.Local)
	d.text(r.Bytes)
}

func (d *digest) service(t *Service) {
	d.text(t.ID)
	d.number(uint64(t.Basic))
	d.text(t.BasicText)
	d.raws(t.StatusExt)
	d.text(t.Show)
	d.flag(t.NotUnderstood)
	maybe(d, t.Contact, (*digest).contact)
	d.notes(t.Notes)
	d.time(t.Timestamp)
	d.text(t.Class)
	d.texts(t.DeviceIDs)
	maybe(d, t.Privacy, (*digest).choice)
	maybe(d, t.Relationship, (*digest).choice)
	maybe(d, t.ServiceClass, (*digest).choice)
	each(d, t.StatusIcons, (*digest).icon)
	maybe(d, t.UserInput, (*digest).userInput)
	each(d, t.Timed, (*digest).timed)
	d.card(&t.Card)
	maybe(d, t.Caps, (*digest).caps)
	d.raws(t.Geo)
	maybe(d, t.OMA.Description, (*digest).description)
	maybe(d, t.OMA.Willingness, (*digest).onOff)
	maybe(d, t.OMA.SessionParticipation, (*digest).onOff)
	d.text(t.OMA.RegistrationState)
	d.text(t.OMA.BarringState)
	d.raws(t.Ext)
	d.attrs(t.Attrs)
}

func (d *digest) person(p *Person) {
	d.text(p.ID)
	d.time(p.Timestamp)
	d.notes(p.Notes)
	maybe(d, (*Choice)(p.Activities), (*digest).choice)
	maybe(d, (*Choice)(p.Mood), (*digest).choice)
	maybe(d, p.PlaceIs, (*digest).placeIs)
	maybe(d, p.PlaceType, (*digest).choice)
	maybe(d, p.Privacy, (*digest).choice)
	maybe(d, p.Sphere, (*digest).choice)
	each(d, p.StatusIcons, (*digest).icon)
	maybe(d, p.TimeOffset, (*digest).timeOffset)
	maybe(d, p.UserInput, (*digest).userInput)
	d.text(p.Class)
	d.card(&p.Card)
	d.raws(p.Geo)
	maybe(d, p.OMA.OverridingWillingness, (*digest).onOff)
	each(d, p.OMA.Links, (*digest).link)
	d.raws(p.Ext)
	d.attrs(p.Attrs)
}

func (d *digest) device(v *Device) {
	d.text(v.ID)
	d.text(v.DeviceID)
	d.time(v.Timestamp)
	d.notes(v.Notes)
	d.text(v.Class)
	maybe(d, v.UserInput, (*digest).userInput)
	maybe(d, v.Caps, (*digest).caps)
	d.raws(v.Geo)
	each(d, v.Networks, (*digest).network)
	d.raws(v.Ext)
	d.attrs(v.Attrs)
}

func (d *digest) contact(c *Contact) {
	d.text(c.URI)
	d.text(c.Priority)
}

func (d *digest) span(r *Range) {
	d.text(r.ID)
	d.time(r.From)
	d.time(r.Until)
	d.attrs(r.Attrs)
}

func (d *digest) value(v *Value) {
	d.text(v.Space)
	d.text(v.Name)
	d.text(v.Text)
	d.text(v.Lang)
	maybe(d, v.Raw, (*digest).raw)
}

func (d *digest) choice(c *Choice) {
	d.span(&c.Range)
	d.notes(c.Notes)
	each(d, c.Values, (*digest).value)
}

func (d *digest) placeIs(p *PlaceIs) {
	d.span(&p.Range)
	d.notes(p.Notes)
	each(d, p.Audio, (*digest).value)
	each(d, p.Video, (*digest).value)
	each(d, p.Text, (*digest).value)
	d.raws(p.Ext)
}

func (d *digest) icon(i *Icon) {
	d.span(&i.Range)
	d.text(i.URI)
}

func (d *digest) timeOffset(t *TimeOffset) {
	d.span(&t.Range)
	d.number(uint64(t.Minutes))
	d.text(t.Description)
}

func (d *digest) userInput(u *UserInput) {
	d.text(u.ID)
	d.flag(u.Idle)
	d.number(uint64(u.IdleThreshold))
	d.time(u.LastInput)
	d.attrs(u.Attrs)
}

func (d *digest) timed(t *TimedStatus) {
	d.time(t.From)
	d.time(t.Until)
	d.number(uint64(t.Basic))
	d.notes(t.Notes)
	d.raws(t.Ext)
	d.attrs(t.Attrs)
}

func (d *digest) card(c *CIPID) {
	if *c == (CIPID{}) {
		d.flag(false)
		return
	}
	d.flag(true)
	d.text(c.Card)
	d.text(c.DisplayName)
	d.text(c.Homepage)
	d.text(c.Icon)
	d.text(c.Map)
	d.text(c.Sound)
}

func (d *digest) caps(c *Caps) {
	each(d, c.Items, (*digest).capability)
	d.raws(c.Ext)
	d.attrs(c.Attrs)
}

func (d *digest) capability(c *Capability) {
	d.text(c.Name)
	d.text(c.Text)
	d.texts(c.Supported)
	d.texts(c.NotSupported)
	maybe(d, c.Raw, (*digest).raw)
}

func (d *digest) onOff(o *OnOff) {
	d.number(uint64(o.Basic))
	d.time(o.Until)
	d.raws(o.Ext)
	d.attrs(o.Attrs)
}

func (d *digest) description(s *ServiceDescription) {
	d.text(s.ID)
	d.text(s.Version)
	d.notes(s.Descriptions)
	d.raws(s.Ext)
}

func (d *digest) link(l *Link) {
	d.text(l.URI)
	d.text(l.Label)
	d.text(l.Priority)
	d.attrs(l.Attrs)
}

func (d *digest) network(n *Network) {
	d.text(n.ID)
	d.flag(n.Active)
	d.flag(n.Terminated)
	d.raws(n.Ext)
	d.attrs(n.Attrs)
}
