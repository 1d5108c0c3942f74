package simple

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestConfigValidate(t *testing.T) {
	users := filepath.Join(t.TempDir(), "users")
	err := os.WriteFile(users, []byte("# people\nromeo:secret\njuliet@im.example:a:b\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	listen := []string{"udp://127.0.0.1:5060"}
	for _, c := range []struct {
		name string
		cfg  Config
		want []string // beginnings of the faults
	}{
		{"least", Config{Listen: listen}, nil},
		{"all", Config{Listen: []string{"udp://127.0.0.1:0", "tcp://[::1]:5060", "ws://127.0.0.1:80"},
			Trusted: []string{"10.0.0.0/8", "::1", "scscf.example"}, Outbound: "sip:proxy.example;lr", Advertise: "2001:db8::1",
			Auth: AuthConfig{Realm: "sip.example", UsersFile: users}}, nil},
		{"nothing", Config{}, []string{"listen: "}},
		{"bad URLs", Config{Listen: []string{"sctp://127.0.0.1:1", "udp://127.0.0.1", "::"}}, []string{"listen[0]: ", "listen[1]: ", "listen[2]: "}},
		{"tls without files", Config{Listen: []string{"tls://127.0.0.1:5061"}}, []string{"tls: "}},
		{"tls files", Config{Listen: listen, TLS: TLSConfig{CA: users}}, []string{"tls: no certificate"}},
		{"trusted", Config{Listen: listen, Trusted: []string{"10.0.0.0/99", ""}}, []string{"trusted[0]: ", "trusted[1]: "}},
		{"outbound", Config{Listen: listen, Outbound: "proxy.example"}, []string{"outbound: "}},
		{"outbound_auth", Config{Listen: listen, Outbound: "sip:proxy.example", OutboundAuth: Credentials{User: "a", Password: "b"}}, nil},
		{"outbound_auth without outbound", Config{Listen: listen, OutboundAuth: Credentials{User: "a", Password: "b"}}, []string{"outbound_auth: "}},
		{"outbound_auth without user", Config{Listen: listen, Outbound: "sip:proxy.example", OutboundAuth: Credentials{Password: "b"}}, []string{"outbound_auth.user: "}},
		{"outbound_auth without password", Config{Listen: listen, Outbound: "sip:proxy.example", OutboundAuth: Credentials{User: "a"}}, []string{"outbound_auth.password: "}},
		{"outbound_auth with two", Config{Listen: listen, Outbound: "sip:proxy.example", OutboundAuth: Credentials{User: "a", Password: "b", PasswordFile: users}}, []string{"outbound_auth.password: "}},
		{"outbound_auth file", Config{Listen: listen, Outbound: "sip:proxy.example", OutboundAuth: Credentials{User: "a", PasswordFile: "/nowhere"}}, []string{"outbound_auth.password_file: "}},
		{"outbound_auth empty file", Config{Listen: listen, Outbound: "sip:proxy.example", OutboundAuth: Credentials{User: "a", PasswordFile: os.DevNull}}, []string{"outbound_auth.password_file: "}},
		{"advertise", Config{Listen: listen, Advertise: "host:5060"}, []string{"advertise: "}},
		{"auth without realm", Config{Listen: listen, Auth: AuthConfig{Users: map[string]string{"a": "b"}}}, []string{"auth.realm: "}},
		{"auth without users", Config{Listen: listen, Auth: AuthConfig{Realm: "a"}}, []string{"auth.users: "}},
		{"auth file", Config{Listen: listen, Auth: AuthConfig{Realm: "a", UsersFile: "/nowhere"}}, []string{"auth.users_file: "}},
		{"times", Config{Listen: listen, MinExpires: -time.Second, MaxExpires: time.Millisecond, NotifyInterval: ptr(-time.Second)},
			[]string{"min_expires: ", "max_expires: ", "notify_interval: "}},
		{"publish_per_minute", Config{Listen: listen, PublishPerMinute: -1}, []string{"publish_per_minute: "}},
		{"order of times", Config{Listen: listen, MinExpires: time.Hour, MaxExpires: time.Minute}, []string{"min_expires: "}},
		{"default outside", Config{Listen: listen, DefaultExpires: time.Second}, []string{"default_expires: "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			errs := c.cfg.Validate()
			if len(errs) != len(c.want) {
				t.Fatalf("faults: %v", errs)
			}
			for i, err := range errs {
				if !strings.HasPrefix(err.Error(), c.want[i]) {
					t.Errorf("fault %q, want %q", err, c.want[i])
				}
			}
		})
	}
}

func TestOutboundAuthFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	err := os.WriteFile(file, []byte(" a b\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	password, err := Credentials{User: "u", PasswordFile: file}.load()
	if err != nil || password != "a b" {
		t.Errorf("%q, %v", password, err)
	}
}

func TestConfigDefaults(t *testing.T) {
	c := Config{}.withDefaults()
	if c.MinExpires != time.Minute || c.MaxExpires != 24*time.Hour || c.DefaultExpires != time.Hour || *c.NotifyInterval != 5*time.Second {
		t.Errorf("%+v", c)
	}
	c = Config{NotifyInterval: ptr(time.Duration(0)), MaxExpires: 10 * time.Minute}.withDefaults()
	if *c.NotifyInterval != 0 || c.DefaultExpires != 10*time.Minute {
		t.Errorf("%+v", c)
	}
}

func TestUsersFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users")
	err := os.WriteFile(file, []byte("# people\n\nromeo:s:e\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	users, err := AuthConfig{Users: map[string]string{"tybalt": "x"}, UsersFile: file}.load()
	if err != nil || len(users) != 2 || users["romeo"] != "s:e" || users["tybalt"] != "x" {
		t.Errorf("%v, %v", users, err)
	}
	err = os.WriteFile(file, []byte("romeo\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = AuthConfig{UsersFile: file}.load()
	if err == nil {
		t.Error("a line without a password was taken")
	}
}

func ptr[T any](v T) *T { return &v }
