package pidf

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// draw makes a State field by field, of values that the documents can say.
type draw struct {
	t  *rapid.T
	id int
}

var (
	someText  = rapid.SampledFrom([]string{"", "a", "b c", "<&>\"'", "é\n\tü", "]]>", "sip:a@example.com", "\U0001F600", "x\ry"})
	someToken = rapid.SampledFrom([]string{"", "a", "b c", "<&>\"'", "é", "]]>", "sip:a@example.com"})
	someName  = rapid.SampledFrom([]string{"away", "other", "on-the-phone", "in_awe", "x.y", "é"})
	someLang  = rapid.SampledFrom([]string{"", "en", "de-AT"})
)

func (d *draw) chance() bool          { return rapid.IntRange(0, 3).Draw(d.t, "chance") == 0 }
func (d *draw) text() string          { return someText.Draw(d.t, "text") }
func (d *draw) token() string         { return someToken.Draw(d.t, "token") }
func (d *draw) name() string          { return someName.Draw(d.t, "name") }
func (d *draw) number(n int) int      { return rapid.IntRange(0, n).Draw(d.t, "number") }
func (d *draw) basic() presence.Basic { return presence.Basic(d.number(2)) }

// some returns up to two of what one makes.
func some[T any](d *draw, one func() T) (out []T) {
	for range d.number(2) {
		out = append(out, one())
	}
	return out
}

// perhaps returns what one makes, or nil.
func perhaps[T any](d *draw, one func() T) *T {
	if !d.chance() {
		return nil
	}
	v := one()
	return &v
}

func (d *draw) time() time.Time {
	if !d.chance() {
		return time.Time{}
	}
	at := time.Unix(int64(d.number(4e9)), int64(d.number(999999999)))
	return at.In(time.FixedZone("", 60*(d.number(28*60)-14*60)))
}

func (d *draw) newID() string {
	d.id++
	return fmt.Sprint("i", d.id)
}

func (d *draw) note() presence.Note {
	return presence.Note{Lang: someLang.Draw(d.t, "lang"), Text: d.text()}
}

func (d *draw) raw() presence.RawXML {
	return rapid.SampledFrom([]presence.RawXML{
		{Space: "urn:x", Local: "a", Bytes: `<x:a xmlns:x="urn:x" b='c'>d<x:e/>&amp;</x:a>`},
		{Space: "urn:y", Local: "b", Bytes: `<b xmlns="urn:y"/>`},
		{Local: "c", Bytes: `<c xmlns=""><![CDATA[<]]></c>`},
	}).Draw(d.t, "raw")
}

// attrs returns attributes without doubles.
func (d *draw) attrs() []presence.Attr {
	all := []presence.Attr{
		{Space: "urn:x", Local: "a", Value: d.text()}, {Space: "urn:y", Local: "a", Value: d.text()}, {Local: "a", Value: d.text()},
		{Space: "urn:x", Local: "b", Value: d.text()}, {Space: names[nsRPID].uri, Local: "a", Value: d.text()},
		{Space: names[nsPIDF].uri, Local: "a", Value: d.text()}, {Space: "http://www.w3.org/XML/1998/namespace", Local: "base", Value: d.text()},
	}
	from := d.number(20)
	if from >= len(all) {
		return nil
	}
	return all[from:min(len(all), from+3)]
}

func (d *draw) span() presence.Range {
	r := presence.Range{From: d.time(), Until: d.time(), Attrs: d.attrs()}
	if d.chance() {
		r.ID = d.newID()
	}
	return r
}

func (d *draw) value() presence.Value {
	v := presence.Value{Name: d.name(), Text: d.token(), Lang: someLang.Draw(d.t, "lang")}
	if d.chance() {
		r := presence.RawXML{Space: "urn:x", Local: v.Name, Bytes: "<" + v.Name + ` xmlns="urn:x"/>`}
		v.Space, v.Raw, v.Text, v.Lang = "urn:x", &r, "", ""
	}
	return v
}

func (d *draw) choice() presence.Choice {
	return presence.Choice{Range: d.span(), Notes: some(d, d.note), Values: some(d, d.value)}
}

func (d *draw) sphere() presence.Choice {
	c := d.choice()
	if d.chance() {
		c.Values = append(c.Values, presence.Value{Text: "bowling league"})
	}
	return c
}

func (d *draw) placeIs() presence.PlaceIs {
	return presence.PlaceIs{Range: d.span(), Notes: some(d, d.note), Audio: some(d, d.value), Video: some(d, d.value), Text: some(d, d.value), Ext: some(d, d.raw)}
}

func (d *draw) icon() presence.Icon { return presence.Icon{Range: d.span(), URI: d.token()} }

func (d *draw) timeOffset() presence.TimeOffset {
	return presence.TimeOffset{Range: d.span(), Minutes: d.number(2000) - 1000, Description: d.text()}
}

func (d *draw) userInput() presence.UserInput {
	return presence.UserInput{ID: d.token(), Idle: d.chance(), IdleThreshold: d.number(600), LastInput: d.time(), Attrs: d.attrs()}
}

func (d *draw) timed() presence.TimedStatus {
	return presence.TimedStatus{From: d.time(), Until: d.time(), Basic: d.basic(), Notes: some(d, d.note), Ext: some(d, d.raw), Attrs: d.attrs()}
}

func (d *draw) card() presence.CIPID {
	if !d.chance() {
		return presence.CIPID{}
	}
	return presence.CIPID{Card: d.token(), DisplayName: d.token(), Homepage: d.token(), Icon: d.token(), Map: d.token(), Sound: d.token()}
}

func (d *draw) capability() presence.Capability {
	switch d.number(2) {
	case 0:
		return presence.Capability{Name: d.name(), Text: d.token()}
	case 1:
		return presence.Capability{Name: d.name(), Supported: some(d, d.name), NotSupported: some(d, d.name)}
	}
	return presence.Capability{Name: "priority", Raw: &presence.RawXML{Space: names[nsCaps].uri, Local: "priority",
		Bytes: `<c:priority xmlns:c="urn:ietf:params:xml:ns:pidf:caps"><c:supported><c:lowerthan maxvalue="10"/></c:supported></c:priority>`}}
}

func (d *draw) caps() presence.Caps {
	return presence.Caps{Items: some(d, d.capability), Ext: some(d, d.raw), Attrs: d.attrs()}
}

func (d *draw) onOff() presence.OnOff {
	return presence.OnOff{Basic: d.basic(), Until: d.time(), Ext: some(d, d.raw), Attrs: d.attrs()}
}

func (d *draw) description() presence.ServiceDescription {
	return presence.ServiceDescription{ID: d.token(), Version: d.token(), Ext: some(d, d.raw),
		Descriptions: some(d, func() presence.Note { return presence.Note{Lang: someLang.Draw(d.t, "lang"), Text: d.token()} })}
}

func (d *draw) contact() presence.Contact {
	return presence.Contact{URI: d.token(), Priority: rapid.SampledFrom([]string{"", "0", "1", "0.5", "1.000"}).Draw(d.t, "priority")}
}

func (d *draw) service() presence.Service {
	s := presence.Service{
		ID: d.newID(), Basic: presence.Basic(d.number(3)), StatusExt: some(d, d.raw), Show: d.token(),
		Contact: perhaps(d, d.contact), Notes: some(d, d.note), Timestamp: d.time(), Class: d.token(),
		DeviceIDs: some(d, func() string { return "urn:" + d.token() }), Privacy: perhaps(d, d.choice),
		Relationship: perhaps(d, d.choice), ServiceClass: perhaps(d, d.choice), StatusIcons: some(d, d.icon),
		UserInput: perhaps(d, d.userInput), Timed: some(d, d.timed), Card: d.card(), Caps: perhaps(d, d.caps),
		OMA: presence.ServiceOMA{Description: perhaps(d, d.description), Willingness: perhaps(d, d.onOff),
			SessionParticipation: perhaps(d, d.onOff), RegistrationState: d.token(), BarringState: d.token()},
		Ext: some(d, d.raw), Attrs: d.attrs(),
	}
	if s.Basic == presence.OddBasic {
		s.BasicText = d.token()
	}
	if d.chance() {
		s.NotUnderstood = true
		s.StatusExt = append(s.StatusExt, presence.RawXML{Space: "urn:x", Local: "m", Bytes: `<m xmlns="urn:x" mustUnderstand="1"/>`})
	}
	return s
}

func (d *draw) person() presence.Person {
	return presence.Person{
		ID: d.newID(), Timestamp: d.time(), Notes: some(d, d.note),
		Activities: (*presence.Activities)(perhaps(d, d.choice)), Mood: (*presence.Mood)(perhaps(d, d.choice)),
		PlaceIs: perhaps(d, d.placeIs), PlaceType: perhaps(d, d.choice), Privacy: perhaps(d, d.choice), Sphere: perhaps(d, d.sphere),
		StatusIcons: some(d, d.icon), TimeOffset: perhaps(d, d.timeOffset), UserInput: perhaps(d, d.userInput), Class: d.token(),
		Card: d.card(), Geo: some(d, d.geo), Ext: some(d, d.raw), Attrs: d.attrs(),
		OMA: presence.PersonOMA{OverridingWillingness: perhaps(d, d.onOff), Links: some(d, func() presence.Link {
			return presence.Link{URI: d.token(), Label: d.text(), Priority: d.text(), Attrs: d.attrs()}
		})},
	}
}

func (d *draw) geo() presence.RawXML {
	return presence.RawXML{Space: names[nsGP].uri, Local: "geopriv", Bytes: `<g:geopriv xmlns:g="urn:ietf:params:xml:ns:pidf:geopriv10"/>`}
}

func (d *draw) device() presence.Device {
	return presence.Device{
		ID: d.newID(), DeviceID: d.token(), Timestamp: d.time(), Notes: some(d, d.note), Class: d.token(),
		UserInput: perhaps(d, d.userInput), Caps: perhaps(d, d.caps), Geo: some(d, d.geo), Ext: some(d, d.raw), Attrs: d.attrs(),
		Networks: some(d, func() presence.Network {
			return presence.Network{ID: d.text(), Active: d.chance(), Terminated: d.chance(), Ext: some(d, d.raw), Attrs: d.attrs()}
		}),
	}
}

// Whatever the model says, a document says it.
func TestAnyStateComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := &draw{t: t}
		s := &presence.State{
			Entity: d.text(), Services: some(d, d.service), Notes: some(d, d.note), Persons: some(d, d.person),
			Devices: some(d, d.device), Ext: some(d, d.raw), Attrs: d.attrs(),
		}
		again(t, s)
		checkOutput(t, s)
	})
}

// Names and texts that other networks put into the model cannot break a
// document.
func TestBrokenNamesAndTexts(t *testing.T) {
	for _, bad := range []string{"", "a b", "<a", "a:b", "1", "\xff", "a\x00"} {
		s := &presence.State{
			Entity: bad,
			Services: []presence.Service{{ID: bad, Contact: &presence.Contact{URI: bad, Priority: bad}, Attrs: []presence.Attr{{Local: bad}, {Space: names[nsRPID].uri, Local: bad}, {Space: "urn:x", Local: bad}},
				Caps: &presence.Caps{Items: []presence.Capability{{Name: bad, Text: "x"}, {Name: "x", Supported: []string{bad, "x"}}}}}},
			Persons: []presence.Person{{ID: bad, Activities: &presence.Activities{Values: []presence.Value{{Name: bad, Text: "t"}, {Name: "away", Text: bad}, {Space: bad, Name: "x"}}},
				Sphere: &presence.Choice{Values: []presence.Value{{Text: "a"}, {Text: "b"}}}}},
		}
		got, err := Decode(Append(nil, s, ""))
		if err != nil {
			t.Errorf("%q: %v\n%s", bad, err, Append(nil, s, ""))
			continue
		}
		again(t, got)
	}
}
