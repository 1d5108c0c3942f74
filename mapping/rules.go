package mapping

// Rules say how the states of one domain's presentities are translated.
// They are immutable once made, and may be used by everyone.
type Rules struct {
	// SideChannelOff: what the other network cannot say is dropped instead of
	// being carried along in an extension (docs/extensions.md).
	SideChannelOff bool
}

// Standard are the rules of a domain without any of its own: the tables as
// they are, and the side channel on. It is nil: a nil *Rules may be used.
var Standard *Rules
