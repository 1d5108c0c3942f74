//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// benchCmd runs the scenarios against all servers, by turns.
type benchCmd struct {
	Long       bool          `help:"10 s per scenario, five rounds, 100,000 subscriptions, where otherwise it is 2 s, three and 20,000."`
	Dur        time.Duration `help:"Measured time per scenario; 0: as --long says."`
	Rounds     int           `help:"Rounds; 0: as --long says."`
	Transport  []string      `help:"Transports." enum:"udp,tcp" default:"udp,tcp"`
	Only       []string      `help:"Only these lines (${cases}), memory, restart or durability." placeholder:"NAME"`
	Kamailio   string        `help:"Mode of kamailio/run.sh, or none." default:"mem"`
	Floor      bool          `help:"The floor too: what the sockets alone cost."`
	Porchlight string        `help:"A Porchlight to run; built from this source tree when left out." type:"path" placeholder:"FILE"`
	JSON       bool          `name:"json" help:"One JSON object in place of the tables."`
	Keep       bool          `help:"Keep the servers' logs and stores."`
}

// oneRun is one scenario against one server.
type oneRun struct {
	Server    string         `json:"server"`
	Transport string         `json:"transport"`
	Case      string         `json:"case"`
	Round     int            `json:"round"`
	Fault     string         `json:"fault,omitempty"` // it did not run to its end
	Report    map[string]any `json:"report,omitempty"`
}

// number returns a figure of the report.
func (r oneRun) number(key string) (float64, bool) {
	v, ok := r.Report[key].(float64)
	return v, ok
}

// bench is one run of benchCmd.
type bench struct {
	cmd     *benchCmd
	ctx     context.Context
	self    string // this program
	work    string
	servers []*contender
	runs    []oneRun
}

// Run measures and prints the tables, or JSON; progress goes to stderr.
func (c *benchCmd) Run(ctx context.Context) (err error) {
	err = c.settle()
	if err != nil {
		return err
	}
	b := &bench{cmd: c, ctx: ctx}
	b.self, err = os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	b.work, err = os.MkdirTemp("", "porchlight-bench-")
	if err != nil {
		return fmt.Errorf("making a directory: %w", err)
	}
	defer func() {
		if c.Keep {
			fmt.Fprintln(os.Stderr, "kept:", b.work)
			return
		}
		err = errors.Join(err, os.RemoveAll(b.work))
	}()
	err = b.prepare()
	if err != nil {
		return err
	}
	defer b.stopAll()
	for _, step := range []func() error{b.loads, b.memory, b.restart, b.durability} {
		err = step()
		if err != nil {
			return err
		}
	}
	if c.JSON {
		return b.writeJSON(os.Stdout)
	}
	return b.writeTables(os.Stdout)
}

// settle fills in what --long stands for and checks the names.
func (c *benchCmd) settle() error {
	if c.Dur == 0 {
		c.Dur = 2 * time.Second
		if c.Long {
			c.Dur = 10 * time.Second
		}
	}
	if c.Rounds == 0 {
		c.Rounds = 3
		if c.Long {
			c.Rounds = 5
		}
	}
	for _, name := range c.Only {
		known := name == "memory" || name == "restart" || name == "durability"
		for _, bc := range benchCases {
			known = known || bc.id == name
		}
		if !known {
			return fmt.Errorf("there is no line %q", name)
		}
	}
	return nil
}

// wants reports whether a part of the bench that is no line is to run.
func (c *benchCmd) wants(part string) bool {
	for _, name := range c.Only {
		if name == part {
			return true
		}
	}
	return len(c.Only) == 0
}

func (b *bench) say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// prepare makes the servers, without starting them.
func (b *bench) prepare() error {
	b.say("building Porchlight")
	p, err := newPorchlight(b.ctx, b.work, b.cmd.Porchlight)
	if err != nil {
		return err
	}
	b.servers = []*contender{p}
	if b.cmd.Kamailio != "none" {
		k, err := newKamailio(b.work, b.cmd.Kamailio)
		if err != nil {
			return err
		}
		if k == nil {
			b.say("Kamailio with its presence modules is not installed (Debian: kamailio, kamailio-presence-modules): Porchlight alone")
		} else {
			b.servers = append(b.servers, k)
		}
	}
	if b.cmd.Floor {
		f, err := newFloorContender(b.work, b.self)
		if err != nil {
			return err
		}
		b.servers = append(b.servers, f)
	}
	return nil
}

func (b *bench) stopAll() {
	for _, s := range b.servers {
		s.stop()
	}
}

// loads runs all lines of the table. Each round begins with fresh servers, and
// within it each line is run against one server right after the other, so
// that they share what else the machine does.
func (b *bench) loads() error {
	turn := 0
	for round := range b.cmd.Rounds {
		for _, transport := range b.cmd.Transport {
			cases := casesFor(transport, b.cmd.Only)
			if len(cases) == 0 {
				continue
			}
			err := b.startAll(transport)
			if err != nil {
				return err
			}
			for _, c := range cases {
				turn++
				for i := range b.servers {
					s := b.servers[(i+turn)%len(b.servers)]
					err = b.run(s, transport, c.id, round, c.arguments(b.cmd.Dur), s.running.pid())
					if err != nil {
						return err
					}
				}
			}
			b.stopAll()
		}
	}
	return nil
}

// startAll starts the servers and lets each touch its memory first: page
// faults are not what is measured.
func (b *bench) startAll(transport string) error {
	for _, s := range b.servers {
		err := s.start(b.ctx, transport)
		if err != nil {
			return err
		}
		args := []string{"fanout", "--pubs", "100", "--watchers", "100", "--conc", "4", "--dur", b.cmd.Dur.String(), "--warm", "0s"}
		_, err = b.generate(s, transport, args)
		if err != nil {
			return err
		}
	}
	return nil
}

// memory weighs publications and subscriptions in fresh servers.
func (b *bench) memory() error {
	if !b.cmd.wants("memory") {
		return nil
	}
	pubs, subs := "2000", "20000"
	if b.cmd.Long {
		pubs, subs = "10000", "100000"
	}
	for _, s := range b.servers {
		err := s.start(b.ctx, "udp")
		if err != nil {
			return err
		}
		err = b.run(s, "udp", "memory", 0, []string{"capacity", "--pubs", pubs, "--subs", subs, "--no-cleanup"}, s.running.pid())
		if err != nil {
			return err
		}
		s.stop()
	}
	return nil
}

// restart and durability kill the servers, which the scenario starts itself.
func (b *bench) restart() error {
	return b.killing("restart", "--pubs", "100", "--watchers", "10", "--settle", "2s", "--kill-after", "1s")
}

func (b *bench) durability() error {
	return b.killing("durability", "--pubs", "500", "--kill-after", b.cmd.Dur.String())
}

func (b *bench) killing(scenario string, args ...string) error {
	if !b.cmd.wants(scenario) {
		return nil
	}
	for _, s := range b.servers {
		if s.name == "floor" {
			continue
		}
		err := os.RemoveAll(filepath.Join(s.dir, "data"))
		if err != nil {
			return err
		}
		all := append([]string{scenario, "--start", s.command("udp")}, args...)
		err = b.run(s, "udp", scenario, 0, all, 0)
		if err != nil {
			return err
		}
	}
	return nil
}

// run keeps the report of one scenario. A scenario that fails is kept as such;
// only an interrupt is an error.
func (b *bench) run(s *contender, transport, id string, round int, args []string, pid int) error {
	if pid != 0 {
		args = append(args, "--server-pid", strconv.Itoa(pid))
	}
	r := oneRun{Server: s.name, Transport: transport, Case: id, Round: round}
	report, err := b.generate(s, transport, args)
	if b.ctx.Err() != nil {
		return b.ctx.Err()
	}
	r.Report = report
	if err != nil {
		r.Fault = err.Error()
	}
	b.runs = append(b.runs, r)
	b.say("round %d  %-3s  %-15s  %-10s  %s", round+1, transport, id, s.name, r.brief())
	return nil
}

// generate runs the generator as a process of its own, as anyone would, and
// returns its report.
func (b *bench) generate(s *contender, transport string, args []string) (map[string]any, error) {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Minute+3*b.cmd.Dur)
	defer cancel()
	args = append(args, "--target", s.target(), "--transport", transport, "--label", s.name)
	cmd := exec.CommandContext(ctx, b.self, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	var out, faults bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &faults
	err := cmd.Run()
	if err != nil {
		return nil, fmt.Errorf("%s against %s: %w: %s", args[0], s.name, err, bytes.TrimSpace(faults.Bytes()))
	}
	report := map[string]any{}
	err = json.Unmarshal(out.Bytes(), &report)
	if err != nil {
		return nil, fmt.Errorf("reading the report of %s: %w", args[0], err)
	}
	return report, nil
}
