package webapi

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/webapi/wire"
)

// jsonFormat writes the presence document of a View. It does not depend on
// the client: the bytes are made once and shared by all who see the View.
var jsonFormat = bridge.NewFormat("json", func(dst []byte, v *bridge.View) []byte {
	return v.Rules.AppendJSON(dst, v.Presentity, v.Rules.WithoutSideChannel(v.State), time.Now())
})

// appendPresence appends the presence frame of it, whose view is nil when
// nothing is known.
func appendPresence(dst []byte, it *bridge.Item) []byte {
	dst = append(dst, `{"op":"presence","address":`...)
	dst = appendString(dst, it.Leg.Presentity.String())
	dst = append(dst, `,"rev":`...)
	if it.View == nil {
		dst = append(dst, '0')
	} else {
		dst = strconv.AppendUint(dst, it.View.Version, 10)
	}
	// The item's change, not the view's: of a state that is made up for a
	// politely blocked watcher the view has none, and that would tell.
	dst = append(dst, `,"change":`...)
	dst = appendString(dst, string(it.Change))
	dst = append(dst, `,"presence":`...)
	if it.View == nil {
		dst = mapping.Standard.AppendJSON(dst, it.Leg.Presentity, nil, time.Now())
	} else {
		dst = append(dst, it.View.Bytes(jsonFormat)...)
	}
	return append(dst, '}')
}

func appendString(dst []byte, s string) []byte {
	b, err := json.Marshal(s)
	if err != nil { // not for strings
		return append(dst, `""`...)
	}
	return append(dst, b...)
}

// wake starts a writer when the outbox has something and none runs. A writer
// that runs looks again before it ends.
func (c *conn) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.startWriter()
}

// beat keeps the heartbeat of the feed and of its publication.
func (c *conn) beat(ctx context.Context, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.outbox == nil || c.closing != nil {
		return
	}
	last := c.heard
	if c.pinged.After(last) {
		last = c.pinged
	}
	if now.Sub(last) >= heartbeat {
		c.pinged, c.pingDue = now, true
		c.startWriter()
	}
	if c.pub.due(now) {
		pub := c.pub
		c.task("refresh", func() {
			if pub.refresh(ctx, c) {
				_ = c.send(wire.Published{Op: wire.OpUnpublished}) // an error has ended the feed
			}
		})
	}
}

// startWriter starts a writer if there is work and none runs. c.mu is held.
func (c *conn) startWriter() {
	if c.writer || c.outbox == nil || c.closing != nil {
		return
	}
	batch := batches.Get().(*[]bridge.Item)
	if !c.takeWork(batch) {
		batches.Put(batch)
		return
	}
	c.task("writer", func() { c.flush(batch) })
}

// takeWork fills batch, which is empty, and reports whether there is anything
// to write. c.mu is held.
func (c *conn) takeWork(batch *[]bridge.Item) bool {
	if c.closing == nil && !c.held {
		*batch = c.outbox.Take(*batch)
	}
	c.writer = c.closing == nil && (c.pingDue || len(*batch) > 0)
	return c.writer
}

// task runs f in a goroutine that Run waits for. The reader is counted among
// those while c.closing is nil, so this does not race with the wait.
func (c *conn) task(what string, f func()) {
	c.port.tasks.Go(func() { c.guard(what, f) })
}

var batches = sync.Pool{New: func() any { return new([]bridge.Item) }}

// flush writes batch, and what has come meanwhile, until there is nothing.
func (c *conn) flush(batch *[]bridge.Item) {
	for more := true; more; {
		c.writePing()
		c.writeBatch(*batch)
		clear(*batch)
		*batch = (*batch)[:0]
		c.mu.Lock()
		more = c.takeWork(batch)
		c.mu.Unlock()
	}
	batches.Put(batch)
}

// writePing sends a ping when one is due.
func (c *conn) writePing() {
	c.mu.Lock()
	due := c.pingDue
	c.pingDue = false
	c.mu.Unlock()
	if !due {
		return
	}
	err := c.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeTimeout))
	if err != nil {
		c.end(closing{reason: "slow"})
	}
}

// writeBatch writes the frames of items. A client that takes too long for
// what was new at one time is cut off; it finds the newest state when it comes
// again.
func (c *conn) writeBatch(items []bridge.Item) {
	deadline := time.Now().Add(batchPatience)
	for i := range items {
		err := c.writeItem(&items[i])
		if err != nil {
			return
		}
		if time.Now().After(deadline) {
			c.end(closing{wire.CloseSlow, "too slow a reader", "slow"})
			return
		}
	}
}

// writeItem writes the frames of one item: a state frame when the standing of
// the subscription has changed, a presence frame when there is a view to show.
func (c *conn) writeItem(it *bridge.Item) error {
	changed, ours := c.settle(it)
	if !ours {
		return nil
	}
	v := it.Verdict
	if changed {
		f := wire.State{Op: wire.OpState, Address: it.Leg.Presentity.String(), State: v.State.String(),
			Reason: v.Reason, RetryMS: v.RetryAfter.Milliseconds(), Change: string(it.Change)}
		if v.Err != nil {
			f.Detail = tell(v.Err)
		}
		err := c.send(f)
		if err != nil {
			return err
		}
	}
	if v.State != bridge.Active {
		return nil
	}
	c.port.metrics.frames.Inc()
	buf := buffers.get()
	defer buffers.put(buf)
	frame := appendPresence(buf.AvailableBuffer(), it)
	err := c.write(frame)
	_, _ = buf.Write(frame) // keeps what it has grown to
	if c.log.Enabled(context.Background(), slog.LevelDebug) {
		c.log.Debug("frame", "presentity", it.Leg.Presentity, "change", it.Change, "err", err)
	}
	return err
}

// settle notes what it says of its subscription, and whether that is news.
// ours is false for an item of a subscription that is gone, and for a probe:
// a feed's watcher is there as long as its socket is.
func (c *conn) settle(it *bridge.Item) (changed, ours bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.subs[it.Leg.Presentity]
	if !ok || s.id != it.ID || it.Probe {
		return false, false
	}
	changed = s.told != it.Verdict.State
	s.told = it.Verdict.State
	if it.Final {
		delete(c.subs, it.Leg.Presentity)
		c.port.metrics.subscriptions.Dec()
	} else {
		c.subs[it.Leg.Presentity] = s
	}
	return changed, true
}

// buffers keeps the buffers of frames that are being read or written.
var buffers bufferPool

type bufferPool struct{ pool sync.Pool }

func (p *bufferPool) get() *bytes.Buffer {
	if b, ok := p.pool.Get().(*bytes.Buffer); ok {
		return b
	}
	return new(bytes.Buffer)
}

// put keeps b unless it has grown large.
func (p *bufferPool) put(b *bytes.Buffer) {
	if b.Cap() <= 64<<10 {
		b.Reset()
		p.pool.Put(b)
	}
}
