//go:build deps

// Package deps pins what the rooms under construction import. It goes away
// with the last of them.
package deps

import (
	_ "github.com/alecthomas/kong"
	_ "github.com/chromedp/chromedp"
	_ "github.com/emiago/sipgo/sip"
	_ "github.com/google/go-cmp/cmp"
	_ "github.com/gorilla/websocket"
	_ "github.com/icholy/digest"
	_ "github.com/miekg/dns"
	_ "github.com/patrickmn/go-cache"
	_ "github.com/prometheus/client_golang/prometheus"
	_ "github.com/prometheus/client_golang/prometheus/collectors"
	_ "github.com/prometheus/client_golang/prometheus/promhttp"
	_ "github.com/prometheus/client_golang/prometheus/testutil"
	_ "go.yaml.in/yaml/v4"
	_ "golang.org/x/net/ipv4"
	_ "golang.org/x/text/language"
	_ "golang.org/x/text/secure/precis"
	_ "golang.org/x/time/rate"
	_ "golang.org/x/tools/txtar"
	_ "mellium.im/xmpp/component"
	_ "mellium.im/xmpp/disco/info"
	_ "mellium.im/xmpp/jid"
	_ "mellium.im/xmpp/stanza"
	_ "modernc.org/sqlite"
	_ "pgregory.net/rapid"
)
