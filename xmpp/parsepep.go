package xmpp

import (
	"strconv"
	"strings"
	"time"

	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/xmpp/payload"
)

// The bounds of what is kept of one stanza about personal eventing.
const (
	maxItems    = 32
	maxFeatures = 512
)

// iqChild reads the first child of an iq, as far as it is about personal
// eventing, cards or what an entity is.
func (p *parser) iqChild(s *stanza) error {
	switch {
	case s.space == payload.NSPubSub && s.local == "pubsub":
		return p.x.Each(func() error { return p.pubsubChild(s) })
	case s.space == payload.NSInfo && s.local == "query" && s.kind == "result":
		s.described = &payload.Described{}
		return p.x.Each(func() error { return p.describedChild(s.described) })
	case s.space == payload.NSVCard && s.local == "vCard" && s.kind == "result":
		s.card = &vcard{}
		return p.x.Each(func() error { return p.cardChild(s.card) })
	}
	return p.x.Skip()
}

// pubsubChild reads what an iq wants done (XEP-0060 §6.5, §7.1), and the items
// of an answer.
func (p *parser) pubsubChild(s *stanza) error {
	if string(p.x.Space) != payload.NSPubSub || s.verb != "" {
		return p.x.Skip()
	}
	s.verb, s.verbNode = string(p.x.Local), string(p.x.Attr("node"))
	return p.itemsChildren(s, s.verbNode)
}

// eventChild reads what has happened to a node (XEP-0060 §7.1.2, §7.2.2).
func (p *parser) eventChild(s *stanza) error {
	node := string(p.x.Attr("node"))
	switch string(p.x.Local) {
	case "items":
		return p.itemsChildren(s, node)
	case "purge", "delete":
		s.add(mapping.Item{Node: node})
	}
	return p.x.Skip()
}

// itemsChildren reads the items of a node.
func (p *parser) itemsChildren(s *stanza, node string) error {
	return p.x.Each(func() error {
		it := mapping.Item{Node: node, ID: string(p.x.Attr("id"))}
		switch string(p.x.Local) {
		case "item":
			if len(s.ids) < maxItems {
				s.ids = append(s.ids, it.ID)
			}
			err := p.x.Each(func() (err error) {
				if it.Payload != "" {
					return p.x.Skip()
				}
				it.Payload, err = p.x.Raw()
				return err
			})
			switch {
			case it.Payload != "":
				s.add(it)
			case s.name == "message" && len(s.notified) < maxItems:
				s.notified = append(s.notified, node)
			}
			return err
		case "retract":
			s.add(it)
		}
		return p.x.Skip()
	})
}

func (s *stanza) add(it mapping.Item) {
	if len(s.items) < maxItems {
		s.items = append(s.items, it)
	}
}

// describedChild reads one child of an answer to disco#info (XEP-0030 §3.1).
func (p *parser) describedChild(d *payload.Described) error {
	if len(d.Features)+len(d.Identities)+len(d.Forms) >= maxFeatures {
		return p.x.Skip()
	}
	switch space, local := string(p.x.Space), string(p.x.Local); {
	case space == payload.NSInfo && local == "identity":
		d.Identities = append(d.Identities, payload.Identity{Category: string(p.x.Attr("category")),
			Type: string(p.x.Attr("type")), Lang: p.x.Lang(), Name: string(p.x.Attr("name"))})
	case space == payload.NSInfo && local == "feature":
		d.Features = append(d.Features, string(p.x.Attr("var")))
	case space == payload.NSDataForms && local == "x":
		return p.form(d)
	}
	return p.x.Skip()
}

// form reads an extended information (XEP-0128 §2).
func (p *parser) form(d *payload.Described) error {
	var f payload.Form
	err := p.x.Each(func() error {
		if string(p.x.Local) != "field" {
			return p.x.Skip()
		}
		x, hidden := payload.Field{Name: string(p.x.Attr("var"))}, string(p.x.Attr("type")) == "hidden"
		err := p.x.Each(func() error {
			text, err := p.x.Content()
			if len(x.Values) < maxItems {
				x.Values = append(x.Values, text)
			}
			return err
		})
		switch {
		case x.Name == "FORM_TYPE":
			if hidden && len(x.Values) == 1 {
				f.Type = x.Values[0]
			}
		case len(f.Fields) < maxItems:
			f.Fields = append(f.Fields, x)
		}
		return err
	})
	if f.Type != "" { // XEP-0115 §5.4 step 3.6: others are ignored
		d.Forms = append(d.Forms, f)
	}
	return err
}

// cardChild reads one child of a card (XEP-0054 §3).
func (p *parser) cardChild(c *vcard) (err error) {
	switch string(p.x.Local) {
	case "FN":
		c.name, err = p.x.Content()
	case "NICKNAME":
		c.nick, err = p.x.Content()
	case "URL":
		c.url, err = p.x.Content()
	case "PHOTO":
		err = p.x.Each(func() (err error) {
			if string(p.x.Local) != "BINVAL" {
				return p.x.Skip()
			}
			c.photo, err = p.x.Content()
			return err
		})
	default:
		err = p.x.Skip()
	}
	return err
}

// photoHash reads the hash of a client's photo (XEP-0153 §4.2). Without
// <photo/> nothing is said.
func (p *parser) photoHash(s *stanza) error {
	return p.x.Each(func() error {
		if string(p.x.Local) != "photo" {
			return p.x.Skip()
		}
		text, err := p.x.Content()
		text = strings.TrimSpace(text)
		s.photo = &text
		return err
	})
}

// secondsOf reads a number of seconds; zero when the text is none.
func secondsOf(text string) time.Duration {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}
