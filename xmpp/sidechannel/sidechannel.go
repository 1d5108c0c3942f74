// Package sidechannel reads and writes what a presence stanza carries beside
// XMPP's own words: the extension of docs/extensions.md, which other clients
// ignore and another gateway restores the state from.
package sidechannel

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/mapping/xmltext"
	"github.com/porchlight-im/porchlight/simple/pidf"
)

// The extension's element.
const (
	Space = mapping.Ext
	Local = "exact"
)

// MaxBytes is the size of the largest extension that is written or read. A
// state above it goes by XMPP's own words alone.
const MaxBytes = 32 << 10

// ErrTooLarge: the extension is above MaxBytes.
var ErrTooLarge = fmt.Errorf("the side channel is larger than %d bytes", MaxBytes)

// Append appends the extension of s, a state of the presentity whose URI is
// entity, that comes from l.
func Append(dst []byte, s *presence.State, entity string, l mapping.Lineage) ([]byte, error) {
	begin := len(dst)
	dst = append(dst, "<"+Local+" xmlns='"+Space+"' origin='"...)
	dst = xmltext.AppendAttr(dst, l.Origin)
	dst = append(dst, "' change='"...)
	dst = xmltext.AppendAttr(dst, l.Change)
	dst = append(dst, "'>"...)
	_, doc, _ := bytes.Cut(pidf.Append(nil, s, entity), []byte("?>")) // no declaration within a stanza
	dst = append(dst, doc...)
	dst = append(dst, "</"+Local+">"...)
	if len(dst)-begin > MaxBytes {
		return dst[:begin], ErrTooLarge
	}
	return dst, nil
}

// Read reads the extension element b.
func Read(b []byte) (s *presence.State, l mapping.Lineage, err error) {
	if len(b) > MaxBytes {
		return nil, l, ErrTooLarge
	}
	var x xmltext.Scanner
	x.Reset(b)
	kind, err := x.Next()
	if err != nil {
		return nil, l, err
	}
	if kind != xmltext.Start || string(x.Space) != Space || string(x.Local) != Local {
		return nil, l, errors.New("not an extension of ours")
	}
	l = mapping.Lineage{Origin: string(x.Attr("origin")), Change: string(x.Attr("change"))}
	var raw string
	err = x.Each(func() error {
		if raw != "" {
			return errors.New("more than one document in the extension")
		}
		raw, err = x.Raw()
		return err
	})
	if err != nil {
		return nil, l, fmt.Errorf("reading the side channel: %w", err)
	}
	s, err = pidf.Decode([]byte(raw))
	if err != nil {
		return nil, l, fmt.Errorf("reading the side channel's document: %w", err)
	}
	s.Entity = ""
	return s, l, nil
}
