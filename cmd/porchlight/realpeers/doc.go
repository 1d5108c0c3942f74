// Package realpeers tests the porchlight binary from outside, against real
// peers from Debian's packages: Prosody, ejabberd, slixmpp, SIPp, baresip and
// Chromium. The tests need the build tag integration; one whose peer is not
// installed is skipped and says so. `make test` installs them all.
package realpeers
