package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// scene is one change and what the others must see of it.
type scene struct {
	tell string                 // what happens, in plain words
	act  func(c *cast) error    // makes it happen
	seen func(c *cast) []expect // who must see what
}

// expect is something that one of the cast must see.
type expect struct {
	who  string
	from chan string
	text string // part of what is seen
}

// cast are the people of the story.
type cast struct {
	phone  *phone
	juliet *jabber
	romeo  *jabber
}

func phoneScene(words, activity, note string, show string) scene {
	return scene{
		tell: "Alice's SIP phone PUBLISHes: " + words,
		act:  func(c *cast) error { return c.phone.publish(activity, note) },
		seen: func(c *cast) []expect {
			return []expect{
				{"juliet's Jabber client", c.juliet.seen, show + " " + note},
				{"romeo's Jabber client", c.romeo.seen, show + " " + note},
			}
		},
	}
}

func jabberScene(words, show, status, basic string) scene {
	return scene{
		tell: "Juliet's Jabber client says: " + words,
		act:  func(c *cast) error { return c.juliet.presence(show, status) },
		seen: func(c *cast) []expect {
			return []expect{{"Alice's SIP phone (NOTIFY)", c.phone.seen, basic + " " + status}}
		},
	}
}

var scenes = []scene{
	phoneScene("on the phone", "on-the-phone", "Talking to the harbour office", "dnd"),
	jabberScene("away", "away", "Gone for a walk", "open away"),
	phoneScene("in a meeting", "meeting", "Back at four", "dnd"),
	jabberScene("free to chat", "chat", "Tea?", "open"),
	phoneScene("away, on vacation", "vacation", "At the sea until Monday", "xa"),
	jabberScene("busy", "dnd", "Writing", "open busy"),
	phoneScene("nothing in particular, simply there", "", "At my desk", "available"),
}

// tell lets the cast find each other and plays the scenes.
func tell(ctx context.Context, ports ports, once bool) error {
	c := &cast{}
	var err error
	c.juliet, err = login(ctx, ports, "juliet")
	if err != nil {
		return fmt.Errorf("juliet's Jabber client: %w", err)
	}
	defer c.juliet.close()
	c.romeo, err = login(ctx, ports, "romeo")
	if err != nil {
		return fmt.Errorf("romeo's Jabber client: %w", err)
	}
	defer c.romeo.close()
	c.phone, err = newPhone(ports)
	if err != nil {
		return fmt.Errorf("the SIP phone: %w", err)
	}
	defer c.phone.close()

	err = introduce(c)
	if err != nil {
		return err
	}
	for {
		for _, s := range scenes {
			fmt.Println()
			err = play(ctx, c, s)
			if err != nil || ctx.Err() != nil {
				return err
			}
			if !once {
				pause(ctx, 5*time.Second)
			}
		}
		if once {
			return nil
		}
		say("That was all; the story begins again (Ctrl-C ends it).")
	}
}

// introduce makes everyone watch everyone.
func introduce(c *cast) error {
	say("Alice's phone PUBLISHes and SUBSCRIBEs to juliet@im.example.")
	err := c.phone.publish("", "Hello")
	if err != nil {
		return err
	}
	err = c.phone.subscribe("sip:juliet@im.example")
	if err != nil {
		return err
	}
	say("Juliet and Romeo add alice@sip.example to their contacts.")
	for _, j := range []*jabber{c.juliet, c.romeo} {
		err = j.presence("", "Here")
		if err != nil {
			return err
		}
		err = j.subscribe("alice@sip.example")
		if err != nil {
			return err
		}
	}
	return await([]expect{
		{"juliet's Jabber client", c.juliet.seen, "available Hello"},
		{"romeo's Jabber client", c.romeo.seen, "available Hello"},
		{"Alice's SIP phone (NOTIFY)", c.phone.seen, "open"},
	}, time.Now())
}

func play(ctx context.Context, c *cast, s scene) error {
	for _, e := range s.seen(c) {
		drain(e.from)
	}
	say("%s", s.tell)
	begin := time.Now()
	err := s.act(c)
	if err != nil {
		return err
	}
	return await(s.seen(c), begin)
}

// await prints what each sees, and how long after begin.
func await(es []expect, begin time.Time) error {
	for _, e := range es {
		deadline := time.After(10 * time.Second)
		for ok := false; !ok; {
			select {
			case text := <-e.from:
				ok = containsAll(text, e.text)
				if ok {
					say("   → %s sees: %s   (%.1f ms)", e.who, text, float64(time.Since(begin).Microseconds())/1000)
				}
			case <-deadline:
				return fmt.Errorf("%s did not see %q within 10 s", e.who, e.text)
			}
		}
	}
	return nil
}

// containsAll reports whether text has each word of want.
func containsAll(text, want string) bool {
	for _, w := range strings.Fields(want) {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

func drain(c chan string) {
	for {
		select {
		case <-c:
		default:
			return
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
