package main

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/tools/txtar"
)

var updateFlows = flag.Bool("update", false, "rewrite what has to arrive in testdata/flows")

const flowFolder = "../../testdata/flows"

// TestFlows tells each story of testdata/flows to a whole gateway, in fake
// time; the README there has the format.
func TestFlows(t *testing.T) {
	files, err := filepath.Glob(flowFolder + "/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no flows: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			runFlow(t, file)
		})
	}
}

func runFlow(t *testing.T, file string) {
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(strings.TrimSpace(string(a.Comment))) == 0 {
		t.Error("the flow has no words on top that say what happens")
	}
	config, steps, err := readFlow(a)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := newFlowWorld(t, config)
		r := &flowRun{w: w, vars: map[string]string{}}
		r.tell(steps)
		w.close()
		steps = r.done
	})
	if *updateFlows {
		writeFlow(t, file, a, steps)
	}
}

// flowStep is one file of a flow.
type flowStep struct {
	name           string // as written
	who, what, ext string
	text           string
	sent           bool // fed in; else it has to arrive
}

var flowName = regexp.MustCompile(`^(\d+)-([a-z-]+)\.([a-z0-9]+)(?:\.(sip|xml|json|txt))?$`)

// readFlow splits an archive into the gateway's configuration and the steps.
func readFlow(a *txtar.Archive) (config string, steps []flowStep, err error) {
	b, err := os.ReadFile(flowFolder + "/gateway.yaml")
	if err != nil {
		return "", nil, err
	}
	config = string(b)
	for _, f := range a.Files {
		if f.Name == "gateway.yaml" {
			config = string(f.Data)
			continue
		}
		m := flowName.FindStringSubmatch(f.Name)
		if m == nil {
			return "", nil, fmt.Errorf("%s is not named NN-who.what[.ext]", f.Name)
		}
		s := flowStep{name: f.Name, who: m[2], what: m[3], ext: m[4], text: strings.TrimRight(string(f.Data), "\n")}
		s.sent = s.isSent()
		steps = append(steps, s)
	}
	return config, steps, nil
}

// feedOps are the frames that a web client sends.
var feedOps = regexp.MustCompile(`"op":\s*"(auth|subscribe|unsubscribe|publish|unpublish|authorize|ping)"`)

var (
	xmlFrom  = regexp.MustCompile(`^\s*<[^>]*\sfrom=['"]([^'"]*)['"]`)
	jabberer = regexp.MustCompile(`@im\.example(/|$)`)
)

// isSent tells the direction of a step from what it is.
func (s *flowStep) isSent() bool {
	switch s.ext {
	case "sip":
		if s.who == "far" {
			return s.what == "notify" || s.what == "answer"
		}
		return s.what != "notify" && s.what != "response"
	case "xml":
		m := xmlFrom.FindStringSubmatch(s.text)
		return m != nil && jabberer.MatchString(m[1])
	case "json":
		return feedOps.MatchString(s.text)
	}
	return true
}

// flowRun tells one flow.
type flowRun struct {
	w       *flowWorld
	vars    map[string]string // what {name} stands for
	arrived []flowArrival     // and was not looked at yet
	free    bool              // what arrives next may do so in any order
	done    []flowStep        // as -update writes them
}

// tell carries out the steps: each is fed in, and then what follows has to
// arrive, and nothing else.
func (r *flowRun) tell(steps []flowStep) {
	r.settle()
	for len(steps) > 0 {
		s := steps[0]
		steps = steps[1:]
		if s.sent {
			r.carryOut(&s)
			r.done = append(r.done, s)
		} else {
			steps = append([]flowStep{s}, steps...)
		}
		n := 0
		for n < len(steps) && !steps[n].sent {
			n++
		}
		r.settle()
		for i := range steps[:n] {
			r.expect(&steps[i])
		}
		r.nothingElse(s.name)
		r.free = s.who == "order" && s.what == "any"
		steps = steps[n:]
	}
}

// settle lets everything happen that happens now, and collects what arrived.
func (r *flowRun) settle() {
	synctest.Wait()
	r.arrived = append(r.arrived, r.w.collect()...)
}

// carryOut does what a step says.
func (r *flowRun) carryOut(s *flowStep) {
	r.w.t.Helper()
	w := r.w
	var err error
	switch {
	case s.who == "log":
		err = w.log.expect(s.text, r.vars)
	case s.who == "order":
	case s.who == "wait":
		err = w.wait(s.what)
	case s.who == "until":
		err = r.until(s.what)
	case s.who == "gateway" || s.who == "jabber" || s.ext == "":
		err = w.order(s.who, s.what)
	default:
		var text string
		text, err = fillIn(s.text, r.vars)
		if err == nil {
			err = w.send(s, text)
		}
	}
	if err != nil {
		w.fail("%s: %v", s.name, err)
	}
}

// expect compares s with the oldest arrival for s.who; in any order, with one
// that is like it.
func (r *flowRun) expect(s *flowStep) {
	r.w.t.Helper()
	at := -1
	for i := range r.arrived {
		a := &r.arrived[i]
		if a.who != s.who || a.ext != s.ext {
			continue
		}
		if at < 0 {
			at = i
		}
		if want, got, err := compared(s, a); r.free && err == nil && match(want, got.raw, maps.Clone(r.vars)) == "" {
			at = i
			break
		}
	}
	if at >= 0 {
		a := r.arrived[at]
		r.arrived = slices.Delete(r.arrived, at, at+1)
		r.compare(s, &a)
	} else if !*updateFlows {
		r.w.fail("%s: nothing arrived%s", s.name, others(r.arrived))
	}
}

// compare demands that a is as s says.
func (r *flowRun) compare(s *flowStep, a *flowArrival) {
	r.w.t.Helper()
	want, got, err := compared(s, a)
	if err != nil {
		r.w.fail("%s: %v", s.name, err)
	}
	if *updateFlows {
		s.what, s.text = a.what, merge(want, got, r.vars)
		r.done = append(r.done, *s)
		return
	}
	diff := match(want, got.raw, r.vars)
	if diff != "" {
		r.w.fail("%s: %s\n--- want\n%s\n--- got\n%s", s.name, diff, strings.Join(want, "\n"), strings.Join(got.raw, "\n"))
	}
}

// nothingElse demands that all was expected that arrived.
func (r *flowRun) nothingElse(after string) {
	r.w.t.Helper()
	if len(r.arrived) == 0 {
		return
	}
	if !*updateFlows {
		r.w.fail("after %s: not expected%s", after, others(r.arrived))
	}
	// The answer first.
	slices.SortStableFunc(r.arrived, func(a, b flowArrival) int { return cmp.Compare(answerRank(a), answerRank(b)) })
	for i := range r.arrived {
		a := &r.arrived[i]
		s := flowStep{who: a.who, what: a.what, ext: a.ext}
		_, got, err := compared(&s, a)
		if err != nil {
			r.w.fail("after %s: %v", after, err)
		}
		s.text = merge(nil, got, r.vars)
		r.done = append(r.done, s)
	}
	r.arrived = nil
}

func answerRank(a flowArrival) int {
	if a.what == "response" {
		return 0
	}
	return 1
}

func others(as []flowArrival) string {
	out := ""
	for i := range as {
		out += fmt.Sprintf("\n--- %s.%s.%s\n%s", as[i].who, as[i].what, as[i].ext, as[i].text)
	}
	return out
}

// writeFlow writes the flow with what has arrived.
func writeFlow(t *testing.T, file string, a *txtar.Archive, steps []flowStep) {
	out := &txtar.Archive{Comment: a.Comment}
	for _, f := range a.Files {
		if f.Name == "gateway.yaml" {
			out.Files = append(out.Files, f)
		}
	}
	for i, s := range steps {
		name := fmt.Sprintf("%02d-%s.%s", i+1, s.who, s.what)
		if s.ext != "" {
			name += "." + s.ext
		}
		f := txtar.File{Name: name}
		if s.text != "" {
			f.Data = []byte(s.text + "\n")
		}
		out.Files = append(out.Files, f)
	}
	err := os.WriteFile(file, txtar.Format(out), 0o644)
	if err != nil {
		t.Fatal(err)
	}
}

// until lets fake time pass, by the second, until something arrives for who.
func (r *flowRun) until(who string) error {
	for range 2 * 3600 {
		time.Sleep(time.Second)
		r.settle()
		if slices.ContainsFunc(r.arrived, func(a flowArrival) bool { return a.who == who }) {
			return nil
		}
	}
	return fmt.Errorf("nothing arrives for %s within two hours", who)
}

// wait lets fake time pass, "5s".
func (w *flowWorld) wait(d string) error {
	n, err := time.ParseDuration(d)
	if err != nil {
		return err
	}
	time.Sleep(n)
	return nil
}
