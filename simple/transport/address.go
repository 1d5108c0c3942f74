package transport

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Address is a name-addr or addr-spec with its header parameters, as in From,
// Contact, Route or P-Asserted-Identity (RFC 3261 §20.10).
type Address struct {
	Display string // without quotes and escapes
	URI     string // as it came
	Parsed  sip.Uri
	// Params are the header parameters; names are in lower case, values
	// without quotes.
	Params sip.HeaderParams
}

// Param returns a header parameter by its lower-case name, "" without.
func (a *Address) Param(name string) string {
	v, _ := a.Params.Get(name)
	return v
}

// ParseAddress reads one name-addr or addr-spec with parameters.
func ParseAddress(s string) (Address, error) {
	var a Address
	s = strings.Trim(s, " \t")
	rest, err := a.display(s)
	if err != nil {
		return a, err
	}
	if strings.HasPrefix(rest, "<") {
		end := strings.IndexByte(rest, '>')
		if end < 0 {
			return a, errors.New("address without closing >")
		}
		a.URI, rest = rest[1:end], rest[end+1:]
	} else {
		// RFC 3261 §20.10: without <> all parameters are header
		// parameters, and the URI has no comma and no question mark.
		end := strings.IndexByte(rest, ';')
		if end < 0 {
			end = len(rest)
		}
		a.URI, rest = strings.TrimRight(rest[:end], " \t"), rest[end:]
		if strings.ContainsAny(a.URI, "?,") {
			return a, errors.New("URI with ? or , not in <>")
		}
	}
	err = ParseURI(a.URI, &a.Parsed)
	if err != nil {
		return a, err
	}
	a.Params, err = parseParams(rest)
	return a, err
}

// display reads the display name and returns what follows.
func (a *Address) display(s string) (string, error) {
	if strings.HasPrefix(s, `"`) {
		text, n, err := unquote(s)
		if err != nil {
			return s, err
		}
		a.Display = text
		s = strings.TrimLeft(s[n:], " \t")
		if !strings.HasPrefix(s, "<") {
			return s, errors.New("display name without <URI>")
		}
		return s, nil
	}
	i := strings.IndexByte(s, '<')
	if i < 0 {
		return s, nil
	}
	a.Display = strings.TrimRight(s[:i], " \t")
	for j := 0; j < len(a.Display); j++ {
		c := a.Display[j]
		if !isTokenByte(c) && !isSpace(c) && c < 0x80 {
			return s, errors.New("display name needs quotes")
		}
	}
	return s[i:], nil
}

// unquote reads the quoted string at the start of s and says how long it is.
func unquote(s string) (string, int, error) {
	end := 1
	escaped := false
	for end < len(s) && s[end] != '"' {
		if s[end] == '\\' {
			escaped = true
			end++
		}
		end++
	}
	if end >= len(s) {
		return "", 0, errors.New("quoted string without end")
	}
	text := s[1:end]
	if !escaped {
		return text, end + 1, nil
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' {
			i++
		}
		b.WriteByte(text[i])
	}
	return b.String(), end + 1, nil
}

// parseParams reads *(SEMI name [EQUAL value]); s is empty or begins with ;
// after white space. Names come out in lower case (RFC 3261 §7.3.1).
func parseParams(s string) (sip.HeaderParams, error) {
	var out sip.HeaderParams
	for {
		s = strings.TrimLeft(s, " \t")
		if s == "" {
			return out, nil
		}
		if s[0] != ';' {
			return nil, errors.New("text after the value")
		}
		s = s[1:]
		end := indexOutside(s, ';')
		name, val, err := parseParam(strings.Trim(s[:end], " \t"))
		if err != nil {
			return nil, err
		}
		if len(out) >= maxParams {
			return nil, errors.New("too many parameters")
		}
		if !out.Has(name) {
			out = append(out, sip.HeaderKV{K: name, V: val})
		} else if name == "tag" || name == "branch" {
			return nil, fmt.Errorf("parameter %s twice", name)
		}
		s = s[end:]
	}
}

func parseParam(s string) (name, val string, err error) {
	name, val, _ = strings.Cut(s, "=")
	name = strings.ToLower(strings.TrimRight(name, " \t"))
	if !isToken(name) {
		return "", "", errors.New("malformed parameter")
	}
	val = strings.TrimLeft(val, " \t")
	if strings.HasPrefix(val, `"`) {
		text, n, err := unquote(val)
		if err != nil {
			return "", "", err
		}
		if n != len(val) {
			return "", "", errors.New("text after a quoted parameter")
		}
		return name, text, nil
	}
	return name, val, nil
}

// ParseURI reads a URI of any scheme. For sip and sips the parts are filled
// in and checked; the rest of the others is in Raw.
func ParseURI(s string, u *sip.Uri) error {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || !isScheme(scheme) {
		return errors.New("URI without scheme")
	}
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] == '<' || s[i] == '>' || s[i] == '"' || s[i] == 0x7f {
			return errors.New("URI with a character that needs escaping")
		}
	}
	if rest == "" {
		return errors.New("empty URI")
	}
	scheme = strings.ToLower(scheme)
	if scheme != "sip" && scheme != "sips" {
		// sipgo takes letters only in a scheme; the rest is opaque anyway.
		err := sip.ParseUri("urn:"+rest, u)
		u.Scheme = scheme
		return err
	}
	err := sip.ParseUri(s, u)
	if err != nil {
		return err
	}
	if u.Host == "" || u.Wildcard || u.Port < 0 || u.Port > 65535 {
		return errors.New("URI with a bad host or port")
	}
	for i := range u.UriParams {
		u.UriParams[i].K = strings.ToLower(u.UriParams[i].K)
	}
	return nil
}

func isScheme(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i] | 0x20
		if ('a' > c || c > 'z') && (i == 0 || strings.IndexByte("0123456789+-.", s[i]) < 0) {
			return false
		}
	}
	return s != ""
}

// parseVia reads one Via value. RFC 3261 §20.42: white space is allowed
// around each part.
func parseVia(s string) (*sip.ViaHeader, error) {
	s = tighten(s)
	proto, rest, ok := strings.Cut(s, " ")
	if !ok {
		return nil, errors.New("no sent-by")
	}
	name, version, _ := strings.Cut(proto, "/")
	version, transport, _ := strings.Cut(version, "/")
	if !strings.EqualFold(name, "SIP") || version != "2.0" || !isToken(transport) {
		return nil, errors.New("no SIP/2.0/transport")
	}
	end := indexOutside(rest, ';')
	host, port, err := splitHostPort(rest[:end])
	if err != nil {
		return nil, err
	}
	params, err := parseParams(rest[end:])
	if err != nil {
		return nil, err
	}
	return &sip.ViaHeader{
		ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: strings.ToUpper(transport),
		Host: host, Port: port, Params: params,
	}, nil
}

// splitHostPort reads host [":" port]; an IPv6 reference loses its brackets.
// The port is 0 when there is none.
func splitHostPort(s string) (string, int, error) {
	host, port := s, ""
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", 0, errors.New("IPv6 address without ]")
		}
		host, port = s[1:end], s[end+1:]
		if port != "" && port[0] != ':' {
			return "", 0, errors.New("text after an IPv6 address")
		}
		_, err := netip.ParseAddr(host)
		if err != nil {
			return "", 0, errors.New("bad IPv6 address")
		}
		port = strings.TrimPrefix(port, ":")
	} else {
		host, port, _ = strings.Cut(s, ":")
		if !isHostname(host) {
			return "", 0, errors.New("bad host")
		}
	}
	if port == "" {
		return host, 0, nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", 0, errors.New("bad port")
	}
	return host, int(n), nil
}

func isHostname(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !isTokenByte(c) {
			return false
		}
	}
	return s != ""
}

// joinHostPort writes host:port with brackets where IPv6 needs them.
func joinHostPort(host string, port int) string {
	return net.JoinHostPort(host, strconv.Itoa(port))
}
