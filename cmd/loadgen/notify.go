//go:build linux

package main

import "bytes"

const (
	statusOK         = "200 OK"
	statusGone       = "481 Subscription does not exist"
	statusOutOfOrder = "500 Out of order"
)

func (e *engine) onRequest(l *link, from *sockaddr) {
	switch string(e.m.method) {
	case "NOTIFY":
		e.onNotify(l, from)
	case "OPTIONS":
		e.reply(l, from, statusOK, "")
	case "ACK":
	default:
		e.reply(l, from, "405 Method Not Allowed", "Allow: NOTIFY, OPTIONS\r\n")
	}
}

// onNotify answers a NOTIFY and, when it is a new one of a dialog of ours,
// takes its content.
func (e *engine) onNotify(l *link, from *sockaddr) {
	m := &e.m
	i, ok := e.dialogOf()
	if !ok {
		e.reply(l, from, statusGone, "")
		return
	}
	w := &e.wats[i]
	answer, fresh := e.order(w)
	if !fresh {
		e.reply(l, from, answer, "")
		return
	}
	ended := bytes.HasPrefix(m.state, []byte("terminated"))
	if w.state == gone && !ended {
		// We have left: nothing more can come.
		e.st.n[notifyStray]++
		e.reply(l, from, statusGone, "")
		return
	}
	e.reply(l, from, statusOK, "")
	e.st.n[notifies]++
	e.st.n[notifyBytes] += uint64(len(m.body))
	if w.to == nil && m.contact != nil {
		w.to = e.remoteOf(m.contact, false)
	}
	e.content(w)
	if ended {
		e.ended(i, w)
		return
	}
	if w.state == subscribing && !w.notified && !w.leave {
		w.notified = true
		e.st.firstNotify.add(e.now - w.due)
		e.subscribeDone(i, w)
	}
}

// dialogOf finds the watcher whose dialog the NOTIFY in e.m belongs to. The
// NOTIFY may come before the 200, and then sets the server's tag.
func (e *engine) dialogOf() (i int32, ok bool) {
	m := &e.m
	kind, g, dialog, ok := e.ours(m.callID)
	if ok && kind == 'w' {
		i, ok = e.local(g, len(e.wats))
	}
	if !ok || kind != 'w' || e.wats[i].dialog != dialog || e.wats[i].state == idle {
		e.st.n[notifyStray]++
		return 0, false
	}
	w := &e.wats[i]
	tag := param(m.from, "tag")
	ourTag := param(m.to, "tag")
	if w.rtag != "" && w.rtag != string(tag) || len(ourTag) != 17 || ourTag[0] != 'w' {
		e.st.n[badTag]++
		return 0, false
	}
	if w.rtag == "" {
		w.rtag = string(tag)
	}
	return i, true
}

// order judges the NOTIFY's CSeq. A lower one than the last is a
// retransmission when it has come before; else it is out of order.
func (e *engine) order(w *watcher) (answer string, fresh bool) {
	cseq := e.m.number
	switch {
	case !w.haveRCSeq:
	case cseq == w.rcseq:
		e.st.n[notifyRetransmits]++
		return statusOK, false
	case cseq < w.rcseq:
		if d := w.rcseq - cseq; d <= 64 && w.seen&(1<<(d-1)) != 0 {
			e.st.n[notifyRetransmits]++
			return statusOK, false
		}
		e.st.n[notifyOutOfOrder]++ // RFC 3261 §12.2.2: answered 500, not looked at
		if e.cfg.outOfOrder == 200 {
			return statusOK, false
		}
		return statusOutOfOrder, false
	default:
		d := cseq - w.rcseq
		if d >= 64 {
			w.seen = 0
		} else {
			w.seen = w.seen<<d | 1<<(d-1)
		}
	}
	w.haveRCSeq = true
	w.rcseq = cseq
	return "", true
}

// ended takes a NOTIFY that says terminated.
func (e *engine) ended(i int32, w *watcher) {
	e.st.n[terminated]++
	if w.state == active || w.state == subscribing && !w.leave {
		e.st.n[terminatedUnasked]++
		if w.state == subscribing {
			e.subscribeFailed(i, w)
		}
		w.state = gone
		return
	}
	if w.leave && !w.notified {
		w.notified = true
		if w.cseq == 1 { // a fetch: this is its answer
			e.st.firstNotify.add(e.now - w.due)
		}
		e.subscribeDone(i, w)
	}
}

// content takes the version out of a NOTIFY body.
func (e *engine) content(w *watcher) {
	rest := e.m.body
	if len(rest) == 0 {
		e.st.n[notifyEmpty]++
		return
	}
	found := false
	for {
		g, version, sent, after, ok := nextToken(rest)
		if !ok {
			break
		}
		rest, found = after, true
		p, ok := e.local(g, len(e.pubs))
		if !ok || p != w.presentity {
			e.st.n[badTag]++
			continue
		}
		switch {
		case version > w.version:
			last := w.version
			w.version = version
			e.newVersion(p, version, last, sent)
		case version < w.version:
			e.st.n[notifyRegress]++
			w.version = version // what the watcher now shows
		default:
			e.st.n[notifySame]++
		}
	}
	if !found {
		e.st.n[notifyNoToken]++
	}
}

// newVersion counts a version that one watcher now has, after last.
func (e *engine) newVersion(i int32, version, last uint32, sent int64) {
	p := &e.pubs[i]
	if last != 0 && version > last+1 {
		e.st.n[coalesced] += uint64(version - last - 1)
	}
	if last != 0 {
		e.st.endToEnd.add(e.now - sent)
		e.st.n[notifyFresh]++
		e.st.lastFresh = e.now
	}
	if version == p.version && p.missing > 0 {
		p.missing--
		if p.waiting && p.missing == 0 {
			e.publishDone(i, p, 200)
		}
	}
}

// reply answers the request in e.m.
func (e *engine) reply(l *link, from *sockaddr, status, headers string) {
	m := &e.m
	if l.dead {
		return
	}
	var to sockaddr
	if !l.tcp {
		to = *from
		if rawParam(m.via[0], "rport") == nil {
			to = newSockaddr(from.Addr, sentByPort(m.via[0]))
		}
	}
	b := l.room()
	b = append(b, "SIP/2.0 "...)
	b = append(b, status...)
	b = append(b, "\r\n"...)
	for n := range m.nvia {
		b = append(b, "Via: "...)
		b = append(b, m.via[n]...)
		b = append(b, "\r\n"...)
	}
	b = append(b, "From: "...)
	b = append(b, m.from...)
	b = append(b, "\r\nTo: "...)
	b = append(b, m.to...)
	b = append(b, "\r\nCall-ID: "...)
	b = append(b, m.callID...)
	b = append(b, "\r\nCSeq: "...)
	b = append(b, m.cseq...)
	b = append(b, "\r\n"...)
	b = append(b, headers...)
	b = append(b, "Content-Length: 0\r\n\r\n"...)
	l.sent(b, &to)
}

// sentByPort is the port of a Via value's sent-by.
func sentByPort(via []byte) int {
	_, by, _ := bytes.Cut(via, []byte(" "))
	by, _, _ = bytes.Cut(trim(by), []byte(";"))
	if c := bytes.LastIndexByte(by, ':'); c >= 0 {
		if v, n := number(by[c+1:]); n > 0 && v <= 65535 {
			return int(v)
		}
	}
	return 5060
}
