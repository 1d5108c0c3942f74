package mapping

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/xmpp/payload"
)

// sayGeoloc says the first of p's locations that XEP-0080 has words for.
func (r *Rules) sayGeoloc(dst []byte, p *presence.Person, now time.Time) []byte {
	for i := range p.Geo {
		g := &p.Geo[i]
		if len(g.Bytes) > maxGeo {
			continue
		}
		x, err := parseElement(g.Bytes)
		if err != nil {
			continue
		}
		at, ok := placeIn(x, p.Timestamp, now)
		if !ok {
			continue
		}
		if x, native := nativeOf(p, payload.NodeGeoloc, "geoloc"); x != nil {
			was, err := geolocOf(x)
			if err == nil && was.geopriv() == *g {
				return append(dst, native...)
			}
		}
		if t := p.Timestamp; !t.IsZero() {
			at.timestamp = t.UTC().Truncate(time.Second)
		}
		return at.appendGeoloc(dst)
	}
	return dst
}

// hearGeoloc replaces the person's location objects by one.
func (r *Rules) hearGeoloc(p *presence.Person, x *element, _ time.Time) error {
	p.Geo = nil // XEP-0080 §4.1: an empty element stops it
	if x == nil {
		return nil
	}
	at, err := geolocOf(x)
	if err != nil {
		return err
	}
	if !at.empty() {
		p.Geo = []presence.RawXML{at.geopriv()}
	}
	return nil
}

// geolocOf reads an XEP-0080 element. What PIDF-LO has no place for is passed
// over; a location of which nothing remains is none.
func geolocOf(x *element) (place, error) {
	p := place{civic: map[string]string{}, lang: x.lang}
	had := map[string]string{}
	known := false
	for i := range x.kids {
		k := &x.kids[i]
		if k.space != x.space {
			continue
		}
		if s := strings.Join(strings.Fields(k.text), " "); s != "" && had[k.local] == "" {
			had[k.local] = s
		}
		known = true
	}
	if !known {
		return p, errors.New("nothing of a location in it")
	}
	// XEP-0080 §3: the datum is WGS 84 when it is not said.
	datum := strings.ReplaceAll(strings.ToUpper(had["datum"]), " ", "")
	if (datum == "" || datum == "WGS84") && within(had["lat"], 90) && within(had["lon"], 180) {
		p.lat, p.lon = had["lat"], had["lon"]
		if within(had["alt"], 1e8) {
			p.alt = had["alt"]
		}
		if within(had["accuracy"], 1e8) && had["accuracy"][0] != '-' {
			p.accuracy = had["accuracy"]
		}
	}
	for _, a := range addresses {
		if s := had[a.geoloc]; s != "" {
			p.civic[a.geoloc] = s
		}
	}
	c := strings.ToUpper(had["countrycode"])
	delete(p.civic, "countrycode")
	if len(c) == 2 && strings.Trim(c, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" { // RFC 5139 §3.3
		p.civic["countrycode"] = c
	}
	country, code, _ := strings.Cut(had["regioncode"], "-")
	if regionCode(code) && (country == p.civic["countrycode"] || p.civic["countrycode"] == "" && len(country) == 2) {
		delete(p.civic, "region") // RFC 5139 §3.4: the code rather than the name
		p.civic["countrycode"], p.civic["regioncode"] = country, had["regioncode"]
	}
	t, err := time.Parse(time.RFC3339, had["timestamp"])
	if err == nil && t.Year() > 0 && t.Year() < 9999 {
		p.timestamp = t.UTC().Truncate(time.Second)
	}
	return p, nil
}

// appendGeoloc appends p as an XEP-0080 element, what is in it by name.
func (p *place) appendGeoloc(dst []byte) []byte {
	all := maps.Clone(p.civic)
	if all == nil {
		all = map[string]string{}
	}
	if p.hasPoint() {
		all["lat"], all["lon"] = p.lat, p.lon
		if p.alt != "" {
			all["alt"] = p.alt
		}
		if p.accuracy != "" {
			all["accuracy"] = p.accuracy
		}
	}
	if !p.timestamp.IsZero() {
		all["timestamp"] = p.timestamp.Format(time.RFC3339)
	}
	x := element{space: payload.NodeGeoloc, local: "geoloc", attrs: langAttr(p.lang)}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		x.kids = append(x.kids, element{space: payload.NodeGeoloc, local: name, text: all[name]})
	}
	return x.append(dst, "")
}
