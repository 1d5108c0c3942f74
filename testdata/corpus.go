// Package testdata has the presence documents of this folder for the program's
// own report on what a translation keeps; see the README beside them for where
// they come from.
package testdata

import "embed"

// PIDF holds presence documents: pidf/*/*.xml, some of them not well-formed or
// refused, and mapping/clients/*.xml, what SIP clients publish.
//
//go:embed pidf/*/*.xml mapping/clients/*.xml
var PIDF embed.FS
