// Package presence is the canonical presence model of Porchlight: the data
// model of RFC 4479 (person, service, device) with the elements of RFC 3863,
// RFC 4480 (RPID), RFC 4481 (timed presence), RFC 4482 (CIPID), RFC 5196
// (capabilities), RFC 4119 (location) and the OMA presence data extensions as
// Go types. What the model has no type for is carried as [RawXML], never
// dropped.
//
// The model is the richest network's own information model, so that SIP needs
// only a codec and every other network one mapping. Values are immutable once
// they have been handed to another package: whoever wants a change copies.
//
// The package has no I/O, no clock and no goroutines.
package presence
