//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
)

// options are the flags that every scenario has.
type options struct {
	Target        string   `help:"The server's address, an IPv4 literal." default:"127.0.0.1:5060"`
	Transport     string   `help:"udp or tcp." enum:"udp,tcp" default:"udp"`
	ServerPID     []int    `name:"server-pid" help:"Root processes of the server: CPU and memory of their trees are reported."`
	ServerPIDFile []string `name:"server-pidfile" help:"Files whose first line is such a process."`
	Label         string   `help:"Copied to the output."`
	Identity      bool     `help:"Send P-Asserted-Identity (RFC 3325): the server trusts us and wants to know who asks." default:"true" negatable:""`
	Body          string   `help:"small: PIDF, about 300 bytes; full: RPID, about 2.2 kB." enum:"small,full" default:"small"`

	Domain  string   `help:"The presentities' domain." default:"example.org"`
	User    string   `help:"What presentities' names begin with." default:"p"`
	Run     string   `help:"In Call-IDs and user names; random when left out."`
	Stable  bool     `help:"User names without the run: the same in every run."`
	Expires int      `help:"Of publications and subscriptions, in seconds." default:"3600"`
	Event   string   `help:"Event package." default:"presence"`
	Accept  string   `help:"Accept of SUBSCRIBE." default:"application/pidf+xml"`
	Header  []string `help:"A further header line for PUBLISH and SUBSCRIBE." sep:"none"`

	Bind       string        `help:"Our address." default:"127.0.0.1"`
	Links      int           `help:"Sockets or connections per engine." default:"8"`
	Engines    int           `help:"Event loops, each on its own processor." default:"1"`
	TCPListen  bool          `name:"tcp-listen" help:"TCP: Contact names a port that we listen on, not the connection's own; the server connects back."`
	Sockbuf    int           `help:"Our socket buffers, in bytes." default:"16777216"`
	Datagram   int           `help:"Receive buffer per datagram, in bytes." default:"16384"`
	T1         time.Duration `name:"t1" help:"SIP timer T1." default:"500ms"`
	Timeout    time.Duration `help:"A transaction is given up after (Timer F)." default:"32s"`
	WaitMax    time.Duration `help:"A round that waits for all watchers is given up after." default:"10s"`
	OutOfOrder int           `help:"The answer to a NOTIFY with a lower CSeq: 500 or 200." default:"500"`
	SetupConc  int           `help:"Transactions in flight while setting up." default:"64"`
	Cleanup    bool          `help:"Unsubscribe and remove publications at the end." default:"true" negatable:""`
	CPUProfile string        `name:"cpuprofile" help:"Write a CPU profile of the generator there." type:"path"`
}

// loop are the flags of scenarios with a measured load.
type loop struct {
	Conc int           `help:"Closed loop: units in flight." default:"32"`
	Rate float64       `help:"Open loop: units per second; 0: closed loop."`
	Dur  time.Duration `help:"Measured time." default:"10s"`
	Warm time.Duration `help:"Unmeasured time of the same load before." default:"1s"`
}

// config is what the flags mean.
func (o *options) config() (*config, error) {
	target, err := netip.ParseAddrPort(o.Target)
	if err != nil || !target.Addr().Is4() {
		return nil, fmt.Errorf("the target is %q, not an IPv4 address and port", o.Target)
	}
	bind, err := netip.ParseAddr(o.Bind)
	if err != nil || !bind.Is4() {
		return nil, fmt.Errorf("our address is %q, not IPv4", o.Bind)
	}
	if o.Engines < 1 || o.Links < 1 || o.SetupConc < 1 || o.T1 <= 0 {
		return nil, fmt.Errorf("engines, links, setup-conc and t1 must be at least one")
	}
	c := &config{
		target: newSockaddr(target.Addr().As4(), int(target.Port())), tcp: o.Transport == "tcp", tcpListen: o.TCPListen,
		bind: bind.As4(), sockbuf: o.Sockbuf, links: o.Links, engines: o.Engines, datagram: o.Datagram,
		run: o.Run, domain: o.Domain, user: o.User, stable: o.Stable, full: o.Body == "full", identity: o.Identity,
		expires: o.Expires, t1: int64(o.T1), timeout: int64(o.Timeout), waitMax: int64(o.WaitMax),
		outOfOrder: o.OutOfOrder, event: o.Event, accept: o.Accept,
	}
	if c.run == "" {
		c.run = strconv.FormatInt(time.Now().UnixNano()/1000%(1<<40), 36)
	}
	for _, h := range o.Header {
		c.extra += h + "\r\n"
	}
	return c, nil
}

// pids returns the root processes of the server.
func (o *options) pids() ([]int, error) {
	pids := append([]int{}, o.ServerPID...)
	for _, file := range o.ServerPIDFile {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading the server's process id: %w", err)
		}
		line, _, _ := strings.Cut(string(b), "\n")
		pid, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			return nil, fmt.Errorf("%s does not begin with a process id: %w", file, err)
		}
		pids = append(pids, pid)
	}
	return pids, nil
}
