//go:build linux

package main

import "unsafe"

func (e *engine) userURI(b []byte, prefix string, g uint32) []byte {
	b = append(b, "sip:"...)
	b = append(b, prefix...)
	b = appendInt(b, int64(g))
	if !e.cfg.stable {
		b = append(b, '-')
		b = append(b, e.cfg.run...)
	}
	b = append(b, '@')
	return append(b, e.cfg.domain...)
}

func (e *engine) presentityURI(b []byte, g uint32) []byte { return e.userURI(b, e.cfg.user, g) }
func (e *engine) watcherURI(b []byte, g uint32) []byte    { return e.userURI(b, "w", g) }

func (e *engine) via(b []byte, l *link) []byte {
	if l.tcp {
		b = append(b, "Via: SIP/2.0/TCP "...)
	} else {
		b = append(b, "Via: SIP/2.0/UDP "...)
	}
	b = append(b, l.local...)
	return append(b, ";rport;branch="...)
}

func (e *engine) publishBranch(b []byte, i int32, p *publisher) []byte {
	b = append(b, "z9hG4bKp"...)
	b = hex8(b, e.global(i))
	b = hex8(b, p.cseq)
	return append(b, e.cfg.run...)
}

func (e *engine) subscribeBranch(b []byte, i int32, w *watcher) []byte {
	b = append(b, "z9hG4bKw"...)
	b = hex8(b, e.global(i))
	b = hex8(b, w.dialog)
	b = hex8(b, w.cseq)
	return append(b, e.cfg.run...)
}

func (e *engine) contact(b []byte, l *link, prefix byte, g uint32) []byte {
	b = append(b, "Contact: <sip:"...)
	b = append(b, prefix)
	b = appendInt(b, int64(g))
	b = append(b, '@')
	if l.tcp && e.listener >= 0 {
		b = append(b, e.listenName...)
	} else {
		b = append(b, l.local...)
	}
	if l.tcp {
		b = append(b, ";transport=tcp"...)
	}
	return append(b, ">\r\n"...)
}

// common appends what both requests have after Contact: P-Asserted-Identity,
// Event, Expires and the extra headers.
func (e *engine) common(b []byte, uri func(b []byte, g uint32) []byte, g uint32, expires int) []byte {
	if e.cfg.identity {
		b = append(b, "P-Asserted-Identity: <"...)
		b = uri(b, g)
		b = append(b, ">\r\n"...)
	}
	b = append(b, "Event: "...)
	b = append(b, e.cfg.event...)
	b = append(b, "\r\nExpires: "...)
	b = appendInt(b, int64(expires))
	b = append(b, "\r\n"...)
	return append(b, e.cfg.extra...)
}

func (e *engine) document(b []byte, i int32, p *publisher) []byte {
	var buf [128]byte
	u := e.presentityURI(buf[:0], e.global(i))
	entity := unsafe.String(&u[0], len(u)) // used before u changes
	if e.cfg.full {
		return fullRPID(b, entity, e.global(i), p.version, p.sent)
	}
	return smallPIDF(b, entity, e.global(i), p.version, p.sent)
}

func (e *engine) sendPublish(i int32, p *publisher) {
	l := e.link(p.link)
	if l.dead {
		return
	}
	g := e.global(i)
	e.body = e.body[:0]
	if p.kind.hasBody() {
		e.body = e.document(e.body, i, p)
	}
	expires := e.cfg.expires
	if p.kind == remove {
		expires = 0
	}
	b := l.room()
	b = append(b, "PUBLISH "...)
	b = e.presentityURI(b, g)
	b = append(b, " SIP/2.0\r\n"...)
	b = e.via(b, l)
	b = e.publishBranch(b, i, p)
	b = append(b, "\r\nMax-Forwards: 70\r\nFrom: <"...)
	b = e.presentityURI(b, g)
	b = append(b, ">;tag=f"...)
	b = hex8(b, g)
	b = append(b, "\r\nTo: <"...)
	b = e.presentityURI(b, g)
	b = append(b, ">\r\nCall-ID: p"...)
	b = hex8(b, g)
	b = append(b, '-')
	b = append(b, e.cfg.run...)
	b = append(b, "@lg\r\nCSeq: "...)
	b = appendInt(b, int64(p.cseq))
	b = append(b, " PUBLISH\r\n"...)
	b = e.contact(b, l, 'p', g)
	b = e.common(b, e.presentityURI, g, expires)
	if p.kind != initial {
		b = append(b, "SIP-If-Match: "...)
		b = append(b, p.etag...)
		b = append(b, "\r\n"...)
	}
	if len(e.body) > 0 {
		b = append(b, "Content-Type: application/pidf+xml\r\n"...)
	}
	b = append(b, "Content-Length: "...)
	b = appendInt(b, int64(len(e.body)))
	b = append(b, "\r\n\r\n"...)
	b = append(b, e.body...)
	l.sent(b, &e.cfg.target)
}

// publish starts a PUBLISH transaction. due is when it should have started:
// its latency counts from there.
func (e *engine) publish(i int32, kind pubKind, due int64) {
	p := &e.pubs[i]
	if p.etag == nil {
		kind = initial
	}
	p.kind = kind
	p.cseq++
	if kind.hasBody() {
		p.version++
		p.missing = p.watchers
	}
	p.sent, p.due = e.now, due
	p.active = true
	e.inflight++
	e.sendPublish(i, p)
	e.timers[0].push(timer{due: e.now + e.cfg.t1, index: i, key: p.cseq, kind: timerPublish})
	if e.waitAll && p.watchers > 0 && kind.hasBody() {
		p.waiting = true
		e.timers[0].push(timer{due: e.now + e.cfg.t1, index: i, key: p.version, kind: timerRound})
	}
}

func (e *engine) sendSubscribe(i int32, w *watcher) {
	l := e.link(w.link)
	if l.dead {
		return
	}
	g := e.global(i)
	presentity := e.global(w.presentity)
	inDialog := w.to != nil && w.rtag != ""
	to, expires := &e.cfg.target, e.cfg.expires
	if w.leave {
		expires = 0
	}
	b := l.room()
	b = append(b, "SUBSCRIBE "...)
	if inDialog {
		b = append(b, w.to.uri...)
		to = &w.to.addr
	} else {
		b = e.presentityURI(b, presentity)
	}
	b = append(b, " SIP/2.0\r\n"...)
	b = e.via(b, l)
	b = e.subscribeBranch(b, i, w)
	b = append(b, "\r\nMax-Forwards: 70\r\nFrom: <"...)
	b = e.watcherURI(b, g)
	b = append(b, ">;tag=w"...)
	b = hex8(b, g)
	b = hex8(b, w.dialog)
	b = append(b, "\r\nTo: <"...)
	b = e.presentityURI(b, presentity)
	b = append(b, '>')
	if w.rtag != "" {
		b = append(b, ";tag="...)
		b = append(b, w.rtag...)
	}
	b = append(b, "\r\nCall-ID: w"...)
	b = hex8(b, g)
	b = hex8(b, w.dialog)
	b = append(b, '-')
	b = append(b, e.cfg.run...)
	b = append(b, "@lg\r\nCSeq: "...)
	b = appendInt(b, int64(w.cseq))
	b = append(b, " SUBSCRIBE\r\n"...)
	b = e.contact(b, l, 'w', g)
	if inDialog {
		b = append(b, w.to.route...)
	}
	b = e.common(b, e.watcherURI, g, expires)
	b = append(b, "Accept: "...)
	b = append(b, e.cfg.accept...)
	b = append(b, "\r\nContent-Length: 0\r\n\r\n"...)
	l.sent(b, to)
}

// subscribe starts a new dialog; with fetch it is to end with its first
// NOTIFY.
func (e *engine) subscribe(i int32, due int64, fetch bool) {
	w := &e.wats[i]
	*w = watcher{dialog: w.dialog + 1, presentity: w.presentity, link: w.link, state: subscribing}
	e.startSubscribe(i, w, due, fetch)
}

// resubscribe refreshes a dialog.
func (e *engine) resubscribe(i int32, due int64) {
	w := &e.wats[i]
	w.state = subscribing
	e.startSubscribe(i, w, due, false)
}

// unsubscribe ends a dialog.
func (e *engine) unsubscribe(i int32, due int64) {
	w := &e.wats[i]
	w.state = ending
	e.startSubscribe(i, w, due, true)
}

func (e *engine) startSubscribe(i int32, w *watcher, due int64, leave bool) {
	w.cseq++
	w.leave = leave
	w.active, w.answered, w.notified = true, false, false
	w.due, w.sent = due, e.now
	e.inflight++
	e.sendSubscribe(i, w)
	t := timer{due: e.now + e.cfg.t1, index: i, key: w.cseq, dialog: w.dialog, kind: timerSubscribe}
	e.timers[0].push(t)
	t.kind = timerNotify
	e.timers[0].push(t)
}
