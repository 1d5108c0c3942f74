package mapping

import (
	_ "embed"
	"fmt"
	"regexp"
	"strconv"
	"time"

	yaml "go.yaml.in/yaml/v4"

	"github.com/porchlight-im/porchlight/mapping/presence"
)

//go:embed profiles.yaml
var profilesYAML []byte

// Profile is one kind of SIP watchers: how it is recognised, and how a State
// is written so that its users see what is meant. Profiles are data
// (profiles.yaml) and immutable.
type Profile struct {
	// Name tells it from the others; it is what is stored with a
	// subscription.
	Name string
	// Event is the event package's name in NOTIFYs when it is not the one of
	// the SUBSCRIBE, else "".
	Event string
	// Own: whoever watches himself gets what he has published, as of Generic.
	Own bool

	agents, tags *regexp.Regexp // nil: none
	versions     []*regexp.Regexp
	since        version
	strict       bool // no basic but open and closed
	bare         bool
	closedIsDND  bool
	looks        map[Word]*look
	// online and extended tell whether any look has them: then they are the
	// profile's own and leave all tuples where no look puts them.
	online, extended bool
}

// look is how a document has to look that says one word.
type look struct {
	Tuples   string   `yaml:"tuples"`
	Drop     []string `yaml:"drop"`
	Some     string   `yaml:"some"`
	First    []string `yaml:"first"`
	Willing  string   `yaml:"willing"`
	Online   bool     `yaml:"online"`
	Extended string   `yaml:"extended"`
}

// version is the major and minor number of a client's version. A pre-release
// is below the release.
type version struct {
	major, minor int
	pre          bool
}

func (v version) less(o version) bool {
	if v.major != o.major {
		return v.major < o.major
	}
	if v.minor != o.minor {
		return v.minor < o.minor
	}
	return v.pre && !o.pre
}

// Generic is the profile of all watchers that read a document as the
// specifications say: a State is written as it is (RFC 3863, RFC 4479, RFC
// 8048 §6.2).
var Generic = &Profile{Name: "generic"}

// profiles are those of profiles.yaml, in its order; a test would have found a
// fault in them.
var profiles = func() []*Profile {
	ps, err := readProfiles(profilesYAML)
	if err != nil {
		panic(err)
	}
	return ps
}()

// Profiles returns all profiles, Generic first.
func Profiles() []*Profile { return append([]*Profile{Generic}, profiles...) }

// ProfileNamed returns the profile with the name, and Generic for a name that
// no profile has: it may have gone with an update.
func ProfileNamed(name string) *Profile {
	for _, p := range profiles {
		if p.Name == name {
			return p
		}
	}
	return Generic
}

// maxAgent is how much of a User-Agent or tag counts, in bytes.
const maxAgent = 512

// ProfileOf recognises a watcher by its User-Agent, else by its feature tags:
// the values of Contact and Accept-Contact, as they came (RFC 3840 §9, RFC
// 3841 §9.2). Whoever is not known is Generic.
func ProfileOf(userAgent string, tags ...string) *Profile {
	userAgent = userAgent[:min(len(userAgent), maxAgent)]
	for _, p := range profiles {
		if p.agents != nil && p.agents.MatchString(userAgent) && p.recent(userAgent) {
			return p
		}
	}
	for _, t := range tags {
		t = t[:min(len(t), maxAgent)]
		for _, p := range profiles {
			if p.tags != nil && p.tags.MatchString(t) {
				return p
			}
		}
	}
	return Generic
}

// recent reports whether the version in userAgent is one of p's.
func (p *Profile) recent(userAgent string) bool {
	if p.since == (version{}) {
		return true
	}
	for _, re := range p.versions {
		m := re.FindStringSubmatch(userAgent)
		if m == nil {
			continue
		}
		v, ok := parseVersion(m[1], m[2])
		v.pre = m[3] != ""
		return ok && !v.less(p.since)
	}
	return false
}

func parseVersion(major, minor string) (version, bool) {
	a, err := strconv.Atoi(major)
	b, err2 := strconv.Atoi(minor)
	return version{major: a, minor: b}, err == nil && err2 == nil
}

// Shape returns s, a State at now by the rules r, as the watchers of p
// understand it. s is not changed; it is returned itself when there is nothing
// to be done.
func (p *Profile) Shape(r *Rules, s *presence.State, now time.Time) *presence.State {
	if s == nil || p.looks == nil && !p.bare {
		return r.closing(s, now)
	}
	d := newDraft(r, s, now)
	if p.strict {
		d.strictBasic()
	}
	if p.bare {
		d.bareTuples()
	}
	if l := p.looks[d.word]; l != nil {
		d.look(p, l)
	}
	if presence.Equal(s, d.State) {
		return s
	}
	return d.State
}

// Read returns s, the State of a document that a client of p has published, as
// the client means it, where that is not what the specifications say. s is not
// changed; it is returned itself when there is nothing to be done.
func (p *Profile) Read(s *presence.State) *presence.State {
	if p.closedIsDND {
		return readClosedDND(s)
	}
	return s
}

// profileData is one profile as profiles.yaml has it.
type profileData struct {
	Name     string           `yaml:"name"`
	Agents   string           `yaml:"agents"`
	Tags     string           `yaml:"tags"`
	Versions []string         `yaml:"versions"`
	Since    string           `yaml:"since"`
	Event    string           `yaml:"event"`
	Own      bool             `yaml:"own"`
	Basic    string           `yaml:"basic"`
	Bare     bool             `yaml:"bare"`
	Reads    string           `yaml:"reads"`
	Looks    map[string]*look `yaml:"looks"`
}

// readProfiles reads and checks a file of profiles.
func readProfiles(b []byte) ([]*Profile, error) {
	var data []profileData
	err := yaml.Load(b, &data, yaml.WithKnownFields())
	if err != nil {
		return nil, fmt.Errorf("reading the profiles: %w", err)
	}
	ps := make([]*Profile, len(data))
	names := map[string]bool{"": true, Generic.Name: true}
	for i := range data {
		ps[i], err = data[i].profile()
		if err != nil {
			return nil, fmt.Errorf("profile %d (%s): %w", i+1, data[i].Name, err)
		}
		if names[ps[i].Name] {
			return nil, fmt.Errorf("profile %d: the name %q is taken or empty", i+1, ps[i].Name)
		}
		names[ps[i].Name] = true
	}
	return ps, nil
}

func (d *profileData) profile() (*Profile, error) {
	p := &Profile{Name: d.Name, Event: d.Event, Own: d.Own, strict: d.Basic == "known", bare: d.Bare, closedIsDND: d.Reads == "closed-is-dnd"}
	if d.Basic != "" && !p.strict || d.Reads != "" && !p.closedIsDND {
		return nil, fmt.Errorf("basic %q or reads %q is not known", d.Basic, d.Reads)
	}
	for expr, dst := range map[string]**regexp.Regexp{d.Agents: &p.agents, d.Tags: &p.tags} {
		if expr != "" {
			re, err := regexp.Compile("(?i)" + expr)
			if err != nil {
				return nil, err
			}
			*dst = re
		}
	}
	for _, expr := range d.Versions {
		re, err := regexp.Compile("(?i)" + expr)
		if err != nil {
			return nil, err
		}
		if re.NumSubexp() != 3 {
			return nil, fmt.Errorf("%q has %d groups, not 3", expr, re.NumSubexp())
		}
		p.versions = append(p.versions, re)
	}
	if d.Since != "" {
		_, err := fmt.Sscanf(d.Since, "%d.%d", &p.since.major, &p.since.minor)
		if err != nil {
			return nil, fmt.Errorf("since: %q is not a version", d.Since)
		}
	}
	return p, p.addLooks(d.Looks)
}

// addLooks checks looks, and takes them.
func (p *Profile) addLooks(looks map[string]*look) error {
	for name, l := range looks {
		if _, ok := rank[Word(name)]; !ok || l == nil {
			return fmt.Errorf("looks: %q is not a word of availability", name)
		}
		for _, b := range []string{l.Tuples, l.Willing} {
			if _, ok := basicNamed[b]; !ok {
				return fmt.Errorf("looks.%s: %q is neither open nor closed", name, b)
			}
		}
		if l.Extended != "" && states[l.Extended] == "" {
			return fmt.Errorf("looks.%s: Blink knows no state %q", name, l.Extended)
		}
		for _, a := range append(append([]string{l.Some}, l.First...), l.Drop...) {
			if _, ok := Show(a); !ok && a != "" && a != "*" {
				return fmt.Errorf("looks.%s: %q is not an activity of RPID", name, a)
			}
		}
		if p.looks == nil {
			p.looks = map[Word]*look{}
		}
		p.looks[Word(name)] = l
		p.online = p.online || l.Online
		p.extended = p.extended || l.Extended != ""
	}
	return nil
}
