package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	yaml "go.yaml.in/yaml/v4"

	"github.com/porchlight-im/porchlight/mapping"
)

func TestExampleConfigIsFine(t *testing.T) {
	_, err := parseConfig("example.yaml", exampleYAML)
	if err != nil {
		t.Fatal(err)
	}
}

// Every key of the words works under its name.
func TestConfigKeys(t *testing.T) {
	c, err := parseConfig("x", []byte(`
data: ./data
log: {level: info, format: text}
domains:
  - {name: sip.example, home: here, users: any, default: confirm}
sip:
  listen: ["udp://127.0.0.1:5060", "tcp://127.0.0.1:5060"]
  trusted: ["127.0.0.1/32"]
  outbound: "sip:127.0.0.1:5080;transport=udp;lr"
  auth: {realm: sip.example, users: {romeo: secret}}
  min_expires: 60s
  notify_interval: 5s
xmpp:
  components: [{server: "127.0.0.1:5347", domain: sip.example, secret: s3cret}]
  domains: [im.example]
web: {listen: "127.0.0.1:8080", tokens: {demo: {address: "sip:juliet@sip.example"}}}
`))
	if err != nil {
		t.Fatal(err)
	}
	if c.SIP == nil || c.XMPP == nil || c.Web == nil || c.Data != "./data" || len(c.Domains) != 1 {
		t.Errorf("sections are missing: %+v", c)
	}
}

// All faults come at once, each with its line and key path.
func TestConfigFaults(t *testing.T) {
	_, err := parseConfig("bad.yaml", []byte(`log: {level: loud, format: xml}
domains:
  - {name: sip.example, home: there, default: maybe}
  - {name: sip.example, home: remote, users: /no/such/file}
sip:
  listen: ["quic://127.0.0.1:5060"]
  colour: red
  min_expires: soon
unknown: 1
web: {public_url: gw.example}
pictures: {max_bytes: 1, fetch: ["https://x.example"]}
`))
	if err == nil {
		t.Fatal("no fault found")
	}
	for _, want := range []string{
		"line 1: log.level:", "line 1: log.format:", "line 3: domains[0].home:", "line 3: domains[0].default:",
		"line 4: domains[1].name:", "line 4: domains[1].home:", "line 4: domains[1].users:",
		"line 7: sip.colour: unknown key", "line 8: sip.min_expires:", "line 9: unknown: unknown key",
		"line 6: sip.listen[0]:", "line 10: web.public_url:", "line 11: pictures.max_bytes:", "line 11: pictures.fetch[0]:",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in:\n%v", want, err)
		}
	}
}

func TestConfigNotYAML(t *testing.T) {
	for _, text := range []string{"a: [", "\t- x", "a: b: c", "- just a list"} {
		_, err := parseConfig("bad.yaml", []byte(text))
		if err == nil || !strings.Contains(err.Error(), "bad.yaml") {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

// The example names every key that the structs have.
func TestExampleIsComplete(t *testing.T) {
	var doc yaml.Node
	err := yaml.Load(exampleYAML, &doc)
	if err != nil {
		t.Fatal(err)
	}
	text := string(exampleYAML)
	for _, key := range keysOf(reflect.TypeFor[config](), map[reflect.Type]bool{}) {
		if !strings.Contains(text, key+":") && !strings.Contains(text, key+",") && !strings.Contains(text, "or "+key) {
			t.Errorf("config example does not mention %q", key)
		}
	}
}

// keysOf returns the yaml keys of a struct type and all it holds.
func keysOf(t reflect.Type, seen map[reflect.Type]bool) (keys []string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || seen[t] {
		return nil
	}
	seen[t] = true
	for i := range t.NumField() {
		f := t.Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if key != "" && key != "-" {
			keys = append(keys, key)
			keys = append(keys, keysOf(f.Type, seen)...)
		}
	}
	return keys
}

func TestUsersFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users")
	err := os.WriteFile(file, []byte("# people\nalice\nsip:bob@sip.example\ncarol@sip.example # late\ntel:+49-30-123\n\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	users, err := readUsers(file)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{"alice": true, "bob": true, "carol": true, "+4930123": true}
	if !reflect.DeepEqual(users, want) {
		t.Errorf("got %v, want %v", users, want)
	}
}

// The command line answers as its help says: exit code, and what to do.
func TestCommandLine(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.yaml"), filepath.Join(dir, "bad.yaml")
	err := os.WriteFile(good, exampleYAML, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	err = os.WriteFile(bad, []byte("sip: {colour: red}"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--help"}, exitOK, "porchlight config example"},
		{[]string{"serve", "--help"}, exitOK, "--config"},
		{[]string{"version"}, exitOK, "porchlight"},
		{[]string{"config", "example"}, exitOK, "domains:"},
		{[]string{"config", "check", good}, exitOK, "is fine"},
		{[]string{"config", "check", bad}, exitUsage, "line 1: sip.colour: unknown key"},
		{[]string{"config", "check", filepath.Join(dir, "none")}, exitUsage, "no such file"},
		{[]string{"serve", "--config", bad}, exitUsage, "sip.colour"},
		{[]string{"dance"}, exitUsage, "--help"},
		{nil, exitUsage, "--help"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			var out, errOut bytes.Buffer
			code := run(context.Background(), c.args, &out, &errOut)
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			if all := out.String() + errOut.String(); !strings.Contains(all, c.says) {
				t.Errorf("does not say %q:\n%s", c.says, all)
			}
		})
	}
}

// A domain is found however it is spelled.
func TestDomainSpelling(t *testing.T) {
	c, err := parseConfig("x", []byte("domains: [{name: XN--BCHER-KVA.example}, {name: Sip.Example}]"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.directory()
	if err != nil {
		t.Fatal(err)
	}
	for _, uri := range []string{"sip:a@bücher.example", "sip:a@xn--bcher-kva.example", "sip:a@SIP.example"} {
		i, err := mapping.ParseSIP(uri, "")
		if err != nil || d.Home(i.Addr) == nil {
			t.Errorf("%s (%v) has no home: %v", uri, i.Addr, err)
		}
	}
}

// The pictures lie under data, begin with the public URL, and go to the ports
// that use them.
func TestOpenPictures(t *testing.T) {
	data := t.TempDir()
	c, err := parseConfig("x", []byte("data: "+data+`
domains: [{name: sip.example}]
xmpp: {components: [{server: "127.0.0.1:5347", domain: sip.example, secret: s}], domains: [im.example]}
web: {public_url: "https://gw.example/"}
`))
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{cfg: c, log: c.logger(io.Discard)}
	err = g.openPictures(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	defer g.pics.Close()
	p, err := g.pics.Put([]byte("GIF89a\x01\x00\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02L\x01\x00;"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = os.Stat(filepath.Join(data, "pictures", p.FileName()))
	if err != nil || g.pics.URL(p.ID) != "https://gw.example/v1/pictures/"+p.FileName() || c.Web.Pictures != g.pics || c.XMPP.Pictures != g.pics {
		t.Errorf("stored %v, URL %s, web %v, xmpp %v", err, g.pics.URL(p.ID), c.Web.Pictures != nil, c.XMPP.Pictures != nil)
	}
	c.Data = filepath.Join(data, "pictures", p.FileName()) // a file
	if g.openPictures(prometheus.NewRegistry()) == nil {
		t.Error("a directory below a file is opened")
	}
}
