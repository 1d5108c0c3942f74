package mapping

import (
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// jsonWriter appends JSON by hand: one pass, no reflection.
type jsonWriter struct{ b []byte }

// key begins a member; before all but the first of an object comes a comma.
func (w *jsonWriter) key(k string) {
	w.comma()
	w.value(k)
	w.b = append(w.b, ':')
}

func (w *jsonWriter) comma() {
	if c := w.b[len(w.b)-1]; c != '{' && c != '[' {
		w.b = append(w.b, ',')
	}
}

func (w *jsonWriter) begin() { w.b = append(w.b, '{') }
func (w *jsonWriter) end()   { w.b = append(w.b, '}') }

func (w *jsonWriter) list(k string, n int, item func(i int)) {
	w.key(k)
	w.b = append(w.b, '[')
	for i := range n {
		w.comma()
		item(i)
	}
	w.b = append(w.b, ']')
}

func (w *jsonWriter) str(k, v string) {
	w.key(k)
	w.value(v)
}

// text writes a member that is left out when empty.
func (w *jsonWriter) text(k, v string) {
	if v != "" {
		w.str(k, v)
	}
}

func (w *jsonWriter) strings(k string, vs []string) {
	if len(vs) > 0 {
		w.list(k, len(vs), func(i int) { w.value(vs[i]) })
	}
}

func (w *jsonWriter) int(k string, v int) {
	w.key(k)
	w.b = strconv.AppendInt(w.b, int64(v), 10)
}

func (w *jsonWriter) bool(k string, v bool) {
	w.key(k)
	w.b = strconv.AppendBool(w.b, v)
}

func (w *jsonWriter) time(k string, t time.Time) {
	if t.IsZero() {
		return
	}
	w.key(k)
	w.b = append(w.b, '"')
	w.b = t.AppendFormat(w.b, time.RFC3339Nano)
	w.b = append(w.b, '"')
}

func (w *jsonWriter) notes(k string, ns []presence.Note) {
	if len(ns) > 0 {
		w.list(k, len(ns), func(i int) { w.note(&ns[i]) })
	}
}

func (w *jsonWriter) note(n *presence.Note) {
	w.begin()
	w.str("text", n.Text)
	w.text("lang", n.Lang)
	w.end()
}

// value writes a string. Beside what JSON demands it escapes '<' and the line
// separators, so that the document can stand in a script; what is not UTF-8
// becomes U+FFFD.
func (w *jsonWriter) value(s string) {
	w.b = append(w.b, '"')
	begin := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c != '<' && c < utf8.RuneSelf {
			i++
			continue
		}
		r, n := rune(c), 1
		if c >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(s[i:])
			if (r != utf8.RuneError || n > 1) && r != '\u2028' && r != '\u2029' {
				i += n
				continue
			}
		}
		w.b = append(w.b, s[begin:i]...)
		w.escape(r)
		i += n
		begin = i
	}
	w.b = append(w.b, s[begin:]...)
	w.b = append(w.b, '"')
}

// escape writes a character below U+10000 as an escape.
func (w *jsonWriter) escape(r rune) {
	switch r {
	case '"', '\\':
		w.b = append(w.b, '\\', byte(r))
	case '\n':
		w.b = append(w.b, '\\', 'n')
	case '\t':
		w.b = append(w.b, '\\', 't')
	case '\r':
		w.b = append(w.b, '\\', 'r')
	default:
		w.b = append(w.b, '\\', 'u', hexLower[r>>12&15], hexLower[r>>8&15], hexLower[r>>4&15], hexLower[r&15])
	}
}
