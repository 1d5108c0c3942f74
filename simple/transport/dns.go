package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// NewResolver returns the Resolver used when Config names none: NAPTR and SRV
// from the servers of resolv.conf at the path, addresses from the system
// (which knows /etc/hosts). A missing file means no NAPTR or SRV records.
func NewResolver(resolvConf string) Resolver {
	r := &systemResolver{}
	c, err := dns.ClientConfigFromFile(resolvConf)
	if err != nil {
		return r
	}
	for _, s := range c.Servers {
		r.servers = append(r.servers, net.JoinHostPort(s, c.Port))
	}
	return r
}

type systemResolver struct{ servers []string }

// dnsTry is the time for one question to one server.
const dnsTry = 2 * time.Second

func (r *systemResolver) NAPTR(ctx context.Context, name string) ([]NAPTR, error) {
	answer, err := r.ask(ctx, name, dns.TypeNAPTR)
	if err != nil {
		return nil, err
	}
	var out []NAPTR
	for _, rr := range answer {
		n, ok := rr.(*dns.NAPTR)
		if ok {
			out = append(out, NAPTR{n.Order, n.Preference, n.Flags, n.Service, n.Replacement})
		}
	}
	return out, nil
}

func (r *systemResolver) SRV(ctx context.Context, name string) ([]SRV, error) {
	answer, err := r.ask(ctx, name, dns.TypeSRV)
	if err != nil {
		return nil, err
	}
	var out []SRV
	for _, rr := range answer {
		s, ok := rr.(*dns.SRV)
		if ok {
			out = append(out, SRV{s.Priority, s.Weight, s.Port, s.Target})
		}
	}
	return out, nil
}

func (r *systemResolver) Hosts(ctx context.Context, name string) ([]netip.Addr, error) {
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	var none *net.DNSError
	if errors.As(err, &none) && none.IsNotFound {
		return nil, nil
	}
	return addrs, err
}

// ask asks the servers in turn, by TCP when the answer does not fit.
func (r *systemResolver) ask(ctx context.Context, name string, kind uint16) ([]dns.RR, error) {
	q := new(dns.Msg)
	q.SetQuestion(dns.Fqdn(name), kind)
	q.SetEdns0(1232, false)
	err := error(nil)
	for _, server := range r.servers {
		var in *dns.Msg
		c := dns.Client{Timeout: dnsTry}
		in, _, err = c.ExchangeContext(ctx, q, server)
		if err == nil && in.Truncated {
			c.Net = "tcp"
			in, _, err = c.ExchangeContext(ctx, q, server)
		}
		switch {
		case err != nil:
			continue
		case in.Rcode == dns.RcodeSuccess, in.Rcode == dns.RcodeNameError:
			return in.Answer, nil
		}
		err = fmt.Errorf("answer %s from %s", dns.RcodeToString[in.Rcode], server)
	}
	return nil, err
}
