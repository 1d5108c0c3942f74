// Command porchlight is the presence gateway: a SIP presence server, an XMPP
// component and a live web feed over one hub.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit codes.
const (
	exitOK      = 0
	exitFailed  = 1 // it ran and did not succeed
	exitUsage   = 2 // the command line or the configuration is wrong
	exitNoReach = 3 // a server could not be reached
)

// exitError carries an exit code with an error.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// commands is the command line.
type commands struct {
	Serve   serveCmd   `cmd:"" help:"Run the gateway."`
	Config  configCmd  `cmd:"" help:"Check a configuration, or print an example."`
	Watch   watchCmd   `cmd:"" help:"Show the presence of addresses live, through the web feed."`
	Publish publishCmd `cmd:"" help:"Publish presence over SIP, and keep it until Ctrl-C."`
	Map     mapCmd     `cmd:"" help:"Translate presence between formats, and say what is lost."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the whole program, for main and for tests.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (code int) {
	var cli commands
	exited := -1
	parser, err := kong.New(&cli,
		kong.Name("porchlight"),
		kong.Description("Presence gateway: SIP/RCS, XMPP and the web see each other live.\n\nStart with: porchlight config example > porchlight.yaml, then porchlight serve --config porchlight.yaml"),
		kong.Writers(stdout, stderr),
		kong.Exit(func(c int) { exited = c; panic(exiting{}) }),
		kong.UsageOnError(),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(streams{stdout, stderr}),
	)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(exiting); !ok {
				panic(r)
			}
			code = exited
		}
	}()
	kctx, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(stderr, "porchlight: %v\nTry: porchlight --help\n", err)
		return exitUsage
	}
	err = kctx.Run()
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(stderr, "porchlight: %v\n", err)
	var ee *exitError
	if errors.As(err, &ee) {
		return ee.code
	}
	return exitFailed
}

// exiting unwinds run when kong has printed its help.
type exiting struct{}

// streams are the program's outputs.
type streams struct{ out, err io.Writer }

type versionCmd struct{}

func (versionCmd) Run(s streams) error {
	fmt.Fprintln(s.out, "porchlight", version())
	return nil
}

// version is the module's version and the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			v += " " + s.Value[:12]
		}
	}
	return v
}

type configCmd struct {
	Check   configCheckCmd   `cmd:"" help:"Read FILE and name all of its faults at once."`
	Example configExampleCmd `cmd:"" help:"Print a commented configuration with every key."`
}

type configCheckCmd struct {
	File string `arg:"" help:"The configuration file."`
}

func (c *configCheckCmd) Run(s streams) error {
	_, err := readConfig(c.File)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	fmt.Fprintf(s.out, "%s is fine\n", c.File)
	return nil
}

type configExampleCmd struct{}

func (configExampleCmd) Run(s streams) error {
	_, err := s.out.Write(exampleYAML)
	return err
}
