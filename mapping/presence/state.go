package presence

import "time"

// State is everything that is known, or may be seen, of one presentity:
// RFC 4479 §3. It is immutable once built.
type State struct {
	// Entity is the presence@entity URI exactly as the source wrote it, such
	// as "pres:alice@example.com"; empty in a composed State, whose address
	// the encoder is told.
	Entity   string
	Services []Service // PIDF tuples, in document order
	Notes    []Note    // notes on the whole document
	Persons  []Person  // one; several when ambiguous (RFC 4479 §3.5)
	Devices  []Device
	Ext      []RawXML // other children of <presence>
	Attrs    []Attr   // other attributes of <presence>
}

// Basic is the basic status of a service (RFC 3863 §4.1.4).
type Basic uint8

// The values of Basic. NoBasic: the element is absent, which says nothing
// (RFC 4479 §3.6). OddBasic: present with text outside the schema, such as
// baresip's "unknown"; the text is in Service.BasicText; treated as not open.
const (
	NoBasic Basic = iota
	Open
	Closed
	OddBasic
)

// Service is one PIDF tuple (RFC 3863 §4.1.2): a way to communicate.
type Service struct {
	ID        string // tuple@id, unique in the document
	Basic     Basic
	BasicText string   // only for OddBasic
	StatusExt []RawXML // other children of <status>, except Show
	// Show is <show xmlns='jabber:client'> inside <status>, "" when absent
	// (RFC 8048 §6.2 note 7).
	Show string
	// NotUnderstood is set when a mustUnderstand="1" element inside <status>
	// is unknown: the status must not be interpreted (RFC 3863 §4.2.3), only
	// forwarded.
	NotUnderstood bool
	Contact       *Contact
	Notes         []Note
	Timestamp     time.Time // zero: absent

	Class        string // rpid:class
	DeviceIDs    []string
	Privacy      *Choice
	Relationship *Choice
	ServiceClass *Choice
	StatusIcons  []Icon
	UserInput    *UserInput
	Timed        []TimedStatus // RFC 4481
	Card         CIPID         // RFC 4482
	Caps         *Caps         // RFC 5196 <servcaps>
	Geo          []RawXML      // gp:geopriv, as written (RFC 4119)
	OMA          ServiceOMA
	Ext          []RawXML
	Attrs        []Attr
}

// Contact is where a service is reached (RFC 3863 §4.1.5).
type Contact struct {
	URI string
	// Priority is the decimal as written, "0" to "1" with at most three
	// decimals; "" when absent.
	Priority string
}

// Person is one <dm:person>: what is true of the human (RFC 4479 §3.2).
type Person struct {
	ID        string
	Timestamp time.Time
	Notes     []Note

	Activities  *Activities
	Mood        *Mood
	PlaceIs     *PlaceIs
	PlaceType   *Choice // values from urn:ietf:params:xml:ns:location-type
	Privacy     *Choice
	Sphere      *Choice
	StatusIcons []Icon
	TimeOffset  *TimeOffset
	UserInput   *UserInput
	Class       string
	Card        CIPID
	Geo         []RawXML
	OMA         PersonOMA
	Ext         []RawXML
	Attrs       []Attr
}

// Device is one <dm:device> (RFC 4479 §3.4).
type Device struct {
	ID        string
	DeviceID  string // dm:deviceID, a URN
	Timestamp time.Time
	Notes     []Note
	Class     string
	UserInput *UserInput
	Caps      *Caps // RFC 5196 <devcaps>
	Geo       []RawXML
	Networks  []Network // op:network-availability
	Ext       []RawXML
	Attrs     []Attr
}

// Note is a human-readable text with its language tag, which may be empty.
type Note struct {
	Lang string
	Text string
}

// Attr is an XML attribute that the model has no field for.
type Attr struct {
	Space, Local string // namespace name, "" for none
	Value        string
}

// RawXML is one element that the model carries without understanding it:
// well-formed, and self-contained (each prefix it uses is declared on it).
type RawXML struct {
	Space, Local string // of the root element
	Bytes        string
}
