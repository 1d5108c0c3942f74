// Package xmltext reads and writes the XML of everything hot: presence
// documents, stanzas and XCAP documents.
//
// [Scanner] is a strict pull scanner over one whole document in memory. It
// accepts what XML 1.0 (fifth edition) and Namespaces in XML 1.0 call
// well-formed, in UTF-8, less document type declarations, which are refused,
// and within the limits of this package. It takes time linear in the size of
// the document, and neither copies nor converts what it need not:
//
//	var s xmltext.Scanner
//	s.Reset(document)
//	kind, err := s.Next() // the root's start tag
//	…
//	err = s.Each(func() error { // for each child of the root
//		if string(s.Local) == "note" && string(s.Space) == pidf {
//			text, err = s.Content()
//			return err
//		}
//		raw, err := s.Raw() // what we do not know, made self-contained
//		…
//	})
//	…
//	kind, err = s.Next() // EOF, or a complaint about what follows the root
//
// [Scanner.Span] tells where a token stands, for callers that edit the bytes
// of a document and leave the rest as it is.
//
// [AppendText] and [AppendAttr] write.
package xmltext
