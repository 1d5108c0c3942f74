package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/mapping/tables"
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
			why = whyLost(row)
		}
		what := l.String()
		if changed[i] {
			what += " (changed)"
		}
		out = append(out, loss{what, why})
	}
	return out
}

// losses are the declared losses: mapping/tables/losses.txt. lossesTo tells the
// way of those on the way to a format.
var (
	losses   = tables.Must("losses").Rows
	lossesTo = map[string]tables.Way{"xmpp": tables.Out}
)

// lossOf returns the first row of way that declares path, or nil.
func lossOf(way tables.Way, path string) *tables.Row {
	for i := range losses {
		if losses[i].Way == way && covers(losses[i].Get("elements"), path) {
			return &losses[i]
		}
	}
	return nil
}

// covers reports whether elements, of a row, have path among them.
func covers(elements, path string) bool {
	for _, p := range strings.Fields(elements) {
		below, all := strings.CutSuffix(p, "/*")
		if p == path || all && (below == path || strings.HasPrefix(path, below+"/")) {
			return true
		}
	}
	return false
}

// whyLost is why what row declares is lost.
func whyLost(row *tables.Row) string { return row.Get("loses") + " (" + row.Get("spec") + ")" }

// lossWay is the way of the declared losses of a trip, "" when there may be
// none.
func (t trip) lossWay() tables.Way {
	switch {
	case t.to == "xmpp":
		return tables.Out
	case t.from == "xmpp":
		return tables.In
	}
	return ""
}
