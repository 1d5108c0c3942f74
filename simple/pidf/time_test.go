package pidf

import (
	"strings"
	"testing"
	"time"
)

func TestDOC_01_Times(t *testing.T) {
	for in, want := range map[string]string{
		"2001-10-27T16:49:29Z":                 "2001-10-27T16:49:29Z",
		" 2001-10-27t16:49:29z\n":              "2001-10-27T16:49:29Z",
		"2001-10-27T16:49:29":                  "2001-10-27T16:49:29Z",
		"2001-10-27T16:49:29-00:00":            "2001-10-27T16:49:29Z",
		"2001-10-27T16:49:29.500+05:45":        "2001-10-27T16:49:29.5+05:45",
		"2001-10-27T16:49:29.1234567891-14:00": "2001-10-27T16:49:29.123456789-14:00",
		"2001-10-27T16:49:29+00:01":            "2001-10-27T16:49:29+00:01",
		"2001-10-27T16:49:29+23:59":            "2001-10-27T16:49:29+23:59",
		"2004-02-29T00:00:00Z":                 "2004-02-29T00:00:00Z",
		"2016-12-31T23:59:60Z":                 "2016-12-31T23:59:59Z",
		"9999-12-31T23:59:59.999999999Z":       "9999-12-31T23:59:59.999999999Z",
		"":                                     "",
		"never":                                "",
		"2001-10-27":                           "",
		"2001-10-27 16:49:29Z":                 "",
		"0000-01-01T00:00:00Z":                 "",
		"2001-00-27T16:49:29Z":                 "",
		"2001-13-27T16:49:29Z":                 "",
		"2001-02-29T16:49:29Z":                 "",
		"2001-10-32T16:49:29Z":                 "",
		"2001-10-00T16:49:29Z":                 "",
		"2001-10-27T24:00:00Z":                 "",
		"2001-10-27T16:60:29Z":                 "",
		"2001-10-27T16:49:61Z":                 "",
		"2001-10-27T16:49:29.Z":                "",
		"2001-10-27T16:49:29,5Z":               "",
		"2001-10-27T16:49:29+24:00":            "",
		"2001-10-27T16:49:29+05:60":            "",
		"2001-10-27T16:49:29+0500":             "",
		"2001-10-27T16:49:29ZZ":                "",
		"-001-10-27T16:49:29Z":                 "",
		"+001-10-27T16:49:29Z":                 "",
		"20x1-10-27T16:49:29Z":                 "",
		"12001-10-27T16:49:29Z":                "",
	} {
		got, ok := parseTime([]byte(in))
		if ok != (want != "") || ok && got.Format(time.RFC3339Nano) != want {
			t.Errorf("%q is read as %v, %v; want %q", in, got, ok, want)
		}
	}
}

// What package time reads as RFC 3339 is read the same.
func FuzzTime(f *testing.F) {
	f.Add("2001-10-27T16:49:29.25+05:45")
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := parseTime([]byte(s))
		var want time.Time
		err := want.UnmarshalText([]byte(s))
		// It lets pass hours of one digit, commas and offsets of 24 hours.
		lax := len(s) < 19 || s[13] != ':' || strings.ContainsAny(s, ",") || strings.Contains(s[19:], "24:")
		if err == nil && !lax && want.Year() > 0 && (!ok || !got.Equal(want)) {
			t.Errorf("%q is read as %v, %v; want %v", s, got, ok, want)
		}
		if ok {
			back, same := parseTime(got.AppendFormat(nil, time.RFC3339Nano))
			if !same || !back.Equal(got) {
				t.Errorf("%q comes back as %v, %v; was %v", s, back, same, got)
			}
		}
	})
}
