package mapping

import (
	"errors"
	"fmt"
	"strings"
)

// telUser returns the user part that stands for what follows "tel:", in the
// domain numbers (RFC 3261 §19.1.6).
func telUser(subscriber, numbers string) (string, error) {
	if numbers == "" {
		return "", errors.New("a telephone number, and no domain has numbers")
	}
	plain, err := unescapeURI(subscriber)
	if err != nil {
		return "", fmt.Errorf("number: %w", err)
	}
	user, ok := phoneUser(plain)
	if !ok {
		return "", errors.New("not a telephone number")
	}
	if user[0] != '+' && !strings.Contains(user, ";phone-context=") {
		// RFC 3966 §5.1.5: local numbers MUST have a phone-context.
		return "", errors.New("a local number without phone-context")
	}
	return user, nil
}

// phoneUser returns the normal form of a telephone-subscriber, in which equal
// numbers are equal strings (RFC 3966 §4): no visual separators, lower case,
// and of the parameters only those that tell one subscriber from another,
// ext or isub and phone-context, in this order. Parameters about routing or
// the caller's verification say nothing about who it is. ok is false when s
// is no telephone number.
func phoneUser(s string) (user string, ok bool) {
	number, params, _ := strings.Cut(s, ";")
	number, ok = digits(number)
	if !ok || params == "" {
		return number, ok
	}
	var extension, context string
	for params != "" {
		var p string
		p, params, _ = strings.Cut(params, ";")
		name, value, _ := strings.Cut(strings.ToLower(p), "=")
		switch name {
		case "ext":
			extension = ";ext=" + strip(value)
		case "isub":
			extension = ";isub=" + value
		case "phone-context":
			// RFC 3966 §4: compared digit by digit, or as a host name.
			if strings.HasPrefix(value, "+") {
				value = strip(value)
			}
			context = ";phone-context=" + strings.TrimSuffix(value, ".")
		}
	}
	if number[0] == '+' {
		context = "" // a global number needs none
	}
	return number + extension + context, true
}

// digits returns a global or local number without its visual separators
// (RFC 3966 §5.1.1).
func digits(s string) (number string, ok bool) {
	local := s == "" || s[0] != '+'
	found, plain := false, true
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			found = true
		case c == '+' && i == 0:
		case separator(c):
			plain = false
		case local && (c == '*' || c == '#' || c >= 'a' && c <= 'f'):
			found = true // RFC 3966 §5.1.3
		case local && c >= 'A' && c <= 'F':
			found, plain = true, false
		default:
			return "", false
		}
	}
	if plain || !found {
		return s, found
	}
	return strip(strings.ToLower(s)), true
}

func separator(c byte) bool { return c == '-' || c == '.' || c == '(' || c == ')' }

// strip removes visual separators.
func strip(s string) string {
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		if !separator(s[i]) {
			b = append(b, s[i])
		}
	}
	return string(b)
}
