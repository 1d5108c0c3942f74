// Package wire has the JSON frames of the web feed (docs/feed.md).
package wire
