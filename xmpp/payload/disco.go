package payload

import (
	"crypto/sha1"

	"mellium.im/xmpp/disco"
	"mellium.im/xmpp/disco/info"
)

// Info is the answer to a disco#info question (XEP-0030 §3.1), with what
// follows from it computed once.
type Info struct {
	body string // the children of <query/>
	ver  string // XEP-0115 §5.1
	node string
}

// NewInfo returns an Info of one identity and features. node is the base of
// the capability nodes ("" when the entity sends no capabilities).
func NewInfo(node, category, typ, name string, features ...string) Info {
	i := disco.Info{Identity: []info.Identity{{Category: category, Type: typ, Name: name}}}
	b := AppendAttr([]byte("<identity"), "category", category)
	b = AppendAttr(b, "type", typ)
	b = AppendAttr(b, "name", name)
	b = append(b, '/', '>')
	for _, f := range features {
		i.Features = append(i.Features, info.Feature{Var: f})
		b = AppendAttr(append(b, "<feature"...), "var", f)
		b = append(b, '/', '>')
	}
	return Info{body: string(b), ver: i.Hash(sha1.New()), node: node}
}

// With returns i, which sends no capabilities, with a further identity and
// further features.
func (i *Info) With(category, typ string, features ...string) Info {
	b := AppendAttr([]byte("<identity"), "category", category)
	b = append(AppendAttr(b, "type", typ), '/', '>')
	b = append(b, i.body...)
	for _, f := range features {
		b = append(AppendAttr(append(b, "<feature"...), "var", f), '/', '>')
	}
	return Info{body: string(b)}
}

// Ver returns the verification string (XEP-0115 §5.1).
func (i *Info) Ver() string { return i.ver }

// Knows reports whether a question for node can be answered: "" and the node
// of the capabilities (XEP-0115 §6.2).
func (i *Info) Knows(node string) bool {
	return node == "" || i.node != "" && (node == i.node+"#"+i.ver)
}

// AppendQuery appends the answer to a question for node.
func (i *Info) AppendQuery(dst []byte, node string) []byte {
	dst = append(dst, "<query xmlns='"+NSInfo+"'"...)
	if node != "" {
		dst = AppendAttr(dst, "node", node)
	}
	dst = append(dst, '>')
	dst = append(dst, i.body...)
	return append(dst, "</query>"...)
}

// AppendCaps appends the <c/> that goes into presence (XEP-0115 §4).
func (i *Info) AppendCaps(dst []byte) []byte {
	dst = append(dst, "<c xmlns='"+NSCaps+"' hash='sha-1'"...)
	dst = AppendAttr(dst, "node", i.node)
	dst = AppendAttr(dst, "ver", i.ver)
	return append(dst, '/', '>')
}
