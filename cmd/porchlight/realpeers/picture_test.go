//go:build integration

package realpeers

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// The page shows the icon of a phone that is in the store of pictures, in a
// real browser, and goes back to the initial when there is none to show.
func TestWeb_PageShowsPicture(t *testing.T) {
	var b bytes.Buffer
	err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 64, 48)))
	if err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	name := fmt.Sprintf("%x.png", sha1.Sum(b.Bytes()))
	err = os.Mkdir(filepath.Join(data, "pictures"), 0o700)
	if err != nil {
		t.Fatal(err)
	}
	err = os.WriteFile(filepath.Join(data, "pictures", name), b.Bytes(), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	g := startGateway(t, `
data: `+data+`
domains: [{name: sip.example, home: here, default: allow}]
sip: {listen: ["udp://127.0.0.1:$SIP"], trusted: ["127.0.0.1/32"], notify_interval: 0s}
web: {listen: "127.0.0.1:$WEB", tokens: {demo: {address: "sip:carol@sip.example"}}}
`)
	g.waitReady()
	a := newPhone(t, g, alice)
	etag := ""
	publish := func(icon string) {
		doc := strings.Replace(pidf(alice, "open", "meeting", ""), "</dm:person>", "<rpid:status-icon>"+icon+"</rpid:status-icon></dm:person>", 1)
		res := a.publish(etag, "600", doc)
		if res.code() != 200 {
			t.Fatalf("PUBLISH: %v", res)
		}
		etag = res.get("SIP-ETag")
	}
	own := fmt.Sprintf("http://127.0.0.1:%d/v1/pictures/", g.web)
	publish(own + name)

	until := func(js string) chromedp.Action[chromedp.Void] {
		return chromedp.Poll[chromedp.Void](js, chromedp.WithPollingTimeout(patience))
	}
	ctx := chromium(t)
	page := fmt.Sprintf("http://127.0.0.1:%d/#token=demo&watch=%s", g.web, alice)
	const shown = `document.querySelector('.avatar img')?.naturalWidth === 64`
	const none = `document.querySelector('.card[data-word=busy]') && !document.querySelector('.avatar img')`
	do(t, ctx, "the page shows the picture", chromedp.Navigate(page), until(shown))
	publish("https://elsewhere.example/me.png")
	do(t, ctx, "a picture from elsewhere is not loaded", until(none))
	publish(own + name)
	do(t, ctx, "the picture is back", until(shown))
	publish(own + strings.Repeat("0", 40) + ".png")
	do(t, ctx, "a picture that is not there leaves the initial", until(none))
}
