//go:build integration

package realpeers

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// baresip is a real SIP client from Debian, driven over its control socket.
type baresip struct {
	t    *testing.T
	ctrl net.Conn
}

const baresipConfig = `
sip_listen 127.0.0.1:%d
module_path /usr/lib/baresip/modules
module account.so
module contact.so
module menu.so
module ctrl_tcp.so
module presence.so
ctrl_tcp_listen 127.0.0.1:%d
`

// startBaresip runs baresip as name@sip.example with one contact.
func startBaresip(t *testing.T, g *gateway, name, contact string) *baresip {
	t.Helper()
	need(t, "baresip")
	dir, ctrl := t.TempDir(), freePort(t)
	for file, text := range map[string]string{
		"config":   fmt.Sprintf(baresipConfig, freePair(t), ctrl),
		"accounts": fmt.Sprintf("<sip:%s@sip.example>;auth_user=bob;auth_pass=secret;regint=0;pubint=60;outbound=\"sip:127.0.0.1:%d;transport=udp\"\n", name, g.sip),
		"contacts": fmt.Sprintf("\"C\" <%s>;presence=p2p\n", contact),
	} {
		err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
	spawn(t, "baresip", nil, dir, "baresip", "-f", dir, "-v")
	b := &baresip{t: t}
	eventually(t, "baresip's control socket", func() bool {
		var err error
		b.ctrl, err = net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", ctrl))
		return err == nil
	})
	t.Cleanup(func() { b.ctrl.Close() })
	return b
}

// freePair returns a free port whose successor is free too: baresip takes that
// one for TLS.
func freePair(t *testing.T) int {
	t.Helper()
	port, next := freePort(t), freePort(t)
	for next != port+1 {
		port, next = next, freePort(t)
	}
	return port
}

// command sends a netstring of JSON and returns the answer.
func (b *baresip) command(name string) string {
	b.t.Helper()
	cmd, err := json.Marshal(map[string]string{"command": name, "token": "t"})
	if err != nil {
		b.t.Fatal(err)
	}
	_, err = fmt.Fprintf(b.ctrl, "%d:%s,", len(cmd), cmd)
	if err != nil {
		b.t.Fatalf("baresip: %v", err)
	}
	b.ctrl.SetReadDeadline(time.Now().Add(5 * time.Second))
	buf := make([]byte, 65536)
	n, err := b.ctrl.Read(buf)
	if err != nil {
		b.t.Fatalf("baresip: %v", err)
	}
	return string(buf[:n])
}

// Group 11: baresip as watcher of a Jabber user and as publisher, with Digest
// (SEC-02, PUB-24).
func TestBaresip(t *testing.T) { onBothServers(t, withBaresip) }

func withBaresip(t *testing.T, s xmppServer) {
	// baresip is nobody's trusted peer: it proves itself by Digest.
	g := startGateway(t, strings.Replace(config(s), `trusted: ["127.0.0.1/32"]`,
		"auth: {realm: sip.example, users: {bob: secret}, algorithms: [MD5]}", 1))
	g.waitReady()
	j := login(t, s, "juliet", "balcony")
	j.send("<presence/>")
	b := startBaresip(t, g, "bob", juliet)
	j.expect("a prompt for baresip's user", presence("bob@sip.example", "subscribe"))
	j.send("<presence type='subscribed' to='bob@sip.example'/>")
	sees := func(what string) {
		t.Helper()
		eventually(t, "baresip shows "+what, func() bool { return strings.Contains(b.command("contacts"), what) })
	}
	sees("Online")
	j.send("<presence><show>dnd</show></presence>")
	sees("Busy")
	j.send("<presence/>")
	sees("Online")

	j.send("<presence type='subscribe' to='bob@sip.example'/>")
	j.expect("approved", presence("bob@sip.example", "subscribed"))
	b.command("presence_online")
	j.expect("bob online", presence("bob@sip.example", ""))
	b.command("presence_offline")
	j.expect("bob offline", presence("bob@sip.example", "unavailable"))
	j.quit()
	sees("Offline")
}

// SIPp, with its own transaction layer, publishes and subscribes a few hundred
// times; every call must succeed.
func TestSIPp(t *testing.T) {
	t.Parallel()
	need(t, "sipp")
	s := startProsody(t)
	g := startGateway(t, config(s))
	g.waitReady()
	for _, scenario := range []string{"publish.xml", "subscribe.xml"} {
		for _, transport := range []string{"u1", "t1"} {
			t.Run(scenario+" "+transport, func(t *testing.T) {
				file, err := filepath.Abs(filepath.Join("testdata", scenario))
				if err != nil {
					t.Fatal(err)
				}
				dir := t.TempDir()
				cmd := exec.Command("sipp", fmt.Sprintf("127.0.0.1:%d", g.sip), "-sf", file, "-m", "300", "-r", "100",
					"-l", "50", "-i", "127.0.0.1", "-p", fmt.Sprint(freePort(t)), "-t", transport, "-nostdin",
					"-timeout", "60s", "-timeout_error", "-trace_err", "-error_file", filepath.Join(dir, "errors"))
				cmd.Dir = dir
				out, err := cmd.CombinedOutput()
				if err != nil {
					errs, _ := os.ReadFile(filepath.Join(dir, "errors"))
					t.Fatalf("sipp: %v\n%s\n%s", err, tail(string(out), 3000), tail(string(errs), 3000))
				}
			})
		}
	}
}
