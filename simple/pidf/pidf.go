// Package pidf reads and writes presence documents: PIDF (RFC 3863) with the
// data model (RFC 4479), RPID (RFC 4480) and every other extension that
// package presence has types for, losslessly.
package pidf

import "github.com/porchlight-im/porchlight/mapping/presence"

// ContentType is the MIME type of the documents.
const ContentType = "application/pidf+xml"

// Decode reads a presence document. It keeps no reference to b. Errors name
// the line and what is wrong; a document type declaration is always one.
func Decode(b []byte) (*presence.State, error) { panic("todo") }

// Append appends s as a compact presence document in canonical order, with
// entity as its presence@entity ("" takes s.Entity). PIDF has the default
// namespace, RPID the prefix rpid.
func Append(dst []byte, s *presence.State, entity string) []byte { panic("todo") }
