package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porchlight-im/porchlight/bridge/bridgetest"
	"github.com/porchlight-im/porchlight/simple/digest"
	"github.com/porchlight-im/porchlight/simple/pidf"
	"github.com/porchlight-im/porchlight/simple/transport"
)

// esc is a scripted presence server: it gives the next answer of its list,
// and the last one for ever.
type esc struct {
	answers []func(r *transport.Request) transport.Reply
	mu      sync.Mutex
	got     []*transport.Request
}

func (s *esc) handle(_ context.Context, r *transport.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := min(len(s.got), len(s.answers)-1)
	s.got = append(s.got, r)
	r.Reply(s.answers[i](r))
}

func (s *esc) requests() []*transport.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*transport.Request(nil), s.got...)
}

// says answers with a code and header lines.
func says(code int, lines ...string) func(*transport.Request) transport.Reply {
	return func(*transport.Request) transport.Reply {
		return transport.Reply{Code: code, Header: []byte(strings.Join(append(lines, ""), "\r\n"))}
	}
}

var taken = says(200, "SIP-ETag: e1", "Expires: 600")

// screen is an output that can be read while it is written.
type screen struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// published runs c against a scripted server for d and returns what came
// out. With no answers there is no server.
func published(t *testing.T, c *publishCmd, d time.Duration, answers ...func(*transport.Request) transport.Reply) (*esc, string, error) {
	t.Helper()
	s := &esc{answers: answers}
	out := &screen{}
	var failed error
	synctest.Test(t, func(t *testing.T) {
		network := bridgetest.NewNetwork()
		stop := func() {}
		if len(answers) > 0 {
			server, err := transport.New(transport.Config{Listen: []string{"udp://127.0.0.1:5060"}, Net: network, Handler: s.handle})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- server.Run(ctx) }()
			stop = func() { cancel(); <-ended }
		}
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		failed = c.publish(ctx, streams{out, out}, network)
		stop()
	})
	return s, out.text(), failed
}

func alice() *publishCmd {
	return &publishCmd{Address: "sip:alice@sip.example", Server: "sip:127.0.0.1:5060", Basic: "open", Expires: 10 * time.Minute}
}

func TestPublishRefreshRemove(t *testing.T) {
	c := alice()
	c.Activity, c.Mood, c.Note = []string{"on-the-phone", "other:walking the dog"}, []string{"happy"}, "Back at four"
	s, out, err := published(t, c, 15*time.Minute, taken, says(200, "SIP-ETag: e2", "Expires: 600"), says(200, "SIP-ETag: e3", "Expires: 0"))
	if err != nil {
		t.Fatal(err)
	}
	got := s.requests()
	if len(got) != 3 {
		t.Fatalf("%d requests, want publication, refresh and removal\n%s", len(got), out)
	}
	want := []struct{ expires, match string }{{"600", ""}, {"600", "e1"}, {"0", "e2"}}
	for i, r := range got {
		// RFC 3903 Table 1: only the initial publication has a body here.
		if r.Method != "PUBLISH" || r.Value("Expires") != want[i].expires || r.Value("SIP-If-Match") != want[i].match ||
			r.Value("Event") != "presence" || (len(r.Body()) > 0) != (i == 0) || r.Recipient.String() != "sip:alice@sip.example" {
			t.Errorf("request %d:\n%s", i, r.String())
		}
	}
	if d := got[1].Received.Sub(got[0].Received); d != 540*time.Second {
		t.Errorf("refreshed after %v", d)
	}
	state, err := pidf.Decode(got[0].Body())
	if err != nil {
		t.Fatal(err)
	}
	p := state.Persons[0]
	if state.Entity != "sip:alice@sip.example" || p.Activities.Values[0].Name != "on-the-phone" ||
		p.Activities.Values[1].Text != "walking the dog" || p.Mood.Values[0].Name != "happy" || state.Services[0].Notes[0].Text != "Back at four" {
		t.Errorf("document %+v", state)
	}
	for _, text := range []string{"Published for sip:alice@sip.example: open, on-the-phone,", `"Back at four"`, "Refreshed for 10m0s.", "Removed."} {
		if !strings.Contains(out, text) {
			t.Errorf("%q does not say %q", out, text)
		}
	}
}

func TestPublishOnceAndPrint(t *testing.T) {
	c := alice()
	c.Once, c.Print, c.Basic = true, true, "closed"
	s, out, err := published(t, c, time.Hour, taken)
	if err != nil || len(s.requests()) != 1 {
		t.Errorf("%v, %d requests", err, len(s.requests()))
	}
	if !strings.Contains(out, "<basic>closed</basic>") || !strings.Contains(out, "It ends in 10m0s.") {
		t.Errorf("output %s", out)
	}
}

func TestPublishForgotten(t *testing.T) {
	s, out, err := published(t, alice(), 10*time.Minute, taken, says(412), says(200, "SIP-ETag: new", "Expires: 600"))
	got := s.requests()
	if err != nil || len(got) != 4 {
		t.Fatalf("%v, %d requests\n%s", err, len(got), out)
	}
	if got[2].Value("SIP-If-Match") != "" || len(got[2].Body()) == 0 {
		t.Errorf("after the 412:\n%s", got[2].String())
	}
	if got[3].Value("SIP-If-Match") != "new" || got[3].Value("Expires") != "0" {
		t.Errorf("removal:\n%s", got[3].String())
	}
}

func TestPublishTooBrief(t *testing.T) {
	s, out, err := published(t, alice(), time.Minute, says(423, "Min-Expires: 1800"), says(200, "SIP-ETag: e", "Expires: 1800"))
	got := s.requests()
	if err != nil || len(got) != 3 || got[1].Value("Expires") != "1800" {
		t.Errorf("%v, %d requests\n%s", err, len(got), out)
	}
}

func TestPublishTroubleLater(t *testing.T) {
	s, out, err := published(t, alice(), 9*time.Minute+35*time.Second, taken, says(503), says(500), says(200, "SIP-ETag: e2", "Expires: 600"))
	if err != nil || len(s.requests()) != 5 {
		t.Errorf("%v, %d requests", err, len(s.requests()))
	}
	if !strings.Contains(out, "503") || !strings.Contains(out, "Next try in 10s.") || !strings.Contains(out, "Refreshed") {
		t.Errorf("output %s", out)
	}
}

func TestPublishPassword(t *testing.T) {
	auth := digest.New("sip.example", func(user string) (string, bool) { return "secret", user == "alice" })
	check := func(r *transport.Request) transport.Reply {
		_, res := auth.Check(string(r.Method), r.Recipient.String(), r.Values("Authorization"), r.Body())
		if res == digest.OK {
			return taken(r)
		}
		return says(401, "WWW-Authenticate: "+auth.Challenge(res == digest.Stale)[0], "WWW-Authenticate: "+auth.Challenge(res == digest.Stale)[1])(r)
	}
	c := alice()
	c.Password = "secret"
	s, out, err := published(t, c, 15*time.Minute, check)
	if err != nil || !strings.Contains(out, "Removed.") {
		t.Errorf("%v\n%s", err, out)
	}
	// The nonce is used again for the removal; at the refresh it was stale.
	if n := len(s.requests()); n != 6 && n != 5 {
		t.Errorf("%d requests", n)
	}
	c = alice()
	c.Password = "wrong"
	s, _, err = published(t, c, time.Minute, check)
	wantExit(t, err, exitFailed, "does not take the password")
	if len(s.requests()) != 2 {
		t.Errorf("a wrong password was sent %d times", len(s.requests())-1)
	}
	_, _, err = published(t, alice(), time.Minute, check)
	wantExit(t, err, exitFailed, "--password")
}

func wantExit(t *testing.T, err error, code int, text string) {
	t.Helper()
	var e *exitError
	switch {
	case err == nil:
		t.Errorf("no error, want %q", text)
	case !errors.As(err, &e) && code != exitFailed, e != nil && e.code != code:
		t.Errorf("exit code of %v, want %d", err, code)
	case !strings.Contains(err.Error(), text):
		t.Errorf("%v does not say %q", err, text)
	}
}

func TestPublishErrors(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*publishCmd)
		answer func(*transport.Request) transport.Reply
		code   int
		text   string
	}{
		{"unknown user", nil, says(404), exitFailed, "404 Not Found; sip:alice@sip.example is not one of its users"},
		{"forbidden", nil, says(403), exitFailed, "--password"},
		{"busy", nil, says(503, "Retry-After: 30"), exitFailed, "try again later (after 30s)"},
		{"no presence server", nil, says(405), exitFailed, "check --server"},
		{"no entity-tag", nil, says(200), exitFailed, "SIP-ETag"},
		{"nobody there", nil, nil, exitNoReach, "does not answer"},
		{"bad transport", func(c *publishCmd) { c.Server = "sip:127.0.0.1:5060;transport=sctp" }, nil, exitNoReach, "cannot be reached"},
		{"address", func(c *publishCmd) { c.Address = "alice" }, taken, exitUsage, "not an address"},
		{"server", func(c *publishCmd) { c.Server = "sip:<>" }, taken, exitUsage, "--server"},
		{"activity", func(c *publishCmd) { c.Activity = []string{"telefoning"} }, taken, exitUsage, "on-the-phone"},
		{"mood", func(c *publishCmd) { c.Mood = []string{"other:"} }, taken, exitUsage, "happy"},
		{"expires", func(c *publishCmd) { c.Expires = time.Millisecond }, taken, exitUsage, "--expires"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := alice()
			if c.change != nil {
				c.change(cmd)
			}
			var answers []func(*transport.Request) transport.Reply
			if c.answer != nil {
				answers = append(answers, c.answer)
			}
			_, _, err := published(t, cmd, time.Hour, answers...)
			wantExit(t, err, c.code, c.text)
		})
	}
}

func TestPublishShortForms(t *testing.T) {
	c := alice()
	c.Address, c.Server, c.Once = "alice@sip.example", "127.0.0.1:5060", true
	s, _, err := published(t, c, time.Minute, taken)
	if err != nil || s.requests()[0].Recipient.String() != "sip:alice@sip.example" {
		t.Errorf("%v", err)
	}
}
