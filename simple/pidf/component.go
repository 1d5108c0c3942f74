package pidf

import (
	"strconv"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// newID makes an id of id, or of the place i among the components, that is not
// taken.
func newID(id string, i int, taken func(string) bool) string {
	if id == "" {
		id = "id" + strconv.Itoa(i+1)
		if !taken(id) {
			return id
		}
	}
	for n := 2; ; n++ {
		next := id + "-" + strconv.Itoa(n)
		if !taken(next) {
			return next
		}
	}
}

// tuple reads <tuple> (RFC 3863 §4.1.2).
func (d *decoder) tuple() error {
	d.services = append(d.services, presence.Service{})
	t := &d.services[len(d.services)-1]
	t.ID, t.Attrs = d.attrs("id")
	return d.Each(func() error { return d.tupleChild(t) })
}

func (d *decoder) tupleChild(t *presence.Service) error {
	switch ns(d.SpaceID) {
	case nsPIDF, nsDM:
		handled, err := d.tuplePIDF(t)
		if handled {
			return err
		}
	case nsRPID:
		handled, err := d.tupleRPID(t)
		if handled {
			return err
		}
	case nsCIPID:
		if dst := cipid(&t.Card, d.Local); dst != nil {
			return d.word(dst)
		}
	case nsTimed:
		if string(d.Local) == "timed-status" {
			return d.timed(t)
		}
	case nsCaps:
		if string(d.Local) == "servcaps" && t.Caps == nil {
			return d.caps(&t.Caps)
		}
	case nsGP:
		if string(d.Local) == "geopriv" {
			// RFC 4479 §4: a service has no location; it is the person's.
			return d.raw(&d.stray.Geo)
		}
	case nsOP:
		handled, err := d.tupleOMA(t)
		if handled {
			return err
		}
	}
	return d.raw(&t.Ext)
}

// tuplePIDF reads an element of PIDF or the data model in a tuple. A second
// one where there may be one is passed over.
func (d *decoder) tuplePIDF(t *presence.Service) (handled bool, err error) {
	pidf := ns(d.SpaceID) == nsPIDF
	switch string(d.Local) {
	case "status":
		if pidf {
			return true, d.Each(func() error { return d.statusChild(t) })
		}
	case "contact":
		if pidf {
			return true, d.contact(t)
		}
	case "note":
		return true, d.note(&t.Notes)
	case "timestamp":
		return true, d.timestamp(&t.Timestamp)
	case "deviceID":
		if !pidf {
			var id string
			err := d.word(&id)
			if id != "" {
				t.DeviceIDs = append(t.DeviceIDs, id)
			}
			return true, err
		}
	}
	return false, nil
}

func (d *decoder) contact(t *presence.Service) error {
	if t.Contact != nil {
		return d.Skip()
	}
	t.Contact = &d.contacts.take(d.size)[0]
	// RFC 3863 §4.1.5: a priority out of the range is as if it were absent.
	if p := trim(d.Attr("priority")); validPriority(string(p)) {
		t.Contact.Priority = d.text(p)
	}
	return d.word(&t.Contact.URI)
}

// validPriority tells whether p is a number from 0 to 1 with at most three
// decimals (RFC 3863 §4.1.5).
func validPriority(p string) bool {
	if len(p) == 0 || len(p) > 5 || p[0] != '0' && p[0] != '1' || len(p) > 1 && p[1] != '.' {
		return false
	}
	for i := 2; i < len(p); i++ {
		if p[i] < '0' || p[i] > '9' || p[0] == '1' && p[i] != '0' {
			return false
		}
	}
	return true
}

// statusChild reads one child of <status> (RFC 3863 §4.1.4).
func (d *decoder) statusChild(t *presence.Service) error {
	switch ns(d.SpaceID) {
	case nsPIDF:
		if string(d.Local) == "basic" {
			return d.basic(&t.Basic, &t.BasicText)
		}
	case nsJabber:
		if string(d.Local) == "show" && t.Show == "" && len(d.Attrs) == 0 {
			// RFC 8048 §6.2: <show xmlns='jabber:client'> inside <status>.
			return d.word(&t.Show)
		}
	case nsGP:
		if string(d.Local) == "geopriv" {
			return d.raw(&d.stray.Geo)
		}
	case nsRPID:
		// Drafts of RPID had its elements here.
		handled, err := d.tupleRPID(t)
		if handled {
			return err
		}
	}
	// RFC 3863 §4.2.3: the status is not interpreted when something in it
	// must be understood and is not. What is further in does not count.
	for i := range d.Attrs {
		a := &d.Attrs[i]
		if string(a.Local) == "mustUnderstand" && (ns(a.SpaceID) == nsPIDF || len(a.Space) == 0) {
			if v := string(trim(a.Value)); v == "1" || v == "true" {
				t.NotUnderstood = true
			}
		}
	}
	return d.raw(&t.StatusExt)
}

// basic reads <basic>, unless *dst has been set. What is neither open nor
// closed goes to odd.
func (d *decoder) basic(dst *presence.Basic, odd *string) error {
	b, _, err := d.ContentBytes()
	if err != nil || *dst != presence.NoBasic {
		return err
	}
	*dst = basicOf(b)
	if *dst == presence.OddBasic {
		*odd = d.text(trim(b))
	}
	return nil
}

func basicOf(b []byte) presence.Basic {
	switch string(trim(b)) {
	case "open":
		return presence.Open
	case "closed":
		return presence.Closed
	}
	return presence.OddBasic
}

// person reads <dm:person> (RFC 4479 §3.2).
func (d *decoder) person() error {
	d.s.Persons = append(d.s.Persons, presence.Person{})
	p := &d.s.Persons[len(d.s.Persons)-1]
	p.ID, p.Attrs = d.attrs("id")
	return d.Each(func() error { return d.personChild(p) })
}

func (d *decoder) personChild(p *presence.Person) error {
	switch ns(d.SpaceID) {
	case nsDM, nsPIDF:
		switch string(d.Local) {
		case "note":
			return d.note(&p.Notes)
		case "timestamp":
			return d.timestamp(&p.Timestamp)
		}
	case nsRPID:
		handled, err := d.personRPID(p)
		if handled {
			return err
		}
	case nsCIPID:
		if dst := cipid(&p.Card, d.Local); dst != nil {
			return d.word(dst)
		}
	case nsGP:
		if string(d.Local) == "geopriv" {
			return d.raw(&p.Geo)
		}
	case nsOP:
		if string(d.Local) == "overriding-willingness" && p.OMA.OverridingWillingness == nil {
			return d.onOff(&p.OMA.OverridingWillingness)
		}
	case nsOPD11:
		if string(d.Local) == "link" {
			return d.link(p)
		}
	}
	return d.raw(&p.Ext)
}

// device reads <dm:device> (RFC 4479 §3.4).
func (d *decoder) device() error {
	d.s.Devices = append(d.s.Devices, presence.Device{})
	v := &d.s.Devices[len(d.s.Devices)-1]
	v.ID, v.Attrs = d.attrs("id")
	return d.Each(func() error { return d.deviceChild(v) })
}

func (d *decoder) deviceChild(v *presence.Device) error {
	local := string(d.Local)
	switch n := ns(d.SpaceID); {
	case n == nsDM && local == "deviceID":
		return d.word(&v.DeviceID)
	case (n == nsDM || n == nsPIDF) && local == "note":
		return d.note(&v.Notes)
	case (n == nsDM || n == nsPIDF) && local == "timestamp":
		return d.timestamp(&v.Timestamp)
	case n == nsRPID:
		switch {
		case local == "class" && v.Class == "":
			return d.word(&v.Class)
		case local == "user-input" && v.UserInput == nil:
			return d.userInput(&v.UserInput, &v.Ext)
		}
		handled, err := d.strayRPID()
		if handled {
			return err
		}
	case n == nsCaps && local == "devcaps" && v.Caps == nil:
		return d.caps(&v.Caps)
	case n == nsGP && local == "geopriv":
		return d.raw(&v.Geo)
	case n == nsOP && local == "network-availability" && v.Networks == nil:
		return d.networks(v)
	}
	return d.raw(&v.Ext)
}

// cipid returns where a CIPID element belongs (RFC 4482 §3), nil when it is
// none or has been set.
func cipid(c *presence.CIPID, local []byte) *string {
	var dst *string
	switch string(local) {
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
