//go:build linux

// Command loadgen drives a SIP presence server and measures it: one event loop
// with its own SIP text handling, so that the server is worn out first. Each
// scenario prints one JSON line; `loadgen bench` runs them against Porchlight
// and, where it is installed, Kamailio, side by side. README.md tells what
// the figures mean and what the generator guarantees.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// commands is the command line.
type commands struct {
	Publish    publishCmd    `cmd:"" help:"PUBLISH alone: new states or refreshes."`
	Subscribe  subscribeCmd  `cmd:"" help:"SUBSCRIBE with its NOTIFYs: dialogs begun and ended, refreshes, fetches."`
	Fanout     fanoutCmd     `cmd:"" help:"Changes that go to many watchers."`
	Capacity   capacityCmd   `cmd:"" help:"Hold many subscriptions and weigh them."`
	Restart    restartCmd    `cmd:"" help:"Do dialogs and publications outlive SIGKILL?"`
	Durability durabilityCmd `cmd:"" help:"Do acknowledged PUBLISHes outlive a SIGKILL in the middle of a load?"`
	Floor      floorCmd      `cmd:"" help:"Serve as the floor: sockets and copying only, no checks, no state."`
	Bench      benchCmd      `cmd:"" help:"Porchlight, and Kamailio where it is installed, side by side."`
}

type (
	publishCmd    struct{ publishLoad }
	subscribeCmd  struct{ subscribeLoad }
	fanoutCmd     struct{ fanoutLoad }
	capacityCmd   struct{ capacityLoad }
	restartCmd    struct{ restartLoad }
	durabilityCmd struct{ durabilityLoad }
)

// Run runs the scenario and prints its report.
func (c *publishCmd) Run(ctx context.Context) error {
	return play(ctx, "publish", &c.publishLoad, "", os.Stdout)
}

// Run runs the scenario and prints its report.
func (c *subscribeCmd) Run(ctx context.Context) error {
	return play(ctx, "subscribe", &c.subscribeLoad, "", os.Stdout)
}

// Run runs the scenario and prints its report.
func (c *fanoutCmd) Run(ctx context.Context) error {
	return play(ctx, "fanout", &c.fanoutLoad, "", os.Stdout)
}

// Run runs the scenario and prints its report.
func (c *capacityCmd) Run(ctx context.Context) error {
	return play(ctx, "capacity", &c.capacityLoad, "", os.Stdout)
}

// Run runs the scenario and prints its report.
func (c *restartCmd) Run(ctx context.Context) error {
	return play(ctx, "restart", &c.restartLoad, c.Start, os.Stdout)
}

// Run runs the scenario and prints its report.
func (c *durabilityCmd) Run(ctx context.Context) error {
	return play(ctx, "durability", &c.durabilityLoad, c.Start, os.Stdout)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var cli commands
	k := kong.Parse(&cli, kong.Name("loadgen"), kong.UsageOnError(),
		kong.Description("Load generator for SIP presence servers."),
		kong.Vars{"cases": caseNames()},
		kong.BindTo(ctx, (*context.Context)(nil)))
	err := k.Run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "loadgen:", err)
		os.Exit(1)
	}
}
