package sample

import "github.com/porchlight-im/porchlight/mapping/presence"

func (g *maker) service() presence.Service {
	s := presence.Service{
		ID: g.id(), Basic: []presence.Basic{presence.Open, presence.Closed, presence.NoBasic, presence.OddBasic}[g.pick(4)],
		Show: g.oneOf("", "", "away", "chat", "dnd", "xa"), StatusExt: several(g, 1, g.raw),
		Contact: maybe(g, g.contact), Notes: several(g, 3, g.note), Timestamp: g.time(),
		Class: g.oneOf("", "", "work"), Privacy: g.privacy(),
		Relationship: g.choice("friend", "family", "assistant", "self"), ServiceClass: g.choice("electronic", "courier", "in-person"),
		StatusIcons: several(g, 1, g.icon), UserInput: maybe(g, g.input), Timed: several(g, 1, g.timed),
		Card: g.card(), Caps: g.caps(true), Ext: several(g, 1, g.raw), Attrs: g.attrs(),
	}
	if s.Basic == presence.OddBasic {
		s.BasicText = g.oneOf("unknown", "busy", "")
	}
	if g.rare(3) {
		s.DeviceIDs = []string{"urn:device:0003ba4811e3", "urn:x-mac:0003ba4811e4"}[:1+g.pick(2)]
	}
	if g.rare(8) {
		s.NotUnderstood = true
		s.StatusExt = append(s.StatusExt, presence.RawXML{Space: "urn:example:x", Local: "m", Bytes: `<m xmlns="urn:example:x" mustUnderstand="1"/>`})
	}
	if g.rare(3) {
		s.OMA = presence.ServiceOMA{Description: maybe(g, g.description), Willingness: maybe(g, g.onOff),
			SessionParticipation: maybe(g, g.onOff), RegistrationState: g.oneOf("", "active", "terminated"),
			BarringState: g.oneOf("", "active", "terminated")}
	}
	return s
}

func (g *maker) contact() presence.Contact {
	return presence.Contact{URI: g.oneOf("sip:alice@192.0.2.1", "", "tel:+15550001", "xmpp:alice@example.com/é"),
		Priority: g.oneOf("", "0", "1", "0.5", "0.039", "1.000")}
}

func (g *maker) timed() presence.TimedStatus {
	return presence.TimedStatus{From: g.moment(), Until: g.time(), Basic: presence.Basic(g.pick(3)),
		Notes: several(g, 1, g.note), Ext: several(g, 1, g.raw), Attrs: g.attrs()}
}

func (g *maker) description() presence.ServiceDescription {
	return presence.ServiceDescription{ID: g.oneOf("org.openmobilealliance:IM-session", "org.openmobilealliance:PoC-session"),
		Version: g.oneOf("1.0", "", "2.0"), Ext: several(g, 1, g.raw),
		Descriptions: several(g, 2, func() presence.Note { return presence.Note{Lang: g.lang(), Text: g.token()} })}
}

func (g *maker) onOff() presence.OnOff {
	return presence.OnOff{Basic: presence.Basic(g.pick(3)), Until: g.time(), Ext: several(g, 1, g.raw), Attrs: g.attrs()}
}

func (g *maker) person() presence.Person {
	p := presence.Person{
		ID: g.id(), Timestamp: g.time(), Notes: several(g, 2, g.note),
		Activities: (*presence.Activities)(g.choice("on-the-phone", "away", "meeting", "vacation", "lunch", "busy", "other", "unknown", "steering", "tv")),
		Mood:       (*presence.Mood)(g.choice("happy", "sad", "in_awe", "moody", "other", "unknown")),
		PlaceIs:    maybe(g, g.placeIs), PlaceType: g.choice("office", "home", "train", "underway"),
		Privacy: g.privacy(), Sphere: g.sphere(), StatusIcons: several(g, 2, g.icon), TimeOffset: maybe(g, g.offset),
		UserInput: maybe(g, g.input), Class: g.oneOf("", "", "home"), Card: g.card(),
		Geo: several(g, 2, g.geo), Ext: several(g, 2, g.raw), Attrs: g.attrs(),
	}
	if g.rare(3) {
		p.OMA = presence.PersonOMA{OverridingWillingness: maybe(g, g.onOff), Links: several(g, 2, g.link)}
	}
	return p
}

func (g *maker) link() presence.Link {
	return presence.Link{URI: g.oneOf("http://example.com/~alice", ""), Label: g.text(), Priority: g.oneOf("", "1", "0.8"), Attrs: g.attrs()}
}

func (g *maker) device() presence.Device {
	return presence.Device{
		ID: g.id(), DeviceID: g.oneOf("urn:device:0003ba4811e3", ""), Timestamp: g.time(), Notes: several(g, 1, g.note),
		Class: g.oneOf("", "", "phone"), UserInput: maybe(g, g.input), Caps: g.caps(false), Geo: several(g, 1, g.geo),
		Networks: several(g, 2, func() presence.Network {
			return presence.Network{ID: g.oneOf("IMS", "", "ETHERNET"), Active: g.pick(2) == 0, Terminated: g.rare(3), Ext: several(g, 1, g.raw), Attrs: g.attrs()}
		}),
		Ext: several(g, 1, g.raw), Attrs: g.attrs(),
	}
}

// span is what RPID elements share.
func (g *maker) span() presence.Range {
	r := presence.Range{From: g.time(), Until: g.time(), Attrs: g.attrs()}
	if g.rare(4) {
		r.ID = g.id()
	}
	return r
}

// choice is an element with some of words as its values, or nil.
func (g *maker) choice(words ...string) *presence.Choice {
	return maybe(g, func() presence.Choice {
		return presence.Choice{Range: g.span(), Notes: several(g, 2, g.note), Values: several(g, 3, func() presence.Value { return g.value(words...) })}
	})
}

func (g *maker) privacy() *presence.Choice { return g.choice("audio", "video", "text", "unknown") }

// sphere may have words outside the enumeration (RFC 4480 §4).
func (g *maker) sphere() *presence.Choice {
	c := g.choice("home", "work", "unknown")
	if c != nil && g.rare(3) {
		c.Values = append(c.Values, presence.Value{Text: "bowling league"})
	}
	return c
}

func (g *maker) value(words ...string) presence.Value {
	switch g.pick(6) {
	case 1:
		return presence.Value{Name: "other", Text: g.token(), Lang: g.lang()}
	case 2:
		const ext = "urn:porchlight:presence:1"
		name := g.oneOf("do-not-disturb", "be-right-back", "out-of-office", "focusing")
		return foreign(presence.Value{Space: ext, Name: name}, ext, "<"+name+` xmlns="`+ext+`"/>`)
	case 3:
		return foreign(presence.Value{Space: "urn:example:x", Name: "froh", Text: "so froh", Lang: "de"}, "urn:example:x",
			`<y:froh xmlns:y="urn:example:x" xml:lang="de"> so froh<y:z/></y:froh>`)
	}
	return presence.Value{Name: g.oneOf(words...)}
}

// foreign is a value of another namespace.
func foreign(v presence.Value, space, xml string) presence.Value {
	v.Raw = &presence.RawXML{Space: space, Local: v.Name, Bytes: xml}
	return v
}

func (g *maker) placeIs() presence.PlaceIs {
	values := func(words ...string) []presence.Value {
		return several(g, 2, func() presence.Value { return g.value(words...) })
	}
	return presence.PlaceIs{Range: g.span(), Notes: several(g, 1, g.note), Audio: values("noisy", "ok", "quiet"),
		Video: values("toobright", "ok", "dark"), Text: values("uncomfortable", "inappropriate", "ok"), Ext: several(g, 1, g.raw)}
}

func (g *maker) icon() presence.Icon {
	return presence.Icon{Range: g.span(), URI: g.oneOf("http://example.com/icon.png", "", "cid:1@example.com")}
}

func (g *maker) offset() presence.TimeOffset {
	return presence.TimeOffset{Range: g.span(), Minutes: []int{0, 60, -330, 845}[g.pick(4)], Description: g.oneOf("", "CET", "heure d'été")}
}

func (g *maker) input() presence.UserInput {
	u := presence.UserInput{Idle: g.pick(2) == 1, IdleThreshold: []int{0, 600}[g.pick(2)], LastInput: g.time(), Attrs: g.attrs()}
	if g.rare(4) {
		u.ID = g.id()
	}
	return u
}

func (g *maker) card() presence.CIPID {
	if !g.rare(3) {
		return presence.CIPID{}
	}
	return presence.CIPID{Card: g.oneOf("", "http://example.com/alice.vcf"), DisplayName: g.oneOf("Älice <Ä.> Smith", ""),
		Homepage: g.oneOf("", "http://example.com/~alice"), Icon: g.oneOf("", "http://example.com/alice.png"),
		Map: g.oneOf("", "http://example.com/map.gml"), Sound: g.oneOf("", "http://example.com/alice.wav")}
}

// caps are the capabilities of a service, or of a device (RFC 5196).
func (g *maker) caps(service bool) *presence.Caps {
	flags := []string{"mobility", "description"}
	if service {
		flags = []string{"audio", "video", "message"}
	}
	return maybe(g, func() presence.Caps {
		return presence.Caps{Items: several(g, 4, func() presence.Capability { return g.capability(flags) }), Ext: several(g, 1, g.raw), Attrs: g.attrs()}
	})
}

func (g *maker) capability(flags []string) presence.Capability {
	names := func(words ...string) []string { return words[:g.pick(len(words)+1)] }
	switch g.pick(4) {
	case 1:
		return presence.Capability{Name: "duplex", Supported: names("full", "half"), NotSupported: names("receive-only")}
	case 2:
		return presence.Capability{Name: "languages", Raw: &presence.RawXML{Space: "urn:ietf:params:xml:ns:pidf:caps", Local: "languages",
			Bytes: `<caps:languages xmlns:caps="urn:ietf:params:xml:ns:pidf:caps"><caps:supported><caps:l>en</caps:l></caps:supported></caps:languages>`}}
	}
	return presence.Capability{Name: g.oneOf(flags...), Text: g.oneOf("true", "false", "")}
}
