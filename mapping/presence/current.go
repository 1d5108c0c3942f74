package presence

import "time"

// currentService returns t without what is not, or no longer, true at c.now.
func (c *composer) currentService(t Service) Service {
	t.Privacy = c.choice(t.Privacy)
	t.Relationship = c.choice(t.Relationship)
	t.ServiceClass = c.choice(t.ServiceClass)
	t.StatusIcons = c.icons(t.StatusIcons)
	t.OMA.Willingness = c.onOff(t.OMA.Willingness)
	t.OMA.SessionParticipation = c.onOff(t.OMA.SessionParticipation)
	return t
}

// currentPerson returns p without what is not, or no longer, true at c.now.
func (c *composer) currentPerson(p Person) Person {
	if p.Activities != nil && !c.current(p.Activities.Range) {
		p.Activities = nil
	}
	if p.Mood != nil && !c.current(p.Mood.Range) {
		p.Mood = nil
	}
	if p.PlaceIs != nil && !c.current(p.PlaceIs.Range) {
		p.PlaceIs = nil
	}
	if p.TimeOffset != nil && !c.current(p.TimeOffset.Range) {
		p.TimeOffset = nil
	}
	p.PlaceType = c.choice(p.PlaceType)
	p.Privacy = c.choice(p.Privacy)
	p.Sphere = c.choice(p.Sphere)
	p.StatusIcons = c.icons(p.StatusIcons)
	p.OMA.OverridingWillingness = c.onOff(p.OMA.OverridingWillingness)
	return p
}

// current reports whether r covers c.now, and notes when that changes
// (RFC 4480 §3.1).
func (c *composer) current(r Range) bool {
	if !r.From.IsZero() && r.From.After(c.now) {
		c.at(r.From)
		return false
	}
	if r.Until.IsZero() {
		return true
	}
	if !r.Until.After(c.now) {
		return false
	}
	c.at(r.Until)
	return true
}

// covers reports whether r covers now (RFC 4480 §3.1).
func covers(r Range, now time.Time) bool {
	return !r.From.After(now) && (r.Until.IsZero() || r.Until.After(now))
}

// at notes that the composition changes at t.
func (c *composer) at(t time.Time) {
	if c.next.IsZero() || t.Before(c.next) {
		c.next = t
	}
}

func (c *composer) choice(x *Choice) *Choice {
	if x != nil && !c.current(x.Range) {
		return nil
	}
	return x
}

func (c *composer) icons(in []Icon) []Icon {
	for i := range in {
		if c.current(in[i].Range) {
			continue
		}
		// Rare: only then is a new slice made.
		out := append([]Icon(nil), in[:i]...)
		for _, x := range in[i+1:] {
			if c.current(x.Range) {
				out = append(out, x)
			}
		}
		return out
	}
	return in
}

// onOff drops an OMA element whose opd:until has passed.
func (c *composer) onOff(x *OnOff) *OnOff {
	if x == nil || x.Until.IsZero() {
		return x
	}
	if !x.Until.After(c.now) {
		return nil
	}
	c.at(x.Until)
	return x
}
