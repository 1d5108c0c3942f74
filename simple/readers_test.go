package simple

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The readers of this file do with a presence document what the clients do,
// as their sources have it. They are as strict and as blind as those.

const (
	pidfNS     = "urn:ietf:params:xml:ns:pidf"
	dmNS       = "urn:ietf:params:xml:ns:pidf:data-model"
	rpidNS     = "urn:ietf:params:xml:ns:pidf:rpid"
	omaNS      = "urn:oma:xml:prs:pidf:oma-pres"
	capsNS     = "urn:ietf:params:xml:ns:pidf:caps"
	blinkNS    = "urn:ag-projects:xml:ns:pidf"
	linphoneNS = "http://www.linphone.org/xsds/pidfonline.xsd"
)

// androidTuple is a capability as Android's pidfparser finds it.
type androidTuple struct {
	basic, service, version, contact string
	audio, video                     bool
	duplex                           []string
	malformed                        bool
}

var errMalformed = errors.New("XmlPullParserException")

// puller is an XmlPullParser.
type puller struct {
	d   *xml.Decoder
	tok xml.Token // StartElement, EndElement, CharData, or nil at the end
}

func (p *puller) next() error {
	for {
		tok, err := p.d.Token()
		if errors.Is(err, io.EOF) {
			p.tok = nil
			return nil
		}
		if err != nil {
			return fmt.Errorf("not well-formed: %w", err)
		}
		switch t := tok.(type) {
		case xml.StartElement, xml.EndElement:
			p.tok = t
			return nil
		case xml.CharData:
			p.tok = t.Copy()
			return nil
		}
	}
}

func (p *puller) start() (xml.StartElement, bool) {
	s, ok := p.tok.(xml.StartElement)
	return s, ok
}

func (p *puller) ended(name xml.Name) bool {
	e, ok := p.tok.(xml.EndElement)
	return p.tok == nil || ok && e.Name == name
}

// toEnd moves to the end of the element name, unless it is there.
func (p *puller) toEnd(name xml.Name) error {
	for !p.ended(name) {
		err := p.next()
		if err != nil {
			return err
		}
	}
	return nil
}

// text reads an element that must be name, as far as its first text.
func (p *puller) text(name xml.Name) (string, error) {
	s, _ := p.start()
	if s.Name != name {
		return "", errMalformed
	}
	err := p.next()
	if err != nil {
		return "", err
	}
	v := ""
	if t, ok := p.tok.(xml.CharData); ok {
		v = string(t)
	}
	return v, p.toEnd(name)
}

// inside calls f at each start tag at any depth until the element name ends.
func (p *puller) inside(name xml.Name, f func(local string) error) error {
	s, _ := p.start()
	if s.Name != name {
		return errMalformed
	}
	for {
		err := p.next()
		if err != nil || p.ended(name) {
			return err
		}
		if s, ok := p.start(); ok {
			err = f(s.Name.Local)
			if err != nil {
				return err
			}
		}
	}
}

// readAndroid is PidfParser: rules P1 to P6. An error is a document that is
// dropped whole, or an exception that nobody catches.
func readAndroid(doc string) (entity string, tuples []androidTuple, err error) {
	doc = strings.NewReplacer("\t", "", "\r", "", "\n", "").Replace(doc) // P1
	p := &puller{d: xml.NewDecoder(strings.NewReader(doc))}
	for {
		err = p.next()
		if err != nil || p.tok == nil {
			return "", nil, errors.Join(err, errors.New("no presence"))
		}
		if s, ok := p.start(); ok && s.Name.Local == "presence" {
			entity = attrOf(s, "entity")
			break
		}
	}
	s, _ := p.start()
	if s.Name.Space != pidfNS || entity == "" { // P2
		return "", nil, errMalformed
	}
	err = p.inside(s.Name, func(local string) error {
		switch local {
		case "tuple":
			var t androidTuple
			err := p.tuple(&t)
			if errors.Is(err, errMalformed) {
				t.malformed, err = true, nil // Presence.parse
			}
			tuples = append(tuples, t)
			return err
		case "note":
			_, err := p.text(xml.Name{Space: pidfNS, Local: "note"})
			if errors.Is(err, errMalformed) {
				return nil
			}
			return err
		}
		return nil
	})
	return entity, tuples, err
}

func attrOf(s xml.StartElement, local string) string {
	for _, a := range s.Attr {
		if a.Name.Local == local && a.Name.Space == "" {
			return a.Value
		}
	}
	return ""
}

// tuple is Tuple.parse: elements by local name at any depth (P3).
func (p *puller) tuple(t *androidTuple) error {
	return p.inside(xml.Name{Space: pidfNS, Local: "tuple"}, func(local string) (err error) {
		switch local {
		case "status":
			return p.status(t)
		case "service-description":
			return p.description(t)
		case "servcaps":
			return p.servcaps(t)
		case "contact":
			s, _ := p.start()
			if v := attrOf(s, "priority"); v != "" {
				_, err = strconv.ParseFloat(v, 64)
				if err != nil {
					return fmt.Errorf("NumberFormatException: %w", err) // P5
				}
			}
			t.contact, err = p.text(xml.Name{Space: pidfNS, Local: local})
		case "note", "timestamp":
			_, err = p.text(xml.Name{Space: pidfNS, Local: local})
		}
		return err
	})
}

// status is Status.parse: the first child must be basic (P4).
func (p *puller) status(t *androidTuple) error {
	name := xml.Name{Space: pidfNS, Local: "status"}
	s, _ := p.start()
	if s.Name != name {
		return errMalformed
	}
	err := p.next()
	if err != nil {
		return err
	}
	if _, ok := p.start(); ok {
		t.basic, err = p.text(xml.Name{Space: pidfNS, Local: "basic"})
		if err != nil {
			return err
		}
	} else if v, ok := p.tok.(xml.CharData); ok && strings.TrimSpace(string(v)) != "" {
		return errMalformed // nextTag
	}
	return p.toEnd(name)
}

func (p *puller) description(t *androidTuple) error {
	return p.inside(xml.Name{Space: omaNS, Local: "service-description"}, func(local string) (err error) {
		switch local {
		case "service-id":
			t.service, err = p.text(xml.Name{Space: omaNS, Local: local})
		case "version":
			t.version, err = p.text(xml.Name{Space: omaNS, Local: local})
			if parts := strings.Split(t.version, "."); err == nil && len(parts) == 2 {
				_, err1 := strconv.ParseInt(parts[0], 10, 32)
				_, err2 := strconv.ParseInt(parts[1], 10, 32)
				err = errors.Join(err1, err2) // P5: a NumberFormatException that nobody catches
			}
		case "description":
			_, err = p.text(xml.Name{Space: omaNS, Local: local})
		}
		return err
	})
}

func (p *puller) servcaps(t *androidTuple) error {
	return p.inside(xml.Name{Space: capsNS, Local: "servcaps"}, func(local string) error {
		switch local {
		case "audio", "video":
			v, err := p.text(xml.Name{Space: capsNS, Local: local})
			if local == "audio" {
				t.audio = strings.EqualFold(v, "true")
			} else {
				t.video = strings.EqualFold(v, "true")
			}
			return err
		case "duplex":
			return p.inside(xml.Name{Space: capsNS, Local: local}, func(local string) error {
				if local != "supported" && local != "notsupported" {
					return nil
				}
				err := p.next() // getDuplexType: what follows at once
				if s, ok := p.start(); ok && err == nil {
					t.duplex = append(t.duplex, local+" "+s.Name.Local)
				}
				return err
			})
		}
		return nil
	})
}

// node is an element of a document read whole.
type node struct {
	name  xml.Name
	attrs []xml.Attr
	text  string
	kids  []*node
}

func readNode(doc string) (*node, error) {
	d := xml.NewDecoder(strings.NewReader(doc))
	root := &node{}
	stack := []*node{root}
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return root.kids[0], nil
		}
		if err != nil {
			return nil, err
		}
		top := stack[len(stack)-1]
		switch t := tok.(type) {
		case xml.StartElement:
			n := &node{name: t.Name, attrs: t.Attr}
			top.kids = append(top.kids, n)
			stack = append(stack, n)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.CharData:
			top.text += string(t)
		}
	}
}

// all returns the elements at the end of a path of "namespace local" names.
func (n *node) all(path ...string) (found []*node) {
	if len(path) == 0 {
		return []*node{n}
	}
	for _, k := range n.kids {
		if k.name.Space+" "+k.name.Local == path[0] {
			found = append(found, k.all(path[1:]...)...)
		}
	}
	return found
}

// value is the text of the first element at the end of path.
func (n *node) value(path ...string) string {
	if found := n.all(path...); len(found) > 0 {
		return found[0].text
	}
	return ""
}

var rpidActivities = strings.Fields(`appointment away breakfast busy dinner holiday in-transit looking-for-work lunch meal
	meeting on-the-phone other performance permanent-absence playing presentation shopping sleeping spectator steering
	travel tv unknown vacation working worship`)

// readLinphone is PresenceModel: the consolidated presence. An error is a
// document that is answered 488.
func readLinphone(doc string) (string, error) {
	n, err := readNode(doc)
	if err != nil {
		return "", err
	}
	open, online := false, false
	for _, t := range n.all(pidfNS + " tuple") {
		switch t.value(pidfNS+" status", pidfNS+" basic") {
		case "":
			continue
		case "open":
			open = true
		case "closed":
		default:
			return "", errors.New("488")
		}
		online = online || len(t.all(pidfNS+" status", linphoneNS+" online")) > 0
	}
	activities := 0
	for _, a := range n.all(dmNS+" person", rpidNS+" activities") {
		for _, k := range a.kids {
			if k.name.Space == rpidNS && slices.Contains(rpidActivities, k.name.Local) {
				activities++
			}
		}
	}
	switch {
	case online, open && activities == 0:
		return "online", nil
	case open:
		return "busy", nil
	case activities > 0:
		return "do not disturb", nil
	}
	return "offline", nil
}

// timeOf reads a timestamp; none is the beginning of time.
func timeOf(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.RFC3339Nano, text)
}

// readBlink is python3-sipsimple's pidf and blink-qt's presence: the state and
// the note of the service that it chooses.
func readBlink(doc string) (state, note string, err error) {
	n, err := readNode(doc)
	if err != nil {
		return "", "", err
	}
	best, newest := -1, time.Time{}
	for _, t := range n.all(pidfNS + " tuple") {
		basic := t.value(pidfNS+" status", pidfNS+" basic")
		if len(t.all(pidfNS+" status", pidfNS+" basic")) > 0 && basic != "open" && basic != "closed" {
			return "", "", errors.New("illegal BasicStatusValue")
		}
		key, s := 0, "offline"
		if basic == "open" {
			key, s = 10, "available"
		}
		if x := t.all(pidfNS+" status", blinkNS+" extended"); len(x) > 0 {
			key, s = 100, x[0].text
			if !slices.Contains([]string{"available", "offline", "away", "busy"}, s) {
				return "", "", errors.New("illegal value for extended status")
			}
		}
		at, err := timeOf(t.value(pidfNS + " timestamp"))
		if err != nil {
			return "", "", err
		}
		if key > best || key == best && at.After(newest) {
			best, newest, state, note = key, at, s, t.value(pidfNS+" note")
		}
	}
	if best < 0 {
		return "", "", errors.New("IndexError: list index out of range")
	}
	return state, note, nil
}

// readBoghe is ScreenContacts.ParsePidf.
func readBoghe(doc string) (string, error) {
	n, err := readNode(doc)
	if err != nil {
		return "", err
	}
	for _, b := range n.all(pidfNS+" tuple", pidfNS+" status", pidfNS+" basic") {
		if b.text != "open" && b.text != "closed" {
			return "", errors.New("XmlSerializer: instance validation error")
		}
	}
	persons := n.all(dmNS + " person")
	if len(persons) == 0 {
		if n.value(pidfNS+" tuple", pidfNS+" status", pidfNS+" basic") == "open" {
			return "Online", nil
		}
		return "Offline", nil
	}
	p, last := persons[0], time.Time{}
	for _, x := range persons {
		at, err := timeOf(x.value(dmNS + " timestamp"))
		if err != nil {
			return "", err
		}
		if at.After(last) {
			p, last = x, at
		}
	}
	status := "Offline"
	if len(p.all(omaNS+" overriding-willingness")) > 0 && p.value(omaNS+" overriding-willingness", omaNS+" basic") != "closed" {
		status = "Online"
	}
	for _, a := range p.all(rpidNS + " activities") {
		for _, k := range a.kids {
			if k.name.Space != rpidNS || !slices.Contains(rpidActivities, k.name.Local) {
				continue // unknown to the serializer
			}
			if s := bogheStates[k.name.Local]; s != "" {
				status = s
			}
			return status, nil // the first alone counts
		}
	}
	return status, nil
}

var bogheStates = map[string]string{
	"away": "Away", "shopping": "Away", "sleeping": "Away", "working": "Away", "appointment": "Away",
	"busy": "Busy", "vacation": "BeRightBack", "on-the-phone": "OnThePhone", "playing": "OnThePhone",
	"dinner": "OutToLunch", "breakfast": "OutToLunch", "meal": "OutToLunch",
}
