package event

import (
	"errors"
	"strconv"
	"strings"
)

// Dialog is our half of a dialog (RFC 3261 §12.1). Its fields
// are what is stored to go on after a restart.
type Dialog struct {
	CallID    string `json:"call_id"`
	LocalTag  string `json:"local_tag"`
	RemoteTag string `json:"remote_tag"`
	// Local and Remote are To and From of the SUBSCRIBE as name-addr with <>,
	// without their tags.
	Local  string `json:"local"`
	Remote string `json:"remote"`
	// Target is the URI of the watcher's Contact (the remote target).
	Target string `json:"target"`
	// Routes is the route set, nearest hop first, each URI without <>.
	Routes     []string `json:"routes,omitempty"`
	RemoteCSeq uint32   `json:"remote_cseq"`
	LocalCSeq  uint32   `json:"-"`
	// Reserved is the CSeq up to which NOTIFYs may be sent before it has to
	// be stored anew. After a restart numbers continue from here.
	Reserved uint32 `json:"reserved"`
}

// Block is how many CSeq numbers are reserved at once, so that a NOTIFY does
// not cost a write to the store.
const Block = 1000

// Errors of [Dialog.Receive].
var (
	ErrNoDialog = errors.New("not a request of this dialog")
	ErrOldCSeq  = errors.New("CSeq number is not higher than the last")
)

// Receive checks a request that arrived within the dialog and takes its
// number. On an error nothing has changed.
func (d *Dialog) Receive(callID, remoteTag string, cseq uint32) error {
	// RFC 3261 §12.2.2: the dialog identifier is Call-ID and both tags.
	if callID != d.CallID || remoteTag != d.RemoteTag {
		return ErrNoDialog
	}
	// RFC 3261 §12.2.2: a lower number is out of order → 500.
	if cseq <= d.RemoteCSeq {
		return ErrOldCSeq
	}
	d.RemoteCSeq = cseq
	return nil
}

// Reserve sets aside the next block of CSeq numbers; what is stored after it
// is right for a restart.
func (d *Dialog) Reserve() { d.Reserved = d.LocalCSeq + Block }

// Restore makes d ready to go on after it was read from the store.
func (d *Dialog) Restore() { d.LocalCSeq = d.Reserved }

// Exhausted reports whether no reserved number is left: the next one may be
// used only when it has been reserved and the dialog is stored. It is so after
// a restart.
func (d *Dialog) Exhausted() bool { return d.LocalCSeq >= d.Reserved }

// Next returns the CSeq number of the next request, and whether the caller
// has to [Dialog.Reserve] and store the dialog now.
func (d *Dialog) Next() (n uint32, low bool) {
	d.LocalCSeq++
	return d.LocalCSeq, d.LocalCSeq+Block/10 >= d.Reserved
}

// Path returns where a request of the dialog goes: its Request-URI, its Route
// values, and the URI of the next hop.
func (d *Dialog) Path() (uri string, routes []string, next string) {
	if len(d.Routes) == 0 {
		return d.Target, nil, d.Target
	}
	if loose(d.Routes[0]) {
		return d.Target, d.Routes, d.Routes[0]
	}
	// RFC 3261 §12.2.1.1: a strict router gets its own URI as Request-URI,
	// and the remote target as the last Route.
	routes = append(routes, d.Routes[1:]...)
	return d.Routes[0], append(routes, d.Target), d.Routes[0]
}

// loose reports whether a URI has the lr parameter (RFC 3261 §19.1.1).
func loose(uri string) bool {
	uri, _, _ = strings.Cut(uri, "?")
	_, params, _ := strings.Cut(uri, ";")
	for p := range strings.SplitSeq(params, ";") {
		name, _, _ := strings.Cut(p, "=")
		if strings.EqualFold(name, "lr") {
			return true
		}
	}
	return false
}

// Append appends the header lines of a request within the dialog: From, To,
// Call-ID, CSeq and Route.
func (d *Dialog) Append(dst []byte, method string, cseq uint32, routes []string) []byte {
	dst = append(dst, "From: "...)
	dst = append(dst, d.Local...)
	dst = append(dst, ";tag="...)
	dst = append(dst, d.LocalTag...)
	dst = append(dst, "\r\nTo: "...)
	dst = append(dst, d.Remote...)
	dst = append(dst, ";tag="...)
	dst = append(dst, d.RemoteTag...)
	dst = append(dst, "\r\nCall-ID: "...)
	dst = append(dst, d.CallID...)
	dst = append(dst, "\r\nCSeq: "...)
	dst = strconv.AppendUint(dst, uint64(cseq), 10)
	dst = append(dst, ' ')
	dst = append(dst, method...)
	dst = append(dst, "\r\n"...)
	for _, r := range routes {
		dst = append(dst, "Route: <"...)
		dst = append(dst, r...)
		dst = append(dst, ">\r\n"...)
	}
	return dst
}
