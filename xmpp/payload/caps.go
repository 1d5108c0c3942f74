package payload

import (
	"crypto/sha1"
	"encoding/base64"
	"slices"
	"strings"
)

// Described is what an entity has said of itself in answer to disco#info
// (XEP-0030 §3.1), as far as its capabilities go (XEP-0115 §5.1).
type Described struct {
	Identities []Identity
	Features   []string
	Forms      []Form // XEP-0128
}

// Identity is one of an entity's identities.
type Identity struct{ Category, Type, Lang, Name string }

// Form is one extended information: its FORM_TYPE and its other fields.
type Form struct {
	Type   string
	Fields []Field
}

// Field is one field of a Form.
type Field struct {
	Name   string
	Values []string
}

// Ver returns the verification string of d by SHA-1, "" when d has something
// twice or a '<' where that would be ambiguous: it cannot be trusted then
// (XEP-0115 §5.4 step 3.3 to 3.6).
func (d *Described) Ver() string {
	var b strings.Builder
	ok := true
	put := func(s string) {
		ok = ok && !strings.Contains(s, "<")
		b.WriteString(s)
		b.WriteByte('<')
	}
	ids := make([]string, 0, len(d.Identities))
	for _, i := range d.Identities {
		ids = append(ids, i.Category+"/"+i.Type+"/"+i.Lang+"/"+i.Name)
	}
	features := slices.Clone(d.Features)
	for _, list := range [][]string{ids, features} {
		slices.Sort(list)
		ok = ok && len(slices.Compact(slices.Clone(list))) == len(list)
		for _, s := range list {
			put(s)
		}
	}
	forms := slices.Clone(d.Forms)
	slices.SortFunc(forms, func(a, b Form) int { return strings.Compare(a.Type, b.Type) })
	for i, f := range forms {
		ok = ok && (i == 0 || forms[i-1].Type != f.Type)
		put(f.Type)
		fields := slices.Clone(f.Fields)
		slices.SortFunc(fields, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
		for _, x := range fields {
			put(x.Name)
			for _, v := range slices.Sorted(slices.Values(x.Values)) {
				put(v)
			}
		}
	}
	if !ok {
		return ""
	}
	sum := sha1.Sum([]byte(b.String()))
	return base64.StdEncoding.EncodeToString(sum[:])
}
