package xmpp

import "testing"

var states = map[string]subState{
	"None":                  {none, none},
	"None + Pending Out":    {none, pending},
	"None + Pending In":     {pending, none},
	"None + Pending Out+In": {pending, pending},
	"To":                    {none, held},
	"To + Pending In":       {pending, held},
	"From":                  {held, none},
	"From + Pending Out":    {held, pending},
	"Both":                  {held, held},
}

type transition struct {
	from string
	sent bool // ROUTE? or DELIVER?
	to   string
}

const same = "no state change"

// The tables of RFC 6121 §A.2 as printed. M.N. and S.N. are false.
var outboundTables = map[string][]transition{
	subscribe: { // Table 2
		{"None", true, "None + Pending Out"},
		{"None + Pending Out", true, same},
		{"None + Pending In", true, "None + Pending Out+In"},
		{"None + Pending Out+In", true, same},
		{"To", true, same},
		{"To + Pending In", true, same},
		{"From", true, "From + Pending Out"},
		{"From + Pending Out", true, same},
		{"Both", true, same},
	},
	unsubscribe: { // Table 3
		{"None", true, same},
		{"None + Pending Out", true, "None"},
		{"None + Pending In", true, same},
		{"None + Pending Out+In", true, "None + Pending In"},
		{"To", true, "None"},
		{"To + Pending In", true, "None + Pending In"},
		{"From", true, same},
		{"From + Pending Out", true, "From"},
		{"Both", true, "From"},
	},
	subscribed: { // Table 4; pre-approval changes no state
		{"None", false, same},
		{"None + Pending Out", false, same},
		{"None + Pending In", true, "From"},
		{"None + Pending Out+In", true, "From + Pending Out"},
		{"To", false, same},
		{"To + Pending In", true, "Both"},
		{"From", false, same},
		{"From + Pending Out", false, same},
		{"Both", false, same},
	},
	unsubscribed: { // Table 5
		{"None", false, same},
		{"None + Pending Out", false, same},
		{"None + Pending In", true, "None"},
		{"None + Pending Out+In", true, "None + Pending Out"},
		{"To", false, same},
		{"To + Pending In", true, "To"},
		{"From", true, "None"},
		{"From + Pending Out", true, "None + Pending Out"},
		{"Both", true, "To"},
	},
}

// The tables of RFC 6121 §A.3 as printed.
var inboundTables = map[string][]transition{
	subscribe: { // Table 6
		{"None", true, "None + Pending In"},
		{"None + Pending Out", true, "None + Pending Out+In"},
		{"None + Pending In", false, same},
		{"None + Pending Out+In", false, same},
		{"To", true, "To + Pending In"},
		{"To + Pending In", false, same},
		{"From", false, same},
		{"From + Pending Out", false, same},
		{"Both", false, same},
	},
	unsubscribe: { // Table 7
		{"None", false, same},
		{"None + Pending Out", false, same},
		{"None + Pending In", true, "None"},
		{"None + Pending Out+In", true, "None + Pending Out"},
		{"To", false, same},
		{"To + Pending In", true, "To"},
		{"From", true, "None"},
		{"From + Pending Out", true, "None + Pending Out"},
		{"Both", true, "To"},
	},
	subscribed: { // Table 8
		{"None", false, same},
		{"None + Pending Out", true, "To"},
		{"None + Pending In", false, same},
		{"None + Pending Out+In", true, "To + Pending In"},
		{"To", false, same},
		{"To + Pending In", false, same},
		{"From", false, same},
		{"From + Pending Out", true, "Both"},
		{"Both", false, same},
	},
	unsubscribed: { // Table 9
		{"None", false, same},
		{"None + Pending Out", true, "None"},
		{"None + Pending In", false, same},
		{"None + Pending Out+In", true, "None + Pending In"},
		{"To", true, "None"},
		{"To + Pending In", true, "None + Pending In"},
		{"From", false, same},
		{"From + Pending Out", true, "From"},
		{"Both", true, "From"},
	},
}

func TestSubscription_RFC6121_A2_Outbound(t *testing.T) {
	for kind, table := range outboundTables {
		if len(table) != len(states) {
			t.Errorf("%s: %d rows", kind, len(table))
		}
		for _, row := range table {
			sent, to := states[row.from].outbound(kind)
			check(t, kind, row, sent, to)
		}
	}
}

func TestSubscription_RFC6121_A3_Inbound(t *testing.T) {
	for kind, table := range inboundTables {
		if len(table) != len(states) {
			t.Errorf("%s: %d rows", kind, len(table))
		}
		for _, row := range table {
			sent, reply, to := states[row.from].inbound(kind)
			check(t, kind, row, sent, to)
			want := ""
			switch { // the notes below Tables 6 and 7
			case kind == subscribe && states[row.from].In == held:
				want = subscribed
			case kind == unsubscribe && row.sent:
				want = unsubscribed
			}
			if reply != want {
				t.Errorf("%s in %q: answered %q, want %q", kind, row.from, reply, want)
			}
		}
	}
}

func check(t *testing.T, kind string, row transition, sent bool, to subState) {
	t.Helper()
	want := row.to
	if want == same {
		want = row.from
	}
	if sent != row.sent || to != states[want] {
		t.Errorf("%s in %q: %v and %v, want %v and %v", kind, row.from, sent, to, row.sent, states[want])
	}
}
