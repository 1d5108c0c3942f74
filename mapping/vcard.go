package mapping

import (
	"encoding/base64"

	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/xmpp/payload"
)

// AppendVCard appends the card of s's person (XEP-0054 §3) from her CIPID
// (RFC 4482): FN and NICKNAME from display-name, URL from homepage, SOUND's
// EXTVAL from sound; and photo, an image of the media type contentType, when
// there is one.
func AppendVCard(dst []byte, s *presence.State, contentType string, photo []byte) []byte {
	dst = append(dst, "<vCard xmlns='"+payload.NSVCard+"'>"...)
	if p := personOf(s); p != nil {
		for _, x := range []struct{ name, text string }{
			{"FN", p.Card.DisplayName}, {"NICKNAME", p.Card.DisplayName}, {"URL", p.Card.Homepage},
		} {
			if x.text != "" {
				dst = payload.AppendElement(dst, x.name, x.text)
			}
		}
		if p.Card.Sound != "" {
			dst = append(payload.AppendElement(append(dst, "<SOUND>"...), "EXTVAL", p.Card.Sound), "</SOUND>"...)
		}
	}
	if len(photo) > 0 {
		dst = payload.AppendElement(append(dst, "<PHOTO>"...), "TYPE", contentType)
		dst = append(payload.AppendElement(dst, "BINVAL", base64.StdEncoding.EncodeToString(photo)), "</PHOTO>"...)
	}
	return append(dst, "</vCard>"...)
}
