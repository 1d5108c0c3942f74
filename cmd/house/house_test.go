package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const repo = "../.."

func TestHouse(t *testing.T) {
	checks := map[string]func() ([]string, []string, error){
		"levels":    func() ([]string, []string, error) { return checkLevels(repo) },
		"citations": func() ([]string, []string, error) { return checkCitations(repo, false) },
		"mapping":   func() ([]string, []string, error) { return checkMapping(repo, false) },
		"size":      func() ([]string, []string, error) { return checkSize(repo) },
	}
	for name, check := range checks {
		t.Run(name, func(t *testing.T) {
			report, faults, err := check()
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range faults {
				t.Error(f)
			}
			t.Log(strings.Join(report, "\n"))
		})
	}
}

func TestImportFaults(t *testing.T) {
	for _, c := range []struct {
		name, pkg string
		imports   []string
		faults    int
	}{
		{"down is fine", "simple", []string{"bridge", "mapping/presence"}, 0},
		{"a port may not import a port", "simple", []string{"xmpp"}, 1},
		{"up is a fault", "mapping", []string{"bridge"}, 1},
		{"test package in code", "webapi", []string{"bridge/bridgetest"}, 1},
		{"unknown package", "util", nil, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i := range c.imports {
				c.imports[i] = module + c.imports[i]
			}
			got := importFaults(module+c.pkg, c.imports)
			if len(got) != c.faults {
				t.Errorf("got %q, want %d faults", got, c.faults)
			}
		})
	}
}

// The bridge must not know the names of ports: what differs between networks
// is data.
func TestBridgeNamesNoPort(t *testing.T) {
	err := walkGo(repo+"/bridge", func(path string, lines []string) {
		if strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "bridgetest/") {
			return
		}
		for i, l := range lines {
			code, _, _ := strings.Cut(l, "//")
			for _, name := range []string{`"sip"`, `"xmpp"`, `"web"`} {
				if strings.Contains(code, name) {
					t.Errorf("bridge/%s:%d names the port %s", path, i+1, name)
				}
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestStaleMappingIsSeen(t *testing.T) {
	dir := t.TempDir()
	err := os.Mkdir(filepath.Join(dir, "docs"), 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, faults, err := checkMapping(dir, true)
	if err != nil || len(faults) > 0 {
		t.Fatal(faults, err)
	}
	page := filepath.Join(dir, "docs/mapping.md")
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []string{"", "x"} {
		err = os.WriteFile(page, append(b, change...), 0o644)
		if err != nil {
			t.Fatal(err)
		}
		_, faults, err = checkMapping(dir, false)
		if err != nil || (len(faults) > 0) != (change != "") {
			t.Errorf("%q more: %v, %v", change, faults, err)
		}
	}
}
