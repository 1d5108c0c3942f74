//go:build linux

package main

import (
	"bytes"
	"strconv"
)

// foldEqual reports whether a is b but for the case of letters; b is in lower
// case.
func foldEqual(a []byte, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(b) {
		c := a[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != b[i] {
			return false
		}
	}
	return true
}

// trim takes white space and a CR off both ends.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t' || b[len(b)-1] == '\r') {
		b = b[:len(b)-1]
	}
	return b
}

// number reads the digits b begins with, n of them; n is 0 when there are none
// or the number does not fit.
func number(b []byte) (v uint32, n int) {
	var sum uint64
	for n < len(b) && b[n] >= '0' && b[n] <= '9' {
		sum = sum*10 + uint64(b[n]-'0')
		if sum > 1<<32-1 {
			return 0, 0
		}
		n++
	}
	return uint32(sum), n
}

// param returns the value of ;name= behind the name-addr v, or in all of v
// when it has no angle brackets. A parameter without a value gives an empty
// slice, one that is not there nil.
func param(v []byte, name string) []byte {
	if i := bytes.LastIndexByte(v, '>'); i >= 0 {
		v = v[i+1:]
	}
	return rawParam(v, name)
}

// rawParam is param without regard to angle brackets.
func rawParam(v []byte, name string) []byte {
	for {
		i := bytes.IndexByte(v, ';')
		if i < 0 {
			return nil
		}
		v = v[i+1:]
		p := v
		if e := bytes.IndexByte(v, ';'); e >= 0 {
			p = v[:e]
		}
		key, value := p, []byte{}
		if q := bytes.IndexByte(p, '='); q >= 0 {
			key, value = p[:q], p[q+1:]
		}
		if foldEqual(trim(key), name) {
			return trim(value)
		}
	}
}

// uriOf returns the URI of a name-addr or addr-spec.
func uriOf(v []byte) []byte {
	if i := bytes.IndexByte(v, '<'); i >= 0 {
		if j := bytes.IndexByte(v[i:], '>'); j > 0 {
			return v[i+1 : i+j]
		}
	}
	if i := bytes.IndexByte(v, ';'); i >= 0 {
		return trim(v[:i])
	}
	return trim(v)
}

// hostPort returns address and port of a SIP URI whose host is an IPv4
// literal.
func hostPort(uri []byte) (ip [4]byte, port int, ok bool) {
	_, r, found := bytes.Cut(uri, []byte(":"))
	if !found {
		return ip, 0, false
	}
	if j := bytes.IndexByte(r, '@'); j >= 0 {
		r = r[j+1:]
	}
	if k := bytes.IndexAny(r, ";?>"); k >= 0 {
		r = r[:k]
	}
	return addressPort(r)
}

// addressPort reads "127.0.0.1:5060"; without a port it is 5060.
func addressPort(r []byte) (ip [4]byte, port int, ok bool) {
	port = 5060
	if k := bytes.IndexByte(r, ':'); k >= 0 {
		p, n := number(r[k+1:])
		if n == 0 || p > 65535 {
			return ip, 0, false
		}
		port = int(p)
		r = r[:k]
	}
	for i := range ip {
		v, n := number(r)
		if n == 0 || v > 255 {
			return ip, 0, false
		}
		ip[i] = byte(v)
		r = r[n:]
		if i == 3 {
			break
		}
		if len(r) == 0 || r[0] != '.' {
			return ip, 0, false
		}
		r = r[1:]
	}
	return ip, port, len(r) == 0
}

const hexDigits = "0123456789abcdef"

// hex8 appends v as eight hexadecimal digits.
func hex8(b []byte, v uint32) []byte {
	for s := 28; s >= 0; s -= 4 {
		b = append(b, hexDigits[v>>uint(s)&15])
	}
	return b
}

// unhex reads lower-case hexadecimal digits, at most 16.
func unhex(b []byte) (v uint64, ok bool) {
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			v = v<<4 | uint64(c-'0')
		case c >= 'a' && c <= 'f':
			v = v<<4 | uint64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return v, true
}

func appendInt(b []byte, v int64) []byte { return strconv.AppendInt(b, v, 10) }
