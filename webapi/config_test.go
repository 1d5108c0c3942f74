package webapi

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	yaml "go.yaml.in/yaml/v4"

	"github.com/porchlight-im/porchlight/bridge"
)

func TestConfig_Faults(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "tokens.json")
	err := os.WriteFile(file, []byte(`{"hush": {"address": "nobody"}}`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, yaml, fault string }{
		{"fine", `{listen: "127.0.0.1:0", tokens: {hush: {address: "sip:a@b.example"}}, origins: ["app.example:8443", "*"], limits: {per_token: 3}}`, ""},
		{"nothing", `{}`, ""},
		{"bad listener", `{listen: here}`, "listen:"},
		{"address", `{listen: ":1", tokens: {hush: {address: "tom"}}}`, "tokens: the address"},
		{"empty token", `{listen: ":1", tokens: {"": {address: "sip:a@b.example"}}}`, "tokens: a token is empty"},
		{"no file", `{listen: ":1", tokens_file: /no/such/file}`, "tokens_file:"},
		{"address in a file", `{listen: ":1", tokens_file: "` + file + `"}`, "tokens_file: the address"},
		{"origin with scheme", `{listen: ":1", origins: ["https://app.example"]}`, "origins[0]:"},
		{"origin with path", `{listen: ":1", origins: ["app.example", "app.example/x"]}`, "origins[1]:"},
		{"limits", `{listen: ":1", limits: {frame_bytes: 10}}`, "limits.frame_bytes:"},
		{"negative limits", `{listen: ":1", limits: {subscriptions: -1}}`, "limits.subscriptions:"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var c Config
			err := yaml.Load([]byte(tc.yaml), &c, yaml.WithKnownFields())
			if err != nil {
				t.Fatal(err)
			}
			err = errors.Join(c.Validate()...)
			if tc.fault == "" {
				if err != nil {
					t.Errorf("got %v", err)
				}
				return
			}
			if err == nil || !strings.HasPrefix(err.Error(), tc.fault) || strings.Contains(err.Error(), "hush") {
				t.Errorf("got %v, want %s…", err, tc.fault)
			}
		})
	}
}

// Tokens of the file count as those of the configuration.
func TestConfig_TokensFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens.yaml")
	err := os.WriteFile(file, []byte("more: {address: \"sip:alice@open.example\"}\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(c *Config) { c.TokensFile = file })
	res, _ := w.http("GET", "/v1/presence/"+alice, "more", "")
	if res.StatusCode != 200 {
		t.Errorf("got %d", res.StatusCode)
	}
}

// A port in use is told by New.
func TestNew_ListenerInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	hub, err := bridge.New(bridge.Config{Directory: bridge.NewDirectory(nil), Codec: jsonCodec})
	if err != nil {
		t.Fatal(err)
	}
	_, err = New(Config{Listen: l.Addr().String()}, hub, nil, nil, nil)
	if err == nil || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("got %v", err)
	}
}
