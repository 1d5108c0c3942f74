package mapping

import (
	"errors"
	"fmt"
	"strings"

	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/mapping/tables"
)

// vocabulary is a table of RPID values and the names that XMPP has for them:
// activities or moods. An XMPP name is that of one element, or of one in
// another with '/' between them.
//
// Each side has a name for what it has no name for, with words of its own: RPID
// <other>, XMPP catchAll. A row may have words: those of an <other>, or of an
// XMPP name that ends in "/other".
type vocabulary struct {
	catchAll string
	out      map[rpidWord]xmppWord
	in       map[xmppWord]rpidWord
	// specific has the XMPP names that alone end as they do, by their ends.
	specific map[string]string
}

// rpidWord is an RPID value; words are lower case, and only of "other".
type rpidWord struct{ space, name, words string }

// xmppWord is an XMPP name; words are lower case when it is a key.
type xmppWord struct{ name, words string }

// nothing stands in a table where a side has no word.
const nothing = "-"

// newVocabulary reads a table. The error has all its faults.
func newVocabulary(t *tables.Table, catchAll string) (*vocabulary, error) {
	v := &vocabulary{catchAll: catchAll, out: map[rpidWord]xmppWord{}, in: map[xmppWord]rpidWord{}, specific: map[string]string{}}
	var errs []error
	for i := range t.Rows {
		r := &t.Rows[i]
		err := v.add(r.Way, r.Get("rpid"), r.Get("xmpp"), r.Get("words"))
		if err != nil {
			errs = append(errs, r.Faultf("%v", err))
		}
	}
	if v.out[rpidWord{name: "other"}].name != catchAll || v.in[xmppWord{name: catchAll}].name != "other" {
		errs = append(errs, fmt.Errorf("%s.txt: other is not %s, both ways", t.Name, catchAll))
	}
	v.findSpecific()
	return v, errors.Join(errs...)
}

func (v *vocabulary) add(way tables.Way, rpid, xmpp, words string) error {
	from, to := rpidWord{name: rpid}, xmppWord{name: xmpp}
	if name, ok := strings.CutPrefix(rpid, "ext:"); ok {
		from = rpidWord{space: Ext, name: name}
	}
	if words != "" {
		ours, theirs := rpid == "other", strings.HasSuffix(xmpp, "/other")
		switch {
		case ours == theirs:
			return fmt.Errorf("words belong to other on one side, not %s and %s", rpid, xmpp)
		case ours:
			from.words = words
		default:
			to.words = words
		}
	}
	if rpid == "" || rpid == nothing || xmpp == "" || xmpp == nothing && way != tables.Out {
		return fmt.Errorf("a value on each side is wanted, not %q and %q", rpid, xmpp)
	}
	if words != fold(words) {
		return fmt.Errorf("words %q are not lower case", words)
	}
	if way.Out() {
		if had, dup := v.out[from]; dup {
			return fmt.Errorf("%s has become %s already", rpid, had.name)
		}
		v.out[from] = to
	}
	if way.In() {
		if had, dup := v.in[to]; dup {
			return fmt.Errorf("%s has become %s already", xmpp, had.name)
		}
		v.in[to] = from
	}
	return nil
}

// findSpecific finds which ends of names say enough. XEP-0108 §3: a specific
// activity may stand under any general one.
func (v *vocabulary) findSpecific() {
	for x := range v.in {
		_, end, ok := strings.Cut(x.name, "/")
		if !ok || end == "other" {
			continue
		}
		if _, dup := v.specific[end]; dup {
			v.specific[end] = ""
			continue
		}
		v.specific[end] = x.name
	}
}

// fold makes words comparable.
func fold(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// toXMPP returns the XMPP name for x and the words that go with it, which are
// to be shown as the text; ok is false when XMPP has none.
func (v *vocabulary) toXMPP(x *presence.Value) (name string, words presence.Note, ok bool) {
	k := rpidWord{space: x.Space, name: x.Name}
	if k == (rpidWord{name: "other"}) {
		if to, found := v.out[rpidWord{name: "other", words: fold(x.Text)}]; found && fold(x.Text) != "" {
			return to.name, presence.Note{}, to.name != nothing
		}
		return v.catchAll, presence.Note{Lang: x.Lang, Text: x.Text}, true
	}
	to, ok := v.out[k]
	if !ok || to.name == nothing {
		return "", presence.Note{}, false
	}
	if to.words != "" {
		return to.name, presence.Note{Lang: "en", Text: to.words}, true
	}
	return to.name, presence.Note{Lang: x.Lang, Text: x.Text}, true
}

// fromXMPP returns the RPID value for the element general and the one in it,
// specific, which may be "", with texts; and what of the texts remains to be a
// note. A name that the table does not have becomes the words of an <other>.
func (v *vocabulary) fromXMPP(general, specific string, texts []presence.Note) (presence.Value, []presence.Note) {
	name := general
	if specific != "" {
		name += "/" + specific
	}
	if specific == "other" {
		for i := range texts {
			k := xmppWord{name, fold(texts[i].Text)}
			if w, ok := v.in[k]; ok && k.words != "" {
				return presence.Value{Space: w.space, Name: w.name}, nil
			}
		}
	}
	if top, _, _ := strings.Cut(v.catchAll, "/"); len(texts) > 0 && (name == v.catchAll || name == top) {
		rest := texts[1:]
		if len(rest) == 0 {
			rest = nil
		}
		return presence.Value{Name: "other", Text: texts[0].Text, Lang: texts[0].Lang}, rest
	}
	for _, n := range []string{name, v.specific[specific], general} {
		if w, ok := v.in[xmppWord{name: n}]; ok {
			x := presence.Value{Space: w.space, Name: w.name, Text: w.words}
			if w.words != "" {
				x.Lang = "en"
			}
			return x, texts
		}
	}
	if specific != "" && specific != "other" {
		general = specific
	}
	return presence.Value{Name: "other", Text: strings.ReplaceAll(general, "_", " ")}, texts
}
