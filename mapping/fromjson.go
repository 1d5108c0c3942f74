package mapping

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// The JSON document as encoding/json reads it. Members that AppendJSON derives
// (address, availability, reason, the flags, note) are accepted; of those only
// availability and note say something, and only where the rest is silent.
type (
	jsonDocument struct {
		Address, Availability, Reason string
		Idle, OOF, Manual             bool
		Since, Until                  *time.Time
		Note                          *jsonNote
		Notes                         []jsonNote
		Services                      []jsonService
		Person                        *jsonPerson
		Devices                       []jsonDevice
	}
	jsonNote    struct{ Text, Lang string }
	jsonService struct {
		ID, Basic, Show, Contact, Priority, Class string
		Notes                                     []jsonNote
		Timestamp                                 *time.Time
		DeviceIDs                                 []string    `json:"device_ids"`
		Privacy                                   *jsonChoice `json:"privacy"`
		Relationship                              *jsonChoice
		ServiceClass                              *jsonChoice `json:"service_class"`
		StatusIcons                               []string    `json:"status_icons"`
		UserInput                                 *jsonInput  `json:"user_input"`
		Card                                      jsonCard
		Caps                                      json.RawMessage
		Service                                   *struct{ ID, Version string }
		Willingness                               *jsonOnOff
		SessionParticipation                      *jsonOnOff `json:"session_participation"`
		RegistrationState                         string     `json:"registration_state"`
		BarringState                              string     `json:"barring_state"`
	}
	jsonChoice struct {
		Values      []jsonValue
		Notes       []jsonNote
		From, Until *time.Time
	}
	jsonValue struct{ Name, Namespace, Text, Lang string }
	jsonInput struct {
		Idle          bool
		IdleThreshold int        `json:"idle_threshold_s"`
		LastInput     *time.Time `json:"last_input"`
	}
	jsonCard struct {
		Card                       string
		DisplayName                string `json:"display_name"`
		Homepage, Icon, Map, Sound string
	}
	jsonOnOff struct {
		Basic string
		Until *time.Time
	}
	jsonPerson struct {
		ID, Class             string
		Activities, Mood      *jsonChoice
		PlaceIs               *jsonPlaceIs `json:"place_is"`
		PlaceType             *jsonChoice  `json:"place_type"`
		Privacy, Sphere       *jsonChoice
		TimeOffset            *int       `json:"time_offset"`
		StatusIcons           []string   `json:"status_icons"`
		UserInput             *jsonInput `json:"user_input"`
		Card                  jsonCard
		OverridingWillingness *jsonOnOff `json:"overriding_willingness"`
		Notes                 []jsonNote
		Timestamp             *time.Time
	}
	jsonPlaceIs struct {
		Audio, Video, Text []jsonValue
		Notes              []jsonNote
		From, Until        *time.Time
	}
	jsonDevice struct {
		ID, Class string
		DeviceID  string     `json:"device_id"`
		UserInput *jsonInput `json:"user_input"`
		Notes     []jsonNote
		Timestamp *time.Time
	}
)

// maxJSONParts is how many services, devices, notes or values may stand in one
// list.
const maxJSONParts = 100

// FromJSON reads what a web client publishes: the document that AppendJSON
// writes, or any part of it. {"availability": "busy"} alone is enough. The
// error names the member that is wrong.
func FromJSON(b []byte) (*presence.State, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	var d jsonDocument
	err := dec.Decode(&d)
	if err != nil {
		return nil, jsonError(err)
	}
	if dec.More() {
		return nil, errors.New("something follows the document")
	}
	if len(d.Services) > maxJSONParts || len(d.Devices) > maxJSONParts || len(d.Notes) > maxJSONParts {
		return nil, fmt.Errorf("a list has more than %d members", maxJSONParts)
	}
	s := &presence.State{Notes: notesFrom(d.Notes)}
	for i, js := range d.Services {
		t, err := serviceFrom(&js)
		if err != nil {
			return nil, fmt.Errorf("services[%d].%w", i, err)
		}
		s.Services = append(s.Services, t)
	}
	if d.Person != nil {
		s.Persons = []presence.Person{personFromJSON(d.Person)}
	}
	for _, jd := range d.Devices {
		s.Devices = append(s.Devices, presence.Device{ID: jd.ID, DeviceID: jd.DeviceID, Class: jd.Class,
			UserInput: inputFrom(jd.UserInput), Notes: notesFrom(jd.Notes), Timestamp: timeFrom(jd.Timestamp)})
	}
	return s, d.simple(s)
}

// jsonError says in plain words what encoding/json says.
func jsonError(err error) error {
	var te *json.UnmarshalTypeError
	if errors.As(err, &te) {
		return fmt.Errorf("%s: %s where %s belongs", te.Field, te.Value, te.Type)
	}
	return err
}

// simple completes s from the short form: a word and a note.
func (d *jsonDocument) simple(s *presence.State) error {
	if len(s.Services) > 0 || d.Availability == "" && d.Note == nil {
		return nil
	}
	word := Word(d.Availability)
	if word == "" {
		word = Available
	}
	t := presence.Service{ID: "web", Basic: presence.Open}
	switch word {
	case Offline:
		t.Basic = presence.Closed
	case Unknown, Available, Chat, Away, ExtendedAway, Busy, DND:
		t.Show = shows[word]
	default:
		return fmt.Errorf("availability: %q is not a word of availability", d.Availability)
	}
	if d.Note != nil {
		t.Notes = []presence.Note{{Lang: d.Note.Lang, Text: d.Note.Text}}
	}
	s.Services = []presence.Service{t}
	vs := spoken[word]
	if word == DND {
		vs = []presence.Value{{Name: "busy"}, {Space: Ext, Name: "do-not-disturb"}}
	}
	if vs == nil {
		return nil
	}
	if len(s.Persons) == 0 {
		s.Persons = []presence.Person{{ID: "person"}}
	}
	if s.Persons[0].Activities == nil {
		s.Persons[0].Activities = &presence.Activities{Values: vs}
	}
	return nil
}

func serviceFrom(j *jsonService) (presence.Service, error) {
	t := presence.Service{ID: j.ID, Show: j.Show, Class: j.Class, DeviceIDs: j.DeviceIDs,
		Notes: notesFrom(j.Notes), Timestamp: timeFrom(j.Timestamp),
		Privacy: choiceFrom(j.Privacy), Relationship: choiceFrom(j.Relationship), ServiceClass: choiceFrom(j.ServiceClass),
		StatusIcons: iconsFrom(j.StatusIcons), UserInput: inputFrom(j.UserInput), Card: presence.CIPID(j.Card)}
	var err error
	t.Basic, err = basicFrom(j.Basic)
	if err != nil {
		return t, err
	}
	if t.Basic == presence.OddBasic {
		t.BasicText = j.Basic
	}
	if j.Contact != "" || j.Priority != "" {
		t.Contact = &presence.Contact{URI: j.Contact, Priority: j.Priority}
	}
	if j.Service != nil {
		t.OMA.Description = &presence.ServiceDescription{ID: j.Service.ID, Version: j.Service.Version}
	}
	t.OMA.Willingness, t.OMA.SessionParticipation = onOffFrom(j.Willingness), onOffFrom(j.SessionParticipation)
	t.OMA.RegistrationState, t.OMA.BarringState = j.RegistrationState, j.BarringState
	t.Caps, err = capsFrom(j.Caps)
	return t, err
}

func basicFrom(s string) (presence.Basic, error) {
	switch s {
	case "":
		return presence.NoBasic, nil
	case "open":
		return presence.Open, nil
	case "closed":
		return presence.Closed, nil
	case "unknown":
		return presence.OddBasic, nil
	}
	return presence.NoBasic, fmt.Errorf("basic: %q is neither open nor closed", s)
}

// capsFrom reads the members of caps, in their order.
func capsFrom(b json.RawMessage) (*presence.Caps, error) {
	if len(b) == 0 {
		return nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	t, err := dec.Token()
	if err != nil || t != json.Delim('{') {
		return nil, errors.New("caps: not an object")
	}
	c := &presence.Caps{}
	for dec.More() && len(c.Items) < maxJSONParts {
		name, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("caps: %w", err)
		}
		item := presence.Capability{Name: name.(string)}
		if !plainName(item.Name) {
			return nil, fmt.Errorf("caps: %q is not the name of a capability", item.Name)
		}
		var v json.RawMessage
		err = dec.Decode(&v)
		if err != nil {
			return nil, fmt.Errorf("caps.%s: %w", item.Name, err)
		}
		var lists struct {
			Supported    []string `json:"supported"`
			NotSupported []string `json:"not_supported"`
		}
		if json.Unmarshal(v, &item.Text) != nil {
			err = json.Unmarshal(v, &lists)
			if err != nil {
				return nil, fmt.Errorf("caps.%s: neither text nor lists", item.Name)
			}
			item.Supported, item.NotSupported = lists.Supported, lists.NotSupported
		}
		c.Items = append(c.Items, item)
	}
	return c, nil
}

// plainName reports whether s can be the name of an XML element.
func plainName(s string) bool {
	for i := range len(s) {
		if class[s[i]]&hostChar == 0 {
			return false
		}
	}
	return s != "" && (s[0] < '0' || s[0] > '9') && s[0] != '-'
}

func personFromJSON(j *jsonPerson) presence.Person {
	p := presence.Person{ID: j.ID, Class: j.Class, PlaceType: choiceFrom(j.PlaceType), Privacy: choiceFrom(j.Privacy),
		Sphere: choiceFrom(j.Sphere), StatusIcons: iconsFrom(j.StatusIcons), UserInput: inputFrom(j.UserInput),
		Card: presence.CIPID(j.Card), Notes: notesFrom(j.Notes), Timestamp: timeFrom(j.Timestamp)}
	p.Activities = (*presence.Activities)(choiceFrom(j.Activities))
	p.Mood = (*presence.Mood)(choiceFrom(j.Mood))
	p.OMA.OverridingWillingness = onOffFrom(j.OverridingWillingness)
	if j.TimeOffset != nil {
		p.TimeOffset = &presence.TimeOffset{Minutes: *j.TimeOffset}
	}
	if pi := j.PlaceIs; pi != nil {
		p.PlaceIs = &presence.PlaceIs{Audio: valuesFrom(pi.Audio), Video: valuesFrom(pi.Video), Text: valuesFrom(pi.Text),
			Notes: notesFrom(pi.Notes), Range: presence.Range{From: timeFrom(pi.From), Until: timeFrom(pi.Until)}}
	}
	return p
}

func notesFrom(js []jsonNote) (ns []presence.Note) {
	for _, j := range js {
		ns = append(ns, presence.Note{Lang: j.Lang, Text: j.Text})
	}
	return ns
}

func timeFrom(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// valuesFrom leaves out what cannot be the name of an XML element.
func valuesFrom(js []jsonValue) (vs []presence.Value) {
	for _, j := range js {
		if plainName(j.Name) || j.Name == "" && j.Text != "" {
			vs = append(vs, presence.Value{Space: j.Namespace, Name: j.Name, Text: j.Text, Lang: j.Lang})
		}
	}
	return vs
}

func choiceFrom(j *jsonChoice) *presence.Choice {
	if j == nil {
		return nil
	}
	return &presence.Choice{Range: presence.Range{From: timeFrom(j.From), Until: timeFrom(j.Until)},
		Notes: notesFrom(j.Notes), Values: valuesFrom(j.Values)}
}

func iconsFrom(uris []string) (is []presence.Icon) {
	for _, u := range uris {
		is = append(is, presence.Icon{URI: u})
	}
	return is
}

func inputFrom(j *jsonInput) *presence.UserInput {
	if j == nil {
		return nil
	}
	return &presence.UserInput{Idle: j.Idle, IdleThreshold: j.IdleThreshold, LastInput: timeFrom(j.LastInput)}
}

func onOffFrom(j *jsonOnOff) *presence.OnOff {
	if j == nil {
		return nil
	}
	b, err := basicFrom(j.Basic)
	if err != nil {
		b = presence.OddBasic
	}
	return &presence.OnOff{Basic: b, Until: timeFrom(j.Until)}
}
