package bridge

import (
	"crypto/rand"
	"sync"

	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

// ChangeID names one ingress event, in every log line from PUBLISH to NOTIFY,
// stanza and frame.
type ChangeID string

// NewChange returns a fresh ChangeID: 10 characters, unguessable.
func NewChange() ChangeID { return ChangeID(rand.Text()[:10]) }

// View is a presentity's state as one class of watchers may see it. It is
// immutable and encoded at most once per Format.
type View struct {
	Presentity presence.Addr
	Version    uint64 // rises with each change of the presentity
	State      *presence.State
	Change     ChangeID
	Rules      *mapping.Rules // of the presentity's domain
	Origin     string         // of the hub that made it (Hub.Origin)
	enc        [maxFormats]encoding
}

type encoding struct {
	once sync.Once
	b    []byte
}

const maxFormats = 12

// Format is one way to write a State. Formats are package variables made by
// [NewFormat]; there are at most twelve.
type Format struct {
	id     int
	Name   string
	Append func(dst []byte, v *View) []byte
}

var formats struct {
	sync.Mutex
	n int
}

// NewFormat registers a format. It is called when packages initialise.
func NewFormat(name string, app func(dst []byte, v *View) []byte) *Format {
	formats.Lock()
	defer formats.Unlock()
	if formats.n == maxFormats {
		panic("bridge: more than twelve formats")
	}
	f := &Format{id: formats.n, Name: name, Append: app}
	formats.n++
	return f
}

// Bytes returns v written in f, made on the first call and shared after it.
// The caller must not change the bytes.
func (v *View) Bytes(f *Format) []byte {
	e := &v.enc[f.id]
	e.once.Do(func() { e.b = f.Append(nil, v) })
	return e.b
}
