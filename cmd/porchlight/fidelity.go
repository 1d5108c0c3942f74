package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

// How much of a document comes back when it goes to another network and
// returns: what a gateway on the way keeps.

// trip is a way there and back, of documents of the network from.
type trip struct{ from, to string }

func (t trip) String() string {
	return networks[t.from] + " → " + networks[t.to] + " → " + networks[t.from]
}

// networks are the formats' names for people.
var networks = map[string]string{"pidf": "SIP", "xmpp": "XMPP", "json": "JSON"}

// trips are all that there are.
var trips = []trip{{"pidf", "json"}, {"json", "pidf"}, {"pidf", "xmpp"}, {"json", "xmpp"}, {"xmpp", "pidf"}, {"xmpp", "json"}}

// tally counts things that documents say: how many there are, and what came
// back of them, as it was or as something else of its kind.
type tally struct {
	Of      int `json:"of"`
	Kept    int `json:"kept"`
	Changed int `json:"changed"`
	Lost    int `json:"lost"`
}

func (t *tally) add(o tally) {
	t.Of, t.Kept, t.Changed, t.Lost = t.Of+o.Of, t.Kept+o.Kept, t.Changed+o.Changed, t.Lost+o.Lost
}

// outcome is what became of all documents on one trip.
type outcome struct {
	trip trip
	set  string
	// sideChannel: what the network has no words for was carried along.
	sideChannel bool
	paths       map[string]*tally
	all         tally
	documents   int
	// whole is how many documents came back with all that they said.
	whole int
}

// source is one document that goes on trips.
type source struct {
	set    string // of which documents it is one
	name   string
	format string
	doc    []byte
}

// The sets of documents.
const (
	corpusSet    = "corpus"
	generatedSet = "generated"
	filesSet     = "named"
)

var reportAddr = presence.Addr{Scheme: presence.SIP, User: "alice", Host: "sip.example"}

// reportTime is the time at which the built-in documents are translated.
var reportTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// measure sends all sources of set that t begins with there and back.
func measure(t trip, sideChannel bool, set string, sources []source, now time.Time) (*outcome, error) {
	o := &outcome{trip: t, set: set, sideChannel: sideChannel, paths: map[string]*tally{}}
	rules := &mapping.Rules{SideChannelOff: !sideChannel}
	for i := range sources {
		if sources[i].format != t.from || sources[i].set != set {
			continue
		}
		before, after, err := thereAndBack(t, rules, sources[i].doc, now)
		if err != nil {
			return nil, fmt.Errorf("%s, %s: %w", t, sources[i].name, err)
		}
		o.count(before, after)
	}
	for _, t := range o.paths {
		t.Kept = t.Of - t.Changed - t.Lost
		o.all.add(*t)
	}
	return o, nil
}

// add adds what became of other documents on the same trip.
func (o *outcome) add(p *outcome) {
	o.documents, o.whole = o.documents+p.documents, o.whole+p.whole
	o.all.add(p.all)
	for path, t := range p.paths {
		at(o.paths, path).add(*t)
	}
}

// thereAndBack returns what doc says, and what it says after the trip.
func thereAndBack(t trip, r *mapping.Rules, doc []byte, now time.Time) (before, after []leaf, err error) {
	s, err := readSource(r, t.from, doc, now)
	if err != nil {
		return nil, nil, err
	}
	before, err = leavesOf(t.from, doc, s)
	if err != nil {
		return nil, nil, err
	}
	s, err = pass(r, t.to, s, now)
	if err != nil {
		return nil, nil, fmt.Errorf("on the way there: %w", err)
	}
	out := writeFormat(r, t.from, reportAddr, s, now)
	s, err = readSource(r, t.from, out, now)
	if err != nil {
		return nil, nil, fmt.Errorf("on the way back: %w", err)
	}
	after, err = leavesOf(t.from, out, s)
	return before, after, err
}

// pass returns what arrives of s in a network.
func pass(r *mapping.Rules, to string, s *presence.State, now time.Time) (*presence.State, error) {
	return readSource(r, to, writeFormat(r, to, reportAddr, s, now), now)
}

// readSource reads a document; one of XMPP may be empty.
func readSource(r *mapping.Rules, format string, doc []byte, now time.Time) (*presence.State, error) {
	if len(doc) == 0 && format == "xmpp" {
		return &presence.State{}, nil
	}
	d, err := parseFormat(r, format, doc, now)
	if err != nil {
		return nil, err
	}
	return d.state, nil
}

// leavesOf lists what doc, which was read as s, says in its own terms.
func leavesOf(format string, doc []byte, s *presence.State) ([]leaf, error) {
	if format != "xmpp" {
		return stateLeaves(s), nil
	}
	if len(doc) == 0 {
		return nil, nil
	}
	st, err := readStanzas(doc)
	if err != nil {
		return nil, err
	}
	return stanzaLeaves(st), nil
}

// missing returns the leaves of before that after does not have. changed tells
// of each whether after has something else in its place.
func missing(before, after []leaf) (gone []leaf, changed []bool) {
	left := map[[2]string]int{}
	free := map[string]int{} // leaves after, by path, that are not the same as one before
	for i := range after {
		left[after[i].id()]++
		free[after[i].path]++
	}
	for i := range before {
		l := &before[i]
		if left[l.id()] == 0 {
			gone = append(gone, *l)
			continue
		}
		left[l.id()]--
		free[l.path]--
	}
	for i := range gone {
		changed = append(changed, free[gone[i].path] > 0)
		free[gone[i].path]--
	}
	return gone, changed
}

// count compares what one document said before and after.
func (o *outcome) count(before, after []leaf) {
	for i := range before {
		at(o.paths, before[i].path).Of++
	}
	gone, changed := missing(before, after)
	for i := range gone {
		t := at(o.paths, gone[i].path)
		if changed[i] {
			t.Changed++
		} else {
			t.Lost++
		}
	}
	o.documents++
	if len(gone) == 0 {
		o.whole++
	}
}

// at returns what m has for path, made if need be.
func at(m map[string]*tally, path string) *tally {
	t := m[path]
	if t == nil {
		t = &tally{}
		m[path] = t
	}
	return t
}

// losing returns the paths that do not come back whole, in order.
func (o *outcome) losing() []string {
	var out []string
	for path, t := range o.paths {
		if t.Kept < t.Of {
			out = append(out, path)
		}
	}
	slices.SortFunc(out, cmp.Compare[string])
	return out
}
