package bridge

import (
	"strings"

	"github.com/porchlight-im/porchlight/bridge/policy"
	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

// Domain says where the presentities of one domain live.
type Domain struct {
	Name   string // lower case
	Scheme presence.Scheme
	// Here: this server is the presence server of the domain. Otherwise Port
	// names the port that reaches it.
	Here bool
	Port string
	// Users lists the users of a domain that is here, by their plain user
	// part; nil means any.
	Users map[string]bool
	// Default decides for a watcher whom the presentity has neither approved
	// nor refused.
	Default policy.SubHandling
	// Rules say how states of the domain's presentities are translated.
	Rules *mapping.Rules
}

// Directory knows the domains that this server serves or reaches. It is
// immutable; its methods may be called by everyone.
type Directory struct {
	byName map[string]*Domain
	// numbers is the domain that telephone numbers without one belong to.
	numbers string
}

// NewDirectory returns a Directory of ds. Telephone numbers without a domain
// (tel: URIs) belong to the first domain that is here.
func NewDirectory(ds []Domain) *Directory {
	d := &Directory{byName: make(map[string]*Domain, len(ds))}
	for i := range ds {
		dom := ds[i]
		dom.Name = strings.ToLower(dom.Name)
		d.byName[dom.Name] = &dom
		if d.numbers == "" && dom.Here {
			d.numbers = dom.Name
		}
	}
	return d
}

// Domain returns the domain called name, or nil when it is not known here.
func (d *Directory) Domain(name string) *Domain { return d.byName[name] }

// Rules returns how states of the presentities of the domain called name are
// translated.
func (d *Directory) Rules(name string) *mapping.Rules {
	if dom := d.byName[name]; dom != nil {
		return dom.Rules
	}
	return mapping.Standard
}

// NumberDomain returns the domain of telephone numbers, or "".
func (d *Directory) NumberDomain() string { return d.numbers }

// Resolve returns a with the scheme of its home network, so that
// "sip:juliet@im.example" and "xmpp:juliet@im.example" are one key. A domain
// that is not known leaves a as it is.
func (d *Directory) Resolve(a presence.Addr) presence.Addr {
	if dom := d.byName[a.Host]; dom != nil {
		a.Scheme = dom.Scheme
	}
	return a
}

// Home returns the domain of a when a exists as far as can be known: its
// domain is known and, when here, has that user. Otherwise nil.
func (d *Directory) Home(a presence.Addr) *Domain {
	dom := d.byName[a.Host]
	if dom == nil || a.User == "" {
		return nil
	}
	if dom.Here && dom.Users != nil && !dom.Users[a.User] {
		return nil
	}
	return dom
}
