//go:build linux

package main

import (
	"slices"
	"strings"
	"time"
)

// benchCase is one line of the table: a scenario with its flags, and where in
// its report the figures are.
type benchCase struct {
	id, what      string
	args          string
	unit          string // srv_cpu_ms_per_1000_UNIT
	rate, latency string
	udpOnly       bool
}

const (
	publishP99 = "publish_p99_ms"
	notifyP99  = "first_notify_p99_ms"
	endP99     = "e2e_p99_ms"
)

// benchCases are the lines of the table. Over TCP a choice of them is run.
var benchCases = []benchCase{
	{"publish", "PUBLISH modify, 0.3 kB", "publish --pubs 1000", "publish", "publish_per_s", publishP99, false},
	{"publish-full", "PUBLISH modify, 2.2 kB RPID", "publish --pubs 1000 --body full", "publish", "publish_per_s", publishP99, false},
	{"publish-refresh", "PUBLISH refresh", "publish --pubs 1000 --mode refresh", "publish", "publish_per_s", publishP99, true},
	{"churn", "SUBSCRIBE, NOTIFY, end, NOTIFY", "subscribe --pubs 1000 --watchers 5", "dialogs", "dialogs_per_s", notifyP99, false},
	{"refresh", "SUBSCRIBE refresh, NOTIFY", "subscribe --mode refresh --pubs 1000 --watchers 5", "dialogs", "dialogs_per_s", notifyP99, true},
	{"fetch", "fetch", "subscribe --mode fetch --pubs 1000 --watchers 5", "dialogs", "dialogs_per_s", notifyP99, true},
	{"fan1", "fan-out 1, with its PUBLISH", "fanout --pubs 1000 --watchers 1 --conc 16", "notify", "notify_per_s", endP99, false},
	{"fan10", "fan-out 10, per NOTIFY", "fanout --pubs 100 --watchers 10 --conc 8", "notify", "notify_per_s", endP99, false},
	{"fan10-full", "fan-out 10, 2.2 kB RPID", "fanout --pubs 100 --watchers 10 --conc 8 --body full", "notify", "notify_per_s", endP99, true},
	{"fan100", "fan-out 100", "fanout --pubs 100 --watchers 100 --conc 4", "notify", "notify_per_s", endP99, false},
	{"fan1000", "fan-out 1,000", "fanout --pubs 10 --watchers 1000 --conc 1", "notify", "notify_per_s", endP99, true},
	{"bursts", "bursts of 3 changes to 10", "fanout --pubs 50 --watchers 10 --burst 3 --settle 1s", "notify", "", endP99, true},
}

// casesFor returns the cases to run over a transport; only may name some,
// which are then run over every one.
func casesFor(transport string, only []string) (cases []benchCase) {
	for _, c := range benchCases {
		chosen := slices.Contains(only, c.id)
		if len(only) > 0 && !chosen || len(only) == 0 && c.udpOnly && transport != "udp" {
			continue
		}
		cases = append(cases, c)
	}
	return cases
}

// caseNames lists the lines, for the help.
func caseNames() string {
	var names []string
	for _, c := range benchCases {
		names = append(names, c.id)
	}
	return strings.Join(names, ", ")
}

// arguments are those of the generator for this case.
func (c benchCase) arguments(d time.Duration) []string {
	return append(strings.Fields(c.args), "--dur", d.String())
}

// faultCounts are counts of a report that are zero when all goes well.
// Datagrams dropped mean that more was sent than was read in time, and explain
// the retransmissions beside them.
var faultCounts = []string{"stale", "notify_regress", "lost_dialogs", "terminated_unasked", "no_notify", "timeouts",
	"publish_err", "subscribe_err", "no_etag", "bad_tag", "bad_branch", "parse_errors", "wait_all_timeouts",
	"phase_timeouts", "link_down", "notify_out_of_order", "retransmits", "srv_udp_drops", "gen_udp_drops"}
