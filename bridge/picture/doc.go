// Package picture keeps the pictures of presentities (avatars, status icons)
// and gives each an address: its SHA-1, as XEP-0084 §4.2.1 names the images of
// Jabber users, and a URL under which phones and browsers load it.
//
// Every image comes from a peer. It is never decoded here: its structure is
// read from start to end (check.go and the file of each format), and what is
// cut short, of another type, or too many pixels for a reader to bear is
// refused with the reason. What is kept is bounded (MaxTotal); the picture
// that was not used for the longest time goes first.
//
//	Put ─▶ check ─▶ file by rename ─▶ index ─▶ Get, Of, URL
//	Want ─▶ queue ─▶ at most 4 fetches ─▶ Put ─▶ done
//
// Locks, outermost first: Store.writing, which keeps the writing and removing
// of files apart and is not needed to read; Store.mu, under which there is no
// I/O; fetcher.mu likewise. A fetch has a goroutine while the queue is not
// empty; an idle store has none.
package picture
