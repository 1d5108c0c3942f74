package pidf

import (
	"strings"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// tuple reads <tuple> (RFC 3863 §4.1.2).
func (d *decoder) tuple() error {
	var t presence.Service
	for _, a := range d.Attrs {
		if len(a.Space) == 0 && string(a.Local) == "id" {
			t.ID = string(a.Value)
		} else {
			t.Attrs = append(t.Attrs, attr(a))
		}
	}
	err := d.Each(func() error { return d.tupleChild(&t) })
	d.s.Services = append(d.s.Services, t)
	return err
}

func (d *decoder) tupleChild(t *presence.Service) error {
	local := string(d.Local)
	switch known(d.Space) {
	case nsPIDF:
		switch local {
		case "status":
			return d.Each(func() error { return d.statusChild(t) })
		case "contact":
			t.Contact = &presence.Contact{Priority: string(d.Attr("priority"))}
			return d.word(&t.Contact.URI)
		case "note":
			return d.note(&t.Notes)
		case "timestamp":
			return d.timestamp(&t.Timestamp)
		}
	case nsDM:
		if local == "deviceID" {
			var id string
			err := d.word(&id)
			t.DeviceIDs = append(t.DeviceIDs, id)
			return err
		}
	case nsRPID:
		return d.tupleRPID(t, local)
	case nsCIPID:
		if dst := cipid(&t.Card, local); dst != nil {
			return d.word(dst)
		}
	case nsTimed:
		if local == "timed-status" {
			return d.timed(t)
		}
	case nsCaps:
		if local == "servcaps" && t.Caps == nil {
			return d.caps(&t.Caps)
		}
	case nsGP:
		if local == "geopriv" {
			return d.raw(&t.Geo)
		}
	case nsOP, nsOPD:
		if handled, err := d.serviceOMA(t, local); handled {
			return err
		}
	}
	return d.raw(&t.Ext)
}

// tupleRPID reads an RPID element of a tuple or its status. What RFC 4480
// §3.1 Table 1 allows for the person alone goes to the person. A second one of
// a kind is carried along.
func (d *decoder) tupleRPID(t *presence.Service, local string) error {
	switch {
	case local == "class" && t.Class == "":
		return d.word(&t.Class)
	case local == "privacy" && t.Privacy == nil:
		return setChoice(d, &t.Privacy, nsRPID)
	case local == "relationship" && t.Relationship == nil:
		return setChoice(d, &t.Relationship, nsRPID)
	case local == "service-class" && t.ServiceClass == nil:
		return setChoice(d, &t.ServiceClass, nsRPID)
	case local == "status-icon":
		return d.icon(&t.StatusIcons)
	case local == "user-input" && t.UserInput == nil:
		return d.userInput(&t.UserInput)
	case local == "activities", local == "mood", local == "place-is", local == "place-type", local == "sphere", local == "time-offset":
		handled, err := d.personRPID(&d.stray, local)
		if handled {
			return err
		}
	}
	return d.raw(&t.Ext)
}

// setChoice reads a choice into one of the types that have its fields.
func setChoice[T presence.Activities | presence.Mood | presence.Choice](d *decoder, dst **T, own ns) error {
	c, err := d.choice(own)
	if err == nil {
		v := T(*c)
		*dst = &v
	}
	return err
}

// statusChild reads one child of <status> (RFC 3863 §4.1.4).
func (d *decoder) statusChild(t *presence.Service) error {
	local := string(d.Local)
	n := known(d.Space)
	switch {
	case n == nsPIDF && local == "basic":
		return d.basic(&t.Basic, &t.BasicText)
	case n == nsJabber && local == "show" && t.Show == "" && len(d.Attrs) == 0:
		// RFC 8048 §6.2: <show xmlns='jabber:client'> inside <status>.
		return d.word(&t.Show)
	case n == nsRPID:
		return d.tupleRPID(t, local)
	}
	// RFC 3863 §4.2.3: the status is not interpreted when something in it
	// must be understood and is not.
	for _, a := range d.Attrs {
		v := string(a.Value)
		if string(a.Local) == "mustUnderstand" && (v == "1" || v == "true") && (known(a.Space) == nsPIDF || len(a.Space) == 0) {
			t.NotUnderstood = true
		}
	}
	return d.raw(&t.StatusExt)
}

// basic reads <basic>. What is neither open nor closed is kept as text.
func (d *decoder) basic(dst *presence.Basic, odd *string) error {
	s, err := d.Content()
	switch strings.TrimSpace(s) {
	case "open":
		*dst = presence.Open
	case "closed":
		*dst = presence.Closed
	default:
		*dst = presence.OddBasic
		if odd != nil {
			*odd = s
		}
	}
	return err
}

// person reads <dm:person> (RFC 4479 §3.2).
func (d *decoder) person() error {
	var p presence.Person
	for _, a := range d.Attrs {
		if len(a.Space) == 0 && string(a.Local) == "id" {
			p.ID = string(a.Value)
		} else {
			p.Attrs = append(p.Attrs, attr(a))
		}
	}
	err := d.Each(func() error { return d.personChild(&p) })
	d.s.Persons = append(d.s.Persons, p)
	return err
}

func (d *decoder) personChild(p *presence.Person) error {
	local := string(d.Local)
	switch known(d.Space) {
	case nsDM, nsPIDF:
		switch local {
		case "note":
			return d.note(&p.Notes)
		case "timestamp":
			return d.timestamp(&p.Timestamp)
		}
	case nsRPID:
		handled, err := d.personRPID(p, local)
		if handled {
			return err
		}
	case nsCIPID:
		if dst := cipid(&p.Card, local); dst != nil {
			return d.word(dst)
		}
	case nsGP:
		if local == "geopriv" {
			return d.raw(&p.Geo)
		}
	case nsOP:
		if local == "overriding-willingness" {
			return d.onOff(&p.OMA.OverridingWillingness)
		}
	case nsOPD11:
		if local == "link" {
			return d.link(p)
		}
	}
	return d.raw(&p.Ext)
}

// personRPID reads an RPID element of a person. handled is false for what is
// not one, and for a second one of a kind.
func (d *decoder) personRPID(p *presence.Person, local string) (handled bool, err error) {
	switch {
	case local == "activities" && p.Activities == nil:
		return true, setChoice(d, &p.Activities, nsRPID)
	case local == "mood" && p.Mood == nil:
		return true, setChoice(d, &p.Mood, nsRPID)
	case local == "place-is" && p.PlaceIs == nil:
		return true, d.placeIs(p)
	case local == "place-type" && p.PlaceType == nil:
		return true, setChoice(d, &p.PlaceType, nsLT)
	case local == "privacy" && p.Privacy == nil:
		return true, setChoice(d, &p.Privacy, nsRPID)
	case local == "sphere" && p.Sphere == nil:
		return true, setChoice(d, &p.Sphere, nsRPID)
	case local == "status-icon":
		return true, d.icon(&p.StatusIcons)
	case local == "time-offset" && p.TimeOffset == nil:
		return true, d.timeOffset(p)
	case local == "user-input" && p.UserInput == nil:
		return true, d.userInput(&p.UserInput)
	case local == "class" && p.Class == "":
		return true, d.word(&p.Class)
	}
	return false, nil
}

// device reads <dm:device> (RFC 4479 §3.4).
func (d *decoder) device() error {
	var v presence.Device
	for _, a := range d.Attrs {
		if len(a.Space) == 0 && string(a.Local) == "id" {
			v.ID = string(a.Value)
		} else {
			v.Attrs = append(v.Attrs, attr(a))
		}
	}
	err := d.Each(func() error { return d.deviceChild(&v) })
	d.s.Devices = append(d.s.Devices, v)
	return err
}

func (d *decoder) deviceChild(v *presence.Device) error {
	local := string(d.Local)
	switch n := known(d.Space); {
	case n == nsDM && local == "deviceID":
		return d.word(&v.DeviceID)
	case (n == nsDM || n == nsPIDF) && local == "note":
		return d.note(&v.Notes)
	case (n == nsDM || n == nsPIDF) && local == "timestamp":
		return d.timestamp(&v.Timestamp)
	case n == nsRPID && local == "class":
		return d.word(&v.Class)
	case n == nsRPID && local == "user-input":
		return d.userInput(&v.UserInput)
	case n == nsCaps && local == "devcaps" && v.Caps == nil:
		return d.caps(&v.Caps)
	case n == nsGP && local == "geopriv":
		return d.raw(&v.Geo)
	case n == nsOP && local == "network-availability":
		return d.Each(func() error { return d.network(v) })
	}
	return d.raw(&v.Ext)
}

// cipid returns where a CIPID element belongs (RFC 4482 §3), nil when it is
// none or has been set.
func cipid(c *presence.CIPID, local string) *string {
	var dst *string
	switch local {
	case "card":
		dst = &c.Card
	case "display-name":
		dst = &c.DisplayName
	case "homepage":
		dst = &c.Homepage
	case "icon":
		dst = &c.Icon
	case "map":
		dst = &c.Map
	case "sound":
		dst = &c.Sound
	}
	if dst == nil || *dst != "" {
		return nil
	}
	return dst
}
