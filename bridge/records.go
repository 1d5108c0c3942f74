package bridge

import (
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"github.com/porchlight-im/porchlight/bridge/policy"
	"github.com/porchlight-im/porchlight/bridge/store"
	"github.com/porchlight-im/porchlight/mapping/presence"
)

// The kinds of records, the first byte of a key. What follows are the parts
// of the key, each behind a zero byte.
const (
	kindPublication = 'p' // presentity, publication id
	kindRemoval     = 'r' // presentity, publication id
	kindAnswer      = 'a' // presentity, watcher
	kindSub         = 's' // presentity, watcher, port, id
	kindLeg         = 'l' // presentity, watcher
	kindOrigin      = 'o' // nothing
)

// recordVersion is the first byte of every value.
const recordVersion = 1

func key(kind byte, parts ...string) string {
	var b strings.Builder
	b.WriteByte(kind)
	for _, p := range parts {
		b.WriteByte(0)
		b.WriteString(escaper.Replace(p))
	}
	return b.String()
}

// escaper takes the zero byte out of a part; what peers send may have one.
var (
	escaper   = strings.NewReplacer("%", "%25", "\x00", "%00")
	unescaper = strings.NewReplacer("%25", "%", "%00", "\x00")
)

// keyParts undoes key.
func keyParts(k string) (kind byte, parts []string, err error) {
	parts = strings.Split(k, "\x00")
	if len(parts[0]) != 1 {
		return 0, nil, errors.New("a key of an unknown form")
	}
	for i, p := range parts[1:] {
		parts[i+1] = unescaper.Replace(p)
	}
	return parts[0][0], parts[1:], nil
}

// addrPart writes any address, legal or not, so that readAddr reads the same.
// Of legal ones it is Addr.String.
func addrPart(a presence.Addr) string {
	if a.User == "" && !strings.Contains(a.Host, "@") {
		return a.Scheme.String() + ":" + a.Host
	}
	return a.Scheme.String() + ":" + a.User + "@" + strings.ReplaceAll(a.Host, "@", "\x00")
}

func readAddr(s string) (presence.Addr, error) {
	scheme, rest, ok := strings.Cut(s, ":")
	var a presence.Addr
	switch {
	case ok && scheme == presence.SIP.String():
		a.Scheme = presence.SIP
	case ok && scheme == presence.XMPP.String():
		a.Scheme = presence.XMPP
	case !ok || scheme != "":
		return a, presence.ErrAddr
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		a.User, rest = rest[:i], strings.ReplaceAll(rest[i+1:], "\x00", "@")
	}
	a.Host = rest
	return a, nil
}

// value builds a record's value of length-prefixed fields.
type value struct{ b []byte }

func newValue(size int) *value {
	v := &value{make([]byte, 0, size+32)}
	v.b = append(v.b, recordVersion)
	return v
}

func (v *value) bytes(b []byte) *value {
	v.b = binary.AppendUvarint(v.b, uint64(len(b)))
	v.b = append(v.b, b...)
	return v
}

func (v *value) string(s string) *value {
	v.b = binary.AppendUvarint(v.b, uint64(len(s)))
	v.b = append(v.b, s...)
	return v
}

func (v *value) uint(n uint64) *value {
	v.b = binary.AppendUvarint(v.b, n)
	return v
}

func (v *value) flag(on bool) *value {
	if on {
		return v.uint(1)
	}
	return v.uint(0)
}

func (v *value) time(t time.Time) *value {
	if t.IsZero() {
		return v.uint(0)
	}
	return v.uint(uint64(t.UnixNano()))
}

// fields reads what value has built; after the first fault all is zero.
type fields struct {
	b   []byte
	bad bool
}

func readValue(b []byte) (*fields, error) {
	if len(b) == 0 || b[0] != recordVersion {
		return nil, errors.New("a record of an unknown version")
	}
	return &fields{b: b[1:]}, nil
}

func (f *fields) uint() uint64 {
	n, size := binary.Uvarint(f.b)
	if size <= 0 {
		f.bad = true
		return 0
	}
	f.b = f.b[size:]
	return n
}

func (f *fields) bytes() []byte {
	n := f.uint()
	if f.bad || n > uint64(len(f.b)) {
		f.bad = true
		return nil
	}
	b := f.b[:n:n]
	f.b = f.b[n:]
	return b
}

func (f *fields) string() string { return string(f.bytes()) }

func (f *fields) time() time.Time {
	n := f.uint()
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(n))
}

func (f *fields) err() error {
	if f.bad {
		return errors.New("a record is cut short")
	}
	return nil
}

func (p *publication) key() string { return key(kindPublication, addrPart(p.of.addr), p.id) }

func (p *publication) record() store.Record {
	v := newValue(len(p.raw) + len(p.etag) + len(p.request) + 64)
	v.string(p.etag).string(p.source).string(p.request).uint(p.seq).uint(p.changed).time(p.expires).bytes(p.raw)
	v.uint(uint64(p.class)).time(p.arrived)
	return store.Record{Key: p.key(), Value: v.b}
}

func (p *publication) gone() store.Record { return store.Record{Key: p.key()} }

func answerKey(l Leg) string { return key(kindAnswer, addrPart(l.Presentity), addrPart(l.Watcher)) }

func answerRecord(l Leg, answer policy.SubHandling) store.Record {
	return store.Record{Key: answerKey(l), Value: newValue(1).string(answer.String()).b}
}

func (s *sub) key() string {
	return key(kindSub, addrPart(s.leg.of.addr), addrPart(s.leg.watcher), s.port, s.id)
}

func (s *sub) record() store.Record {
	return store.Record{Key: s.key(), Value: newValue(len(s.data)).time(s.expires).bytes(s.data).b}
}

func (s *sub) gone() store.Record { return store.Record{Key: s.key()} }

func (l *legEntry) key() string { return key(kindLeg, addrPart(l.of.addr), addrPart(l.watcher)) }

func (l *legEntry) record(h *Hub) store.Record {
	var raw []byte
	if l.view != nil && l.view.State != nil {
		raw = h.cfg.Codec.Append(nil, l.view.State)
	}
	v := newValue(len(raw) + len(l.data) + 32)
	v.uint(uint64(l.verdict.State)).uint(l.version).bytes(l.data).bytes(raw).flag(l.parked).string(l.verdict.Reason)
	return store.Record{Key: l.key(), Value: v.b}
}

func (l *legEntry) gone() store.Record { return store.Record{Key: l.key()} }

// addrs reads the addresses that begin a key's parts.
func addrs(parts []string, n int) ([]presence.Addr, error) {
	if len(parts) < n {
		return nil, errors.New("a record's key is cut short")
	}
	out := make([]presence.Addr, n)
	for i := range n {
		a, err := readAddr(parts[i])
		if err != nil {
			return nil, err
		}
		out[i] = a
	}
	return out, nil
}
