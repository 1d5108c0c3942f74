package simple

import (
	"sync"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/simple/digest"
	"github.com/porchlight-im/porchlight/simple/transport"
)

// clientPatience is how long after its first sending a request can come again:
// Timer F, 64·T1 (RFC 3261 §17.1.2.2).
const clientPatience = 32 * time.Second

// earlier knows what the process before may have done without its answer
// reaching the client, who then sends the same again.
//
// It holds the dialogs of that process by the SUBSCRIBE that made them. Its 200 may be lost with that process, and then its client, which
// does not know our tag, sends it again; within one process the transactions
// take care of that. Nothing is held longer than such a client has patience.
type earlier struct {
	until time.Time // set once, before requests are served and dialogs are added

	mu     sync.Mutex
	dialog map[string]*dialog
}

// earlierKey names a dialog without our tag.
func earlierKey(callID, remoteTag string) string { return callID + "\x00" + remoteTag }

// add takes in a dialog that was resumed; it is not called beside get.
func (e *earlier) add(d *dialog) {
	if e.dialog == nil {
		e.dialog = map[string]*dialog{}
	}
	d.again = e.until
	e.dialog[earlierKey(d.sip.CallID, d.sip.RemoteTag)] = d
}

// get returns the dialog that r, a SUBSCRIBE without a To tag, has made, or
// the one that it may be in, or nil.
func (e *earlier) get(r *transport.Request) *dialog {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.dialog == nil {
		return nil
	}
	if time.Now().After(e.until) {
		e.dialog = nil
		return nil
	}
	return e.dialog[earlierKey(r.CallID().Value(), tagOf(r.From().Params))]
}

// ended returns the dialog that r, with a To tag, is in, if its watcher has
// ended it in an earlier process, or nil.
func (e *earlier) ended(r *transport.Request) *dialog {
	d := e.get(r)
	if d == nil || !d.ended || d.id != tagOf(r.To().Params) {
		return nil
	}
	return d
}

// done returns the receipt of r, a PUBLISH that an earlier process has done
// and that comes again, with a nonce that ended with that process. It may be a
// replay (RFC 3903 §14.3), but nothing is done now, and so right credentials
// are enough for being told once more what has been done.
func (p *Port) done(r *transport.Request) (bridge.Receipt, bool) {
	if p.auth == nil || time.Now().After(p.earlier.until) {
		return bridge.Receipt{}, false
	}
	who, _, refused := p.target(r)
	if refused != nil {
		return bridge.Receipt{}, false
	}
	user, result := p.proven(r)
	if result != digest.Stale || user != who {
		return bridge.Receipt{}, false
	}
	return p.hub.Receipt(who, requestName(r))
}
