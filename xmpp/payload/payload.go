// Package payload has the typed contents of XMPP stanzas that the gateway
// sends: service discovery (XEP-0030) with its verification string (XEP-0115),
// software version (XEP-0092), entity time (XEP-0202), delay (XEP-0203), idle
// time (XEP-0319) and stanza errors (RFC 6120 §8.3). All XML is written by
// appending.
package payload

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// The namespaces.
const (
	NSComponent = "jabber:component:accept"
	NSStream    = "http://etherx.jabber.org/streams"
	NSStreams   = "urn:ietf:params:xml:ns:xmpp-streams"
	NSStanzas   = "urn:ietf:params:xml:ns:xmpp-stanzas"
	NSInfo      = "http://jabber.org/protocol/disco#info"
	NSItems     = "http://jabber.org/protocol/disco#items"
	NSCaps      = "http://jabber.org/protocol/caps"
	NSPing      = "urn:xmpp:ping"
	NSVersion   = "jabber:iq:version"
	NSTime      = "urn:xmpp:time"
	NSLast      = "jabber:iq:last"
	NSDelay     = "urn:xmpp:delay"
	NSIdle      = "urn:xmpp:idle:1"
)

// AppendText appends s as character data or as the content of an attribute in
// either kind of quotes. Bytes that are not UTF-8 and characters that XML 1.0
// forbids become U+FFFD.
func AppendText(dst []byte, s string) []byte {
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf && escapes[c] == "" {
			i++
			continue
		}
		n, with := 1, ""
		if c < utf8.RuneSelf {
			with = escapes[c]
		} else {
			var r rune
			r, n = utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 || r == 0xFFFE || r == 0xFFFF {
				with = "\uFFFD"
			}
		}
		if with != "" {
			dst = append(dst, s[from:i]...)
			dst = append(dst, with...)
			from = i + n
		}
		i += n
	}
	return append(dst, s[from:]...)
}

var escapes = func() (t [utf8.RuneSelf]string) {
	for c := range 0x20 {
		t[c] = "\uFFFD"
	}
	t['\t'], t['\n'], t['\r'] = "&#9;", "&#10;", "&#13;"
	t['&'], t['<'], t['>'], t['"'], t['\''] = "&amp;", "&lt;", "&gt;", "&quot;", "&apos;"
	return t
}()

// AppendAttr appends a space, name and the quoted value.
func AppendAttr(dst []byte, name, value string) []byte {
	dst = append(dst, ' ')
	dst = append(dst, name...)
	dst = append(dst, '=', '\'')
	dst = AppendText(dst, value)
	return append(dst, '\'')
}

// AppendElement appends <name>text</name>.
func AppendElement(dst []byte, name, text string) []byte {
	dst = append(dst, '<')
	dst = append(dst, name...)
	dst = append(dst, '>')
	dst = AppendText(dst, text)
	dst = append(dst, '<', '/')
	dst = append(dst, name...)
	return append(dst, '>')
}

// stamp is the time format of XEP-0082, with whole seconds.
const stamp = "2006-01-02T15:04:05Z"

// AppendDelay appends <delay/> (XEP-0203 §4): the state is of the time t.
func AppendDelay(dst []byte, t time.Time) []byte {
	dst = append(dst, "<delay xmlns='"+NSDelay+"' stamp='"...)
	dst = t.UTC().AppendFormat(dst, stamp)
	return append(dst, "'/>"...)
}

// AppendIdle appends <idle/> (XEP-0319 §2): no input since t.
func AppendIdle(dst []byte, t time.Time) []byte {
	dst = append(dst, "<idle xmlns='"+NSIdle+"' since='"...)
	dst = t.UTC().AppendFormat(dst, stamp)
	return append(dst, "'/>"...)
}

// AppendTime appends the answer to a question for the time (XEP-0202 §3): now
// in UTC, and the entity's offset, of which seconds are dropped.
func AppendTime(dst []byte, now time.Time, offset time.Duration) []byte {
	dst = append(dst, "<time xmlns='"+NSTime+"'><tzo>"...)
	minutes := int(offset / time.Minute)
	sign := byte('+')
	if minutes < 0 {
		sign, minutes = '-', -minutes
	}
	dst = append(dst, sign)
	dst = appendTwo(dst, minutes/60)
	dst = append(dst, ':')
	dst = appendTwo(dst, minutes%60)
	dst = append(dst, "</tzo><utc>"...)
	dst = now.UTC().AppendFormat(dst, stamp)
	return append(dst, "</utc></time>"...)
}

func appendTwo(dst []byte, n int) []byte {
	if n < 10 {
		dst = append(dst, '0')
	}
	return strconv.AppendInt(dst, int64(n), 10)
}

// AppendLast appends the answer to a question for the uptime (XEP-0012 §5).
func AppendLast(dst []byte, d time.Duration) []byte {
	dst = append(dst, "<query xmlns='"+NSLast+"' seconds='"...)
	dst = strconv.AppendInt(dst, int64(d/time.Second), 10)
	return append(dst, "'/>"...)
}

// AppendVersion appends the answer to a question for the software version
// (XEP-0092 §2). The operating system is nobody's business.
func AppendVersion(dst []byte, name, version string) []byte {
	dst = append(dst, "<query xmlns='"+NSVersion+"'>"...)
	dst = AppendElement(dst, "name", name)
	dst = AppendElement(dst, "version", version)
	return append(dst, "</query>"...)
}

// AppendError appends a stanza error (RFC 6120 §8.3.2). condition is one of
// RFC 6120 §8.3.3; address is the new address of gone and redirect.
func AppendError(dst []byte, kind, condition, address, text string) []byte {
	dst = append(dst, "<error"...)
	dst = AppendAttr(dst, "type", kind)
	dst = append(dst, "><"...)
	dst = append(dst, condition...)
	dst = append(dst, " xmlns='"+NSStanzas+"'"...)
	if address == "" {
		dst = append(dst, '/', '>')
	} else {
		dst = append(dst, '>')
		dst = AppendText(dst, address)
		dst = append(dst, '<', '/')
		dst = append(dst, condition...)
		dst = append(dst, '>')
	}
	if text != "" {
		dst = append(dst, "<text xmlns='"+NSStanzas+"'>"...)
		dst = AppendText(dst, text)
		dst = append(dst, "</text>"...)
	}
	return append(dst, "</error>"...)
}
