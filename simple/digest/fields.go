package digest

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Limits of a header field value.
const (
	maxValue  = 4 << 10
	maxParams = 32
)

var errNotDigest = errors.New("not the Digest scheme")

// fields are the parameters of a challenge or of credentials, by their name
// in lower case, without quotes and escapes.
type fields map[string]string

// parse reads a challenge or credentials of the Digest scheme. Another scheme
// gives errNotDigest.
func parse(s string) (fields, error) {
	s = trim(s)
	if len(s) > maxValue {
		return nil, errors.New("longer than 4 kB")
	}
	const scheme = "Digest"
	if len(s) <= len(scheme) || !strings.EqualFold(s[:len(scheme)], scheme) || !isSpace(s[len(scheme)]) {
		return nil, errNotDigest
	}
	f := fields{}
	rest := trim(s[len(scheme):])
	for rest != "" {
		name, val, tail, err := param(rest)
		if err != nil {
			return nil, err
		}
		if _, twice := f[name]; twice || len(f) == maxParams {
			return nil, fmt.Errorf("%s twice, or too many parameters", name)
		}
		f[name] = val
		tail = trim(tail)
		if tail != "" && tail[0] != ',' {
			return nil, fmt.Errorf("text after %s", name)
		}
		rest = strings.TrimLeft(tail, ", \t\r\n")
	}
	return f, nil
}

// param reads one name=value at the start of s.
func param(s string) (name, val, rest string, err error) {
	name, rest, ok := strings.Cut(s, "=")
	name = strings.ToLower(trim(name))
	if !ok || !isToken(name) {
		return "", "", "", errors.New("a parameter without a value")
	}
	rest = trim(rest)
	if !strings.HasPrefix(rest, `"`) {
		end := strings.IndexByte(rest, ',')
		if end < 0 {
			end = len(rest)
		}
		return name, trim(rest[:end]), rest[end:], nil
	}
	end := strings.IndexAny(rest[1:], `"\`) + 1
	if end > 0 && rest[end] == '"' {
		return name, rest[1:end], rest[end+1:], nil
	}
	var b strings.Builder
	for i := 1; i < len(rest); i++ {
		switch rest[i] {
		case '"':
			return name, b.String(), rest[i+1:], nil
		case '\\':
			i++
			if i == len(rest) {
				continue
			}
		}
		b.WriteByte(rest[i])
	}
	return "", "", "", fmt.Errorf("%s: quoted string without end", name)
}

// user returns the user name of credentials: username or username*.
func (f fields) user() (string, error) {
	name, plain := f["username"]
	long, ext := f["username*"]
	switch {
	case plain == ext:
		// RFC 7616 §3.4: both MUST be treated as an error.
		return "", errors.New("no username, or username and username* at once")
	case plain:
		return name, nil
	}
	// RFC 7616 §3.4: the notation of RFC 5987, charset'language'percent-text.
	parts := strings.SplitN(long, "'", 3)
	if len(parts) != 3 || !strings.EqualFold(parts[0], "UTF-8") {
		return "", errors.New("username*: not UTF-8''text")
	}
	name, err := url.PathUnescape(parts[2])
	if err != nil {
		return "", fmt.Errorf("username*: %w", err)
	}
	return name, nil
}

var quoter = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// quote writes a quoted string.
func quote(s string) string { return `"` + quoter.Replace(s) + `"` }

// quotable reports whether s can stand in a quoted string.
func quotable(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

func trim(s string) string { return strings.Trim(s, " \t\r\n") }

func isSpace(c byte) bool { return strings.IndexByte(" \t\r\n", c) >= 0 }

// isToken reports whether s is a token (RFC 3261 §25.1).
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
		if !letter && strings.IndexByte("-.!%*_+`'~", c) < 0 {
			return false
		}
	}
	return s != ""
}
