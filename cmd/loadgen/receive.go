//go:build linux

package main

import "bytes"

// handle takes the message in e.m, which came from that address.
func (e *engine) handle(l *link, from *sockaddr) {
	if e.m.folded {
		e.st.n[foldedHeaders]++
	}
	switch {
	case e.serve != nil:
		if e.m.request {
			e.serve(l, from)
		}
	case e.m.request:
		e.onRequest(l, from)
	default:
		e.onResponse()
	}
}

// ours takes one of our Call-IDs apart: p, publisher, run; or w, watcher,
// dialog, run.
func (e *engine) ours(id []byte) (kind byte, g, dialog uint32, ok bool) {
	if len(id) < 10 {
		return 0, 0, 0, false
	}
	kind = id[0]
	v, ok := unhex(id[1:9])
	if !ok || kind != 'p' && kind != 'w' {
		return 0, 0, 0, false
	}
	g = uint32(v)
	rest := id[9:]
	if kind == 'w' {
		if len(rest) < 8 {
			return 0, 0, 0, false
		}
		v, ok = unhex(rest[:8])
		if !ok {
			return 0, 0, 0, false
		}
		dialog = uint32(v)
		rest = rest[8:]
	}
	run := e.cfg.run
	if len(rest) != len(run)+4 || rest[0] != '-' || string(rest[1:1+len(run)]) != run {
		return 0, 0, 0, false
	}
	return kind, g, dialog, true
}

func (e *engine) onResponse() {
	m := &e.m
	if m.status < 200 {
		e.st.n[provisionalResponses]++
		return
	}
	kind, g, dialog, ok := e.ours(m.callID)
	if !ok || m.nvia != 1 {
		e.st.n[strayResponses]++
		return
	}
	if kind == 'p' {
		e.onPublishResponse(g)
		return
	}
	e.onSubscribeResponse(g, dialog)
}

func (e *engine) onPublishResponse(g uint32) {
	m := &e.m
	i, ok := e.local(g, len(e.pubs))
	if !ok || !e.pubs[i].active || e.pubs[i].cseq != m.number {
		e.st.n[strayResponses]++ // as a late copy of one that was taken
		return
	}
	p := &e.pubs[i]
	e.key = e.publishBranch(e.key[:0], i, p)
	if !bytes.Equal(rawParam(m.via[0], "branch"), e.key) || string(m.cseqMethod) != "PUBLISH" {
		e.st.n[badBranch]++
		return
	}
	p.active = false
	if m.status >= 300 {
		e.st.n[publishErr]++
		e.st.countStatus(m.status)
		if m.status == 412 {
			e.st.n[publish412]++
		}
		p.etag = nil
		p.waiting = false
		e.publishDone(i, p, m.status)
		return
	}
	e.st.n[publishOK]++
	e.st.publish.add(e.now - p.due)
	switch {
	case p.kind == remove:
		p.etag = nil
	case len(m.etag) == 0:
		e.st.n[noETag]++
		p.etag = nil
	default:
		p.etag = append(p.etag[:0], m.etag...)
	}
	if p.kind.hasBody() {
		p.acked = p.version
	}
	e.publishDone(i, p, m.status)
}

// publishDone finishes a unit that has its response and, in a round, all its
// watchers.
func (e *engine) publishDone(i int32, p *publisher, status int) {
	if p.active || p.waiting && p.missing > 0 {
		return
	}
	if p.waiting {
		p.waiting = false
		e.st.round.add(e.now - p.due)
	}
	e.inflight--
	if e.onPublish != nil {
		e.onPublish(p, i, status)
	}
}

func (e *engine) onSubscribeResponse(g, dialog uint32) {
	m := &e.m
	i, ok := e.local(g, len(e.wats))
	if !ok || !e.wats[i].active || e.wats[i].dialog != dialog || e.wats[i].cseq != m.number {
		e.st.n[strayResponses]++
		return
	}
	w := &e.wats[i]
	e.key = e.subscribeBranch(e.key[:0], i, w)
	if !bytes.Equal(rawParam(m.via[0], "branch"), e.key) || string(m.cseqMethod) != "SUBSCRIBE" {
		e.st.n[badBranch]++
		return
	}
	w.active = false
	if m.status >= 300 {
		e.st.countStatus(m.status)
		e.st.n[subscribeErr]++
		e.subscribeFailed(i, w)
		return
	}
	w.answered = true
	if tag := param(m.to, "tag"); w.rtag == "" {
		w.rtag = string(tag)
	} else if w.rtag != string(tag) {
		e.st.n[badTag]++
	}
	if m.contact != nil && (w.to == nil || w.to.route == "" || m.nroute > 0) {
		w.to = e.remoteOf(m.contact, true)
	}
	if w.leave {
		e.st.n[unsubscribeOK]++
		e.st.unsubscribe.add(e.now - w.due)
	} else {
		e.st.n[subscribeOK]++
		e.st.subscribe.add(e.now - w.due)
	}
	e.subscribeDone(i, w)
}

func (e *engine) subscribeFailed(i int32, w *watcher) {
	w.active = false
	w.state = gone
	e.inflight--
	if e.onSubscribe != nil {
		e.onSubscribe(w, i, false)
	}
}

// subscribeDone finishes a unit that has its 2xx and its NOTIFY, in whichever
// order.
func (e *engine) subscribeDone(i int32, w *watcher) {
	if !w.answered || !w.notified || w.state != subscribing && w.state != ending {
		return
	}
	if w.leave {
		w.state = gone
	} else {
		w.state = active
		e.st.n[established]++
	}
	e.inflight--
	if e.onSubscribe != nil {
		e.onSubscribe(w, i, true)
	}
}

// remoteOf returns the target of a dialog. Of a response it takes the route
// set too: Record-Route, reversed.
func (e *engine) remoteOf(contact []byte, response bool) *remote {
	m := &e.m
	uri := uriOf(contact)
	key := append(e.key[:0], uri...)
	for n := range m.nroute {
		key = append(key, 0)
		key = append(key, m.route[n]...)
	}
	e.key = key
	if r := e.remotes[string(key)]; r != nil {
		return r
	}
	r := &remote{uri: string(uri), addr: e.cfg.target}
	hop := uri
	if response {
		for n := m.nroute - 1; n >= 0; n-- {
			// One header may hold several values; they are reversed as well.
			values := bytes.Split(m.route[n], []byte(","))
			for v := len(values) - 1; v >= 0; v-- {
				value := trim(values[v])
				if r.route == "" {
					hop = uriOf(value)
				}
				r.route += "Route: " + string(value) + "\r\n"
			}
		}
	}
	if ip, port, ok := hostPort(hop); ok {
		r.addr = newSockaddr(ip, port)
	}
	e.remotes[string(key)] = r
	return r
}
