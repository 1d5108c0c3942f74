//go:build integration

package realpeers

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/chromedp/chromedp"
)

// chromium starts a headless browser for the test.
func chromium(t *testing.T) context.Context {
	t.Helper()
	need(t, "chromium")
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium"), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1100, 800),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	return ctx
}

// do runs steps in the browser.
func do(t *testing.T, ctx context.Context, what string, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	_, err := chromedp.Run(ctx, chromedp.Steps(steps...))
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// The page at / shows a phone's and a Jabber user's presence live, in a real
// browser.
func TestWeb_PageIsLive(t *testing.T) {
	s := startProsody(t)
	g := startGateway(t, config(s))
	g.waitReady()
	a := newPhone(t, g, alice)
	res := a.publish("", "600", pidf(alice, "open", "meeting", "Room 5"))
	if res.code() != 200 {
		t.Fatalf("PUBLISH: %v", res)
	}
	j := login(t, s, "juliet", "balcony")
	j.send("<presence><show>away</show><status>On the balcony</status></presence>")

	ctx := chromium(t)
	page := fmt.Sprintf("http://127.0.0.1:%d/#token=demo&watch=%s,xmpp:juliet@im.example", g.web, alice)
	do(t, ctx, "the page shows alice", chromedp.Navigate(page), shows("Room 5"), shows("busy"))
	// The page's watcher asks juliet, who approves.
	j.expect("a prompt for the page's user", presence("carol@sip.example", "subscribe"))
	j.send("<presence type='subscribed' to='carol@sip.example'/>")
	do(t, ctx, "the page shows juliet", shows("On the balcony"))
	// Live: without a reload.
	a.publish(res.get("SIP-ETag"), "600", pidf(alice, "open", "vacation", "At the sea"))
	j.send("<presence><show>dnd</show><status>Writing</status></presence>")
	do(t, ctx, "the page is live", shows("At the sea"), shows("Writing"))
	if file := os.Getenv("PORCHLIGHT_SCREENSHOT"); file != "" {
		png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
		if err != nil {
			t.Fatal(err)
		}
		err = os.WriteFile(file, png, 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
}

// shows waits until the page's text has want.
func shows(want string) chromedp.Action[chromedp.Void] {
	return chromedp.Poll[chromedp.Void](
		fmt.Sprintf("document.body.innerText.toLowerCase().includes(%q.toLowerCase())", want),
		chromedp.WithPollingTimeout(patience))
}
