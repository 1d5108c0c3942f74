package xmpp

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strings"
	"testing"
	"time"

	"github.com/porchlight-im/porchlight/bridge/picture"
	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/xmpp/payload"
)

// portrait is an image that no other seed has, and its id.
func portrait(t *testing.T, seed byte) (data []byte, id string) {
	t.Helper()
	m := image.NewPaletted(image.Rect(0, 0, 32, 24), color.Palette{color.Black, color.RGBA{seed, 1, 2, 255}})
	for i := range m.Pix {
		m.Pix[i] = byte(i/5) % 2
	}
	var b bytes.Buffer
	err := png.Encode(&b, m)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha1.Sum(b.Bytes())
	return b.Bytes(), hex.EncodeToString(sum[:])
}

// withPictures is inWorld with a store of pictures in memory.
func withPictures(t *testing.T, f func(w *world)) {
	pics, err := picture.Open(picture.Config{PublicURL: "https://gw.test"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer pics.Close()
	inWorldWith(t, pics, f)
}

// followingWith is following with pictures.
func followingWith(t *testing.T, f func(w *world)) {
	withPictures(t, func(w *world) {
		w.watch(bob, juliet, time.Hour)
		w.send(julietApproves, julietHere)
		w.last(bob)
		w.srv.Forget()
		f(w)
	})
}

// announcing is the event of an avatar's metadata.
func announcing(infos string) string {
	return julietTells("<items node='" + payload.NodeAvatarMetadata + "'><item id='x'><metadata xmlns='" + payload.NodeAvatarMetadata + "'>" + infos + "</metadata></item></items>")
}

func info(id string, size int, more string) string {
	return fmt.Sprintf("<info id='%s' type='image/png' bytes='%d' %s/>", id, size, more)
}

// dataItem is the answer with an avatar's data.
func dataItem(id, text string) string {
	return "<pubsub xmlns='" + payload.NSPubSub + "'><items node='" + payload.NodeAvatarData + "'><item id='" + id + "'><data xmlns='" + payload.NodeAvatarData + "'>" + text + "</data></item></items></pubsub>"
}

// icon is the status-icon that watcher sees of juliet.
func (w *world) icon(watcher presence.Addr) (uri string, news bool) {
	it, ok := w.last(watcher)
	if !ok || it.View == nil || it.View.State == nil {
		return "", ok
	}
	for _, p := range it.View.State.Persons {
		if len(p.StatusIcons) > 0 {
			return p.StatusIcons[0].URI, true
		}
	}
	return "", true
}

func TestPEP_AvatarOfAContact(t *testing.T) {
	data, id := portrait(t, 1)
	text := base64.StdEncoding.EncodeToString(data)
	lined := text[:20] + "\n\t " + text[20:]
	url := "https://gw.test/v1/pictures/" + id + ".png"
	followingWith(t, func(w *world) {
		w.send(announcing(info(strings.ToUpper(id), len(data), "")))
		q := w.asked()
		if len(q) != 1 || !q[0].Has(payload.NodeAvatarData, "id='"+id+"'") || q[0].To != "juliet@im.example" {
			t.Fatalf("asked %v", q)
		}
		w.answerIQ(q[0], dataItem(id, lined)) // XEP-0084 §4.1: line feeds are accepted
		if got, _ := w.icon(bob); got != url {
			t.Fatalf("icon %q, want %q", got, url)
		}
		w.srv.Forget()
		w.send(announcing(info(id, len(data), "")))
		if _, news := w.icon(bob); news || len(w.asked()) != 0 {
			t.Error("the same again is news")
		}
		w.send(announcing("")) // XEP-0084 §3.5
		if got, news := w.icon(bob); got != "" || !news {
			t.Errorf("icon %q after the end, news %v", got, news)
		}
		w.send(announcing(info(id, len(data), "")))
		if got, _ := w.icon(bob); got != url || len(w.asked()) != 0 {
			t.Errorf("icon %q; it is here, and need not be asked for: %v", got, w.asked())
		}
		w.send(julietTells("<items node='" + payload.NodeAvatarMetadata + "'><retract id='x'/></items>"))
		if got, news := w.icon(bob); got != "" || !news {
			t.Errorf("icon %q after its retraction, news %v", got, news)
		}
	})
}

func TestPEP_AvatarsThatAreNotTaken(t *testing.T) {
	data, id := portrait(t, 2)
	text := base64.StdEncoding.EncodeToString(data)
	for name, infos := range map[string]string{
		"too large": info(id, 1<<30, ""), "no size": "<info id='" + id + "'/>", "no hash": info("abc", 10, ""),
		"elsewhere": "<pointer><x xmlns='game'/></pointer>", "at a URL that may not be fetched": info(id, 10, "url='http://127.0.0.1/x'"),
	} {
		followingWith(t, func(w *world) {
			w.send(announcing(infos))
			if q := w.asked(); len(q) != 0 {
				t.Errorf("%s: asked %v", name, q)
			}
			if got, _ := w.icon(bob); got != "" {
				t.Errorf("%s: icon %q", name, got)
			}
		})
	}
	for name, body := range map[string]string{
		"another picture": dataItem(id, base64.StdEncoding.EncodeToString([]byte("x"))), "no base64": dataItem(id, "&lt;&gt;"),
		"nothing": "", "an empty list": "<pubsub xmlns='" + payload.NSPubSub + "'><items node='" + payload.NodeAvatarData + "'/></pubsub>",
	} {
		followingWith(t, func(w *world) {
			w.send(announcing(info(id, len(data), "")))
			w.answerIQ(w.asked()[0], body)
			if got, _ := w.icon(bob); got != "" {
				t.Errorf("%s: icon %q", name, got)
			}
		})
	}
	// What has come too late is not shown.
	followingWith(t, func(w *world) {
		w.send(announcing(info(id, len(data), "")))
		q := w.asked()
		w.send(announcing(""))
		w.answerIQ(q[0], dataItem(id, text))
		if got, _ := w.icon(bob); got != "" {
			t.Errorf("icon %q of an avatar that is over", got)
		}
	})
}

// A picture is asked for once, for all who follow her.
func TestPEP_AvatarIsAskedForOnce(t *testing.T) {
	data, id := portrait(t, 3)
	followingWith(t, func(w *world) {
		w.watch(carol, juliet, time.Hour)
		w.send(strings.Replace(julietApproves, "bob@", "carol@", 1))
		w.wait()
		w.srv.Forget()
		event := announcing(info(id, len(data), ""))
		w.send(event, strings.Replace(event, "bob@", "carol@", 1))
		q := w.asked()
		if len(q) != 1 {
			t.Fatalf("asked %v", q)
		}
		w.answerIQ(q[0], dataItem(id, base64.StdEncoding.EncodeToString(data)))
		_, of := w.hub.Standing(bobJuliet)
		carols := bobJuliet
		carols.Watcher = carol
		_, of2 := w.hub.Standing(carols)
		if of == nil || of2 == nil || len(of.State.Persons[0].StatusIcons) != 1 || len(of2.State.Persons[0].StatusIcons) != 1 {
			t.Errorf("icons of %+v, %+v", of, of2)
		}
	})
}

// photo is presence of juliet's with the hash of a photo (XEP-0153 §3.1).
func photo(inner string) string {
	return "<presence from='juliet@im.example/balcony' to='bob@sip.example'><x xmlns='" + payload.NSVCardUpdate + "'>" + inner + "</x></presence>"
}

func TestPEP_PhotoOfTheCard(t *testing.T) {
	data, id := portrait(t, 4)
	card := "<vCard xmlns='vcard-temp'><FN>Juliet C.</FN><URL>https://im.example/</URL><PHOTO><TYPE>image/png</TYPE><BINVAL>" +
		base64.StdEncoding.EncodeToString(data) + "</BINVAL></PHOTO></vCard>"
	followingWith(t, func(w *world) {
		w.send(photo("<photo>" + id + "</photo>"))
		q := w.asked()
		if len(q) != 1 || !q[0].Has("<vCard xmlns='vcard-temp'/>") || q[0].To != "juliet@im.example" {
			t.Fatalf("asked %v", q)
		}
		w.srv.Forget()
		w.answerIQ(q[0], card)
		it, _ := w.last(bob)
		p := it.View.State.Persons[0]
		if len(p.StatusIcons) != 1 || !strings.Contains(p.StatusIcons[0].URI, id) || p.Card.DisplayName != "Juliet C." || p.Card.Homepage != "https://im.example/" {
			t.Errorf("person %+v", p)
		}
		w.send(photo("<photo>"+id+"</photo>"), photo("")) // XEP-0153 §4.1 rule 2: not ready says nothing
		if _, news := w.icon(bob); news || len(w.asked()) != 0 {
			t.Error("the same photo is news")
		}
		w.send(photo("<photo/>"))
		if got, _ := w.icon(bob); got != "" {
			t.Errorf("icon %q when there is no photo", got)
		}
	})
	// What is too long of a card, or no page, is not taken.
	followingWith(t, func(w *world) {
		w.send(photo("<photo>" + id + "</photo>"))
		odd := strings.NewReplacer("Juliet C.", strings.Repeat("J", maxCardText+1), "https://im.example/", "javascript:alert(1)").Replace(card)
		w.answerIQ(w.asked()[0], odd)
		it, _ := w.last(bob)
		if c := it.View.State.Persons[0].Card; c != (presence.CIPID{}) {
			t.Errorf("card %.200v", c)
		}
	})
	// Who has an avatar by eventing is not asked for a card.
	followingWith(t, func(w *world) {
		other, otherID := portrait(t, 5)
		w.send(announcing(info(otherID, len(other), "")))
		w.answerIQ(w.asked()[0], dataItem(otherID, base64.StdEncoding.EncodeToString(other)))
		w.srv.Forget()
		w.send(photo("<photo>"+id+"</photo>"), photo("<photo/>"))
		if q := w.asked(); len(q) != 0 {
			t.Errorf("asked %v", q)
		}
		if got, _ := w.icon(bob); !strings.Contains(got, otherID) {
			t.Errorf("icon %q", got)
		}
	})
}

// iconed is a state whose person has the icon uri.
func iconed(uri string) *presence.State {
	s := open("phone", "")
	if uri != "" {
		s.Persons = []presence.Person{{ID: "p", StatusIcons: []presence.Icon{{URI: uri}}}}
	}
	return s
}

// ask sends an iq of romeo's and returns the answer.
func (w *world) ask(body string) string {
	w.t.Helper()
	w.wait()
	w.srv.Forget()
	w.send("<iq type='get' id='i' from='romeo@im.example/o' to='alice@sip.example'>" + body + "</iq>")
	got := w.srv.Stanzas()
	if len(got) != 1 {
		w.t.Fatalf("answers %v", got)
	}
	return got[0].XML
}

func TestPEP_AvatarOfAVirtualUser(t *testing.T) {
	data, id := portrait(t, 6)
	text := base64.StdEncoding.EncodeToString(data)
	withPictures(t, func(w *world) {
		tag := w.publish(alice, "", iconed(""))
		w.send(subscribeAlice)
		w.allow(romeo, alice)
		if got := w.srv.Stanzas(); !got[1].Has("<x xmlns='vcard-temp:x:update'><photo/></x></presence>") {
			t.Errorf("XEP-0153 §4.1 rule 3: %s", got[1].XML)
		}
		w.srv.Forget()
		tag = w.publish(alice, tag, iconed("data:image/png;base64,"+text))
		w.wait()
		got := w.srv.Stanzas()
		if len(got) != 2 || !got[0].Has("<photo>"+id+"</photo>") || !got[1].Has("id='"+id+"'", fmt.Sprintf("bytes='%d' width='32' height='24'", len(data))) {
			t.Fatalf("got %v", got)
		}
		want := "<items node='" + payload.NodeAvatarData + "'><item id='" + id + "'><data xmlns='" + payload.NodeAvatarData + "'>" + text
		node := "<pubsub xmlns='" + payload.NSPubSub + "'><items node='" + payload.NodeAvatarData + "'>"
		for _, q := range []string{"<item id='" + id + "'/>", ""} {
			if a := w.ask(node + q + "</items></pubsub>"); !strings.Contains(a, want) {
				t.Errorf("XEP-0084 §3.4: %.300s", a)
			}
		}
		if a := w.ask(node + "<item id='0000000000000000000000000000000000000000'/></items></pubsub>"); !strings.Contains(a, "item-not-found") {
			t.Errorf("another picture: %.300s", a)
		}
		if a := w.ask("<vCard xmlns='vcard-temp'/>"); !strings.Contains(a, "<PHOTO><TYPE>image/png</TYPE><BINVAL>"+text+"</BINVAL></PHOTO>") {
			t.Errorf("XEP-0054 §3.3: %.300s", a)
		}
		w.srv.Forget()
		w.publish(alice, tag, iconed(""))
		w.wait()
		got = w.srv.Stanzas()
		if len(got) != 2 || !got[0].Has("<photo/>") || !got[1].Has("<metadata xmlns='"+payload.NodeAvatarMetadata+"'/>") {
			t.Errorf("XEP-0084 §3.5: %v", got)
		}
		if a := w.ask(node + "</items></pubsub>"); !strings.Contains(a, "item-not-found") {
			t.Errorf("the old picture: %.300s", a)
		}
	})
}

// A picture that comes later than the View is told of when it has come.
func TestPEP_AvatarThatComesLater(t *testing.T) {
	data, id := portrait(t, 7)
	withPictures(t, func(w *world) {
		w.publish(alice, "", iconed("https://gw.test/v1/pictures/"+id+".png"))
		w.send(subscribeAlice)
		w.allow(romeo, alice)
		if got := w.srv.Stanzas(); !got[1].Has("<x xmlns='vcard-temp:x:update'/>") {
			t.Errorf("XEP-0153 §4.1 rule 2: %s", got[1].XML)
		}
		w.srv.Forget()
		_, err := w.pics.Put(data)
		if err != nil {
			t.Fatal(err)
		}
		c := w.port.byDomain["sip.example"]
		c.tellWatchers(alice)
		w.wait()
		got := w.srv.Stanzas()
		if len(got) != 2 || !got[0].Has("<photo>"+id+"</photo>") || !got[1].Has("id='"+id+"'") {
			t.Errorf("got %v", got)
		}
		w.srv.Forget()
		c.tellWatchers(alice)
		w.expect() // no news
	})
}
