package main

import (
	_ "embed"
	"fmt"
	"io"
	"strings"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// loss is one thing that a translation does not carry, and why.
type loss struct{ what, why string }

// report tells what was lost in plain words.
func report(w io.Writer, to string, lists ...[]loss) {
	n := 0
	for _, list := range lists {
		for _, l := range list {
			if n == 0 {
				fmt.Fprintf(w, "Lost on the way to %s:\n", to)
			}
			n++
			fmt.Fprintf(w, "  %s: %s\n", l.what, l.why)
		}
	}
	if n == 0 {
		fmt.Fprintf(w, "Nothing is lost on the way to %s.\n", to)
	}
}

// lost compares what a state says with what its translation says.
func lost(before, after *presence.State, to string) []loss {
	gone, changed := missing(stateLeaves(before), stateLeaves(after))
	var out []loss
	for i := range gone {
		l := &gone[i]
		if changed[i] && strings.HasSuffix(l.path, "/id") {
			continue // it goes by another name
		}
		if l.show == "" && i+1 < len(gone) && strings.HasPrefix(gone[i+1].path, l.path+"/") {
			continue // what is in it says more
		}
		why := "the " + networks[to] + " document has no place for it"
		if row := lossOf(lossesTo[to], l.path); row != nil {
			why = row.why
		}
		what := l.String()
		if changed[i] {
			what += " (changed)"
		}
		out = append(out, loss{what, why})
	}
	return out
}

// lossRow declares what does not come back without the side channel.
type lossRow struct {
	way  string // "to xmpp", "from xmpp"
	path string // of leaves; "…/*" takes all below it, "a" and what is in it
	why  string
}

//go:embed losses.txt
var lossesText string

// losses are the declared losses, in the order of the file, which is that in
// which they apply. lossesTo are those on the way to a format.
var (
	losses   = readLosses(lossesText)
	lossesTo = map[string]string{"xmpp": "to xmpp"}
)

// readLosses reads losses.txt: rows of way, path and why between '|'.
func readLosses(text string) (rows []lossRow) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		cells := strings.SplitN(line, "|", 3)
		if len(cells) != 3 {
			panic("losses.txt: not way | path | why: " + line)
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, lossRow{cells[0], cells[1], cells[2]})
	}
	return rows
}

// lossOf returns the first row of way that declares path, or nil.
func lossOf(way, path string) *lossRow {
	for i := range losses {
		r := &losses[i]
		if r.way == way && r.covers(path) {
			return r
		}
	}
	return nil
}

func (r *lossRow) covers(path string) bool {
	for _, p := range strings.Fields(r.path) {
		below, all := strings.CutSuffix(p, "/*")
		if p == path || all && (below == path || strings.HasPrefix(path, below+"/")) {
			return true
		}
	}
	return false
}

// lossWay is the way of the declared losses of a trip, "" when there may be
// none.
func (t trip) lossWay() string {
	switch {
	case t.to == "xmpp":
		return "to xmpp"
	case t.from == "xmpp":
		return "from xmpp"
	}
	return ""
}
