//go:build integration

package realpeers

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// xmppServer is a real XMPP server with the domain im.example, the components
// sip.example and far.example (secret s3cret), and some users (password pw).
type xmppServer interface {
	Name() string
	C2S() int       // client port
	Component() int // component port
	Stop()          // SIGTERM
	Kill()          // SIGKILL
	Start()         // on the same data
}

// onBothServers runs test against Prosody and against ejabberd, beside other
// tests that do so.
func onBothServers(t *testing.T, test func(t *testing.T, s xmppServer)) {
	t.Parallel()
	t.Run("Prosody", func(t *testing.T) { test(t, startProsody(t)) })
	t.Run("ejabberd", func(t *testing.T) { test(t, startEjabberd(t)) })
}

var accounts = []string{"alice", "juliet", "romeo"}

type prosody struct {
	t              *testing.T
	p              *process
	dir            string
	c2s, component int
}

const prosodyConfig = `
run_as_root = true
pidfile = "%[1]s/prosody.pid"
data_path = "%[1]s/data"
interfaces = { "127.0.0.1" }
c2s_ports = { %[2]d }
s2s_ports = {}
http_ports = {}
https_ports = {}
c2s_direct_tls_ports = {}
s2s_direct_tls_ports = {}
component_ports = { %[3]d }
component_interface = "127.0.0.1"
modules_enabled = { "roster", "saslauth", "disco", "presence", "message", "iq",
                    "pep", "vcard4", "vcard_legacy", "ping", "posix" }
modules_disabled = { "s2s" }
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_plain"
log = { info = "%[1]s/prosody.log" }
VirtualHost "im.example"
Component "sip.example"
  component_secret = "s3cret"
  component_conflict_resolve = "kick_old"
Component "far.example"
  component_secret = "s3cret"
`

func startProsody(t *testing.T) xmppServer {
	t.Helper()
	need(t, "prosody")
	s := &prosody{t: t, dir: t.TempDir(), c2s: freePort(t), component: freePort(t)}
	users := filepath.Join(s.dir, "data", "im%2eexample", "accounts")
	err := os.MkdirAll(users, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range accounts {
		err = os.WriteFile(filepath.Join(users, u+".dat"), []byte(`return { ["password"] = "pw"; };`), 0o644)
		if err != nil {
			t.Fatal(err)
		}
	}
	cfg := fmt.Sprintf(prosodyConfig, s.dir, s.c2s, s.component)
	err = os.WriteFile(filepath.Join(s.dir, "prosody.cfg.lua"), []byte(cfg), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	return s
}

func (s *prosody) Name() string   { return "Prosody" }
func (s *prosody) C2S() int       { return s.c2s }
func (s *prosody) Component() int { return s.component }
func (s *prosody) Stop()          { s.p.stop() }
func (s *prosody) Kill()          { s.p.kill() }

func (s *prosody) Start() {
	s.t.Helper()
	s.p = spawn(s.t, "prosody", nil, s.dir, "prosody", "-F", "--config", filepath.Join(s.dir, "prosody.cfg.lua"))
	eventually(s.t, "Prosody accepts clients and components", func() bool {
		return portOpen(s.c2s) && portOpen(s.component)
	})
}

type ejabberd struct {
	t              *testing.T
	p              *process
	dir            string
	c2s, component int
}

const ejabberdConfig = `
loglevel: info
hosts: ["im.example"]
auth_method: internal
acme: {auto: false}
s2s_access: none
listen:
  - {port: %d, ip: "127.0.0.1", module: ejabberd_c2s, access: all, max_stanza_size: infinity}
  - port: %d
    ip: "127.0.0.1"
    module: ejabberd_service
    max_stanza_size: infinity
    hosts: {"sip.example": {password: "s3cret"}, "far.example": {password: "s3cret"}}
acl: {local: {user_regexp: ""}}
access_rules: {local: {allow: local}}
modules:
  mod_caps: {}
  mod_disco: {}
  mod_ping: {}
  mod_pubsub: {access_createnode: local, plugins: ["flat", "pep"]}
  mod_roster: {}
  mod_vcard: {search: false}
`

func startEjabberd(t *testing.T) xmppServer {
	t.Helper()
	need(t, "ejabberdctl", "erl")
	s := &ejabberd{t: t, dir: t.TempDir(), c2s: freePort(t), component: freePort(t)}
	cfg := fmt.Sprintf(ejabberdConfig, s.c2s, s.component)
	err := os.WriteFile(filepath.Join(s.dir, "ejabberd.yml"), []byte(cfg), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	return s
}

func (s *ejabberd) Name() string   { return "ejabberd" }
func (s *ejabberd) C2S() int       { return s.c2s }
func (s *ejabberd) Component() int { return s.component }
func (s *ejabberd) Stop()          { s.p.stop() }
func (s *ejabberd) Kill()          { s.p.kill() }

func (s *ejabberd) Start() {
	s.t.Helper()
	ready := filepath.Join(s.dir, "ready")
	os.Remove(ready)
	var users strings.Builder
	for _, u := range accounts {
		fmt.Fprintf(&users, `ejabberd_auth:try_register(<<"%s">>,<<"im.example">>,<<"pw">>),`, u)
	}
	s.p = spawn(s.t, "ejabberd", []string{
		"HOME=" + s.dir, "EJABBERD_CONFIG_PATH=" + filepath.Join(s.dir, "ejabberd.yml"),
		"EJABBERD_LOG_PATH=" + filepath.Join(s.dir, "ejabberd.log"),
		"ERL_LIBS=/usr/lib/x86_64-linux-gnu", "ERL_CRASH_DUMP_BYTES=0",
	}, s.dir, "erl", "-noinput", "-mnesia", "dir", `"`+filepath.Join(s.dir, "mnesia")+`"`, "-s", "ejabberd",
		"-eval", `{ok,_}=application:ensure_all_started(ejabberd),`+users.String()+`file:write_file("`+ready+`","1").`)
	eventually(s.t, "ejabberd is ready", func() bool {
		_, err := os.Stat(ready)
		return err == nil && portOpen(s.component)
	})
}

// jabber is a Jabber client: slixmpp, driven over a pipe.
type jabber struct {
	t     *testing.T
	jid   string
	in    io.WriteCloser
	mu    sync.Mutex
	seen  []stanza // what has come and was not yet expected
	more  chan struct{}
	ended chan struct{}
}

// stanza is one event of the client.
type stanza struct {
	Ev       string            `json:"ev"`
	From     string            `json:"from"`
	To       string            `json:"to"`
	Type     string            `json:"type"`
	ID       string            `json:"id"`
	Show     string            `json:"show"`
	Priority string            `json:"priority"`
	Status   map[string]string `json:"status"`
	Error    []string          `json:"error"`
	XML      string            `json:"xml"`
	JID      string            `json:"jid"`
	Why      string            `json:"why"`
	What     string            `json:"what"`   // of personal eventing: "mood" and so on
	Values   map[string]string `json:"values"` // and what slixmpp makes of it
}

// python is Debian's, which has slixmpp.
const python = "/usr/bin/python3"

// login starts a client as user@im.example/resource, without presence.
func login(t *testing.T, s xmppServer, user, resource string, with ...string) *jabber {
	t.Helper()
	if exec.Command(python, "-c", "import slixmpp").Run() != nil {
		t.Skip("python3-slixmpp is not installed: run `make test`, which installs it")
	}
	j := &jabber{t: t, jid: user + "@im.example/" + resource, more: make(chan struct{}, 1), ended: make(chan struct{})}
	args := append([]string{"testdata/jabber.py", "127.0.0.1", fmt.Sprint(s.C2S()), j.jid, "pw"}, with...)
	cmd := exec.Command(python, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stderr := &lockedBuffer{}
	cmd.Stderr = stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	j.in, err = cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	err = cmd.Start()
	if err != nil {
		t.Fatal(err)
	}
	go j.read(out, cmd)
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-j.ended
		if t.Failed() {
			t.Logf("stderr of %s: %s", j.jid, tail(stderr.String(), 4000))
		}
	})
	j.expect("login of "+j.jid, func(s stanza) bool { return s.Ev == "started" })
	return j
}

func (j *jabber) read(out io.Reader, cmd *exec.Cmd) {
	defer close(j.ended)
	sc := bufio.NewScanner(out)
	sc.Buffer(nil, 8<<20)
	for sc.Scan() {
		var s stanza
		if json.Unmarshal(sc.Bytes(), &s) != nil {
			continue
		}
		j.mu.Lock()
		j.seen = append(j.seen, s)
		j.mu.Unlock()
		select {
		case j.more <- struct{}{}:
		default:
		}
	}
	cmd.Wait()
}

// send sends XML as the client.
func (j *jabber) send(format string, args ...any) {
	j.t.Helper()
	j.command(map[string]string{"cmd": "raw", "xml": fmt.Sprintf(format, args...)})
}

func (j *jabber) command(c map[string]string) {
	j.t.Helper()
	b, err := json.Marshal(c)
	if err != nil {
		j.t.Fatal(err)
	}
	_, err = j.in.Write(append(b, '\n'))
	if err != nil {
		j.t.Fatalf("%s: %v", j.jid, err)
	}
}

// abort cuts the client's connection without a goodbye.
func (j *jabber) abort() { j.command(map[string]string{"cmd": "abort"}) }

// quit logs out.
func (j *jabber) quit() {
	j.command(map[string]string{"cmd": "quit"})
	select {
	case <-j.ended:
	case <-time.After(patience):
		j.t.Errorf("%s does not end", j.jid)
	}
}

// expect returns the first event, of those not yet expected, that ok accepts,
// and drops those before it.
func (j *jabber) expect(what string, ok func(stanza) bool) stanza {
	j.t.Helper()
	deadline := time.After(patience)
	for {
		if s, found := j.take(ok); found {
			return s
		}
		select {
		case <-j.more:
		case <-deadline:
			j.t.Fatalf("%s waits in vain for %s", j.jid, what)
		}
	}
}

func (j *jabber) take(ok func(stanza) bool) (stanza, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, s := range j.seen {
		if ok(s) {
			j.seen = j.seen[i+1:]
			return s, true
		}
	}
	return stanza{}, false
}

// forget drops what has come so far.
func (j *jabber) forget() {
	j.mu.Lock()
	j.seen = nil
	j.mu.Unlock()
}

// never checks that nothing that bad accepts comes within silence.
func (j *jabber) never(what string, bad func(stanza) bool) {
	j.t.Helper()
	time.Sleep(silence)
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.seen {
		if bad(s) {
			j.t.Fatalf("%s got what should not come, %s: %s", j.jid, what, s.XML)
		}
	}
}

// presence returns an expectation: a presence of the type from the bare or
// full address.
func presence(from, typ string) func(stanza) bool {
	return func(s stanza) bool {
		bare, _, _ := strings.Cut(s.From, "/")
		return s.Ev == "presence" && s.Type == typ && (s.From == from || bare == from)
	}
}
