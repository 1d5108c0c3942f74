package webapi

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
)

// pictureCSP is for a picture that someone opens as a page: it may do nothing.
const pictureCSP = "default-src 'none'; sandbox"

// getPicture serves GET and HEAD /v1/pictures/{sha1}.{ext}. There is no token:
// phones and browsers load icons without one, and only who has seen the
// picture, or was told its address, knows its hash. What an address stands for
// never changes.
func (p *Port) getPicture(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	id, _, _ := strings.Cut(name, ".")
	if p.cfg.Pictures == nil {
		problem(w, bridge.Errorf(bridge.NotFound, "there are no pictures here"))
		return
	}
	pic, data, ok := p.cfg.Pictures.Get(id)
	if !ok || pic.FileName() != name {
		problem(w, bridge.Errorf(bridge.NotFound, "there is no such picture, or not any more"))
		return
	}
	h := w.Header()
	h.Set("Content-Type", pic.Type)
	h.Set("Content-Security-Policy", pictureCSP)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("ETag", strconv.Quote(pic.ID))
	// RFC 9110 §13.1.2: If-None-Match is ServeContent's, as are HEAD and ranges.
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}
