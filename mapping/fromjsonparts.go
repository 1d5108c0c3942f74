package mapping

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// reasons are the activities that say a reason.
var reasons = map[string]presence.Value{
	"in_call":    {Name: "on-the-phone"},
	"in_meeting": {Name: "meeting"},
	"presenting": {Name: "presentation"},
	"focusing":   {Space: Ext, Name: "focusing"},
	"calendar":   {Name: "appointment"},
	"travelling": {Name: "travel"},
}

// outOfOffice is the activity that says it.
var outOfOffice = presence.Value{Space: Ext, Name: "out-of-office"}

// derived checks the members that AppendJSON derives and, without services,
// makes one service and what RPID has for them.
func (r *jsonReader) derived(s *presence.State, d *jsonDocument) {
	word := Word(r.oneOf("availability", d.Availability, string(Unknown), string(Offline), string(ExtendedAway), string(Away),
		string(Available), string(Chat), string(Busy), string(DND)))
	reason := r.oneOf("reason", d.Reason, "in_call", "in_meeting", "presenting", "focusing", "calendar", "travelling")
	r.time("since", d.Since)
	until := r.time("until", d.Until)
	var notes []presence.Note
	if d.Note != nil {
		notes = []presence.Note{r.note("note", d.Note)}
	}
	if d.Services != nil || word == "" && len(notes) == 0 {
		return
	}
	s.Services = []presence.Service{webService(word, notes, until)}
	a := &presence.Activities{Range: presence.Range{Until: until}, Values: slices.Clone(spoken[word])}
	if v, ok := reasons[reason]; ok {
		a.Values = append(a.Values, v)
	}
	if d.OOF {
		a.Values = append(a.Values, outOfOffice)
	}
	r.choose(s, d, word, a)
}

// webService is the one service of whoever says word.
func webService(word Word, notes []presence.Note, until time.Time) presence.Service {
	t := presence.Service{ID: "web", Basic: presence.Open, Notes: notes}
	if until.IsZero() {
		t.Show = shows[word] // it has no end of its own
	}
	switch word {
	case Offline:
		t.Basic = presence.Closed
	case Unknown:
		t.Basic = presence.NoBasic
	}
	return t
}

// choose gives the person the activities a, which say word.
func (r *jsonReader) choose(s *presence.State, d *jsonDocument, word Word, a *presence.Activities) {
	// A word that somebody chooses is his own, unless he says that it is not.
	manual := word != "" && word != Unknown && (d.Manual == nil || *d.Manual)
	if len(a.Values) == 0 && !d.Idle && !manual {
		return
	}
	if len(s.Persons) == 0 {
		s.Persons = []presence.Person{{}}
	}
	p := &s.Persons[0]
	own := p.Activities
	switch {
	case own != nil && manual:
		// What he chose stands beside what else he does.
		if !slices.ContainsFunc(own.Values, func(v presence.Value) bool { return says(&v, word) }) {
			own.Values = append(slices.Clip(spoken[word]), own.Values...)
		}
		if own.Until.IsZero() {
			own.Until = a.Until
		}
	case own == nil && (len(a.Values) > 0 || manual):
		p.Activities = a
	}
	if manual && !slices.Contains(p.Activities.Attrs, byHand) {
		p.Activities.Attrs = append(p.Activities.Attrs, byHand)
	}
	if p.UserInput == nil && d.Idle {
		p.UserInput = &presence.UserInput{Idle: true}
	}
}

// says reports whether v alone says word.
func says(v *presence.Value, word Word) bool {
	m, _ := Standard.meaningOf(v)
	return m.word == word
}

func (r *jsonReader) service(path string, j *jsonService) presence.Service {
	t := presence.Service{
		ID: r.text(path+".id", j.ID), Show: r.word(path+".show", j.Show, j.ShowText, showWords...),
		StatusExt: r.others(path+".status_ext", j.StatusExt, "basic"),
		Notes:     r.notes(path+".notes", j.Notes), Timestamp: r.time(path+".timestamp", j.Timestamp),
		Class: r.token(path+".class", j.Class), Privacy: r.choice(path+".privacy", j.Privacy, ""),
		Relationship: r.choice(path+".relationship", j.Relationship, "other"), ServiceClass: r.choice(path+".service_class", j.ServiceClass, ""),
		StatusIcons: r.icons(path+".status_icons", j.StatusIcons), UserInput: r.input(path+".user_input", j.UserInput),
		Card: r.card(path+".card", &j.Card), Caps: r.caps(path, j.Caps, j.CapsDetail),
		Ext: r.raws(path+".ext", j.Ext), Attrs: r.attributes(path, j.Attributes, "id"),
	}
	t.NotUnderstood = j.NotUnderstood || !understood(t.StatusExt)
	t.Basic, t.BasicText = r.basic(path, j.Basic, j.BasicText)
	if j.Contact != nil || j.Priority != "" {
		t.Contact = &presence.Contact{Priority: r.priority(path+".priority", j.Priority)}
		if j.Contact != nil {
			t.Contact.URI = r.token(path+".contact", *j.Contact)
		}
	}
	r.length(path+".device_ids", len(j.DeviceIDs))
	for i, id := range j.DeviceIDs {
		id = r.token(at(path+".device_ids", i), id)
		if id == "" {
			r.fail(at(path+".device_ids", i), "is empty")
		}
		t.DeviceIDs = append(t.DeviceIDs, id)
	}
	r.length(path+".timed_status", len(j.TimedStatus))
	for i := range j.TimedStatus {
		t.Timed = append(t.Timed, r.timed(at(path+".timed_status", i), &j.TimedStatus[i]))
	}
	t.OMA = r.serviceOMA(path, j)
	return t
}

func (r *jsonReader) serviceOMA(path string, j *jsonService) presence.ServiceOMA {
	o := presence.ServiceOMA{
		Willingness:          r.onOff(path+".willingness", j.Willingness),
		SessionParticipation: r.onOff(path+".session_participation", j.SessionParticipation),
		RegistrationState:    r.word(path+".registration_state", j.RegistrationState, j.RegistrationStateText, stateWords...),
		BarringState:         r.word(path+".barring_state", j.BarringState, j.BarringStateText, stateWords...),
	}
	if d := j.Service; d != nil {
		path += ".service"
		o.Description = &presence.ServiceDescription{ID: r.collapsed(path+".id", d.ID), Version: r.collapsed(path+".version", d.Version),
			Descriptions: r.notes(path+".descriptions", d.Descriptions), Ext: r.raws(path+".ext", d.Ext)}
		for i := range o.Description.Descriptions {
			n := &o.Description.Descriptions[i]
			n.Text = r.collapsed(path+".descriptions", n.Text)
		}
	}
	return o
}

// collapsed is a text in which white space is a single blank, as in the
// elements that OMA has.
func (r *jsonReader) collapsed(path, s string) string {
	isSpace := func(c rune) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }
	return strings.Join(strings.FieldsFunc(r.text(path, s), isSpace), " ")
}

// priority is a contact's: RFC 3863 §4.1.5, at most three decimals.
func (r *jsonReader) priority(path, s string) string {
	ok := len(s) <= 5 && (len(s) < 2 || s[1] == '.')
	for i := range len(s) {
		switch c := s[i]; {
		case i == 0:
			ok = ok && (c == '0' || c == '1')
		case i > 1:
			ok = ok && c >= '0' && c <= '9' && (s[0] == '0' || c == '0')
		}
	}
	if !ok {
		r.fail(path, "%.50q is not a number from 0 to 1 with at most three decimals", s)
	}
	return s
}

func (r *jsonReader) timed(path string, j *jsonTimed) presence.TimedStatus {
	t := presence.TimedStatus{From: r.time(path+".from", j.From), Until: r.time(path+".until", j.Until),
		Notes: r.notes(path+".notes", j.Notes), Ext: r.raws(path+".ext", j.Ext)}
	t.Basic = r.plainBasic(path, j.Basic, t.Ext)
	t.Attrs = r.attributes(path, j.Attributes, given("from", !t.From.IsZero()), given("until", !t.Until.IsZero()))
	return t
}

func (r *jsonReader) onOff(path string, j *jsonOnOff) *presence.OnOff {
	if j == nil {
		return nil
	}
	o := &presence.OnOff{Until: r.time(path+".until", j.Until), Ext: r.raws(path+".ext", j.Ext)}
	o.Basic = r.plainBasic(path, j.Basic, o.Ext)
	o.Attrs = r.attributes(path, j.Attributes, given("{"+nsOPD+"}until", !o.Until.IsZero()))
	return o
}

func (r *jsonReader) person(path string, j *jsonPerson) presence.Person {
	p := presence.Person{
		ID: r.text(path+".id", j.ID), Class: r.token(path+".class", j.Class),
		Activities: (*presence.Activities)(r.choice(path+".activities", j.Activities, "other")),
		Mood:       (*presence.Mood)(r.choice(path+".mood", j.Mood, "other")),
		PlaceType:  r.choice(path+".place_type", j.PlaceType, "other"), Privacy: r.choice(path+".privacy", j.Privacy, ""),
		Sphere: r.choice(path+".sphere", j.Sphere, ""), StatusIcons: r.icons(path+".status_icons", j.StatusIcons),
		UserInput: r.input(path+".user_input", j.UserInput), Card: r.card(path+".card", &j.Card),
		Notes: r.notes(path+".notes", j.Notes), Timestamp: r.time(path+".timestamp", j.Timestamp),
		Geo: r.positions(path+".geo", j.Geo), Ext: r.raws(path+".ext", j.Ext), Attrs: r.attributes(path, j.Attributes, "id"),
	}
	if pi := j.PlaceIs; pi != nil {
		at := path + ".place_is"
		p.PlaceIs = &presence.PlaceIs{Range: r.span(at, &pi.jsonSpan), Notes: r.notes(at+".notes", pi.Notes),
			Audio: r.values(at+".audio", pi.Audio, nsRPID), Video: r.values(at+".video", pi.Video, nsRPID), Text: r.values(at+".text", pi.Text, nsRPID),
			Ext: r.raws(at+".ext", pi.Ext)}
	}
	switch {
	case j.TimeOffset != nil:
		p.TimeOffset = r.timeOffset(path, *j.TimeOffset, j.TimeOffsetDetail)
	case j.TimeOffsetDetail != nil:
		r.fail(path+".time_offset", "is missing")
	}
	p.OMA.OverridingWillingness = r.onOff(path+".overriding_willingness", j.OverridingWillingness)
	r.length(path+".links", len(j.Links))
	for i, l := range j.Links {
		at := at(path+".links", i)
		label, priority := "label", "priority"
		p.OMA.Links = append(p.OMA.Links, presence.Link{URI: r.token(at+".uri", l.URI), Label: r.text(at+".label", l.Label),
			Priority: r.text(at+".priority", l.Priority),
			Attrs:    r.attributes(at, l.Attributes, label, priority, "{"+nsLink+"}"+label, "{"+nsLink+"}"+priority)})
	}
	return p
}

func (r *jsonReader) timeOffset(path string, minutes int, detail *jsonOffset) *presence.TimeOffset {
	o := &presence.TimeOffset{Minutes: minutes}
	if detail != nil {
		path += ".time_offset_detail"
		o.Description = r.text(path+".description", detail.Description)
		o.Range = r.span(path, &detail.jsonSpan, given("description", o.Description != ""))
	}
	return o
}

func (r *jsonReader) device(path string, j *jsonDevice) presence.Device {
	d := presence.Device{ID: r.text(path+".id", j.ID), DeviceID: r.token(path+".device_id", j.DeviceID), Class: r.token(path+".class", j.Class),
		UserInput: r.input(path+".user_input", j.UserInput), Caps: r.caps(path, j.Caps, j.CapsDetail),
		Notes: r.notes(path+".notes", j.Notes), Timestamp: r.time(path+".timestamp", j.Timestamp),
		Geo: r.positions(path+".geo", j.Geo), Ext: r.raws(path+".ext", j.Ext), Attrs: r.attributes(path, j.Attributes, "id")}
	r.length(path+".networks", len(j.Networks))
	for i, n := range j.Networks {
		at := at(path+".networks", i)
		d.Networks = append(d.Networks, presence.Network{ID: r.text(at+".id", n.ID), Active: n.Active, Terminated: n.Terminated,
			Ext: r.raws(at+".ext", n.Ext), Attrs: r.attributes(at, n.Attributes, "id")})
	}
	return d
}

// choice reads an RPID element. loose names a value that has only a text, as
// package pidf does; "" when it stays one, of which an element has no more
// than one.
func (r *jsonReader) choice(path string, j *jsonChoice, loose string) *presence.Choice {
	if j == nil {
		return nil
	}
	own := nsRPID
	if strings.HasSuffix(path, ".place_type") {
		own = nsLT
	}
	c := &presence.Choice{Range: r.span(path, &j.jsonSpan), Notes: r.notes(path+".notes", j.Notes)}
	words := -1 // the value without a name
	for _, v := range r.values(path+".values", j.Values, own, "") {
		switch {
		case v.Name != "":
		case loose != "":
			v.Name = loose
			if own == nsLT {
				v.Space = nsRPID
			}
		case v.Lang != "":
			r.fail(path+".values", "a value without a name has no language")
		case words >= 0:
			c.Values[words].Text += " " + v.Text
			continue
		default:
			words = len(c.Values)
		}
		c.Values = append(c.Values, v)
	}
	return c
}

// values reads values of an element whose own have the namespace own. unnamed
// is given when a value may be only a text; then a note is not among them.
func (r *jsonReader) values(path string, js []jsonValue, own string, unnamed ...string) (vs []presence.Value) {
	r.length(path, len(js))
	for i := range js[:min(len(js), maxJSONList)] {
		j, at := &js[i], at(path, i)
		v := presence.Value{Name: r.name(at+".name", j.Name), Space: r.foreign(at+".namespace", j.Namespace),
			Text: r.token(at+".text", j.Text), Lang: r.text(at+".lang", j.Lang)}
		if v.Space == own {
			v.Space = ""
		}
		switch {
		case v.Name == "" && (v.Text == "" || v.Space != "" || j.XML != nil || unnamed == nil):
			r.fail(at+".name", "is missing")
		case v.Name == "note" && unnamed != nil && (v.Space == "" || v.Space == nsRPID || v.Space == nsPIDF || v.Space == nsDM):
			r.fail(at+".name", "a note is not a value")
		case j.XML != nil:
			r.rawValue(at+".xml", &v, *j.XML)
		}
		vs = append(vs, v)
	}
	return vs
}

// span reads what RPID elements share; the element has the attributes own
// besides.
func (r *jsonReader) span(path string, j *jsonSpan, own ...string) presence.Range {
	s := presence.Range{ID: r.text(path+".id", j.ID), From: r.time(path+".from", j.From), Until: r.time(path+".until", j.Until)}
	own = append(own, given("id", s.ID != ""), given("from", !s.From.IsZero()), given("until", !s.Until.IsZero()))
	s.Attrs = r.attributes(path, j.Attributes, own...)
	return s
}

func (r *jsonReader) icons(path string, js []jsonIcon) (icons []presence.Icon) {
	r.length(path, len(js))
	for i := range js[:min(len(js), maxJSONList)] {
		icons = append(icons, presence.Icon{Range: r.span(at(path, i), &js[i].jsonSpan), URI: r.token(at(path, i)+".uri", js[i].URI)})
	}
	return icons
}

func (r *jsonReader) input(path string, j *jsonInput) *presence.UserInput {
	if j == nil {
		return nil
	}
	if j.IdleThreshold < 0 {
		r.fail(path+".idle_threshold_s", "is negative")
	}
	u := &presence.UserInput{Idle: j.Idle, IdleThreshold: j.IdleThreshold, LastInput: r.time(path+".last_input", j.LastInput), ID: r.text(path+".id", j.ID)}
	u.Attrs = r.attributes(path, j.Attributes, given("id", u.ID != ""), given("idle-threshold", u.IdleThreshold > 0), given("last-input", !u.LastInput.IsZero()))
	return u
}

func (r *jsonReader) card(path string, j *jsonCard) presence.CIPID {
	return presence.CIPID{Card: r.token(path+".card", j.Card), DisplayName: r.token(path+".display_name", j.DisplayName),
		Homepage: r.token(path+".homepage", j.Homepage), Icon: r.token(path+".icon", j.Icon),
		Map: r.token(path+".map", j.Map), Sound: r.token(path+".sound", j.Sound)}
}

// caps reads caps and caps_detail of the component at path.
func (r *jsonReader) caps(path string, j *jsonCaps, detail *jsonCapsDetail) *presence.Caps {
	if j == nil || string(j.raw) == "null" {
		if detail != nil {
			r.fail(path+".caps", "is missing")
		}
		return nil
	}
	c := &presence.Caps{}
	r.capabilities(path+".caps", j, c)
	if detail == nil {
		return c
	}
	path += ".caps_detail"
	r.length(path+".more", len(detail.More))
	for i := range detail.More[:min(len(detail.More), maxJSONList)] {
		more := &presence.Caps{}
		r.capabilities(at(path+".more", i), &detail.More[i], more)
		c.Items = append(c.Items, more.Items...)
	}
	c.Ext, c.Attrs = r.raws(path+".ext", detail.Ext), r.attributes(path, detail.Attributes)
	return c
}

// capabilities reads the members of an object in their order.
func (r *jsonReader) capabilities(path string, j *jsonCaps, c *presence.Caps) {
	dec := json.NewDecoder(bytes.NewReader(j.raw))
	first, err := dec.Token()
	if err != nil || first != json.Delim('{') {
		r.fail(path, "not an object")
		return
	}
	for dec.More() && r.err == nil {
		key, err := dec.Token()
		name, ok := key.(string)
		if err != nil || !ok || name == "" {
			r.fail(path, "a name is missing")
			return
		}
		item := presence.Capability{Name: r.name(path+"."+name, name)}
		if slices.ContainsFunc(c.Items, func(o presence.Capability) bool { return o.Name == item.Name }) {
			r.fail(path+"."+name, "is there twice")
		}
		r.capability(path+"."+name, dec, &item)
		c.Items = append(c.Items, item)
		r.length(path, len(c.Items))
	}
}

// capability reads the value of one: a text, or lists of what is supported.
func (r *jsonReader) capability(path string, dec *json.Decoder, item *presence.Capability) {
	var raw json.RawMessage
	err := dec.Decode(&raw)
	if err != nil {
		r.fail(path, "not JSON")
		return
	}
	if json.Unmarshal(raw, &item.Text) == nil {
		item.Text = r.token(path, item.Text)
		return
	}
	var lists struct {
		Supported    []string `json:"supported"`
		NotSupported []string `json:"not_supported"`
		XML          *string  `json:"xml"`
	}
	err = json.Unmarshal(raw, &lists)
	if err != nil {
		r.fail(path, "neither a string nor an object with supported and not_supported, or xml")
		return
	}
	if lists.XML != nil {
		e := r.raw(path+".xml", *lists.XML)
		if e.Space != nsCaps || e.Local != item.Name || len(lists.Supported)+len(lists.NotSupported) > 0 {
			r.fail(path+".xml", "is not the capability %.50q alone", item.Name)
		}
		item.Raw = &e
		return
	}
	r.length(path+".supported", len(lists.Supported))
	r.length(path+".not_supported", len(lists.NotSupported))
	for _, s := range append(lists.Supported[:len(lists.Supported):len(lists.Supported)], lists.NotSupported...) {
		r.name(path, s)
	}
	item.Supported, item.NotSupported = lists.Supported, lists.NotSupported
}
