package xmpp

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/bridge/picture"
	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/xmpp/payload"
)

// The pictures of virtual users: which one a View shows, and how it is
// announced. A phone only points to its picture, so it may have to be fetched,
// and comes later than the View.

// wanted are the pictures that are being fetched, of one component.
type wanted struct {
	mu  sync.Mutex
	all map[wantedKey]time.Time // until when it is not wanted again

	// The last picture in a data: URI: the watchers of a View come one after
	// the other, and it is not to be decoded for each.
	view  *bridge.View
	found picture.Picture
	ok    bool
}

type wantedKey struct {
	presentity presence.Addr
	uri        string
}

// The bounds of wanted.
const (
	maxWanted   = 4096
	wantedAgain = time.Minute
)

func newWanted() *wanted { return &wanted{all: make(map[wantedKey]time.Time)} }

// begin reports whether k is to be wanted now.
func (w *wanted) begin(k wantedKey, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.Before(w.all[k]) {
		return false
	}
	if len(w.all) >= maxWanted {
		for k, t := range w.all {
			if !now.Before(t) {
				delete(w.all, k)
			}
		}
	}
	if len(w.all) >= maxWanted {
		return false
	}
	w.all[k] = now.Add(wantedAgain)
	return true
}

// recall returns what data: URI of view was found to be.
func (w *wanted) recall(view *bridge.View) (p picture.Picture, ok, known bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.found, w.ok, w.view == view
}

func (w *wanted) remember(view *bridge.View, p picture.Picture, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.view, w.found, w.ok = view, p, ok
}

// avatarOf returns the picture of the virtual user that view shows, as far as
// it is here. What may be fetched is, and his watchers are told when it has
// come.
func (c *component) avatarOf(view *bridge.View) (picture.Picture, bool) {
	pics := c.port.pictures
	if pics == nil || view == nil {
		return picture.Picture{}, false
	}
	uri := mapping.IconOf(view.State)
	switch {
	case uri == "":
		return picture.Picture{}, false
	case len(uri) > 5 && strings.EqualFold(uri[:5], "data:"):
		p, ok, known := c.wanted.recall(view)
		if !known {
			p, ok = pics.Of(uri)
			c.wanted.remember(view, p, ok)
		}
		return p, ok
	}
	p, ok := pics.Of(uri)
	if ok && pics.URL(p.ID) == uri {
		return p, true // our own
	}
	k := wantedKey{view.Presentity, uri}
	if c.wanted.begin(k, time.Now()) {
		pics.Want(uri, func(fetched picture.Picture) {
			if fetched.ID != p.ID {
				c.tellWatchers(k.presentity)
			}
		})
	}
	return p, ok
}

// tellWatchers has all who watch a told what is new.
func (c *component) tellWatchers(a presence.Addr) {
	for _, leg := range c.watches.legs() {
		if leg.Presentity == a {
			c.tellEvents(leg)
		}
	}
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

// photoOf returns what presence says of the photo of the virtual user that view
// shows (XEP-0153 §4.1): its hash, nothing yet, or that there is none. "" when
// there are no pictures at all.
func (c *component) photoOf(view *bridge.View) string {
	if c.port.pictures == nil || view == nil {
		return ""
	}
	p, ok := c.avatarOf(view)
	switch {
	case ok:
		return "<x xmlns='" + payload.NSVCardUpdate + "'><photo>" + p.ID + "</photo></x>"
	case mapping.IconOf(view.State) != "":
		return "<x xmlns='" + payload.NSVCardUpdate + "'/>"
	}
	return "<x xmlns='" + payload.NSVCardUpdate + "'><photo/></x>"
}

// appendShownAgain appends the presence of leg's presentity anew when only his
// photo has changed since, or it has to be said again (watches.showAgain).
func (c *component) appendShownAgain(dst []byte, leg bridge.Leg, view *bridge.View) []byte {
	photo := c.photoOf(view)
	c.watches.mu.Lock()
	defer c.watches.mu.Unlock()
	w := c.watches.all[leg]
	if w == nil || view == nil || w.last != view || w.photo == photo && !w.again {
		return dst
	}
	w.last = nil
	return c.appendState(dst, leg.Presentity, w, view, photo)
}
