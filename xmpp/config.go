package xmpp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/porchlight-im/porchlight/bridge/picture"
)

// Config is the xmpp section of the configuration.
type Config struct {
	// Components are the connections to XMPP servers, one for each domain of
	// the gateway.
	Components []Component `yaml:"components"`
	// Domains are the Jabber domains whose users may watch and be watched.
	// Stanzas from other domains are refused (RFC 8048 §8.1).
	Domains []string `yaml:"domains"`

	// Pictures, when set, keeps the avatars of both sides.
	Pictures *picture.Store `yaml:"-"`
	// Dial, when set, makes the connections instead of the net package.
	Dial func(ctx context.Context, network, address string) (net.Conn, error) `yaml:"-"`
}

// Component is one component connection (XEP-0114).
type Component struct {
	Server string `yaml:"server"` // host:port of the server's component listener
	Domain string `yaml:"domain"` // the domain that the server routes to us
	// Secret is shared with the server; better in a file of its own.
	Secret     string `yaml:"secret"`
	SecretFile string `yaml:"secret_file"`
}

// Validate returns every fault, each beginning with its key path.
func (c *Config) Validate() (errs []error) {
	bad := func(path, format string, args ...any) {
		errs = append(errs, errors.New(path+": "+fmt.Sprintf(format, args...)))
	}
	if len(c.Components) == 0 {
		bad("components", "at least one is needed")
	}
	seen := map[string]int{}
	for i := range c.Components {
		d := strings.ToLower(c.Components[i].Domain)
		if first, dup := seen[d]; dup {
			bad(fmt.Sprintf("components[%d].domain", i), "%s is already components[%d]", d, first)
		} else {
			seen[d] = i
		}
		for _, err := range c.Components[i].validate() {
			errs = append(errs, fmt.Errorf("components[%d].%w", i, err))
		}
	}
	if len(c.Domains) == 0 {
		bad("domains", "at least one Jabber domain is needed")
	}
	for i, name := range c.Domains {
		path := fmt.Sprintf("domains[%d]", i)
		if !domainName(name) {
			bad(path, "%q is not a domain name", name)
		}
		if at, dup := seen[strings.ToLower(name)]; dup {
			bad(path, "%s is the domain of components[%d]", name, at)
		}
	}
	return errs
}

func (c *Component) validate() (errs []error) {
	_, port, err := net.SplitHostPort(c.Server)
	if err != nil || port == "" {
		errs = append(errs, fmt.Errorf("server: %q is not host:port", c.Server))
	}
	if !domainName(c.Domain) {
		errs = append(errs, fmt.Errorf("domain: %q is not a domain name", c.Domain))
	}
	if (c.Secret == "") == (c.SecretFile == "") {
		errs = append(errs, errors.New("secret: exactly one of secret and secret_file is needed"))
	}
	if c.SecretFile != "" {
		_, err := c.secret()
		if err != nil {
			errs = append(errs, fmt.Errorf("secret_file: %w", err))
		}
	}
	return errs
}

// secret returns the shared secret, without the newline that ends its file.
func (c *Component) secret() (string, error) {
	if c.SecretFile == "" {
		return c.Secret, nil
	}
	b, err := os.ReadFile(c.SecretFile)
	if err != nil {
		return "", fmt.Errorf("reading the secret: %w", err)
	}
	s := strings.TrimRight(string(b), "\r\n")
	if s == "" {
		return "", fmt.Errorf("%s is empty", c.SecretFile)
	}
	return s, nil
}

func domainName(s string) bool {
	return s != "" && len(s) <= 253 && !strings.ContainsAny(s, " \t\r\n@/:;<>\"'&")
}
