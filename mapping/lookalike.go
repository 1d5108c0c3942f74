package mapping

import (
	"errors"
	"unicode"
)

// errLookAlike refuses a name that mixes letters of scripts with look-alikes.
var errLookAlike = errors.New("it mixes letters of scripts that look alike")

// alike are the scripts whose letters are drawn like those of another.
var alike = [...]*unicode.RangeTable{unicode.Latin, unicode.Cyrillic, unicode.Greek, unicode.Armenian, unicode.Coptic, unicode.Cherokee}

// mixed reports whether name has letters of more than one of the scripts that
// are alike: "аlice" whose first letter is Cyrillic is not alice. Whole names
// in one script, and Latin beside Chinese, Japanese or Korean, are none of that
// (UTS 39 §5.2; RFC 7247 §8 and RFC 7622 §7.3.2 leave it to the gateway).
func mixed(name string) bool {
	first := -1
	for _, r := range name {
		if !unicode.IsLetter(r) {
			continue
		}
		for i, t := range alike {
			if !unicode.Is(t, r) {
				continue
			}
			if first >= 0 && first != i {
				return true
			}
			first = i
		}
	}
	return false
}
