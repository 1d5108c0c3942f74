//go:build linux

package main

import (
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

// Every line of the bench is a command line that the generator takes.
func TestBenchCasesParse(t *testing.T) {
	for _, c := range benchCases {
		t.Run(c.id, func(t *testing.T) {
			var cli commands
			parser, err := kong.New(&cli, kong.Vars{"cases": caseNames()})
			if err != nil {
				t.Fatal(err)
			}
			_, err = parser.Parse(append(c.arguments(time.Second), "--target", "127.0.0.1:1", "--server-pid", "1"))
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCasesFor(t *testing.T) {
	udp, tcp := casesFor("udp", nil), casesFor("tcp", nil)
	if len(udp) != len(benchCases) || len(tcp) >= len(udp) || len(tcp) == 0 {
		t.Errorf("%d lines over UDP, %d over TCP", len(udp), len(tcp))
	}
	if one := casesFor("tcp", []string{"fetch"}); len(one) != 1 || one[0].id != "fetch" {
		t.Errorf("asked for fetch, got %v", one)
	}
}

func TestBenchRefusesUnknownLines(t *testing.T) {
	err := (&benchCmd{Only: []string{"publish", "nonsense"}}).settle()
	if err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("settle: %v", err)
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		v    []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{3, 1}, 2}, {[]float64{9, 1, 2}, 2}} {
		if got := median(c.v); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.v, got, c.want)
		}
	}
	// Round 2 was slow for both, round 3 has no peer.
	if got := medianRatio(map[int]float64{0: 1, 1: 10, 2: 1}, map[int]float64{0: 2, 1: 20}); got != 0.5 {
		t.Errorf("the ratio is %v, want 0.5", got)
	}
}

func TestTables(t *testing.T) {
	b := &bench{cmd: &benchCmd{Transport: []string{"udp"}, Only: []string{"publish", "bursts", "memory", "restart", "durability"}, Rounds: 2, Dur: time.Second},
		servers: []*contender{{name: "ours"}, {name: "peer"}}}
	add := func(server, id string, round int, fields string) {
		r := oneRun{Server: server, Transport: "udp", Case: id, Round: round}
		err := json.Unmarshal([]byte(fields), &r.Report)
		if err != nil {
			t.Fatal(err)
		}
		b.runs = append(b.runs, r)
	}
	add("ours", "publish", 0, `{"srv_cpu_ms_per_1000_publish": 20, "publish_per_s": 12345, "publish_p99_ms": 1.5}`)
	add("ours", "publish", 1, `{"srv_cpu_ms_per_1000_publish": 60, "publish_per_s": 12345, "publish_p99_ms": 1.5}`)
	add("peer", "publish", 0, `{"srv_cpu_ms_per_1000_publish": 40, "publish_per_s": 5, "publish_p99_ms": 2}`)
	add("peer", "publish", 1, `{"srv_cpu_ms_per_1000_publish": 80, "publish_per_s": 5, "publish_p99_ms": 2}`)
	add("peer", "bursts", 0, `{"srv_cpu_ms_per_1000_notify": 1, "ends": 5000, "stale": 3}`)
	add("ours", "memory", 0, `{"idle_pss_mb": 20, "bytes_per_publication": 1500, "bytes_per_subscription": 2500, "subscriptions": 20000, "change_all": {"stale": 0}}`)
	add("peer", "restart", 0, `{"pubs": 100, "dialogs_before": 1000, "dialogs_without_change": 7, "publications_lost": 9, "start_to_serving_ms": 11.2, "kill_to_serving_ms": 20}`)
	add("peer", "durability", 0, `{"pubs": 500, "acked_versions_lost": 2, "presentities_without_state": 3}`)
	var out strings.Builder
	err := b.writeTables(&out)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"| PUBLISH modify, 0.3 kB | udp | 40.0 | 60.0 | 0.62 | 12,345 | 5 | 1.50 | 2.00 |",
		"| Peer | udp | 5,000 | 3 |",
		"| Ours | 20.0 | 1.50 | 2.50 | 20,000 | 0 |",
		"| Peer | 7 of 1000 | 9 of 100 | 5 of 500 | 11 ms | 20 ms |",
		"- peer, bursts over udp, round 1: stale 3",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

// A server that was started is gone with all its children.
func TestServerKill(t *testing.T) {
	s, err := startServer("sh -c 'sleep 60 & sleep 60; true'", nil)
	if err != nil {
		t.Fatal(err)
	}
	var tree []int
	for len(tree) < 3 { // the shell and both sleeps
		tree = processTree([]int{s.pid()})
	}
	s.kill()
	for _, pid := range tree {
		if running(pid) {
			t.Errorf("process %d still runs", pid)
		}
	}
}

// A server that ends by itself is not waited for.
func TestProbeOfAServerThatEnds(t *testing.T) {
	s, err := startServer("false", nil)
	if err != nil {
		t.Fatal(err)
	}
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	cfg := &config{target: newSockaddr([4]byte{127, 0, 0, 1}, port), domain: "example.org"}
	err = probe(context.Background(), cfg, time.Hour, s.done)
	if err == nil || !strings.Contains(err.Error(), "ended by itself") {
		t.Errorf("probe: %v", err)
	}
}

// The script of the peer is well-formed, and says so when it cannot do a mode.
func TestKamailioScript(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	out, err := exec.Command(bash, "kamailio/run.sh", "nonsense", "1", filepath.Join(t.TempDir(), "work")).CombinedOutput()
	if !strings.Contains(string(out), "unknown mode nonsense") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestThousands(t *testing.T) {
	for v, want := range map[float64]string{0: "–", 1: "1", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := thousands(v); got != want {
			t.Errorf("thousands(%v) = %q, want %q", v, got, want)
		}
	}
}
