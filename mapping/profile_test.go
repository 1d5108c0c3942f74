package mapping

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

func TestProfileOf(t *testing.T) {
	for _, tt := range []struct {
		agent string
		tags  []string
		want  string
	}{
		{"", nil, "generic"},
		{"baresip v1.0.0 (x86_64/linux)", nil, "generic"},
		{"LinphoneAndroid/5.2.5 (realme Note 50) LinphoneSDK/5.3.47 (tags/5.3.47^0)", nil, "linphone-old"},
		{"LinphoneAndroid/6.0.20 (Infinix ZERO 40 5G) LinphoneSDK/5.4.60 (tags/5.4.60^5E0)", nil, "linphone"},
		{"LinphoneiOS/4.3.0 (Bob's iPhone) LinphoneSDK/4.4.0", nil, "linphone-old"},
		{"Linphone-Desktop/5.0.17 (host) mageia/9 Qt/5.15.7 LinphoneSDK/5.2.70", nil, "linphone-old"},
		{"Linphone-Desktop/6.0.0 (host) LinphoneSDK/5.4.0-alpha.12", nil, "linphone-old"},
		{"Linphone/3.9.1 (belle-sip/1.4.2)", nil, "linphone-old"},
		{"liblinphone", nil, "linphone-old"},
		{"Linphone/10.0", nil, "linphone"},
		{"Linphone/99999999999999999999.0", nil, "linphone-old"},
		{"Blink 6.0.4 (Linux)", nil, "blink"},
		{"Blink Pro 5.1.0 (MacOSX)", nil, "blink"},
		{"Blinkenlights/1", nil, "generic"},
		{"IM-client/OMA1.0 Boghe-Win32/v2.0.186.1024", nil, "boghe"},
		{"Google_Pixel 7_Android14_UP1A.231005.007", nil, "android"},
		{"TTA-VoLTE/2.0 MI10 Lite/MIUI12 Device_Type/Android_Phone KT", nil, "android"},
		{"IM-client/OMA1.0 HTC/saga-2.3.5 RCSAndrd/2.5.2 COMLib/3.5.5", nil, "android"},
		{"Zoiper rv2.10.8.2 (Android)", nil, "generic"},
		{"", []string{"*;+g.oma.sip-im;explicit;require"}, "android"},
		{"x", []string{"<sip:a@b>", `<sip:a@b>;+g.3gpp.iari-ref="urn%3Aurn-7%3A3gpp-application.ims.iari.rcse.dp"`}, "android"},
		{"x", []string{`<sip:a@b>;+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel"`}, "generic"},
		{"Blink 6.0.4 (Linux)", []string{"*;+g.oma.sip-im"}, "blink"},
		{strings.Repeat("x", 1<<20) + "linphone", nil, "generic"},
	} {
		if got := ProfileOf(tt.agent, tt.tags...).Name; got != tt.want {
			t.Errorf("%.60q %q is %s, want %s", tt.agent, tt.tags, got, tt.want)
		}
	}
}

func TestProfileNamed(t *testing.T) {
	for _, p := range Profiles() {
		if ProfileNamed(p.Name) != p {
			t.Errorf("%s is not found again", p.Name)
		}
	}
	if ProfileNamed("") != Generic || ProfileNamed("gone") != Generic {
		t.Error("a name that no profile has is not the generic one")
	}
}

func TestReadProfilesFaults(t *testing.T) {
	for name, data := range map[string]string{
		"unknown key":         "- {name: a, agent: b}",
		"no name":             "- {agents: b}",
		"name of the default": "- {name: generic}",
		"name twice":          "- {name: a}\n- {name: a}",
		"bad expression":      "- {name: a, agents: '('}",
		"bad tags":            "- {name: a, tags: '('}",
		"bad versions":        "- {name: a, versions: ['(']}",
		"groups":              `- {name: a, versions: ['(\d)']}`,
		"since":               "- {name: a, since: new}",
		"basic":               "- {name: a, basic: all}",
		"reads":               "- {name: a, reads: all}",
		"word":                "- {name: a, looks: {tired: {}}}",
		"empty look":          "- {name: a, looks: {busy: }}",
		"tuples":              "- {name: a, looks: {busy: {tuples: ajar}}}",
		"willing":             "- {name: a, looks: {busy: {willing: ajar}}}",
		"activity":            "- {name: a, looks: {busy: {some: dancing}}}",
		"extended":            "- {name: a, looks: {busy: {extended: <x>}}}",
	} {
		_, err := readProfiles([]byte(data))
		if err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestShapeGeneric(t *testing.T) {
	s := state(doing("busy", "+do-not-disturb"), open("dnd"))
	if Generic.Shape(nil, s, noon) != s || Generic.Read(s) != s {
		t.Error("the generic profile changes something")
	}
	for _, p := range Profiles() {
		if p.Shape(nil, nil, noon) != nil {
			t.Errorf("%s: makes something of nothing", p.Name)
		}
	}
}

// TestShapeItself: a State that is as it should be is not copied.
func TestShapeItself(t *testing.T) {
	online := open("")
	online.StatusExt = []presence.RawXML{onlineMark}
	at := presence.Service{ID: "t", Basic: presence.Open, Timestamp: noon, StatusExt: []presence.RawXML{
		{Space: blinkSpace, Local: "extended", Bytes: `<extended xmlns="` + blinkSpace + `">busy</extended>`},
	}}
	for name, s := range map[string]*presence.State{
		"linphone":     state(nil, online),
		"linphone-old": state(doing("away"), open("")),
		"blink":        state(doing("busy"), at),
		"boghe":        state(doing("on-the-phone"), open("")),
		"android":      state(doing("meeting"), open("")),
	} {
		if ProfileNamed(name).Shape(nil, s, noon) != s {
			t.Errorf("%s: a copy of what needs no change", name)
		}
	}
}

// TestReads: what publishers say in ways of their own (§5.4, §5.5 of the
// clients).
func TestReads(t *testing.T) {
	extended := func(basic presence.Basic, word string) presence.Service {
		return presence.Service{ID: "t", Basic: basic, StatusExt: []presence.RawXML{
			{Space: blinkSpace, Local: "extended", Bytes: `<a:extended xmlns:a="` + blinkSpace + `"> ` + word + ` </a:extended>`},
		}}
	}
	shut := presence.Service{ID: "t", Basic: presence.Closed}
	for _, tt := range []struct {
		name  string
		agent string
		s     *presence.State
		want  Word
	}{
		{"Boghe online", "Boghe", state(doing("unknown"), open("")), Available},
		{"Boghe out to lunch", "Boghe", state(doing("meal"), open("")), Away},
		{"Blink extended alone", "", state(nil, extended(presence.Open, "busy")), Busy},
		{"Blink extended, idle", "", state(nil, extended(presence.Open, "away")), Away},
		{"Blink extended against RPID", "", state(doing("away"), extended(presence.Open, "busy")), Away},
		{"Blink extended unknown", "", state(nil, extended(presence.Open, "sleepy")), Available},
		{"Blink invisible", "", state(doing("offline"), extended(presence.Closed, "offline")), Offline},
		{"Blink offline while a phone is open", "", state(doing("offline"), open("")), Available},
		{"Blink's person alone", "", state(doing("available")), Available},
		{"Blink's person alone, offline", "", state(doing("offline")), Offline},
		{"Linphone do not disturb", "Linphone/5.0", state(doing("away"), shut), DND},
		{"Linphone do not disturb, new", "Linphone/5.4", state(doing("away"), shut), DND},
		{"Linphone offline", "Linphone/5.0", state(nil, shut), Offline},
		{"Linphone offline, empty", "Linphone/5.0", state(doing(), shut), Offline},
		{"Linphone busy", "Linphone/5.0", state(doing("away"), open("")), Away},
		{"closed and away of others", "x", state(doing("away"), shut), Offline},
	} {
		before := jsonOf(t, tt.s)
		s := ProfileOf(tt.agent).Read(tt.s)
		if got := Standard.Effective(s, noon).Word; got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		if jsonOf(t, tt.s) != before {
			t.Errorf("%s: the document was changed", tt.name)
		}
	}
}

func jsonOf(t *testing.T, s *presence.State) string {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func BenchmarkShape(b *testing.B) {
	s := state(doing("meeting"), open(""), open("dnd"))
	for _, p := range Profiles() {
		b.Run(p.Name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Shape(nil, s, noon)
			}
		})
	}
}
