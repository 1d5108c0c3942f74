package mapping

import "testing"

// A10: names with characters that look like others are refused, whole names in
// another script are not.
func TestA10_LookAlikes(t *testing.T) {
	for name, fine := range map[string]bool{
		"alice":      true,
		"\u0430lice": false, // Cyrillic а
		"al\u0131ce": true,  // dotless i is Latin, and another name
		"ali\u03f2e": false, // Greek lunate sigma
		"Алиса":      true,
		"алиса2":     true,
		"Αλίκη":      true,
		"tanaka田中":   true,
		"+493012345": true,
		"fü":         true,
		"bob-боб":    false,
		"":           true,
	} {
		if mixed(name) == fine {
			t.Errorf("%+q: fine = %v", name, !fine)
		}
		if name == "" || !fine {
			continue
		}
		if _, err := ParseJID(name + "@im.example"); err != nil {
			t.Errorf("%q refused: %v", name, err)
		}
	}
	for _, uri := range []string{"sip:%D0%B0lice@sip.example", "pres:\u0430lice@sip.example"} {
		if _, err := ParseSIP(uri, "sip.example"); err == nil {
			t.Errorf("%s is taken for a name", uri)
		}
	}
	for _, jid := range []string{"\u0430lice@im.example", "ａｌｉｃｅ\u2024@im.example", "al\u200bice@im.example"} {
		if i, err := ParseJID(jid); err == nil {
			t.Errorf("%+q is taken for %+v", jid, i)
		}
	}
}
