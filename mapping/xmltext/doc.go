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
// [Framer] cuts a byte stream, such as XMPP's (RFC 6120 §4), into its header
// and the complete elements of its first level, in whatever portions the bytes
// come. Each element is then read with a Scanner to which the header's
// namespaces are known:
//
//	var f xmltext.Framer
//	for {
//		piece, begin, end, err := f.Next(buf)
//		…
//		switch piece {
//		case xmltext.More:
//			buf = buf[end:] // white space, if anything
//			// read more bytes behind buf, and go on
//		case xmltext.Header:
//			s.Reset(buf[begin:end])
//			_, err = s.Next()
//			scope = s.Bindings()
//		case xmltext.Element:
//			s.ResetIn(buf[begin:end], scope)
//			…
//		case xmltext.TooLarge: // an element was passed over
//		case xmltext.Footer:
//			return nil
//		}
//		buf = buf[end:]
//	}
//
// [AppendText] and [AppendAttr] write.
package xmltext
