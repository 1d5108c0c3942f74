// Package policy decides who may see what: RFC 4745, RFC 5025 and the OMA
// presence rules, for watchers of every network alike.
//
// Until presence rules exist, a presentity's own answers and the default of
// its domain are all the rules there are.
package policy

import (
	"strings"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

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

var names = [...]string{"block", "confirm", "polite-block", "allow"}

// String returns the word of RFC 5025, such as "polite-block".
func (s SubHandling) String() string { return names[s] }

// ParseSubHandling reads the word that String returns.
func ParseSubHandling(word string) (SubHandling, bool) {
	for i, n := range names {
		if n == word {
			return SubHandling(i), true
		}
	}
	return Block, false
}

// Class is the set of watchers who see the same bytes. It is comparable and a
// map key; equal classes share one View.
type Class struct {
	Sub SubHandling
}

// Apply returns what of s a watcher of class may see of the presentity a: the
// whole state when allowed, a plausible unavailable one when politely blocked
// (RFC 5025 §3.2.1), and nil otherwise. An empty state looks as it does to the
// politely blocked, so that they cannot tell.
func Apply(class Class, a presence.Addr, s *presence.State) *presence.State {
	switch {
	case class.Sub == PoliteBlock, class.Sub == Allow && empty(s):
		return unavailable(a)
	case class.Sub == Allow:
		return s
	}
	return nil
}

func empty(s *presence.State) bool {
	return len(s.Services)+len(s.Persons)+len(s.Devices)+len(s.Notes)+len(s.Ext) == 0
}

// unavailable is one closed tuple that looks like any other.
func unavailable(a presence.Addr) *presence.State {
	return &presence.State{Services: []presence.Service{{
		ID: "t1", Basic: presence.Closed, Contact: &presence.Contact{URI: uri(a)},
	}}}
}

// uri writes a as a URI: whatever is not unreserved in the user part becomes
// %hexhex (RFC 3986 §2.1).
func uri(a presence.Addr) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	b.WriteString(a.Scheme.String() + ":")
	for _, c := range []byte(a.User) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.!~*'()+", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	b.WriteString("@" + a.Host)
	return b.String()
}
