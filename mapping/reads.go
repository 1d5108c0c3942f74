package mapping

import (
	"slices"
	"strings"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// readClosedDND reads what Linphone publishes for "do not disturb": everything
// closed, and an activity. In other words: open, busy, not to be disturbed.
func readClosedDND(s *presence.State) *presence.State {
	p := personOf(s)
	if p == nil || p.Activities == nil || len(s.Services) == 0 {
		return s
	}
	for i := range s.Services {
		if s.Services[i].Basic != presence.Closed {
			return s
		}
	}
	if !slices.ContainsFunc(p.Activities.Values, func(v presence.Value) bool { return rpidName(&v) != "" }) {
		return s
	}
	c := *s
	c.Services, c.Persons = slices.Clone(s.Services), slices.Clone(s.Persons)
	for i := range c.Services {
		c.Services[i].Basic = presence.Open
	}
	a := *p.Activities
	a.Values = append(slices.Clip(a.Values), spoken[DND]...)
	personOf(&c).Activities = &a
	return &c
}

// states are the words of Blink's extended status, and of the name that it
// puts among the activities, where RPID has no available and no offline.
var states = map[string]Word{"available": Available, "away": Away, "busy": Busy, "offline": Offline}

// extendedWord is the word of Blink's extended status of t, "" without one.
func extendedWord(t *presence.Service) Word {
	for i := range t.StatusExt {
		x := &t.StatusExt[i]
		if x.Space != blinkSpace || x.Local != "extended" {
			continue
		}
		_, text, _ := strings.Cut(x.Bytes, ">")
		text, _, _ = strings.Cut(text, "<")
		return states[strings.TrimSpace(text)]
	}
	return ""
}

// stateName is the word of the state's name among the activities of s, ""
// when there is none.
func stateName(s *presence.State) Word {
	p := personOf(s)
	if p == nil || p.Activities == nil {
		return ""
	}
	for i := range p.Activities.Values {
		v := &p.Activities.Values[i]
		if w := states[v.Name]; v.Space == "" && w != "" {
			return w
		}
	}
	return ""
}
