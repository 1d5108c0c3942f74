package mapping

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// Overrides are what a domain wants other than the tables say.
type Overrides struct {
	SideChannelOff bool // see Rules
	// Activities are by the activity's name in RPID; those of the namespace
	// Ext have "ext:" before it.
	Activities map[string]ActivityOverride
	// Moods have the XMPP name of RPID's moods, "-" for none.
	Moods map[string]string
	// ClosedWhen are the words of availability with which the basic status of
	// open services is closed for SIP watchers whose client has no look of its
	// own: RFC 4480 §3.2 leaves it open whether someone who is away or busy is
	// open or closed. Away, ExtendedAway, Busy and DND may be among them.
	ClosedWhen []Word
	// Composition is "newest", which "" means too, or "oma-strict", see
	// presence.Composition.
	Composition string
}

// ActivityOverride is what an activity means. Empty fields leave it as it is.
type ActivityOverride struct {
	// Availability is a Word, or "none".
	Availability string
	// Reason goes with the availability, or "none".
	Reason string
	OOF    *bool
	// XMPP is the general activity of XEP-0108, alone or with '/' and the
	// specific one; "-" for none. It holds both ways.
	XMPP string
}

// none takes away what the tables have.
const none = "none"

// NewRules returns the rules of a domain. The error joins all faults, each
// beginning with its key and a colon, such as "activities.tv.xmpp: …".
func NewRules(o Overrides) (*Rules, error) {
	r := &Rules{SideChannelOff: o.SideChannelOff}
	b := builder{own: &compiled{
		activities: maps.Clone(standard.activities), extensions: maps.Clone(standard.extensions),
		activity: standard.activity.clone(), mood: standard.mood.clone(),
	}, activities: map[string]string{}, moods: map[string]string{}}
	for _, name := range slices.Sorted(maps.Keys(o.Activities)) {
		b.activity(name, o.Activities[name])
	}
	for _, name := range slices.Sorted(maps.Keys(o.Moods)) {
		b.mood(name, o.Moods[name])
	}
	switch o.Composition {
	case "", "newest":
	case "oma-strict":
		r.Composition.Strict = true
	default:
		b.fault("composition", "%q is not newest or oma-strict", o.Composition)
	}
	for i, w := range o.ClosedWhen {
		switch {
		case w != Away && w != ExtendedAway && w != Busy && w != DND:
			b.fault(fmt.Sprintf("closed_when[%d]", i), "%q is not away, extended_away, busy or dnd", w)
		case !slices.Contains(r.closed, w):
			r.closed = append(r.closed, w)
		}
	}
	if len(b.errs) > 0 {
		return nil, errors.Join(b.errs...)
	}
	if len(o.Activities)+len(o.Moods) > 0 {
		r.own = b.own
	}
	return r, nil
}

// builder makes tables of overrides.
type builder struct {
	own               *compiled
	activities, moods map[string]string // XMPP name → the override that has it
	errs              []error
}

func (b *builder) fault(path, format string, args ...any) {
	b.errs = append(b.errs, errors.New(path+": "+fmt.Sprintf(format, args...)))
}

func (b *builder) activity(name string, o ActivityOverride) {
	path := "activities." + name
	v, table := presence.Value{Name: name}, b.own.activities
	if ext, ok := strings.CutPrefix(name, "ext:"); ok {
		v, table = presence.Value{Space: Ext, Name: ext}, b.own.extensions
	}
	m, ok := table[v.Name]
	if !ok {
		b.fault(path, "is not an activity of RFC 4480, or ext: and one of %s", Ext)
		return
	}
	if isSpoken(&v) || m.word == Offline {
		b.fault(path, "stands for what <show/> says, and means that")
		return
	}
	switch w := Word(o.Availability); {
	case o.Availability == none:
		m.word, m.reason = "", ""
	case o.Availability == "":
	case w == Offline || weight[w] == 0:
		b.fault(path+".availability", "%q is not available, chat, away, extended_away, busy, dnd or none", w)
	default:
		m.word = w
	}
	switch _, ok := reasonRank[o.Reason]; {
	case o.Reason == none:
		m.reason = ""
	case o.Reason == "":
	case !ok:
		b.fault(path+".reason", "%q is not travelling, calendar, focusing, in_meeting, presenting, in_call or none", o.Reason)
	case m.word == "":
		b.fault(path+".reason", "%s of what? it says no availability", o.Reason)
	default:
		m.reason = o.Reason
	}
	if o.OOF != nil {
		m.oof = *o.OOF
	}
	table[v.Name] = m
	if o.XMPP != "" {
		b.pair(path+".xmpp", b.own.activity, rpidWord{space: v.Space, name: v.Name}, o.XMPP, b.activities)
	}
}

// mood overrides one mood.
func (b *builder) mood(name, xmpp string) {
	path := "moods." + name
	if _, ok := b.own.mood.out[rpidWord{name: name}]; !ok {
		b.fault(path, "is not a mood of RFC 4480")
		return
	}
	b.pair(path, b.own.mood, rpidWord{name: name}, xmpp, b.moods)
}

// pair makes an RPID value and an XMPP name each other's translation.
func (b *builder) pair(path string, v *vocabulary, from rpidWord, xmpp string, taken map[string]string) {
	top, _, _ := strings.Cut(v.catchAll, "/")
	general, specific, _ := strings.Cut(xmpp, "/")
	switch {
	case from.name == "other":
		b.fault(path, "other has words of its own, and is no name's translation")
		return
	case xmpp == nothing:
		v.out[from] = xmppWord{name: nothing}
		return
	case general == top || specific == "other":
		b.fault(path, "%q stands for what has no name", xmpp)
		return
	case !v.knows(general, specific):
		b.fault(path, "%q is not a name that XMPP has", xmpp)
		return
	}
	if other, dup := taken[xmpp]; dup {
		b.fault(path, "%s is already said by %s", xmpp, other)
		return
	}
	taken[xmpp] = path
	v.out[from] = xmppWord{name: xmpp}
	v.in[xmppWord{name: xmpp}] = from
}

// knows reports whether general is an XMPP name, and specific "" or one that
// stands under any. XEP-0108 §3: a specific activity may stand under any
// general one.
func (v *vocabulary) knows(general, specific string) bool {
	_, ok := v.in[xmppWord{name: general}]
	if !ok || specific == "" {
		return ok && specific == ""
	}
	_, ok = v.specific[specific]
	return ok
}

// clone returns a copy of v that may be changed.
func (v *vocabulary) clone() *vocabulary {
	return &vocabulary{catchAll: v.catchAll, out: maps.Clone(v.out), in: maps.Clone(v.in), specific: v.specific}
}

// isSpoken reports whether v is one of those that say a word of XMPP's.
func isSpoken(v *presence.Value) bool {
	for _, vs := range spoken {
		if slices.ContainsFunc(vs, func(o presence.Value) bool { return sameValue(v, &o) }) {
			return true
		}
	}
	return false
}

// closing returns s with its open services closed when the domain wants that
// of what s says at now; s itself when not.
func (r *Rules) closing(s *presence.State, now time.Time) *presence.State {
	if r == nil || len(r.closed) == 0 || s == nil || !slices.Contains(r.closed, r.Effective(s, now).Word) {
		return s
	}
	c := *s
	c.Services = slices.Clone(s.Services)
	for i := range c.Services {
		if c.Services[i].Basic == presence.Open {
			c.Services[i].Basic = presence.Closed
		}
	}
	return &c
}
