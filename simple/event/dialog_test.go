package event

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func example() Dialog {
	return Dialog{CallID: "c1@watcher.example", LocalTag: "us", RemoteTag: "them",
		Local: "<sip:alice@sip.example>", Remote: `"Bob \"B\"" <sip:bob@sip.example>`,
		Target: "sip:bob@192.0.2.7:5062", RemoteCSeq: 7}
}

func TestIMS_11_Path(t *testing.T) {
	for _, c := range []struct {
		name   string
		routes []string
		uri    string
		route  []string
		next   string
	}{
		{"none", nil, "sip:bob@192.0.2.7:5062", nil, "sip:bob@192.0.2.7:5062"},
		{"RFC 3261 §12.2.1.1 loose", []string{"sip:r1.example;lr", "sip:r2.example;lr"},
			"sip:bob@192.0.2.7:5062", []string{"sip:r1.example;lr", "sip:r2.example;lr"}, "sip:r1.example;lr"},
		{"RFC 3261 §12.2.1.1 strict", []string{"sip:r1.example", "sip:r2.example;lr"},
			"sip:r1.example", []string{"sip:r2.example;lr", "sip:bob@192.0.2.7:5062"}, "sip:r1.example"},
		{"lr is a parameter, not a part of the host", []string{"sip:lr.example;transport=tcp;LR=on?a=b;lr"},
			"sip:bob@192.0.2.7:5062", []string{"sip:lr.example;transport=tcp;LR=on?a=b;lr"}, "sip:lr.example;transport=tcp;LR=on?a=b;lr"},
		{"an lr header field of the URI does not count", []string{"sip:r1.example?h=;lr"},
			"sip:r1.example?h=;lr", []string{"sip:bob@192.0.2.7:5062"}, "sip:r1.example?h=;lr"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := example()
			d.Routes = slices.Clone(c.routes)
			uri, route, next := d.Path()
			if uri != c.uri || next != c.next || !slices.Equal(route, c.route) {
				t.Errorf("uri %s, route %v, next %s", uri, route, next)
			}
			if !slices.Equal(d.Routes, c.routes) {
				t.Errorf("the route set has changed: %v", d.Routes)
			}
		})
	}
}

func TestSUB_18_Receive(t *testing.T) {
	for _, c := range []struct {
		name, callID, tag string
		cseq              uint32
		err               error
		after             uint32
	}{
		{"next", "c1@watcher.example", "them", 8, nil, 8},
		{"gap", "c1@watcher.example", "them", 1000, nil, 1000},
		{"same", "c1@watcher.example", "them", 7, ErrOldCSeq, 7},
		{"lower", "c1@watcher.example", "them", 6, ErrOldCSeq, 7},
		{"other Call-ID", "c2@watcher.example", "them", 8, ErrNoDialog, 7},
		{"other tag", "c1@watcher.example", "other", 8, ErrNoDialog, 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := example()
			err := d.Receive(c.callID, c.tag, c.cseq)
			if !errors.Is(err, c.err) || d.RemoteCSeq != c.after {
				t.Errorf("error %v, CSeq %d", err, d.RemoteCSeq)
			}
		})
	}
}

// TestSUB_45_CSeqAfterRestart: no number is given twice, wherever the process
// ends, with one write per block.
func TestSUB_45_CSeqAfterRestart(t *testing.T) {
	d := example()
	stored, writes := d, 0
	save := func() {
		d.Reserve()
		b, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		stored = Dialog{}
		err = json.Unmarshal(b, &stored)
		if err != nil {
			t.Fatal(err)
		}
		writes++
	}
	save()
	last := uint32(0)
	for i := range 10 * Block {
		n, low := d.Next()
		if n <= last {
			t.Fatalf("number %d after %d", n, last)
		}
		if n > stored.Reserved {
			t.Fatalf("number %d is beyond the stored %d", n, stored.Reserved)
		}
		last = n
		if low {
			save()
		}
		if i%777 == 0 { // the process ends here
			d = stored
			d.Restore()
			save()
		}
	}
	if writes > 60 {
		t.Errorf("%d writes", writes)
	}
}

func TestDialogRoundTrip(t *testing.T) {
	d := example()
	d.Routes = []string{"sip:r1.example;lr"}
	d.Reserve()
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var got Dialog
	err = json.Unmarshal(b, &got)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d, got); diff != "" {
		t.Error(diff)
	}
}

func TestDialogAppend(t *testing.T) {
	d := example()
	got := string(d.Append(nil, "NOTIFY", 12, []string{"sip:r1.example;lr"}))
	want := "From: <sip:alice@sip.example>;tag=us\r\n" +
		"To: \"Bob \\\"B\\\"\" <sip:bob@sip.example>;tag=them\r\n" +
		"Call-ID: c1@watcher.example\r\nCSeq: 12 NOTIFY\r\nRoute: <sip:r1.example;lr>\r\n"
	if got != want {
		t.Errorf("got %q", got)
	}
}

func TestStanding(t *testing.T) {
	for _, c := range []struct {
		name string
		s    Standing
		want string
	}{
		{"SUB-10 active", Standing{State: "active", Expires: time.Hour}, "active;expires=3600"},
		{"SUB-10 rounded up", Standing{State: "active", Expires: 59*second + 1}, "active;expires=60"},
		{"SUB-10 over", Standing{State: "pending", Expires: -second}, "pending;expires=0"},
		{"SUB-11 terminated", Standing{State: "terminated", Reason: "timeout", Expires: time.Hour}, "terminated;reason=timeout"},
		{"SUB-11 retry", Standing{State: "terminated", Reason: "probation", RetryAfter: time.Minute}, "terminated;reason=probation;retry-after=60"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := string(c.s.Append(nil)); got != c.want {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestParseEvent(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Event
		ok   bool
	}{
		{"presence", Event{"presence", ""}, true},
		{" presence ; id=4a ", Event{"presence", "4a"}, true},
		{"presence;x=y;ID = 7", Event{"presence", "7"}, true},
		{"Presence", Event{"Presence", ""}, true},
		{"presence.winfo", Event{"presence.winfo", ""}, true},
		{"presence, dialog", Event{}, false},
		{"presence dialog", Event{}, false},
		{"presence;id=", Event{}, false},
		{"presence;id=a b", Event{}, false},
		{"presence;id=1;id=2", Event{}, false},
		{"", Event{}, false},
	} {
		t.Run(c.in, func(t *testing.T) {
			got, err := ParseEvent(c.in)
			if (err == nil) != c.ok || got != c.want {
				t.Errorf("got %v, %v", got, err)
			}
			if c.ok {
				again, err := ParseEvent(got.String())
				if err != nil || again != got {
					t.Errorf("%q read back: %v, %v", got.String(), again, err)
				}
			}
		})
	}
}

// After a restart no number may be used before the next block is reserved and
// stored: another kill would make the next process use it again.
func TestDialog_ExhaustedAfterRestore(t *testing.T) {
	d := Dialog{}
	d.Reserve()
	for range Block {
		if d.Exhausted() {
			t.Fatalf("exhausted at %d of %d", d.LocalCSeq, d.Reserved)
		}
		d.Next()
	}
	if !d.Exhausted() {
		t.Error("the last number was used, and there is one more")
	}
	d.Restore()
	if n, low := d.Next(); n != Block+1 || !low {
		t.Errorf("next is %d, low %v", n, low)
	}
	d.Reserve()
	if d.Exhausted() {
		t.Error("exhausted right after a block was reserved")
	}
}
