package presence_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

func personState(p presence.Person) *presence.State {
	return &presence.State{Persons: []presence.Person{p}}
}

func doing(names ...string) *presence.Activities {
	a := &presence.Activities{}
	for _, n := range names {
		a.Values = append(a.Values, presence.Value{Name: n})
	}
	return a
}

// CMP-04 in the mode separate (D-13): what conflicts stays apart, what does not
// is one.
func TestContract_CMP_04_Strict(t *testing.T) {
	strict := presence.Composition{Strict: true}
	busy, away := presence.Person{ID: "p", Activities: doing("busy")}, presence.Person{ID: "p", Activities: doing("away"), Timestamp: noon}
	happy := presence.Person{ID: "p", Mood: &presence.Mood{Values: []presence.Value{{Name: "happy"}}}, Timestamp: noon.Add(-time.Hour)}
	s, _ := strict.Compose([]presence.Source{src(1, personState(busy)), src(2, personState(happy))}, noon)
	if len(s.Persons) != 1 || s.Persons[0].Activities == nil || s.Persons[0].Mood == nil {
		t.Errorf("busy and happy: %+v", s.Persons)
	}
	s, _ = strict.Compose([]presence.Source{src(1, personState(busy)), src(2, personState(away)), src(3, personState(happy))}, noon)
	if len(s.Persons) != 2 || s.Persons[0].ID == s.Persons[1].ID || s.Persons[0].Activities.Values[0].Name != "away" {
		t.Errorf("busy, away and happy: %+v", s.Persons)
	}
	work := busy
	work.Class = "work"
	s, _ = strict.Compose([]presence.Source{src(1, personState(busy)), src(2, personState(work))}, noon)
	if len(s.Persons) != 2 {
		t.Errorf("of two classes: %+v", s.Persons)
	}
}

// permanent is what is always there: a tagline, a link and a picture.
func permanent() presence.Source {
	p := presence.Person{ID: "perm", Notes: []presence.Note{{Lang: "en", Text: "tagline"}, {Lang: "de", Text: "Leitspruch"}},
		Card: presence.CIPID{Homepage: "http://example.com/"}, StatusIcons: []presence.Icon{{URI: "http://example.com/me.png"}},
		Activities: doing("working"), Timestamp: noon.Add(time.Second)}
	p.OMA.OverridingWillingness = &presence.OnOff{Basic: presence.Open}
	s := personState(p)
	mail := svc("mail", "mailto:a@x", presence.Open)
	mail.Notes = []presence.Note{{Text: "slow"}}
	s.Services = []presence.Service{mail}
	return presence.Source{ID: "hard", Class: presence.Static, Rank: 1, Seq: 1, Changed: 99, Arrived: noon.Add(time.Hour), State: s}
}

// CMP-09, PPS-05: without soft state, what is permanent is all there is.
func TestContract_CMP_09_PPS_05_HardStateAlone(t *testing.T) {
	s := compose(permanent())
	if len(s.Persons) != 1 || s.Persons[0].Card.Homepage == "" || len(s.Persons[0].StatusIcons) != 1 || len(s.Persons[0].Notes) != 2 || len(s.Services) != 1 {
		t.Errorf("%+v", s)
	}
}

// CMP-09, PPS-06: soft state covers it while it lives, and what it does not
// say shows through.
func TestContract_CMP_09_PPS_06_SoftStateFirst(t *testing.T) {
	soft := personState(presence.Person{ID: "soft", Notes: []presence.Note{{Lang: "en", Text: "at lunch"}}, Activities: doing("lunch"), Timestamp: noon.Add(-time.Hour)})
	mail := svc("m", "mailto:a@x", presence.Closed)
	soft.Services = []presence.Service{mail}
	s := compose(permanent(), src(5, soft))
	p := s.Persons[0]
	if len(s.Persons) != 1 || p.Activities.Values[0].Name != "lunch" || p.Card.Homepage == "" || len(p.StatusIcons) != 1 {
		t.Errorf("the person: %+v", p)
	}
	if want := []presence.Note{{Lang: "en", Text: "at lunch"}, {Lang: "de", Text: "Leitspruch"}}; !slices.Equal(p.Notes, want) {
		t.Errorf("notes %v, want %v", p.Notes, want)
	}
	if len(s.Services) != 1 || s.Services[0].Basic != presence.Closed || len(s.Services[0].Notes) != 1 || s.Services[0].ID != "m" {
		t.Errorf("services %+v", s.Services)
	}
	strict, _ := presence.Composition{Strict: true}.Compose([]presence.Source{permanent(), src(5, soft)}, noon)
	if len(strict.Persons) != 1 {
		t.Errorf("permanent state is no other person: %+v", strict.Persons)
	}
}

// §5.2 step 3: the newest by its own timestamp, which is its arrival when it is
// in the future.
func TestContract_CMP_04_NewestByTime(t *testing.T) {
	at := func(n int, activity string, timestamp, arrived time.Time) presence.Source {
		x := src(n, personState(presence.Person{ID: "p", Activities: doing(activity), Timestamp: timestamp}))
		x.Arrived = arrived
		return x
	}
	for _, c := range []struct {
		name string
		of   []presence.Source
		want string
	}{
		{"by timestamp", []presence.Source{at(1, "busy", noon.Add(-time.Minute), noon), at(2, "away", noon.Add(-time.Hour), noon)}, "busy"},
		{"by arrival", []presence.Source{at(1, "busy", noon.Add(-time.Minute), noon), at(2, "away", time.Time{}, noon)}, "away"},
		{"in the future", []presence.Source{at(1, "busy", noon.Add(24*time.Hour), noon.Add(-time.Hour)), at(2, "away", noon.Add(-time.Minute), noon)}, "away"},
		{"a little ahead", []presence.Source{at(1, "busy", noon.Add(30*time.Second), noon), at(2, "away", noon, noon)}, "busy"},
		{"the same time", []presence.Source{at(1, "busy", noon, noon), at(2, "away", noon, noon)}, "away"},
	} {
		if got := compose(c.of...).Persons[0].Activities.Values[0].Name; got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// §5.2 step 6, DOC-12: the most recent input anywhere.
func TestContract_DOC_12_UserInput(t *testing.T) {
	idle := func(last time.Time) *presence.UserInput { return &presence.UserInput{Idle: true, LastInput: last} }
	a := personState(presence.Person{ID: "p", UserInput: idle(noon.Add(-time.Hour)), Timestamp: noon})
	b := personState(presence.Person{ID: "p", UserInput: idle(noon.Add(-time.Minute)), Timestamp: noon.Add(-time.Hour)})
	if got := compose(src(1, a), src(2, b)).Persons[0].UserInput; !got.LastInput.Equal(noon.Add(-time.Minute)) {
		t.Errorf("both idle: %+v", got)
	}
	c := services(svc("t", "sip:a@x", presence.Open))
	c.Services[0].UserInput = &presence.UserInput{LastInput: noon.Add(-2 * time.Hour)}
	if got := compose(src(1, a), src(2, b), src(3, c)).Persons[0].UserInput; got.Idle {
		t.Errorf("active at one: %+v", got)
	}
	// DOC-17: nothing is made up, and one source is left alone.
	d := personState(presence.Person{ID: "p"})
	if got := compose(src(1, c), src(2, d)).Persons[0].UserInput; got != nil {
		t.Errorf("made up: %+v", got)
	}
	d.Persons[0].UserInput, d.Services = idle(noon), c.Services
	if got := compose(src(1, d)).Persons[0].UserInput; !got.Idle {
		t.Errorf("one source is corrected: %+v", got)
	}
}

// §5.2 step 6: rules go by the sphere, so it must be what all say.
func TestContract_POL_05_Sphere(t *testing.T) {
	at := func(n int, sphere string, until time.Time) presence.Source {
		c := &presence.Choice{Values: []presence.Value{{Name: sphere}}}
		c.Until = until
		return src(n, personState(presence.Person{ID: "p", Sphere: c}))
	}
	none := src(9, personState(presence.Person{ID: "p"}))
	for _, c := range []struct {
		name string
		of   []presence.Source
		want bool
	}{
		{"one", []presence.Source{at(1, "work", time.Time{}), none}, true},
		{"two agree", []presence.Source{at(1, "work", time.Time{}), at(2, "work", noon.Add(time.Hour))}, true},
		{"two do not", []presence.Source{at(1, "work", time.Time{}), at(2, "home", time.Time{}), none}, false},
		{"not any more", []presence.Source{at(1, "work", time.Time{}), at(2, "home", noon)}, true},
	} {
		if got := compose(c.of...).Persons[0].Sphere; (got != nil) != c.want {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// DOC-14: a timed status is shown as it is, past, present and to come; it is
// not the current status of the service.
func TestContract_DOC_14_TimedStatus(t *testing.T) {
	s := services(svc("t", "sip:a@x", presence.Open))
	for _, from := range []time.Duration{-3, -1, 1} {
		s.Services[0].Timed = append(s.Services[0].Timed, presence.TimedStatus{From: noon.Add(from * time.Hour), Until: noon.Add((from + 2) * time.Hour), Basic: presence.Closed})
	}
	got, next := presence.Compose([]presence.Source{src(1, s)}, noon)
	if !presence.Equal(got, s) || !next.IsZero() {
		t.Errorf("%+v, next %v", got.Services[0], next)
	}
}

// CMP-12 and step 4: notes once each by language and text; extensions of equal
// name and value once.
func TestContract_CMP_12_Once(t *testing.T) {
	x := presence.RawXML{Space: "urn:x", Local: "e", Bytes: `<e xmlns="urn:x"/>`}
	y := presence.RawXML{Space: "urn:x", Local: "e", Bytes: `<e xmlns="urn:x">2</e>`}
	with := func(n int, e presence.RawXML, notes ...presence.Note) presence.Source {
		s := services(described("t", "sip:x@y"))
		s.Services[0].Notes = notes
		s.Persons = []presence.Person{{ID: "p", Notes: notes, Ext: []presence.RawXML{e}}}
		return src(n, s)
	}
	hi, hallo, hi2 := presence.Note{Lang: "en", Text: "hi"}, presence.Note{Lang: "de", Text: "hi"}, presence.Note{Lang: "en", Text: "hi there"}
	s := compose(with(1, x, hi, hallo), with(2, x, hi2, hi))
	if want := []presence.Note{hi, hallo, hi2}; len(s.Services) != 1 || !slices.Equal(s.Services[0].Notes, want) {
		t.Errorf("notes of the service: %+v", s.Services)
	}
	if len(s.Persons[0].Notes) != 3 || !slices.Equal(s.Persons[0].Ext, []presence.RawXML{x}) {
		t.Errorf("person: %+v", s.Persons[0])
	}
	s = compose(with(1, x), with(2, y))
	if !slices.Equal(s.Persons[0].Ext, []presence.RawXML{y}) {
		t.Errorf("of two values not the newest: %+v", s.Persons[0].Ext)
	}
}

// step 2: the contact as a URI, the devices as a set.
func TestContract_CMP_01_Keys(t *testing.T) {
	one := func(contact string, devices ...string) *presence.State {
		s := services(svc("t", contact, presence.Open))
		s.Services[0].DeviceIDs = devices
		return s
	}
	for _, c := range []struct {
		name string
		a, b *presence.State
		want int
	}{
		{"case of the host", one("SIP:Alice@Sip.Example;x=Y"), one("sip:Alice@sip.example;x=Y"), 1},
		{"case of the user", one("sip:Alice@sip.example"), one("sip:alice@sip.example"), 2},
		{"case of a parameter", one("sip:alice@sip.example;x=Y"), one("sip:alice@sip.example;x=y"), 2},
		{"tel", one("tel:+1"), one("TEL:+1"), 1},
		{"devices in another order", one("sip:a@x", "urn:1", "urn:2"), one("sip:a@x", "urn:2", "urn:1"), 1},
		{"other devices", one("sip:a@x", "urn:1"), one("sip:a@x", "urn:2"), 2},
	} {
		if got := compose(src(1, c.a), src(2, c.b)); len(got.Services) != c.want {
			t.Errorf("%s: %d services, want %d", c.name, len(got.Services), c.want)
		}
	}
}

// What one component does not say is filled from the other, every field of it.
func TestFillsEveryField(t *testing.T) {
	one := presence.Service{Class: "c", Contact: &presence.Contact{URI: "sip:a@x"}}
	full := presence.Service{}
	set(reflect.ValueOf(&full).Elem())
	full.Class, full.Contact, full.NotUnderstood, full.Basic = one.Class, one.Contact, false, presence.Open
	empty := one
	empty.OMA.Description, empty.ID, empty.BasicText = full.OMA.Description, full.ID, ""
	full.BasicText = ""
	s := compose(src(1, services(empty)), src(2, services(full)))
	if len(s.Services) != 1 || !presence.Equal(s, services(full)) {
		t.Errorf("service:\n%s\nwant\n%s", text(t, s), text(t, services(full)))
	}
	person := presence.Person{}
	set(reflect.ValueOf(&person).Elem())
	s = compose(src(2, personState(presence.Person{ID: person.ID, Timestamp: noon})), src(1, personState(person)))
	if !presence.Equal(s, personState(person)) {
		t.Errorf("person:\n%s\nwant\n%s", text(t, s), text(t, personState(person)))
	}
	dev := presence.Device{}
	set(reflect.ValueOf(&dev).Elem())
	s = compose(src(2, &presence.State{Devices: []presence.Device{{ID: dev.ID, DeviceID: dev.DeviceID, Timestamp: noon}}}), src(1, &presence.State{Devices: []presence.Device{dev}}))
	if !presence.Equal(s, &presence.State{Devices: []presence.Device{dev}}) {
		t.Errorf("device: %s", text(t, s))
	}
}

// set gives every field below v a value.
func set(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(noon))
			return
		}
		if v.Type() == reflect.TypeFor[presence.Range]() {
			return // when it is true is tested elsewhere
		}
		for i := range v.NumField() {
			set(v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		if v.Type() != reflect.TypeFor[*presence.OnOff]() {
			set(v.Elem())
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		set(v.Index(0))
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	default:
		v.Set(reflect.ValueOf(1).Convert(v.Type()))
	}
}

// CMP-07: what is joined is not written into the source's own lists.
func TestContract_CMP_07_SourcesStay(t *testing.T) {
	spare := append(make([]presence.Note, 0, 8), presence.Note{Text: "1"})
	var of []presence.Source
	for n := range 4 {
		s := services(described("t", "sip:x@y"))
		s.Services[0].Notes = []presence.Note{{Text: string(rune('1' + n))}}
		if n == 0 {
			s.Services[0].Notes = spare
		}
		s.Notes, s.Persons = s.Services[0].Notes, []presence.Person{{ID: "p", Notes: s.Services[0].Notes}}
		of = append(of, src(n+1, s))
	}
	got := compose(of...)
	if len(got.Services) != 1 || len(got.Services[0].Notes) != 4 || len(got.Notes) != 4 || len(got.Persons[0].Notes) != 4 {
		t.Errorf("%+v", got)
	}
	if after := spare[:cap(spare)]; after[1] != (presence.Note{}) {
		t.Errorf("written into a source: %v", after)
	}
}
