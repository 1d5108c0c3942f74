// Command demo shows Porchlight at work: it starts the gateway, a Prosody with
// two Jabber users and a scripted SIP phone, lets them see each other, and
// tells what happens in plain words until Ctrl-C. `make demo` installs Prosody
// and runs it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	once := flag.Bool("once", false, "tell the story once and end, instead of repeating it until Ctrl-C")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := demo(ctx, *once)
	if err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
	fmt.Println("\nStopped. Nothing is left running.")
}

const gatewayConfig = `data: %s/data
log: {level: warn}
domains:
  - {name: sip.example, home: here, default: allow}
sip:
  listen: ["udp://127.0.0.1:%d", "tcp://127.0.0.1:%d"]
  trusted: ["127.0.0.1/32"]
  notify_interval: 0s
xmpp:
  components: [{server: "127.0.0.1:%d", domain: sip.example, secret: demo}]
  domains: [im.example]
web: {listen: "127.0.0.1:%d", tokens: {demo: {address: "sip:carol@sip.example"}}}
`

// demo starts everything below one folder, tells the story, and stops and
// removes all of it.
func demo(ctx context.Context, once bool) (err error) {
	dir, err := os.MkdirTemp("", "porchlight-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Println("Building Porchlight…")
	binary := filepath.Join(dir, "porchlight")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/porchlight-im/porchlight/cmd/porchlight").CombinedOutput()
	if err != nil {
		return fmt.Errorf("building porchlight: %w\n%s", err, out)
	}

	ports := pickPorts()
	jabberServer, err := startProsody(dir, ports)
	if err != nil {
		return err
	}
	defer jabberServer.stop()
	config := filepath.Join(dir, "porchlight.yaml")
	text := fmt.Sprintf(gatewayConfig, dir, ports.sip, ports.sip, ports.component, ports.web)
	err = os.WriteFile(config, []byte(text), 0o600)
	if err != nil {
		return err
	}
	gateway, err := start("porchlight", dir, binary, "serve", "--config", config)
	if err != nil {
		return err
	}
	defer gateway.stop()
	err = waitReady(ctx, ports.web, gateway)
	if err != nil {
		return err
	}
	say("Porchlight is the presence server of sip.example (SIP on 127.0.0.1:%d)", ports.sip)
	say("and a component of a Prosody that has juliet@im.example and romeo@im.example.")
	say("The live page: http://127.0.0.1:%d/#token=demo&watch=sip:alice@sip.example,xmpp:juliet@im.example", ports.web)
	fmt.Println()
	return tell(ctx, ports, once)
}

// say prints one line with the time of day.
func say(format string, args ...any) {
	fmt.Printf("%s  %s\n", time.Now().Format("15:04:05.000"), fmt.Sprintf(format, args...))
}
