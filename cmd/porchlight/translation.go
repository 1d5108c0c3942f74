package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/porchlight-im/porchlight/mapping"
)

// translationConfig is what differs for the presentities of one domain.
type translationConfig struct {
	// SideChannel tells whether what another network cannot say is carried
	// along in an extension; the default is true.
	SideChannel *bool `yaml:"side_channel"`
	// Activities are what RPID's activities mean, by their names; those of
	// urn:porchlight:presence:1 with "ext:" before it.
	Activities map[string]activityConfig `yaml:"activities"`
	// Moods are the XMPP names of RPID's moods.
	Moods map[string]string `yaml:"moods"`
	// ClosedWhen are the words of availability that SIP watchers see closed.
	ClosedWhen []string `yaml:"closed_when"`
	// Composition is "newest", the default, or "oma-strict": several persons
	// where sources disagree.
	Composition string `yaml:"composition"`
}

// activityConfig is what one activity means; what is left out stays.
type activityConfig struct {
	Availability string `yaml:"availability"` // a word, or none
	Reason       string `yaml:"reason"`       // a reason, or none
	OOF          *bool  `yaml:"oof"`          // out of office
	XMPP         string `yaml:"xmpp"`         // general/specific of XEP-0108, or "-"
}

// rules returns the rules that t asks for.
func (t *translationConfig) rules() (*mapping.Rules, error) {
	o := mapping.Overrides{SideChannelOff: t.SideChannel != nil && !*t.SideChannel,
		Activities: make(map[string]mapping.ActivityOverride, len(t.Activities)), Moods: t.Moods,
		Composition: t.Composition}
	for name, a := range t.Activities {
		o.Activities[name] = mapping.ActivityOverride{Availability: a.Availability, Reason: a.Reason, OOF: a.OOF, XMPP: a.XMPP}
	}
	for _, w := range t.ClosedWhen {
		o.ClosedWhen = append(o.ClosedWhen, mapping.Word(w))
	}
	return mapping.NewRules(o)
}

// rules returns the rules of the domain called name, of a configuration without
// faults.
func (c *config) rules(name string) (*mapping.Rules, error) {
	for key, t := range c.Translation {
		if domainName(key) != name {
			continue
		}
		r, err := t.rules()
		if err != nil {
			return nil, fmt.Errorf("translation.%s: %w", key, err)
		}
		return r, nil
	}
	return mapping.Standard, nil
}

// validateTranslation returns every fault, each beginning with its key path.
func (c *config) validateTranslation() (errs []error) {
	seen := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(c.Translation)) {
		path := "translation." + key
		name := domainName(key)
		if !c.knows(name) {
			errs = append(errs, fmt.Errorf("%s: is not one of domains or xmpp.domains", path))
		}
		if other, dup := seen[name]; dup {
			errs = append(errs, fmt.Errorf("%s: is the same domain as translation.%s", path, other))
		}
		seen[name] = key
		t := c.Translation[key]
		_, err := t.rules()
		if err != nil {
			errs = append(errs, prefix(path, split(err))...)
		}
	}
	return errs
}

// split returns what errors.Join has joined.
func split(err error) []error {
	many, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	return slices.Clone(many.Unwrap())
}
