package xmpp

import (
	"strings"
	"testing"

	"github.com/porchlight-im/porchlight/bridge"
)

// One incoming presence of 390 bytes, cut off the stream and read.
func BenchmarkReader(b *testing.B) {
	const one = `<presence from='bob@im.example/phone-1' to='alice@sip.example' xml:lang='en'><show>away</show><status>In a meeting &amp; busy</status><priority>5</priority><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='http://conversations.im' ver='QgayPKawpkPSDYmwT/WM94uAlu0='/><x xmlns='vcard-temp:x:update'><photo>01b87fcd030b72895ff8e88db57ec525450f000d</photo></x></presence>`
	stream := strings.Repeat(one, 1000)
	b.ReportAllocs()
	b.SetBytes(int64(len(one)))
	var p parser
	n := 0
	for b.Loop() {
		s := newSplitter(strings.NewReader(stream), maxIn)
		for {
			el, err := s.next()
			if err != nil {
				break
			}
			var st stanza
			if err := p.parse(el, &st); err != nil {
				b.Fatal(err)
			}
			n++
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/stanza")
}

// One state to one of many watchers who see the same View.
func BenchmarkView(b *testing.B) {
	v := &bridge.View{Presentity: alice, State: open("phone", "In a meeting & busy")}
	buf := make([]byte, 0, 1<<10)
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = appendView(buf[:0], "romeo@im.example", v, "")
	}
}
