// Package policy decides who may see what: RFC 4745, RFC 5025 and the OMA
// presence rules, for watchers of every network alike.
//
// Until presence rules exist, a presentity's own answers and the default of
// its domain are all the rules there are.
package policy

// SubHandling is what a rule says of a watcher (RFC 5025 §3.2.1), in rising
// order of permission, so that the strongest of several is their maximum.
type SubHandling uint8

// The values of RFC 5025 §3.2.1.
const (
	Block SubHandling = iota
	Confirm
	PoliteBlock
	Allow
)

// Class is the set of watchers who see the same bytes. It is comparable and a
// map key; equal classes share one View.
type Class struct {
	Sub SubHandling
}
