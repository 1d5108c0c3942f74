// Package pidf reads and writes presence documents: PIDF (RFC 3863) with the
// data model (RFC 4479), RPID (RFC 4480) and every other extension that
// package presence has types for, losslessly.
//
// It is tolerant in reading: RPID in a tuple's status, where its drafts had
// it, elements of the person in a tuple or device, broken times, unknown
// values, all are put in their place or carried along. It is strict in
// writing: each element stands where its specification puts it, the order is
// canonical, ids are unique, and equal states give equal bytes. A State that
// has been read comes back equal when it is written and read again.
//
// What the model has no place for is carried as presence.RawXML, but for
// attributes of elements that have a plain text as their value (note, contact,
// timestamp and those of CIPID), comments, and what PIDF's schema does not
// allow in PIDF's own namespace, such as a second contact.
package pidf

import "github.com/porchlight-im/porchlight/mapping/xmltext"

// ContentType is the MIME type of the documents.
const ContentType = "application/pidf+xml"

// Error says what is wrong with a document, and where. TooLarge tells that it
// is above a limit, which is SIP's 413; all else is a 400.
type Error = xmltext.Error

// Limits of a document, besides those of package xmltext.
const (
	maxDocument = 1 << 20 // bytes, as it comes and with what RawXML adds
	maxParts    = 250     // tuples, persons and devices together
)

// ns is one of the namespaces that are known, and the number that it has for
// the scanner. The order is that of their declarations in a document.
type ns int

const (
	nsOther ns = iota
	nsPIDF
	nsDM
	nsRPID
	nsCIPID
	nsTimed
	nsCaps
	nsOP
	nsOPD
	nsOPD11
	nsLT
	nsGP
	nsJabber
	nsCount
)

// names are the namespaces' names and the prefixes that are written. Clients
// that read documents with patterns look for no prefix on PIDF's elements and
// for "rpid:" on RPID's.
var names = [nsCount]struct{ uri, prefix string }{
	nsPIDF:   {"urn:ietf:params:xml:ns:pidf", ""},
	nsDM:     {"urn:ietf:params:xml:ns:pidf:data-model", "dm:"},
	nsRPID:   {"urn:ietf:params:xml:ns:pidf:rpid", "rpid:"},
	nsCIPID:  {"urn:ietf:params:xml:ns:pidf:cipid", "ci:"},
	nsTimed:  {"urn:ietf:params:xml:ns:pidf:timed-status", "ts:"},
	nsCaps:   {"urn:ietf:params:xml:ns:pidf:caps", "caps:"},
	nsOP:     {"urn:oma:xml:prs:pidf:oma-pres", "op:"},
	nsOPD:    {"urn:oma:xml:pde:pidf:ext", "opd:"},
	nsOPD11:  {"urn:oma:xml:pde:pidf:ext:1.1", "opd11:"},
	nsLT:     {"urn:ietf:params:xml:ns:location-type", "lt:"},
	nsGP:     {"urn:ietf:params:xml:ns:pidf:geopriv10", "gp:"},
	nsJabber: {"jabber:client", ""},
}

// spaces numbers the namespaces for the scanner.
var spaces = func() map[string]int {
	m := make(map[string]int, nsCount)
	for n := nsPIDF; n < nsCount; n++ {
		m[names[n].uri] = int(n)
	}
	return m
}()
