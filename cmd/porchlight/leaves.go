package main

import (
	"bytes"
	"encoding/xml"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

// leaf is one thing that a state or a set of stanzas says.
type leaf struct {
	path  string // such as "person/activities/value"
	value string // what stands there, to compare
	show  string // value for people, perhaps shortened; "" when it says nothing
	where string // of which component, for people
}

// id is what two leaves that say the same have in common.
func (l *leaf) id() [2]string { return [2]string{l.path, l.value} }

// String names the leaf for people: "activities vacation of the person".
func (l *leaf) String() string {
	_, text, found := strings.Cut(l.path, "/")
	if !found {
		text = l.path
	}
	text = strings.TrimSuffix(text, "/value")
	if text == "id" {
		return l.where
	}
	text = strings.ReplaceAll(text, "/", " ")
	if l.show != "" {
		text += " " + l.show
	}
	return text + " of " + l.where
}

// stateLeaves lists all that s says, but for the address, which does not go
// through a translation of the content, and the lineage, which is no part of
// it. It looks at every field of the model, so that a new one is counted
// without being named here.
func stateLeaves(s *presence.State) []leaf {
	c := *s
	c.Entity = ""
	c.Ext = slices.DeleteFunc(slices.Clone(s.Ext), func(x presence.RawXML) bool { return x.Space == mapping.Ext && x.Local == "lineage" })
	w := leafWalk{where: theDocument}
	w.fields("", reflect.ValueOf(c))
	return w.out
}

const theDocument = "the document"

type leafWalk struct {
	out   []leaf
	where string
}

func (w *leafWalk) add(path, value, show string) {
	w.out = append(w.out, leaf{path, value, show, w.where})
}

// names are the fields that are not called as their element is; "" is for one
// whose parts belong to the element around it, "-" for one that is read with
// that element.
var names = map[string]string{
	"Services": "tuple", "Persons": "person", "Devices": "device", "Notes": "note", "Attrs": "attribute", "Values": "value",
	"DeviceIDs": "device-id", "StatusExt": "status/ext", "StatusIcons": "status-icon", "Timed": "timed-status",
	"Idle": "-", "Items": "capability", "Networks": "network", "Links": "link", "OMA": "", "Range": "",
	"ServiceOMA.Description": "service-description", "Descriptions": "description",
}

// kebab makes "LastInput" last-input.
func kebab(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && unicode.IsUpper(r) && unicode.IsLower(rune(name[i-1])) {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

func (w *leafWalk) fields(path string, v reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, ok := names[v.Type().Name()+"."+f.Name]
		if !ok {
			name, ok = names[f.Name]
		}
		if !ok {
			name = kebab(f.Name)
		}
		if name == "-" {
			continue
		}
		at := path
		if name != "" && path != "" {
			at += "/"
		}
		w.value(at+name, v.Field(i))
	}
}

var basics = map[presence.Basic]string{presence.Open: "open", presence.Closed: "closed"}

// quote shortens a text for a line of a report.
func quote(s string) string {
	if r := []rune(s); len(r) > 40 {
		s = string(r[:40]) + "…"
	}
	return `"` + strings.Join(strings.Fields(s), " ") + `"`
}

// value lists what v, at path, says; nothing when it is not there.
func (w *leafWalk) value(path string, v reflect.Value) {
	if w.whole(path, v.Interface()) {
		return
	}
	switch v.Kind() {
	case reflect.String:
		if v.Len() > 0 {
			w.add(path, v.String(), v.String())
		}
	case reflect.Bool:
		if v.Bool() {
			w.add(path, "true", "")
		}
	case reflect.Int:
		if n := strconv.FormatInt(v.Int(), 10); n != "0" {
			w.add(path, n, n)
		}
	case reflect.Slice:
		for i := range v.Len() {
			w.value(path, v.Index(i))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			what := "" // that it is there at all
			if u, ok := v.Interface().(*presence.UserInput); ok {
				what = map[bool]string{true: "idle", false: "active"}[u.Idle]
			}
			w.add(path, what, what)
			w.fields(path, v.Elem())
		}
	case reflect.Struct:
		before := w.where
		w.enter(v.Interface())
		w.fields(path, v)
		w.where = before
	default:
		panic("a kind of field that the model has not had: " + path)
	}
}

// enter notes the component that a leaf is of.
func (w *leafWalk) enter(component any) {
	switch x := component.(type) {
	case presence.Service:
		w.where = "tuple " + x.ID
	case presence.Person:
		w.where = "the person"
	case presence.Device:
		w.where = "device " + x.ID
	}
}

// whole lists what is one thing, though it has parts.
func (w *leafWalk) whole(path string, value any) bool {
	switch x := value.(type) {
	case time.Time:
		if !x.IsZero() {
			text := x.Format(time.RFC3339Nano)
			w.add(path, text, text)
		}
	case presence.Basic:
		if x != presence.NoBasic {
			w.add(path, strconv.Itoa(int(x)), basics[x])
		}
	case presence.Note:
		w.add(path, x.Lang+"\x00"+x.Text, quote(x.Text))
	case presence.Attr:
		w.add(path, x.Space+"\x00"+x.Local+"\x00"+x.Value, x.Local)
	case presence.RawXML:
		w.add(path, x.Bytes, "{"+x.Space+"}"+x.Local)
	case presence.Value:
		w.token(path, x)
	case presence.Capability:
		w.capability(path, x)
	default:
		return false
	}
	return true
}

// token is a value, and its element when that says more.
func (w *leafWalk) token(path string, v presence.Value) {
	show := v.Name
	if v.Space != "" && v.Space != mapping.Ext {
		show = "{" + v.Space + "}" + show
	}
	if v.Text != "" {
		show = strings.TrimSpace(show + " " + quote(v.Text))
	}
	w.add(path, v.Space+"\x00"+v.Name+"\x00"+v.Text+"\x00"+v.Lang, show)
	if v.Raw != nil && v.Raw.Bytes != "<"+v.Name+` xmlns="`+v.Space+`"/>` {
		w.add(path+"/xml", v.Raw.Bytes, "{"+v.Raw.Space+"}"+v.Raw.Local)
	}
}

func (w *leafWalk) capability(path string, c presence.Capability) {
	value := c.Name + "\x00" + c.Text + "\x00" + strings.Join(c.Supported, " ") + "\x00" + strings.Join(c.NotSupported, " ")
	if c.Raw != nil {
		value += c.Raw.Bytes
	}
	w.add(path, value, c.Name)
}

// stanzaLeaves lists all that presences and items say. What a resource says
// counts as such only when it comes back from that resource.
func stanzaLeaves(s *stanzas) []leaf {
	var w leafWalk
	for i := range s.presences {
		p := &s.presences[i]
		w.where = "resource " + p.Resource
		add := func(path, value string) { w.add(path, p.Resource+"\x00"+value, value) }
		// That there is none of a kind is told too, so that what is added
		// counts as a change.
		add("presence", strconv.FormatBool(p.Unavailable))
		add("presence/show", p.Show)
		for _, n := range p.Status {
			add("presence/status", n.Lang+"\x00"+n.Text)
		}
		if len(p.Status) == 0 {
			add("presence/status", "")
		}
		add("presence/priority", map[bool]string{true: strconv.Itoa(int(p.Priority))}[p.HasPriority])
		add("presence/delay", p.Stamp.Format(time.RFC3339Nano))
		add("presence/idle", p.Idle.Format(time.RFC3339Nano))
	}
	w.where = theDocument
	for _, it := range s.items {
		w.add("pep/"+it.Node[strings.LastIndexByte(it.Node, '/')+1:], canonical(it.Payload), "")
	}
	return w.out
}

// canonical writes XML so that two documents that say the same are the same:
// without prefixes, the attributes in order.
func canonical(doc string) string {
	var b bytes.Buffer
	dec := xml.NewDecoder(strings.NewReader(doc))
	for {
		t, err := dec.Token()
		if err != nil {
			return b.String()
		}
		switch t := t.(type) {
		case xml.StartElement:
			b.WriteString("<{" + t.Name.Space + "}" + t.Name.Local)
			slices.SortFunc(t.Attr, func(a, b xml.Attr) int {
				return strings.Compare(a.Name.Space+" "+a.Name.Local, b.Name.Space+" "+b.Name.Local)
			})
			for _, a := range t.Attr {
				if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" {
					b.WriteString(" {" + a.Name.Space + "}" + a.Name.Local + "=" + strconv.Quote(a.Value))
				}
			}
			b.WriteString(">")
		case xml.EndElement:
			b.WriteString("</>")
		case xml.CharData:
			b.Write(t)
		}
	}
}
