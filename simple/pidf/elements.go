package pidf

import "slices"

// element is an element that is written often, with the parts of its tags.
type element struct {
	ns         ns
	local      string
	open       tag // the start tag but for its end: attributes may follow
	start, end tag
}

func (n ns) element(local string) *element {
	name := names[n].prefix + local
	return &element{ns: n, local: local, open: newTag("<" + name), start: newTag("<" + name + ">"), end: newTag("</" + name + ">")}
}

// tag is a short text that is appended often: all of its array is copied, of
// a size that is known, which costs a third of appending a string.
type tag struct {
	text [32]byte
	n    int // how much of it counts
}

func newTag(s string) (t tag) {
	t.n = copy(t.text[:], s)
	if t.n < len(s) {
		panic(s + " is too long for a tag") // each is made when the program starts
	}
	return t
}

// append appends t to b.
func (t *tag) append(b []byte) []byte {
	n := len(b)
	if cap(b)-n < len(t.text) {
		b = slices.Grow(b, len(t.text))
	}
	*(*[len(t.text)]byte)(b[n : n+len(t.text)]) = t.text
	return b[:n+t.n]
}

// declarations are those of the namespaces, for the root's start tag; "" for
// one that is never declared there.
var declarations = func() (list [nsCount]string) {
	for n, x := range names {
		switch {
		case ns(n) == nsPIDF:
			list[n] = ` xmlns="` + x.uri + `"`
		case x.prefix != "":
			list[n] = " xmlns:" + x.prefix[:len(x.prefix)-1] + `="` + x.uri + `"`
		}
	}
	return list
}()

// begins are the beginnings of start tags, for each namespace.
var begins = func() (list [nsCount]tag) {
	for n, x := range names {
		list[n] = newTag("<" + x.prefix)
	}
	return list
}()

// The elements, by their namespace.
var (
	elBasic     = nsPIDF.element("basic")
	elContact   = nsPIDF.element("contact")
	elNote      = nsPIDF.element("note")
	elStatus    = nsPIDF.element("status")
	elTimestamp = nsPIDF.element("timestamp")
	elTuple     = nsPIDF.element("tuple")

	elDMDevice    = nsDM.element("device")
	elDMDeviceID  = nsDM.element("deviceID")
	elDMNote      = nsDM.element("note")
	elDMPerson    = nsDM.element("person")
	elDMTimestamp = nsDM.element("timestamp")

	elRPIDActivities   = nsRPID.element("activities")
	elRPIDAudio        = nsRPID.element("audio")
	elRPIDClass        = nsRPID.element("class")
	elRPIDMood         = nsRPID.element("mood")
	elRPIDNote         = nsRPID.element("note")
	elRPIDPlaceIs      = nsRPID.element("place-is")
	elRPIDPlaceType    = nsRPID.element("place-type")
	elRPIDPrivacy      = nsRPID.element("privacy")
	elRPIDRelationship = nsRPID.element("relationship")
	elRPIDServiceClass = nsRPID.element("service-class")
	elRPIDSphere       = nsRPID.element("sphere")
	elRPIDStatusIcon   = nsRPID.element("status-icon")
	elRPIDText         = nsRPID.element("text")
	elRPIDTimeOffset   = nsRPID.element("time-offset")
	elRPIDUserInput    = nsRPID.element("user-input")
	elRPIDVideo        = nsRPID.element("video")

	elCIPIDCard        = nsCIPID.element("card")
	elCIPIDDisplayName = nsCIPID.element("display-name")
	elCIPIDHomepage    = nsCIPID.element("homepage")
	elCIPIDIcon        = nsCIPID.element("icon")
	elCIPIDMap         = nsCIPID.element("map")
	elCIPIDSound       = nsCIPID.element("sound")

	elTimedBasic  = nsTimed.element("basic")
	elTimedNote   = nsTimed.element("note")
	elTimedStatus = nsTimed.element("timed-status")

	elCapsDevcaps      = nsCaps.element("devcaps")
	elCapsNotsupported = nsCaps.element("notsupported")
	elCapsServcaps     = nsCaps.element("servcaps")
	elCapsSupported    = nsCaps.element("supported")

	elOPActive                = nsOP.element("active")
	elOPBarringState          = nsOP.element("barring-state")
	elOPBasic                 = nsOP.element("basic")
	elOPDescription           = nsOP.element("description")
	elOPNetwork               = nsOP.element("network")
	elOPNetworkAvailability   = nsOP.element("network-availability")
	elOPOverridingWillingness = nsOP.element("overriding-willingness")
	elOPRegistrationState     = nsOP.element("registration-state")
	elOPServiceDescription    = nsOP.element("service-description")
	elOPServiceID             = nsOP.element("service-id")
	elOPSessionParticipation  = nsOP.element("session-participation")
	elOPTerminated            = nsOP.element("terminated")
	elOPVersion               = nsOP.element("version")
	elOPWillingness           = nsOP.element("willingness")

	elOPD11Link = nsOPD11.element("link")
)
