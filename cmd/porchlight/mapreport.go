package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"
)

// fidelityReport is what became of a set of documents on all trips.
type fidelityReport struct {
	builtIn  bool // the documents are those that are built in
	outcomes []*outcome
}

// runReport is map --report.
func (c *mapCmd) runReport(s streams) error {
	r, err := c.report()
	if err != nil {
		return err
	}
	out := r.markdown()
	if c.JSON {
		out, err = r.json()
		if err != nil {
			return err
		}
	}
	_, err = io.WriteString(s.out, out)
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// report measures the files of the command line, or the built-in set.
func (c *mapCmd) report() (*fidelityReport, error) {
	sources, now, err := c.reportSources()
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	r := &fidelityReport{builtIn: len(c.Files) == 0}
	for _, t := range trips {
		for _, set := range []string{corpusSet, generatedSet, filesSet} {
			for _, sideChannel := range []bool{false, true} {
				o, err := measure(t, sideChannel, set, sources, now)
				if err != nil {
					return nil, err
				}
				if o.documents > 0 {
					r.outcomes = append(r.outcomes, o)
				}
			}
		}
	}
	return r, nil
}

// reportSources are the files of the command line, or the built-in set.
func (c *mapCmd) reportSources() ([]source, time.Time, error) {
	if len(c.Files) == 0 {
		out, err := builtIn()
		return out, reportTime, err
	}
	now := time.Now()
	var out []source
	for _, file := range c.Files {
		b, err := readInput(file)
		if err != nil {
			return nil, now, err
		}
		_, err = parseFormat(nil, c.From, b, now)
		if err != nil {
			return nil, now, fmt.Errorf("%s is no %s document (see --from): %w", file, c.From, err)
		}
		out = append(out, source{filesSet, file, c.From, b})
	}
	return out, now, nil
}

const reportHead = `# Fidelity

How much of a presence document is left when it goes to another network and
comes back. This page is the output of ` + "`porchlight map --report`" + `, and a test
fails when it is out of date.
`

const reportSets = `
The documents are those of the corpus (examples of the RFCs, and what SIP
clients publish: testdata/pidf, testdata/mapping/clients), and generated ones,
each of which says more than any client does, until every field of the model is
in use.
`

const reportTerms = `
What a document says is counted element by element: a note is one thing, an
activity, a time, a position, an unknown element. A thing is *kept* when it
comes back as it was, *changed* when something else of its kind stands in its
place, *lost* when nothing does. A document is *whole* when all of it is kept.
Of a Jabber resource it counts too that it has no show, status, priority or
time, so that what is added is a change.
The documents are written and read again at each step, as gateways do it. With
the side channel off, what comes back is what any client on the other side can
have seen; the side channel is an element that other programs ignore
(docs/extensions.md).
`

// markdown is the report for people, and docs/fidelity.md.
func (r *fidelityReport) markdown() string {
	var b strings.Builder
	b.WriteString(reportHead)
	if r.builtIn {
		b.WriteString(reportSets)
	}
	b.WriteString(reportTerms)
	b.WriteString("\n| way | documents | side channel | number | whole | things | kept | changed | lost |\n|---|---|---|---:|---:|---:|---:|---:|---:|\n")
	for _, o := range r.outcomes {
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %d | %d | %s | %s | %s |\n", o.trip, o.set, map[bool]string{true: "on", false: "off"}[o.sideChannel],
			o.documents, o.whole, o.all.Of, o.all.share(o.all.Kept), o.all.share(o.all.Changed), o.all.share(o.all.Lost))
	}
	var last *outcome // whose losses have been told
	for _, t := range trips {
		o := r.total(t, false)
		if len(o.losing()) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n## %s, side channel off\n\n", o.trip)
		if last != nil && o.sameAs(last) {
			fmt.Fprintf(&b, "The same as %s.\n", last.trip)
			continue
		}
		last = o
		o.details(&b)
	}
	return b.String()
}

// total is what became of all documents of one trip.
func (r *fidelityReport) total(t trip, sideChannel bool) *outcome {
	sum := &outcome{trip: t, sideChannel: sideChannel, paths: map[string]*tally{}}
	for _, o := range r.outcomes {
		if o.trip == t && o.sideChannel == sideChannel {
			sum.add(o)
		}
	}
	return sum
}

// share is n as a part of t, in words for none and all.
func (t *tally) share(n int) string {
	switch n {
	case 0:
		return "0"
	case t.Of:
		return "100 %"
	}
	return fmt.Sprintf("%.1f %%", min(99.9, max(0.1, float64(n)*100/float64(t.Of))))
}

func (o *outcome) sameAs(p *outcome) bool {
	return maps.EqualFunc(o.paths, p.paths, func(a, b *tally) bool { return *a == *b })
}

// details writes a row for each declared loss.
func (o *outcome) details(b *strings.Builder) {
	b.WriteString("| elements | things | kept | changed | lost | why |\n|---|---:|---:|---:|---:|---|\n")
	for i := range losses {
		row := &losses[i]
		var t tally
		for path, n := range o.paths {
			if lossOf(o.trip.lossWay(), path) == row {
				t.add(*n)
			}
		}
		if t.Of == t.Kept {
			continue
		}
		fmt.Fprintf(b, "| `%s` | %d | %d | %d | %d | %s |\n", strings.Join(strings.Fields(row.Get("elements")), "`, `"), t.Of, t.Kept, t.Changed, t.Lost, whyLost(row))
	}
	for _, path := range o.losing() {
		if lossOf(o.trip.lossWay(), path) == nil {
			t := o.paths[path]
			fmt.Fprintf(b, "| `%s` | %d | %d | %d | %d | not declared |\n", path, t.Of, t.Kept, t.Changed, t.Lost)
		}
	}
}

// reportRow is one element of the report for programs.
type reportRow struct {
	Element string `json:"element"`
	tally
	Why string `json:"why,omitempty"`
}

// json is the report for programs: a list of ways.
func (r *fidelityReport) json() (string, error) {
	type way struct {
		Documents   string      `json:"documents"`
		From        string      `json:"from"`
		To          string      `json:"to"`
		SideChannel bool        `json:"side_channel"`
		Number      int         `json:"number"`
		Whole       int         `json:"whole"`
		All         tally       `json:"all"`
		Losses      []reportRow `json:"losses"`
	}
	ways := []way{}
	for _, o := range r.outcomes {
		w := way{o.set, o.trip.from, o.trip.to, o.sideChannel, o.documents, o.whole, o.all, []reportRow{}}
		for _, path := range o.losing() {
			row := reportRow{Element: path, tally: *o.paths[path]}
			if l := lossOf(o.trip.lossWay(), path); l != nil {
				row.Why = whyLost(l)
			}
			w.Losses = append(w.Losses, row)
		}
		ways = append(ways, w)
	}
	b, err := json.MarshalIndent(ways, "", "  ")
	if err != nil {
		return "", fmt.Errorf("writing the report as JSON: %w", err)
	}
	return string(b) + "\n", nil
}
