package simple

import "testing"

func TestOPT_01_Options(t *testing.T) {
	in(t, allowed, func(t *testing.T, w *world) {
		p := w.peerAt("sip:stranger@elsewhere.example", "198.51.100.9:5060")
		for _, uri := range []string{"sip:" + server, "sip:" + server + ";gr", aliceURI} {
			p.request("OPTIONS "+uri, "P-Asserted-Identity:", "")
			p.response().want(t, "SIP/2.0 200 OK",
				"Allow: PUBLISH, SUBSCRIBE, NOTIFY, OPTIONS", // PUB-20
				"Accept: application/pidf+xml", "Accept-Encoding: *", "Accept-Language: *", "Supported: *",
				"Allow-Events: presence") // SUB-36
		}
	})
}

func TestOPT_02_InDialog(t *testing.T) {
	in(t, allowed, func(t *testing.T, w *world) {
		p := w.peer("sip:bob@sip.example")
		p.request("OPTIONS sip:"+server, "To: <sip:alice@sip.example>;tag=nosuch", "")
		p.response().want(t, "SIP/2.0 481 Call/Transaction Does Not Exist")
		res, _ := p.subscribe(aliceURI, "")
		p.request("OPTIONS sip:"+server, "To: "+res.get("To"), "")
		p.response().want(t, "SIP/2.0 200 OK")
	})
}

func TestIMS_28_Refused(t *testing.T) {
	in(t, allowed, func(t *testing.T, w *world) {
		p := w.peer(aliceURI)
		for _, c := range []struct{ start, lines, want, field string }{
			{"OPTIONS sip:" + server, "Require: 100rel, gruu\nRequire: x", "SIP/2.0 420 Bad Extension", "Unsupported: 100rel, x"},
			{"PUBLISH " + aliceURI, "Event: presence\nRequire: gruu, y", "SIP/2.0 420 Bad Extension", "Unsupported: y"},
			{"FLY sip:" + server, "", "SIP/2.0 405 Method Not Allowed", "Allow: PUBLISH, SUBSCRIBE, NOTIFY, OPTIONS"},
			{"REGISTER sip:" + server, "", "SIP/2.0 405 Method Not Allowed", "Allow: PUBLISH, SUBSCRIBE, NOTIFY, OPTIONS"},
			{"PUBLISH " + aliceURI, "Event: presence\nMax-Forwards: 0", "SIP/2.0 483 Too Many Hops", "Allow:"},
			{"BYE " + aliceURI, "To: <sip:x@y>;tag=1", "SIP/2.0 481 Call/Transaction Does Not Exist", "Allow:"},
		} {
			p.request(c.start, c.lines, "")
			p.response().want(t, c.want, c.field)
		}
	})
}
