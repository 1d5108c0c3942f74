package mapping

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// readCSV reads a table of the test data without its head.
func readCSV(t *testing.T, name string) [][]string {
	t.Helper()
	f, err := os.Open(filepath.Join("../testdata/mapping", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || len(rows) < 2 {
		t.Fatalf("%s: %d rows, %v", name, len(rows), err)
	}
	return rows[1:]
}

func TestRFC7247Table3(t *testing.T) {
	rows := readCSV(t, "sip-xmpp-errors-sip-to-xmpp.csv")
	listed := 0
	for _, r := range rows {
		t.Run("H1 H2 H3 H4 H5 H6 "+r[0], func(t *testing.T) {
			code, err := strconv.Atoi(r[0])
			if err != nil { // "4xx": H7, a code that is not listed
				code = int(r[0][0]-'0')*100 + 99
			}
			e := ErrorToXMPP(code, "phrase", "<sip:new@h>;q=1")
			if e.Condition != r[1] || e.Text != "phrase" {
				t.Errorf("%d becomes %+v, want %s", code, e, r[1])
			}
			if e.Type == "" {
				t.Errorf("H7 %d: no type", code)
			}
			wantAddress := r[1] == "redirect" || code == 301
			if (e.Address == "sip:new@h") != wantAddress {
				t.Errorf("H2 %d: address %q", code, e.Address)
			}
		})
		if len(r[0]) == 3 && r[0][1] != 'x' {
			listed++
		}
	}
	if listed != len(sipErrors)-4 {
		t.Errorf("%d codes listed, the table has %d", listed, len(sipErrors)-4)
	}
}

func TestErrorToXMPPOfAnyCode(t *testing.T) {
	for code := -1; code < 1000; code++ {
		e := ErrorToXMPP(code, "", "")
		if errorTypes[e.Condition] == "" || e.Type == "" || e.Address != "" {
			t.Errorf("%d becomes %+v", code, e)
		}
	}
	for _, code := range []int{423, 481, 491, 503, 408, 504} {
		if e := ErrorToXMPP(code, "", ""); e.Type != "wait" {
			t.Errorf("H7 %d only means to try again, got type %s", code, e.Type)
		}
	}
	for _, code := range []int{100, 200, 700} {
		if e := ErrorToXMPP(code, "", ""); e.Condition != "undefined-condition" {
			t.Errorf("%d becomes %+v", code, e)
		}
	}
}

func TestRFC7247Table2(t *testing.T) {
	rows := readCSV(t, "sip-xmpp-errors-xmpp-to-sip.csv")
	if len(rows) != len(stanzaErrors) || len(rows) != len(errorTypes) {
		t.Fatalf("%d rows, the tables have %d and %d", len(rows), len(stanzaErrors), len(errorTypes))
	}
	for _, r := range rows {
		t.Run("G1 G2 G3 G4 G5 G6 "+r[0], func(t *testing.T) {
			want := strings.Split(r[1], " or ")
			if r[0] == "service-unavailable" {
				want = []string{"403", "405"} // note 5
			}
			for _, full := range []bool{true, false} {
				code, phrase := ErrorToSIP(StanzaError{Condition: r[0]}, full)
				got := strconv.Itoa(code)
				if !strings.Contains(strings.Join(want, " "), got) {
					t.Errorf("full %v: got %s, want one of %v", full, got, want)
				}
				if phrase == "" {
					t.Errorf("%d has no reason phrase", code)
				}
				// Notes 1 and 2: 4xx for a full JID, 5xx or 6xx for a bare one.
				if strings.HasPrefix(r[2], "note 1") || strings.HasPrefix(r[2], "note 2") {
					if (code < 500) != full {
						t.Errorf("G2 G3 full %v: got %s", full, got)
					}
				}
			}
		})
	}
}

func TestErrorToSIP(t *testing.T) {
	for _, c := range []struct {
		name   string
		e      StanzaError
		full   bool
		code   int
		phrase string
	}{
		{"G4 gone with an address", StanzaError{Condition: "gone", Address: "xmpp:n@h"}, false, 301, "Moved Permanently"},
		{"G4 gone without", StanzaError{Condition: "gone"}, false, 410, "Gone"},
		{"G5 unexpected, try again", StanzaError{Condition: "unexpected-request", Type: "wait"}, false, 491, "Request Pending"},
		{"G5 unexpected, do not", StanzaError{Condition: "unexpected-request", Type: "modify"}, false, 400, "Bad Request"},
		{"G6 never 503", StanzaError{Condition: "service-unavailable"}, true, 405, "Method Not Allowed"},
		{"G7 text", StanzaError{Condition: "forbidden", Text: "Not your business"}, true, 403, "Not your business"},
		{"G7 text is one line", StanzaError{Condition: "forbidden", Text: "a\r\nVia: x\t \u0085b\x00"}, true, 403, "a Via: x b"},
		{"G7 no text", StanzaError{Condition: "forbidden", Text: "\r\n "}, false, 603, "Decline"},
		{"a condition of somebody's own", StanzaError{Condition: "payment-required"}, true, 400, "Bad Request"},
		{"none", StanzaError{}, true, 400, "Bad Request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, phrase := ErrorToSIP(c.e, c.full)
			if code != c.code || phrase != c.phrase {
				t.Errorf("got %d %q, want %d %q", code, phrase, c.code, c.phrase)
			}
		})
	}
	_, phrase := ErrorToSIP(StanzaError{Text: "a" + strings.Repeat("ü", 5000)}, false)
	if len(phrase) > maxPhrase || len(phrase) < maxPhrase-4 || !utf8.ValidString(phrase) {
		t.Errorf("a long text became %d bytes", len(phrase))
	}
}

// A relayed error keeps its meaning over both tables.
func TestErrorsThereAndBack(t *testing.T) {
	for condition := range stanzaErrors {
		code, _ := ErrorToSIP(StanzaError{Condition: condition}, true)
		e := ErrorToXMPP(code, "", "")
		again, _ := ErrorToSIP(e, true)
		if again != code && code != 500 {
			t.Errorf("%s is %d, that %s, and that %d", condition, code, e.Condition, again)
		}
	}
}
