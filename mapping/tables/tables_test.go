package tables

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestTablesAreSound(t *testing.T) {
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".txt")
		if ok && !slices.Contains(names, name) {
			t.Errorf("%s is not listed", e.Name())
		}
	}
	for _, table := range all {
		if len(table.Rows) == 0 || len(table.Prose) == 0 {
			t.Errorf("%s: %d rows, %d paragraphs", table.Name, len(table.Rows), len(table.Prose))
		}
	}
}

// Every section that a table names is one.
func TestSpecsExist(t *testing.T) {
	b, err := os.ReadFile("../../testdata/spec/sections.txt")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]bool{}
	for _, line := range strings.Split(string(b), "\n") {
		if f := strings.Split(line, "\t"); len(f) > 1 {
			sections[f[0]+" §"+f[1]] = true
		}
	}
	form := regexp.MustCompile(`^((RFC \d+|XEP-\d{4}) §[0-9A-Z]+(\.[0-9]+)*|docs/[a-z]+\.md|OMA-[A-Za-z_-]+)$`)
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range all {
		for i := range table.Rows {
			r := &table.Rows[i]
			for _, spec := range strings.Split(r.Get("spec"), ", ") {
				if !form.MatchString(spec) {
					t.Errorf("%v", r.Faultf("spec %q is not of the form RFC n §a.b", spec))
				} else if spec[0] != 'd' && spec[0] != 'O' && !sections[spec] {
					t.Errorf("%v", r.Faultf("there is no %s", spec))
				}
			}
		}
	}
}

func TestParseComplains(t *testing.T) {
	const head = "# T\nway | a | b | loses | spec\n---+---\n"
	for _, tt := range []struct{ text, want string }{
		{"", "no title"},
		{"way | loses | spec\n---\n", "no title"},
		{"# T\nway | a | spec\n---\n", "no column loses"},
		{"# T\nway | loses | spec\n<-> | | docs/x.md\n", "no line of dashes"},
		{head + "<-> | x | y | | docs/x.md\n<-> | x | y | docs/x.md\n", "line 5: 4 cells in 5 columns"},
		{head + "both | x | y | | docs/x.md\n", `way "both"`},
		{head + "<-> | x | y | |\n", "no spec"},
		{head + "-> | x | y | | docs/x.md\n", "does not say what is lost"},
	} {
		_, err := Parse("t", tt.text)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %s", tt.text, err, tt.want)
		}
	}
}
