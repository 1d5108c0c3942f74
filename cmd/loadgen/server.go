//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// server is a server under test that we started, with all its processes.
type server struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the root process has ended
}

// startServer runs a shell command in the foreground, in a process group of
// its own.
func startServer(command string, output io.Writer) (*server, error) {
	cmd := exec.Command("sh", "-c", "exec "+command)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stdout, cmd.Stderr = output, output
	cmd.WaitDelay = time.Second
	err := cmd.Start()
	if err != nil {
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	s := &server{cmd: cmd, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		_ = cmd.Wait() // how it ended does not matter: probe tells whether it serves
	}()
	return s, nil
}

func (s *server) pid() int { return s.cmd.Process.Pid }

// kill is SIGKILL for the whole tree. It waits until all have ended.
func (s *server) kill() {
	tree := processTree([]int{s.pid()})
	for _, pid := range tree {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended by itself
	}
	<-s.done
	for _, pid := range tree {
		for range 500 {
			if !running(pid) {
				break
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
}

// end is SIGTERM, and kill when that takes more than five seconds.
func (s *server) end() {
	tree := processTree([]int{s.pid()})
	_ = syscall.Kill(s.pid(), syscall.SIGTERM) // it may have ended by itself
	select {
	case <-s.done:
		for _, pid := range tree {
			if pid != s.pid() && running(pid) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	case <-time.After(5 * time.Second):
		s.kill()
	}
}

// launch starts the server of the run and returns what it took until it
// answered a PUBLISH.
func (r *rig) launch(command string) (time.Duration, error) {
	begin := time.Now()
	s, err := startServer(command, os.Stderr)
	if err != nil {
		return 0, err
	}
	r.server = s
	r.pids = []int{s.pid()}
	err = probe(r.ctx, r.cfg, 120*time.Second, s.done)
	return time.Since(begin), err
}

// kill ends the server that launch started, if it still runs.
func (r *rig) kill() {
	if r.server != nil {
		r.server.kill()
		r.server, r.pids = nil, nil
	}
}

// probe sends a PUBLISH again and again until one gets a 200, at most for the
// time given and while the server lives.
func probe(ctx context.Context, cfg *config, limit time.Duration, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	target := localName(cfg.target.Addr, portOf(&cfg.target))
	for n := 0; ; n++ {
		if probeOnce(cfg, target, n) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server at %s gave no 200: %w", target, ctx.Err())
		case <-ended:
			return fmt.Errorf("the server at %s ended by itself", target)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func probeOnce(cfg *config, target string, n int) bool {
	network := "udp"
	if cfg.tcp {
		network = "tcp"
	}
	c, err := net.DialTimeout(network, target, time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	err = c.SetDeadline(time.Now().Add(25 * time.Millisecond))
	if err != nil {
		return false
	}
	_, err = io.WriteString(c, probeRequest(cfg, network, c.LocalAddr().String(), n))
	if err != nil {
		return false
	}
	var answer [12]byte // of a datagram, the rest is cut off
	_, err = io.ReadFull(c, answer[:])
	return err == nil && string(answer[:]) == "SIP/2.0 200 "
}

func probeRequest(cfg *config, network, local string, n int) string {
	uri := "sip:probe@" + cfg.domain
	doc := smallPIDF(nil, uri, 0xffffffff, 1, 0)
	identity := ""
	if cfg.identity {
		identity = "P-Asserted-Identity: <" + uri + ">\r\n"
	}
	return fmt.Sprintf("PUBLISH %[1]s SIP/2.0\r\nVia: SIP/2.0/%[2]s %[3]s;rport;branch=z9hG4bKpr%[4]s%[5]d\r\nMax-Forwards: 70\r\n"+
		"From: <%[1]s>;tag=pr%[5]d\r\nTo: <%[1]s>\r\nCall-ID: probe%[5]d-%[4]s@lg\r\nCSeq: 1 PUBLISH\r\nContact: <sip:probe@%[3]s>\r\n"+
		"Event: presence\r\nExpires: 60\r\n%[6]s%[7]sContent-Type: application/pidf+xml\r\nContent-Length: %[8]d\r\n\r\n%[9]s",
		uri, strings.ToUpper(network), local, cfg.run, n, identity, cfg.extra, len(doc), doc)
}
