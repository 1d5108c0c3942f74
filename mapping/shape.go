package mapping

import (
	"slices"
	"strconv"
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// The extensions of the status element by which clients tell more than basic
// does.
const (
	blinkSpace    = "urn:ag-projects:xml:ns:pidf"
	linphoneSpace = "http://www.linphone.org/xsds/pidfonline.xsd"
)

// onlineMark is Linphone's sign that someone is online, whatever he does.
var onlineMark = presence.RawXML{Space: linphoneSpace, Local: "online", Bytes: `<online xmlns="` + linphoneSpace + `"/>`}

// draft is a State being made for one kind of watchers: a copy whose lists of
// services and persons are its own. What their pointers and lists lead to is
// the original's, and never changed.
type draft struct {
	*presence.State
	rules *Rules
	now   time.Time
	word  Word // of the original
}

func newDraft(r *Rules, s *presence.State, now time.Time) *draft {
	c := *s
	c.Services = slices.Clone(s.Services)
	c.Persons = slices.Clone(s.Persons)
	return &draft{State: &c, rules: r, now: now, word: r.Effective(s, now).Word}
}

// basicNamed gives the values of Tuples and Willing their meaning.
var basicNamed = map[string]presence.Basic{"": presence.NoBasic, "open": presence.Open, "closed": presence.Closed}

// look makes d look as l says.
func (d *draft) look(p *Profile, l *look) {
	foremost := d.foremost()
	if p.online {
		d.dropMark(linphoneSpace, "online")
	}
	if p.extended {
		d.dropMark(blinkSpace, "extended")
	}
	d.tuples(basicNamed[l.Tuples])
	d.activities(l)
	if w := basicNamed[l.Willing]; w != presence.NoBasic {
		d.willing(w)
	}
	if l.Online {
		d.markOnline()
	}
	if l.Extended != "" {
		d.extend(l.Extended, foremost)
	}
}

// strictBasic takes away what is neither open nor closed, and the basic of a
// status that must not be interpreted: these clients would.
func (d *draft) strictBasic() {
	for i := range d.Services {
		t := &d.Services[i]
		if t.Basic == presence.OddBasic || t.NotUnderstood { // RFC 3863 §4.2.3
			t.Basic, t.BasicText = presence.NoBasic, ""
		}
	}
}

// dropMark takes an element out of every status.
func (d *draft) dropMark(space, local string) {
	for i := range d.Services {
		t := &d.Services[i]
		t.StatusExt = without(t.StatusExt, func(x presence.RawXML) bool { return x.Space == space && x.Local == local })
	}
}

// without returns list without what gone says; list itself when that is
// nothing.
func without[T any](list []T, gone func(T) bool) []T {
	if !slices.ContainsFunc(list, gone) {
		return list
	}
	return slices.DeleteFunc(slices.Clone(list), gone)
}

// tuples makes all tuples closed, or those open that can be reached. Without
// any that can, there is one for the person whom nothing else shows.
func (d *draft) tuples(b presence.Basic) {
	open := false
	for i := range d.Services {
		t := &d.Services[i]
		switch {
		case b == presence.Closed:
			t.Basic = presence.Closed
		case b == presence.Open && reachOf(t) == reachable:
			t.Basic, open = presence.Open, true
		}
	}
	if b == presence.Open && !open {
		d.addTuple(presence.Open)
	}
}

// addTuple adds a tuple that says b and nothing else.
func (d *draft) addTuple(b presence.Basic) int {
	d.Services = append(d.Services, presence.Service{ID: d.newID("status"), Basic: b})
	return len(d.Services) - 1
}

// newID makes an id of base that no component of d has.
func (d *draft) newID(base string) string {
	taken := func(id string) bool {
		return slices.ContainsFunc(d.Services, func(t presence.Service) bool { return t.ID == id }) ||
			slices.ContainsFunc(d.Persons, func(p presence.Person) bool { return p.ID == id }) ||
			slices.ContainsFunc(d.Devices, func(v presence.Device) bool { return v.ID == id })
	}
	id := base
	for n := 2; taken(id); n++ {
		id = base + "-" + strconv.Itoa(n)
	}
	return id
}

// person returns the person to believe, a new one when there is none.
func (d *draft) person() *presence.Person {
	if p := personOf(d.State); p != nil {
		return p
	}
	d.Persons = append(d.Persons, presence.Person{ID: d.newID("person")})
	return &d.Persons[len(d.Persons)-1]
}

// activities makes the activities what l says. Those that are not true now
// are left out: these clients read no times.
func (d *draft) activities(l *look) {
	all := slices.Contains(l.Drop, "*")
	count := 0
	for i := range d.Persons {
		p := &d.Persons[i]
		if p.Activities == nil {
			continue
		}
		if !during(p.Activities.Range, d.now) {
			p.Activities = nil
			continue
		}
		p.Activities = withValues(p.Activities, without(p.Activities.Values, func(v presence.Value) bool {
			return v.Space == "" && (all || slices.Contains(l.Drop, v.Name))
		}))
		if p.Activities != nil {
			for j := range p.Activities.Values {
				if rpidName(&p.Activities.Values[j]) != "" {
					count++
				}
			}
		}
	}
	if l.Some != "" && count == 0 {
		d.putFirst(presence.Value{Name: l.Some}, -1)
	}
	if len(l.First) > 0 {
		d.first(l.First)
	}
}

// withValues returns a with the values, nil when nothing is left of it.
func withValues(a *presence.Activities, values []presence.Value) *presence.Activities {
	if len(values) == len(a.Values) {
		return a
	}
	if len(values) == 0 && len(a.Notes) == 0 {
		return nil
	}
	c := *a
	c.Values = values
	return &c
}

// rpidName returns the name of an activity of RFC 4480 §3.2, "" for others.
func rpidName(v *presence.Value) string {
	if v.Space != "" {
		return ""
	}
	if _, ok := Show(v.Name); !ok {
		return ""
	}
	return v.Name
}

// first moves the first activity that is one of names to the front, or puts
// the first of names there.
func (d *draft) first(names []string) {
	if a := d.person().Activities; a != nil {
		for i := range a.Values {
			if slices.Contains(names, rpidName(&a.Values[i])) {
				d.putFirst(a.Values[i], i)
				return
			}
		}
	}
	d.putFirst(presence.Value{Name: names[0]}, -1)
}

// putFirst puts v in front of the person's activities, and takes it from the
// place old, unless that is -1.
func (d *draft) putFirst(v presence.Value, old int) {
	if old == 0 {
		return
	}
	p := d.person()
	var a presence.Activities
	if p.Activities != nil {
		a = *p.Activities
	}
	values := []presence.Value{v}
	for i := range a.Values {
		if i != old {
			values = append(values, a.Values[i])
		}
	}
	a.Values = values
	p.Activities = &a
}

// willing makes the person's overriding willingness b, unless it is.
func (d *draft) willing(b presence.Basic) {
	p := d.person()
	if w := p.OMA.OverridingWillingness; !holds(w, d.now) || w.Basic != b {
		p.OMA.OverridingWillingness = &presence.OnOff{Basic: b}
	}
}

// markOnline puts Linphone's mark into what is open.
func (d *draft) markOnline() {
	for i := range d.Services {
		t := &d.Services[i]
		if t.Basic == presence.Open {
			t.StatusExt = append(slices.Clip(t.StatusExt), onlineMark)
		}
	}
}

// extend puts Blink's extended status into the foremost tuple, of index i or
// -1, which Blink's users see, and the note and time that they see with it.
func (d *draft) extend(value string, i int) {
	if i < 0 && value == "offline" && len(d.Services) > 0 {
		i = 0
	}
	if i < 0 {
		b := presence.Open
		if value == "offline" {
			b = presence.Closed
		}
		i = d.addTuple(b)
	}
	notes := statusOf(d.State, &d.Services[i])
	latest := d.latest()
	t := &d.Services[i]
	t.StatusExt = append(slices.Clip(t.StatusExt), presence.RawXML{
		Space: blinkSpace, Local: "extended", Bytes: `<extended xmlns="` + blinkSpace + `">` + value + `</extended>`,
	})
	if !hasText(t.Notes) {
		t.Notes = notes
	}
	if t.Timestamp.IsZero() {
		t.Timestamp = latest
	}
}

// foremost returns the index of the service whose word counts, the newest of
// several, or -1 when none can be reached.
func (d *draft) foremost() int {
	h := d.rules.humanOf(d.State, d.now)
	best, word := -1, Word("")
	for i := range d.Services {
		t := &d.Services[i]
		if reachOf(t) != reachable {
			continue
		}
		w := h.says(t, d.now).word
		if best < 0 || rank[w] > rank[word] || w == word && t.Timestamp.After(d.Services[best].Timestamp) {
			best, word = i, w
		}
	}
	return best
}

// latest is the latest time in d, else now.
func (d *draft) latest() time.Time {
	var at time.Time
	for i := range d.Services {
		if t := d.Services[i].Timestamp; t.After(at) {
			at = t
		}
	}
	for i := range d.Persons {
		if t := d.Persons[i].Timestamp; t.After(at) {
			at = t
		}
	}
	if at.IsZero() {
		return d.now.UTC().Truncate(time.Second)
	}
	return at
}
