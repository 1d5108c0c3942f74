package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os/exec"
	"sort"
	"strings"
)

const module = "github.com/porchlight-im/porchlight/"

// levels gives each package its level; a package imports only packages of
// lower levels, and of its own level only what sameLevel names. The table is
// that of docs/architecture.md.
var levels = map[string]int{
	"mapping/presence": 0, "mapping/xmltext": 0, "mapping/tables": 0, "xmpp/payload": 0, "webapi/wire": 0,
	"bridge/store": 0, "webapi/ui": 0,

	"simple/pidf": 1, "simple/event": 1, "simple/digest": 1, "simple/transport": 1,
	"mapping": 1, "bridge/policy": 1, "mapping/presence/sample": 1, "bridge/picture": 1,

	"bridge": 2, "xmpp/sidechannel": 2,

	"simple": 3, "xmpp": 3, "webapi": 3,

	"bridge/bridgetest": 4, // tests only
	"cmd/porchlight":    4, "cmd/porchlight/realpeers": 4, "cmd/demo": 4, "cmd/house": 4, "cmd/loadgen": 4,
}

// sameLevel lists the imports within one level that are part of the design.
var sameLevel = map[string]bool{}

// checkLevels asks the go command who imports whom and reports every import
// that goes up or sideways.
func checkLevels(root string) (report, faults []string, err error) {
	cmd := exec.Command("go", "list", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return nil, nil, fmt.Errorf("listing packages: %w", err)
	}
	sc := bufio.NewScanner(bytes.NewReader(out))
	sc.Buffer(nil, 1<<20)
	n := 0
	for sc.Scan() {
		fields := strings.Fields(sc.Text())
		n++
		faults = append(faults, importFaults(fields[0], fields[1:])...)
	}
	sort.Strings(faults)
	return []string{fmt.Sprintf("levels: %d packages", n)}, faults, sc.Err()
}

func importFaults(pkg string, imports []string) (faults []string) {
	from, ours := strings.CutPrefix(pkg, module)
	if !ours {
		return nil
	}
	level, known := levels[from]
	if !known {
		return []string{from + " has no level: add it to cmd/house/levels.go and docs/architecture.md"}
	}
	for _, imp := range imports {
		to, ours := strings.CutPrefix(imp, module)
		if !ours {
			continue
		}
		if to == "bridge/bridgetest" && from != to {
			faults = append(faults, from+" imports "+to+", which is for tests")
			continue
		}
		if levels[to] >= level && !sameLevel[from+" "+to] {
			faults = append(faults, fmt.Sprintf("%s (level %d) imports %s (level %d)", from, level, to, levels[to]))
		}
	}
	return faults
}
