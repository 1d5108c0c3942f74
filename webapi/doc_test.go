package webapi

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/porchlight-im/porchlight/bridge"
	"github.com/porchlight-im/porchlight/mapping"
	"github.com/porchlight-im/porchlight/webapi/wire"
)

var jsonBlock = regexp.MustCompile("(?s)```json\n(.*?)```")

// docs/feed.md is the specification: its examples are frames as the code has
// them, and it names every code, result and limit.
func TestDoc_Feed(t *testing.T) {
	b, err := os.ReadFile("../docs/feed.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(b)
	known := []string{wire.OpAuth, wire.OpSubscribe, wire.OpUnsubscribe, wire.OpPublish, wire.OpUnpublish, wire.OpAuthorize,
		wire.OpPing, wire.OpHello, wire.OpAuthenticated, wire.OpSubscribed, wire.OpUnsubscribed, wire.OpPresence, wire.OpState,
		wire.OpPublished, wire.OpUnpublished, wire.OpAuthorized, wire.OpPong, wire.OpError}
	shown := map[string]bool{}
	for _, block := range jsonBlock.FindAllStringSubmatch(doc, -1) {
		dec := json.NewDecoder(strings.NewReader(block[1]))
		for dec.More() {
			var raw json.RawMessage
			err := dec.Decode(&raw)
			if err != nil {
				t.Fatalf("%v in %s", err, block[1])
			}
			shown[example(t, raw, known)] = true
		}
	}
	for _, op := range known {
		if !shown[op] {
			t.Errorf("no example of %s", op)
		}
	}
	for _, k := range bridge.Kinds() {
		if row := "| `" + statuses[k].code + "` | " + strconv.Itoa(statuses[k].http) + " |"; !strings.Contains(doc, row) {
			t.Errorf("missing %s", row)
		}
	}
	for _, word := range []string{codeUnknownOp, codeRateLimited, wire.ResultOK, wire.ResultPending, wire.ResultDenied,
		wire.ResultUnknown, wire.ResultInvalid, wire.ResultLimit, wire.ResultBusy} {
		if !strings.Contains(doc, "| `"+word+"` |") {
			t.Errorf("missing %s", word)
		}
	}
	for _, code := range []int{goingAway, tooBig, ourFault, wire.CloseSlow, wire.CloseSilent, wire.CloseNoAuth, wire.CloseTooMany,
		wire.CloseFlood, wire.CloseBadToken} {
		if !strings.Contains(doc, "| "+strconv.Itoa(code)+" |") {
			t.Errorf("missing close code %d", code)
		}
	}
}

// example checks that one frame of the document has only members that the code
// knows, and returns its op.
func example(t *testing.T, raw json.RawMessage, known []string) string {
	t.Helper()
	var head struct {
		Op       string
		Presence json.RawMessage
	}
	err := json.Unmarshal(raw, &head)
	if err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	var into any = &wire.Frame{}
	switch {
	case head.Op == "":
		into = &wire.Snapshot{}
	case head.Op == wire.OpAuth || ops[head.Op] != nil:
		into = &wire.Request{}
	case !slices.Contains(known, head.Op):
		t.Errorf("unknown op in %s", raw)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	err = dec.Decode(into)
	if err != nil {
		t.Errorf("%v in %s", err, raw)
	}
	if len(head.Presence) > 0 {
		_, err = mapping.FromJSON(head.Presence)
		if err != nil {
			t.Errorf("presence: %v in %s", err, raw)
		}
	}
	return head.Op
}
