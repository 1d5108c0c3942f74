package pidf

// element is an element that is written often, with the parts of its tags.
type element struct {
	ns         ns
	local      string
	open       string // the start tag but for its end: attributes may follow
	start, end string // the tags
}

func (n ns) element(local string) *element {
	name := names[n].prefix + local
	return &element{ns: n, local: local, open: "<" + name, start: "<" + name + ">", end: "</" + name + ">"}
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
