package mapping

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/mapping/tables"
)

// registry returns the rows of a value list.
func registry(t *testing.T, name string) [][]string {
	t.Helper()
	f, err := os.Open(filepath.Join("../testdata/registry", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || len(rows) < 4 {
		t.Fatalf("%s: %d rows, %v", name, len(rows), err)
	}
	return rows[1:]
}

// registryNames returns the first cells of a value list.
func registryNames(t *testing.T, name string) []string {
	var out []string
	for _, r := range registry(t, name) {
		out = append(out, r[0])
	}
	return out
}

// column returns the cells of a table's column in the rows that hold the way.
func column(t *tables.Table, name string, holds func(tables.Way) bool) []string {
	var out []string
	for i := range t.Rows {
		if holds(t.Rows[i].Way) {
			out = append(out, t.Rows[i].Get(name))
		}
	}
	return out
}

// total checks that the values of want are all in got, and nothing else is.
func total(t *testing.T, what string, want, got []string) {
	t.Helper()
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("%s: no row for %s", what, w)
		}
	}
	for _, g := range got {
		if !slices.Contains(want, g) {
			t.Errorf("%s: a row for %s, which is not in the list", what, g)
		}
	}
}

// interworking §4 rows 1, 2: every value of every vocabulary has its row.
func TestMoodsAreTotal(t *testing.T) {
	table := tables.Must("moods")
	total(t, "RPID", registryNames(t, "rpid-moods.csv"), column(table, "rpid", tables.Way.Out))
	total(t, "XEP-0107", registryNames(t, "xep0107-moods.csv"), column(table, "xmpp", tables.Way.In))
}

func TestActivitiesAreTotal(t *testing.T) {
	table := tables.Must("activities")
	rpid := slices.DeleteFunc(column(table, "rpid", tables.Way.Out), func(s string) bool { return strings.HasPrefix(s, "ext:") })
	total(t, "RPID", registryNames(t, "rpid-activities.csv"), rpid)
	var want []string
	for _, r := range registry(t, "xep0108-activities.csv") {
		want = append(want, strings.TrimSuffix(r[0]+"/"+r[1], "/"))
	}
	got := slices.DeleteFunc(column(table, "xmpp", tables.Way.In), func(s string) bool { return strings.HasSuffix(s, "/other") })
	total(t, "XEP-0108", want, got)
	exts := []string{"do-not-disturb", "be-right-back", "off-work", "out-of-office", "focusing", "urgent-only",
		"conference-call", "screen-sharing", "invisible", "emoji", "free-for-chat", "extended-away"}
	for _, e := range exts { // chat-networks D.1
		if _, ok := standard.extensions[e]; !ok {
			t.Errorf("no row for ext:%s", e)
		}
	}
	if len(standard.extensions) != len(exts) {
		t.Errorf("%d extensions in the table, want %d", len(standard.extensions), len(exts))
	}
}

// XEP-0108 §4 Table 1, row by row.
func TestActivitiesOfXEP0108Table1(t *testing.T) {
	for rpid, want := range map[string]string{
		"appointment": "having_appointment", "away": "", "busy": "", "holiday": "inactive/scheduled_holiday",
		"in-transit": "traveling", "meal": "eating", "meeting": "working/in_a_meeting",
		"on-the-phone": "talking/on_the_phone", "permanent-absence": "", "sleeping": "inactive/sleeping",
		"steering": "traveling/driving", "travel": "traveling/on_a_trip", "vacation": "inactive/on_vacation",
	} {
		got, _, _ := standard.activity.toXMPP(&presence.Value{Name: rpid})
		if got != want {
			t.Errorf("%s is %q, want %q", rpid, got, want)
		}
	}
}

// Each row of a vocabulary holds as it says.
func TestVocabulariesAsDeclared(t *testing.T) {
	for _, tt := range []struct {
		table string
		voc   *vocabulary
	}{{"activities", standard.activity}, {"moods", standard.mood}} {
		table := tables.Must(tt.table)
		for i := range table.Rows {
			r := &table.Rows[i]
			rpid, xmpp, words := r.Get("rpid"), r.Get("xmpp"), r.Get("words")
			v := presence.Value{Name: rpid}
			if name, ok := strings.CutPrefix(rpid, "ext:"); ok {
				v = presence.Value{Space: Ext, Name: name}
			}
			var text []presence.Note
			if rpid == "other" && words != "" {
				v.Text, v.Lang = words, "en"
			} else if words != "" {
				text = []presence.Note{{Lang: "en", Text: words}}
			}
			name, said, ok := tt.voc.toXMPP(&v)
			if r.Way.Out() && (ok != (xmpp != nothing) || ok && name != xmpp || text != nil && said != text[0]) {
				t.Errorf("%s: %s goes out as %s %+v %v", r.Faultf("out"), rpid, name, said, ok)
			}
			if !r.Way.In() {
				continue
			}
			general, specific, _ := strings.Cut(xmpp, "/")
			got, rest := tt.voc.fromXMPP(general, specific, text)
			if !sameValue(&got, &v) || len(rest) > 0 {
				t.Errorf("%s: %s comes in as %+v, %+v", r.Faultf("in"), xmpp, got, rest)
			}
			if r.Way == tables.In && name == xmpp {
				t.Errorf("%s: it holds both ways", r.Faultf("in"))
			}
		}
	}
}

// Every value of RPID, and every element, has a row.
func TestPlacesAreTotal(t *testing.T) {
	table := tables.Must("places")
	got := map[string][]string{}
	for i := range table.Rows {
		r := &table.Rows[i]
		got[r.Get("element")] = append(got[r.Get("element")], r.Get("value"))
		if x := r.Get("xmpp"); x != nothing && standard.activity.in[xmppWord{name: x}].name != "in-transit" {
			t.Errorf("%v", r.Faultf("%s is not in-transit", x))
		}
	}
	total(t, "place-type", registryNames(t, "location-types.csv"), got["place-type"])
	for element, file := range map[string]string{"privacy": "rpid-privacy.csv", "relationship": "rpid-relationship.csv", "service-class": "rpid-service-class.csv", "sphere": "rpid-sphere.csv"} {
		want := slices.DeleteFunc(registryNames(t, file), func(s string) bool { return s[0] == '(' })
		total(t, element, want, got[element])
	}
	want := map[string][]string{}
	for _, r := range registry(t, "rpid-place-is.csv") {
		want["place-is "+r[0]] = append(want["place-is "+r[0]], r[1])
	}
	for element := range want {
		total(t, element, want[element], got[element])
	}
	if len(want) != 3 || len(got) != 8 {
		t.Errorf("%d media, %d elements", len(want), len(got))
	}
}

func TestElementsAreTotal(t *testing.T) {
	var got []string
	table := tables.Must("elements")
	for i := range table.Rows {
		got = append(got, strings.Split(table.Rows[i].Get("element"), ", ")...)
	}
	want := append(registryNames(t, "rpid-elements.csv"), "timed-status", "card", "display-name", "homepage", "icon", "map", "sound", "servcaps", "devcaps", "geopriv")
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("no row for %s", w)
		}
	}
}

func TestShowIsTotal(t *testing.T) {
	table := tables.Must("show")
	total(t, "availability", []string{"unknown", "offline", "extended_away", "away", "available", "chat", "busy", "dnd"}, column(table, "availability", tables.Way.Out))
	want := registryNames(t, "xmpp-show.csv")
	want[slices.Index(want, "(missing)")] = ""
	total(t, "show", append(want, "unavailable"), column(table, "show", tables.Way.In))
}

// XEP-0108 §4: what someone in-transit travels in is his place-type's to say.
func TestInTransitByPlaceType(t *testing.T) {
	for place, want := range map[string]string{"bus": "on_a_bus", "train": "on_a_train", "aircraft": "on_a_plane", "automobile": "in_a_car", "office": ""} {
		p := presence.Person{Activities: doing("in-transit"), PlaceType: &presence.Choice{Values: append(value("public"), value(place)...)}}
		if want != "" {
			want = "<" + want + "/>"
		}
		got := Standard.ToPEP(&presence.State{Persons: []presence.Person{p}}, noon)
		if len(got) != 1 || !strings.Contains(got[0].Payload, want) || want == "" && !strings.Contains(got[0].Payload, "<traveling/>") {
			t.Errorf("%s: %+v", place, got)
		}
	}
}
