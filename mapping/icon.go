package mapping

import (
	"slices"
	"strconv"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// IconOf returns the URI of the image that stands for s's person: her
// status-icon, else that of a service, else the icon of her card (RFC 4480
// §3.12, RFC 4482); "" when there is none.
func IconOf(s *presence.State) string {
	if s == nil {
		return ""
	}
	p := personOf(s)
	if p != nil && len(p.StatusIcons) > 0 {
		return p.StatusIcons[0].URI
	}
	for i := range s.Services {
		if icons := s.Services[i].StatusIcons; len(icons) > 0 {
			return icons[0].URI
		}
	}
	if p != nil {
		return p.Card.Icon
	}
	return ""
}

// Icon is a status-icon of an image that is loaded from uri: etag names its
// content, contentType is its media type (OMA's opd:etag, opd:contenttype,
// opd:fsize and opd:resolution).
func Icon(uri, etag, contentType string, bytes, width, height int) presence.Icon {
	attr := func(name, value string) presence.Attr {
		return presence.Attr{Space: nsOPD, Local: name, Value: value}
	}
	return presence.Icon{URI: uri, Range: presence.Range{Attrs: []presence.Attr{
		attr("etag", etag), attr("fsize", strconv.Itoa(bytes)), attr("contenttype", contentType),
		attr("resolution", strconv.Itoa(width)+"x"+strconv.Itoa(height)),
	}}}
}

// WithIcons returns old, which may be nil, with icons in place of the status
// icons of its person. old is not changed; it is returned itself when that is
// no news.
func WithIcons(old *presence.State, icons []presence.Icon) *presence.State {
	return editPerson(old, func(p *presence.Person) { p.StatusIcons = icons })
}

// WithCard returns old, which may be nil, with what card says in the place of
// what the card of its person lacks. old is not changed; it is returned itself
// when that is no news.
func WithCard(old *presence.State, card presence.CIPID) *presence.State {
	return editPerson(old, func(p *presence.Person) {
		if p.Card.DisplayName == "" {
			p.Card.DisplayName = card.DisplayName
		}
		if p.Card.Homepage == "" {
			p.Card.Homepage = card.Homepage
		}
	})
}

// editPerson returns old with its person, who is made when there is none,
// changed by change. A state that came whole by a side channel stays as it is.
func editPerson(old *presence.State, change func(*presence.Person)) *presence.State {
	s := &presence.State{}
	if old != nil {
		*s = *old
	}
	if lineageAt(s) >= 0 {
		return old
	}
	p := presence.Person{ID: "person"}
	if len(s.Persons) > 0 {
		p = s.Persons[0]
	}
	bare := presence.Person{ID: p.ID}
	change(&p)
	if len(s.Persons) == 0 && presence.Equal(&presence.State{Persons: []presence.Person{p}}, &presence.State{Persons: []presence.Person{bare}}) {
		return old
	}
	s.Persons = slices.Clone(s.Persons)
	if len(s.Persons) == 0 {
		s.Persons = []presence.Person{p}
	} else {
		s.Persons[0] = p
	}
	return news(old, s)
}
