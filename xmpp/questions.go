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
	askItems   purpose = iota + 1 // the items of a contact's node
	askPicture                    // a contact's avatar
	askCard                       // a contact's card
	askCaps                       // what a client can
)

// question is an iq that waits for its answer.
type question struct {
	why   purpose
	leg   bridge.Leg // about whose presentity it is, on behalf of whom
	to    string     // whom it was sent to
	node  string     // askItems
	id    string     // askPicture, askCard: the hash of the picture
	caps  caps       // askCaps
	until time.Time
}

// The bounds of questions.
const (
	maxQuestions     = 20_000
	questionPatience = 30 * time.Second
)

// questionIDs begin the ids of questions.
const questionIDs = "q-"

// questions are those of one component.
type questions struct {
	mu  sync.Mutex
	all map[string]question
}

func newQuestions() *questions { return &questions{all: make(map[string]question)} }

// add notes q and returns its id; ok is false when too many wait already, or
// the same is asked already.
func (qs *questions) add(q question, now time.Time) (id string, ok bool) {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	if len(qs.all) >= maxQuestions {
		for id, old := range qs.all {
			if now.After(old.until) {
				delete(qs.all, id)
			}
		}
	}
	if len(qs.all) >= maxQuestions {
		return "", false
	}
	id = questionIDs + rand.Text()[:16]
	q.until = now.Add(questionPatience)
	qs.all[id] = q
	return id, true
}

// take returns the question that s answers, once.
func (qs *questions) take(s *stanza) (q question, ok bool) {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	q, ok = qs.all[s.id]
	if !ok || !strings.EqualFold(q.to, s.from) {
		return q, false
	}
	delete(qs.all, s.id)
	return q, true
}

// clear forgets all: the stream on which they were asked is gone.
func (qs *questions) clear() {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	clear(qs.all)
}

// ask sends q from a virtual user; body appends the content of the iq. It may
// be called by anyone.
func (c *component) ask(q question, from string, body func(dst []byte) []byte) {
	id, ok := c.questions.add(q, time.Now())
	if !ok {
		c.port.metrics.dropped.Inc()
		c.log.Debug("too many questions wait for answers, one was not asked", "watcher", q.leg.Watcher, "presentity", q.leg.Presentity)
		return
	}
	c.answers.add("iq", func(dst []byte) []byte {
		dst = append(appendHead(dst, "iq", from, q.to, "get", id), '>')
		return append(body(dst), "</iq>"...)
	})
}

// askItems asks for the last item of a contact's node, or for one item.
func (c *component) askItems(q question, from, node, item string) {
	q.node = node
	c.ask(q, from, func(dst []byte) []byte { return payload.AppendItemsQuestion(dst, node, item) })
}

// handleAnswer takes the answer to a question. It runs in the worker of the
// two addresses, after what came before it.
func (c *component) handleAnswer(s *stanza) {
	q, ok := c.questions.take(s)
	if !ok {
		return
	}
	if s.kind == errorType {
		c.log.Debug("question not answered", "watcher", q.leg.Watcher, "presentity", q.leg.Presentity, "err", s.err.Condition)
	}
	switch q.why {
	case askItems:
		c.takeItems(q.leg, s.items)
	case askPicture, askCard:
		c.takePicture(q, s)
	case askCaps:
		c.takeCaps(q, s)
	}
}
