package xmpp

import (
	"runtime/debug"
	"strings"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/xmpp/payload"
)

const (
	softwareName = "Porchlight"
	capsNode     = "https://porchlight.im/"
)

// softwareVersion is the version of the main module.
var softwareVersion = func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "unknown"
	}
	return info.Main.Version
}()

// What the component, a virtual user's bare JID and each of his resources say
// of themselves (XEP-0030 §3). All users say the same, so that one <c/> fits
// them all.
var (
	gatewayInfo = payload.NewInfo("", "gateway", "simple", softwareName,
		payload.NSInfo, payload.NSItems, payload.NSLast, payload.NSPing, payload.NSTime, payload.NSVersion)
	accountInfo = payload.NewInfo("", "account", "registered", softwareName,
		payload.NSInfo, payload.NSItems, payload.NSPing, payload.NSVCard)
	// What an account says to who watches it (XEP-0163 §6.1).
	eventingInfo = accountInfo.With("pubsub", "pep", payload.NSPubSub,
		payload.NSPubSub+"#access-presence", payload.NSPubSub+"#filtered-notifications", payload.NSPubSub+"#last-published",
		payload.NSPubSub+"#persistent-items", payload.NSPubSub+"#presence-notifications", payload.NSPubSub+"#retrieve-items")
	userInfo = payload.NewInfo(capsNode, "client", "phone", softwareName,
		append(notifies(), payload.NSCaps, payload.NSInfo, payload.NSItems, payload.NSPing, payload.NSTime, payload.NSVersion)...)
)

// notifies are the features that ask for the events of contacts
// (XEP-0163 §4.3.2).
func notifies() (features []string) {
	for _, node := range payload.Nodes {
		features = append(features, node+payload.Notify)
	}
	return features
}

// iqErrors used here. A user who may not be known to the asker is
// service-unavailable whether he exists or not (RFC 6120 §8.3.3.19).
var (
	errUnavailable = mapping.StanzaError{Type: "cancel", Condition: "service-unavailable"}
	errNoFeature   = mapping.StanzaError{Type: "cancel", Condition: "feature-not-implemented"}
	errNotFound    = mapping.StanzaError{Type: "cancel", Condition: "item-not-found"}
	errBadRequest  = mapping.StanzaError{Type: "modify", Condition: "bad-request"}
	errNotAllowed  = mapping.StanzaError{Type: "cancel", Condition: "not-allowed"}
)

// handleIQ answers an iq. RFC 6120 §8.2.3: each get and set has one answer,
// results and errors have none.
func (c *component) handleIQ(s *stanza) {
	switch s.kind {
	case "get", "set":
	case "result", errorType:
		c.resync.pong(s)
		return
	default:
		c.answerError(s, errBadRequest)
		return
	}
	if s.local == "" || s.id == "" {
		c.answerError(s, errBadRequest) // RFC 6120 §8.2.3 rules 1 and 5
		return
	}
	user, resource := partsOf(s.to)
	info := &gatewayInfo
	if user != "" {
		to, err := c.port.addr(s.to)
		if err != nil || c.port.hub.Directory().Home(to.Addr) == nil {
			c.answerError(s, errUnavailable)
			return
		}
		info = &accountInfo
		if resource != "" {
			info = &userInfo
		}
	}
	if info == &accountInfo && c.answerAccount(s) {
		return
	}
	c.answerIQ(s, info)
}

// answerAccount answers what only a virtual user's account can be asked.
func (c *component) answerAccount(s *stanza) (done bool) {
	switch {
	case s.space == payload.NSPubSub:
		c.answerPubSub(s)
	case s.space == payload.NSVCard && s.kind == "get":
		c.answerCard(s)
	case s.space == payload.NSItems && s.kind == "get" && s.node == "":
		c.answerNodes(s)
	case s.space == payload.NSInfo && s.kind == "get" && s.node == "" && c.viewFor(s) != nil:
		c.answerIQ(s, &eventingInfo)
	default:
		return false
	}
	return true
}

// answerIQ answers a get or set for the entity that info describes.
func (c *component) answerIQ(s *stanza, info *payload.Info) {
	get := s.kind == "get"
	switch {
	case s.space == payload.NSInfo && get:
		if !info.Knows(s.node) {
			c.answerError(s, errNotFound) // XEP-0030 §7
			return
		}
		c.answerResult(s, func(dst []byte) []byte { return info.AppendQuery(dst, s.node) })
	case s.space == payload.NSItems && get:
		if s.node != "" {
			c.answerError(s, errNotFound)
			return
		}
		c.answerResult(s, func(dst []byte) []byte { return append(dst, "<query xmlns='"+payload.NSItems+"'/>"...) })
	case s.space == payload.NSPing && get:
		c.answerResult(s, nil)
	case s.space == payload.NSVersion && get && info != &accountInfo && info != &eventingInfo:
		c.answerResult(s, func(dst []byte) []byte { return payload.AppendVersion(dst, softwareName, softwareVersion) })
	case s.space == payload.NSTime && get && info != &accountInfo && info != &eventingInfo:
		c.answerTime(s, info)
	case s.space == payload.NSLast && get && info == &gatewayInfo:
		up := time.Since(c.started)
		c.answerResult(s, func(dst []byte) []byte { return payload.AppendLast(dst, up) })
	case knownSpaces[s.space]:
		c.answerError(s, errNoFeature)
	default:
		c.answerError(s, errUnavailable) // RFC 6120 §8.4
	}
}

var knownSpaces = map[string]bool{payload.NSInfo: true, payload.NSItems: true, payload.NSPing: true, payload.NSPubSub: true, payload.NSVCard: true}

// answerTime tells the gateway's time, or that of a virtual user to one who
// may see him: his offset is what he publishes (RFC 4480 §3.13).
func (c *component) answerTime(s *stanza, info *payload.Info) {
	now := time.Now()
	_, seconds := now.Zone()
	offset := time.Duration(seconds) * time.Second
	if info == &userInfo {
		from, err := c.port.addr(s.from)
		to, err2 := c.port.addr(s.to)
		if err != nil || err2 != nil {
			c.answerError(s, errUnavailable)
			return
		}
		v, view := c.port.hub.Standing(bridge.Leg{Watcher: from.Addr, Presentity: to.Addr})
		if v.State != bridge.Active || view == nil || view.State == nil {
			c.answerError(s, errUnavailable)
			return
		}
		offset = 0
		for _, p := range view.State.Persons {
			if p.TimeOffset != nil {
				offset = time.Duration(p.TimeOffset.Minutes) * time.Minute
			}
		}
	}
	c.answerResult(s, func(dst []byte) []byte { return payload.AppendTime(dst, now, offset) })
}

// answerResult answers an iq with a result whose content body appends.
func (c *component) answerResult(s *stanza, body func(dst []byte) []byte) {
	c.answers.add("iq", func(dst []byte) []byte {
		dst = appendHead(dst, "iq", s.to, s.from, "result", s.id)
		if body == nil {
			return append(dst, '/', '>')
		}
		dst = append(dst, '>')
		dst = body(dst)
		return append(dst, "</iq>"...)
	})
}

// answerError answers s, whatever stanza it is, with a stanza error.
func (c *component) answerError(s *stanza, e mapping.StanzaError) {
	kind := s.name
	if kind == "presence" {
		kind = errorType
	}
	c.answers.add(kind, func(dst []byte) []byte { return appendErrorStanza(dst, s, e) })
}

// handleMessage answers a message: there is no way to deliver one. RFC 6121
// §8.5.2.1.1: errors and what asks for no answer get none.
func (c *component) handleMessage(s *stanza) {
	switch s.kind {
	case "", "normal", "chat":
		c.answerError(s, errUnavailable)
	}
}

// appendPings appends a ping (XEP-0199 §4.2) to each domain.
func (c *component) appendPings(dst []byte, domains map[string]bool) []byte {
	for d := range domains {
		c.port.metrics.out("iq")
		dst = appendHead(dst, "iq", c.domain, d, "get", c.resync.ping(d))
		dst = append(dst, "><ping xmlns='"+payload.NSPing+"'/></iq>"...)
	}
	return dst
}

// partsOf splits a JID as it is on the wire (RFC 7622 §3.1: the first '/' and
// the first '@' before it).
func partsOf(jid string) (user, resource string) {
	jid, resource, _ = strings.Cut(jid, "/")
	user, _, ok := strings.Cut(jid, "@")
	if !ok {
		return "", resource
	}
	return user, resource
}

// hostOf returns the domain of a JID as it is on the wire.
func hostOf(jid string) string {
	jid, _, _ = strings.Cut(jid, "/")
	_, host, ok := strings.Cut(jid, "@")
	if !ok {
		return jid
	}
	return host
}

// bareOf returns a JID as it is on the wire without its resource.
func bareOf(jid string) string {
	jid, _, _ = strings.Cut(jid, "/")
	return jid
}
