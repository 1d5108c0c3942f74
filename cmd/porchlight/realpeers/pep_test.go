//go:build integration

package realpeers

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Group 6 of the real peers' list: activities, moods, places, names, avatars
// and idleness through personal eventing, with capabilities, both ways, and
// clearing each. The Jabber client is slixmpp with its own plugins.

// loginPEP starts a client of personal eventing, present with capabilities.
func loginPEP(t *testing.T, s xmppServer, user, resource string) *jabber {
	t.Helper()
	j := login(t, s, user, resource, "pep")
	j.command(map[string]string{"cmd": "presence"})
	j.expect("her own presence", presence(j.jid, "")) // what is sent otherwise overtakes it
	return j
}

// publish publishes values by slixmpp's plugin for what; none clears it.
func (j *jabber) publish(what string, values map[string]any) {
	j.t.Helper()
	if values == nil {
		values = map[string]any{}
	}
	b, err := json.Marshal(values)
	if err != nil {
		j.t.Fatal(err)
	}
	j.command(map[string]string{"cmd": "publish", "what": what, "values": string(b)})
	j.peek("the answer to the publication of "+what, func(s stanza) bool {
		if s.Ev == "failed" {
			j.t.Fatalf("%s cannot publish %s: %s", j.jid, s.What, s.Why)
		}
		return s.Ev == "published" && s.What == what
	})
}

// peek waits for an event and takes only that.
func (j *jabber) peek(what string, ok func(stanza) bool) {
	j.t.Helper()
	within(j.t, patience, j.jid+" waits for "+what, func() bool {
		j.mu.Lock()
		defer j.mu.Unlock()
		i := slices.IndexFunc(j.seen, ok)
		if i >= 0 {
			j.seen = slices.Delete(j.seen, i, i+1)
		}
		return i >= 0
	})
}

// event returns an expectation: an event of what from the bare address, whose
// values contain want; without want, the empty element.
func event(what, from string, want map[string]string) func(stanza) bool {
	return func(s stanza) bool {
		if s.Ev != "pep" || s.What != what || s.From != from {
			return false
		}
		for k, v := range want {
			if s.Values[k] != v {
				return false
			}
		}
		return len(want) > 0 || strings.Count(s.XML, "<") == 1 && strings.HasSuffix(s.XML, "/>")
	}
}

// rich is a document of aor with an open tuple and whatever stands in person.
func rich(aor, person string) string {
	return strings.Replace(pidf(aor, "open", "", ""), "</presence>", `<dm:person xmlns:gp="urn:ietf:params:xml:ns:pidf:geopriv10"`+
		` xmlns:cl="urn:ietf:params:xml:ns:pidf:geopriv10:civicAddr" xmlns:gml="http://www.opengis.net/gml"`+
		` xmlns:c="urn:ietf:params:xml:ns:pidf:cipid" id="p1">`+person+`</dm:person></presence>`, 1)
}

// activities of RFC 4480 §3.2 and what they are in XEP-0108; "" is said by
// <show> alone. The second value is the text.
var activities = map[string][2]string{
	"appointment": {"having_appointment"}, "away": {}, "breakfast": {"eating/having_breakfast"}, "busy": {},
	"dinner": {"eating/having_dinner"}, "holiday": {"inactive/scheduled_holiday"}, "in-transit": {"traveling"},
	"looking-for-work": {"undefined/other", "looking for work"}, "lunch": {"eating/having_lunch"}, "meal": {"eating"},
	"meeting": {"working/in_a_meeting"}, "on-the-phone": {"talking/on_the_phone"}, "other": {"undefined/other"},
	"performance": {"relaxing/other", "at a performance"}, "permanent-absence": {}, "playing": {"exercising/playing_sports"},
	"presentation": {"working/other", "giving a presentation"}, "shopping": {"relaxing/shopping"},
	"sleeping": {"inactive/sleeping"}, "spectator": {"relaxing/other", "watching an event"},
	"steering": {"traveling/driving"}, "travel": {"traveling/on_a_trip"}, "tv": {"relaxing/watching_tv"}, "unknown": {},
	"vacation": {"inactive/on_vacation"}, "working": {"working"}, "worship": {"inactive/praying"},
}

// activityValues are the values of slixmpp for what stands in activities.
func activityValues(a [2]string) map[string]string {
	if a[0] == "" {
		return nil
	}
	general, specific, ok := strings.Cut(a[0], "/")
	value := fmt.Sprintf("('%s', '%s')", general, specific)
	if !ok {
		value = fmt.Sprintf("('%s', None)", general)
	}
	v := map[string]string{"value": value}
	if a[1] != "" {
		v["text"] = a[1]
	}
	return v
}

func TestPEP_Activities(t *testing.T) { onBothServers(t, allActivities) }

func allActivities(t *testing.T, s xmppServer) {
	g := startGateway(t, config(s))
	g.waitReady()
	a := newPhone(t, g, alice)
	etag := a.publish("", "600", pidf(alice, "open", "", "")).get("SIP-ETag")
	j := loginPEP(t, s, "juliet", "balcony")
	d := befriend(t, j, a)
	told := false
	for activity, in := range activities {
		res := a.publish(etag, "600", pidf(alice, "open", activity, ""))
		etag = res.get("SIP-ETag")
		values := activityValues(in)
		if values != nil || told {
			j.expect("alice "+activity, event("activity", "alice@sip.example", values))
		}
		told = values != nil
		if values == nil {
			continue
		}
		// And the same the other way.
		general, specific, _ := strings.Cut(in[0], "/")
		say := map[string]any{"general": general}
		if specific != "" {
			say["specific"] = specific
		}
		if in[1] != "" {
			say["text"] = in[1]
		}
		j.publish("activity", say)
		n := d.notify("juliet "+activity, has("active", "<rpid:"+activity))
		if !strings.Contains(n.body, "<rpid:activities>") {
			t.Errorf("%s: %s", activity, n.body)
		}
		j.publish("activity", nil)
		d.notify("juliet no more "+activity, func(m sipMessage) bool {
			return has("active", "<basic>open</basic>")(m) && !strings.Contains(m.body, "rpid:activities")
		})
	}
	a.publish(etag, "600", pidf(alice, "open", "", ""))
	if told {
		j.expect("alice does nothing any more", event("activity", "alice@sip.example", nil))
	}
}

// What else a person says.
var personal = []struct {
	what, person string
	values       map[string]string // as slixmpp reads it
	say          map[string]any    // as slixmpp writes it
	seen         []string          // in the NOTIFY then
}{
	{"mood", `<rpid:mood><rpid:happy/></rpid:mood>`, map[string]string{"value": "happy"},
		map[string]any{"value": "happy", "text": "Because <you>"}, []string{"<rpid:happy/>", "Because &lt;you&gt;"}},
	{"mood", `<rpid:mood><rpid:note>O Romeo</rpid:note><rpid:in_love/></rpid:mood>`, map[string]string{"value": "in_love", "text": "O Romeo"},
		map[string]any{"value": "in_love"}, []string{"<rpid:in_love/>"}},
	{"nick", `<c:display-name>Alice L.</c:display-name>`, map[string]string{"nick": "Alice L."},
		map[string]any{"nick": "Júlia ☃"}, []string{"display-name>Júlia ☃</"}},
	{"geoloc", `<gp:geopriv><gp:location-info><cl:civicAddress><cl:country>IT</cl:country><cl:A3>Verona</cl:A3></cl:civicAddress></gp:location-info><gp:usage-rules/></gp:geopriv>`,
		map[string]string{"countrycode": "IT", "locality": "Verona"},
		map[string]any{"lat": "45.44", "lon": "10.99", "accuracy": "20"}, []string{"45.44", "10.99"}},
	{"tune", "", nil, map[string]any{"artist": "Yes", "title": "Heart of the Sunrise"}, []string{"Heart of the Sunrise"}},
}

func TestPEP_Person(t *testing.T) { onBothServers(t, wholePerson) }

func wholePerson(t *testing.T, s xmppServer) {
	g := startGateway(t, config(s))
	g.waitReady()
	a := newPhone(t, g, alice)
	etag := a.publish("", "600", pidf(alice, "open", "", "")).get("SIP-ETag")
	j := loginPEP(t, s, "juliet", "balcony")
	d := befriend(t, j, a)
	for _, c := range personal {
		if c.person != "" {
			etag = a.publish(etag, "600", rich(alice, c.person)).get("SIP-ETag")
			j.expect("alice's "+c.what, event(c.what, "alice@sip.example", c.values))
			etag = a.publish(etag, "600", pidf(alice, "open", "", "")).get("SIP-ETag")
			j.expect("alice without "+c.what, event(c.what, "alice@sip.example", nil))
		}
		j.publish(c.what, c.say)
		d.notify("juliet's "+c.what, has("active", c.seen...))
		j.publish(c.what, nil)
		d.notify("juliet without "+c.what, func(m sipMessage) bool {
			return has("active", "<basic>open</basic>")(m) && !slices.ContainsFunc(c.seen, func(x string) bool { return strings.Contains(m.body, x) })
		})
	}
}
