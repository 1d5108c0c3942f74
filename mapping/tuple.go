package mapping

import (
	"hash/fnv"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

// idPrefix makes the tuple ids of resources into xs:IDs, which may not begin
// with a digit (RFC 8048 §6.2 note 2).
const idPrefix = "ID-"

// tupleID makes a resource an xs:ID that resourceOf undoes: letters and digits
// of ASCII, '-' and '_' stand for themselves, every other byte is ".xx".
func tupleID(resource string) string {
	b := make([]byte, 0, len(idPrefix)+len(resource)+8)
	b = append(b, idPrefix...)
	for i := range len(resource) {
		c := resource[i]
		if c != '.' && class[c]&hostChar != 0 {
			b = append(b, c)
			continue
		}
		b = append(b, '.', hexLower[c>>4], hexLower[c&15])
	}
	return string(b)
}

// resourceOf is the resource of a tuple: the one that its id was made from,
// else the id itself, which is a resourcepart too.
func resourceOf(id string) string {
	rest, ok := strings.CutPrefix(id, idPrefix)
	if !ok || strings.IndexByte(rest, '.') < 0 {
		return rest
	}
	b := make([]byte, 0, len(rest))
	for i := 0; i < len(rest); i++ {
		if rest[i] != '.' {
			b = append(b, rest[i])
			continue
		}
		if i+2 >= len(rest) || unhex(rest[i+1]) < 0 || unhex(rest[i+2]) < 0 {
			return id
		}
		b = append(b, byte(unhex(rest[i+1])<<4|unhex(rest[i+2])))
		i += 2
	}
	r := string(b)
	if !utf8.ValidString(r) || tupleID(r) != id {
		return id // an id of a client's own making
	}
	return r
}

// resourceNames gives each service its resource, no two the same; services
// with the same name are shown as one presence. Those are the ones that have a
// service description and the contact in common: the abilities of one device,
// such as RCS phones publish with tuple ids that change each time.
func resourceNames(services []presence.Service) []string {
	names := make([]string, len(services))
	if len(services) == 1 {
		names[0] = resourceOf(services[0].ID)
		return names
	}
	abilities := make(map[string]int) // contact → how many
	for i := range services {
		if contact, ok := ability(&services[i]); ok {
			abilities[contact]++
		}
	}
	taken := make(map[string]int, len(services)) // name → how often it was wanted
	for i := range services {
		contact, ok := ability(&services[i])
		if ok && abilities[contact] > 1 {
			names[i] = deviceName(contact)
			continue
		}
		wanted := resourceOf(services[i].ID)
		name := wanted
		for taken[name] > 0 { // "x" and "ID-x" in one document
			taken[wanted]++
			name = wanted + "." + strconv.Itoa(taken[wanted])
		}
		taken[name]++
		names[i] = name
	}
	return names
}

// ability returns the contact of a service that is only one ability of a
// device.
func ability(t *presence.Service) (contact string, ok bool) {
	if t.OMA.Description == nil || t.Contact == nil || t.Contact.URI == "" {
		return "", false
	}
	return t.Contact.URI, true
}

// deviceName is the resource of all that one contact can do: that of its GRUU
// (RFC 7247 §6.3), else one made of the contact.
func deviceName(contact string) string {
	i, err := ParseSIP(contact, "none.invalid")
	if err == nil && i.Resource != "" {
		return i.Resource
	}
	h := fnv.New32a()
	h.Write([]byte(contact))
	return "device-" + strconv.FormatUint(uint64(h.Sum32()), 36)
}

// priorityText is the PIDF priority of an XMPP priority: 0 is 0, 127 is 1, and
// those between are different, with three decimals (RFC 8048 §6.2 note 6). A
// negative one MUST NOT be mapped: "".
func priorityText(p int8) string {
	switch {
	case p < 0:
		return ""
	case p == 0:
		return "0"
	case p == 127:
		return "1"
	}
	n := int(p) * 1000 / 127 // rounded down: 1 is 0.007, 126 is 0.992
	b := [5]byte{'0', '.', byte('0' + n/100), byte('0' + n/10%10), byte('0' + n%10)}
	return string(b[:])
}

// priorityOf is the inverse of priorityText. For other values it is the
// lowest XMPP priority that is not below, always 0 to 127.
func priorityOf(text string) (p int8, ok bool) {
	// RFC 3863 §4.4: qvalue, "0" or "1" with at most three decimals.
	whole, decimals, _ := strings.Cut(strings.Trim(text, " \t\r\n"), ".")
	if len(whole)+len(decimals) == 0 || len(whole) > 3 {
		return 0, false
	}
	n := 0
	for i := range len(whole) + 3 {
		digit := byte('0')
		switch {
		case i < len(whole):
			digit = whole[i]
		case i-len(whole) < len(decimals):
			digit = decimals[i-len(whole)]
		}
		if digit < '0' || digit > '9' {
			return 0, false
		}
		n = n*10 + int(digit-'0')
	}
	if n > 1000 {
		return 0, false
	}
	return int8((n*127 + 999) / 1000), true
}
