package mapping

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/mapping/xmltext"
)

// The limits of a document that a web client publishes.
const (
	maxJSON      = 64 << 10 // bytes of the document
	maxJSONList  = 100      // entries of one list
	maxJSONText  = 4 << 10  // bytes of one text
	maxJSONParts = 250      // services, persons and devices together
)

// FromJSON reads what a web client publishes: the document that AppendJSON
// writes, or any part of it (docs/feed-document.md). Without "services" the
// members of the first level say all: {"availability":"busy","reason":
// "in_call","until":…,"note":{"text":…}} becomes one service and what RPID has
// for it. With "services" they are what AppendJSON derived, and only checked.
// The error names the member that is wrong.
func FromJSON(b []byte) (*presence.State, error) {
	if len(b) > maxJSON {
		return nil, fmt.Errorf("longer than %d bytes", maxJSON)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	var d *jsonDocument
	err := dec.Decode(&d)
	if err != nil {
		return nil, jsonError(err)
	}
	_, err = dec.Token()
	if err != io.EOF {
		return nil, errors.New("something follows the document")
	}
	if d == nil {
		return nil, errors.New("null where an object belongs")
	}
	var r jsonReader
	s := r.document(d)
	if r.err != nil {
		return nil, r.err
	}
	return s, nil
}

// jsonError says in plain words what encoding/json says.
func jsonError(err error) error {
	var te *json.UnmarshalTypeError
	switch {
	case errors.As(err, &te):
		name := te.Field
		if name == "" {
			name = "document"
		}
		found, _, _ := strings.Cut(te.Value, " ")
		return fmt.Errorf("%s: %s where %s belongs", name, jsonKind(found), jsonKind(te.Type.Kind().String()))
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("not JSON: it ends too early")
	}
	return errors.New(strings.TrimPrefix(err.Error(), "json: "))
}

func jsonKind(kind string) string {
	switch kind {
	case "string":
		return "a string"
	case "bool":
		return "true or false"
	case "slice", "array":
		return "a list"
	case "number":
		return "a number"
	case "int", "int64":
		return "a whole number"
	}
	return "an object"
}

// jsonReader turns the document into a State. It goes on after a fault and
// keeps the first.
type jsonReader struct{ err error }

func (r *jsonReader) fail(at, format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%s: %s", at, fmt.Sprintf(format, args...))
	}
}

func (r *jsonReader) document(d *jsonDocument) *presence.State {
	s := &presence.State{Entity: r.text("entity", d.Entity), Notes: r.notes("notes", d.Notes),
		Ext: r.others("ext", d.Ext, "tuple", "note", "person", "device"), Attrs: r.attributes("document", d.Attributes, "entity")}
	if d.Services != nil {
		r.services(s, *d.Services)
	}
	people := d.OtherPersons
	r.length("other_persons", len(people))
	if d.Person != nil {
		s.Persons = append(s.Persons, r.person("person", d.Person))
	}
	for i := range people[:min(len(people), maxJSONList)] {
		s.Persons = append(s.Persons, r.person(at("other_persons", i), &people[i]))
	}
	r.length("devices", len(d.Devices))
	for i := range d.Devices[:min(len(d.Devices), maxJSONList)] {
		s.Devices = append(s.Devices, r.device(at("devices", i), &d.Devices[i]))
	}
	r.derived(s, d)
	if n := len(s.Services) + len(s.Persons) + len(s.Devices); n > maxJSONParts {
		r.fail("services", "with persons and devices %d entries, more than %d", n, maxJSONParts)
	}
	r.uniqueIDs(s)
	return s
}

func (r *jsonReader) services(s *presence.State, services []jsonService) {
	r.length("services", len(services))
	for i := range services[:min(len(services), maxJSONList)] {
		s.Services = append(s.Services, r.service(at("services", i), &services[i]))
	}
}

// uniqueIDs names an id that is used twice, and gives one to what has none.
func (r *jsonReader) uniqueIDs(s *presence.State) {
	seen := map[string]bool{}
	check := func(id *string, name, member string) {
		if *id == "" {
			*id = name
			for n := 2; seen[*id]; n++ {
				*id = name + strconv.Itoa(n)
			}
		} else if seen[*id] {
			r.fail(member, "the id %q is used twice", *id)
		}
		seen[*id] = true
	}
	for i := range s.Services {
		check(&s.Services[i].ID, "web", at("services", i))
	}
	for i := range s.Persons {
		check(&s.Persons[i].ID, "person", "person")
	}
	for i := range s.Devices {
		check(&s.Devices[i].ID, "device", at("devices", i))
	}
}

// at is the path of entry i of a list.
func at(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }

func (r *jsonReader) length(at string, n int) {
	if n > maxJSONList {
		r.fail(at, "%d entries, more than %d", n, maxJSONList)
	}
}

// text returns s when XML can carry it.
func (r *jsonReader) text(at, s string) string {
	if len(s) > maxJSONText {
		r.fail(at, "longer than %d bytes", maxJSONText)
		return ""
	}
	for _, c := range s {
		if c < 0x20 && c != '\t' && c != '\n' && c != '\r' || c == 0xFFFE || c == 0xFFFF {
			r.fail(at, "the character %U cannot be carried", c)
			return ""
		}
	}
	return s
}

// name returns s when it is "" or can be the name of an XML element.
func (r *jsonReader) name(at, s string) string {
	r.text(at, s)
	if s != "" && !xmltext.IsName(s) {
		r.fail(at, "%.50q is not a name", s)
		return ""
	}
	return s
}

// oneOf returns s when it is one of words or "".
func (r *jsonReader) oneOf(at, s string, words ...string) string {
	if s == "" {
		return ""
	}
	for _, w := range words {
		if s == w {
			return s
		}
	}
	r.fail(at, "%.50q is none of %s", s, strings.Join(words, ", "))
	return ""
}

func (r *jsonReader) time(at string, s *string) time.Time {
	if s == nil {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, *s)
	_, offset := t.Zone()
	if err != nil || t.Year() < 1 || offset <= -24*3600 || offset >= 24*3600 {
		r.fail(at, "%.50q is not a time of RFC 3339", *s)
	}
	return t
}

func (r *jsonReader) notes(path string, js []jsonNote) (ns []presence.Note) {
	r.length(path, len(js))
	for i := range js[:min(len(js), maxJSONList)] {
		ns = append(ns, r.note(at(path, i), &js[i]))
	}
	return ns
}

func (r *jsonReader) note(at string, j *jsonNote) presence.Note {
	return presence.Note{Text: r.text(at+".text", j.Text), Lang: r.text(at+".lang", j.Lang)}
}

func (r *jsonReader) basic(at string, basic string, text *string) (b presence.Basic, odd string) {
	switch r.oneOf(at+".basic", basic, "open", "closed", "unknown") {
	case "open":
		return presence.Open, ""
	case "closed":
		return presence.Closed, ""
	case "unknown":
		if text != nil {
			return presence.OddBasic, r.token(at+".basic_text", *text)
		}
		return presence.OddBasic, "unknown"
	}
	return presence.NoBasic, ""
}

// plainBasic is basic where there is nothing but open and closed, unless the
// element that says something else is carried along in ext.
func (r *jsonReader) plainBasic(at, basic string, ext []presence.RawXML) presence.Basic {
	odd := slices.ContainsFunc(ext, func(x presence.RawXML) bool { return x.Local == "basic" })
	if basic == "unknown" && odd {
		return presence.OddBasic
	}
	b, _ := r.basic(at, r.oneOf(at+".basic", basic, "open", "closed"), nil)
	return b
}
