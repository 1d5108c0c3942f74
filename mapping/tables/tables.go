// Package tables has the translation tables between the networks as data: one
// text file for each pair of vocabularies, with both directions in it. Package
// mapping translates by them, and docs/mapping.md is made from them.
//
// A file begins with its title and what is to be said of the table as a whole,
// each line behind a '#'. Then come the names of the columns, a line of dashes,
// and one row a line, the cells between '|'. The column way tells where a row
// holds: "<->" both ways, "->" from the first vocabulary to the second alone,
// "<-" the other way alone. "-" stands for nothing. The columns loses, what does
// not arrive on the other side when no extension carries it, and spec, the text
// that says so, are in every table.
package tables

import (
	"embed"
	"fmt"
	"slices"
	"strings"
)

//go:embed *.txt
var files embed.FS

// Table is one file.
type Table struct {
	Name    string // of the file, without ".txt"
	Title   string
	Prose   []string // paragraphs
	Columns []string
	Rows    []Row
}

// Row is one row of a Table.
type Row struct {
	Line  int // in the file
	Way   Way
	cells []string
	table *Table
}

// Way tells in which direction a Row holds.
type Way string

// The ways.
const (
	Both Way = "<->"
	Out  Way = "->" // from the first vocabulary to the second
	In   Way = "<-" // from the second vocabulary to the first
)

// Out reports whether the row holds from the first vocabulary to the second.
func (w Way) Out() bool { return w != In }

// In reports whether the row holds from the second vocabulary to the first.
func (w Way) In() bool { return w != Out }

// Get returns the cell of column, "" when it is empty. It panics when the table
// has no such column: the tables are part of the program.
func (r *Row) Get(column string) string {
	i := slices.Index(r.table.Columns, column)
	if i < 0 {
		panic("table " + r.table.Name + " has no column " + column)
	}
	return r.cells[i]
}

// Faultf returns an error about r.
func (r *Row) Faultf(format string, args ...any) error {
	return fmt.Errorf("%s.txt line %d: %s", r.table.Name, r.Line, fmt.Sprintf(format, args...))
}

// names are the tables in the order of the documentation.
var names = []string{"elements", "presence", "show", "activities", "moods", "places", "geoloc", "card", "idle", "caps", "losses"}

// All returns every table, in the order of the documentation. An error names
// the file and line at fault; a test sees to it that there is none.
func All() ([]*Table, error) {
	var out []*Table
	for _, name := range names {
		t, err := Load(name)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

// Load returns the table called name.
func Load(name string) (*Table, error) {
	b, err := files.ReadFile(name + ".txt")
	if err != nil {
		return nil, fmt.Errorf("no table %s: %w", name, err)
	}
	return Parse(name, string(b))
}

// Must is Load for the program's own tables: it panics when one is broken.
func Must(name string) *Table {
	t, err := Load(name)
	if err != nil {
		panic(err)
	}
	return t
}

// Parse reads the text of a table.
func Parse(name, text string) (*Table, error) {
	t := &Table{Name: name}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	at := 0
	paragraph := true
	for ; at < len(lines) && strings.HasPrefix(lines[at], "#"); at++ {
		said := strings.TrimSpace(lines[at][1:])
		switch {
		case at == 0:
			t.Title = said
		case said == "":
			paragraph = true
		case paragraph:
			t.Prose, paragraph = append(t.Prose, said), false
		default:
			t.Prose[len(t.Prose)-1] += " " + said
		}
	}
	fault := func(format string, args ...any) (*Table, error) {
		return nil, fmt.Errorf("%s.txt line %d: %s", name, at+1, fmt.Sprintf(format, args...))
	}
	if t.Title == "" || len(lines) < at+2 {
		return fault("no title, or no columns")
	}
	t.Columns = cells(lines[at])
	for _, c := range []string{"way", "loses", "spec"} {
		if !slices.Contains(t.Columns, c) {
			return fault("no column %s", c)
		}
	}
	at++
	if strings.Trim(lines[at], "-+") != "" {
		return fault("no line of dashes under the columns")
	}
	for at++; at < len(lines); at++ {
		r := Row{Line: at + 1, cells: cells(lines[at]), table: t}
		if len(r.cells) != len(t.Columns) {
			return fault("%d cells in %d columns", len(r.cells), len(t.Columns))
		}
		r.Way = Way(r.Get("way"))
		if r.Way != Both && r.Way != Out && r.Way != In {
			return fault("way %q is not <->, -> or <-", r.Way)
		}
		if r.Get("spec") == "" {
			return fault("no spec")
		}
		if r.Way != Both && r.Get("loses") == "" {
			return fault("one way, and it does not say what is lost")
		}
		t.Rows = append(t.Rows, r)
	}
	return t, nil
}

func cells(line string) []string {
	out := strings.Split(line, "|")
	for i := range out {
		out[i] = strings.TrimSpace(out[i])
	}
	return out
}
