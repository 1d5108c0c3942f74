package picture

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// Config is the pictures section of the configuration. A zero field stands
// for its default.
type Config struct {
	// MaxBytes is the largest size of one picture; 262144.
	MaxBytes int `yaml:"max_bytes"`
	// MaxTotal bounds all pictures together, each counted in whole blocks of
	// 4096 bytes; 67108864. What was not used for the longest time goes first.
	MaxTotal int64 `yaml:"max_total"`
	// MaxSide is the largest width and height in pixels; 4096. A quarter of
	// its square bounds the area.
	MaxSide int `yaml:"max_side"`
	// Fetch names the hosts from which the pictures that phones only point to
	// are fetched: a name, *.name for all names below it, or an address, each
	// with an optional :port (else 80 for http, 443 for https). Empty: none.
	// A connection goes to public addresses and to those that are listed
	// here as such.
	Fetch []string `yaml:"fetch"`

	// Dir keeps the pictures over restarts; "" keeps them in memory.
	Dir string `yaml:"-"`
	// PublicURL is where the web port is reached from outside, such as
	// https://gw.example; "" when it is not.
	PublicURL string `yaml:"-"`
	// RootCAs are whom servers' certificates are held against; nil: those of
	// the system.
	RootCAs *x509.CertPool `yaml:"-"`

	dial func(ctx context.Context, network, address string) (net.Conn, error) // of tests
}

// block is what every picture is counted in: a file system's block.
const block = 4096

func (c Config) withDefaults() Config {
	if c.MaxBytes == 0 {
		c.MaxBytes = 256 << 10
	}
	if c.MaxTotal == 0 {
		c.MaxTotal = max(64<<20, inBlocks(c.MaxBytes))
	}
	if c.MaxSide == 0 {
		c.MaxSide = 4096
	}
	c.PublicURL = strings.TrimRight(c.PublicURL, "/")
	return c
}

func inBlocks(bytes int) int64 { return (int64(bytes) + block - 1) / block * block }

// Validate returns every fault, each beginning with its key path.
func (c *Config) Validate() (errs []error) {
	bad := func(path, format string, args ...any) {
		errs = append(errs, errors.New(path+": "+fmt.Sprintf(format, args...)))
	}
	if c.MaxBytes != 0 && (c.MaxBytes < 1024 || c.MaxBytes > 16<<20) {
		bad("max_bytes", "must be from 1024 to %d", 16<<20)
	}
	if c.MaxTotal != 0 && (c.MaxTotal < inBlocks(c.withDefaults().MaxBytes) || c.MaxTotal > 1<<40) {
		bad("max_total", "must be from max_bytes (in whole blocks of %d) to %d", block, int64(1)<<40)
	}
	if c.MaxSide != 0 && (c.MaxSide < 16 || c.MaxSide > 16384) {
		bad("max_side", "must be from 16 to 16384")
	}
	for i, s := range c.Fetch {
		_, err := parseHost(s)
		if err != nil {
			bad(fmt.Sprintf("fetch[%d]", i), "%v", err)
		}
	}
	return errs
}

// CheckPublicURL returns nil when s may be a PublicURL: http or https with a
// host and perhaps a path, and nothing else.
func CheckPublicURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Hostname() == "":
		return fmt.Errorf("%q is not a URL such as https://presence.example", s)
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(s, "#"):
		return fmt.Errorf("%q must be a scheme, a host and perhaps a path, and nothing else", s)
	}
	return nil
}
