package mapping

import (
	"slices"
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// AppendJSON appends the JSON presence document of s (docs/feed-document.md):
// address, availability, and everything that PIDF, RPID and their extensions
// say. s may be nil. The same state gives the same bytes.
func (r *Rules) AppendJSON(dst []byte, a presence.Addr, s *presence.State, now time.Time) []byte {
	w := jsonWriter{append(dst, '{')}
	w.str("address", a.String())
	w.availability(r.Effective(s, now))
	s = r.WithoutSideChannel(s)
	if s != nil {
		w.state(s)
	}
	return append(w.b, '}')
}

func (w *jsonWriter) availability(e Availability) {
	w.str("availability", string(e.Word))
	w.text("reason", e.Reason)
	w.bool("idle", e.Idle)
	w.bool("oof", e.OOF)
	w.bool("manual", e.Manual)
	w.time("since", e.Since)
	w.time("until", e.Until)
}

func (w *jsonWriter) state(s *presence.State) {
	if n := statusOf(s, foremost(s)); len(n) > 0 {
		w.key("note")
		w.note(&n[0])
	}
	w.text("entity", s.Entity)
	w.notes("notes", s.Notes)
	// Always there: it tells a whole document from the short form.
	w.list("services", len(s.Services), func(i int) { w.service(&s.Services[i]) })
	if len(s.Persons) > 0 {
		w.key("person")
		w.person(&s.Persons[0])
	}
	if len(s.Persons) > 1 {
		w.list("other_persons", len(s.Persons)-1, func(i int) { w.person(&s.Persons[i+1]) })
	}
	if len(s.Devices) > 0 {
		w.list("devices", len(s.Devices), func(i int) { w.device(&s.Devices[i]) })
	}
	w.raws("ext", s.Ext)
	w.attributes(s.Attrs)
	w.unknown(s)
}

// foremost returns the service whose notes are the presentity's: the first
// that is open, else the first; nil without services.
func foremost(s *presence.State) *presence.Service {
	for i := range s.Services {
		if s.Services[i].Basic == presence.Open {
			return &s.Services[i]
		}
	}
	if len(s.Services) > 0 {
		return &s.Services[0]
	}
	return nil
}

func (w *jsonWriter) service(t *presence.Service) {
	w.begin()
	w.text("id", t.ID)
	w.basic(t.Basic, t.BasicText)
	w.word("show", t.Show, showWords...)
	if t.NotUnderstood {
		w.bool("not_understood", true)
	}
	w.raws("status_ext", t.StatusExt)
	if t.Contact != nil {
		w.str("contact", t.Contact.URI)
		w.text("priority", t.Contact.Priority)
	}
	w.notes("notes", t.Notes)
	w.time("timestamp", t.Timestamp)
	w.text("class", t.Class)
	w.strings("device_ids", t.DeviceIDs)
	w.choice("privacy", t.Privacy)
	w.choice("relationship", t.Relationship)
	w.choice("service_class", t.ServiceClass)
	w.icons(t.StatusIcons)
	w.input(t.UserInput)
	if len(t.Timed) > 0 {
		w.list("timed_status", len(t.Timed), func(i int) { w.timed(&t.Timed[i]) })
	}
	w.card(&t.Card)
	w.caps(t.Caps)
	w.serviceOMA(&t.OMA)
	w.raws("ext", t.Ext)
	w.attributes(t.Attrs)
	w.end()
}

func (w *jsonWriter) timed(t *presence.TimedStatus) {
	w.begin()
	w.basic(t.Basic, "unknown")
	w.notes("notes", t.Notes)
	w.time("from", t.From)
	w.time("until", t.Until)
	w.raws("ext", t.Ext)
	w.attributes(t.Attrs)
	w.end()
}

// The words of members that other texts stand in beside, see word.
var (
	showWords  = []string{"away", "chat", "dnd", "xa"}
	stateWords = []string{"active", "terminated"}
)

// basic writes a basic status; text is that of one outside the schema.
func (w *jsonWriter) basic(b presence.Basic, text string) {
	switch b {
	case presence.Open:
		w.str("basic", "open")
	case presence.Closed:
		w.str("basic", "closed")
	case presence.OddBasic:
		w.str("basic", "unknown")
		if text != "unknown" {
			w.str("basic_text", text)
		}
	}
}

func (w *jsonWriter) serviceOMA(o *presence.ServiceOMA) {
	if d := o.Description; d != nil {
		w.key("service")
		w.begin()
		w.text("id", d.ID)
		w.text("version", d.Version)
		w.notes("descriptions", d.Descriptions)
		w.raws("ext", d.Ext)
		w.end()
	}
	w.onOff("willingness", o.Willingness)
	w.onOff("session_participation", o.SessionParticipation)
	w.word("registration_state", o.RegistrationState, stateWords...)
	w.word("barring_state", o.BarringState, stateWords...)
}

func (w *jsonWriter) onOff(key string, o *presence.OnOff) {
	if o == nil {
		return
	}
	w.key(key)
	w.begin()
	w.basic(o.Basic, "unknown")
	w.time("until", o.Until)
	w.raws("ext", o.Ext)
	w.attributes(o.Attrs)
	w.end()
}

// caps writes one member for each capability: its text, or what is supported
// and what is not, or the element that it is. A member has one value, so that
// from the first capability that is there again they stand in a list.
func (w *jsonWriter) caps(c *presence.Caps) {
	if c == nil {
		return
	}
	w.key("caps")
	w.begin()
	rest := len(c.Items)
	for i := range c.Items {
		if slices.ContainsFunc(c.Items[:i], func(o presence.Capability) bool { return o.Name == c.Items[i].Name }) {
			rest = i
			break
		}
		w.key(c.Items[i].Name)
		w.capability(&c.Items[i])
	}
	w.end()
	if rest == len(c.Items) && len(c.Ext) == 0 && len(c.Attrs) == 0 {
		return
	}
	w.key("caps_detail")
	w.begin()
	if more := c.Items[rest:]; len(more) > 0 {
		w.list("more", len(more), func(i int) {
			w.begin()
			w.key(more[i].Name)
			w.capability(&more[i])
			w.end()
		})
	}
	w.raws("ext", c.Ext)
	w.attributes(c.Attrs)
	w.end()
}

func (w *jsonWriter) capability(c *presence.Capability) {
	if c.Text != "" {
		w.value(c.Text)
		return
	}
	w.begin()
	w.strings("supported", c.Supported)
	w.strings("not_supported", c.NotSupported)
	if c.Raw != nil {
		w.str("xml", c.Raw.Bytes)
	}
	w.end()
}

func (w *jsonWriter) person(p *presence.Person) {
	w.begin()
	w.text("id", p.ID)
	w.choice("activities", (*presence.Choice)(p.Activities))
	w.choice("mood", (*presence.Choice)(p.Mood))
	w.placeIs(p.PlaceIs)
	w.choice("place_type", p.PlaceType)
	w.choice("privacy", p.Privacy)
	w.choice("sphere", p.Sphere)
	w.timeOffset(p.TimeOffset)
	w.icons(p.StatusIcons)
	w.input(p.UserInput)
	w.text("class", p.Class)
	w.card(&p.Card)
	w.onOff("overriding_willingness", p.OMA.OverridingWillingness)
	if len(p.OMA.Links) > 0 {
		w.list("links", len(p.OMA.Links), func(i int) {
			w.begin()
			w.str("uri", p.OMA.Links[i].URI)
			w.text("label", p.OMA.Links[i].Label)
			w.text("priority", p.OMA.Links[i].Priority)
			w.attributes(p.OMA.Links[i].Attrs)
			w.end()
		})
	}
	w.notes("notes", p.Notes)
	w.time("timestamp", p.Timestamp)
	w.raws("geo", p.Geo)
	w.raws("ext", p.Ext)
	w.attributes(p.Attrs)
	w.end()
}

// timeOffset writes the minutes as a number, and what else there is beside it.
func (w *jsonWriter) timeOffset(o *presence.TimeOffset) {
	if o == nil {
		return
	}
	w.int("time_offset", o.Minutes)
	if o.Description == "" && o.ID == "" && o.From.IsZero() && o.Until.IsZero() && len(o.Attrs) == 0 {
		return
	}
	w.key("time_offset_detail")
	w.begin()
	w.text("description", o.Description)
	w.span(&o.Range)
	w.end()
}

func (w *jsonWriter) device(d *presence.Device) {
	w.begin()
	w.text("id", d.ID)
	w.text("device_id", d.DeviceID)
	w.text("class", d.Class)
	w.input(d.UserInput)
	w.caps(d.Caps)
	if len(d.Networks) > 0 {
		w.list("networks", len(d.Networks), func(i int) {
			w.begin()
			w.text("id", d.Networks[i].ID)
			w.bool("active", d.Networks[i].Active)
			w.bool("terminated", d.Networks[i].Terminated)
			w.raws("ext", d.Networks[i].Ext)
			w.attributes(d.Networks[i].Attrs)
			w.end()
		})
	}
	w.notes("notes", d.Notes)
	w.time("timestamp", d.Timestamp)
	w.raws("geo", d.Geo)
	w.raws("ext", d.Ext)
	w.attributes(d.Attrs)
	w.end()
}

// choice writes an RPID element: its values, notes, and when it is true.
func (w *jsonWriter) choice(key string, c *presence.Choice) {
	if c == nil {
		return
	}
	w.key(key)
	w.begin()
	w.values("values", c.Values)
	w.notes("notes", c.Notes)
	w.span(&c.Range)
	w.end()
}

func (w *jsonWriter) values(key string, vs []presence.Value) {
	w.list(key, len(vs), func(i int) {
		w.begin()
		w.text("name", vs[i].Name)
		w.text("namespace", vs[i].Space)
		w.text("text", vs[i].Text)
		w.text("lang", vs[i].Lang)
		if vs[i].Raw != nil {
			w.str("xml", vs[i].Raw.Bytes)
		}
		w.end()
	})
}

func (w *jsonWriter) span(r *presence.Range) {
	w.text("id", r.ID)
	w.time("from", r.From)
	w.time("until", r.Until)
	w.attributes(r.Attrs)
}

func (w *jsonWriter) placeIs(p *presence.PlaceIs) {
	if p == nil {
		return
	}
	w.key("place_is")
	w.begin()
	if len(p.Audio) > 0 {
		w.values("audio", p.Audio)
	}
	if len(p.Video) > 0 {
		w.values("video", p.Video)
	}
	if len(p.Text) > 0 {
		w.values("text", p.Text)
	}
	w.notes("notes", p.Notes)
	w.span(&p.Range)
	w.raws("ext", p.Ext)
	w.end()
}

func (w *jsonWriter) icons(icons []presence.Icon) {
	if len(icons) == 0 {
		return
	}
	w.list("status_icons", len(icons), func(i int) {
		w.begin()
		w.str("uri", icons[i].URI)
		w.span(&icons[i].Range)
		w.end()
	})
}

func (w *jsonWriter) input(u *presence.UserInput) {
	if u == nil {
		return
	}
	w.key("user_input")
	w.begin()
	w.bool("idle", u.Idle)
	if u.IdleThreshold != 0 {
		w.int("idle_threshold_s", u.IdleThreshold)
	}
	w.time("last_input", u.LastInput)
	w.text("id", u.ID)
	w.attributes(u.Attrs)
	w.end()
}

func (w *jsonWriter) card(c *presence.CIPID) {
	if *c == (presence.CIPID{}) {
		return
	}
	w.key("card")
	w.begin()
	w.text("card", c.Card)
	w.text("display_name", c.DisplayName)
	w.text("homepage", c.Homepage)
	w.text("icon", c.Icon)
	w.text("map", c.Map)
	w.text("sound", c.Sound)
	w.end()
}

// unknown names the elements that are carried without being understood, each
// once: "{namespace}name".
func (w *jsonWriter) unknown(s *presence.State) {
	var names []string
	add := func(lists ...[]presence.RawXML) {
		for _, rs := range lists {
			for i := range rs {
				name := "{" + rs[i].Space + "}" + rs[i].Local
				if len(names) < maxUnknown && !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
		}
	}
	add(s.Ext)
	for i := range s.Services {
		add(s.Services[i].StatusExt, s.Services[i].Ext, s.Services[i].Geo)
	}
	for i := range s.Persons {
		add(s.Persons[i].Ext, s.Persons[i].Geo)
	}
	for i := range s.Devices {
		add(s.Devices[i].Ext, s.Devices[i].Geo)
	}
	if len(names) > 0 {
		w.strings("unknown", names)
	}
}

// maxUnknown is how many names "unknown" holds.
const maxUnknown = 50
