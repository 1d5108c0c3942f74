package pidf

import (
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/mapping/xmltext"
)

// caps reads <caps:servcaps> or <caps:devcaps> (RFC 5196 §3.2, §3.3).
func (d *decoder) caps(dst **presence.Caps) error {
	c := &presence.Caps{}
	*dst = c
	for i := range d.Attrs {
		d.attr(&c.Attrs, &d.Attrs[i])
	}
	return d.Each(func() error {
		if ns(d.SpaceID) != nsCaps {
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
	c := presence.Capability{Name: d.text(d.Local)}
	mark := d.Mark()
	plain := len(d.Attrs) == 0
	simple, err := d.lists(&c)
	if err != nil || plain && simple {
		return c, err
	}
	d.Rewind(mark)
	r, err := d.carry()
	return presence.Capability{Name: c.Name, Raw: &r}, err
}

// lists reads text, or supported and notsupported lists of empty elements.
// simple tells that there was nothing else.
func (d *decoder) lists(c *presence.Capability) (simple bool, err error) {
	simple = true
	for texts := 0; ; {
		kind, err := d.Next()
		if err != nil {
			return false, err
		}
		switch kind {
		case xmltext.Text:
			if t := trim(d.Text); len(t) > 0 {
				c.Text = d.text(t)
				texts++
			}
		case xmltext.Start:
			var dst *[]string
			switch {
			case ns(d.SpaceID) != nsCaps || len(d.Attrs) > 0:
			case string(d.Local) == "supported":
				dst = &c.Supported
			case string(d.Local) == "notsupported":
				dst = &c.NotSupported
			}
			if dst == nil || *dst != nil {
				simple = false
				err = d.Skip()
			} else {
				simple, err = d.nameList(dst, simple)
			}
			if err != nil {
				return false, err
			}
		default:
			return simple && texts <= 1 && (texts == 0 || c.Supported == nil && c.NotSupported == nil), nil
		}
	}
}

// nameList reads the names of empty elements. simple tells that there was
// something, and nothing else.
func (d *decoder) nameList(dst *[]string, simple bool) (bool, error) {
	err := d.Each(func() error {
		simple = simple && ns(d.SpaceID) == nsCaps && len(d.Attrs) == 0
		*dst = append(*dst, d.text(d.Local))
		text, children, err := d.ContentBytes()
		simple = simple && !children && len(trim(text)) == 0
		return err
	})
	return simple && len(*dst) > 0, err
}
