package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/bridge/picture"
	"github.com/porchlight-im/porchlight/bridge/store"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/simple"
	"github.com/porchlight-im/porchlight/simple/pidf"
	"github.com/porchlight-im/porchlight/webapi"
	"github.com/porchlight-im/porchlight/xmpp"
)

type serveCmd struct {
	Config string `help:"The configuration file; without it, a SIP server and web feed for trying out, on loopback." type:"path" placeholder:"FILE"`
}

func (c *serveCmd) Run(ctx context.Context, s streams) error {
	cfg, token := tryOutConfig()
	if c.Config != "" {
		var err error
		cfg, err = readConfig(c.Config)
		if err != nil {
			return &exitError{exitUsage, err}
		}
	}
	g, err := newGateway(cfg, cfg.logger(s.err))
	if err != nil {
		return err
	}
	g.describe(s.out)
	if c.Config == "" {
		fmt.Fprintf(s.out, "No --config: this is for trying out, on loopback, in memory.\nOpen http://%s/#token=%s in a browser, or make a configuration: porchlight config example\n", g.web.Addr(), token)
	}
	// Memory that is never touched costs nothing, but lets the collector wait
	// for as much garbage: with few users the heap is so small that it ran all
	// the time, for a fifth of the CPU. With many it makes no difference.
	ballast := make([]byte, 96<<20)
	defer runtime.KeepAlive(ballast)
	return g.run(ctx)
}

// tryOutConfig is what serve uses without a file: everything on loopback, in
// memory, with one domain whose watchers are all allowed. The token is new
// each time.
func tryOutConfig() (c *config, token string) {
	token = rand.Text()
	c, err := parseConfig("built-in", []byte(`
domains: [{name: localhost, home: here, default: allow}]
sip: {listen: ["udp://127.0.0.1:5060", "tcp://127.0.0.1:5060"], trusted: ["127.0.0.1/32"], notify_interval: 0s}
web: {listen: "127.0.0.1:8080", tokens: {`+token+`: {address: "sip:you@localhost"}}}
`))
	if err != nil {
		panic(err) // a test runs it
	}
	return c, token
}

// port is what the gateway needs of each network's port.
type port interface {
	bridge.Port
	// Ready returns nil when the port is serving.
	Ready() error
}

// gateway is the whole product, wired: one hub and its ports.
type gateway struct {
	cfg   *config
	log   *slog.Logger
	hub   *bridge.Hub
	pics  *picture.Store
	ports []port
	sip   *simple.Port
	web   *webapi.Port
}

// newGateway wires cfg. Listeners are open, so that a port in use is told at
// once, but nothing is served before run.
func newGateway(cfg *config, log *slog.Logger) (*gateway, error) {
	dir, err := cfg.directory()
	if err != nil {
		return nil, err
	}
	var st store.Store
	if cfg.Data != "" {
		st, err = store.Open(cfg.Data, log)
		if err != nil {
			return nil, fmt.Errorf("opening the store in %s: %w", cfg.Data, err)
		}
	}
	codec := bridge.Codec{
		Append: func(dst []byte, s *presence.State) []byte { return pidf.Append(dst, s, "") },
		Decode: pidf.Decode,
	}
	hub, err := bridge.New(bridge.Config{Directory: dir, Log: log, Store: st, Codec: codec})
	if err != nil {
		return nil, fmt.Errorf("loading the stored state: %w", err)
	}
	g := &gateway{cfg: cfg, log: log, hub: hub}
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	err = g.openPictures(reg)
	if err == nil {
		err = g.addPorts(reg)
	}
	if err != nil {
		return nil, errors.Join(err, hub.Close())
	}
	return g, nil
}

// openPictures opens the store of pictures and gives it to the ports that use
// it.
func (g *gateway) openPictures(reg *prometheus.Registry) error {
	c := g.cfg.Pictures
	if g.cfg.Data != "" {
		c.Dir = filepath.Join(g.cfg.Data, "pictures")
	}
	if g.cfg.Web != nil {
		c.PublicURL = g.cfg.Web.Public()
	}
	if c.PublicURL == "" && g.cfg.XMPP != nil {
		g.log.Warn("pictures of Jabber users have no address for phones and pages: web is off, or web.public_url is needed because web.listen names no host")
	}
	s, err := picture.Open(c, g.log, reg)
	if err != nil {
		return fmt.Errorf("opening the store of pictures: %w", err)
	}
	g.pics = s
	if g.cfg.Web != nil {
		g.cfg.Web.Pictures = s
	}
	if g.cfg.XMPP != nil {
		g.cfg.XMPP.Pictures = s
	}
	return nil
}

func (g *gateway) addPorts(reg *prometheus.Registry) error {
	if g.cfg.SIP != nil {
		p, err := simple.New(*g.cfg.SIP, g.hub, g.log, reg)
		if err != nil {
			return fmt.Errorf("starting the SIP port: %w", err)
		}
		g.sip = p
		g.add(p)
	}
	if g.cfg.XMPP != nil {
		p, err := xmpp.New(*g.cfg.XMPP, g.hub, g.log, reg)
		if err != nil {
			return fmt.Errorf("starting the XMPP port: %w", err)
		}
		g.add(p)
	}
	if g.cfg.Web != nil {
		p, err := webapi.New(*g.cfg.Web, g.hub, g.log, reg, g.ready)
		if err != nil {
			return fmt.Errorf("starting the web port: %w", err)
		}
		g.web = p
		g.add(p)
	}
	if len(g.ports) == 0 {
		return errors.New("nothing to serve: configure at least one of sip, xmpp and web")
	}
	return nil
}

func (g *gateway) add(p port) {
	g.ports = append(g.ports, p)
	g.hub.Register(p)
}

// ready reports each port's state; nil errors are ready.
func (g *gateway) ready() map[string]error {
	m := make(map[string]error, len(g.ports))
	for _, p := range g.ports {
		m[p.Name()] = p.Ready()
	}
	return m
}

// run serves until ctx ends or a port fails, then stops all ports and closes
// the hub, which writes what is still queued.
func (g *gateway) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(g.ports))
	var wg sync.WaitGroup
	for i, p := range g.ports {
		wg.Go(func() {
			defer cancel()
			err := p.Run(ctx)
			if err != nil && ctx.Err() == nil {
				errs[i] = fmt.Errorf("%s port: %w", p.Name(), err)
			}
		})
	}
	wg.Wait()
	g.pics.Close()
	g.log.Info("stopped")
	return errors.Join(append(errs, g.hub.Close())...)
}

// describe tells what is on and what is off, in plain words.
func (g *gateway) describe(w io.Writer) {
	fmt.Fprintln(w, "Porchlight", version())
	on := func(name, what string) { fmt.Fprintf(w, "  %-8s %s\n", name, what) }
	if g.cfg.Data == "" {
		on("store", "off: state is lost when this process ends (set data: DIR)")
	} else {
		on("store", g.cfg.Data)
	}
	for _, d := range g.cfg.Domains {
		home := "presence server of this domain"
		if d.Home == "remote" {
			home = "reached through " + g.cfg.SIP.Outbound
		}
		on("domain", d.Name+": "+home)
	}
	if g.sip == nil {
		on("sip", "off")
	} else {
		on("sip", strings.Join(g.sip.Addrs(), " "))
	}
	if g.cfg.XMPP == nil {
		on("xmpp", "off")
	} else {
		for _, c := range g.cfg.XMPP.Components {
			on("xmpp", "component "+c.Domain+" of "+c.Server)
		}
	}
	if g.web == nil {
		on("web", "off")
	} else {
		on("web", "http://"+g.web.Addr()+"/")
	}
}
