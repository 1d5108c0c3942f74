package simple

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/textproto"
	"strings"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/simple/pidf"
	"github.com/porchlight-im/porchlight/simple/transport"
)

// Limits of a body.
const (
	maxCodings = 3  // one inside the other
	maxNesting = 3  // of multipart bodies
	maxParts   = 32 // of a multipart body
)

// body returns the content of r: its media type in lower case without
// parameters, and its bytes with every Content-Encoding undone, at most
// limit. Of a multipart body it is the part that matters: the root of
// multipart/related, otherwise the presence document. Without a body all is
// empty. Errors: Unsupported (coding, charset or a part), TooLarge,
// Malformed.
func body(r *transport.Request, limit int) (contentType string, b []byte, err *bridge.Error) {
	if len(r.Body()) == 0 {
		return "", nil, nil
	}
	types := r.Values("Content-Type")
	// RFC 3261 §20.15: a body that is not empty has one Content-Type.
	if len(types) != 1 {
		return "", nil, bridge.Errorf(bridge.Malformed, "a body with %d Content-Types", len(types))
	}
	e := entity{codings: r.Values("Content-Encoding"), b: r.Body()}
	err = e.setType(types[0])
	if err != nil {
		return "", nil, err
	}
	e, err = e.open(limit, maxNesting)
	return e.contentType, e.b, err
}

// entity is a body, or a part of one.
type entity struct {
	contentType string            // in lower case, without params
	params      map[string]string // of Content-Type
	codings     []string          // of Content-Encoding, in order of application
	id          string            // Content-ID without <>
	optional    bool              // handling=optional
	b           []byte
}

func (e *entity) setType(v string) *bridge.Error {
	var err error
	e.contentType, e.params, err = mime.ParseMediaType(v)
	if err != nil || !strings.Contains(e.contentType, "/") {
		return bridge.Errorf(bridge.Malformed, "Content-Type is not a media type")
	}
	return nil
}

// open returns what is inside e: no coding, no multipart.
func (e entity) open(limit, depth int) (entity, *bridge.Error) {
	err := e.decode(limit)
	if err != nil {
		return entity{}, err
	}
	subtype, multi := strings.CutPrefix(e.contentType, "multipart/")
	if !multi {
		// Presence documents are read as UTF-8, of which ASCII is a part.
		switch strings.ToLower(e.params["charset"]) {
		case "", "utf-8", "us-ascii":
			return e, nil
		}
		return entity{}, bridge.Errorf(bridge.Unsupported, "charset is not UTF-8")
	}
	if depth == 0 {
		return entity{}, bridge.Errorf(bridge.Malformed, "multipart bodies nested too deep")
	}
	parts, err := e.parts()
	if err != nil {
		return entity{}, err
	}
	part, err := pick(subtype, e.params["start"], parts)
	if err != nil {
		return entity{}, err
	}
	return part.open(limit, depth-1)
}

// pick chooses the part that matters.
func pick(subtype, start string, parts []entity) (entity, *bridge.Error) {
	switch subtype {
	case "related":
		// RFC 2387 §3.2: the root is the part that start names, otherwise
		// the first.
		if start == "" {
			return parts[0], nil
		}
		for _, p := range parts {
			if p.id == contentID(start) {
				return p, nil
			}
		}
		return entity{}, bridge.Errorf(bridge.Malformed, "multipart/related without the part that start names")
	case "signed":
		return parts[0], nil // the other one is the signature
	case "alternative":
		// RFC 2046 §5.1.4: the last part that is understood is the best.
		for i := len(parts) - 1; i >= 0; i-- {
			if parts[i].understood() {
				return parts[i], nil
			}
		}
		return entity{}, bridge.Errorf(bridge.Unsupported, "")
	}
	// RFC 2046 §5.1.7: other subtypes count as multipart/mixed.
	var found *entity
	for i := range parts {
		p := &parts[i]
		switch {
		case p.understood() && found == nil:
			found = p
		case !p.optional:
			// RFC 5621 §8.1: a part that must be processed and cannot be.
			return entity{}, bridge.Errorf(bridge.Unsupported, "a part of the body is not understood")
		}
	}
	if found == nil {
		return entity{}, bridge.Errorf(bridge.Unsupported, "")
	}
	return *found, nil
}

// understood reports whether the type of e is one that this server reads.
func (e *entity) understood() bool {
	return e.contentType == pidf.ContentType || strings.HasPrefix(e.contentType, "multipart/")
}

// parts splits a multipart body; there is at least one.
func (e *entity) parts() ([]entity, *bridge.Error) {
	boundary := e.params["boundary"]
	// RFC 2046 §5.1.1: 1 to 70 characters.
	if boundary == "" || len(boundary) > 70 {
		return nil, bridge.Errorf(bridge.Malformed, "multipart body without a boundary")
	}
	r := multipart.NewReader(bytes.NewReader(e.b), boundary)
	var parts []entity
	for {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) && len(parts) > 0 {
			return parts, nil
		}
		if err != nil || len(parts) == maxParts {
			return nil, bridge.Errorf(bridge.Malformed, "multipart body without end, or with too many parts")
		}
		b, err := io.ReadAll(p)
		if err != nil {
			return nil, bridge.Errorf(bridge.Malformed, "multipart body without end")
		}
		part, fault := readPart(p.Header, b)
		if fault != nil {
			return nil, fault
		}
		parts = append(parts, part)
	}
}

// readPart makes the entity of one part.
func readPart(h textproto.MIMEHeader, b []byte) (entity, *bridge.Error) {
	e := entity{id: contentID(h.Get("Content-Id")), b: b}
	for _, v := range h.Values("Content-Encoding") {
		e.codings = append(e.codings, strings.Split(v, ",")...)
	}
	v := h.Get("Content-Type")
	if v == "" {
		v = "text/plain" // RFC 2046 §5.1
	}
	fault := e.setType(v)
	if fault != nil {
		return e, fault
	}
	_, disposition, err := mime.ParseMediaType(h.Get("Content-Disposition"))
	e.optional = err == nil && strings.EqualFold(disposition["handling"], "optional")
	switch strings.ToLower(h.Get("Content-Transfer-Encoding")) {
	case "", "7bit", "8bit", "binary":
	case "base64":
		e.b, err = io.ReadAll(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(b)))
		if err != nil {
			return e, bridge.Errorf(bridge.Malformed, "a part that is not base64")
		}
	default:
		return e, bridge.Errorf(bridge.Unsupported, "")
	}
	return e, nil
}

// contentID returns a Content-ID without <>, which some clients leave out.
func contentID(s string) string {
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(s), "<"), ">")
}

// decode undoes the codings of e, the last one first (RFC 3261 §20.12).
func (e *entity) decode(limit int) *bridge.Error {
	if len(e.codings) > maxCodings {
		return bridge.Errorf(bridge.Unsupported, "too many content codings")
	}
	for len(e.codings) > 0 {
		last := len(e.codings) - 1
		fault := e.undo(strings.ToLower(strings.TrimSpace(e.codings[last])), limit)
		if fault != nil {
			return fault
		}
		e.codings = e.codings[:last]
	}
	if len(e.b) > limit {
		return bridge.Errorf(bridge.TooLarge, "")
	}
	return nil
}

// undo undoes one coding. What the bytes are counts more than the name:
// clients mean by either name either form.
func (e *entity) undo(coding string, limit int) *bridge.Error {
	var r io.Reader
	var err error
	in := bytes.NewReader(e.b)
	switch {
	case coding == "identity" || coding == "":
		return nil
	case coding != "gzip" && coding != "x-gzip" && coding != "deflate":
		// RFC 3261 §8.2.3: an encoding that is not understood → 415.
		return bridge.Errorf(bridge.Unsupported, "content coding is neither gzip nor deflate")
	case len(e.b) > 1 && e.b[0] == 0x1f && e.b[1] == 0x8b:
		r, err = gzip.NewReader(in)
	case len(e.b) > 1 && e.b[0]&0x0f == 8 && (int(e.b[0])<<8|int(e.b[1]))%31 == 0:
		r, err = zlib.NewReader(in)
	case coding == "deflate":
		r = flate.NewReader(in)
	default:
		err = gzip.ErrHeader
	}
	var out []byte
	if err == nil {
		// What a few bytes can swell to is not read any further than this.
		out, err = io.ReadAll(io.LimitReader(r, int64(limit)+1))
	}
	if err != nil {
		return bridge.Errorf(bridge.Malformed, "the body is not %s", coding)
	}
	if len(out) > limit {
		return bridge.Errorf(bridge.TooLarge, "")
	}
	e.b = out
	return nil
}

// withoutParts is s without its references to other parts of a multipart
// body, which are not kept: icons and the like with cid: URIs (RFC 2392 §2).
// It returns s itself when there are none.
func withoutParts(s *presence.State) *presence.State {
	c := *s
	changed := false
	c.Services = append([]presence.Service(nil), s.Services...)
	for i := range c.Services {
		t := &c.Services[i]
		changed = dropIcons(&t.StatusIcons) || changed
		changed = dropCard(&t.Card) || changed
	}
	c.Persons = append([]presence.Person(nil), s.Persons...)
	for i := range c.Persons {
		t := &c.Persons[i]
		changed = dropIcons(&t.StatusIcons) || changed
		changed = dropCard(&t.Card) || changed
	}
	if !changed {
		return s
	}
	return &c
}

func isPart(uri string) bool {
	uri = strings.TrimSpace(uri)
	return len(uri) > 3 && strings.EqualFold(uri[:4], "cid:")
}

func dropIcons(list *[]presence.Icon) bool {
	var kept []presence.Icon
	for _, ic := range *list {
		if !isPart(ic.URI) {
			kept = append(kept, ic)
		}
	}
	dropped := len(kept) < len(*list)
	*list = kept
	return dropped
}

func dropCard(c *presence.CIPID) bool {
	dropped := false
	for _, f := range []*string{&c.Card, &c.Homepage, &c.Icon, &c.Map, &c.Sound} {
		if isPart(*f) {
			*f, dropped = "", true
		}
	}
	return dropped
}
