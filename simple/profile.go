package simple

import (
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/simple/event"
	"github.com/porchlight-im/porchlight/simple/pidf"
	"github.com/porchlight-im/porchlight/simple/transport"
)

// formats has the Format of each profile, for the watchers who use the
// canonical address: a View is written once for all of a profile.
var formats = func() map[*mapping.Profile]*bridge.Format {
	m := make(map[*mapping.Profile]*bridge.Format)
	for _, p := range mapping.Profiles() {
		m[p] = bridge.NewFormat("pidf "+p.Name, func(dst []byte, v *bridge.View) []byte {
			if v.State == nil {
				return dst
			}
			return pidf.Append(dst, shaped(p, v), mapping.SIP(v.Presentity))
		})
	}
	return m
}()

// shaped is the state of v, which has one, as the watchers of p get it.
func shaped(p *mapping.Profile, v *bridge.View) *presence.State {
	return p.Shape(v.Rules, v.Rules.WithoutSideChannel(v.State), time.Now())
}

// profileOf recognises the client that has sent r. own tells that it watches
// its own user.
func profileOf(r *transport.Request, own bool) *mapping.Profile {
	p := mapping.ProfileOf(r.Value("User-Agent"), append(r.Values("Contact"), r.Values("Accept-Contact")...)...)
	if own && p.Own {
		return mapping.Generic
	}
	return p
}

// notifyEvent is the Event of the NOTIFYs of d: that of its SUBSCRIBE
// (RFC 6665 §8.2.1), but for clients that wait for another spelling.
func (d *dialog) notifyEvent() string {
	if d.profile.Event == "" {
		return d.event.String()
	}
	return event.Event{Package: d.profile.Event, ID: d.event.ID}.String()
}
