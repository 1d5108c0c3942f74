package main

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
)

// citation is "RFC 3903 §6 step 3", "RFC 7247 Table 2" or "XEP-0115 §5.1" in
// a comment.
var citation = regexp.MustCompile(`(RFC \d+|XEP-\d{4}) (?:§([A-Z]?[0-9]*(?:\.[0-9]+)*)|(Table \d+))`)

// cited is one section of one document.
type cited struct{ doc, section string }

// checkCitations demands that each section cited in the code exists, by the
// index testdata/spec/sections.txt. With write it makes docs/compliance.md:
// section → where the code and the tests cite it.
func checkCitations(root string, write bool) (report, faults []string, err error) {
	titles, err := readSections(filepath.Join(root, "testdata/spec/sections.txt"))
	if err != nil {
		return nil, nil, err
	}
	uses := map[cited][]string{}
	err = walkGo(root, func(path string, lines []string) {
		for i, line := range lines {
			for _, m := range citation.FindAllStringSubmatch(line, -1) {
				c := cited{m[1], strings.TrimSuffix(m[2], ".") + m[3]}
				if _, ok := titles[c]; !ok {
					faults = append(faults, fmt.Sprintf("%s:%d cites %s §%s, which does not exist", path, i+1, c.doc, c.section))
					continue
				}
				uses[c] = append(uses[c], path)
			}
		}
	})
	if err != nil {
		return nil, nil, err
	}
	if write {
		err = os.WriteFile(filepath.Join(root, "docs/compliance.md"), compliance(titles, uses), 0o644)
	}
	return []string{fmt.Sprintf("citations: %d sections cited", len(uses))}, faults, err
}

func readSections(path string) (map[cited]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	titles := map[cited]string{}
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		p := strings.SplitN(sc.Text(), "\t", 3)
		if len(p) == 3 {
			titles[cited{p[0], p[1]}] = p[2]
		}
	}
	return titles, sc.Err()
}

// walkGo calls each with every Go file of the repository, path relative to
// root.
func walkGo(root string, each func(path string, lines []string)) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		each(filepath.ToSlash(rel), strings.Split(string(b), "\n"))
		return nil
	})
}

// compliance renders the table section → code → tests.
func compliance(titles map[cited]string, uses map[cited][]string) []byte {
	keys := make([]cited, 0, len(uses))
	for c := range uses {
		keys = append(keys, c)
	}
	sort.Slice(keys, func(i, j int) bool {
		a, b := keys[i], keys[j]
		if a.doc != b.doc {
			return a.doc < b.doc
		}
		return sectionKey(a.section) < sectionKey(b.section)
	})
	var w strings.Builder
	w.WriteString("# Where the specifications are in the code\n\nMade by `go run ./cmd/house citations -w`: every section that a comment cites.\n")
	doc := ""
	for _, c := range keys {
		if c.doc != doc {
			doc = c.doc
			fmt.Fprintf(&w, "\n## %s\n\n| section | code | tests |\n|---|---|---|\n", doc)
		}
		code, tests := split(uses[c])
		fmt.Fprintf(&w, "| %s %s | %s | %s |\n", c.section, titles[c], code, tests)
	}
	return []byte(w.String())
}

// sectionKey makes sections sort as numbers: 4.10 after 4.9.
func sectionKey(s string) string {
	parts := strings.Split(s, ".")
	for i, p := range parts {
		parts[i] = fmt.Sprintf("%6s", p)
	}
	return strings.Join(parts, ".")
}

// split sorts paths, once each, into code and tests.
func split(paths []string) (code, tests string) {
	seen := map[string]bool{}
	var c, t []string
	for _, p := range paths {
		if seen[p] {
			continue
		}
		seen[p] = true
		if strings.HasSuffix(p, "_test.go") {
			t = append(t, p)
		} else {
			c = append(c, p)
		}
	}
	return strings.Join(c, ", "), strings.Join(t, ", ")
}
