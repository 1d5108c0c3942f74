package simple

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/porchlight-im/porchlight/simple/digest"
	"github.com/porchlight-im/porchlight/simple/transport"
)

// Config is the sip section of the configuration file.
type Config struct {
	// Listen holds URLs such as "udp://127.0.0.1:5060"; schemes udp, tcp,
	// tls, ws and wss.
	Listen []string `yaml:"listen"`
	// Trusted names the peers whose P-Asserted-Identity counts (RFC 3325):
	// networks such as "10.0.0.0/8", addresses, or the names that a TLS
	// peer's certificate shows.
	Trusted []string `yaml:"trusted"`
	// Outbound is the URI of the next hop to SIP domains whose home is
	// elsewhere, such as "sip:proxy.example;transport=tcp;lr".
	Outbound string `yaml:"outbound"`
	// OutboundAuth answers the Digest challenges of that next hop.
	OutboundAuth Credentials `yaml:"outbound_auth"`
	// Auth is Digest authentication for all peers that are not trusted.
	// Without it they get 403.
	Auth AuthConfig `yaml:"auth"`
	// MinExpires is the shortest lifetime of a publication or subscription;
	// 0 means 60s. At most 1h counts for subscriptions (RFC 6665 §4.2.1.1).
	MinExpires time.Duration `yaml:"min_expires"`
	// MaxExpires is the longest that is granted; 0 means 24h.
	MaxExpires time.Duration `yaml:"max_expires"`
	// DefaultExpires is granted to who asks for none; 0 means 1h.
	DefaultExpires time.Duration `yaml:"default_expires"`
	// NotifyInterval is the shortest time between two NOTIFYs to one watcher
	// (RFC 3856 §6.10). Absent means 5s, and 0s at once.
	NotifyInterval *time.Duration `yaml:"notify_interval"`
	// PublishPerMinute is how many PUBLISHes of one presentity are taken in a
	// minute; more get 503 with Retry-After (RFC 3903 §9). 0 means any
	// number: the newest state wins, and watchers are spared by
	// NotifyInterval. Some phones take a 503 as a reason to publish no more.
	PublishPerMinute int `yaml:"publish_per_minute"`
	// TLS is for tls and wss listeners, and for connections to TLS peers.
	TLS TLSConfig `yaml:"tls"`
	// Advertise is the host name or address by which peers reach this
	// server, when it is not the address that it listens on.
	Advertise string `yaml:"advertise"`

	// Net makes sockets; nil means the operating system's. For tests.
	Net transport.Network `yaml:"-"`
}

// AuthConfig is Digest authentication (RFC 8760).
type AuthConfig struct {
	// Realm is shown to users; it is also the domain of user names without
	// one.
	Realm string `yaml:"realm"`
	// Users are passwords by user name, "romeo" or "romeo@sip.example".
	Users map[string]string `yaml:"users"`
	// UsersFile has one user a line, name and password divided by the first
	// colon; # begins a comment line.
	UsersFile string `yaml:"users_file"`
	// Algorithms are offered in this order; none means SHA-256 and MD5. Some
	// clients (baresip 1.0) take no challenge at all when one of several is
	// of an algorithm they do not know: for them, MD5 alone.
	Algorithms []string `yaml:"algorithms"`
}

// Credentials are a user's name and password; of Password and PasswordFile
// there is one. The zero value is none.
type Credentials struct {
	User     string `yaml:"user"`
	Password string `yaml:"password"`
	// PasswordFile holds nothing but the password; white space around it
	// does not count.
	PasswordFile string `yaml:"password_file"`
}

// TLSConfig names the PEM files of the server's certificate.
type TLSConfig struct {
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
	// CA are the authorities that peers' certificates are held against; ""
	// means the system's. With it clients may show a certificate.
	CA string `yaml:"ca"`
}

// The defaults of Config.
const (
	defaultMinExpires = time.Minute
	defaultMaxExpires = 24 * time.Hour
	defaultExpires    = time.Hour       // RFC 3856 §6.4
	defaultInterval   = 5 * time.Second // RFC 3856 §6.10
)

// withDefaults returns c with the defaults filled in.
func (c Config) withDefaults() Config {
	if c.MinExpires == 0 {
		c.MinExpires = defaultMinExpires
	}
	if c.MaxExpires == 0 {
		c.MaxExpires = defaultMaxExpires
	}
	if c.DefaultExpires == 0 {
		c.DefaultExpires = min(max(defaultExpires, c.MinExpires), c.MaxExpires)
	}
	if c.NotifyInterval == nil {
		d := defaultInterval
		c.NotifyInterval = &d
	}
	return c
}

// Validate returns every fault, each beginning with the path of its key. It
// reads the files that c names.
func (c Config) Validate() (errs []error) {
	bad := func(key, format string, args ...any) {
		errs = append(errs, errors.New(key+": "+fmt.Sprintf(format, args...)))
	}
	secure := false
	if len(c.Listen) == 0 {
		bad("listen", "no address to listen on, such as udp://127.0.0.1:5060")
	}
	for i, l := range c.Listen {
		u, err := url.Parse(l)
		if err != nil || u.Port() == "" || !strings.Contains(" udp tcp tls ws wss ", " "+u.Scheme+" ") {
			bad(fmt.Sprintf("listen[%d]", i), "%q is not udp, tcp, tls, ws or wss://host:port", l)
			continue
		}
		secure = secure || u.Scheme == "tls" || u.Scheme == "wss"
	}
	if secure && (c.TLS.Cert == "" || c.TLS.Key == "") {
		bad("tls", "tls and wss listeners need cert and key")
	}
	if _, err := c.TLS.load(); err != nil {
		bad("tls", "%v", err)
	}
	for i, t := range c.Trusted {
		if _, _, err := parseTrusted(t); err != nil {
			bad(fmt.Sprintf("trusted[%d]", i), "%v", err)
		}
	}
	if c.Outbound != "" && !strings.HasPrefix(c.Outbound, "sip:") && !strings.HasPrefix(c.Outbound, "sips:") {
		bad("outbound", "%q is not a SIP URI", c.Outbound)
	}
	if strings.ContainsAny(c.Advertise, " /<>\"@;") || strings.Contains(c.Advertise, ":") && !isAddr(c.Advertise) {
		bad("advertise", "%q is not a host name or address", c.Advertise)
	}
	if c.PublishPerMinute < 0 {
		bad("publish_per_minute", "%d is negative", c.PublishPerMinute)
	}
	errs = append(errs, c.validateOutboundAuth()...)
	errs = append(errs, c.Auth.validate()...)
	return append(errs, c.validateTimes()...)
}

func (c Config) validateTimes() (errs []error) {
	for _, t := range []struct {
		key string
		d   time.Duration
	}{{"min_expires", c.MinExpires}, {"max_expires", c.MaxExpires}, {"default_expires", c.DefaultExpires}} {
		if t.d < 0 || t.d%time.Second != 0 {
			errs = append(errs, fmt.Errorf("%s: %v is not a number of whole seconds", t.key, t.d))
		}
	}
	if c.NotifyInterval != nil && *c.NotifyInterval < 0 {
		errs = append(errs, fmt.Errorf("notify_interval: %v is negative", *c.NotifyInterval))
	}
	d := c.withDefaults()
	if d.MinExpires > d.MaxExpires {
		errs = append(errs, fmt.Errorf("min_expires: %v is longer than max_expires, %v", d.MinExpires, d.MaxExpires))
	} else if d.DefaultExpires < d.MinExpires || d.DefaultExpires > d.MaxExpires {
		errs = append(errs, fmt.Errorf("default_expires: %v is not between %v and %v", d.DefaultExpires, d.MinExpires, d.MaxExpires))
	}
	return errs
}

func (a AuthConfig) validate() (errs []error) {
	users, err := a.load()
	switch {
	case err != nil:
		errs = append(errs, fmt.Errorf("auth.users_file: %w", err))
	case len(users) > 0 && a.Realm == "":
		errs = append(errs, errors.New("auth.realm: missing"))
	case len(users) == 0 && a.Realm != "":
		errs = append(errs, errors.New("auth.users: none, and no users_file"))
	}
	if strings.ContainsAny(a.Realm, "\"\\\r\n") {
		errs = append(errs, fmt.Errorf("auth.realm: %q has quotes or control characters", a.Realm))
	}
	for i, name := range a.Algorithms {
		if !slices.Contains(digest.Offered, name) {
			errs = append(errs, fmt.Errorf("auth.algorithms[%d]: %q is not SHA-256 or MD5", i, name))
		}
	}
	return errs
}

// load returns all users with their passwords.
func (a AuthConfig) load() (map[string]string, error) {
	users := make(map[string]string, len(a.Users))
	for name, secret := range a.Users {
		users[name] = secret
	}
	if a.UsersFile == "" {
		return users, nil
	}
	b, err := os.ReadFile(a.UsersFile)
	if err != nil {
		return nil, fmt.Errorf("reading the users: %w", err)
	}
	sc := bufio.NewScanner(bytes.NewReader(b))
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, secret, ok := strings.Cut(line, ":")
		if !ok || name == "" || secret == "" {
			return nil, fmt.Errorf("line %d is not name:password", n)
		}
		users[name] = secret
	}
	return users, sc.Err()
}

func (c Config) validateOutboundAuth() (errs []error) {
	a := c.OutboundAuth
	if a == (Credentials{}) {
		return nil
	}
	if c.Outbound == "" {
		errs = append(errs, errors.New("outbound_auth: there is no outbound to show it to"))
	}
	if a.User == "" {
		errs = append(errs, errors.New("outbound_auth.user: missing"))
	}
	if (a.Password == "") == (a.PasswordFile == "") {
		errs = append(errs, errors.New("outbound_auth.password: exactly one of password and password_file is needed"))
	}
	if _, err := a.load(); err != nil {
		errs = append(errs, fmt.Errorf("outbound_auth.password_file: %w", err))
	}
	return errs
}

// load returns the password.
func (c Credentials) load() (string, error) {
	if c.PasswordFile == "" {
		return c.Password, nil
	}
	b, err := os.ReadFile(c.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	password := strings.TrimSpace(string(b))
	if password == "" {
		return "", fmt.Errorf("%s is empty", c.PasswordFile)
	}
	return password, nil
}

// load makes the TLS configuration, nil when there is none.
func (t TLSConfig) load() (*tls.Config, error) {
	if t == (TLSConfig{}) {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12} // RFC 9325 §3.1.1
	if t.Cert != "" || t.Key != "" {
		cert, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("loading the certificate: %w", err)
		}
		c.Certificates = []tls.Certificate{cert}
	}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("reading the authorities: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("no certificate in %s", t.CA)
		}
		c.RootCAs, c.ClientCAs = pool, pool
		c.ClientAuth = tls.VerifyClientCertIfGiven
	}
	return c, nil
}

// parseTrusted reads one value of Trusted: a network, or a TLS name.
func parseTrusted(s string) (netip.Prefix, string, error) {
	p, err := netip.ParsePrefix(s)
	if err == nil {
		return p.Masked(), "", nil
	}
	a, err := netip.ParseAddr(s)
	if err == nil {
		return netip.PrefixFrom(a, a.BitLen()), "", nil
	}
	if s == "" || strings.ContainsAny(s, " /:@") {
		return netip.Prefix{}, "", fmt.Errorf("%q is not a network, address or TLS name", s)
	}
	return netip.Prefix{}, strings.ToLower(s), nil
}

func isAddr(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}
