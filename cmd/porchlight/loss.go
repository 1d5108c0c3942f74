package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// loss is one thing that a translation does not carry, and why.
type loss struct{ what, why string }

// report tells what was lost in plain words.
func report(w io.Writer, to string, lists ...[]loss) {
	n := 0
	for _, list := range lists {
		for _, l := range list {
			if n == 0 {
				fmt.Fprintf(w, "Lost on the way to %s:\n", to)
			}
			n++
			fmt.Fprintf(w, "  %s: %s\n", l.what, l.why)
		}
	}
	if n == 0 {
		fmt.Fprintf(w, "Nothing is lost on the way to %s.\n", to)
	}
}

// whys says why a format does not carry a kind of thing; "" is for the kinds
// that are not listed.
var whys = map[string]map[string]string{
	"xmpp": {
		"":           "RFC 8048 Table 2 has no row for it",
		"tuple":      "it says nothing of being reachable (RFC 3863 §4.2.3, RFC 4479 §3.6), or is one more ability of a device that is one resource",
		"basic":      "it goes with its tuple; what is neither open nor closed is shown as unavailable",
		"contact":    "a resource is reached by its address; only the priority is mapped (RFC 8048 Table 2)",
		"priority":   "it becomes a whole number of 0 to 127 (RFC 8048 §6.2 note 6), of several abilities of one device the highest; who is unavailable has none",
		"note":       "one <status/> for each language (RFC 6121 §4.7.2.2), and a tuple's note goes before the person's and the document's",
		"show":       "who is unavailable has none (RFC 6121 §4.7.2.1)",
		"activity":   "RFC 8048 Table 2 has no row for RPID; what it means for reaching the person is in <show/>",
		"mood":       "XMPP has moods beside presence (XEP-0107), not in it",
		"location":   "XMPP has positions beside presence (XEP-0080), not in it",
		"icon":       "XMPP has avatars beside presence (XEP-0084), not in it",
		"card":       "XMPP has contact cards beside presence (XEP-0054), not in it",
		"abilities":  "XMPP tells abilities by service discovery (XEP-0030)",
		"idle":       "only the time of the last input is told (XEP-0319 §2)",
		"timestamp":  "a presence has one time (XEP-0203 §2)",
		"device":     "a presence is of a resource, which is a tuple, not a device (RFC 8048 §6.3)",
		"validity":   "a presence is true until the next one",
		"understood": "RFC 8048 Table 2 has no row for it",
	},
	"json": {"": "the JSON document does not have it (docs/feed-document.md)"},
	"pidf": {"": "PIDF has no place for it"},
}

// lost compares what a state says with what its translation says.
func lost(before, after *presence.State, to string) []loss {
	left := map[string]int{}
	for _, t := range things(after) {
		left[t.kind+"\x00"+t.key]++
	}
	var out []loss
	for _, t := range things(before) {
		key := t.kind + "\x00" + t.key
		if left[key] > 0 {
			left[key]--
			continue
		}
		why := whys[to][t.kind]
		if why == "" {
			why = whys[to][""]
		}
		out = append(out, loss{t.what, why})
	}
	return out
}

// thing is one thing that a state says. Two are the same when kind and key
// are; what says it to people.
type thing struct{ kind, key, what string }

// inventory lists what a state says, in its order.
type inventory []thing

// add lists a thing unless its value is "" or zero.
func (v *inventory) add(kind, where string, value any) {
	text := fmt.Sprint(value)
	switch x := value.(type) {
	case time.Time:
		if x.IsZero() {
			return
		}
		text = x.UTC().Format(time.RFC3339Nano)
	case bool:
		if !x {
			return
		}
		text = ""
	}
	if _, yes := value.(bool); !yes && text == "" {
		return
	}
	what := kind
	if text != "" {
		what += " " + text
	}
	*v = append(*v, thing{kind, text, what + " of " + where})
}

func things(s *presence.State) inventory {
	var v inventory
	const doc = "the document"
	v.notes(doc, s.Notes)
	v.raw(doc, s.Ext)
	v.attributes(doc, s.Attrs)
	for i := range s.Services {
		v.service(&s.Services[i])
	}
	for i := range s.Persons {
		v.person(&s.Persons[i])
	}
	for i := range s.Devices {
		v.device(&s.Devices[i])
	}
	return v
}

var basics = map[presence.Basic]string{presence.Open: "open", presence.Closed: "closed"}

func (v *inventory) service(t *presence.Service) {
	where := "tuple " + t.ID
	*v = append(*v, thing{"tuple", "", where})
	v.add("basic", where, basics[t.Basic])
	v.add("basic", where, t.BasicText)
	v.add("show", where, t.Show)
	v.add("mustUnderstand", where, t.NotUnderstood)
	if t.Contact != nil {
		v.add("contact", where, t.Contact.URI)
		if q, err := strconv.ParseFloat(t.Contact.Priority, 64); err == nil {
			v.add("priority", where, q)
		}
	}
	v.notes(where, t.Notes)
	v.add("timestamp", where, t.Timestamp)
	v.add("class", where, t.Class)
	for _, id := range t.DeviceIDs {
		v.add("deviceID", where, id)
	}
	v.choice("privacy", where, t.Privacy)
	v.choice("relationship", where, t.Relationship)
	v.choice("service-class", where, t.ServiceClass)
	v.icons(where, t.StatusIcons)
	v.input(where, t.UserInput)
	v.add("timed-status", where, len(t.Timed) > 0)
	v.card(where, t.Card)
	v.caps(where, t.Caps)
	if d := t.OMA.Description; d != nil {
		*v = append(*v, thing{"abilities", d.ID + d.Version, "service-description " + d.ID + " of " + where})
	}
	v.onOff("willingness", where, t.OMA.Willingness)
	v.onOff("session-participation", where, t.OMA.SessionParticipation)
	v.add("registration-state", where, t.OMA.RegistrationState)
	v.add("barring-state", where, t.OMA.BarringState)
	v.add("location", where, len(t.Geo) > 0)
	v.raw(where, t.Ext)
	v.raw("the status of "+where, t.StatusExt)
	v.attributes(where, t.Attrs)
}

func (v *inventory) person(p *presence.Person) {
	const where = "the person"
	v.choice("activity", where, (*presence.Choice)(p.Activities))
	v.choice("mood", where, (*presence.Choice)(p.Mood))
	if pi := p.PlaceIs; pi != nil {
		v.choice("place-is audio", where, &presence.Choice{Values: pi.Audio})
		v.choice("place-is video", where, &presence.Choice{Values: pi.Video})
		v.choice("place-is text", where, &presence.Choice{Values: pi.Text})
		v.choice("place-is", where, &presence.Choice{Range: pi.Range, Notes: pi.Notes})
		v.raw("place-is", pi.Ext)
	}
	v.choice("place-type", where, p.PlaceType)
	v.choice("privacy", where, p.Privacy)
	v.choice("sphere", where, p.Sphere)
	v.icons(where, p.StatusIcons)
	if o := p.TimeOffset; o != nil {
		v.add("time-offset", where, strings.TrimSpace(fmt.Sprint(o.Minutes, " ", o.Description)))
	}
	v.input(where, p.UserInput)
	v.add("class", where, p.Class)
	v.card(where, p.Card)
	v.onOff("overriding-willingness", where, p.OMA.OverridingWillingness)
	for _, l := range p.OMA.Links {
		v.add("link", where, l.URI)
		v.attributes("a link", l.Attrs)
	}
	v.add("location", where, len(p.Geo) > 0)
	v.notes(where, p.Notes)
	v.add("timestamp", where, p.Timestamp)
	v.raw(where, p.Ext)
	v.attributes(where, p.Attrs)
}

func (v *inventory) device(d *presence.Device) {
	where := "device " + d.ID
	*v = append(*v, thing{"device", d.DeviceID, where})
	v.input(where, d.UserInput)
	v.caps(where, d.Caps)
	v.add("class", where, d.Class)
	v.add("network-availability", where, len(d.Networks) > 0)
	v.add("location", where, len(d.Geo) > 0)
	v.notes(where, d.Notes)
	v.add("timestamp", where, d.Timestamp)
	v.raw(where, d.Ext)
	v.attributes(where, d.Attrs)
}
