//go:build integration

package realpeers

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// porchlight is the binary under test, built once.
var porchlight string

func TestMain(m *testing.M) {
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	// The tests mostly wait, so more of them than there are processors run
	// side by side; -parallel says otherwise.
	err := flag.Set("test.parallel", "4")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	dir, err := os.MkdirTemp("", "porchlight-realpeers-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	porchlight = filepath.Join(dir, "porchlight")
	out, err := exec.Command("go", "build", "-o", porchlight, "github.com/porchlight-im/porchlight/cmd/porchlight").CombinedOutput()
	if err != nil {
		fmt.Fprintf(os.Stderr, "building porchlight: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// need skips the test when a program of Debian's packages is missing.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("%s is not installed: run `make test`, which installs it", p)
		}
	}
}

// Ports are given out in turn, from below those that the system gives to
// clients, so that no two of the tests that run side by side get the same.
const firstPort, ports = 20000, 12000

var lastPort atomic.Uint32

func init() { lastPort.Store(rand.Uint32N(ports)) }

// freePort returns a port of 127.0.0.1 that is free for both TCP and UDP.
func freePort(t *testing.T) int {
	t.Helper()
	for range ports {
		port := firstPort + int(lastPort.Add(1)%ports)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		u, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", port))
		l.Close()
		if err == nil {
			u.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// process is a child that a test started, in a process group of its own.
type process struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	log  *lockedBuffer
	done chan struct{}
}

// lockedBuffer collects a child's output while others read it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// spawn starts a program and ends it with the test. Its output is logged when
// the test fails.
func spawn(t *testing.T, name string, env []string, dir, program string, args ...string) *process {
	t.Helper()
	p := &process{t: t, name: name, log: &lockedBuffer{}, done: make(chan struct{})}
	p.cmd = exec.Command(program, args...)
	p.cmd.Dir = dir
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err := p.cmd.Start()
	if err != nil {
		t.Fatalf("starting %s: %v", name, err)
	}
	go func() {
		p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.signal(syscall.SIGKILL)
		<-p.done
		if t.Failed() {
			t.Logf("output of %s:\n%s", name, tail(p.log.String(), 12000))
		}
	})
	return p
}

// signal sends sig to the child's process group.
func (p *process) signal(sig syscall.Signal) { syscall.Kill(-p.cmd.Process.Pid, sig) }

// stop ends the child with SIGTERM, and kills it when that takes too long.
func (p *process) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		p.t.Errorf("%s did not stop within 20 s of SIGTERM", p.name)
		p.kill()
	}
}

// kill ends the child with SIGKILL.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

func tail(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}

// eventually waits until ok, and fails the test with what when that takes
// longer than patience. It is for outside processes; nothing in it measures
// speed.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	within(t, patience, what, ok)
}

// within is eventually with another patience.
func within(t *testing.T, d time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(d)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("still not so after %v: %s", d, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// patience is how long a test waits for what should come.
const patience = 30 * time.Second

// silence is how long a test waits to see that nothing comes.
const silence = 500 * time.Millisecond

func portOpen(port int) bool {
	c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// gateway is a running porchlight.
type gateway struct {
	*process
	t           *testing.T
	dir, config string
	sip, web    int // ports
}

// startGateway runs `porchlight serve` on config, in which $SIP, $WEB and
// $DATA stand for the gateway's own ports and folder.
func startGateway(t *testing.T, config string) *gateway {
	t.Helper()
	g := &gateway{t: t, dir: t.TempDir(), sip: freePort(t), web: freePort(t)}
	config = strings.NewReplacer(
		"$SIP", fmt.Sprint(g.sip), "$WEB", fmt.Sprint(g.web), "$DATA", filepath.Join(g.dir, "data"),
	).Replace(config)
	g.config = filepath.Join(g.dir, "porchlight.yaml")
	err := os.WriteFile(g.config, []byte(config), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	g.start()
	return g
}

// start runs the gateway on its configuration and store, and waits until it
// lives. It does not wait for the XMPP server: see waitReady.
func (g *gateway) start() {
	g.t.Helper()
	g.process = spawn(g.t, "porchlight", nil, g.dir, porchlight, "serve", "--config", g.config)
	eventually(g.t, "the gateway answers /healthz", func() bool {
		select {
		case <-g.done:
			g.t.Fatalf("porchlight ended:\n%s", g.log)
		default:
		}
		code, _ := g.get("/healthz")
		return code == 200
	})
}

// waitReady waits until every port is serving.
func (g *gateway) waitReady() {
	g.t.Helper()
	eventually(g.t, "the gateway is ready", func() bool {
		code, _ := g.get("/readyz")
		return code == 200
	})
}

// get fetches a path of the web port; code 0 means no answer.
func (g *gateway) get(path string) (code int, body string) {
	c := http.Client{Timeout: 5 * time.Second}
	res, err := c.Get(fmt.Sprintf("http://127.0.0.1:%d%s", g.web, path))
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(b)
}
