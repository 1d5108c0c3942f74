package mapping

import (
	"slices"
	"strings"

	"github.com/porchlight-im/porchlight/mapping/presence"
	"github.com/porchlight-im/porchlight/mapping/xmltext"
)

// What the model carries without understanding it, in the JSON document:
// elements as strings, attributes as objects. What comes in is checked so far
// that no XML document it is put into can break.

const (
	nsCaps = "urn:ietf:params:xml:ns:pidf:caps"
	nsDM   = "urn:ietf:params:xml:ns:pidf:data-model"
	nsGeo  = "urn:ietf:params:xml:ns:pidf:geopriv10"
	nsLT   = "urn:ietf:params:xml:ns:location-type"
	nsLink = "urn:oma:xml:pde:pidf:ext:1.1"
	nsOPD  = "urn:oma:xml:pde:pidf:ext"
	nsPIDF = "urn:ietf:params:xml:ns:pidf"
	nsRPID = "urn:ietf:params:xml:ns:pidf:rpid"
)

// Limits of what is carried along, so that it can still be read when it stands
// inside a presence document.
const (
	maxJSONAttrs = 40 // of one element; each may need a declaration
	outerDepth   = 10 // elements around it
)

// outerScope takes the place of the declarations around an element. No element
// can use them, since these prefixes are no names.
var outerScope = make([]xmltext.Binding, 2*maxJSONAttrs)

func init() {
	for i := range outerScope {
		outerScope[i] = xmltext.Binding{Prefix: " " + string(rune('0'+i)), Space: "urn:x"}
	}
}

// jsonAttr is an attribute.
type jsonAttr struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	Value     string `json:"value"`
}

func (w *jsonWriter) raws(key string, rs []presence.RawXML) {
	if len(rs) > 0 {
		w.list(key, len(rs), func(i int) { w.value(rs[i].Bytes) })
	}
}

func (w *jsonWriter) attributes(as []presence.Attr) {
	if len(as) == 0 {
		return
	}
	w.list("attributes", len(as), func(i int) {
		w.begin()
		w.str("name", as[i].Local)
		w.text("namespace", as[i].Space)
		w.str("value", as[i].Value)
		w.end()
	})
}

// word writes what is one of words by nature, and something else as key_text.
func (w *jsonWriter) word(key, v string, words ...string) {
	if v != "" && !slices.Contains(words, v) {
		key += "_text"
	}
	w.text(key, v)
}

func (r *jsonReader) raws(path string, js []string) (rs []presence.RawXML) {
	r.length(path, len(js))
	for i := range js[:min(len(js), maxJSONList)] {
		rs = append(rs, r.raw(at(path, i), js[i]))
	}
	return rs
}

// raw reads one element.
func (r *jsonReader) raw(path, s string) presence.RawXML {
	x, err := wholeElement(s)
	if err != nil {
		r.fail(path, "not one element of XML: %v", err)
	}
	return x
}

// wholeElement reads s, which is one element and nothing else, and makes it
// self-contained.
func wholeElement(s string) (presence.RawXML, error) {
	e, err := readElement(s)
	if err != nil || e.Bytes == s {
		return e, err
	}
	return readElement(e.Bytes) // with what has been added it must be readable too
}

func readElement(s string) (e presence.RawXML, err error) {
	var x xmltext.Scanner
	x.ResetIn([]byte(s), outerScope)
	for kind := xmltext.Start; kind != xmltext.EOF; {
		kind, err = x.Next()
		if err != nil {
			return e, err
		}
		if x.Depth() > xmltext.MaxDepth-outerDepth {
			return e, x.Fail("too many elements in each other")
		}
	}
	x.ResetIn([]byte(s), outerScope)
	_, err = x.Next()
	if err != nil {
		return e, err
	}
	e.Space, e.Local = string(x.Space), string(x.Local)
	e.Bytes, err = x.Raw()
	return e, err
}

// positions reads elements that must be positions (RFC 4119 §2).
func (r *jsonReader) positions(path string, js []string) []presence.RawXML {
	rs := r.raws(path, js)
	for i := range rs {
		if r.err == nil && (rs[i].Space != nsGeo || rs[i].Local != "geopriv") {
			r.fail(at(path, i), "<%.50s> is no geopriv", rs[i].Local)
		}
	}
	return rs
}

// others reads elements that are not those, of PIDF or its data model, that
// have members of their own.
func (r *jsonReader) others(path string, js []string, own ...string) []presence.RawXML {
	rs := r.raws(path, js)
	for i := range rs {
		if (rs[i].Space == nsPIDF || rs[i].Space == nsDM) && slices.Contains(own, rs[i].Local) {
			r.fail(at(path, i), "<%s> has a member of its own", rs[i].Local)
		}
	}
	return rs
}

// understood reports whether no element in a status must be understood
// (RFC 3863 §4.2.3); none of them is.
func understood(status []presence.RawXML) bool {
	var x xmltext.Scanner
	for i := range status {
		x.Reset([]byte(status[i].Bytes))
		_, err := x.Next()
		if err != nil {
			continue
		}
		for j := range x.Attrs {
			a := &x.Attrs[j]
			v := strings.Trim(string(a.Value), " \t\r\n")
			if string(a.Local) == "mustUnderstand" && (len(a.Space) == 0 || string(a.Space) == nsPIDF) && (v == "1" || v == "true") {
				return false
			}
		}
	}
	return true
}

// rawValue reads the element that a value is, which says all that its other
// members say.
func (r *jsonReader) rawValue(path string, v *presence.Value, s string) {
	raw := r.raw(path, s)
	if r.err != nil {
		return
	}
	var x xmltext.Scanner
	x.Reset([]byte(raw.Bytes))
	_, err := x.Next()
	lang := x.Lang()
	text, _, err2 := x.ContentBytes()
	if err != nil || err2 != nil {
		r.fail(path, "not one element of XML")
		return
	}
	own := raw.Space == v.Space || v.Space == "" && (raw.Space == nsRPID || raw.Space == nsLT)
	if raw.Local != v.Name || !own || lang != v.Lang || trim(string(text)) != v.Text {
		r.fail(path, "does not say what the members beside it say")
	}
	v.Raw = &raw
}

// attributes reads attributes that an element has beside own, which are names
// such as "id" and "{namespace}until"; "" is for one that it does not have.
func (r *jsonReader) attributes(path string, js []jsonAttr, own ...string) (as []presence.Attr) {
	path += ".attributes"
	if len(js) > maxJSONAttrs {
		r.fail(path, "%d entries, more than %d", len(js), maxJSONAttrs)
		return nil
	}
	for i, j := range js {
		at := at(path, i)
		a := presence.Attr{Space: r.space(at+".namespace", j.Namespace), Local: r.name(at+".name", j.Name), Value: r.text(at+".value", j.Value)}
		name := a.Local
		if a.Space != "" {
			name = "{" + a.Space + "}" + name
		}
		switch {
		case a.Local == "", name == "xmlns":
			r.fail(at+".name", "is not the name of an attribute")
		case slices.Contains(own, name):
			r.fail(at+".name", "%.50q is there twice", name)
		}
		as, own = append(as, a), append(own, name)
	}
	return as
}

// given returns the name of an attribute when the element has it.
func given(name string, has bool) string {
	if has {
		return name
	}
	return ""
}

// space returns s when it can be the name of a namespace.
func (r *jsonReader) space(path, s string) string {
	const declarations = "http://www.w3.org/2000/xmlns/"
	if len(s) > xmltext.MaxSpace || s == declarations {
		r.fail(path, "%.50q is not the name of a namespace", s)
		return ""
	}
	return r.text(path, s)
}

// foreign is space for elements, which cannot be of the namespace of xml:lang.
func (r *jsonReader) foreign(path, s string) string {
	if s == xmltext.NS {
		r.fail(path, "%.50q has no elements", s)
	}
	return r.space(path, s)
}

// word reads what word writes.
func (r *jsonReader) word(path, v, text string, words ...string) string {
	if v != "" && text != "" {
		r.fail(path+"_text", "is there beside the member without _text")
	}
	if text != "" {
		return r.token(path+"_text", text)
	}
	return r.oneOf(path, v, words...)
}

// token is a text without the white space around it, which means nothing in
// the elements that have one.
func (r *jsonReader) token(path, s string) string { return trim(r.text(path, s)) }

// trim removes XML's white space around s.
func trim(s string) string { return strings.Trim(s, " \t\r\n") }
