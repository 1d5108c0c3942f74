package xmpp

import (
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/xmpp/payload"
	"github.com/porchlight-im/porchlight/xmpp/sidechannel"
)

// appendHead appends "<name from=… to=… type=… id=…", without the end of the
// tag. from and to are always there: ejabberd ends the stream of a component
// that leaves one out. kind and id may be "".
func appendHead(dst []byte, name, from, to, kind, id string) []byte {
	dst = append(dst, '<')
	dst = append(dst, name...)
	dst = payload.AppendAttr(dst, "from", from)
	dst = payload.AppendAttr(dst, "to", to)
	if kind != "" {
		dst = payload.AppendAttr(dst, "type", kind)
	}
	if id != "" {
		dst = payload.AppendAttr(dst, "id", id)
	}
	return dst
}

// appendPresence appends a presence stanza with at most a status text.
func appendPresence(dst []byte, from, to, kind, id, text string) []byte {
	dst = appendHead(dst, "presence", from, to, kind, id)
	if text == "" {
		return append(dst, '/', '>')
	}
	dst = append(dst, '>')
	dst = payload.AppendElement(dst, "status", text)
	return append(dst, "</presence>"...)
}

// appendErrorStanza appends the answer of type error to s.
func appendErrorStanza(dst []byte, s *stanza, e mapping.StanzaError) []byte {
	dst = appendHead(dst, s.name, s.to, s.from, errorType, s.id)
	dst = append(dst, '>')
	dst = payload.AppendError(dst, e.Type, e.Condition, e.Address, e.Text)
	dst = append(dst, '<', '/')
	dst = append(dst, s.name...)
	return append(dst, '>')
}

func appendTo(dst []byte, to string) []byte { return payload.AppendAttr(dst, "to", to) }

// old is the age from which a state carries its time (XEP-0203).
const old = mapping.StampAge

// appendContent appends the children of a presence stanza that says p of the
// presentity whose URI is entity.
func appendContent(dst []byte, p *mapping.Presence, entity string, now time.Time) []byte {
	if p.Show != "" && !p.Unavailable {
		dst = payload.AppendElement(dst, "show", p.Show)
	}
	for _, n := range p.Status {
		dst = append(dst, "<status"...)
		if n.Lang != "" {
			dst = payload.AppendAttr(dst, "xml:lang", n.Lang)
		}
		dst = append(dst, '>')
		dst = payload.AppendText(dst, n.Text)
		dst = append(dst, "</status>"...)
	}
	if p.HasPriority && !p.Unavailable {
		dst = payload.AppendElement(dst, "priority", strconv.Itoa(int(p.Priority)))
	}
	if !p.Unavailable {
		dst = userInfo.AppendCaps(dst)
	}
	if !p.Stamp.IsZero() && now.Sub(p.Stamp) > old {
		// RFC 6121 §4.3.2 step 3: also when she is gone, since when.
		dst = payload.AppendDelay(dst, p.Stamp)
	}
	if !p.Idle.IsZero() && !p.Unavailable {
		dst = payload.AppendIdle(dst, p.Idle)
	}
	return appendExact(dst, p, entity)
}

// lineage is what tells that v comes from here. Of a presentity who shows
// nothing it has no change, which would tell whether she ever showed anything
// (RFC 5025 §3.2.1).
func lineage(v *bridge.View, p *mapping.Presence) mapping.Lineage {
	l := mapping.Lineage{Origin: v.Origin}
	if !p.Unavailable || len(p.Exact.Persons) > 0 {
		l.Change = string(v.Change)
	}
	return l
}

// appendExact appends the side channel, if p has something for it and it is
// not too large; then it takes it from p.
func appendExact(dst []byte, p *mapping.Presence, entity string) []byte {
	if p.Exact == nil {
		return dst
	}
	dst, err := sidechannel.Append(dst, p.Exact, entity, p.Lineage)
	if err != nil {
		p.Exact = nil
	}
	return dst
}

// What of a state is not in its stanza.
const (
	lostNothing byte = iota
	lostText         // a text was too long, and is cut
	lostExact        // the side channel was too large
	lostContent      // all but the availability was too large
)

// appendLimited is appendContent within the size that servers take, and tells
// what that has cost.
func appendLimited(dst []byte, p *mapping.Presence, entity string, now time.Time) (_ []byte, lost byte) {
	begin, exact := len(dst), p.Exact != nil
	dst = appendContent(dst, p, entity, now)
	switch {
	case len(dst)-begin+maxHead > maxOut:
		return dst[:begin], lostContent // the availability matters more
	case exact && p.Exact == nil:
		lost = lostExact
	case p.Cut && p.Exact == nil:
		lost = lostText
	}
	return dst, lost
}

// stanzaFormat is a View as presence stanzas, written once for all watchers:
// only the "to" differs between them. Each stanza is three chunks, see
// nextShown; each chunk is its length and its bytes.
var stanzaFormat = bridge.NewFormat("xmpp", func(dst []byte, v *bridge.View) []byte {
	now, entity := time.Now(), mapping.SIP(v.Presentity)
	for _, p := range v.Rules.ToXMPP(v.State, now) {
		if p.Resource == "" && !p.Unavailable {
			p.Resource = personResource
		}
		from, resource, ok := fullJID(v.Presentity, p.Resource)
		if !ok {
			continue // the writer has found out by itself
		}
		if p.Exact != nil && p.Lineage == (mapping.Lineage{}) {
			p.Lineage = lineage(v, &p)
		}
		body, lost := appendLimited(nil, &p, entity, now)
		var rest []byte
		flag := byte('+')
		if p.Unavailable {
			flag = '-'
			rest = payload.AppendAttr(rest, "type", unavailable)
		}
		dst = appendChunk(dst, append([]byte{flag, lost}, resource...))
		dst = appendChunk(dst, payload.AppendAttr([]byte("<presence"), "from", from))
		rest = append(rest, '>')
		rest = append(rest, body...)
		dst = appendChunk(dst, append(rest, presenceEnd...))
	}
	return dst
})

// presenceEnd ends each stanza of stanzaFormat.
const presenceEnd = "</presence>"

// personResource is the resource of a person without tuples: available
// presence comes from a full JID (RFC 6121 §4.7).
const personResource = "person"

// maxHead is more than the start tag of any stanza: two full JIDs of 3071
// bytes, escaped, and its other attributes.
const maxHead = 40_000

// shown is one stanza of a View: the resource that it shows, and what comes
// before and after the "to" attribute.
type shown struct {
	resource     string
	available    bool
	lost         byte
	before, rest []byte
}

// nextShown takes the next stanza off b, which stanzaFormat has written.
func nextShown(b []byte) (s shown, left []byte) {
	resource, b := nextChunk(b)
	s.available, s.lost = resource[0] == '+', resource[1]
	s.resource = string(resource[2:])
	s.before, b = nextChunk(b)
	s.rest, b = nextChunk(b)
	return s, b
}

func appendChunk(dst, b []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

func nextChunk(b []byte) (chunk, left []byte) {
	n, size := binary.Uvarint(b)
	b = b[size:]
	return b[:n], b[n:]
}

// fullJID returns the full JID of resource, and the resource itself. A
// resource that not every server takes becomes one made of its digest, the
// same each time. ok is false when a itself has no JID.
func fullJID(a presence.Addr, resource string) (jid, used string, ok bool) {
	jid, ok = mapping.FullJID(presence.Instance{Addr: a, Resource: resource})
	if ok && !newer(resource) {
		return jid, resource, true
	}
	sum := sha1.Sum([]byte(resource))
	used = "r-" + hex.EncodeToString(sum[:8])
	jid, ok = mapping.FullJID(presence.Instance{Addr: a, Resource: used})
	return jid, used, ok
}

// newer reports whether s has characters beyond the Basic Multilingual Plane,
// such as emoji. ejabberd drops stanzas with such a resource: it prepares by
// the older stringprep of RFC 3920, which knows Unicode 3.2.
func newer(s string) bool {
	for _, r := range s {
		if r > 0xFFFF {
			return true
		}
	}
	return false
}
