package simple

import "github.com/porchlight-im/porchlight/simple/transport"

// options answers an OPTIONS request (RFC 3261 §11.2).
func (p *Port) options(r *transport.Request) transport.Reply {
	if tag := tagOf(r.To().Params); tag != "" {
		d := p.dialogs.get(tag)
		// RFC 3261 §12.2.2: within a dialog that does not exist → 481.
		if d == nil || !d.matches(r) {
			return transport.Reply{Code: 481}
		}
	}
	return transport.Reply{Code: 200, Header: capabilities(nil)}
}

// capabilities appends the header lines that say what this server can do.
func capabilities(dst []byte) []byte {
	dst = line(dst, "Allow", allow) // RFC 3903 §7: with PUBLISH
	dst = line(dst, "Accept", accept)
	dst = line(dst, "Accept-Encoding", acceptEncoding)
	dst = line(dst, "Accept-Language", "en")
	dst = line(dst, "Supported", supported)
	return line(dst, "Allow-Events", allowEvents) // RFC 6665 §4.4.4
}
