// Package bridgetest is what tests of several ports share: an in-memory
// network that runs inside a testing/synctest bubble, and fakes of peers.
package bridgetest
