package pidf

import (
	"strconv"

	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/mapping/xmltext"
)

// tupleRPID reads an RPID element of a tuple or its status. What RFC 4480
// §3.1 Table 1 allows for the person alone goes to the person. A second of its
// kind is carried along.
func (d *decoder) tupleRPID(t *presence.Service) (handled bool, err error) {
	switch string(d.Local) {
	case "class":
		if t.Class == "" {
			return true, d.word(&t.Class)
		}
	case "privacy":
		handled, err = d.choice(&t.Privacy, nsRPID)
	case "relationship":
		handled, err = d.choice(&t.Relationship, nsRPID)
	case "service-class":
		handled, err = d.choice(&t.ServiceClass, nsRPID)
	case "status-icon":
		return true, d.icon(&t.StatusIcons)
	case "user-input":
		if t.UserInput == nil {
			return true, d.userInput(&t.UserInput, &t.Ext)
		}
	default:
		return d.strayRPID()
	}
	if !handled {
		err = d.raw(&t.Ext)
	}
	return true, err
}

// strayRPID reads an element that belongs to a person and stands elsewhere. A
// second of its kind is passed over.
func (d *decoder) strayRPID() (handled bool, err error) {
	switch string(d.Local) {
	case "activities", "mood", "place-is", "place-type", "sphere", "time-offset":
		handled, err = d.personRPID(&d.stray)
		if !handled {
			err = d.Skip()
		}
		return true, err
	}
	return false, nil
}

// personRPID reads an RPID element of a person (RFC 4480 §3.1 Table 1).
func (d *decoder) personRPID(p *presence.Person) (handled bool, err error) {
	switch string(d.Local) {
	case "activities":
		c := (*presence.Choice)(p.Activities)
		handled, err = d.choice(&c, nsRPID)
		p.Activities = (*presence.Activities)(c)
		return handled, err
	case "mood":
		c := (*presence.Choice)(p.Mood)
		handled, err = d.choice(&c, nsRPID)
		p.Mood = (*presence.Mood)(c)
		return handled, err
	case "place-is":
		return d.placeIs(p)
	case "place-type":
		return d.choice(&p.PlaceType, nsLT)
	case "privacy":
		return d.choice(&p.Privacy, nsRPID)
	case "sphere":
		return d.choice(&p.Sphere, nsRPID)
	case "status-icon":
		return true, d.icon(&p.StatusIcons)
	case "time-offset":
		return d.timeOffset(p)
	case "user-input":
		if p.UserInput == nil {
			return true, d.userInput(&p.UserInput, &p.Ext)
		}
	case "class":
		if p.Class == "" {
			return true, d.word(&p.Class)
		}
	}
	return false, nil
}

// span reads the attributes that RPID elements share (RFC 4480 §3.1). A broken
// time is carried among the others.
func (d *decoder) span(r *presence.Range) {
	for i := range d.Attrs {
		a := &d.Attrs[i]
		if len(a.Space) == 0 {
			switch string(a.Local) {
			case "id":
				r.ID = d.text(a.Value)
				continue
			case "from":
				if t, ok := parseTime(a.Value); ok {
					r.From = t
					continue
				}
			case "until":
				if t, ok := parseTime(a.Value); ok {
					r.Until = t
					continue
				}
			}
		}
		d.attr(&r.Attrs, a)
	}
}

// choice reads an element of notes and values, of which own is the namespace,
// unless *dst has been set.
func (d *decoder) choice(dst **presence.Choice, own ns) (handled bool, err error) {
	if *dst != nil {
		return false, nil
	}
	c := &d.choices.take(d.size)[0]
	c.Values = c.value[:0]
	*dst = &c.Choice
	d.span(&c.Range)
	space, name := loose(d.Local)
	words := -1 // the value that is loose text, and may go on
	for {
		kind, err := d.Next()
		if err != nil {
			return true, err
		}
		switch kind {
		case xmltext.Text:
			t := trim(d.Text)
			switch {
			case len(t) == 0:
			case words >= 0:
				d.words = append(append(d.words, ' '), t...)
			default:
				words = len(c.Values)
				c.Values = append(c.Values, presence.Value{Space: space, Name: name})
				d.words = append(d.words[:0], t...)
			}
		case xmltext.Start:
			err = d.choiceChild(&c.Choice, own)
			if err != nil {
				return true, err
			}
		default:
			if words >= 0 {
				c.Values[words].Text = d.text(d.words)
			}
			if len(c.Values) == 0 {
				c.Values = nil
			}
			return true, nil
		}
	}
}

func (d *decoder) choiceChild(c *presence.Choice, own ns) error {
	if n := ns(d.SpaceID); string(d.Local) == "note" && (n == nsRPID || n == nsDM || n == nsPIDF) {
		return d.note(&c.Notes)
	}
	return d.value(&c.Values, own)
}

// loose tells what text beside the values of an RPID element is. RFC 4480 §4
// has a sphere of words outside the enumeration, so there, and where nothing
// else fits, it is a value without a name; some clients have an activity or
// mood so, which is <other> (RFC 4480 §3.2, §3.5, §3.7, §3.9).
func loose[T string | []byte](local T) (space, name string) {
	switch string(local) {
	case "activities", "mood", "relationship":
		return "", "other"
	case "place-type":
		return names[nsRPID].uri, "other"
	}
	return "", ""
}

// value reads one value. One that is more than a name and text, or of a
// namespace that is not known, is kept as it stands as well.
func (d *decoder) value(dst *[]presence.Value, own ns) error {
	v := presence.Value{Name: d.text(d.Local), Lang: d.lang()}
	n := ns(d.SpaceID)
	if n != own {
		v.Space = d.space(d.SpaceID, d.Space)
	}
	plain := n != nsOther && n != nsJabber && (len(d.Attrs) == 0 || len(d.Attrs) == 1 && v.Lang != "")
	mark := d.Mark()
	text, children, err := d.ContentBytes()
	if err != nil {
		return err
	}
	v.Text = d.text(trim(text))
	if !plain || children {
		d.Rewind(mark)
		r, err := d.carry()
		if err != nil {
			return err
		}
		v.Raw = &r
	}
	*dst = append(*dst, v)
	return nil
}

// placeIs reads <rpid:place-is> (RFC 4480 §3.6).
func (d *decoder) placeIs(p *presence.Person) (handled bool, err error) {
	if p.PlaceIs != nil {
		return false, nil
	}
	pi := &presence.PlaceIs{}
	d.span(&pi.Range)
	p.PlaceIs = pi
	return true, d.Each(func() error {
		var values *[]presence.Value
		if ns(d.SpaceID) == nsRPID {
			switch string(d.Local) {
			case "note":
				return d.note(&pi.Notes)
			case "audio":
				values = &pi.Audio
			case "video":
				values = &pi.Video
			case "text":
				values = &pi.Text
			}
		}
		if values == nil || len(d.Attrs) > 0 {
			return d.raw(&pi.Ext)
		}
		return d.Each(func() error { return d.value(values, nsRPID) })
	})
}

// icon reads <rpid:status-icon> (RFC 4480 §3.12).
func (d *decoder) icon(dst *[]presence.Icon) error {
	*dst = append(*dst, presence.Icon{})
	i := &(*dst)[len(*dst)-1]
	d.span(&i.Range)
	return d.word(&i.URI)
}

// timeOffset reads <rpid:time-offset> (RFC 4480 §3.13). One that is no number
// is carried along.
func (d *decoder) timeOffset(p *presence.Person) (handled bool, err error) {
	if p.TimeOffset != nil {
		return false, nil
	}
	t := &presence.TimeOffset{}
	d.span(&t.Range)
	for i, a := range t.Attrs {
		if a.Space == "" && a.Local == "description" {
			t.Description = a.Value
			t.Attrs = append(t.Attrs[:i:i], t.Attrs[i+1:]...)
			break
		}
	}
	mark := d.Mark()
	b, _, err := d.ContentBytes()
	if err != nil {
		return true, err
	}
	n, err := strconv.Atoi(string(trim(b)))
	if err != nil {
		d.Rewind(mark)
		return true, d.raw(&p.Ext)
	}
	t.Minutes = n
	p.TimeOffset = t
	return true, nil
}

// userInput reads <rpid:user-input> (RFC 4480 §3.14). One that says neither
// active nor idle is carried along in ext.
func (d *decoder) userInput(dst **presence.UserInput, ext *[]presence.RawXML) error {
	u := &presence.UserInput{}
	for i := range d.Attrs {
		a := &d.Attrs[i]
		if len(a.Space) == 0 {
			switch string(a.Local) {
			case "id":
				u.ID = d.text(a.Value)
				continue
			case "last-input":
				if t, ok := parseTime(a.Value); ok {
					u.LastInput = t
					continue
				}
			case "idle-threshold":
				if n, err := strconv.Atoi(string(trim(a.Value))); err == nil && n > 0 {
					u.IdleThreshold = n
					continue
				}
			}
		}
		d.attr(&u.Attrs, a)
	}
	mark := d.Mark()
	b, _, err := d.ContentBytes()
	if err != nil {
		return err
	}
	switch string(trim(b)) {
	case "active":
	case "idle":
		u.Idle = true
	default:
		d.Rewind(mark)
		return d.raw(ext)
	}
	*dst = u
	return nil
}

// timed reads <ts:timed-status> (RFC 4481 §3).
func (d *decoder) timed(t *presence.Service) error {
	var ts presence.TimedStatus
	var r presence.Range
	d.span(&r)
	ts.From, ts.Until, ts.Attrs = r.From, r.Until, r.Attrs
	if r.ID != "" {
		ts.Attrs = append(ts.Attrs, presence.Attr{Local: "id", Value: r.ID})
	}
	err := d.Each(func() error {
		if n := ns(d.SpaceID); n == nsTimed || n == nsPIDF {
			switch string(d.Local) {
			case "basic":
				return d.plainBasic(&ts.Basic, &ts.Ext)
			case "note":
				return d.note(&ts.Notes)
			}
		}
		return d.raw(&ts.Ext)
	})
	t.Timed = append(t.Timed, ts)
	return err
}

// plainBasic reads a basic that has no place for what is neither open nor
// closed: that is carried along in ext.
func (d *decoder) plainBasic(dst *presence.Basic, ext *[]presence.RawXML) error {
	if *dst != presence.NoBasic {
		return d.raw(ext)
	}
	mark := d.Mark()
	b, _, err := d.ContentBytes()
	if err != nil {
		return err
	}
	*dst = basicOf(b)
	if *dst == presence.OddBasic {
		d.Rewind(mark)
		return d.raw(ext)
	}
	return nil
}
