//go:build linux

package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

//go:embed kamailio
var kamailioFiles embed.FS

// contender is a server that takes part in the bench.
type contender struct {
	name string
	port int
	// command runs it in the foreground, for a transport; dir is its own.
	command func(transport string) string
	dir     string
	log     *os.File
	running *server
}

// newContender makes the directory and opens the log of a server.
func newContender(work, name string) (*contender, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	c := &contender{name: name, port: port, dir: filepath.Join(work, name)}
	err = os.MkdirAll(c.dir, 0o755)
	if err != nil {
		return nil, fmt.Errorf("making the directory of %s: %w", name, err)
	}
	c.log, err = os.OpenFile(c.dir+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening the log of %s: %w", name, err)
	}
	return c, nil
}

func (c *contender) target() string { return fmt.Sprintf("127.0.0.1:%d", c.port) }

// start begins with nothing stored and waits until the server answers.
func (c *contender) start(ctx context.Context, transport string) error {
	err := os.RemoveAll(filepath.Join(c.dir, "data"))
	if err != nil {
		return fmt.Errorf("emptying the store of %s: %w", c.name, err)
	}
	c.running, err = startServer(c.command(transport), c.log)
	if err != nil {
		return err
	}
	o := options{Target: c.target(), Transport: transport, Bind: "127.0.0.1", Engines: 1, Links: 1, SetupConc: 1,
		T1: time.Second, Domain: "example.org", Identity: true}
	cfg, err := o.config()
	if err != nil {
		return err
	}
	err = probe(ctx, cfg, 30*time.Second, c.running.done)
	if err != nil {
		return fmt.Errorf("%s (its log: %s): %w", c.name, c.dir+".log", err)
	}
	return nil
}

func (c *contender) stop() {
	if c.running != nil {
		c.running.end()
		c.running = nil
	}
}

// freePort returns a port free for TCP and UDP, and the next one for TCP: a
// database's.
func freePort() (int, error) {
	for range 100 {
		port, ok := tryPort()
		if ok {
			return port, nil
		}
	}
	return 0, errors.New("found no free port on 127.0.0.1")
}

func tryPort() (port int, ok bool) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, false
	}
	defer l.Close()
	port = l.Addr().(*net.TCPAddr).Port
	u, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return 0, false
	}
	defer u.Close()
	next, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+1))
	if err != nil {
		return 0, false
	}
	next.Close()
	return port, true
}

// quote makes one word of s for the shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

const porchlightConfig = `domains: [{name: example.org, home: here, default: allow}]
sip:
  listen: ["udp://127.0.0.1:%[1]d", "tcp://127.0.0.1:%[1]d"]
  trusted: ["127.0.0.1/32"]
  notify_interval: 0s
  min_expires: 1s
data: %[2]q
log: {level: warn}
`

// newPorchlight is Porchlight with its store on disk; binary is built from
// this tree when it is empty.
func newPorchlight(ctx context.Context, work, binary string) (*contender, error) {
	c, err := newContender(work, "porchlight")
	if err != nil {
		return nil, err
	}
	if binary == "" {
		binary = filepath.Join(work, "porchlight.bin")
		out, err := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, "github.com/porchlight-im/porchlight/cmd/porchlight").CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("building Porchlight (run this in its source tree, or name a binary with --porchlight): %w\n%s", err, out)
		}
	}
	file := filepath.Join(c.dir, "porchlight.yaml")
	err = os.WriteFile(file, fmt.Appendf(nil, porchlightConfig, c.port, filepath.Join(c.dir, "data")), 0o644)
	if err != nil {
		return nil, fmt.Errorf("writing a configuration: %w", err)
	}
	c.command = func(string) string { return quote(binary) + " serve --config " + quote(file) }
	return c, nil
}

// newKamailio is Kamailio with its presence modules, in one of the modes of
// kamailio/run.sh. It is nil where that is not installed.
func newKamailio(work, mode string) (*contender, error) {
	binary, err := exec.LookPath("kamailio")
	if err != nil {
		binary, err = exec.LookPath("/usr/sbin/kamailio")
	}
	modules, _ := filepath.Glob("/usr/lib/*/kamailio/modules/presence_xml.so")
	if err != nil || len(modules) == 0 {
		return nil, nil
	}
	c, err := newContender(work, "kamailio")
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"run.sh", "kamailio.cfg"} {
		b, err := kamailioFiles.ReadFile("kamailio/" + name)
		if err != nil {
			return nil, err
		}
		err = os.WriteFile(filepath.Join(c.dir, name), b, 0o644)
		if err != nil {
			return nil, fmt.Errorf("writing Kamailio's configuration: %w", err)
		}
	}
	c.command = func(string) string {
		return fmt.Sprintf("env BIN=%s MODPATH=%s KEEP=1 bash %s %s %d %s 4", quote(binary), quote(filepath.Dir(modules[0])),
			quote(filepath.Join(c.dir, "run.sh")), mode, c.port, quote(filepath.Join(c.dir, "data")))
	}
	return c, nil
}

// newFloorContender is this program's own floor.
func newFloorContender(work, self string) (*contender, error) {
	c, err := newContender(work, "floor")
	if err != nil {
		return nil, err
	}
	c.command = func(transport string) string {
		return fmt.Sprintf("%s floor --transport %s --listen %s", quote(self), transport, c.target())
	}
	return c, nil
}
