package xmpp

import (
	"crypto/rand"
	"strings"
	"sync"
	"time"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/xmpp/payload"
)

// purpose is why an iq was sent.
type purpose uint8

const (
	askItems   purpose = iota + 1 // the last item of a contact's node
	askPicture                    // a contact's avatar
	askCard                       // a contact's card
	askCaps                       // what a client can
)

// question is an iq that waits for its answer.
type question struct {
	why      purpose
	leg      bridge.Leg // askCaps: a watcher's; else a follow
	from, to string
	node     string // askItems
	id       string // askPicture, askCard: of the picture; askCard without: for the name
	caps     caps   // askCaps; without ver the client has told none
	until    time.Time
}

// key names what q asks for, when the answer to one is the answer to all who
// ask the same; "" when it is not.
func (q *question) key() string {
	switch q.why {
	case askPicture:
		return "picture " + q.to + " " + q.id
	case askCard:
		return "card " + q.to + " " + q.id
	case askCaps:
		if key := q.caps.key(); key != "" {
			return "caps " + key
		}
		return "client " + q.to // says the same to all virtual users
	}
	return ""
}

// append appends the content of the iq.
func (q *question) append(dst []byte) []byte {
	switch q.why {
	case askItems:
		return payload.AppendItemsQuestion(dst, q.node, "")
	case askPicture: // XEP-0084 §3.4
		return payload.AppendItemsQuestion(dst, payload.NodeAvatarData, q.id)
	case askCard: // XEP-0153 §3.2
		return append(dst, "<vCard xmlns='"+payload.NSVCard+"'/>"...)
	}
	dst = append(dst, "<query xmlns='"+payload.NSInfo+"'"...)
	if q.caps.ver != "" { // XEP-0115 §6.2
		dst = payload.AppendAttr(dst, "node", q.caps.node+"#"+q.caps.ver)
	}
	return append(dst, '/', '>')
}

// The bounds of questions.
const (
	maxQuestions     = 20_000 // with those that wait for the answer to another
	questionPatience = 30 * time.Second
)

// questionIDs begin the ids of questions.
const questionIDs = "q-"

// questions are those of one component. Of those with one key only one is on
// its way, the others wait for its answer.
type questions struct {
	mu   sync.Mutex
	all  map[string]question   // on their way, by their ids
	wait map[string][]question // by key, for each that is on its way
	n    int
}

func newQuestions() *questions {
	return &questions{all: make(map[string]question), wait: make(map[string][]question)}
}

// add notes q. ok is false when there are too many already; id is "" when q
// waits for the answer to another.
func (qs *questions) add(q question, now time.Time) (id string, ok bool) {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	if qs.n >= maxQuestions {
		return "", false
	}
	qs.n++
	key := q.key()
	if others, asked := qs.wait[key]; asked && key != "" {
		qs.wait[key] = append(others, q)
		return "", true
	}
	if key != "" {
		qs.wait[key] = nil
	}
	return qs.send(q, now), true
}

// send notes q as on its way; mu is held.
func (qs *questions) send(q question, now time.Time) (id string) {
	id = questionIDs + rand.Text()[:16] // unguessable
	q.until = now.Add(questionPatience)
	qs.all[id] = q
	return id
}

// take returns the question that s answers, once, and those that have waited
// for the same answer.
func (qs *questions) take(s *stanza) (q question, others []question, ok bool) {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	q, ok = qs.all[s.id]
	if !ok || !strings.EqualFold(q.to, s.from) || !strings.EqualFold(q.from, s.to) {
		return q, nil, false
	}
	return q, qs.close(s.id, q), true
}

// close forgets the question called id and returns who waits for its answer;
// mu is held.
func (qs *questions) close(id string, q question) (others []question) {
	delete(qs.all, id)
	if key := q.key(); key != "" {
		others = qs.wait[key]
		delete(qs.wait, key)
	}
	qs.n -= 1 + len(others)
	return others
}

// expire takes the questions that were not answered in time.
func (qs *questions) expire(now time.Time) (late []question, others [][]question) {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	for id, q := range qs.all {
		if !now.Before(q.until) {
			late = append(late, q)
			others = append(others, qs.close(id, q))
		}
	}
	return late, others
}

// clear forgets all: the stream on which they were asked is gone.
func (qs *questions) clear() {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	clear(qs.all)
	clear(qs.wait)
	qs.n = 0
}

// ask sends q. It may be called by anyone.
func (c *component) ask(q question) {
	id, ok := c.questions.add(q, time.Now())
	if !ok {
		c.port.metrics.bounded.WithLabelValues("question").Inc()
		c.log.Debug("too many questions wait for answers, one was not asked", "watcher", q.leg.Watcher, "presentity", q.leg.Presentity)
		c.unanswered(q)
		return
	}
	if id == "" {
		return
	}
	c.answers.add("iq", func(dst []byte) []byte {
		dst = append(appendHead(dst, "iq", q.from, q.to, "get", id), '>')
		return append(q.append(dst), "</iq>"...)
	})
}

// handleAnswer takes the answer to a question. It runs in the worker of the
// two addresses, after what came before it.
func (c *component) handleAnswer(s *stanza) {
	q, others, ok := c.questions.take(s)
	if !ok {
		c.refused("answer", s, nil)
		return
	}
	if s.kind == errorType {
		c.log.Debug("question refused", "watcher", q.leg.Watcher, "presentity", q.leg.Presentity, "err", s.err.Condition)
	}
	switch q.why {
	case askItems:
		c.takeAnswer(q, s)
	case askPicture, askCard:
		others = c.takePicture(q, others, s)
	case askCaps:
		others = c.takeCaps(q, others, s)
	}
	c.askNext(others)
}

// askNext asks anew, for those who waited for an answer that was none for
// them.
func (c *component) askNext(others []question) {
	for _, q := range others {
		c.ask(q)
	}
}

// tidy gives up the questions that were not answered in time. The writer calls
// it now and then.
func (c *component) tidy(now time.Time) {
	late, others := c.questions.expire(now)
	for i, q := range late {
		c.log.Debug("question not answered", "watcher", q.leg.Watcher, "presentity", q.leg.Presentity)
		c.unanswered(q)
		c.askNext(others[i])
	}
}

// unanswered notes that there will be no answer to q, so that it may be asked
// again when there is a reason.
func (c *component) unanswered(q question) {
	switch q.why {
	case askItems:
		c.follows.askLater(q.leg)
	case askPicture, askCard:
		c.follows.dropAvatar(q.leg, q.id)
	case askCaps:
		c.clients.unasked(q.leg, q.to)
	}
}
