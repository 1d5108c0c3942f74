package mapping

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// The namespaces of location objects.
const (
	geoSpace    = "urn:ietf:params:xml:ns:pidf:geopriv10" // RFC 4119 §2.2.5
	policySpace = geoSpace + ":basicPolicy"
	civicSpace  = geoSpace + ":civicAddr" // RFC 5139 §4
	civicBefore = geoSpace + ":civicLoc"  // RFC 4119 §2.2.5
	gmlSpace    = "http://www.opengis.net/gml"
	gsSpace     = "http://www.opengis.net/pidflo/1.0"

	// RFC 5491 §4: WGS 84 in two and three dimensions, and metres.
	flat  = "urn:ogc:def:crs:EPSG::4326"
	solid = "urn:ogc:def:crs:EPSG::4979"
	metre = "urn:ogc:def:uom:EPSG::9001"
)

// maxGeo is how long a location object may be that is translated.
const maxGeo = 16 << 10

// place is what a geopriv element and an XEP-0080 element both can say: the
// names are XEP-0080's.
type place struct {
	lat, lon, alt, accuracy string
	timestamp               time.Time
	civic                   map[string]string
	lang                    string
}

func (p *place) hasPoint() bool { return p.lat != "" && p.lon != "" }
func (p *place) empty() bool    { return !p.hasPoint() && len(p.civic) == 0 }

// addresses has how XEP-0080's elements are made of those of a civic address:
// the first that there is, but for a street, which is made of its parts. Of
// the first alone the way back goes. A test holds it against the table.
var addresses = []struct{ geoloc, civic, or string }{
	{"countrycode", "country", ""}, {"region", "A1", ""}, {"locality", "A3", ""}, {"area", "A4", "A5"},
	{"street", "RD", ""}, {"text", "LOC", ""}, {"floor", "FLR", ""}, {"description", "NAM", ""},
	{"postalcode", "PC", ""}, {"building", "BLD", "LMK"}, {"room", "ROOM", "UNIT"},
}

// streets are the parts of a street in the order in which they are written.
var streets = []string{"PRM", "PRD", "RD", "STS", "POD", "POM", "HNO", "HNS"}

// placeIn reads a geopriv element of the time at, which may be zero. ok is
// false when it has no location that XEP-0080 can say, or is not to be told at
// now.
func placeIn(x *element, at, now time.Time) (p place, ok bool) {
	if x.space != geoSpace || x.local != "geopriv" || !tellable(x, at, now) {
		return p, false
	}
	info := x.kid("location-info")
	if info == nil {
		return p, false
	}
	for i := range info.kids {
		k := &info.kids[i]
		if !p.hasPoint() {
			p.readShape(k, 0)
		}
		if k.local == "civicAddress" && strings.HasPrefix(strings.TrimSpace(k.space), geoSpace) && len(p.civic) == 0 {
			p.readCivic(k)
		}
	}
	return p, !p.empty()
}

// tellable reports whether the usage rules of a geopriv element let its
// location go where they cannot go along. RFC 4119 §2.2.2: retransmission
// concerns what the recipient does, and "no" is the default of all; a ruleset
// or a note-well are more than can be told; what has expired is discarded, and
// without another word that is a day after the timestamp.
func tellable(x *element, at, now time.Time) bool {
	var until time.Time
	if !at.IsZero() {
		until = at.Add(24 * time.Hour)
	}
	rules := x.kid("usage-rules")
	if rules == nil {
		rules = &element{}
	}
	for i := range rules.kids {
		k := &rules.kids[i]
		switch k.local { // the schema's names, and those of the text
		case "external-ruleset", "ruleset-reference", "note-well":
			if !k.empty() {
				return false
			}
		case "retention-expiry", "retention-expires":
			t, err := time.Parse(time.RFC3339, strings.TrimSpace(k.text))
			if err != nil {
				return false
			}
			until = t
		}
	}
	return until.IsZero() || until.After(now)
}

// shapes tell which element of a shape says how far its point may be off.
var shapes = map[string]string{"Point": "", "Circle": "radius", "Sphere": "radius", "Ellipse": "semiMajorAxis", "Ellipsoid": "semiMajorAxis"}

// readShape reads the coordinates of a shape of RFC 5491 §5.2, which may be in
// a gml:location.
func (p *place) readShape(x *element, depth int) {
	if x.space != gmlSpace && x.space != gsSpace || depth > 2 {
		return
	}
	off, ok := shapes[x.local]
	if !ok {
		for i := range x.kids {
			if x.local == "location" && !p.hasPoint() {
				p.readShape(&x.kids[i], depth+1)
			}
		}
		return
	}
	// RFC 5491 §4: other reference systems are not for interoperation.
	if crs := x.attr("srsName"); crs != flat && crs != solid && crs != "" {
		return
	}
	pos := x.kid("pos")
	if pos == nil {
		return
	}
	c := strings.Fields(pos.text)
	if len(c) < 2 || len(c) > 3 || !within(c[0], 90) || !within(c[1], 180) {
		return
	}
	p.lat, p.lon = c[0], c[1]
	if len(c) == 3 && within(c[2], 1e8) {
		p.alt = c[2]
	}
	if off == "" {
		return
	}
	if r := x.kid(off); r != nil && (r.attr("uom") == metre || r.attr("uom") == "") {
		if s := strings.TrimSpace(r.text); within(s, 1e8) && s[0] != '-' {
			p.accuracy = s
		}
	}
}

// within reports whether s is a decimal number of XML Schema, not too long,
// between -limit and limit.
func within(s string, limit float64) bool {
	if len(s) == 0 || len(s) > 40 || strings.Trim(s, "+-.0123456789") != "" {
		return false
	}
	f, err := strconv.ParseFloat(s, 64)
	return err == nil && f >= -limit && f <= limit
}

// readCivic reads a civic address.
func (p *place) readCivic(x *element) {
	had := map[string]string{}
	p.lang = x.lang
	for i := range x.kids {
		k := &x.kids[i]
		if s := strings.Join(strings.Fields(k.text), " "); s != "" && k.space == x.space && had[k.local] == "" {
			had[k.local] = s // RFC 5139 §3.6: white space is collapsed
		}
	}
	p.civic = map[string]string{}
	put := func(name, s string) {
		if s != "" {
			p.civic[name] = s
		}
	}
	for _, a := range addresses {
		s := had[a.civic]
		if s == "" {
			s = had[a.or]
		}
		put(a.geoloc, s)
	}
	if had["RD"] == "" {
		had["RD"] = had["A6"] // RFC 5139 §3.2: A6 was the street before
	}
	var street []string
	for _, part := range streets {
		if had[part] != "" {
			street = append(street, had[part])
		}
	}
	put("street", strings.Join(street, " "))
	// RFC 5139 §3.4: A1 is the code of ISO 3166-2 less the country.
	if a1 := had["A1"]; regionCode(a1) && len(had["country"]) == 2 {
		delete(p.civic, "region")
		put("regioncode", strings.ToUpper(had["country"])+"-"+a1)
	}
}

// regionCode reports whether s can be what ISO 3166-2 has behind the hyphen.
func regionCode(s string) bool {
	return len(s) > 0 && len(s) <= 3 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == ""
}

// geopriv makes a location object of p (RFC 4119 §2.2, RFC 5491 §5.2, RFC 5139
// §4), with the usage rules of one whose owner has said nothing.
func (p *place) geopriv() presence.RawXML {
	info := element{space: geoSpace, local: "location-info"}
	if p.hasPoint() {
		info.kids = append(info.kids, p.shape())
	}
	if len(p.civic) > 0 {
		info.kids = append(info.kids, p.address())
	}
	// RFC 4119 §2.2.2: "no" must be there when there is no preference.
	rules := element{space: geoSpace, local: "usage-rules", kids: []element{
		{space: policySpace, local: "retransmission-allowed", text: "no"}}}
	if !p.timestamp.IsZero() {
		until := p.timestamp.Add(24 * time.Hour).Format(time.RFC3339)
		rules.kids = append(rules.kids, element{space: policySpace, local: "retention-expiry", text: until})
	}
	x := element{space: geoSpace, local: "geopriv", kids: []element{info, rules}}
	return presence.RawXML{Space: geoSpace, Local: "geopriv", Bytes: string(x.append(nil, ""))}
}

// shape is the point of p: a circle or a sphere when it is not exact.
func (p *place) shape() element {
	crs, at := flat, p.lat+" "+p.lon
	if p.alt != "" {
		crs, at = solid, at+" "+p.alt
	}
	x := element{space: gmlSpace, local: "Point", attrs: []presence.Attr{{Local: "srsName", Value: crs}}}
	x.kids = []element{{space: gmlSpace, local: "pos", text: at}}
	if p.accuracy == "" {
		return x
	}
	x.space, x.local = gsSpace, "Circle"
	if p.alt != "" {
		x.local = "Sphere" // RFC 5491 §5.2.3: a point in three dimensions that is not exact
	}
	x.kids = append(x.kids, element{space: gsSpace, local: "radius", text: p.accuracy,
		attrs: []presence.Attr{{Local: "uom", Value: metre}}})
	return x
}

// civicOrder is the order of the elements in the schema (RFC 5139 §4).
var civicOrder = []string{"country", "A1", "A3", "A4", "RD", "LOC", "FLR", "NAM", "PC", "BLD", "ROOM"}

// address is the civic part of p.
func (p *place) address() element {
	x := element{space: civicSpace, local: "civicAddress", attrs: langAttr(p.lang)}
	for _, name := range civicOrder {
		i := slices.IndexFunc(addresses, func(a struct{ geoloc, civic, or string }) bool { return a.civic == name })
		s := p.civic[addresses[i].geoloc]
		_, code, found := strings.Cut(p.civic["regioncode"], "-")
		if name == "A1" && found {
			s = code // RFC 5139 §3.4
		}
		if s != "" {
			x.kids = append(x.kids, element{space: civicSpace, local: name, text: s})
		}
	}
	return x
}
