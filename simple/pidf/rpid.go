package pidf

import (
	"strconv"
	"strings"

	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/mapping/xmltext"
)

// ranged reads the attributes that RPID elements share (RFC 4480 §3.1).
func (d *decoder) ranged(r *presence.Range) {
	for _, a := range d.Attrs {
		v := string(a.Value)
		if len(a.Space) == 0 {
			t, ok := parseTime(v)
			switch string(a.Local) {
			case "id":
				r.ID = v
				continue
			case "from":
				if ok {
					r.From = t
					continue
				}
			case "until":
				if ok {
					r.Until = t
					continue
				}
			}
		}
		r.Attrs = append(r.Attrs, attr(a))
	}
}

// choice reads an element of notes and values; own is the namespace of its
// values.
func (d *decoder) choice(own ns) (*presence.Choice, error) {
	c := &presence.Choice{}
	d.ranged(&c.Range)
	for {
		kind, err := d.Next()
		if err != nil {
			return nil, err
		}
		switch kind {
		case xmltext.Text:
			// RFC 4480's own example has <rpid:sphere>bowling league</…>.
			if s := strings.TrimSpace(string(d.Text)); s != "" {
				c.Values = append(c.Values, presence.Value{Text: s})
			}
		case xmltext.Start:
			n := known(d.Space)
			if string(d.Local) == "note" && (n == nsRPID || n == nsDM || n == nsPIDF) {
				err = d.note(&c.Notes)
			} else {
				err = d.value(&c.Values, own)
			}
			if err != nil {
				return nil, err
			}
		default:
			return c, nil
		}
	}
}

// value reads one value. One that is more than a name and text is kept as it
// stands as well.
func (d *decoder) value(dst *[]presence.Value, own ns) error {
	v := presence.Value{Name: string(d.Local), Lang: d.Lang()}
	n := known(d.Space)
	if n != own {
		v.Space = string(d.Space)
	}
	plain := len(d.Attrs) == 0 || len(d.Attrs) == 1 && v.Lang != ""
	mark := d.Mark()
	text, simple, err := d.simpleText()
	if err != nil {
		return err
	}
	v.Text = strings.TrimSpace(text)
	if !plain || !simple || n == nsOther || n != own && v.Lang != "" && v.Text == "" {
		d.Rewind(mark)
		r, err := d.rawElement()
		if err != nil {
			return err
		}
		v.Raw = &r
	}
	*dst = append(*dst, v)
	return nil
}

// simpleText reads the text of the current element; simple is false when it
// has child elements.
func (d *decoder) simpleText() (text string, simple bool, err error) {
	var b strings.Builder
	simple = true
	for {
		kind, err := d.Next()
		if err != nil {
			return "", false, err
		}
		switch kind {
		case xmltext.Text:
			b.Write(d.Text)
		case xmltext.Start:
			simple = false
			err = d.Skip()
			if err != nil {
				return "", false, err
			}
		default:
			return b.String(), simple, nil
		}
	}
}

// placeIs reads <rpid:place-is> (RFC 4480 §3.6).
func (d *decoder) placeIs(p *presence.Person) error {
	pi := &presence.PlaceIs{}
	p.PlaceIs = pi
	d.ranged(&pi.Range)
	return d.Each(func() error {
		local := string(d.Local)
		if known(d.Space) == nsRPID {
			values := map[string]*[]presence.Value{"audio": &pi.Audio, "video": &pi.Video, "text": &pi.Text}[local]
			switch {
			case local == "note":
				return d.note(&pi.Notes)
			case values != nil:
				return d.Each(func() error { return d.value(values, nsRPID) })
			}
		}
		return d.raw(&pi.Ext)
	})
}

// icon reads <rpid:status-icon> (RFC 4480 §3.12).
func (d *decoder) icon(dst *[]presence.Icon) error {
	var i presence.Icon
	d.ranged(&i.Range)
	err := d.word(&i.URI)
	*dst = append(*dst, i)
	return err
}

// timeOffset reads <rpid:time-offset> (RFC 4480 §3.13). One that is no number
// is carried along.
func (d *decoder) timeOffset(p *presence.Person) error {
	t := &presence.TimeOffset{}
	d.ranged(&t.Range)
	for i, a := range t.Attrs {
		if a.Space == "" && a.Local == "description" {
			t.Description = a.Value
			t.Attrs = append(t.Attrs[:i:i], t.Attrs[i+1:]...)
			break
		}
	}
	mark := d.Mark()
	s, err := d.Content()
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(strings.TrimPrefix(strings.TrimSpace(s), "+"))
	if err != nil {
		d.Rewind(mark)
		return d.raw(&p.Ext)
	}
	t.Minutes = n
	p.TimeOffset = t
	return nil
}

// userInput reads <rpid:user-input> (RFC 4480 §3.14).
func (d *decoder) userInput(dst **presence.UserInput) error {
	u := &presence.UserInput{}
	for _, a := range d.Attrs {
		v := string(a.Value)
		if len(a.Space) == 0 {
			switch string(a.Local) {
			case "id":
				u.ID = v
				continue
			case "last-input":
				if t, ok := parseTime(v); ok {
					u.LastInput = t
					continue
				}
			case "idle-threshold":
				if n, err := strconv.Atoi(v); err == nil && n > 0 {
					u.IdleThreshold = n
					continue
				}
			}
		}
		u.Attrs = append(u.Attrs, attr(a))
	}
	s, err := d.Content()
	u.Idle = strings.TrimSpace(s) == "idle"
	*dst = u
	return err
}

// timed reads <ts:timed-status> (RFC 4481 §3).
func (d *decoder) timed(t *presence.Service) error {
	var ts presence.TimedStatus
	var r presence.Range
	d.ranged(&r)
	ts.From, ts.Until, ts.Attrs = r.From, r.Until, r.Attrs
	if r.ID != "" {
		ts.Attrs = append(ts.Attrs, presence.Attr{Local: "id", Value: r.ID})
	}
	err := d.Each(func() error {
		n, local := known(d.Space), string(d.Local)
		switch {
		case (n == nsTimed || n == nsPIDF) && local == "basic":
			return d.basic(&ts.Basic, nil)
		case (n == nsTimed || n == nsPIDF) && local == "note":
			return d.note(&ts.Notes)
		}
		return d.raw(&ts.Ext)
	})
	t.Timed = append(t.Timed, ts)
	return err
}
