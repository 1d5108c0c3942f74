//go:build linux

package main

import "strconv"

// report is what a run prints: one JSON object.
type report map[string]any

// counter names one count of stats.
type counter int

const (
	sentMessages counter = iota
	readMessages
	readBytes
	sendAgain // the socket buffer was full
	sendErrors
	readErrors
	readCut // datagrams larger than the buffer
	parseErrors
	foldedHeaders
	retransmits
	timeouts
	publishOK
	publishErr
	publish412
	noETag
	subscribeOK
	subscribeErr
	unsubscribeOK
	established
	notifies
	notifyBytes
	notifyFresh // they brought a version that the watcher had not seen
	notifySame
	notifyRegress // a higher CSeq with an older version: the server's fault
	notifyRetransmits
	notifyOutOfOrder
	notifyStray
	notifyEmpty
	notifyNoToken
	coalesced // versions that a watcher never saw
	terminated
	terminatedUnasked
	waitAllTimeouts
	noNotify // subscriptions without a NOTIFY in time
	linksDown
	strayResponses
	provisionalResponses
	badBranch
	badTag
	blocked // open loop: nothing was free to start
	phaseTimeouts
	numCounters
)

var counterNames = [numCounters]string{
	sentMessages: "tx_msgs", readMessages: "rx_msgs", readBytes: "rx_bytes",
	sendAgain: "tx_again", sendErrors: "tx_errors", readErrors: "rx_errors", readCut: "rx_truncated",
	parseErrors: "parse_errors", foldedHeaders: "folded", retransmits: "retransmits", timeouts: "timeouts",
	publishOK: "publish_ok", publishErr: "publish_err", publish412: "publish_412", noETag: "no_etag",
	subscribeOK: "subscribe_ok", subscribeErr: "subscribe_err", unsubscribeOK: "unsubscribe_ok", established: "established_n",
	notifies: "notify", notifyBytes: "notify_bytes", notifyFresh: "notify_fresh", notifySame: "notify_same_version",
	notifyRegress: "notify_regress", notifyRetransmits: "notify_retransmits", notifyOutOfOrder: "notify_out_of_order",
	notifyStray: "notify_stray", notifyEmpty: "notify_empty", notifyNoToken: "notify_no_token",
	coalesced: "coalesced", terminated: "terminated", terminatedUnasked: "terminated_unasked",
	waitAllTimeouts: "wait_all_timeouts", noNotify: "no_notify", linksDown: "link_down",
	strayResponses: "stray_responses", provisionalResponses: "provisional", badBranch: "bad_branch", badTag: "bad_tag",
	blocked: "blocked", phaseTimeouts: "phase_timeouts",
}

// stats are the counts of one engine in one phase.
type stats struct {
	n         [numCounters]uint64
	status    map[int]uint64 // final responses that were no 2xx
	lastFresh int64          // when the last new version came

	publish, subscribe, firstNotify, unsubscribe hist
	endToEnd                                     hist // PUBLISH sent → NOTIFY read
	round                                        hist // PUBLISH sent → every watcher has it
}

func (s *stats) countStatus(code int) {
	if s.status == nil {
		s.status = map[int]uint64{}
	}
	s.status[code]++
}

func (s *stats) merge(o *stats) {
	for i, v := range o.n {
		s.n[i] += v
	}
	s.lastFresh = max(s.lastFresh, o.lastFresh)
	for code, v := range o.status {
		if s.status == nil {
			s.status = map[int]uint64{}
		}
		s.status[code] += v
	}
	s.publish.merge(&o.publish)
	s.subscribe.merge(&o.subscribe)
	s.firstNotify.merge(&o.firstNotify)
	s.unsubscribe.merge(&o.unsubscribe)
	s.endToEnd.merge(&o.endToEnd)
	s.round.merge(&o.round)
}

// report puts the counts that are not zero into r, and the latencies.
func (s *stats) report(r report) {
	for i, v := range s.n {
		if v > 0 {
			r[counterNames[i]] = v
		}
	}
	if len(s.status) > 0 {
		m := map[string]uint64{}
		for code, v := range s.status {
			m[strconv.Itoa(code)] = v
		}
		r["status"] = m
	}
	if s.n[notifies] > 0 {
		r["notify_body_bytes_avg"] = s.n[notifyBytes] / s.n[notifies]
	}
	s.publish.report(r, "publish")
	s.subscribe.report(r, "subscribe")
	s.firstNotify.report(r, "first_notify")
	s.unsubscribe.report(r, "unsubscribe")
	s.endToEnd.report(r, "e2e")
	s.round.report(r, "round")
}
