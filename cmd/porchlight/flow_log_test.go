package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
)

// flowLog keeps the gateway's log records, each as its message followed by
// key=value.
type flowLog struct {
	*flowRecords
	with string
}

type flowRecords struct {
	mu    sync.Mutex
	lines []string
	bad   []string // of level error
}

func newFlowLog() *flowLog { return &flowLog{flowRecords: &flowRecords{}} }

// Enabled takes all but the trace.
func (l *flowLog) Enabled(_ context.Context, level slog.Level) bool { return level > levelTrace }

// Handle keeps one record.
func (l *flowLog) Handle(_ context.Context, r slog.Record) error {
	line := r.Message + l.with
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.Key + "=" + a.Value.String()
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	if r.Level >= slog.LevelError {
		l.bad = append(l.bad, line)
	}
	return nil
}

// WithAttrs returns a handler of the same log.
func (l *flowLog) WithAttrs(as []slog.Attr) slog.Handler {
	c := &flowLog{l.flowRecords, l.with}
	for _, a := range as {
		c.with += " " + a.Key + "=" + a.Value.String()
	}
	return c
}

// WithGroup is not used by the gateway.
func (l *flowLog) WithGroup(string) slog.Handler { return l }

func (r *flowRecords) tail(n int) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.lines[max(0, len(r.lines)-n):], "\n")
}

func (r *flowRecords) errors() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.bad, "\n")
}

// expect demands a record for each line of text: one that begins with its
// message and has each of its key=value.
func (r *flowRecords) expect(text string, vars map[string]string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for want := range strings.SplitSeq(text, "\n") {
		if !slices.ContainsFunc(r.lines, func(line string) bool { return logged(want, line, vars) }) {
			return fmt.Errorf("not in the log: %s", want)
		}
	}
	return nil
}

// logged matches one record, and keeps in vars what it captures.
func logged(want, line string, vars map[string]string) bool {
	try := maps.Clone(vars)
	message := ""
	for _, token := range strings.Fields(want) {
		if !strings.Contains(token, "=") {
			message += token + " "
			continue
		}
		found := false
		for _, field := range strings.Fields(line) {
			found = found || matchLine(token, field, try) == nil
		}
		if !found {
			return false
		}
	}
	if !strings.HasPrefix(line, message) {
		return false
	}
	maps.Copy(vars, try)
	return true
}
