package picture

import (
	"encoding/base64"
	"net/url"
	"strings"
)

// Path is where the web port serves pictures, below PublicURL.
const Path = "/v1/pictures/"

// FileName returns the last segment of p's URL: its ID and the ending of its
// type.
func (p Picture) FileName() string { return p.ID + "." + extension(p.Type) }

// URL returns where the picture called id is loaded from, such as
// https://gw.example/v1/pictures/<sha1>.png; "" when it is not stored or
// there is no PublicURL.
func (s *Store) URL(id string) string {
	e, ok := s.use(id)
	if !ok || s.cfg.PublicURL == "" {
		return ""
	}
	return s.cfg.PublicURL + Path + e.FileName()
}

// Of returns the picture that uri stands for, if that is known without the
// network: a data: URI, whose image is checked and stored; one of our own
// URLs; or one that was fetched before, even if there may be a newer one by
// now (Want sees to that).
func (s *Store) Of(uri string) (Picture, bool) {
	uri = strings.TrimSpace(uri)
	if len(uri) > 5 && strings.EqualFold(uri[:5], "data:") {
		data, ok := s.decodeData(uri[5:])
		if !ok {
			return Picture{}, false
		}
		p, err := s.Put(data)
		return p, err == nil
	}
	id, ok := s.own(uri)
	if !ok {
		id, ok = s.fetcher.known(uri)
	}
	if !ok {
		return Picture{}, false
	}
	e, ok := s.use(id)
	return e.Picture, ok
}

// own returns the id in one of our own URLs.
func (s *Store) own(uri string) (id string, ok bool) {
	if s.cfg.PublicURL == "" {
		return "", false
	}
	name, ok := strings.CutPrefix(uri, s.cfg.PublicURL+Path)
	if !ok {
		return "", false
	}
	return ours(name)
}

// decodeData decodes what follows "data:" (RFC 2397). The media type is not
// looked at: the bytes tell. What is refused is counted here, since it does
// not reach Put.
func (s *Store) decodeData(rest string) (data []byte, ok bool) {
	refused := func(k Kind, why string) ([]byte, bool) {
		s.metrics.refused.WithLabelValues(k.String()).Inc()
		s.log.Debug("picture refused", "kind", k, "err", why)
		return nil, false
	}
	head, body, ok := strings.Cut(rest, ",")
	if !ok {
		return refused(Damaged, "a data: URI has no comma")
	}
	// Each byte may be written as %XX of up to 4/3 base64 digits.
	if len(body) > 4*s.cfg.MaxBytes+1024 {
		return refused(TooLarge, "a data: URI is too long")
	}
	text, err := url.PathUnescape(body)
	if err != nil {
		return refused(Damaged, "a data: URI has a wrong escape")
	}
	if !strings.HasSuffix(strings.ToLower(strings.TrimSpace(head)), ";base64") {
		return []byte(text), true
	}
	// Line feeds are let through, as XEP-0084 §4.1 has it for its data.
	text = strings.TrimRight(strings.Join(strings.Fields(text), ""), "=")
	data, err = base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return refused(Damaged, "a data: URI is not base64")
	}
	return data, true
}
