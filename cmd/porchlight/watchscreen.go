package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/porchlight-im/porchlight/webapi/wire"
)

// watchScreen shows what watch is told.
type watchScreen interface {
	frame(raw []byte, f *wire.Frame)
	link(state string)
	close()
}

// newWatchScreen returns a table redrawn in place for a terminal, a line for
// each change otherwise, and the frames themselves if asked.
func newWatchScreen(w io.Writer, frames bool) watchScreen {
	if frames {
		return &watchFrames{w}
	}
	t := &watchTable{w: w, rows: map[string]*watchRow{}}
	if f, ok := w.(*os.File); ok {
		info, err := f.Stat()
		t.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	if t.terminal {
		fmt.Fprint(w, enterScreen)
	}
	return t
}

// watchFrames prints frames as they come.
type watchFrames struct{ w io.Writer }

func (s *watchFrames) frame(raw []byte, _ *wire.Frame) { fmt.Fprintf(s.w, "%s\n", raw) }
func (s *watchFrames) link(string)                     {}
func (s *watchFrames) close()                          {}

// Control sequences of ECMA-48 terminals: the alternate screen, long lines cut
// and no cursor while it lasts.
const (
	enterScreen = "\x1b[?1049h\x1b[?7l\x1b[?25l"
	leaveScreen = "\x1b[?25h\x1b[?7h\x1b[?1049l"
	home        = "\x1b[H"
	eraseLine   = "\x1b[K"
	eraseRest   = "\x1b[J"
)

// watchTable is the table, or its rows as lines.
type watchTable struct {
	w        io.Writer
	terminal bool
	rows     map[string]*watchRow
	order    []string
	state    string
}

type watchRow struct{ address, word, reason, note, doing, since string }

func (r *watchRow) cells() []string {
	return []string{r.address, r.word, r.reason, r.note, r.doing, r.since}
}

var watchTitles = []string{"ADDRESS", "AVAILABILITY", "REASON", "NOTE", "DOING", "SINCE"}

// watchDocument is what the table needs of a presence document.
type watchDocument struct {
	Availability, Reason string
	Since                time.Time
	Note                 struct{ Text string }
	Person               struct {
		Activities struct{ Values []struct{ Name, Text string } }
		Notes      []struct{ Text string }
	}
}

func (t *watchTable) row(address string) *watchRow {
	r := t.rows[address]
	if r == nil {
		r = &watchRow{address: plain(address)}
		t.rows[address] = r
		t.order = append(t.order, address)
	}
	return r
}

func (t *watchTable) frame(_ []byte, f *wire.Frame) {
	switch f.Op {
	case wire.OpSubscribed:
		for _, res := range f.Results {
			r := t.row(res.Address)
			switch {
			case res.Result == wire.ResultOK:
				continue // its presence follows
			case res.Result == wire.ResultPending:
				r.word = "(pending)"
			default:
				*r = watchRow{address: r.address, word: "(" + res.Result + ")", note: plain(res.Detail)}
			}
			t.changed(r)
		}
	case wire.OpState:
		r := t.row(f.Address)
		if f.State == "active" {
			return
		}
		*r = watchRow{address: r.address, word: "(" + plain(f.State) + ")", reason: plain(f.Reason), note: plain(f.Detail)}
		t.changed(r)
	case wire.OpPresence:
		r := t.row(f.Address)
		r.read(f.Presence)
		t.changed(r)
	case wire.OpError:
		t.link("the gateway answers: " + plain(f.Message))
	}
}

// read takes the presence document into the row.
func (r *watchRow) read(doc json.RawMessage) {
	var d watchDocument
	err := json.Unmarshal(doc, &d)
	if err != nil {
		*r = watchRow{address: r.address, word: "(unreadable)"}
		return
	}
	*r = watchRow{address: r.address, word: plain(d.Availability), reason: plain(d.Reason), note: plain(d.Note.Text)}
	if r.note == "" && len(d.Person.Notes) > 0 {
		r.note = plain(d.Person.Notes[0].Text)
	}
	var doing []string
	for _, v := range d.Person.Activities.Values {
		word := v.Name
		if v.Text != "" && (word == "" || word == "other") {
			word = v.Text
		}
		doing = append(doing, plain(word))
	}
	r.doing = strings.Join(doing, ", ")
	since := d.Since
	if since.IsZero() {
		since = time.Now()
	}
	r.since = since.Local().Format("Jan _2 15:04:05")
}

func (t *watchTable) link(state string) {
	t.state = state
	if !t.terminal {
		fmt.Fprintln(t.w, "#", state)
		return
	}
	t.draw()
}

// changed shows one row that has changed.
func (t *watchTable) changed(r *watchRow) {
	if t.terminal {
		t.draw()
		return
	}
	cells := r.cells()
	for i, c := range cells {
		if c == "" {
			cells[i] = "-"
		}
	}
	fmt.Fprintln(t.w, strings.Join(cells, "\t"))
}

// draw writes the table over the one before.
func (t *watchTable) draw() {
	var b bytes.Buffer
	for line := range strings.Lines(t.text()) {
		b.WriteString(strings.TrimRight(line, " \n") + eraseLine + "\n")
	}
	fmt.Fprint(t.w, home+b.String()+eraseRest)
}

func (t *watchTable) text() string {
	var b strings.Builder
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, strings.Join(watchTitles, "\t"))
	for _, a := range t.order {
		cells := t.rows[a].cells()
		for i := range cells {
			cells[i] = cut(cells[i], 40)
		}
		fmt.Fprintln(tw, strings.Join(cells, "\t"))
	}
	_ = tw.Flush() // into memory
	fmt.Fprintf(&b, "\n%s. Ctrl-C ends.\n", t.state)
	return b.String()
}

// close leaves the last table on the normal screen.
func (t *watchTable) close() {
	if t.terminal {
		fmt.Fprint(t.w, leaveScreen+t.text())
	}
}

// cut shortens s to n characters.
func cut(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

// plain is a text of someone else without what could steer the terminal.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r == '\u200d': // joins emoji
			return r
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, s)
}
