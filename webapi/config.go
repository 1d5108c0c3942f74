package webapi

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"sort"
	"strings"

	yaml "go.yaml.in/yaml/v4"

	"github.com/porchlight-im/porchlight/bridge/picture"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

// Config is the web section of the configuration.
type Config struct {
	// Listen is the host:port of the HTTP listener; 127.0.0.1:8080 when empty.
	Listen string `yaml:"listen"`
	// Tokens are the bearer tokens and whom each acts for. TokensFile names a
	// YAML or JSON file with more of the same shape.
	Tokens     map[string]Account `yaml:"tokens"`
	TokensFile string             `yaml:"tokens_file"`
	// Origins are the hosts (host or host:port) whose pages may open the
	// feed, besides the host of the feed itself. "*" allows every page.
	Origins []string `yaml:"origins"`
	Limits  Limits   `yaml:"limits"`
	// PublicURL is where the port is reached from outside, through a proxy
	// perhaps: the addresses of pictures begin with it. See Public.
	PublicURL string `yaml:"public_url"`

	// Pictures, when set, are served below /v1/pictures/.
	Pictures *picture.Store `yaml:"-"`
	// Open, when set, makes the listener instead of net.Listen.
	Open func(network, address string) (net.Listener, error) `yaml:"-"`
}

// Account is what a token stands for.
type Account struct {
	// Address is the one address that the token's holder watches and
	// publishes as, in the form of presence.Addr.
	Address string `yaml:"address"`
}

// Limits bound what clients may use. A zero field stands for its default.
type Limits struct {
	Connections     int `yaml:"connections"`       // feeds at once; 65536
	PerToken        int `yaml:"per_token"`         // feeds at once of one token; 64
	Subscriptions   int `yaml:"subscriptions"`     // addresses of one feed; 2000
	FramesPerMinute int `yaml:"frames_per_minute"` // from one client; 120
	FrameBytes      int `yaml:"frame_bytes"`       // largest frame from a client; 16384
}

// minFrameBytes leaves room for the longest address in a frame.
const minFrameBytes = 2048

func (l Limits) withDefaults() Limits {
	set := func(n *int, def int) {
		if *n == 0 {
			*n = def
		}
	}
	set(&l.Connections, 65536)
	set(&l.PerToken, 64)
	set(&l.Subscriptions, 2000)
	set(&l.FramesPerMinute, 120)
	set(&l.FrameBytes, 16<<10)
	return l
}

// Validate returns every fault, each beginning with its key path.
func (c *Config) Validate() (errs []error) {
	bad := func(path, format string, args ...any) {
		errs = append(errs, errors.New(path+": "+fmt.Sprintf(format, args...)))
	}
	_, _, err := net.SplitHostPort(c.listen())
	if err != nil {
		bad("listen", "%q is not host:port, such as 127.0.0.1:8080", c.Listen)
	}
	if c.PublicURL != "" {
		err := picture.CheckPublicURL(c.PublicURL)
		if err != nil {
			bad("public_url", "%v", err)
		}
	}
	errs = append(errs, validateTokens("tokens", c.Tokens)...)
	if c.TokensFile != "" {
		more, err := readTokens(c.TokensFile)
		if err != nil {
			bad("tokens_file", "%v", err)
		}
		errs = append(errs, validateTokens("tokens_file", more)...)
	}
	for i, o := range c.Origins {
		u, err := url.Parse("https://" + o)
		if o != "*" && (err != nil || u.Host != o || o == "") {
			bad(fmt.Sprintf("origins[%d]", i), "%q is not a host or host:port, without scheme or path", o)
		}
	}
	l := c.Limits
	for _, n := range []struct {
		key       string
		n, lo, hi int
	}{
		{"connections", l.Connections, 1, 1 << 22}, {"per_token", l.PerToken, 1, 1 << 22},
		{"subscriptions", l.Subscriptions, 1, 1 << 20}, {"frames_per_minute", l.FramesPerMinute, 1, 1 << 20},
		{"frame_bytes", l.FrameBytes, minFrameBytes, 1 << 20},
	} {
		if n.n != 0 && (n.n < n.lo || n.n > n.hi) {
			bad("limits."+n.key, "must be from %d to %d", n.lo, n.hi)
		}
	}
	return errs
}

func (c *Config) listen() string {
	if c.Listen == "" {
		return "127.0.0.1:8080"
	}
	return c.Listen
}

// Public returns where the port is reached from outside: PublicURL, or else
// http and the host and port that it listens on. It is "" when these name no
// place, as 0.0.0.0 and port 0 do not.
func (c *Config) Public() string {
	if c.PublicURL != "" {
		return c.PublicURL
	}
	host, port, err := net.SplitHostPort(c.listen())
	ip := net.ParseIP(host)
	if err != nil || host == "" || ip != nil && ip.IsUnspecified() || port == "" || port == "0" {
		return ""
	}
	return "http://" + net.JoinHostPort(host, port)
}

// validateTokens never names a token: they are secrets.
func validateTokens(path string, tokens map[string]Account) (errs []error) {
	addresses := make([]string, 0, len(tokens))
	for token, a := range tokens {
		if token == "" {
			errs = append(errs, fmt.Errorf("%s: a token is empty", path))
		}
		addresses = append(addresses, a.Address)
	}
	sort.Strings(addresses)
	for _, a := range addresses {
		_, err := presence.ParseAddr(a)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: the address of a token, %q, is %w", path, a, err))
		}
	}
	return errs
}

// readTokens reads a tokens_file; JSON is YAML too.
func readTokens(file string) (map[string]Account, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var m map[string]Account
	err = yaml.Load(b, &m, yaml.WithKnownFields())
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	return m, nil
}

// accounts are the tokens by their hash: the time a look-up takes then says
// nothing of how much of a guess was right.
type accounts map[[sha256.Size]byte]*account

// account is the holder of one token, and how many feeds he has open.
type account struct {
	addr  presence.Addr
	feeds int // guarded by Port.mu
}

func (a accounts) find(token string) *account { return a[sha256.Sum256([]byte(token))] }

// accounts reads the tokens of c, with their addresses as resolve knows them.
func (c *Config) accounts(resolve func(presence.Addr) presence.Addr) (accounts, error) {
	out := make(accounts, len(c.Tokens))
	add := func(tokens map[string]Account) error {
		for token, a := range tokens {
			addr, err := presence.ParseAddr(a.Address)
			if err != nil {
				return fmt.Errorf("address %q of a token: %w", a.Address, err)
			}
			out[sha256.Sum256([]byte(token))] = &account{addr: resolve(addr)}
		}
		return nil
	}
	err := add(c.Tokens)
	if err != nil || c.TokensFile == "" {
		return out, err
	}
	more, err := readTokens(c.TokensFile)
	if err != nil {
		return nil, err
	}
	return out, add(more)
}

// mayOpen reports whether a page of origin may open the feed at host. An
// empty origin is no browser (RFC 6455 §10.2).
func mayOpen(origin, host string, allowed []string) bool {
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	if strings.EqualFold(u.Host, host) {
		return true
	}
	for _, a := range allowed {
		if a == "*" || strings.EqualFold(a, u.Host) || strings.EqualFold(a, u.Hostname()) {
			return true
		}
	}
	return false
}
