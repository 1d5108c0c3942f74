package main

import (
	"strings"

	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

// The parts that several elements share.

func (v *inventory) notes(where string, ns []presence.Note) {
	for _, n := range ns {
		*v = append(*v, thing{"note", n.Lang + "\x00" + n.Text, "note " + quote(n.Text) + " of " + where})
	}
}

// quote shortens a text for a line of a report.
func quote(s string) string {
	if r := []rune(s); len(r) > 40 {
		s = string(r[:40]) + "…"
	}
	return `"` + strings.Join(strings.Fields(s), " ") + `"`
}

func (v *inventory) choice(kind, where string, c *presence.Choice) {
	if c == nil {
		return
	}
	for i := range c.Values {
		x := &c.Values[i]
		name := x.Name
		if x.Space != "" && x.Space != mapping.Ext {
			name = "{" + x.Space + "}" + name
		}
		what := kind + " " + name
		if x.Text != "" {
			what += " " + quote(x.Text)
		}
		*v = append(*v, thing{kind, name + "\x00" + x.Text, what + " of " + where})
	}
	v.notes("the "+kind+" of "+where, c.Notes)
	v.add("validity", "the "+kind+" of "+where, c.From)
	v.add("validity", "the "+kind+" of "+where, c.Until)
	v.attributes("the "+kind+" of "+where, c.Attrs)
}

func (v *inventory) icons(where string, icons []presence.Icon) {
	for _, i := range icons {
		*v = append(*v, thing{"icon", i.URI, "status-icon " + i.URI + " of " + where})
		v.attributes("the status-icon of "+where, i.Attrs)
	}
}

func (v *inventory) input(where string, u *presence.UserInput) {
	if u == nil {
		return
	}
	what := "active"
	if u.Idle {
		what = "idle"
	}
	if u.Idle && !u.LastInput.IsZero() {
		what += " since"
	}
	*v = append(*v, thing{"idle", what, "user-input " + what + " of " + where})
	if !u.LastInput.IsZero() {
		v.add("last-input", where, u.LastInput)
	}
	if u.IdleThreshold != 0 {
		v.add("idle-threshold", where, u.IdleThreshold)
	}
}

func (v *inventory) card(where string, c presence.CIPID) {
	if c != (presence.CIPID{}) {
		*v = append(*v, thing{"card", c.DisplayName + c.Homepage + c.Card, "contact card of " + where})
	}
}

func (v *inventory) caps(where string, c *presence.Caps) {
	if c == nil {
		return
	}
	for i := range c.Items {
		item := &c.Items[i]
		key := item.Name + item.Text + strings.Join(item.Supported, ",") + "/" + strings.Join(item.NotSupported, ",")
		if item.Raw != nil {
			*v = append(*v, thing{"raw", "caps" + item.Name, "the details of capability " + item.Name + " of " + where})
			continue
		}
		*v = append(*v, thing{"abilities", key, "capability " + item.Name + " of " + where})
	}
	v.raw("the capabilities of "+where, c.Ext)
	v.attributes("the capabilities of "+where, c.Attrs)
}

func (v *inventory) onOff(kind, where string, o *presence.OnOff) {
	if o == nil {
		return
	}
	*v = append(*v, thing{kind, basics[o.Basic], strings.TrimSpace(kind+" "+basics[o.Basic]) + " of " + where})
	v.add("validity", "the "+kind+" of "+where, o.Until)
	v.raw("the "+kind+" of "+where, o.Ext)
	v.attributes("the "+kind+" of "+where, o.Attrs)
}

func (v *inventory) raw(where string, rs []presence.RawXML) {
	for _, r := range rs {
		name := "{" + r.Space + "}" + r.Local
		*v = append(*v, thing{"raw", name, "element " + name + " of " + where})
	}
}

func (v *inventory) attributes(where string, attrs []presence.Attr) {
	for _, a := range attrs {
		*v = append(*v, thing{"attribute", a.Local, "attribute " + a.Local + " of " + where})
	}
}
