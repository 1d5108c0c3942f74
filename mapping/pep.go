package mapping

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/xmpp/payload"
)

// Item is the current item of one node of personal eventing (XEP-0163): a
// mood, an activity, a location, a tune or a nickname. Avatars are not among
// them: their images are the port's.
type Item struct {
	Node string // such as "http://jabber.org/protocol/mood"
	ID   string // of the item; "current" for what the gateway says itself
	// Payload is the item's one child element, self-contained; "" when the
	// item was retracted.
	Payload string
}

// pepNode is how one node is translated.
type pepNode struct {
	node, root string // root is the local name of the payload
	// say appends the payload that says what p says, nothing when p says
	// nothing of it.
	say func(r *Rules, dst []byte, p *presence.Person, now time.Time) []byte
	// hear changes p to what x says; x is nil when there is nothing any more.
	// Nothing of p that others may hold is written to.
	hear func(r *Rules, p *presence.Person, x *element, now time.Time) error
	keep keeping
}

// keeping tells when a payload is kept as it came.
type keeping uint8

const (
	never   keeping = iota
	inexact         // when say makes something else of p
	always
)

// pepNodes is in the order of the nodes.
var pepNodes = [...]pepNode{
	{payload.NodeActivity, "activity", (*Rules).sayActivity, (*Rules).hearActivity, always},
	{payload.NodeGeoloc, "geoloc", (*Rules).sayGeoloc, (*Rules).hearGeoloc, inexact},
	{payload.NodeMood, "mood", (*Rules).sayMood, (*Rules).hearMood, inexact},
	{payload.NodeNick, "nick", (*Rules).sayNick, (*Rules).hearNick, never},
	{payload.NodeTune, "tune", (*Rules).sayTune, (*Rules).hearTune, always},
}

// Limits of what comes from others.
const (
	maxPayload = 16 << 10 // bytes of a payload as it comes
	maxNative  = 4 << 10  // bytes of one in canonical form
)

// Why a payload changes nothing.
var (
	ErrPEPNode    = errors.New("a node that is not translated")
	ErrPEPPayload = errors.New("a payload that cannot be used")
)

// ToPEP returns what s says of its person as items of personal eventing, in
// the order of their nodes, each node at most once. Of someone who is invisible
// nothing is said. A payload that came from XMPP, and still says what s does,
// goes out as it came.
func (r *Rules) ToPEP(s *presence.State, now time.Time) []Item {
	if s == nil {
		return nil
	}
	p := personOf(s)
	if p == nil || r.humanOf(s, now).word == Offline {
		return nil
	}
	var out []Item
	for i := range pepNodes {
		k := &pepNodes[i]
		payload := k.say(r, nil, p, now)
		if len(payload) > 0 {
			out = append(out, Item{Node: k.node, ID: "current", Payload: string(payload)})
		}
	}
	return out
}

// FromPEP returns old, which may be nil, with its person changed to what it
// says. Nodes and payloads that are not understood change nothing. old is not
// changed; it is returned itself when it brings nothing new.
func (r *Rules) FromPEP(old *presence.State, it Item, now time.Time) *presence.State {
	s, _ := r.ApplyPEP(old, it, now)
	return s
}

// ApplyPEP is FromPEP that tells why nothing has changed: ErrPEPNode, or
// ErrPEPPayload with what is wrong.
//
// A retracted item, and an empty element, takes away what earlier items of its
// node brought. What PIDF has no words for is kept in the person's Ext as the
// element itself, in canonical form, one of each node; [Rules.WithoutSideChannel]
// takes it out of what others see. A person that came by the side channel says
// more than items do, and is left as it is.
func (r *Rules) ApplyPEP(old *presence.State, it Item, now time.Time) (*presence.State, error) {
	if lineageAt(old) >= 0 {
		return old, nil // it came whole, and its items say no more
	}
	i := slices.IndexFunc(pepNodes[:], func(k pepNode) bool { return k.node == it.Node })
	if i < 0 {
		return old, fmt.Errorf("%w: %.100q", ErrPEPNode, it.Node)
	}
	k := &pepNodes[i]
	x, native, err := k.read(it.Payload)
	if err != nil {
		return old, fmt.Errorf("%w: %s: %w", ErrPEPPayload, k.root, err)
	}
	s := &presence.State{}
	if old != nil {
		*s = *old
	}
	p := presence.Person{ID: "person"}
	if len(s.Persons) > 0 {
		p = s.Persons[0]
	}
	ext := p.Ext
	p.Ext = k.put(ext, "")
	err = k.hear(r, &p, x, now)
	if err != nil {
		return old, fmt.Errorf("%w: %s: %w", ErrPEPPayload, k.root, err)
	}
	if native != "" && (k.keep == always || k.keep == inexact && string(k.say(r, nil, &p, now)) != native) {
		p.Ext = k.put(ext, native)
	}
	s.Persons = withPerson(s.Persons, p)
	if k.node == payload.NodeActivity {
		s.Persons = r.personFrom(s)
	}
	if old == nil && empty(s) {
		return nil, nil
	}
	return news(old, s), nil
}

// read reads a payload: nil when there is nothing in it, else the element and
// its canonical form.
func (k *pepNode) read(payload string) (*element, string, error) {
	if payload == "" {
		return nil, "", nil
	}
	if len(payload) > maxPayload {
		return nil, "", fmt.Errorf("%d bytes, more than %d", len(payload), maxPayload)
	}
	x, err := parseElement(payload)
	if err != nil {
		return nil, "", err
	}
	if x.space != k.node || x.local != k.root {
		return nil, "", fmt.Errorf("{%.100s}%.100s is not of this node", x.space, x.local)
	}
	if x.empty() {
		return nil, "", nil
	}
	native := string(x.append(nil, ""))
	if len(native) > maxNative {
		return nil, "", fmt.Errorf("%d bytes in canonical form, more than %d", len(native), maxNative)
	}
	return x, native, nil
}

// put returns a copy of ext with native in the place of what there was of k.
func (k *pepNode) put(ext []presence.RawXML, native string) []presence.RawXML {
	var out []presence.RawXML
	for _, x := range ext {
		switch {
		case x.Space != k.node || x.Local != k.root:
			out = append(out, x)
		case native != "":
			out = append(out, presence.RawXML{Space: k.node, Local: k.root, Bytes: native})
			native = ""
		}
	}
	if native != "" {
		out = append(out, presence.RawXML{Space: k.node, Local: k.root, Bytes: native})
	}
	return out
}

// nativeOf returns the element of k that came from XMPP, nil when there is
// none, with its text.
func nativeOf(p *presence.Person, node, root string) (*element, string) {
	for i := range p.Ext {
		o := &p.Ext[i]
		if o.Space != node || o.Local != root || len(o.Bytes) > maxNative {
			continue
		}
		x, err := parseElement(o.Bytes)
		if err == nil && x.space == node && x.local == root {
			return x, o.Bytes
		}
	}
	return nil, ""
}

// withPerson returns a copy of persons with p as the first, or without it when
// there is nothing to say of it.
func withPerson(persons []presence.Person, p presence.Person) []presence.Person {
	var rest []presence.Person
	if len(persons) > 0 {
		rest = persons[1:]
	}
	bare := presence.Person{ID: p.ID}
	if presence.Equal(&presence.State{Persons: []presence.Person{p}}, &presence.State{Persons: []presence.Person{bare}}) {
		return slices.Clone(rest)
	}
	return append([]presence.Person{p}, rest...)
}

// firstNote returns the first note that has a text.
func firstNote(notes []presence.Note) presence.Note {
	for _, n := range notes {
		if strings.TrimSpace(n.Text) != "" {
			return n
		}
	}
	return presence.Note{}
}
