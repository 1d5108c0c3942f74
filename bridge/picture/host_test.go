package picture

import (
	"net/netip"
	"net/url"
	"testing"
)

func TestMayFetch(t *testing.T) {
	s := open(t, Config{Fetch: []string{"icons.example", "*.cdn.example", "alt.example:8443", "192.0.2.1", "[2001:db8::1]:81",
		"Bücher.example"}})
	for uri, want := range map[string]bool{
		"https://icons.example/a":         true,
		"http://icons.example/a":          true,
		"https://ICONS.example.:443/a":    true,
		"http://icons.example:443/a":      false, // not its scheme's port
		"https://icons.example:8443/a":    false,
		"https://x.icons.example/a":       false,
		"https://icons.example.evil/a":    false,
		"https://evil-icons.example/a":    false,
		"https://icons.example@evil/a":    false,
		"https://evil/icons.example":      false,
		"https://evil#@icons.example/":    false,
		"https://a.cdn.example/":          true,
		"https://a.b.cdn.example/":        true,
		"https://cdn.example/":            false,
		"https://xcdn.example/":           false,
		"https://.cdn.example/":           false,
		"https://alt.example:8443/":       true,
		"https://alt.example/":            false,
		"http://192.0.2.1/":               true,
		"http://192.0.2.1:81/":            false,
		"http://[::ffff:192.0.2.1]/":      true, // the same address
		"http://192.0.2.1.cdn.example/":   true, // a name
		"http://3221225985/":              false,
		"http://0xc0.0.2.1/":              false,
		"http://[2001:db8::1]:81/":        true,
		"http://[2001:db8::1%25eth0]:81/": false,
		"http://[2001:db8::1]/":           false,
		"https://xn--bcher-kva.example/":  true,
		"https://b%C3%BCcher.example/":    true,
		"https://BÜCHER.example/":         true,
		"ftp://icons.example/":            false,
		"https:icons.example":             false,
	} {
		u, err := url.Parse(uri)
		if err != nil {
			t.Fatalf("%s: %v", uri, err)
		}
		if got := s.fetcher.mayFetch(u) == nil; got != want {
			t.Errorf("%s: %v", uri, got)
		}
	}
}

func TestIsPublic(t *testing.T) {
	for addr, want := range map[string]bool{
		"8.8.8.8": true, "93.184.216.34": true, "172.32.0.1": true, "2606:2800:220:1::1": true,
		"127.0.0.1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false,
		"100.64.0.1": false, "0.0.0.0": false, "0.1.2.3": false, "224.0.0.1": false, "255.255.255.255": false,
		"240.0.0.1": false, "192.0.2.1": false, "198.18.0.1": false, "198.51.100.1": false, "203.0.113.9": false,
		"192.0.0.8": false, "::": false, "::1": false, "fe80::1": false, "fc00::1": false, "fd12::1": false,
		"ff02::1": false, "2001:db8::1": false, "2001::1": false, "2002:7f00:1::": false, "64:ff9b::7f00:1": false,
		"fec0::1": false, "::7f00:1": false, "3fff::1": false,
	} {
		if got := isPublic(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
}

// The address of a connection is checked as it is, however it is written.
func TestControl(t *testing.T) {
	s := open(t, Config{Fetch: []string{"10.0.0.1", "10.0.0.2:8080", "fd00::1"}})
	for address, want := range map[string]bool{
		"8.8.8.8:80": true, "10.0.0.1:80": true, "10.0.0.1:99": true, "10.0.0.2:8080": true, "10.0.0.2:80": false,
		"10.0.0.3:80": false, "127.0.0.1:80": false, "[::ffff:127.0.0.1]:80": false, "[::ffff:10.0.0.1]:80": true,
		"[fd00::1]:443": true, "[fd00::1%eth0]:443": true, "[fd00::2]:443": false, "nonsense": false,
	} {
		if got := s.fetcher.control("tcp", address, nil) == nil; got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}
