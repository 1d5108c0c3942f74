package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/porchlight-im/porchlight/webapi/wire"
)

// The patience of watch.
const (
	watchDialTimeout = 10 * time.Second
	watchSilence     = 90 * time.Second // without any frame or ping: the server is gone
	watchLongestWait = 30 * time.Second // between attempts
	watchBatch       = 100              // addresses in one request
)

type watchCmd struct {
	Addresses []string `arg:"" name:"address" help:"Whom to watch, such as sip:alice@sip.example."`
	URL       string   `help:"The feed of the gateway." default:"ws://127.0.0.1:8080/v1/feed" placeholder:"URL"`
	Token     string   `help:"The token that says who you are." env:"PORCHLIGHT_TOKEN" required:""`
	JSON      bool     `help:"Print the server's frames, one a line." name:"json"`
}

// Run follows the feed until ctx ends, and connects again when it breaks.
func (c *watchCmd) Run(ctx context.Context, s streams) error {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "ws" && u.Scheme != "wss" || u.Host == "" {
		return &exitError{exitUsage, fmt.Errorf("--url %s is not the address of a feed, such as ws://127.0.0.1:8080/v1/feed", c.URL)}
	}
	show := newWatchScreen(s.out, c.JSON)
	defer show.close()
	for attempt := 0; ; attempt++ {
		var connected bool
		connected, err = c.follow(ctx, show)
		var fatal *exitError
		var unreachable *net.OpError
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &fatal):
			return err
		case attempt == 0 && errors.As(err, &unreachable):
			return &exitError{exitNoReach, fmt.Errorf("no gateway at %s: %w\nStart one with: porchlight serve", c.URL, err)}
		case connected:
			attempt = 0
		}
		wait := min(watchLongestWait, time.Second<<min(attempt, 5))
		wait = wait/2 + rand.N(wait/2+1)
		show.link(fmt.Sprintf("not connected (%v); next try in %v", err, wait.Round(time.Second)))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// follow keeps one connection. connected says that the server knew the token.
func (c *watchCmd) follow(ctx context.Context, show watchScreen) (connected bool, err error) {
	ws, err := c.dial(ctx)
	if err != nil {
		return false, err
	}
	defer ws.Close()
	stop := context.AfterFunc(ctx, func() {
		_ = ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""),
			time.Now().Add(time.Second)) // only a courtesy
		ws.Close()
	})
	defer stop()
	for i := 0; i < len(c.Addresses); i += watchBatch {
		err = ws.WriteJSON(wire.Request{Op: wire.OpSubscribe, Ref: int64(i + 1),
			Addresses: c.Addresses[i:min(i+watchBatch, len(c.Addresses))]})
		if err != nil {
			return false, fmt.Errorf("subscribing: %w", err)
		}
	}
	for {
		_, b, err := ws.ReadMessage()
		if err != nil {
			return connected, watchEnd(err)
		}
		_ = ws.SetReadDeadline(time.Now().Add(watchSilence))
		var f wire.Frame
		err = json.Unmarshal(b, &f)
		if err != nil {
			return connected, fmt.Errorf("the server sends something else than a feed: %w", err)
		}
		if f.Op == wire.OpAuthenticated {
			connected = true
			show.link("live, as " + f.Address)
		}
		show.frame(b, &f)
	}
}

// dial opens the feed with the token.
func (c *watchCmd) dial(ctx context.Context) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, watchDialTimeout)
	defer cancel()
	d := websocket.Dialer{Subprotocols: []string{wire.Subprotocol}, Proxy: http.ProxyFromEnvironment}
	ws, res, err := d.DialContext(ctx, c.URL, http.Header{"Authorization": {"Bearer " + c.Token}})
	if err == nil {
		_ = ws.SetReadDeadline(time.Now().Add(watchSilence))
		ping := ws.PingHandler()
		ws.SetPingHandler(func(data string) error {
			_ = ws.SetReadDeadline(time.Now().Add(watchSilence))
			return ping(data)
		})
		return ws, nil
	}
	if res == nil {
		return nil, err
	}
	var p wire.Problem
	body, _ := io.ReadAll(io.LimitReader(res.Body, 4096)) // what came of it will do
	_ = json.Unmarshal(body, &p)
	why := strings.TrimSpace(res.Status + ": " + p.Detail)
	switch {
	case res.StatusCode == http.StatusUnauthorized:
		return nil, &exitError{exitFailed, errors.New("the gateway does not know this token: use one of web.tokens of its configuration")}
	case res.StatusCode >= 500:
		return nil, errors.New(why)
	}
	return nil, &exitError{exitFailed, fmt.Errorf("%s is no feed: %s", c.URL, why)}
}

// watchEnd says why the feed ended; codes from 4500 on are final.
func watchEnd(err error) error {
	var ce *websocket.CloseError
	if !errors.As(err, &ce) {
		return err
	}
	switch {
	case ce.Code >= 4500:
		return &exitError{exitFailed, fmt.Errorf("the gateway refuses: %s", ce.Text)}
	case ce.Text != "":
		return errors.New(ce.Text)
	}
	return errors.New("the connection is lost")
}
