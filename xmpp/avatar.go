package xmpp

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/bridge/picture"
	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/mapping/xmltext"
	"github.com/porchlight-im/porchlight/xmpp/payload"
)

// The pictures of contacts: announced by eventing (XEP-0084) or, of clients
// without it, by presence with the picture in the card (XEP-0153).

// announce notes which picture leg's presentity has, and how she tells, and
// reports whether that is news. Her card counts only while eventing tells of
// none.
func (f *follows) announce(leg bridge.Leg, id string, event bool) (news bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	x := f.of(leg)
	if !event && x.event && x.avatar != "" || x.avatar == id && x.event == event {
		return false
	}
	news = x.avatar != id
	x.avatar, x.event = id, event
	return news
}

// announced reports whether id is still the picture of leg's presentity.
func (f *follows) announced(leg bridge.Leg, id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	x := f.all[leg]
	return x != nil && x.avatar == id
}

// dropAvatar makes the picture id, which was not to be had, news when it is
// announced again.
func (f *follows) dropAvatar(leg bridge.Leg, id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if x := f.all[leg]; x != nil && x.avatar == id {
		x.avatar = ""
	}
}

// announcement is one picture that the metadata of an avatar names.
type announcement struct{ id, url string }

// takeMetadata takes in the announcement of a contact's avatar, or its end.
func (c *component) takeMetadata(leg bridge.Leg, it mapping.Item, change bridge.ChangeID) {
	if c.port.pictures == nil {
		return
	}
	a, why := announcedBy(it.Payload, c.port.pictures.MaxBytes())
	if why != "" {
		c.port.metrics.refused.WithLabelValues("event").Inc()
		c.log.Debug("avatar not taken", "watcher", leg.Watcher, "presentity", leg.Presentity, "change", change, "err", why)
		return
	}
	if !c.follows.announce(leg, a.id, true) {
		return
	}
	switch {
	case a.id == "": // XEP-0084 §3.5
		c.hidePicture(leg, change)
	case c.showPicture(leg, a.id, change):
	case a.url != "":
		c.port.pictures.Want(a.url, func(p picture.Picture) {
			if p.ID == a.id && c.follows.announced(leg, a.id) {
				c.showPicture(leg, a.id, change)
			}
		})
	default:
		q := followQuestion(askPicture, leg)
		q.id = a.id
		c.ask(q)
	}
}

// announcedBy reads the metadata of an avatar (XEP-0084 §4.2.1): the first
// picture that is served by eventing, else the first at a URL; no id when there
// is no avatar any more. why tells what is wrong.
func announcedBy(metadata string, maxBytes int) (a announcement, why string) {
	if metadata == "" {
		return a, ""
	}
	var x xmltext.Scanner
	x.Reset([]byte(metadata))
	_, err := x.Next()
	if err != nil || string(x.Space) != payload.NodeAvatarMetadata || string(x.Local) != "metadata" {
		return a, "not an avatar's metadata"
	}
	none := true
	err = x.Each(func() error {
		if string(x.Local) == "info" || string(x.Local) == "pointer" {
			none = false
		}
		id, url := strings.ToLower(string(x.Attr("id"))), string(x.Attr("url"))
		n, err := strconv.Atoi(string(x.Attr("bytes")))
		switch {
		case string(x.Local) != "info":
		case !isSHA1(id) || err != nil || n <= 0:
			why = "its id or size is none"
		case n > maxBytes:
			why = "it is too large"
		case a.id == "", a.url != "" && url == "":
			a = announcement{id, url}
		}
		return x.Skip()
	})
	switch {
	case err != nil:
		return announcement{}, "not readable"
	case a.id != "" || none:
		return a, ""
	case why == "":
		why = "it is elsewhere"
	}
	return a, why
}

func isSHA1(id string) bool {
	_, err := hex.DecodeString(id)
	return len(id) == 2*sha1.Size && err == nil
}

// showPicture makes the picture called id the icon of leg's presentity, if it
// is here.
func (c *component) showPicture(leg bridge.Leg, id string, change bridge.ChangeID) (here bool) {
	p, _, ok := c.port.pictures.Get(id)
	if !ok {
		return false
	}
	icon := mapping.Icon(c.port.pictures.URL(id), id, p.Type, p.Bytes, p.Width, p.Height)
	if icon.URI == "" {
		c.log.Debug("avatar not shown: no URL to load it from", "presentity", leg.Presentity, "change", change)
		return true
	}
	c.port.hub.Deliver(leg, change, func(old *presence.State) *presence.State {
		return mapping.WithIcons(old, []presence.Icon{icon})
	})
	return true
}

func (c *component) hidePicture(leg bridge.Leg, change bridge.ChangeID) {
	c.port.hub.Deliver(leg, change, func(old *presence.State) *presence.State { return mapping.WithIcons(old, nil) })
}

// takePicture takes in a picture that was asked for, by itself (XEP-0084 §3.4)
// or in a card (XEP-0153 §3.2). rest are those of the others for whom it is no
// answer.
func (c *component) takePicture(q question, others []question, s *stanza) (rest []question) {
	change := bridge.NewChange()
	if q.id == "" {
		if s.card != nil {
			c.takeCard(append(others, q), s.card, change)
		}
		return nil
	}
	text := ""
	switch {
	case q.why == askPicture && len(s.items) > 0:
		text = contentOf(s.items[0].Payload)
	case q.why == askCard && s.card != nil:
		text = s.card.photo
	}
	if text == "" {
		c.log.Debug("no picture in the answer", "presentity", q.leg.Presentity, "change", change)
		c.unanswered(q)
		return others
	}
	why := c.storePicture(q.id, text)
	if why != "" {
		// Once for each hash: it is not asked for again until another is
		// announced.
		c.log.Debug("picture refused", "presentity", q.leg.Presentity, "change", change, "err", why)
		return others
	}
	if s.card != nil {
		c.takeCard(append(others, q), s.card, change)
	}
	for _, x := range append(others, q) {
		if c.follows.announced(x.leg, x.id) {
			c.showPicture(x.leg, x.id, change)
		}
	}
	return nil
}

// storePicture stores the picture whose base64 is text and whose hash has to be
// id; why tells what is wrong with it.
func (c *component) storePicture(id, text string) (why string) {
	// XEP-0084 §4.1, XEP-0153 §4.6: white space is ignored.
	data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		c.port.metrics.refused.WithLabelValues("picture").Inc()
		return "its base64 is wrong"
	}
	sum := sha1.Sum(data)
	if hex.EncodeToString(sum[:]) != id {
		c.port.metrics.refused.WithLabelValues("picture").Inc()
		return "it is not the one announced"
	}
	_, err = c.port.pictures.Put(data) // counts what it refuses
	if err != nil {
		return err.Error()
	}
	return ""
}

// maxCardText is the length in bytes of what is taken of a card.
const maxCardText = 2048

// takeCard takes in a contact's card for all who have asked, but for what is
// too long, or no page.
func (c *component) takeCard(qs []question, card *vcard, change bridge.ChangeID) {
	name := card.nick
	if name == "" {
		name = card.name
	}
	name, url := strings.TrimSpace(name), strings.TrimSpace(card.url)
	if len(name) > maxCardText {
		name = ""
	}
	if len(url) > maxCardText || !strings.HasPrefix(url, "http://") && !strings.HasPrefix(url, "https://") {
		url = ""
	}
	for _, q := range qs {
		c.port.hub.Deliver(q.leg, change, func(old *presence.State) *presence.State {
			return mapping.WithCard(old, presence.CIPID{DisplayName: name, Homepage: url})
		})
	}
}

// contentOf returns the text of an element.
func contentOf(element string) string {
	var x xmltext.Scanner
	x.Reset([]byte(element))
	_, err := x.Next()
	if err != nil {
		return ""
	}
	text, err := x.Content()
	if err != nil {
		return ""
	}
	return text
}

// takePhoto takes in the hash of a photo that a contact's presence has, "" for
// none (XEP-0153 §3.2): her card is asked for when it is news.
func (c *component) takePhoto(leg bridge.Leg, hash string, change bridge.ChangeID) {
	if c.port.pictures == nil || hash != "" && !isSHA1(hash) || !c.follows.announce(leg, hash, false) {
		return
	}
	if hash == "" {
		c.hidePicture(leg, change)
		return
	}
	if !c.showPicture(leg, hash, change) {
		q := followQuestion(askCard, leg)
		q.id = hash
		c.ask(q)
	}
}
