//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// row is one line of the table: medians over the rounds.
type row struct {
	Case      string             `json:"case"`
	Transport string             `json:"transport"`
	CPU       map[string]float64 `json:"cpu_us"` // by server
	Rate      map[string]float64 `json:"per_s"`
	P99       map[string]float64 `json:"p99_ms"`
	// Ratio is the first server's CPU to that of the peer, each round's by
	// itself.
	Ratio float64 `json:"ratio,omitempty"`
	what  string
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}

// figures are those of one key, by round, of one server, transport and case.
func (b *bench) figures(server, transport, id, key string) map[int]float64 {
	m := map[int]float64{}
	for _, r := range b.runs {
		if r.Server != server || r.Transport != transport || r.Case != id {
			continue
		}
		if v, ok := r.number(key); ok {
			m[r.Round] = v
		}
	}
	return m
}

func medianOf(m map[int]float64) float64 {
	var v []float64
	for _, x := range m {
		v = append(v, x)
	}
	return median(v)
}

// medianRatio is the median of a to b of the same round.
func medianRatio(a, b map[int]float64) float64 {
	var v []float64
	for round, x := range a {
		if y := b[round]; y > 0 {
			v = append(v, x/y)
		}
	}
	return median(v)
}

func (b *bench) rows() (rows []row) {
	for _, transport := range b.cmd.Transport {
		for _, c := range casesFor(transport, b.cmd.Only) {
			r := row{Case: c.id, Transport: transport, what: c.what, CPU: map[string]float64{}, Rate: map[string]float64{}, P99: map[string]float64{}}
			key := "srv_cpu_ms_per_1000_" + c.unit
			for _, s := range b.servers {
				r.CPU[s.name] = milli(medianOf(b.figures(s.name, transport, c.id, key)))
				r.Rate[s.name] = medianOf(b.figures(s.name, transport, c.id, c.rate))
				r.P99[s.name] = milli(medianOf(b.figures(s.name, transport, c.id, c.latency)))
			}
			if len(b.servers) > 1 {
				r.Ratio = milli(medianRatio(b.figures(b.servers[0].name, transport, c.id, key), b.figures(b.servers[1].name, transport, c.id, key)))
			}
			rows = append(rows, r)
		}
	}
	return rows
}

// brief is what one run's progress line says.
func (r oneRun) brief() string {
	if r.Fault != "" {
		return "FAILED: " + r.Fault
	}
	var parts []string
	for _, c := range benchCases {
		if c.id != r.Case {
			continue
		}
		if v, ok := r.number("srv_cpu_ms_per_1000_" + c.unit); ok {
			parts = append(parts, figure(v)+" µs")
		}
		if v, ok := r.number(c.rate); ok {
			parts = append(parts, thousands(v)+"/s")
		}
	}
	return strings.Join(append(parts, r.faults()...), ", ")
}

// faults lists the counts of a run that should be zero.
func (r oneRun) faults() (list []string) {
	for _, key := range faultCounts {
		if v, ok := r.number(key); ok && v != 0 {
			list = append(list, fmt.Sprintf("%s %.0f", key, v))
		}
	}
	return list
}

// others is how many processors everything else kept busy, the median over all
// runs.
func (b *bench) others() float64 {
	var v []float64
	for _, r := range b.runs {
		wall, _ := r.number("wall_s")
		other, ok := r.number("other_cpu_s")
		if ok && wall > 0 {
			v = append(v, max(0, other/wall))
		}
	}
	return median(v)
}

func (b *bench) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(map[string]any{"processors": runtime.NumCPU(), "others_busy": milli(b.others()),
		"duration_s": b.cmd.Dur.Seconds(), "rounds": b.cmd.Rounds, "rows": b.rows(), "runs": b.runs})
}

// writeTables prints Markdown that is readable as it stands.
func (b *bench) writeTables(w io.Writer) error {
	var out strings.Builder
	fmt.Fprintf(&out, "%d rounds of %v, by turns, the median; %d processors, of which everything else kept %.1f busy. Server and generator share them: ratios count.\n\n",
		b.cmd.Rounds, b.cmd.Dur, runtime.NumCPU(), b.others())
	if rows := b.rows(); len(rows) > 0 {
		table(&out, b.loadTable(rows))
	}
	for _, part := range [][][]string{b.burstTable(), b.memoryTable(), b.killTable()} {
		if len(part) > 1 {
			out.WriteString("\n")
			table(&out, part)
		}
	}
	b.writeFaults(&out)
	_, err := io.WriteString(w, out.String())
	return err
}

func (b *bench) loadTable(rows []row) [][]string {
	head := []string{"work", ""}
	for _, s := range b.servers {
		head = append(head, title(s.name)+" µs")
	}
	if len(b.servers) > 1 {
		head = append(head, "ratio")
	}
	for _, unit := range []string{"per s", "p99 ms"} {
		for _, s := range b.servers {
			head = append(head, title(s.name)+" "+unit)
		}
	}
	cells := [][]string{head}
	for _, r := range rows {
		line := []string{r.what, r.Transport}
		for _, s := range b.servers {
			line = append(line, figure(r.CPU[s.name]))
		}
		if len(b.servers) > 1 {
			line = append(line, fmt.Sprintf("%.2f", r.Ratio))
		}
		for _, s := range b.servers {
			line = append(line, thousands(r.Rate[s.name]))
		}
		for _, s := range b.servers {
			line = append(line, figure(r.P99[s.name]))
		}
		cells = append(cells, line)
	}
	return cells
}

// burstTable counts the watchers that did not end with the last state of a
// burst.
func (b *bench) burstTable() [][]string {
	cells := [][]string{{"after bursts of 3 changes", "", "watchers that looked", "stale"}}
	for _, transport := range b.cmd.Transport {
		for _, s := range b.servers {
			var looked, stale float64
			for _, r := range b.runs {
				if r.Case == "bursts" && r.Server == s.name && r.Transport == transport {
					n, _ := r.number("ends")
					looked += n
					n, _ = r.number("stale")
					stale += n
				}
			}
			if looked > 0 {
				cells = append(cells, []string{title(s.name), transport, thousands(looked), fmt.Sprintf("%.0f", stale)})
			}
		}
	}
	return cells
}

// memoryTable is what capacity found.
func (b *bench) memoryTable() [][]string {
	cells := [][]string{{"memory", "idle MB", "kB per publication", "kB per subscription", "subscriptions", "stale after a change of all"}}
	for _, r := range b.runs {
		if r.Case != "memory" || r.Fault != "" {
			continue
		}
		idle, _ := r.number("idle_pss_mb")
		pub, _ := r.number("bytes_per_publication")
		sub, _ := r.number("bytes_per_subscription")
		n, _ := r.number("subscriptions")
		stale := "?"
		if change, ok := r.Report["change_all"].(map[string]any); ok {
			stale = fmt.Sprint(change["stale"])
		}
		cells = append(cells, []string{title(r.Server), figure(idle), figure(pub / 1000), figure(sub / 1000), thousands(n), stale})
	}
	return cells
}

// killTable is what restart and durability found.
func (b *bench) killTable() [][]string {
	cells := [][]string{{"after SIGKILL", "dialogs lost", "publications lost", "acknowledged states lost in a load", "start to serving", "kill to serving"}}
	for _, s := range b.servers {
		line := []string{title(s.name), "–", "–", "–", "–", "–"}
		for _, r := range b.runs {
			if r.Server != s.name || r.Fault != "" {
				continue
			}
			ms := func(key string) string { v, _ := r.number(key); return thousands(v) + " ms" }
			switch r.Case {
			case "restart":
				line[1] = fmt.Sprintf("%v of %v", r.Report["dialogs_without_change"], r.Report["dialogs_before"])
				line[2] = fmt.Sprintf("%v of %v", r.Report["publications_lost"], r.Report["pubs"])
				line[4], line[5] = ms("start_to_serving_ms"), ms("kill_to_serving_ms")
			case "durability":
				older, _ := r.number("acked_versions_lost")
				none, _ := r.number("presentities_without_state")
				line[3] = fmt.Sprintf("%.0f of %v", older+none, r.Report["pubs"])
			}
		}
		if line[1] != "–" || line[3] != "–" {
			cells = append(cells, line)
		}
	}
	return cells
}

// writeFaults names the runs in which something should not have been.
func (b *bench) writeFaults(w *strings.Builder) {
	var lines []string
	for _, r := range b.runs {
		text := r.Fault
		if list := r.faults(); text == "" && len(list) > 0 {
			text = strings.Join(list, ", ")
		}
		if text != "" {
			lines = append(lines, fmt.Sprintf("- %s, %s over %s, round %d: %s\n", r.Server, r.Case, r.Transport, r.Round+1, text))
		}
	}
	if len(lines) == 0 {
		w.WriteString("\nNo watcher stale, nothing lost, refused, retransmitted or out of order.\n")
		return
	}
	w.WriteString("\nNot zero, as it would be with a faultless server on an idle machine:\n" + strings.Join(lines, ""))
}

// table writes cells as a Markdown table with even columns; the first line is
// the head.
func table(w *strings.Builder, cells [][]string) {
	width := make([]int, len(cells[0]))
	for _, line := range cells {
		for i, c := range line {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	for n, line := range cells {
		for i, c := range line {
			w.WriteString("| " + c + strings.Repeat(" ", width[i]-utf8.RuneCountInString(c)+1))
		}
		w.WriteString("|\n")
		if n == 0 {
			for _, k := range width {
				w.WriteString("|" + strings.Repeat("-", k+2))
			}
			w.WriteString("|\n")
		}
	}
}

// title is a server's name in a table.
func title(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

// figure writes v with about three digits; nothing for zero.
func figure(v float64) string {
	switch {
	case v == 0:
		return "–"
	case v >= 100:
		return thousands(v)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// thousands writes v without its fraction and with commas; nothing for zero.
func thousands(v float64) string {
	if v == 0 {
		return "–"
	}
	s := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
