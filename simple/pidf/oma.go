package pidf

import (
	"bytes"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// tupleOMA reads an element of OMA's presence data extensions in a tuple.
func (d *decoder) tupleOMA(t *presence.Service) (handled bool, err error) {
	o := &t.OMA
	switch string(d.Local) {
	case "service-description":
		if o.Description == nil {
			return true, d.description(t)
		}
	case "willingness":
		if o.Willingness == nil {
			return true, d.onOff(&o.Willingness)
		}
	case "session-participation":
		if o.SessionParticipation == nil {
			return true, d.onOff(&o.SessionParticipation)
		}
	case "registration-state":
		if o.RegistrationState == "" && len(d.Attrs) == 0 {
			return true, d.word(&o.RegistrationState)
		}
	case "barring-state":
		if o.BarringState == "" && len(d.Attrs) == 0 {
			return true, d.word(&o.BarringState)
		}
	}
	return false, nil
}

// description reads <op:service-description>; white space collapses, since
// some clients write a leading blank.
func (d *decoder) description(t *presence.Service) error {
	sd := &presence.ServiceDescription{}
	t.OMA.Description = sd
	return d.Each(func() error {
		if ns(d.SpaceID) == nsOP {
			switch string(d.Local) {
			case "service-id":
				return d.collapsed(&sd.ID)
			case "version":
				return d.collapsed(&sd.Version)
			case "description":
				n := presence.Note{Lang: d.lang()}
				err := d.collapsed(&n.Text)
				sd.Descriptions = append(sd.Descriptions, n)
				return err
			}
		}
		return d.raw(&sd.Ext)
	})
}

// collapsed reads an xs:token, unless *dst has one.
func (d *decoder) collapsed(dst *string) error {
	b, _, err := d.ContentBytes()
	if err != nil || *dst != "" {
		return err
	}
	*dst = d.text(bytes.Join(bytes.FieldsFunc(b, func(r rune) bool { return r < 0x80 && isSpace(byte(r)) }), []byte(" ")))
	return nil
}

// onOff reads an element with a basic of its own and perhaps opd:until.
func (d *decoder) onOff(dst **presence.OnOff) error {
	o := &presence.OnOff{}
	*dst = o
	for i := range d.Attrs {
		a := &d.Attrs[i]
		if ns(a.SpaceID) == nsOPD && string(a.Local) == "until" {
			if t, ok := parseTime(a.Value); ok {
				o.Until = t
				continue
			}
		}
		d.attr(&o.Attrs, a)
	}
	return d.Each(func() error {
		if ns(d.SpaceID) == nsOP && string(d.Local) == "basic" {
			return d.plainBasic(&o.Basic, &o.Ext)
		}
		return d.raw(&o.Ext)
	})
}

// link reads <opd11:link>, whose attributes are of its namespace, or of none.
func (d *decoder) link(p *presence.Person) error {
	var l presence.Link
	for i := range d.Attrs {
		a := &d.Attrs[i]
		if len(a.Space) == 0 || ns(a.SpaceID) == nsOPD11 {
			switch string(a.Local) {
			case "label":
				l.Label = d.text(a.Value)
				continue
			case "priority":
				l.Priority = d.text(a.Value)
				continue
			}
		}
		d.attr(&l.Attrs, a)
	}
	err := d.word(&l.URI)
	p.OMA.Links = append(p.OMA.Links, l)
	return err
}

// networks reads <op:network-availability>. One that has more in it than
// networks is carried as it stands.
func (d *decoder) networks(v *presence.Device) error {
	mark := d.Mark()
	plain := len(d.Attrs) == 0
	var all []presence.Network
	err := d.Each(func() error {
		if ns(d.SpaceID) != nsOP || string(d.Local) != "network" {
			plain = false
			return d.Skip()
		}
		all = append(all, presence.Network{})
		return d.network(&all[len(all)-1])
	})
	if err != nil {
		return err
	}
	if !plain || len(all) == 0 {
		d.Rewind(mark)
		return d.raw(&v.Ext)
	}
	v.Networks = all
	return nil
}

func (d *decoder) network(n *presence.Network) error {
	n.ID, n.Attrs = d.attrs("id")
	return d.Each(func() error {
		if ns(d.SpaceID) == nsOP && len(d.Attrs) == 0 {
			switch string(d.Local) {
			case "active":
				n.Active = true
				return d.Skip()
			case "terminated":
				n.Terminated = true
				return d.Skip()
			}
		}
		return d.raw(&n.Ext)
	})
}
