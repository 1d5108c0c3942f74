package pidf

import (
	"strings"

	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/mapping/xmltext"
)

// serviceOMA reads an element of OMA's presence data extensions in a tuple.
func (d *decoder) serviceOMA(t *presence.Service, local string) (handled bool, err error) {
	o := &t.OMA
	switch {
	case local == "service-description" && o.Description == nil:
		return true, d.description(t)
	case local == "willingness" && o.Willingness == nil:
		return true, d.onOff(&o.Willingness)
	case local == "session-participation" && o.SessionParticipation == nil:
		return true, d.onOff(&o.SessionParticipation)
	case local == "registration-state" && len(d.Attrs) == 0 && o.RegistrationState == "":
		return true, d.word(&o.RegistrationState)
	case local == "barring-state" && len(d.Attrs) == 0 && o.BarringState == "":
		return true, d.word(&o.BarringState)
	}
	return false, nil
}

// description reads <op:service-description>; white space collapses, since
// some clients write a leading blank.
func (d *decoder) description(t *presence.Service) error {
	sd := &presence.ServiceDescription{}
	t.OMA.Description = sd
	return d.Each(func() error {
		if known(d.Space) == nsOP {
			switch string(d.Local) {
			case "service-id":
				return d.word(&sd.ID)
			case "version":
				return d.word(&sd.Version)
			case "description":
				n := presence.Note{Lang: d.Lang()}
				s, err := d.Content()
				n.Text = strings.Join(strings.Fields(s), " ")
				sd.Descriptions = append(sd.Descriptions, n)
				return err
			}
		}
		return d.raw(&sd.Ext)
	})
}

// onOff reads an element with a basic of its own and perhaps opd:until.
func (d *decoder) onOff(dst **presence.OnOff) error {
	o := &presence.OnOff{}
	*dst = o
	for _, a := range d.Attrs {
		if n := known(a.Space); (n == nsOPD || n == nsOPD11) && string(a.Local) == "until" {
			if t, ok := parseTime(string(a.Value)); ok {
				o.Until = t
				continue
			}
		}
		o.Attrs = append(o.Attrs, attr(a))
	}
	return d.Each(func() error {
		if known(d.Space) == nsOP && string(d.Local) == "basic" {
			return d.basic(&o.Basic, nil)
		}
		return d.raw(&o.Ext)
	})
}

// link reads <opd11:link>.
func (d *decoder) link(p *presence.Person) error {
	var l presence.Link
	for _, a := range d.Attrs {
		switch string(a.Local) {
		case "label":
			l.Label = string(a.Value)
		case "priority":
			l.Priority = string(a.Value)
		default:
			l.Attrs = append(l.Attrs, attr(a))
		}
	}
	err := d.word(&l.URI)
	p.OMA.Links = append(p.OMA.Links, l)
	return err
}

// network reads one network of <op:network-availability>.
func (d *decoder) network(v *presence.Device) error {
	if string(d.Local) != "network" {
		return d.raw(&v.Ext)
	}
	var n presence.Network
	for _, a := range d.Attrs {
		if len(a.Space) == 0 && string(a.Local) == "id" {
			n.ID = string(a.Value)
		} else {
			n.Attrs = append(n.Attrs, attr(a))
		}
	}
	err := d.Each(func() error {
		if known(d.Space) == nsOP && len(d.Attrs) == 0 {
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
	v.Networks = append(v.Networks, n)
	return err
}

// caps reads <caps:servcaps> or <caps:devcaps> (RFC 5196 §3.2, §3.3).
func (d *decoder) caps(dst **presence.Caps) error {
	c := &presence.Caps{}
	*dst = c
	for _, a := range d.Attrs {
		c.Attrs = append(c.Attrs, attr(a))
	}
	return d.Each(func() error {
		if known(d.Space) != nsCaps {
			return d.raw(&c.Ext)
		}
		item, err := d.capability()
		c.Items = append(c.Items, item)
		return err
	})
}

// capability reads one capability. One that is neither text nor lists of names
// is kept as it stands.
func (d *decoder) capability() (presence.Capability, error) {
	c := presence.Capability{Name: string(d.Local)}
	plain := len(d.Attrs) == 0
	mark := d.Mark()
	simple, err := d.lists(&c)
	if err != nil || plain && simple {
		return c, err
	}
	d.Rewind(mark)
	r, err := d.rawElement()
	return presence.Capability{Name: c.Name, Raw: &r}, err
}

// lists reads text, or supported and notsupported lists of empty elements.
func (d *decoder) lists(c *presence.Capability) (simple bool, err error) {
	simple = true
	children := false
	var text strings.Builder
	for {
		kind, err := d.Next()
		if err != nil {
			return false, err
		}
		switch kind {
		case xmltext.Text:
			text.Write(d.Text)
		case xmltext.Start:
			children = true
			var dst *[]string
			switch {
			case known(d.Space) != nsCaps || len(d.Attrs) > 0:
			case string(d.Local) == "supported" && c.Supported == nil:
				dst = &c.Supported
			case string(d.Local) == "notsupported" && c.NotSupported == nil:
				dst = &c.NotSupported
			}
			if dst == nil {
				simple = false
				err = d.Skip()
			} else {
				err = d.nameList(dst, &simple)
			}
			if err != nil {
				return false, err
			}
		default:
			t := strings.TrimSpace(text.String())
			if children && t != "" {
				simple = false
			}
			c.Text = t
			return simple, nil
		}
	}
}

// nameList reads the names of empty elements.
func (d *decoder) nameList(dst *[]string, simple *bool) error {
	*dst = []string{}
	return d.Each(func() error {
		name := string(d.Local)
		ok := known(d.Space) == nsCaps && len(d.Attrs) == 0
		text, plain, err := d.simpleText()
		*simple = *simple && ok && plain && strings.TrimSpace(text) == ""
		*dst = append(*dst, name)
		return err
	})
}
