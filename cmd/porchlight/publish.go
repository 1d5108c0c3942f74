package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/simple/pidf"
	"github.com/porchlight-im/porchlight/simple/transport"
)

type publishCmd struct {
	Address  string        `arg:"" help:"Whose presence it is, such as sip:alice@sip.example."`
	Server   string        `help:"Where to send it: sip:HOST:PORT, with ;transport=tcp or tls where needed (${default})." default:"sip:127.0.0.1:5060" placeholder:"URI"`
	Activity []string      `help:"What the person does, such as on-the-phone or meeting; other:TEXT for anything else." placeholder:"WORD"`
	Mood     []string      `help:"How the person feels, such as happy or stressed; other:TEXT for anything else." placeholder:"WORD"`
	Note     string        `help:"A note for people." placeholder:"TEXT"`
	Lang     string        `help:"Language of the note, such as de." placeholder:"TAG"`
	Basic    string        `help:"Can the person be reached: open or closed." enum:"open,closed" default:"open"`
	User     string        `help:"User name, when the server asks for one; otherwise that of the address." placeholder:"NAME"`
	Password string        `help:"Password, when the server asks for one." env:"PORCHLIGHT_PASSWORD" placeholder:"TEXT"`
	Expires  time.Duration `help:"Lifetime to ask for; it is refreshed in time." default:"10m"`
	Once     bool          `help:"Publish and end; the publication stays until it expires."`
	Print    bool          `help:"Show the document that is sent."`
}

// Run publishes, refreshes until ctx ends, and removes.
func (c *publishCmd) Run(ctx context.Context, s streams) error {
	return c.publish(ctx, s, nil)
}

// publish is Run on a network; nil is the operating system's.
func (c *publishCmd) publish(ctx context.Context, s streams, network transport.Network) error {
	state, entity, err := c.document()
	if err != nil {
		return &exitError{exitUsage, err}
	}
	listen, err := c.listen()
	if err != nil {
		return &exitError{exitUsage, err}
	}
	body := pidf.Append(nil, state, entity)
	if c.Print {
		fmt.Fprintf(s.out, "%s\n", body)
	}
	t, err := transport.New(transport.Config{Listen: []string{listen}, Net: network, Handler: refuseAll})
	if err != nil {
		return fmt.Errorf("opening a port to send from: %w", err)
	}
	running, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- t.Run(running) }()
	err = newPublisher(c, t, s.out, entity, body).run(ctx)
	stop()
	return errors.Join(err, <-ended)
}

// refuseAll answers what comes to a program that serves nothing.
func refuseAll(_ context.Context, r *transport.Request) { r.Reply(transport.Reply{Code: 405}) }

// document makes the state that the options say, and its entity.
func (c *publishCmd) document() (s *presence.State, entity string, err error) {
	if !strings.Contains(c.Address, ":") {
		c.Address = "sip:" + c.Address
	}
	who, err := mapping.ParseSIP(c.Address, "")
	if err != nil || who.User == "" || who.Host == "" {
		return nil, "", fmt.Errorf("%s is not an address of the form sip:user@host", c.Address)
	}
	if c.Expires < time.Second || c.Expires%time.Second != 0 {
		return nil, "", fmt.Errorf("--expires %v is not a number of whole seconds, such as 600s", c.Expires)
	}
	if c.User == "" {
		c.User = who.User
	}
	activities, err := values("--activity", c.Activity, activityWords)
	if err != nil {
		return nil, "", err
	}
	moods, err := values("--mood", c.Mood, moodWords)
	if err != nil {
		return nil, "", err
	}
	now := time.Now().UTC().Truncate(time.Second)
	entity = mapping.SIP(who.Addr)
	service := presence.Service{ID: "porchlight", Basic: presence.Open, Contact: &presence.Contact{URI: entity}, Timestamp: now}
	if c.Basic == "closed" {
		service.Basic = presence.Closed
	}
	if c.Note != "" {
		service.Notes = []presence.Note{{Lang: c.Lang, Text: c.Note}}
	}
	s = &presence.State{Entity: entity, Services: []presence.Service{service}}
	person := presence.Person{ID: "person", Timestamp: now}
	if len(activities) > 0 {
		person.Activities = &presence.Activities{Values: activities}
	}
	if len(moods) > 0 {
		person.Mood = &presence.Mood{Values: moods}
	}
	if len(activities)+len(moods) > 0 {
		s.Persons = []presence.Person{person}
	}
	return s, entity, nil
}

// listen checks the server's URI, completes it, and returns where to send
// from: the own host alone, when the server is there.
func (c *publishCmd) listen() (string, error) {
	if !strings.HasPrefix(c.Server, "sip:") && !strings.HasPrefix(c.Server, "sips:") {
		c.Server = "sip:" + c.Server
	}
	var u sip.Uri
	err := transport.ParseURI(c.Server, &u)
	if err != nil {
		return "", fmt.Errorf("--server %s is not of the form sip:HOST:PORT or sip:HOST:PORT;transport=tcp", c.Server)
	}
	host := strings.Trim(u.Host, "[]")
	a, err := netip.ParseAddr(host)
	switch {
	case err == nil && a.IsLoopback(), host == "localhost":
		if !a.IsValid() {
			host = "127.0.0.1"
		}
		return "udp://" + net.JoinHostPort(host, "0"), nil
	case err == nil && a.Is6():
		return "udp://[::]:0", nil
	}
	return "udp://0.0.0.0:0", nil
}

// values reads the words of an option.
func values(option string, words []string, known []string) ([]presence.Value, error) {
	var vs []presence.Value
	for _, w := range words {
		w = strings.TrimSpace(w)
		name, text, other := strings.Cut(w, ":")
		switch {
		case w == "":
			continue
		case other && name == "other" && text != "":
			vs = append(vs, presence.Value{Name: name, Text: text})
		case slices.Contains(known, w):
			vs = append(vs, presence.Value{Name: w})
		default:
			return nil, fmt.Errorf("%s %s is not one of %s, or other:TEXT", option, w, strings.Join(known, ", "))
		}
	}
	return vs, nil
}

// activityWords are the activities of RFC 4480 §3.2.
var activityWords = strings.Fields(`appointment away breakfast busy dinner holiday in-transit
	looking-for-work meal meeting on-the-phone performance permanent-absence playing presentation
	shopping sleeping spectator steering travel tv unknown vacation working worship`)

// moodWords are the moods of RFC 4480 §3.5.
var moodWords = strings.Fields(`afraid amazed angry annoyed anxious ashamed bored brave calm cold
	confused contented cranky curious depressed disappointed disgusted distracted embarrassed excited
	flirtatious frustrated grumpy guilty happy hot humbled humiliated hungry hurt impressed indignant
	interested invincible jealous lonely mean moody nervous neutral offended playful proud relieved
	remorseful restless sad sarcastic serious shocked shy sick sleepy stressed surprised thirsty
	unknown worried`)

// summary is what is published, for people.
func (c *publishCmd) summary() string {
	words := append(append([]string{c.Basic}, c.Activity...), c.Mood...)
	s := strings.Join(words, ", ")
	if c.Note != "" {
		s += fmt.Sprintf(", %q", c.Note)
	}
	return s
}
