package transport

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// cut feeds b to a framer in pieces and tells what came out.
func cut(b string, piece int) (out []string, err error) {
	f := framer{max: 1 << 20}
	for len(b) > 0 {
		n := copy(f.space(), b[:min(piece, len(b))])
		b = b[n:]
		f.filled(n)
		for {
			kind, head, body, err := f.next()
			if err != nil {
				return append(out, "error after "+head), err
			}
			if kind == frameNone {
				break
			}
			if kind == framePing {
				out = append(out, "ping")
			} else {
				out = append(out, head+"|"+string(body))
			}
		}
	}
	return out, nil
}

// Defect T10, and RFC 5626 §3.5.1, RFC 3261 §7.5 and §18.3.
func TestFramesComeOutWhole(t *testing.T) {
	fold := "A\r\nSubject: one\r\n two\r\nContent-Length\t:\r\n  5\r\n\r\nhello"
	short := "B\r\nL: 0\r\n\r\n"
	long := "C\r\nl: 60000\r\n\r\n" + strings.Repeat("z", 60000)
	in := "\r\n" + fold + "\r\n\r\n" + short + "\r\n" + short + long + "\r\n\r\n\r\n\r\n" + short
	want := []string{
		"A\r\nSubject: one\r\n two\r\nContent-Length\t:\r\n  5|hello", "ping", "B\r\nL: 0|", "B\r\nL: 0|",
		"C\r\nl: 60000|" + strings.Repeat("z", 60000), "ping", "ping", "B\r\nL: 0|",
	}
	for _, piece := range []int{1, 2, 3, 5, 7, 100, 1000, 4096, 100000} {
		got, err := cut(in, piece)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("pieces of %d: %v\n%.300q", piece, err, got)
		}
	}
}

func TestFramingErrors(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     error
	}{
		{"none", "A\r\nX: y\r\n\r\n", errNoLength},
		{"negative", "A\r\nContent-Length: -1\r\n\r\n", errBadLength},
		{"two that differ", "A\r\nContent-Length: 1\r\nl: 2\r\n\r\n", errBadLength},
		{"huge", "A\r\nl: 2147483647\r\n\r\n", errBodyTooLarge},
		{"endless header", "A\r\nX: " + strings.Repeat("y", 70000), errHeadTooLarge},
	} {
		for _, piece := range []int{1, 100000} {
			_, err := cut(c.in, piece)
			if !errors.Is(err, c.want) {
				t.Errorf("%s in pieces of %d: %v, want %v", c.name, piece, err, c.want)
			}
		}
	}
	got, err := cut("A\r\nl: 1\r\nContent-Length: 1\r\n\r\nx", 100)
	if err != nil || len(got) != 1 {
		t.Errorf("the same length twice: %q %v", got, err)
	}
}

// A claim of a long body alone takes no memory; an idle connection has little.
func TestFramerMemory(t *testing.T) {
	f := framer{max: 1 << 20}
	f.filled(copy(f.space(), "A\r\nl: 1000000\r\n\r\n"))
	f.next()
	f.space()
	if len(f.store) > 128<<10 {
		t.Errorf("store of %d for a claim", len(f.store))
	}
	for range 1000000 {
		n := min(len(f.space()), 1000)
		f.filled(n)
		kind, _, _, err := f.next()
		if err != nil {
			t.Fatal(err)
		}
		if kind == frameMessage {
			break
		}
	}
	f.space()
	f.buf, f.end = f.buf[:0], f.end-len(f.buf)
	f.space()
	if len(f.store) != readStep {
		t.Errorf("idle store of %d", len(f.store))
	}
}

func FuzzFrame(f *testing.F) {
	f.Add("\r\n\r\nA\r\nl: 3\r\n\r\nxyzB\r\nl:0\r\n\r\n", 3)
	f.Add(plain+plain, 17)
	f.Add("A\r\nContent-Length:\r\n 2\r\n\r\nab\r\n\r\n", 1)
	f.Fuzz(func(t *testing.T, in string, piece int) {
		piece = 1 + max(piece, -piece)%997
		if piece < 1 || len(in) > 10000 {
			return
		}
		whole, werr := cut(in, len(in)+1)
		parts, perr := cut(in, piece)
		if fmt.Sprint(werr) != fmt.Sprint(perr) || !slices.Equal(whole, parts) {
			t.Fatalf("whole: %q %v\nin %d: %q %v", whole, werr, piece, parts, perr)
		}
	})
}

func TestAgendaKeepsOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var a agenda[int]
		at := map[*due[int]]int{}
		dues := make([]*due[int], 20)
		for i := range dues {
			dues[i] = &due[int]{of: i}
		}
		start := time.Unix(0, 0)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			d := dues[rapid.IntRange(0, len(dues)-1).Draw(t, "which")]
			switch sec := rapid.IntRange(-1, 50).Draw(t, "at"); {
			case sec < 0:
				a.drop(d)
				delete(at, d)
			default:
				a.set(d, start.Add(time.Duration(sec)*time.Second))
				at[d] = sec
			}
		}
		last := -1
		for d := a.take(start.Add(time.Hour)); d != nil; d = a.take(start.Add(time.Hour)) {
			sec, ok := at[d]
			if !ok || sec < last {
				t.Fatalf("took %d (known %v) after %d", sec, ok, last)
			}
			last = sec
			delete(at, d)
		}
		if len(at) > 0 {
			t.Fatalf("%d left", len(at))
		}
	})
}

func TestOrderSRV(t *testing.T) {
	in := []SRV{{20, 0, 1, "c"}, {10, 0, 1, "b0"}, {10, 90, 1, "a90"}, {10, 10, 1, "a10"}, {5, 0, 1, "."}}
	first := map[string]int{}
	for range 1000 {
		got := orderSRV(in)
		if len(got) != 4 || got[3].Target != "c" {
			t.Fatalf("got %v", got)
		}
		first[got[0].Target]++
	}
	// RFC 2782: the chance is in proportion to the weight, small for 0.
	if first["a90"] < 800 || first["a10"] < 40 || first["b0"] > 60 {
		t.Errorf("first: %v", first)
	}
}
