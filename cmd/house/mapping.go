package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/porchlight-im/porchlight/mapping/tables"
)

// checkMapping demands that docs/mapping.md is what the translation tables say.
// With write it makes it so.
func checkMapping(root string, write bool) (report, faults []string, err error) {
	all, err := tables.All()
	if err != nil {
		return nil, nil, fmt.Errorf("the translation tables: %w", err)
	}
	rows := 0
	for _, t := range all {
		rows += len(t.Rows)
	}
	report = []string{fmt.Sprintf("mapping: %d tables, %d rows", len(all), rows)}
	path := filepath.Join(root, "docs/mapping.md")
	want := mappingDoc(all)
	if write {
		return report, nil, os.WriteFile(path, want, 0o644)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("reading what the tables are documented by: %w", err)
	}
	if !bytes.Equal(got, want) {
		faults = append(faults, "docs/mapping.md is stale: go run ./cmd/house mapping -w")
	}
	return report, faults, nil
}

// arrows are how the ways are shown.
var arrows = map[tables.Way]string{tables.Both: "⇄", tables.Out: "→", tables.In: "←"}

// heads are the names of the columns, where they have other ones in the page.
var heads = map[string]string{"way": "", "rpid": "RPID", "pidf": "PIDF", "xmpp": "XMPP", "cipid": "CIPID",
	"geopriv": "PIDF-LO", "geoloc": "XEP-0080", "loses": "what is lost", "spec": "text", "of": "in"}

// mappingDoc writes docs/mapping.md.
func mappingDoc(all []*tables.Table) []byte {
	var b bytes.Buffer
	b.WriteString(`# What becomes of what

Made by ` + "`go run ./cmd/house mapping -w`" + ` from mapping/tables, which the gateway
translates by: what of PIDF, RPID and the extensions beside them becomes what in
XMPP, and what of XMPP becomes what.

⇄ both ways, → to XMPP alone, ← from XMPP alone, – nothing. "What is lost" is
what does not arrive on the other side without the side channel
(docs/extensions.md). A domain may have activities and moods otherwise:
` + "`translation.DOMAIN`" + ` in the configuration.

`)
	for _, t := range all {
		fmt.Fprintf(&b, "- [%s](#%s)\n", t.Title, anchor(t.Title))
	}
	for _, t := range all {
		fmt.Fprintf(&b, "\n## %s\n", t.Title)
		for _, p := range t.Prose {
			fmt.Fprintf(&b, "\n%s\n", p)
		}
		b.WriteString("\n|")
		for _, c := range t.Columns {
			if h, ok := heads[c]; ok {
				c = h
			}
			fmt.Fprintf(&b, " %s |", c)
		}
		b.WriteString("\n|" + strings.Repeat("---|", len(t.Columns)) + "\n")
		for i := range t.Rows {
			b.WriteString("|")
			for _, c := range t.Columns {
				fmt.Fprintf(&b, " %s |", cell(&t.Rows[i], c))
			}
			b.WriteString("\n")
		}
	}
	return b.Bytes()
}

// cell is one cell of the page.
func cell(r *tables.Row, column string) string {
	s := r.Get(column)
	if column == "way" {
		return arrows[r.Way]
	}
	switch {
	case s == "-":
		return "–"
	case column == "elements": // paths, with stars in them
		return "`" + strings.Join(strings.Fields(s), "`, `") + "`"
	}
	return s
}

// anchor is the name that a heading has in links.
func anchor(title string) string {
	return strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(title), ",", ""), " ", "-")
}
