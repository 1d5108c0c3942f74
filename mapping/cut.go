package mapping

import (
	"github.com/rivo/uniseg"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// maxText is how many bytes of a note XMPP is given; clients show a line of
// it, and servers end the stream of who sends too much.
const maxText = 4 << 10

// ellipsis ends a text that was cut.
const ellipsis = "…"

// Cut returns the first bytes of text, at most limit with an ellipsis behind
// them, that end at a grapheme (UAX 29): what a reader takes for one
// character, such as a flag or a letter with its accents, is never cut apart.
// It returns text itself when that is short enough.
func Cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	end, state := 0, -1
	for rest := text[:min(len(text), limit+maxGrapheme)]; rest != ""; {
		var cluster string
		cluster, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
		if end+len(cluster)+len(ellipsis) > limit {
			break
		}
		end += len(cluster)
	}
	return text[:end] + ellipsis
}

// maxGrapheme is more than any grapheme of a real text has bytes.
const maxGrapheme = 256

// cutNotes returns notes with texts that XMPP can be given, and whether any
// was cut.
func cutNotes(notes []presence.Note) (short []presence.Note, cut bool) {
	total := 0
	for i := range notes {
		total += len(notes[i].Text)
	}
	if total <= maxText {
		return notes, false
	}
	short = make([]presence.Note, 0, len(notes))
	for _, n := range notes {
		if text := Cut(n.Text, maxText); text != n.Text {
			n.Text, cut = text, true
		}
		short = append(short, n)
	}
	return short, cut
}
