package presence

import "time"

// Caps is <caps:servcaps> or <caps:devcaps> (RFC 5196): named capabilities.
// Absence of a capability does not mean false.
type Caps struct {
	Items []Capability
	Ext   []RawXML
	Attrs []Attr
}

// Capability is one child of servcaps or devcaps. Which fields are used
// depends on the name: "audio" and the other booleans use Text ("true" or
// "false"); "methods", "languages", "duplex" and the like use Supported and
// NotSupported; anything richer is kept in Raw alone.
type Capability struct {
	Name                    string
	Text                    string
	Supported, NotSupported []string
	Raw                     *RawXML
}

// ServiceDescription is <op:service-description>: the name of an OMA or RCS
// service. White space around the texts is collapsed.
type ServiceDescription struct {
	ID, Version  string
	Descriptions []Note
	Ext          []RawXML
}

// OnOff is an OMA element with a basic of its own, such as op:willingness.
type OnOff struct {
	Basic Basic
	Until time.Time // opd:until, zero when absent
	Ext   []RawXML
	Attrs []Attr
}

// ServiceOMA is what OMA's presence data extensions add to a service.
type ServiceOMA struct {
	Description          *ServiceDescription
	Willingness          *OnOff
	SessionParticipation *OnOff
	RegistrationState    string // "active", "terminated", ""
	BarringState         string // "active", "terminated", ""
}

// PersonOMA is what OMA's presence data extensions add to a person.
type PersonOMA struct {
	OverridingWillingness *OnOff
	Links                 []Link
}

// Link is <opd11:link>: a labelled favourite link.
type Link struct {
	URI, Label, Priority string
	Attrs                []Attr
}

// Network is one network of <op:network-availability> of a device.
type Network struct {
	ID         string
	Active     bool
	Terminated bool
	Ext        []RawXML
	Attrs      []Attr
}
