package mapping

import (
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// jsonWriter appends JSON by hand: one pass, no reflection.
type jsonWriter struct{ b []byte }

// AppendJSON appends the JSON presence document of s (docs/feed-document.md):
// address, availability, and everything RPID says. s may be nil.
func AppendJSON(dst []byte, a presence.Addr, s *presence.State, now time.Time) []byte {
	w := jsonWriter{append(dst, '{')}
	w.str("address", a.String())
	w.availability(Effective(s, now))
	if s != nil {
		w.state(s)
	}
	w.b = append(w.b, '}')
	return w.b
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
	if n := statusOf(s, firstOpen(s)); len(n) > 0 {
		w.key("note")
		w.note(n[0])
	}
	w.notes("notes", s.Notes)
	if len(s.Services) > 0 {
		w.list("services", len(s.Services), func(i int) { w.service(&s.Services[i]) })
	}
	if p := personOf(s); p != nil {
		w.key("person")
		w.person(p)
	}
	if len(s.Devices) > 0 {
		w.list("devices", len(s.Devices), func(i int) { w.device(&s.Devices[i]) })
	}
}

func firstOpen(s *presence.State) *presence.Service {
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

var basics = map[presence.Basic]string{presence.Open: "open", presence.Closed: "closed", presence.OddBasic: "unknown"}

func (w *jsonWriter) service(t *presence.Service) {
	w.object(func() {
		w.text("id", t.ID)
		w.text("basic", basics[t.Basic])
		w.text("show", t.Show)
		if c := t.Contact; c != nil {
			w.text("contact", c.URI)
			w.text("priority", c.Priority)
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
		w.card(&t.Card)
		w.caps(t.Caps)
		w.serviceOMA(&t.OMA)
	})
}

func (w *jsonWriter) serviceOMA(o *presence.ServiceOMA) {
	if d := o.Description; d != nil {
		w.key("service")
		w.object(func() {
			w.text("id", d.ID)
			w.text("version", d.Version)
		})
	}
	w.onOff("willingness", o.Willingness)
	w.onOff("session_participation", o.SessionParticipation)
	w.text("registration_state", o.RegistrationState)
	w.text("barring_state", o.BarringState)
}

func (w *jsonWriter) onOff(key string, o *presence.OnOff) {
	if o == nil {
		return
	}
	w.key(key)
	w.object(func() {
		w.text("basic", basics[o.Basic])
		w.time("until", o.Until)
	})
}

func (w *jsonWriter) caps(c *presence.Caps) {
	if c == nil || len(c.Items) == 0 {
		return
	}
	w.key("caps")
	w.object(func() {
		for i := range c.Items {
			item := &c.Items[i]
			w.key(item.Name)
			if item.Text != "" || item.Supported == nil && item.NotSupported == nil {
				w.value(item.Text)
				continue
			}
			w.object(func() {
				w.strings("supported", item.Supported)
				w.strings("not_supported", item.NotSupported)
			})
		}
	})
}

func (w *jsonWriter) person(p *presence.Person) {
	w.object(func() {
		w.text("id", p.ID)
		if p.Activities != nil {
			w.choice("activities", (*presence.Choice)(p.Activities))
		}
		if p.Mood != nil {
			w.choice("mood", (*presence.Choice)(p.Mood))
		}
		w.placeIs(p.PlaceIs)
		w.choice("place_type", p.PlaceType)
		w.choice("privacy", p.Privacy)
		w.choice("sphere", p.Sphere)
		if o := p.TimeOffset; o != nil {
			w.key("time_offset")
			w.b = strconv.AppendInt(w.b, int64(o.Minutes), 10)
		}
		w.icons(p.StatusIcons)
		w.input(p.UserInput)
		w.text("class", p.Class)
		w.card(&p.Card)
		w.onOff("overriding_willingness", p.OMA.OverridingWillingness)
		w.notes("notes", p.Notes)
		w.time("timestamp", p.Timestamp)
	})
}

func (w *jsonWriter) device(d *presence.Device) {
	w.object(func() {
		w.text("id", d.ID)
		w.text("device_id", d.DeviceID)
		w.text("class", d.Class)
		w.input(d.UserInput)
		w.notes("notes", d.Notes)
		w.time("timestamp", d.Timestamp)
	})
}

// choice writes an RPID element as {"values": [{"name"…}], "notes", "from",
// "until"}.
func (w *jsonWriter) choice(key string, c *presence.Choice) {
	if c == nil {
		return
	}
	w.key(key)
	w.object(func() {
		w.list("values", len(c.Values), func(i int) { w.rpid(&c.Values[i]) })
		w.notes("notes", c.Notes)
		w.time("from", c.From)
		w.time("until", c.Until)
	})
}

func (w *jsonWriter) rpid(v *presence.Value) {
	w.object(func() {
		w.text("name", v.Name)
		w.text("namespace", v.Space)
		w.text("text", v.Text)
		w.text("lang", v.Lang)
	})
}

func (w *jsonWriter) placeIs(p *presence.PlaceIs) {
	if p == nil {
		return
	}
	w.key("place_is")
	w.object(func() {
		for _, m := range []struct {
			key string
			vs  []presence.Value
		}{{"audio", p.Audio}, {"video", p.Video}, {"text", p.Text}} {
			if len(m.vs) > 0 {
				w.list(m.key, len(m.vs), func(i int) { w.rpid(&m.vs[i]) })
			}
		}
		w.notes("notes", p.Notes)
		w.time("from", p.From)
		w.time("until", p.Until)
	})
}

func (w *jsonWriter) icons(is []presence.Icon) {
	if len(is) > 0 {
		w.list("status_icons", len(is), func(i int) { w.value(is[i].URI) })
	}
}

func (w *jsonWriter) input(u *presence.UserInput) {
	if u == nil {
		return
	}
	w.key("user_input")
	w.object(func() {
		w.bool("idle", u.Idle)
		if u.IdleThreshold > 0 {
			w.key("idle_threshold_s")
			w.b = strconv.AppendInt(w.b, int64(u.IdleThreshold), 10)
		}
		w.time("last_input", u.LastInput)
	})
}

func (w *jsonWriter) card(c *presence.CIPID) {
	if *c == (presence.CIPID{}) {
		return
	}
	w.key("card")
	w.object(func() {
		w.text("card", c.Card)
		w.text("display_name", c.DisplayName)
		w.text("homepage", c.Homepage)
		w.text("icon", c.Icon)
		w.text("map", c.Map)
		w.text("sound", c.Sound)
	})
}

// key begins a member; after the first of an object comes a comma.
func (w *jsonWriter) key(k string) {
	w.comma()
	w.value(k)
	w.b = append(w.b, ':')
}

func (w *jsonWriter) comma() {
	if c := w.b[len(w.b)-1]; c != '{' && c != '[' {
		w.b = append(w.b, ',')
	}
}

func (w *jsonWriter) object(f func()) {
	w.b = append(w.b, '{')
	f()
	w.b = append(w.b, '}')
}

func (w *jsonWriter) list(k string, n int, item func(i int)) {
	w.key(k)
	w.b = append(w.b, '[')
	for i := range n {
		w.comma()
		item(i)
	}
	w.b = append(w.b, ']')
}

func (w *jsonWriter) str(k, v string) {
	w.key(k)
	w.value(v)
}

// text writes a member that is left out when empty.
func (w *jsonWriter) text(k, v string) {
	if v != "" {
		w.str(k, v)
	}
}

func (w *jsonWriter) strings(k string, vs []string) {
	if vs != nil {
		w.list(k, len(vs), func(i int) { w.value(vs[i]) })
	}
}

func (w *jsonWriter) bool(k string, v bool) {
	w.key(k)
	w.b = strconv.AppendBool(w.b, v)
}

func (w *jsonWriter) time(k string, t time.Time) {
	if t.IsZero() {
		return
	}
	w.key(k)
	w.b = append(w.b, '"')
	w.b = t.AppendFormat(w.b, time.RFC3339Nano)
	w.b = append(w.b, '"')
}

func (w *jsonWriter) notes(k string, ns []presence.Note) {
	if len(ns) > 0 {
		w.list(k, len(ns), func(i int) { w.note(ns[i]) })
	}
}

func (w *jsonWriter) note(n presence.Note) {
	w.object(func() {
		w.str("text", n.Text)
		w.text("lang", n.Lang)
	})
}

// value writes a string. Characters that could end a script are escaped too.
func (w *jsonWriter) value(s string) {
	w.b = append(w.b, '"')
	begin := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c != '<' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			w.b = append(w.b, s[begin:i]...)
			w.escape(c)
			i++
			begin = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || r == '\u2028' || r == '\u2029' {
			w.b = append(w.b, s[begin:i]...)
			w.b = append(w.b, `\u`...)
			w.b = append(w.b, "0000"[:4-len(strconv.FormatInt(int64(r), 16))]...)
			w.b = strconv.AppendInt(w.b, int64(r), 16)
			begin = i + n
		}
		i += n
	}
	w.b = append(w.b, s[begin:]...)
	w.b = append(w.b, '"')
}

func (w *jsonWriter) escape(c byte) {
	switch c {
	case '"', '\\':
		w.b = append(w.b, '\\', c)
	case '\n':
		w.b = append(w.b, '\\', 'n')
	case '\t':
		w.b = append(w.b, '\\', 't')
	case '\r':
		w.b = append(w.b, '\\', 'r')
	default:
		w.b = append(w.b, '\\', 'u', '0', '0', hexUpper[c>>4], hexUpper[c&15])
	}
}
