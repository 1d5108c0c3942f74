package mapping

import (
	"errors"
	"strings"

	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/mapping/tables"
)

// Rules say how the states of one domain's presentities are translated.
// They are immutable once made, and may be used by everyone.
type Rules struct {
	// SideChannelOff: what the other network cannot say is dropped instead of
	// being carried along in an extension (docs/extensions.md).
	SideChannelOff bool
	// Composition says how the sources of a presentity are composed.
	Composition presence.Composition

	own    *compiled // nil: standard
	closed []Word    // see Overrides.ClosedWhen
}

// Standard are the rules of a domain without any of its own: the tables as
// they are, and the side channel on. It is nil: a nil *Rules may be used.
var Standard *Rules

// compiled are the tables, made for use.
type compiled struct {
	// activities has the meaning of each of the 27 activities of RFC 4480
	// §3.2, extensions that of those of the namespace Ext.
	activities, extensions map[string]meaning
	activity, mood         *vocabulary
}

var standard = mustCompile()

// compiled returns the tables that r goes by.
func (r *Rules) compiled() *compiled {
	if r == nil || r.own == nil {
		return standard
	}
	return r.own
}

// mustCompile makes the standard of the embedded tables, which are part of the
// program: a test would have found a fault.
func mustCompile() *compiled {
	c, err := compile()
	if err != nil {
		panic(err)
	}
	return c
}

func compile() (*compiled, error) {
	c := &compiled{activities: map[string]meaning{}, extensions: map[string]meaning{}}
	t, moods := tables.Must("activities"), tables.Must("moods")
	var errs [3]error
	c.activity, errs[0] = newVocabulary(t, "undefined/other")
	c.mood, errs[1] = newVocabulary(moods, "undefined")
	errs[2] = c.readMeanings(t)
	return c, errors.Join(errs[:]...)
}

// readMeanings reads what the activities say to someone who wants to reach the
// person.
func (c *compiled) readMeanings(t *tables.Table) error {
	var errs []error
	for i := range t.Rows {
		r := &t.Rows[i]
		name := r.Get("rpid")
		m := meaning{word: Word(r.Get("availability")), reason: r.Get("reason"), oof: r.Get("oof") == "oof"}
		if _, ok := weight[m.word]; !ok {
			errs = append(errs, r.Faultf("no such availability: %s", m.word))
		}
		if _, ok := reasonRank[m.reason]; !ok {
			errs = append(errs, r.Faultf("no such reason: %s", m.reason))
		}
		if !r.Way.Out() || name == "other" && r.Get("words") != "" {
			if m != (meaning{}) {
				errs = append(errs, r.Faultf("a meaning belongs to the row from %s to XMPP", name))
			}
			continue
		}
		if ext, ok := strings.CutPrefix(name, "ext:"); ok {
			c.extensions[ext] = m
		} else {
			c.activities[name] = m
		}
	}
	return errors.Join(errs...)
}
