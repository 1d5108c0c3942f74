package mapping

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/mapping/tables"
	"github.com/porchlight-im/porchlight/xmpp/payload"
)

const geolocNS = ` xmlns="http://jabber.org/protocol/geoloc"`

// geopriv wraps what is in a location-info, and usage rules.
func geopriv(info, rules string) presence.RawXML {
	return presence.RawXML{Space: geoSpace, Local: "geopriv", Bytes: `<gp:geopriv xmlns:gp="` + geoSpace + `" xmlns:gml="` + gmlSpace +
		`" xmlns:gs="` + gsSpace + `" xmlns:cl="` + civicSpace + `"><gp:location-info>` + info + `</gp:location-info><gp:usage-rules>` + rules +
		`</gp:usage-rules><gp:method>Wiremap</gp:method></gp:geopriv>`}
}

const (
	pointInfo = `<gml:Point srsName="urn:ogc:def:crs:EPSG::4326"><gml:pos>-34.407 150.883</gml:pos></gml:Point>`
	point     = `<lat>-34.407</lat><lon>150.883</lon>`
)

func TestGeolocToPEP(t *testing.T) {
	for _, tt := range []struct{ name, info, rules, want string }{
		{"RFC 5491 figure 4", pointInfo, "", point},
		{"RFC 5491 figure 5", `<gml:Point srsName="urn:ogc:def:crs:EPSG::4979"><gml:pos>-34.407 150.883 24.8</gml:pos></gml:Point>`, "", `<alt>24.8</alt>` + point},
		{"RFC 5491 figure 9", `<gs:Circle srsName="urn:ogc:def:crs:EPSG::4326"><gml:pos>42.5463 -73.2512</gml:pos><gs:radius uom="urn:ogc:def:uom:EPSG::9001"> 850.24 </gs:radius></gs:Circle>`, "", `<accuracy>850.24</accuracy><lat>42.5463</lat><lon>-73.2512</lon>`},
		{"a point in gml:location", `<gml:location>` + pointInfo + `</gml:location>`, "", point},
		{"another reference system", strings.Replace(pointInfo, "4326", "4277", 1), "", ""},
		{"feet", `<gs:Circle><gml:pos>1 2</gml:pos><gs:radius uom="urn:ogc:def:uom:EPSG::9002">3</gs:radius></gs:Circle>`, "", `<lat>1</lat><lon>2</lon>`},
		{"beyond the pole", `<gml:Point><gml:pos>91 2</gml:pos></gml:Point>`, "", ""},
		{"not numbers", `<gml:Point><gml:pos>NaN 0x1p2</gml:pos></gml:Point>`, "", ""},
		{"RFC 5139 street", `<cl:civicAddress xml:lang="en-AU"><cl:country>AU</cl:country><cl:A1>NSW</cl:A1><cl:A3>Wollongong</cl:A3><cl:A4>North
			Wollongong</cl:A4><cl:RD>Flinders</cl:RD><cl:STS>Street</cl:STS><cl:RDBR>Campbell Street</cl:RDBR><cl:LMK>Gilligan's Island</cl:LMK><cl:LOC>Corner</cl:LOC><cl:NAM>Video Rental Store</cl:NAM><cl:PC>2500</cl:PC><cl:ROOM>Westerns and Classics</cl:ROOM></cl:civicAddress>`, "",
			`<area>North Wollongong</area><building>Gilligan's Island</building><countrycode>AU</countrycode><description>Video Rental Store</description><locality>Wollongong</locality><postalcode>2500</postalcode><regioncode>AU-NSW</regioncode><room>Westerns and Classics</room><street>Flinders Street</street><text>Corner</text>`},
		{"RFC 4119 street", `<l:civicAddress xmlns:l="` + civicBefore + `"><l:A1>New York</l:A1><l:A6>Broadway</l:A6><l:HNO>123</l:HNO></l:civicAddress>`, "", `<region>New York</region><street>Broadway 123</street>`},
		{"retransmission", pointInfo, `<gp:retransmission-allowed>no</gp:retransmission-allowed>`, point},
		{"not expired", pointInfo, `<gp:retention-expiry>2026-03-01T12:00:01Z</gp:retention-expiry>`, point},
		{"expired", pointInfo, `<gp:retention-expiry>2026-03-01T12:00:00Z</gp:retention-expiry>`, ""},
		{"expired, as in the text", pointInfo, `<gp:retention-expires>2026-03-01T12:00:00Z</gp:retention-expires>`, ""},
		{"not a time", pointInfo, `<gp:retention-expiry>tomorrow</gp:retention-expiry>`, ""},
		{"a ruleset", pointInfo, `<gp:external-ruleset>https://a</gp:external-ruleset>`, ""},
		{"a note-well", pointInfo, `<gp:note-well>Not for bots</gp:note-well>`, ""},
		{"an empty note-well", pointInfo, `<gp:note-well/>`, point},
		{"a polygon", `<gs:Polygon><gml:pos>1 2</gml:pos></gs:Polygon>`, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &presence.State{Persons: []presence.Person{{Geo: []presence.RawXML{geopriv(tt.info, tt.rules)}}}}
			got := ""
			for _, it := range Standard.ToPEP(s, noon) {
				got += strings.TrimSuffix(it.Payload[strings.IndexByte(it.Payload, '>')+1:], "</geoloc>")
			}
			if got != tt.want {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
		})
	}
}

// The documents of RFC 5491 and 4119 have what is known of each shape.
func TestGeolocOfTheRFCs(t *testing.T) {
	for name, want := range map[string]string{
		"rfc5491-5.2.3-circle.xml": "42.5463", "rfc5491-5.2.4-ellipse.xml": "42.5463", "rfc5491-5.2.6-sphere.xml": "42.5463",
		"rfc5491-5.2.7-ellipsoid.xml": "42.5463", "rfc5491-5.2.2-polygon.xml": "", "rfc5491-5.2.5-arcband.xml": "", "rfc5491-5.2.8-prism.xml": "",
	} {
		b, err := os.ReadFile(filepath.Join("../testdata/pidf/location", name))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := parseElement(string(b))
		if err != nil {
			t.Fatal(err)
		}
		x := find(doc, "geopriv")
		p, ok := placeIn(x, time.Time{}, noon)
		if ok != (want != "") || p.lat != want {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

func find(x *element, local string) *element {
	if x.local == local {
		return x
	}
	for i := range x.kids {
		if y := find(&x.kids[i], local); y != nil {
			return y
		}
	}
	return nil
}

func TestGeolocFromPEP(t *testing.T) {
	const open, rules, closing = `<geopriv xmlns="` + geoSpace + `"><location-info>`,
		`</location-info><usage-rules><retransmission-allowed xmlns="` + policySpace + `">no</retransmission-allowed>`, `</usage-rules></geopriv>`
	for _, tt := range []struct {
		payload, want string
		kept          bool
	}{
		// XEP-0080 §4.1 example 1
		{`<geoloc` + geolocNS + ` xml:lang="en"><accuracy>20</accuracy><country>Italy</country><lat>45.44</lat><locality>Venice</locality><lon>12.33</lon></geoloc>`,
			open + `<Circle xmlns="` + gsSpace + `" srsName="` + flat + `"><pos xmlns="` + gmlSpace + `">45.44 12.33</pos><radius uom="` + metre + `">20</radius></Circle>` +
				`<civicAddress xmlns="` + civicSpace + `" xml:lang="en"><A3>Venice</A3></civicAddress>` + rules + closing, true},
		{`<geoloc` + geolocNS + `><lat>1</lat><lon>2</lon></geoloc>`, open + `<Point xmlns="` + gmlSpace + `" srsName="` + flat + `"><pos>1 2</pos></Point>` + rules + closing, false},
		{`<geoloc` + geolocNS + `><countrycode>fr</countrycode><region>Hauts-de-France</region><regioncode>FR-HDF</regioncode></geoloc>`,
			open + `<civicAddress xmlns="` + civicSpace + `"><country>FR</country><A1>HDF</A1></civicAddress>` + rules + closing, true},
		{`<geoloc` + geolocNS + `><text>x</text><timestamp>2026-03-01T11:00:00+01:00</timestamp></geoloc>`,
			open + `<civicAddress xmlns="` + civicSpace + `"><LOC>x</LOC></civicAddress>` + rules + `<retention-expiry xmlns="` + policySpace + `">2026-03-02T10:00:00Z</retention-expiry>` + closing, true},
		{`<geoloc` + geolocNS + `><datum>ED50</datum><lat>1</lat><lon>2</lon><speed>3</speed></geoloc>`, "", true},
		{`<geoloc` + geolocNS + `><lat>nan</lat><lon>2</lon></geoloc>`, "", true},
	} {
		p := heard(t, nil, tt.payload)
		got := ""
		for _, g := range p.Geo {
			got += g.Bytes
		}
		if got != tt.want || (len(p.Ext) == 1) != tt.kept {
			t.Errorf("%s:\ngot  %s\nwant %s\nkept %+v", tt.payload, got, tt.want, p.Ext)
		}
	}
}

// Every element of XEP-0080 has a row, and the program does what the rows say.
func TestGeolocIsTotal(t *testing.T) {
	table := tables.Must("geoloc")
	var in []string
	for i := range table.Rows {
		r := &table.Rows[i]
		if r.Way.In() {
			in = append(in, r.Get("geoloc"))
		}
		civic, ok := strings.CutPrefix(r.Get("geopriv"), "cl:")
		civic, _, code := strings.Cut(civic, " ")
		if !ok {
			continue
		}
		doc := geopriv(`<cl:civicAddress><cl:country>DE</cl:country><cl:`+civic+`>HH</cl:`+civic+`></cl:civicAddress>`, "")
		if civic == "A1" && !code || civic == "country" {
			doc = geopriv(`<cl:civicAddress><cl:`+civic+`>HH</cl:`+civic+`></cl:civicAddress>`, "")
		}
		x, err := parseElement(doc.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		p, _ := placeIn(x, time.Time{}, noon)
		if civic != "country" {
			delete(p.civic, "countrycode")
		}
		got := ""
		for name := range p.civic {
			got += name
		}
		if want := strings.Trim(r.Get("geoloc"), "-"); got != want {
			t.Errorf("%v", r.Faultf("%s becomes %q", civic, got))
		}
	}
	total(t, "XEP-0080", registryNames(t, "xep0080-elements.csv"), in)
	if len(in) != len(registryNames(t, "xep0080-elements.csv")) {
		t.Errorf("%d rows that come in: %v", len(in), in)
	}
}

// ToPEP(FromPEP(x)) = x, and what PIDF-LO has a place for comes back without
// the element that was kept.
func TestGeolocRoundTrip(t *testing.T) {
	names := registryNames(t, "xep0080-elements.csv")
	exact := []string{"lat", "lon", "alt", "accuracy"}
	for _, a := range addresses {
		exact = append(exact, a.geoloc)
	}
	values := map[string]string{"lat": "1.5", "lon": "-2", "alt": "3", "accuracy": "4.0", "countrycode": "DE", "timestamp": "2026-03-01T10:00:00Z"}
	rapid.Check(t, func(d *rapid.T) {
		x := element{space: payload.NodeGeoloc, local: "geoloc"}
		had := map[string]string{}
		for _, n := range names {
			if n == "regioncode" || !rapid.Bool().Draw(d, n) {
				continue
			}
			had[n] = values[n]
			if had[n] == "" {
				had[n] = rapid.StringMatching(`[a-z]{2}[a-z<&]{0,9}`).Draw(d, n+" is")
			}
			x.kids = append(x.kids, element{space: payload.NodeGeoloc, local: n, text: had[n]})
		}
		if len(x.kids) == 0 {
			return
		}
		payload := string(x.append(nil, ""))
		s := Standard.FromPEP(nil, item(payload), noon)
		if len(s.Persons[0].Geo) == 0 {
			return // nothing that PIDF-LO has a place for
		}
		got := Standard.ToPEP(s, noon)
		if len(got) != 1 || got[0].Payload != payload {
			d.Fatalf("%s comes back as %+v", payload, got)
		}
		got = Standard.ToPEP((&Rules{SideChannelOff: true}).WithoutSideChannel(s), noon)
		back, err := parseElement(got[0].Payload)
		if err != nil {
			d.Fatal(err)
		}
		point := had["lat"] != "" && had["lon"] != "" && had["datum"] == ""
		for n, v := range had {
			k := back.kid(n)
			want := slices.Contains(exact, n) && (point || !slices.Contains(exact[:4], n))
			if want != (k != nil) || k != nil && k.text != v {
				d.Fatalf("%s: %s is %+v", payload, n, k)
			}
		}
	})
}

func TestTuneAndNick(t *testing.T) {
	const tune = `<tune xmlns="http://jabber.org/protocol/tune"><artist>Yes</artist><length>686</length></tune>`
	s := Standard.FromPEP(nil, item(tune), noon)
	s = Standard.FromPEP(s, item(`<nick xmlns="http://jabber.org/protocol/nick"> Ishmael&amp; </nick>`), noon)
	if got := s.Persons[0].Card.DisplayName; got != "Ishmael&" {
		t.Errorf("called %q", got)
	}
	want := []Item{{payload.NodeNick, "current", `<nick xmlns="http://jabber.org/protocol/nick">Ishmael&amp;</nick>`}, {payload.NodeTune, "current", tune}}
	if diff := cmp.Diff(want, Standard.ToPEP(s, noon)); diff != "" {
		t.Error(diff)
	}
	s = Standard.FromPEP(s, item(`<tune xmlns="http://jabber.org/protocol/tune"/>`), noon)
	s = Standard.FromPEP(s, item(`<nick xmlns="http://jabber.org/protocol/nick"/>`), noon)
	if len(s.Persons) > 0 {
		t.Errorf("%+v remains", s.Persons)
	}
	for _, it := range []Item{{Node: payload.NodeNick, Payload: `<nick xmlns="http://jabber.org/protocol/nick"><b/></nick>`}, {Node: payload.NodeTune, Payload: `<tune xmlns="http://jabber.org/protocol/tune">la</tune>`}} {
		if _, err := Standard.ApplyPEP(s, it, noon); err == nil {
			t.Errorf("%s is taken", it.Payload)
		}
	}
}

// A location carries the person's time, and loses it with its retention.
func TestGeolocTime(t *testing.T) {
	s := &presence.State{Persons: []presence.Person{{Timestamp: noon.Add(500 * time.Millisecond), Geo: []presence.RawXML{geopriv(pointInfo, "")}}}}
	got := Standard.ToPEP(s, noon)
	if len(got) != 1 || got[0].Payload != `<geoloc`+geolocNS+`>`+point+`<timestamp>2026-03-01T12:00:00Z</timestamp></geoloc>` {
		t.Errorf("%+v", got)
	}
	// RFC 4119 §2.2.2: kept for 24 hours from the timestamp.
	if got := Standard.ToPEP(s, noon.Add(25*time.Hour)); len(got) != 0 {
		t.Errorf("a day later: %+v", got)
	}
}
