package transport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/patrickmn/go-cache"
)

// Resolver answers what RFC 3263 asks of the DNS. Methods may block until ctx
// ends; an answer without records is an empty slice, not an error.
type Resolver interface {
	NAPTR(ctx context.Context, name string) ([]NAPTR, error)
	SRV(ctx context.Context, name string) ([]SRV, error)
	// Hosts returns the A and AAAA records of a name, best first.
	Hosts(ctx context.Context, name string) ([]netip.Addr, error)
}

// NAPTR is a naming authority pointer (RFC 3403 §4).
type NAPTR struct {
	Order, Preference uint16
	Flags, Service    string
	Replacement       string
}

// SRV is a service record (RFC 2782).
type SRV struct {
	Priority, Weight, Port uint16
	Target                 string
}

// hop is one address to try.
type hop struct {
	transport string
	addr      netip.AddrPort
	host      string // for TLS: the domain of the URI
	way       way    // set: no need to look for one
	reused    bool   // went out on a connection that was there already
	again     bool   // second try, after one on such a connection
}

const (
	maxHops     = 8 // tried for one request
	maxRecords  = 16
	dnsKeep     = time.Minute
	dnsKeepBad  = 5 * time.Second
	dnsCache    = 20_000 // entries
	dnsWaiters  = 10_000 // requests waiting for one lookup
	dnsDeadline = 15 * time.Second
	downFor     = 30 * time.Second
)

// locator finds hops by RFC 3263. Lookups of one name are joined.
type locator struct {
	t     *Transport
	cache *cache.Cache // key → located
	down  *cache.Cache // transport|address of hops that failed lately
	mu    sync.Mutex
	busy  map[string][]func([]hop, error)
}

type located struct {
	hops []hop
	err  error
}

func newLocator(t *Transport) *locator {
	return &locator{
		t: t, cache: cache.New(dnsKeep, 0), down: cache.New(downFor, 0),
		busy: make(map[string][]func([]hop, error)),
	}
}

// want is what a URI says about where to go.
type want struct {
	secure    bool
	host      string
	port      int    // 0: not given
	transport string // "": not given
}

func (w want) key() string {
	return strconv.FormatBool(w.secure) + "|" + w.transport + "|" + strings.ToLower(w.host) + "|" + strconv.Itoa(w.port)
}

// parseWant reads the URI of a next hop.
func parseWant(next string) (want, error) {
	var u sip.Uri
	err := ParseURI(next, &u)
	if err != nil {
		return want{}, err
	}
	if u.Scheme != "sip" && u.Scheme != "sips" {
		return want{}, fmt.Errorf("cannot send to a %s URI", u.Scheme)
	}
	w := want{secure: u.Scheme == "sips", host: u.Host, port: u.Port}
	maddr, ok := u.UriParams.Get("maddr")
	if ok { // RFC 3263 §4
		w.host = maddr
	}
	w.host = strings.TrimSuffix(strings.TrimPrefix(w.host, "["), "]")
	tp, _ := u.UriParams.Get("transport")
	w.transport = strings.ToLower(tp)
	switch w.transport {
	case "", "tcp", "tls", "udp", "ws", "wss":
	default:
		return want{}, fmt.Errorf("unknown transport %q", tp)
	}
	if !w.secure {
		return w, nil
	}
	// RFC 3261 §26.2.2: sips is TLS on each hop.
	switch w.transport {
	case "udp":
		return want{}, errors.New("sips over UDP")
	case "tcp":
		w.transport = "tls"
	case "ws":
		w.transport = "wss"
	}
	return w, nil
}

// find calls back with the hops for a URI, at once if no lookup is needed,
// else on another goroutine.
func (l *locator) find(next string, back func([]hop, error)) {
	w, err := parseWant(next)
	if err != nil {
		back(nil, fmt.Errorf("next hop: %w", err))
		return
	}
	a, err := netip.ParseAddr(w.host)
	if err == nil {
		// RFC 3263 §4.1, §4.2: a numeric host needs no lookup.
		tp := w.transportOr("udp")
		hops, err := addresses(tp, []netip.Addr{a}, w.portOr(tp), w.host)
		back(hops, err)
		return
	}
	key := w.key()
	v, ok := l.cache.Get(key)
	if ok {
		back(l.order(v.(located).hops), v.(located).err)
		return
	}
	l.mu.Lock()
	waiting, running := l.busy[key]
	if len(waiting) >= dnsWaiters || !running && len(l.busy) >= l.t.lim.Lookups {
		l.mu.Unlock()
		back(nil, errors.New("too many lookups"))
		return
	}
	l.busy[key] = append(waiting, back)
	l.mu.Unlock()
	if !running && !l.t.io.start(func() { l.lookup(key, w) }) {
		l.finish(key, located{err: ErrStopped}, 0)
	}
}

func (l *locator) lookup(key string, w want) {
	ctx, cancel := context.WithTimeout(l.t.runCtx, dnsDeadline)
	defer cancel()
	hops, err := l.hops(ctx, w)
	if err == nil && len(hops) == 0 {
		err = fmt.Errorf("no address for %s", w.host)
	}
	keep := dnsKeep
	if err != nil {
		keep = dnsKeepBad
	}
	l.finish(key, located{hops, err}, keep)
}

func (l *locator) finish(key string, r located, keep time.Duration) {
	if l.cache.ItemCount() >= dnsCache {
		l.cache.Flush()
	}
	if keep > 0 {
		l.cache.Set(key, r, keep)
	}
	l.mu.Lock()
	waiting := l.busy[key]
	delete(l.busy, key)
	l.mu.Unlock()
	for _, back := range waiting {
		back(l.order(r.hops), r.err)
	}
}

// suspect remembers for a while that a hop has failed, so that not every
// request waits for it first.
func (l *locator) suspect(h hop) {
	if !h.addr.IsValid() {
		return
	}
	if l.down.ItemCount() >= dnsCache {
		l.down.Flush()
	}
	l.down.SetDefault(peerKey(h.transport, h.addr, ""), struct{}{})
}

// order copies hops, those that have failed lately last.
func (l *locator) order(hops []hop) []hop {
	out := make([]hop, 0, len(hops))
	var last []hop
	for _, h := range hops {
		_, down := l.down.Get(peerKey(h.transport, h.addr, ""))
		if len(hops) > 1 && down {
			last = append(last, h)
		} else {
			out = append(out, h)
		}
	}
	return append(out, last...)
}

// transportOr is the transport of a URI that needs no lookup for it.
func (w want) transportOr(def string) string {
	switch {
	case w.transport != "":
		return w.transport
	case w.secure:
		return "tls"
	}
	return def
}

func (w want) portOr(transport string) int {
	if w.port != 0 {
		return w.port
	}
	return defaultPorts[transport]
}

// hops does the lookups of RFC 3263 §4.
func (l *locator) hops(ctx context.Context, w want) ([]hop, error) {
	if w.port != 0 || w.host == "localhost" {
		// RFC 3263 §4.1: explicit port → UDP, or TLS; §4.2: no SRV.
		tp := w.transportOr("udp")
		return l.hostHops(ctx, tp, w.host, w.portOr(tp), w.host)
	}
	services, err := l.services(ctx, w)
	if err != nil {
		return nil, err
	}
	var out []hop
	for _, s := range services {
		records, err := l.t.resolver.SRV(ctx, s.name)
		if err != nil {
			return nil, fmt.Errorf("SRV %s: %w", s.name, err)
		}
		for _, r := range orderSRV(records) {
			if len(out) >= maxHops {
				return out, nil
			}
			hops, err := l.hostHops(ctx, s.transport, strings.TrimSuffix(r.Target, "."), int(r.Port), w.host)
			if err != nil {
				l.t.log.Debug("SRV target", "err", err)
				continue
			}
			out = append(out, hops...)
		}
	}
	if len(out) > 0 {
		return out[:min(len(out), maxHops)], nil
	}
	// RFC 3263 §4.2: no SRV records → A or AAAA, default port.
	tp := w.transportOr("udp")
	return l.hostHops(ctx, tp, w.host, w.portOr(tp), w.host)
}

// service is an SRV name to ask for, and what it stands for.
type service struct{ name, transport string }

// services are the SRV names for a domain, best first.
func (l *locator) services(ctx context.Context, w want) ([]service, error) {
	all := []service{
		{"_sip._udp." + w.host, "udp"},
		{"_sip._tcp." + w.host, "tcp"},
		{"_sips._tcp." + w.host, "tls"},
	}
	if w.transport != "" {
		// RFC 3263 §4.2: the transport is known, only its SRV counts.
		return slices.DeleteFunc(all, func(s service) bool { return s.transport != w.transport }), nil
	}
	records, err := l.t.resolver.NAPTR(ctx, w.host)
	if err != nil {
		return nil, fmt.Errorf("NAPTR %s: %w", w.host, err)
	}
	slices.SortStableFunc(records, func(a, b NAPTR) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Preference, b.Preference))
	})
	var out []service
	for _, r := range records[:min(len(records), maxRecords)] {
		// RFC 3263 §4.1: only services we have; sips takes only SIPS.
		tp := map[string]string{"SIP+D2U": "udp", "SIP+D2T": "tcp", "SIPS+D2T": "tls"}[strings.ToUpper(r.Service)]
		if strings.EqualFold(r.Flags, "s") && tp != "" && (!w.secure || tp == "tls") {
			out = append(out, service{strings.TrimSuffix(r.Replacement, "."), tp})
		}
	}
	if len(out) > 0 {
		return out, nil
	}
	// RFC 3263 §4.1: no NAPTR → the SRV names of what we have.
	if w.secure {
		return all[2:], nil
	}
	return all[:2], nil
}

// hostHops are the addresses of a host name. domain is the name that a TLS
// certificate has to have (RFC 5922 §4).
func (l *locator) hostHops(ctx context.Context, tp, host string, port int, domain string) ([]hop, error) {
	a, err := netip.ParseAddr(host)
	if err == nil {
		return addresses(tp, []netip.Addr{a}, port, domain)
	}
	addrs, err := l.t.resolver.Hosts(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("address of %s: %w", host, err)
	}
	return addresses(tp, addrs, port, domain)
}

// addresses makes hops of unicast addresses.
func addresses(tp string, addrs []netip.Addr, port int, domain string) ([]hop, error) {
	var out []hop
	for _, a := range addrs[:min(len(addrs), maxRecords)] {
		a = a.Unmap()
		if a.IsMulticast() || a.IsUnspecified() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
			continue
		}
		out = append(out, hop{transport: tp, addr: netip.AddrPortFrom(a, uint16(port)), host: domain})
	}
	if len(out) == 0 {
		return nil, errors.New("no unicast address")
	}
	return out, nil
}

// orderSRV orders records by priority, and by weighted chance within one
// (RFC 2782).
func orderSRV(in []SRV) []SRV {
	in = slices.Clone(in[:min(len(in), maxRecords)])
	in = slices.DeleteFunc(in, func(r SRV) bool { return r.Target == "." || r.Target == "" || r.Port == 0 })
	slices.SortStableFunc(in, func(a, b SRV) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.Weight, b.Weight))
	})
	for i := range in {
		sum, end := 0, i
		for ; end < len(in) && in[end].Priority == in[i].Priority; end++ {
			sum += int(in[end].Weight)
		}
		pick := rand.IntN(sum + 1)
		for j := i; j < end; j++ {
			pick -= int(in[j].Weight)
			if pick <= 0 {
				r := in[j]
				copy(in[i+1:j+1], in[i:j])
				in[i] = r
				break
			}
		}
	}
	return in
}
