// Command house checks the shape of this repository: which package may import
// which (levels), that each cited section of a specification exists
// (citations), that docs/mapping.md is what the translation tables say
// (mapping), how long functions and files are (size), and that no port is
// named inside the bridge.
//
//	go run ./cmd/house                all checks, from the root of the repo
//	go run ./cmd/house citations -w   rewrites docs/compliance.md
//	go run ./cmd/house mapping -w     rewrites docs/mapping.md
package main

import (
	"fmt"
	"os"
)

func main() {
	root := "."
	args := os.Args[1:]
	what, write := "", false
	for _, a := range args {
		if a == "-w" {
			write = true
			continue
		}
		what = a
	}
	failed := false
	run := func(name string, check func() (report []string, faults []string, err error)) {
		if what != "" && what != name {
			return
		}
		report, faults, err := check()
		if err != nil {
			faults = append(faults, err.Error())
		}
		for _, l := range report {
			fmt.Println(l)
		}
		for _, f := range faults {
			fmt.Printf("%s: %s\n", name, f)
			failed = true
		}
	}
	run("levels", func() ([]string, []string, error) { return checkLevels(root) })
	run("citations", func() ([]string, []string, error) { return checkCitations(root, write) })
	run("mapping", func() ([]string, []string, error) { return checkMapping(root, write) })
	run("size", func() ([]string, []string, error) { return checkSize(root) })
	if failed {
		os.Exit(1)
	}
}
