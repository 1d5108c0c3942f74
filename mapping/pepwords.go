package mapping

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/mapping/tables"
	"github.com/porchlight-im/porchlight/xmpp/payload"
)

// sayActivity says the activity that asks most of a watcher (XEP-0108 §2.1).
func (r *Rules) sayActivity(dst []byte, p *presence.Person, now time.Time) []byte {
	a := p.Activities
	if a == nil || !during(a.Range, now) {
		return dst
	}
	voc := r.compiled().activity
	best, most := -1, meaning{}
	for i := range a.Values {
		_, _, ok := voc.toXMPP(&a.Values[i])
		if !ok {
			continue
		}
		m, _ := r.meaningOf(&a.Values[i])
		w, than := weight[m.word], weight[most.word]
		if best < 0 || w > than || w == than && reasonRank[m.reason] > reasonRank[most.reason] {
			best, most = i, m
		}
	}
	if best < 0 {
		return dst
	}
	if x, native := nativeOf(p, payload.NodeActivity, "activity"); x != nil {
		v, notes, err := r.activityOf(x)
		if err == nil && sameValue(&v, &a.Values[best]) && slices.Equal(notes, a.Notes) {
			return append(dst, native...)
		}
	}
	name, words, _ := voc.toXMPP(&a.Values[best])
	if name == inTransit && p.PlaceType != nil && during(p.PlaceType.Range, now) {
		name = vehicle(p.PlaceType.Values)
	}
	return appendWord(dst, payload.NodeActivity, "activity", name, words, a.Notes, a.Values[best].Name == "other")
}

// inTransit is the XMPP name that the place-type makes more specific.
const inTransit = "traveling"

// vehicles has XEP-0108's names of the place-types one travels in, by the table
// places (XEP-0108 §4).
var vehicles = readVehicles(tables.Must("places"))

func readVehicles(t *tables.Table) map[string]string {
	out := map[string]string{}
	for i := range t.Rows {
		r := &t.Rows[i]
		if r.Get("element") == "place-type" && r.Get("xmpp") != nothing {
			out[r.Get("value")] = r.Get("xmpp")
		}
	}
	return out
}

// vehicle returns what someone in-transit travels in, by the first place-type
// that says it.
func vehicle(places []presence.Value) string {
	for _, v := range places {
		if name := vehicles[v.Name]; name != "" && v.Space == "" {
			return name
		}
	}
	return inTransit
}

// hearActivity forgets what activity there was; what there is now comes from
// the element that is kept, together with what the resources say.
func (r *Rules) hearActivity(p *presence.Person, x *element, _ time.Time) error {
	p.Activities = nil
	if x == nil {
		return nil
	}
	v, notes, err := r.activityOf(x)
	if err != nil {
		return err
	}
	p.Activities = &presence.Activities{Notes: notes, Values: []presence.Value{v}}
	return nil
}

// activityOf reads an <activity/> (XEP-0108 §2.1). A specific activity of
// another namespace is not understood, and does not count.
func (r *Rules) activityOf(x *element) (presence.Value, []presence.Note, error) {
	general := x.first("text")
	if general == nil {
		return presence.Value{}, nil, errors.New("no activity in it")
	}
	specific := ""
	if s := general.first(""); s != nil {
		specific = s.local
	}
	v, notes := r.compiled().activity.fromXMPP(general.local, specific, x.texts("text"))
	return v, notes, nil
}

// nativeActivities returns what personal eventing says p is doing.
func (r *Rules) nativeActivities(p *presence.Person) ([]presence.Value, []presence.Note) {
	x, _ := nativeOf(p, payload.NodeActivity, "activity")
	if x == nil {
		return nil, nil
	}
	v, notes, err := r.activityOf(x)
	if err != nil {
		return nil, nil
	}
	return []presence.Value{v}, notes
}

// joined returns a and what of b is not in it.
func joined(a, b []presence.Value) []presence.Value {
	if len(a) == 0 {
		return b
	}
	out := slices.Clone(a)
	for i := range b {
		if !slices.ContainsFunc(a, func(v presence.Value) bool { return sameValue(&v, &b[i]) }) {
			out = append(out, b[i])
		}
	}
	return out
}

func sameValue(a, b *presence.Value) bool {
	return a.Space == b.Space && a.Name == b.Name && a.Text == b.Text && a.Lang == b.Lang
}

// sayMood says the first mood that XMPP has (XEP-0107 §2.1).
func (r *Rules) sayMood(dst []byte, p *presence.Person, now time.Time) []byte {
	m := p.Mood
	if m == nil || !during(m.Range, now) {
		return dst
	}
	voc := r.compiled().mood
	for i := range m.Values {
		name, words, ok := voc.toXMPP(&m.Values[i])
		if !ok {
			continue
		}
		if x, native := nativeOf(p, payload.NodeMood, "mood"); x != nil {
			v, notes, err := r.moodOf(x)
			if err == nil && sameValue(&v, &m.Values[i]) && slices.Equal(notes, m.Notes) {
				return append(dst, native...)
			}
		}
		return appendWord(dst, payload.NodeMood, "mood", name, words, m.Notes, m.Values[i].Name == "other")
	}
	return dst
}

// hearMood replaces the mood, whoever said it.
func (r *Rules) hearMood(p *presence.Person, x *element, _ time.Time) error {
	p.Mood = nil // XEP-0107 §2.2: an empty element stops it
	if x == nil {
		return nil
	}
	v, notes, err := r.moodOf(x)
	if err != nil {
		return err
	}
	p.Mood = &presence.Mood{Notes: notes, Values: []presence.Value{v}}
	return nil
}

// moodOf reads a <mood/> (XEP-0107 §2.1). What is in the mood itself is more
// specific, of another namespace, and does not count.
func (r *Rules) moodOf(x *element) (presence.Value, []presence.Note, error) {
	mood := x.first("text")
	if mood == nil {
		return presence.Value{}, nil, errors.New("no mood in it")
	}
	v, notes := r.compiled().mood.fromXMPP(mood.local, "", x.texts("text"))
	return v, notes, nil
}

// appendWord appends <root><general><specific/></general><text/></root> for an
// XMPP name. The text is the first note; but the words of the name, when there
// is no note, or own is set: they are all that is said.
func appendWord(dst []byte, space, root, name string, words presence.Note, notes []presence.Note, own bool) []byte {
	text := words
	if n := firstNote(notes); n.Text != "" && !(own && words.Text != "") {
		text = n
	}
	general, specific, _ := strings.Cut(name, "/")
	x := element{space: space, local: root, kids: []element{{space: space, local: general}}}
	if specific != "" {
		x.kids[0].kids = []element{{space: space, local: specific}}
	}
	if strings.TrimSpace(text.Text) != "" {
		x.kids = append(x.kids, element{space: space, local: "text", text: text.Text, attrs: langAttr(text.Lang)})
	}
	return x.append(dst, "")
}

// sayTune repeats the tune that came from XMPP: PIDF has nothing for it.
func (r *Rules) sayTune(dst []byte, p *presence.Person, _ time.Time) []byte {
	_, native := nativeOf(p, payload.NodeTune, "tune")
	return append(dst, native...)
}

// hearTune leaves p as it is: the element itself is kept (XEP-0118 §2.1).
func (r *Rules) hearTune(_ *presence.Person, x *element, _ time.Time) error {
	if x != nil && x.first("") == nil {
		return errors.New("no tune in it")
	}
	return nil
}

// sayNick says the name of p's card: a nickname is how someone wants to be
// called, and so is the display-name (XEP-0172 §3, RFC 4482 §3.2).
func (r *Rules) sayNick(dst []byte, p *presence.Person, _ time.Time) []byte {
	name := strings.TrimSpace(p.Card.DisplayName)
	if name == "" {
		return dst
	}
	x := element{space: payload.NodeNick, local: "nick", text: name}
	return x.append(dst, "")
}

// hearNick replaces the name of p's card.
func (r *Rules) hearNick(p *presence.Person, x *element, _ time.Time) error {
	p.Card.DisplayName = ""
	if x == nil {
		return nil
	}
	if len(x.kids) > 0 {
		return errors.New("elements in a name")
	}
	p.Card.DisplayName = strings.TrimSpace(x.text)
	return nil
}
