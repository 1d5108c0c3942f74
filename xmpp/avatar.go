package xmpp

import (
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/bridge/picture"
	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/mapping/xmltext"
	"github.com/porchlight-im/porchlight/xmpp/payload"
)

// pictureOf returns the image that stands for the person of s, as far as it is
// here. What may be fetched is; then is called when it has come.
func (p *Port) pictureOf(s *presence.State, then func()) (picture.Picture, bool) {
	uri := mapping.IconOf(s)
	if uri == "" || p.pictures == nil {
		return picture.Picture{}, false
	}
	found, ok := p.pictures.Of(uri)
	if !ok {
		p.pictures.Want(uri, func(picture.Picture) { then() })
	}
	return found, ok
}

// metadataItem announces an avatar (XEP-0084 §4.2).
func metadataItem(p picture.Picture) mapping.Item {
	b := payload.AppendAttr([]byte("<metadata xmlns='"+payload.NodeAvatarMetadata+"'><info"), "id", p.ID)
	b = payload.AppendAttr(b, "type", p.Type)
	b = payload.AppendAttr(b, "bytes", strconv.Itoa(p.Bytes))
	b = payload.AppendAttr(b, "width", strconv.Itoa(p.Width))
	b = payload.AppendAttr(b, "height", strconv.Itoa(p.Height))
	return mapping.Item{Node: payload.NodeAvatarMetadata, ID: p.ID, Payload: string(append(b, "/></metadata>"...))}
}

// takeMetadata takes in the announcement of a contact's avatar, or its end.
func (c *component) takeMetadata(leg bridge.Leg, it mapping.Item, change bridge.ChangeID) {
	if c.port.pictures == nil {
		return
	}
	id, ok := announced(it.Payload)
	switch {
	case !ok:
		c.log.Debug("avatar not understood", "watcher", leg.Watcher, "presentity", leg.Presentity, "change", change)
	case id == "":
		c.port.hub.Deliver(leg, change, func(old *presence.State) *presence.State { return mapping.WithIcons(old, nil) })
	default:
		c.showPicture(leg, id, change, func(from, to string) {
			c.askItems(question{why: askPicture, leg: leg, to: to, id: id}, from, payload.NodeAvatarData, id)
		})
	}
}

// announced reads the metadata of an avatar: the id of the first image that is
// served by eventing, "" when there is no avatar any more.
func announced(metadata string) (id string, ok bool) {
	if metadata == "" {
		return "", true
	}
	var x xmltext.Scanner
	x.Reset([]byte(metadata))
	_, err := x.Next()
	if err != nil || string(x.Space) != payload.NodeAvatarMetadata || string(x.Local) != "metadata" {
		return "", false
	}
	none := true
	err = x.Each(func() error {
		if string(x.Local) == "info" {
			none = false
			if id == "" && len(x.Attr("url")) == 0 {
				id = strings.ToLower(string(x.Attr("id")))
			}
		}
		return x.Skip()
	})
	return id, err == nil && (none || len(id) == 40)
}

// showPicture makes the image called id the icon of leg's presentity, or has
// it asked for when it is not here.
func (c *component) showPicture(leg bridge.Leg, id string, change bridge.ChangeID, ask func(from, to string)) {
	p, _, ok := c.port.pictures.Get(id)
	if !ok {
		ask(jidOf(leg.Watcher)+"/"+watcherResource, jidOf(leg.Presentity))
		return
	}
	icon := mapping.Icon(c.port.pictures.URL(id), id, p.Type, p.Bytes, p.Width, p.Height)
	if icon.URI == "" {
		return // nowhere to load it from
	}
	c.port.hub.Deliver(leg, change, func(old *presence.State) *presence.State {
		return mapping.WithIcons(old, []presence.Icon{icon})
	})
}

// takePicture takes in an image that was asked for, by itself (XEP-0084 §3.4)
// or in a card (XEP-0153 §4).
func (c *component) takePicture(q question, s *stanza) {
	change := bridge.NewChange()
	text := ""
	switch {
	case q.why == askPicture && len(s.items) > 0:
		text = contentOf(s.items[0].Payload)
	case q.why == askCard && s.card != nil:
		text = s.card.photo
		c.takeCard(q.leg, s.card, change)
	}
	if text == "" {
		return
	}
	data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		c.log.Debug("picture refused", "presentity", q.leg.Presentity, "change", change, "err", "its base64 is wrong")
		return
	}
	p, err := c.port.pictures.Put(data)
	switch {
	case err != nil:
		c.log.Debug("picture refused", "presentity", q.leg.Presentity, "change", change, "err", err)
	case p.ID != q.id:
		c.log.Debug("picture refused", "presentity", q.leg.Presentity, "change", change, "err", "it is not the one announced")
	default:
		c.showPicture(q.leg, p.ID, change, func(string, string) {})
	}
}

// takeCard takes in a contact's card.
func (c *component) takeCard(leg bridge.Leg, card *vcard, change bridge.ChangeID) {
	name := card.nick
	if name == "" {
		name = card.name
	}
	c.port.hub.Deliver(leg, change, func(old *presence.State) *presence.State {
		return mapping.WithCard(old, presence.CIPID{DisplayName: name, Homepage: card.url})
	})
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

// takePhoto takes in the hash of a photo that a contact's presence has
// (XEP-0153 §3.2): her card is asked for when it is news.
func (c *component) takePhoto(leg bridge.Leg, hash string, change bridge.ChangeID) {
	hash = strings.ToLower(hash)
	if c.port.pictures == nil || len(hash) != 40 {
		return
	}
	_, view := c.port.hub.Standing(leg)
	if view != nil && view.State != nil {
		if uri := mapping.IconOf(view.State); uri != "" && uri == c.port.pictures.URL(hash) {
			return
		}
	}
	c.showPicture(leg, hash, change, func(from, to string) {
		c.ask(question{why: askCard, leg: leg, to: to, id: hash}, from, func(dst []byte) []byte {
			return append(dst, "<vCard xmlns='"+payload.NSVCard+"'/>"...)
		})
	})
}
