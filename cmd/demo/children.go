package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// ports are where things listen, all on 127.0.0.1.
type ports struct{ sip, web, c2s, component int }

// pickPorts prefers the well-known ports and takes free ones where those are
// in use.
func pickPorts() ports {
	return ports{sip: free(5060), web: free(8080), c2s: free(5222), component: free(5347)}
}

func free(preferred int) int {
	for _, p := range []int{preferred, 0} {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", p))
		if err != nil {
			continue
		}
		port := l.Addr().(*net.TCPAddr).Port
		l.Close()
		u, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		u.Close()
		return port
	}
	return preferred
}

// child is a program that the demo started and will stop.
type child struct {
	name string
	cmd  *exec.Cmd
	out  bytes.Buffer
	done chan error
}

func start(name, dir, program string, args ...string) (*child, error) {
	c := &child{name: name, done: make(chan error, 1)}
	c.cmd = exec.Command(program, args...)
	c.cmd.Dir = dir
	c.cmd.Stdout, c.cmd.Stderr = &c.out, &c.out
	// Its own group: Ctrl-C reaches the demo alone, which then stops it.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err := c.cmd.Start()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go func() { c.done <- c.cmd.Wait() }()
	return c, nil
}

// stop ends the child: SIGTERM, then SIGKILL when it takes long.
func (c *child) stop() {
	syscall.Kill(-c.cmd.Process.Pid, syscall.SIGTERM)
	select {
	case <-c.done:
	case <-time.After(10 * time.Second):
		syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
		<-c.done
	}
}

const prosodyConfig = `
run_as_root = true
pidfile = "%[1]s/prosody.pid"
data_path = "%[1]s/prosody"
interfaces = { "127.0.0.1" }
c2s_ports = { %[2]d }
s2s_ports = {}
http_ports = {}
https_ports = {}
c2s_direct_tls_ports = {}
s2s_direct_tls_ports = {}
component_ports = { %[3]d }
component_interface = "127.0.0.1"
modules_enabled = { "roster", "saslauth", "disco", "presence", "message", "iq", "pep", "vcard4", "vcard_legacy", "ping", "posix" }
modules_disabled = { "s2s" }
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_plain"
log = { warn = "%[1]s/prosody.log" }
VirtualHost "im.example"
Component "sip.example"
  component_secret = "demo"
`

// startProsody runs a Prosody with two users whose password is "demo".
func startProsody(dir string, p ports) (*child, error) {
	_, err := exec.LookPath("prosody")
	if err != nil {
		return nil, errors.New("prosody is not installed: `make demo` installs it, or: apt-get install prosody")
	}
	users := filepath.Join(dir, "prosody", "im%2eexample", "accounts")
	err = os.MkdirAll(users, 0o755)
	if err != nil {
		return nil, err
	}
	for _, u := range []string{"juliet", "romeo"} {
		err = os.WriteFile(filepath.Join(users, u+".dat"), []byte(`return { ["password"] = "demo"; };`), 0o600)
		if err != nil {
			return nil, err
		}
	}
	cfg := filepath.Join(dir, "prosody.cfg.lua")
	err = os.WriteFile(cfg, fmt.Appendf(nil, prosodyConfig, dir, p.c2s, p.component), 0o600)
	if err != nil {
		return nil, err
	}
	return start("prosody", dir, "prosody", "-F", "--config", cfg)
}

// waitReady waits until the gateway says that every port is serving.
func waitReady(ctx context.Context, web int, gateway *child) error {
	url := fmt.Sprintf("http://127.0.0.1:%d/readyz", web)
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline) && ctx.Err() == nil; {
		res, err := http.Get(url)
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case err := <-gateway.done:
			gateway.done <- err
			return fmt.Errorf("porchlight ended: %w\n%s", err, gateway.out.String())
		case <-time.After(100 * time.Millisecond):
		}
	}
	return fmt.Errorf("porchlight did not become ready within 30 s")
}
