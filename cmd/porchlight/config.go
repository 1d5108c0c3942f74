package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v4"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/bridge/picture"
	"github.com/porchlight-im/porchlight/bridge/policy"
	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/simple"
	"github.com/porchlight-im/porchlight/webapi"
	"github.com/porchlight-im/porchlight/xmpp"
)

// config is the configuration file. A section that is absent turns its port
// off.
type config struct {
	// Data is the directory of the embedded store; "" keeps all in memory.
	Data    string         `yaml:"data"`
	Log     logConfig      `yaml:"log"`
	Domains []domainConfig `yaml:"domains"`
	SIP     *simple.Config `yaml:"sip"`
	XMPP    *xmpp.Config   `yaml:"xmpp"`
	Web     *webapi.Config `yaml:"web"`
	// Pictures are the avatars: what is kept, and from where it is fetched.
	Pictures picture.Config `yaml:"pictures"`
	// Translation has the rules of domains that differ from the standard, by
	// the domain's name.
	Translation map[string]translationConfig `yaml:"translation"`
}

type logConfig struct {
	Level  string `yaml:"level"`  // error, warn, info, debug, trace
	Format string `yaml:"format"` // text, json
}

// domainConfig is one domain of the SIP side.
type domainConfig struct {
	Name string `yaml:"name"`
	// Home is "here" when Porchlight is the domain's presence server, and
	// "remote" when it lives behind sip.outbound.
	Home string `yaml:"home"`
	// Users is "any", or a file with one address or user name a line.
	Users string `yaml:"users"`
	// Default decides for a watcher without a rule: confirm, allow, block.
	Default string `yaml:"default"`
}

// exampleYAML is what `porchlight config example` prints; a test holds it
// against the structs.
//
//go:embed example.yaml
var exampleYAML []byte

// levelTrace is below debug: messages as they are on the wire.
const levelTrace = slog.Level(-8)

var logLevels = map[string]slog.Level{"": slog.LevelInfo, "error": slog.LevelError,
	"warn": slog.LevelWarn, "info": slog.LevelInfo, "debug": slog.LevelDebug, "trace": levelTrace}

// readConfig reads and checks the file. The error holds all faults at once.
func readConfig(file string) (*config, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	return parseConfig(file, b)
}

func parseConfig(file string, b []byte) (*config, error) {
	var doc yaml.Node
	err := yaml.Load(b, &doc)
	if err != nil && len(bytes.TrimSpace(b)) > 0 {
		return nil, &faults{file, loadFaults(err, nil)}
	}
	where := placesOf(&doc)
	c := &config{}
	var list []fault
	err = yaml.Load(b, c, yaml.WithKnownFields())
	if err != nil && len(bytes.TrimSpace(b)) > 0 {
		list = loadFaults(err, where)
	}
	for _, e := range c.validate() {
		path, msg, ok := strings.Cut(e.Error(), ": ")
		if !ok || strings.ContainsAny(path, " \t") {
			path, msg = "", e.Error()
		}
		list = append(list, fault{line: where.line(path), path: path, msg: msg})
	}
	if len(list) > 0 {
		return nil, &faults{file, list}
	}
	return c, nil
}

// knows reports whether the domain called name is configured.
func (c *config) knows(name string) bool {
	for _, d := range c.Domains {
		if domainName(d.Name) == name {
			return true
		}
	}
	return c.XMPP != nil && slices.ContainsFunc(c.XMPP.Domains, func(d string) bool { return domainName(d) == name })
}

// validate returns every fault, each beginning with its key path.
func (c *config) validate() (errs []error) {
	bad := func(path, format string, args ...any) {
		errs = append(errs, errors.New(path+": "+fmt.Sprintf(format, args...)))
	}
	if _, ok := logLevels[c.Log.Level]; !ok {
		bad("log.level", "%q is not error, warn, info, debug or trace", c.Log.Level)
	}
	if f := c.Log.Format; f != "" && f != "text" && f != "json" {
		bad("log.format", "%q is not text or json", f)
	}
	errs = append(errs, c.validateDomains()...)
	if c.SIP != nil {
		errs = append(errs, prefix("sip", c.SIP.Validate())...)
	}
	errs = append(errs, c.validateTranslation()...)
	if c.XMPP != nil {
		errs = append(errs, prefix("xmpp", c.XMPP.Validate())...)
	}
	if c.Web != nil {
		errs = append(errs, prefix("web", c.Web.Validate())...)
	}
	errs = append(errs, prefix("pictures", c.Pictures.Validate())...)
	return errs
}

func prefix(section string, errs []error) []error {
	for i, e := range errs {
		errs[i] = fmt.Errorf("%s.%w", section, e)
	}
	return errs
}

func (c *config) validateDomains() (errs []error) {
	bad := func(i int, key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("domains[%d].%s: %s", i, key, fmt.Sprintf(format, args...)))
	}
	seen := map[string]int{}
	for i, d := range c.Domains {
		name := strings.ToLower(d.Name)
		if name == "" || strings.ContainsAny(name, " @/:;<>\"") && net.ParseIP(strings.Trim(name, "[]")) == nil {
			bad(i, "name", "%q is not a domain name", d.Name)
		}
		if first, dup := seen[name]; dup {
			bad(i, "name", "%s is already domains[%d]", name, first)
		}
		seen[name] = i
		switch d.Home {
		case "", "here":
		case "remote":
			if c.SIP == nil || c.SIP.Outbound == "" {
				bad(i, "home", "a remote domain needs sip.outbound, the next hop to it")
			}
		default:
			bad(i, "home", "%q is not here or remote", d.Home)
		}
		if _, ok := defaults[d.Default]; !ok {
			bad(i, "default", "%q is not confirm, allow or block", d.Default)
		}
		if _, err := readUsers(d.Users); err != nil {
			bad(i, "users", "%v", err)
		}
	}
	if c.XMPP != nil {
		for i, name := range c.XMPP.Domains {
			if at, dup := seen[strings.ToLower(name)]; dup {
				errs = append(errs, fmt.Errorf("xmpp.domains[%d]: %s is already domains[%d], a SIP domain", i, name, at))
			}
		}
	}
	return errs
}

var defaults = map[string]policy.SubHandling{"": policy.Confirm, "confirm": policy.Confirm,
	"allow": policy.Allow, "block": policy.Block}

// readUsers reads a file of users, one a line; nil means any.
func readUsers(users string) (map[string]bool, error) {
	if users == "" || users == "any" {
		return nil, nil
	}
	b, err := os.ReadFile(users)
	if err != nil {
		return nil, fmt.Errorf("neither \"any\" nor a file that can be read: %w", err)
	}
	set := map[string]bool{}
	for n, line := range strings.Split(string(b), "\n") {
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if strings.Contains(line, "@") || strings.HasPrefix(line, "tel:") {
			if !strings.Contains(line, ":") {
				line = "sip:" + line
			}
			a, err := mapping.ParseSIP(line, "any.invalid")
			if err != nil {
				return nil, fmt.Errorf("%s line %d: %w", users, n+1, err)
			}
			line = a.User
		}
		set[line] = true
	}
	return set, nil
}

// directory makes the hub's directory from a configuration without faults.
func (c *config) directory() (*bridge.Directory, error) {
	var ds []bridge.Domain
	for _, d := range c.Domains {
		users, err := readUsers(d.Users)
		if err != nil {
			return nil, fmt.Errorf("domain %s: %w", d.Name, err)
		}
		rules, err := c.rules(domainName(d.Name))
		if err != nil {
			return nil, err
		}
		here := d.Home != "remote"
		dom := bridge.Domain{Name: domainName(d.Name), Scheme: presence.SIP, Here: here, Users: users, Default: defaults[d.Default], Rules: rules}
		if !here {
			dom.Port = "sip"
		}
		ds = append(ds, dom)
	}
	if c.XMPP != nil {
		for _, name := range c.XMPP.Domains {
			rules, err := c.rules(domainName(name))
			if err != nil {
				return nil, err
			}
			ds = append(ds, bridge.Domain{Name: domainName(name), Scheme: presence.XMPP, Port: "xmpp", Rules: rules})
		}
	}
	return bridge.NewDirectory(ds), nil
}

// domainName writes a domain as addresses have it: lower case, and in letters
// where the configuration has xn--.
func domainName(name string) string {
	i, err := mapping.ParseJID(name)
	if err != nil {
		return strings.ToLower(name)
	}
	return i.Host
}

// logger returns the logger that the configuration asks for.
func (c *config) logger(w io.Writer) *slog.Logger {
	opts := &slog.HandlerOptions{Level: logLevels[c.Log.Level]}
	if c.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}
