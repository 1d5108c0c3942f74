package main

import (
	"errors"
	"fmt"
	"regexp"
	"sort"
	"strconv"
	"strings"

	yaml "go.yaml.in/yaml/v4"
)

// A fault is one thing that is wrong in a configuration file.
type fault struct {
	line int    // 0: not in the file, such as a missing key
	path string // "domains[0].home"
	msg  string
}

func (f fault) String() string {
	switch {
	case f.line > 0 && f.path != "":
		return fmt.Sprintf("line %d: %s: %s", f.line, f.path, f.msg)
	case f.line > 0:
		return fmt.Sprintf("line %d: %s", f.line, f.msg)
	case f.path != "":
		return fmt.Sprintf("%s: %s", f.path, f.msg)
	}
	return f.msg
}

// faults is the error of a configuration that cannot be used: all of its
// faults at once.
type faults struct {
	file string
	list []fault
}

func (f *faults) Error() string {
	sort.SliceStable(f.list, func(i, j int) bool { return f.list[i].line < f.list[j].line })
	var b strings.Builder
	fmt.Fprintf(&b, "%s has %d fault(s):", f.file, len(f.list))
	for _, x := range f.list {
		b.WriteString("\n  " + x.String())
	}
	return b.String()
}

// places knows where each key path of a YAML document stands.
type places map[string]*yaml.Node

// placesOf walks doc, which may be nil.
func placesOf(doc *yaml.Node) places {
	p := places{}
	if doc != nil && len(doc.Content) > 0 {
		p.walk("", doc.Content[0])
	}
	return p
}

func (p places) walk(path string, n *yaml.Node) {
	p[path] = n
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			k := n.Content[i]
			sub := k.Value
			if path != "" {
				sub = path + "." + k.Value
			}
			p.walk(sub, n.Content[i+1])
			p[sub+"\x00key"] = k
		}
	case yaml.SequenceNode:
		for i, c := range n.Content {
			p.walk(path+"["+strconv.Itoa(i)+"]", c)
		}
	}
}

// line returns the line of path, or of the nearest part of it that stands in
// the document; 0 when none does.
func (p places) line(path string) int {
	for path != "" {
		if k := p[path+"\x00key"]; k != nil {
			return k.Line
		}
		if n := p[path]; n != nil {
			return n.Line
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			return 0
		}
		path = path[:i]
	}
	return 0
}

// at returns the longest path whose key or value starts at line and column.
func (p places) at(line, column int) string {
	best := ""
	for path, n := range p {
		if n.Line == line && n.Column == column {
			path = strings.TrimSuffix(path, "\x00key")
			if len(path) > len(best) {
				best = path
			}
		}
	}
	return best
}

var unknownField = regexp.MustCompile(`^field (\S+) not found in type`)

// loadFaults turns what the YAML library says into faults.
func loadFaults(err error, p places) []fault {
	var all *yaml.LoadErrors
	var list []*yaml.LoadError
	var one *yaml.LoadError
	switch {
	case errors.As(err, &all):
		list = all.Errors
	case errors.As(err, &one):
		list = []*yaml.LoadError{one}
	default:
		return []fault{{msg: err.Error()}}
	}
	var out []fault
	for _, e := range list {
		f := fault{line: e.Mark.Line, path: p.at(e.Mark.Line, e.Mark.Column), msg: e.Message}
		if m := unknownField.FindStringSubmatch(e.Message); m != nil {
			f.msg = "unknown key"
			if f.path == "" {
				f.path = m[1]
			}
		}
		out = append(out, f)
	}
	return out
}
