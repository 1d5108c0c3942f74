//go:build linux

package main

import "bytes"

// A token in a published document names the presentity, its version and when
// it was sent: "lg#", 8 digits, 8 digits, 16 digits of nanoseconds, "#".
const tokenLen = 3 + 8 + 8 + 16 + 1

var tokenMark = []byte("lg#")

func appendToken(b []byte, presentity, version uint32, nanos int64) []byte {
	b = append(b, tokenMark...)
	b = hex8(b, presentity)
	b = hex8(b, version)
	b = hex8(b, uint32(uint64(nanos)>>32))
	b = hex8(b, uint32(nanos))
	return append(b, '#')
}

// nextToken finds the first token of b and returns what follows it.
func nextToken(b []byte) (presentity, version uint32, nanos int64, rest []byte, ok bool) {
	for {
		i := bytes.Index(b, tokenMark)
		if i < 0 || len(b)-i < tokenLen {
			return 0, 0, 0, nil, false
		}
		t := b[i : i+tokenLen]
		b = b[i+len(tokenMark):]
		if t[tokenLen-1] != '#' {
			continue
		}
		p, ok1 := unhex(t[3:11])
		v, ok2 := unhex(t[11:19])
		n, ok3 := unhex(t[19:35])
		if ok1 && ok2 && ok3 {
			return uint32(p), uint32(v), int64(n), b, true
		}
	}
}

// basic tells odd and even versions apart, so that each is a change.
func basic(version uint32) string {
	if version&1 == 0 {
		return "open"
	}
	return "closed"
}

// smallPIDF appends a PIDF document of about 300 bytes.
func smallPIDF(b []byte, entity string, presentity, version uint32, nanos int64) []byte {
	b = append(b, `<?xml version="1.0" encoding="UTF-8"?>`+"\r\n"+
		`<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="`...)
	b = append(b, entity...)
	b = append(b, `">`+"\r\n"+`<tuple id="t1"><status><basic>`...)
	b = append(b, basic(version)...)
	b = append(b, `</basic></status><contact priority="0.8">`...)
	b = append(b, entity...)
	b = append(b, `</contact><note>`...)
	b = appendToken(b, presentity, version, nanos)
	return append(b, `</note></tuple>`+"\r\n"+`</presence>`+"\r\n"...)
}

var activities = [...]string{"meeting", "on-the-phone", "busy", "away", "travel", "vacation", "meal", "working"}

// fullRPID appends a document with most of RPID, about 2.2 kB.
func fullRPID(b []byte, entity string, presentity, version uint32, nanos int64) []byte {
	b = append(b, rpidHead...)
	b = append(b, entity...)
	b = append(b, rpidTuple...)
	b = append(b, basic(version)...)
	b = append(b, rpidStatus...)
	b = append(b, entity...)
	b = append(b, rpidNote...)
	b = appendToken(b, presentity, version, nanos)
	b = append(b, rpidPerson...)
	b = append(b, activities[version&7]...)
	return append(b, rpidTail...)
}

const (
	rpidHead = `<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf"
 xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model"
 xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid"
 xmlns:c="urn:ietf:params:xml:ns:pidf:cipid"
 entity="`
	rpidTuple = `">
 <tuple id="bs35r9">
  <status><basic>`
	rpidStatus = `</basic></status>
  <dm:deviceID>urn:uuid:48662e19-5fbf-43fc-a2fd-d23002787599</dm:deviceID>
  <rpid:class>biz</rpid:class>
  <rpid:privacy><rpid:audio/><rpid:text/></rpid:privacy>
  <rpid:relationship><rpid:self/></rpid:relationship>
  <rpid:service-class><rpid:electronic/></rpid:service-class>
  <rpid:status-icon>https://icons.example.org/biz.png</rpid:status-icon>
  <rpid:user-input idle-threshold="600" last-input="2026-01-02T03:04:05Z">idle</rpid:user-input>
  <contact priority="0.8">`
	rpidNote = `</contact>
  <note xml:lang="en">`
	rpidPerson = `</note>
  <timestamp>2026-01-02T03:04:05Z</timestamp>
 </tuple>
 <tuple id="eg92n8">
  <status><basic>open</basic></status>
  <rpid:class>assistant</rpid:class>
  <rpid:relationship><rpid:assistant/></rpid:relationship>
  <contact priority="0.2">mailto:desk@example.org</contact>
 </tuple>
 <note>Out until the afternoon</note>
 <dm:person id="p1">
  <rpid:activities from="2026-01-02T03:00:00Z" until="2026-01-02T04:00:00Z"><rpid:note>quarterly review</rpid:note><rpid:`
	rpidTail = `/></rpid:activities>
  <rpid:class>calendar</rpid:class>
  <rpid:mood><rpid:note>so far so good</rpid:note><rpid:happy/></rpid:mood>
  <rpid:place-is><rpid:audio><rpid:noisy/></rpid:audio><rpid:video><rpid:toobright/></rpid:video></rpid:place-is>
  <rpid:place-type><lt:office xmlns:lt="urn:ietf:params:xml:ns:location-type"/></rpid:place-type>
  <rpid:privacy><rpid:text/></rpid:privacy>
  <rpid:sphere><rpid:work/></rpid:sphere>
  <rpid:time-offset description="America/New_York">-240</rpid:time-offset>
  <dm:note>Scoring 120</dm:note>
  <dm:timestamp>2026-01-02T03:04:05Z</dm:timestamp>
 </dm:person>
 <dm:device id="d1">
  <rpid:user-input>active</rpid:user-input>
  <dm:deviceID>urn:uuid:48662e19-5fbf-43fc-a2fd-d23002787599</dm:deviceID>
  <dm:note>desk phone</dm:note>
  <dm:timestamp>2026-01-02T03:04:05Z</dm:timestamp>
 </dm:device>
</presence>
`
)
