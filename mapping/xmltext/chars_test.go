package xmltext

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

// What is found eight bytes at a time is what is found one by one, whichever
// byte stands wherever.
func TestBytesByWords(t *testing.T) {
	for _, size := range []int{1, 7, 8, 9, 31, 32, 33, 70} {
		for at := range size {
			for c := range 256 {
				spaces := bytes.Repeat([]byte(" "), size)
				spaces[at] = byte(c)
				if got, want := badChar(spaces), firstBad(spaces); got != want {
					t.Fatalf("badChar of %q: %d, want %d", spaces, got, want)
				}
				if want := firstBad(spaces); want < 0 || c >= 0x80 {
					if got, want := leadingSpace(spaces), len(spaces)-len(bytes.TrimLeft(spaces, " \t\r\n")); got != want {
						t.Fatalf("leadingSpace of %q: %d, want %d", spaces, got, want)
					}
				}
				text := strings.Repeat("x", at) + string([]byte{byte(c)}) + strings.Repeat("x", size-at-1)
				want := at
				if c < 0x80 && inAttr[c] == "" {
					want = size
				}
				if got := plainRun(text, 0); got != want {
					t.Fatalf("plainRun of %q: %d, want %d", text, got, want)
				}
			}
		}
	}
}

// firstBad is badChar, byte by byte.
func firstBad(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 || !isChar(r) {
			return i
		}
		i += n
	}
	return -1
}

// Characters above ASCII do not hide what stands beside them.
func TestBadCharAmongWide(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want int
	}{
		{strings.Repeat("é\n\t\r€😀", 20), -1},
		{strings.Repeat("\ufffd", 20), -1},
		{strings.Repeat("é", 20) + "\ufffe", 40},
		{strings.Repeat("\ufffd", 20) + "\uffff", 60},
		{strings.Repeat("é", 20) + "\x1f", 40},
		{strings.Repeat("é", 20) + "\n\x0b", 41},
		{strings.Repeat("\t", 40) + "\x00", 40},
		{strings.Repeat("é\n", 20) + "\xe9", 60},
	} {
		if got := badChar([]byte(tt.in)); got != tt.want {
			t.Errorf("%q: %d, want %d", tt.in, got, tt.want)
		}
	}
}
