// Package pidf reads and writes presence documents: PIDF (RFC 3863) with the
// data model (RFC 4479), RPID (RFC 4480) and every other extension that
// package presence has types for, losslessly.
//
// It is tolerant in reading: RPID in a tuple's status, where its drafts had
// it, broken times, unknown values, all are taken in or carried along. It is
// strict in writing: each element stands where its specification puts it, the
// order is canonical, and equal states give equal bytes.
package pidf

import "github.com/porchlight-im/porchlight/mapping/xmltext"

// ContentType is the MIME type of the documents.
const ContentType = "application/pidf+xml"

// Error says what is wrong with a document, and where.
type Error = xmltext.Error

// maxDocument is the largest document that is read, in bytes, and maxParts
// how many tuples, persons and devices it may have.
const (
	maxDocument = 1 << 20
	maxParts    = 1000
)

// ns is one of the namespaces that are known; the order is that of their
// declarations in a document.
type ns uint8

const (
	nsPIDF ns = iota
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
	nsOther = nsCount
)

// names are the namespaces' names and the prefixes that are written. Clients
// that read documents with patterns look for no prefix on PIDF's elements and
// for "rpid:" on RPID's.
var names = [nsCount]struct{ uri, prefix string }{
	nsPIDF:   {"urn:ietf:params:xml:ns:pidf", ""},
	nsDM:     {"urn:ietf:params:xml:ns:pidf:data-model", "dm"},
	nsRPID:   {"urn:ietf:params:xml:ns:pidf:rpid", "rpid"},
	nsCIPID:  {"urn:ietf:params:xml:ns:pidf:cipid", "ci"},
	nsTimed:  {"urn:ietf:params:xml:ns:pidf:timed-status", "ts"},
	nsCaps:   {"urn:ietf:params:xml:ns:pidf:caps", "caps"},
	nsOP:     {"urn:oma:xml:prs:pidf:oma-pres", "op"},
	nsOPD:    {"urn:oma:xml:pde:pidf:ext", "opd"},
	nsOPD11:  {"urn:oma:xml:pde:pidf:ext:1.1", "opd11"},
	nsLT:     {"urn:ietf:params:xml:ns:location-type", "lt"},
	nsGP:     {"urn:ietf:params:xml:ns:pidf:geopriv10", "gp"},
	nsJabber: {"jabber:client", ""},
}

// known returns which of the namespaces uri is.
func known(uri []byte) ns {
	for i := range names {
		if string(uri) == names[i].uri {
			return ns(i)
		}
	}
	return nsOther
}
