package main

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/mapping/presence/sample"
	"github.com/porchlight-im/porchlight/mapping/tables"
)

// drawn are choices that rapid makes.
func drawn(t *rapid.T) sample.Pick {
	return func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "pick") }
}

// builtInReport is the report on the built-in documents.
var builtInReport = sync.OnceValues((&mapCmd{}).report)

// With the side channel everything comes back; without it, all but what is
// declared, and no declaration is out of date.
func TestFidelityIsAsDeclared(t *testing.T) {
	r, err := builtInReport()
	if err != nil {
		t.Fatal(err)
	}
	occurs := map[*tables.Row]bool{}
	for i := range 2 * len(trips) {
		o := r.total(trips[i/2], i%2 == 1)
		if o.documents < generated {
			t.Errorf("%s: only %d documents", o.trip, o.documents)
		}
		for _, path := range o.losing() {
			row := lossOf(o.trip.lossWay(), path)
			if o.sideChannel || row == nil {
				t.Errorf("%s, side channel %v: %s is not kept: %+v", o.trip, o.sideChannel, path, *o.paths[path])
				continue
			}
			occurs[row] = true
		}
	}
	for i := range losses {
		if !occurs[&losses[i]] {
			t.Errorf("%v", losses[i].Faultf("it is never lost"))
		}
	}
}

// settled returns the stanzas that count: resources that are not there do not
// when others are, and of several that are not the first stands for all
// (RFC 8048 §6.2 row D5: the last tuple stays, closed).
func settled(t check, doc []byte) []byte {
	if len(doc) == 0 {
		return nil
	}
	s, err := readStanzas(doc)
	if err != nil {
		t.Fatalf("%v in\n%s", err, doc)
	}
	there := slices.DeleteFunc(slices.Clone(s.presences), func(p mapping.Presence) bool { return p.Unavailable })
	if len(there) == 0 {
		there = s.presences[:min(1, len(s.presences))]
	}
	s.presences = there
	return s.append(nil, reportAddr, reportTime)
}

// idempotent checks that what a network says comes out the same when it has
// come in: nothing goes back and forth for ever.
func idempotent(t check, r *mapping.Rules, s *presence.State) {
	for format := range networks {
		first := writeFormat(r, format, reportAddr, s, reportTime)
		arrived, err := readSource(r, format, first, reportTime)
		if err != nil {
			t.Fatalf("%s: %v in\n%s", format, err, first)
		}
		second := writeFormat(r, format, reportAddr, arrived, reportTime)
		if format == "xmpp" && r.SideChannelOff {
			first, second = settled(t, first), settled(t, second)
		}
		if !bytes.Equal(first, second) {
			t.Fatalf("%s, %+v:\n%s\n%s", format, *r, first, second)
		}
	}
}

// check is a test of any kind.
type check interface{ Fatalf(string, ...any) }

// bothRules are the side channel on and off.
var bothRules = []*mapping.Rules{{}, {SideChannelOff: true}}

func TestOutInOutIsOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, st := sample.State(drawn(t)), sampleStanzas(drawn(t))
		for _, r := range bothRules {
			idempotent(t, r, s)
			idempotent(t, r, st.state(r, reportTime))
		}
	})
}

// What comes back by the side channel is the same state, not only as many
// things of each kind.
func TestSideChannelIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := sample.State(drawn(t))
		s.Entity = ""
		got, err := pass(nil, "xmpp", s, reportTime)
		if err != nil {
			t.Fatal(err)
		}
		got.Ext = slices.DeleteFunc(got.Ext, func(x presence.RawXML) bool { return x.Space == mapping.Ext && x.Local == "lineage" })
		byID := func(a, b presence.Service) int { return strings.Compare(a.ID, b.ID) }
		slices.SortFunc(s.Services, byID)
		slices.SortFunc(got.Services, byID)
		if !presence.Equal(s, got) {
			t.Fatalf("-want +got:\n%s", cmp.Diff(s, got))
		}
	})
}

func FuzzRoundTrips(f *testing.F) {
	f.Add([]byte("\x01\x02\x03\x01\x05\x04\x01\x00\x02\x07\x01\x01\x01\x02\x03"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := sample.State(sample.Choices(b))
		for _, r := range bothRules {
			idempotent(t, r, s)
		}
		roundTrips(t, "pidf", writeFormat(nil, "pidf", reportAddr, s, reportTime))
	})
}

func FuzzStanzas(f *testing.F) {
	for i := range uint64(20) {
		st := sampleStanzas(seeded(i))
		f.Add(st.append(nil, xmppAddr, reportTime))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		st, err := readStanzas(doc)
		if err != nil || slices.ContainsFunc(st.presences, func(p mapping.Presence) bool { return p.From.IsZero() }) {
			return // a stanza that comes from a server tells whose it is
		}
		for _, r := range bothRules {
			idempotent(t, r, st.state(r, reportTime))
		}
	})
}

// roundTrips sends doc everywhere and back; nothing may be lost that is not
// declared.
func roundTrips(t check, format string, doc []byte) {
	for _, trip := range trips {
		if trip.from != format {
			continue
		}
		for _, r := range bothRules {
			before, after, err := thereAndBack(trip, r, doc, reportTime)
			if err != nil {
				t.Fatalf("%s: %v in\n%s", trip, err, doc)
			}
			gone, _ := missing(before, after)
			for i := range gone {
				if !r.SideChannelOff || lossOf(trip.lossWay(), gone[i].path) == nil {
					t.Fatalf("%s, %+v: lost %s, %s\n%s", trip, *r, gone[i].path, &gone[i], doc)
				}
			}
		}
	}
}

// No document loses what is not declared.
func TestNothingUndeclaredIsLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		roundTrips(t, "pidf", writeFormat(nil, "pidf", reportAddr, sample.State(drawn(t)), reportTime))
		st := sampleStanzas(drawn(t))
		roundTrips(t, "xmpp", st.append(nil, xmppAddr, reportTime))
	})
}

// docs/fidelity.md says what is measured now; -update rewrites it.
func TestFidelityDocument(t *testing.T) {
	const name = "../../docs/fidelity.md"
	r, err := builtInReport()
	if err != nil {
		t.Fatal(err)
	}
	want := r.markdown()
	if *updateFlows {
		err = os.WriteFile(name, []byte(want), 0o644)
		if err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is out of date; write it with go test ./cmd/porchlight -run %s -update, or go run ./cmd/porchlight map --report > docs/fidelity.md:\n%s",
			name, t.Name(), cmp.Diff(string(got), want))
	}
}

func TestMapReport(t *testing.T) {
	file := mappingData + "/clients/blink-busy.xml"
	for _, c := range []mapCase{
		{"a file", []string{"--report", file}, exitOK, []string{"| SIP → JSON → SIP | named | on | 1 | 1 |", "| `tuple/device-id` | 1 | 0 | 0 | 1 |"}, nil},
		{"as JSON", []string{"--report", "--json", file, file}, exitOK, []string{`"number": 2`, `"element": "tuple/device-id"`, `"why": "a resource has no device`}, nil},
		{"another format", []string{"--report", "--from", "json", file}, exitUsage, nil, []string{"is no json document (see --from)"}},
		{"no file", []string{"--report", "none.xml"}, exitUsage, nil, []string{"no such file"}},
		{"two documents and no report", []string{file, file}, exitUsage, nil, []string{"map takes one document"}},
		{"no document", nil, exitUsage, nil, []string{"map takes one document"}},
		{"with the side channel", []string{file, "--side-channel"}, exitOK, []string{"<exact xmlns='urn:porchlight:presence:1'"}, []string{"Nothing is lost"}},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t) })
	}
}
