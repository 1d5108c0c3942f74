package mapping

import (
	"bytes"
	"encoding/json"
	"slices"

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
	t := presence.Service{ID: "web", Basic: presence.Open, Show: shows[word], Notes: notes}
	switch word {
	case Offline:
		t.Basic = presence.Closed
	case Unknown:
		t.Basic = presence.NoBasic
	}
	s.Services = []presence.Service{t}
	a := &presence.Activities{Range: presence.Range{Until: until}, Values: spoken[word]}
	if v, ok := reasons[reason]; ok {
		a.Values = append(a.Values[:len(a.Values):len(a.Values)], v)
	}
	if d.OOF {
		a.Values = append(a.Values[:len(a.Values):len(a.Values)], presence.Value{Space: Ext, Name: "out-of-office"})
	}
	if len(a.Values) == 0 && !d.Idle {
		return
	}
	if len(s.Persons) == 0 {
		s.Persons = []presence.Person{{}}
	}
	p := &s.Persons[0]
	if p.Activities == nil && len(a.Values) > 0 {
		p.Activities = a
	}
	if p.UserInput == nil && d.Idle {
		p.UserInput = &presence.UserInput{Idle: true}
	}
}

func (r *jsonReader) service(path string, j *jsonService) presence.Service {
	t := presence.Service{
		ID: r.name(path+".id", j.ID), Show: r.oneOf(path+".show", j.Show, "away", "chat", "dnd", "xa"), NotUnderstood: j.NotUnderstood,
		Notes: r.notes(path+".notes", j.Notes), Timestamp: r.time(path+".timestamp", j.Timestamp),
		Class: r.text(path+".class", j.Class), Privacy: r.choice(path+".privacy", j.Privacy),
		Relationship: r.choice(path+".relationship", j.Relationship), ServiceClass: r.choice(path+".service_class", j.ServiceClass),
		StatusIcons: r.icons(path+".status_icons", j.StatusIcons), UserInput: r.input(path+".user_input", j.UserInput),
		Card: r.card(path+".card", &j.Card), Caps: r.caps(path+".caps", j.Caps),
	}
	t.Basic, t.BasicText = r.basic(path, j.Basic, j.BasicText)
	if j.Contact != nil || j.Priority != "" {
		t.Contact = &presence.Contact{Priority: r.priority(path+".priority", j.Priority)}
		if j.Contact != nil {
			t.Contact.URI = r.text(path+".contact", *j.Contact)
		}
	}
	r.length(path+".device_ids", len(j.DeviceIDs))
	for i, id := range j.DeviceIDs {
		t.DeviceIDs = append(t.DeviceIDs, r.text(at(path+".device_ids", i), id))
	}
	r.length(path+".timed_status", len(j.TimedStatus))
	for i := range j.TimedStatus {
		t.Timed = append(t.Timed, r.timed(at(path+".timed_status", i), &j.TimedStatus[i]))
	}
	if d := j.Service; d != nil {
		t.OMA.Description = &presence.ServiceDescription{ID: r.text(path+".service.id", d.ID),
			Version: r.text(path+".service.version", d.Version), Descriptions: r.notes(path+".service.descriptions", d.Descriptions)}
	}
	t.OMA.Willingness = r.onOff(path+".willingness", j.Willingness)
	t.OMA.SessionParticipation = r.onOff(path+".session_participation", j.SessionParticipation)
	t.OMA.RegistrationState = r.oneOf(path+".registration_state", j.RegistrationState, "active", "terminated")
	t.OMA.BarringState = r.oneOf(path+".barring_state", j.BarringState, "active", "terminated")
	return t
}

func (r *jsonReader) priority(path, s string) string {
	if s == "" {
		return ""
	}
	if _, ok := priorityOf(s); !ok {
		r.fail(path, "%.50q is not a number from 0 to 1", s)
	}
	return s
}

func (r *jsonReader) timed(path string, j *jsonTimed) presence.TimedStatus {
	if j.From == nil {
		r.fail(path+".from", "is missing") // RFC 4481 §3
	}
	t := presence.TimedStatus{From: r.time(path+".from", j.From), Until: r.time(path+".until", j.Until), Notes: r.notes(path+".notes", j.Notes)}
	t.Basic, _ = r.basic(path, j.Basic, nil)
	return t
}

func (r *jsonReader) onOff(path string, j *jsonOnOff) *presence.OnOff {
	if j == nil {
		return nil
	}
	o := &presence.OnOff{Until: r.time(path+".until", j.Until)}
	o.Basic, _ = r.basic(path, j.Basic, nil)
	return o
}

func (r *jsonReader) person(path string, j *jsonPerson) presence.Person {
	p := presence.Person{
		ID: r.name(path+".id", j.ID), Class: r.text(path+".class", j.Class),
		Activities: (*presence.Activities)(r.choice(path+".activities", j.Activities)),
		Mood:       (*presence.Mood)(r.choice(path+".mood", j.Mood)),
		PlaceType:  r.choice(path+".place_type", j.PlaceType), Privacy: r.choice(path+".privacy", j.Privacy),
		Sphere: r.choice(path+".sphere", j.Sphere), StatusIcons: r.icons(path+".status_icons", j.StatusIcons),
		UserInput: r.input(path+".user_input", j.UserInput), Card: r.card(path+".card", &j.Card),
		Notes: r.notes(path+".notes", j.Notes), Timestamp: r.time(path+".timestamp", j.Timestamp),
	}
	if pi := j.PlaceIs; pi != nil {
		at := path + ".place_is"
		p.PlaceIs = &presence.PlaceIs{Range: r.span(at, &pi.jsonSpan), Notes: r.notes(at+".notes", pi.Notes),
			Audio: r.values(at+".audio", pi.Audio), Video: r.values(at+".video", pi.Video), Text: r.values(at+".text", pi.Text)}
	}
	if j.TimeOffset != nil {
		p.TimeOffset = r.timeOffset(path, *j.TimeOffset, j.TimeOffsetDetail)
	}
	p.OMA.OverridingWillingness = r.onOff(path+".overriding_willingness", j.OverridingWillingness)
	r.length(path+".links", len(j.Links))
	for i, l := range j.Links {
		at := at(path+".links", i)
		p.OMA.Links = append(p.OMA.Links, presence.Link{URI: r.text(at+".uri", l.URI), Label: r.text(at+".label", l.Label),
			Priority: r.priority(at+".priority", l.Priority)})
	}
	return p
}

func (r *jsonReader) timeOffset(path string, minutes int, detail *jsonOffset) *presence.TimeOffset {
	if minutes < -24*60 || minutes > 24*60 {
		r.fail(path+".time_offset", "%d minutes is more than a day", minutes)
	}
	o := &presence.TimeOffset{Minutes: minutes}
	if detail != nil {
		o.Range = r.span(path+".time_offset_detail", &detail.jsonSpan)
		o.Description = r.text(path+".time_offset_detail.description", detail.Description)
	}
	return o
}

func (r *jsonReader) device(path string, j *jsonDevice) presence.Device {
	d := presence.Device{ID: r.name(path+".id", j.ID), DeviceID: r.text(path+".device_id", j.DeviceID), Class: r.text(path+".class", j.Class),
		UserInput: r.input(path+".user_input", j.UserInput), Caps: r.caps(path+".caps", j.Caps),
		Notes: r.notes(path+".notes", j.Notes), Timestamp: r.time(path+".timestamp", j.Timestamp)}
	r.length(path+".networks", len(j.Networks))
	for i, n := range j.Networks {
		d.Networks = append(d.Networks, presence.Network{ID: r.text(at(path+".networks", i)+".id", n.ID), Active: n.Active, Terminated: n.Terminated})
	}
	return d
}

func (r *jsonReader) choice(path string, j *jsonChoice) *presence.Choice {
	if j == nil {
		return nil
	}
	return &presence.Choice{Range: r.span(path, &j.jsonSpan), Notes: r.notes(path+".notes", j.Notes), Values: r.values(path+".values", j.Values)}
}

func (r *jsonReader) values(path string, js []jsonValue) (vs []presence.Value) {
	r.length(path, len(js))
	for i := range js[:min(len(js), maxJSONList)] {
		j, at := &js[i], at(path, i)
		if j.Name == "" && (j.Text == "" || j.Namespace != "") {
			r.fail(at+".name", "is missing")
		}
		lang := r.note(at, &jsonNote{Lang: j.Lang}).Lang
		vs = append(vs, presence.Value{Name: r.name(at+".name", j.Name), Space: r.text(at+".namespace", j.Namespace),
			Text: r.text(at+".text", j.Text), Lang: lang})
	}
	return vs
}

func (r *jsonReader) span(path string, j *jsonSpan) presence.Range {
	return presence.Range{ID: r.name(path+".id", j.ID), From: r.time(path+".from", j.From), Until: r.time(path+".until", j.Until)}
}

func (r *jsonReader) icons(path string, js []jsonIcon) (icons []presence.Icon) {
	r.length(path, len(js))
	for i := range js[:min(len(js), maxJSONList)] {
		icons = append(icons, presence.Icon{Range: r.span(at(path, i), &js[i].jsonSpan), URI: r.text(at(path, i)+".uri", js[i].URI)})
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
	return &presence.UserInput{Idle: j.Idle, IdleThreshold: j.IdleThreshold, LastInput: r.time(path+".last_input", j.LastInput), ID: r.name(path+".id", j.ID)}
}

func (r *jsonReader) card(path string, j *jsonCard) presence.CIPID {
	return presence.CIPID{Card: r.text(path+".card", j.Card), DisplayName: r.text(path+".display_name", j.DisplayName),
		Homepage: r.text(path+".homepage", j.Homepage), Icon: r.text(path+".icon", j.Icon),
		Map: r.text(path+".map", j.Map), Sound: r.text(path+".sound", j.Sound)}
}

// caps reads the members of caps in their order.
func (r *jsonReader) caps(path string, j *jsonCaps) *presence.Caps {
	if j == nil || string(j.raw) == "null" {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(j.raw))
	first, err := dec.Token()
	if err != nil || first != json.Delim('{') {
		r.fail(path, "not an object")
		return nil
	}
	c := &presence.Caps{}
	for dec.More() && r.err == nil {
		key, err := dec.Token()
		name, ok := key.(string)
		if err != nil || !ok || name == "" {
			r.fail(path, "a name is missing")
			return nil
		}
		item := presence.Capability{Name: r.name(path+"."+name, name)}
		if slices.ContainsFunc(c.Items, func(o presence.Capability) bool { return o.Name == item.Name }) {
			r.fail(path+"."+name, "is there twice")
		}
		r.capability(path+"."+name, dec, &item)
		c.Items = append(c.Items, item)
		r.length(path, len(c.Items))
	}
	return c
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
		r.text(path, item.Text)
		return
	}
	var lists struct {
		Supported    []string `json:"supported"`
		NotSupported []string `json:"not_supported"`
	}
	err = json.Unmarshal(raw, &lists)
	if err != nil {
		r.fail(path, "neither a string nor an object with supported and not_supported")
		return
	}
	r.length(path+".supported", len(lists.Supported))
	r.length(path+".not_supported", len(lists.NotSupported))
	for _, s := range append(lists.Supported[:len(lists.Supported):len(lists.Supported)], lists.NotSupported...) {
		r.name(path, s)
	}
	item.Supported, item.NotSupported = lists.Supported, lists.NotSupported
}
