//go:build integration

package realpeers

import (
	"os/exec"
	"strings"
	"testing"
)

// The demo tells its whole story, and leaves nothing behind.
func TestDemo(t *testing.T) {
	need(t, "prosody")
	cmd := exec.Command("go", "run", "github.com/porchlight-im/porchlight/cmd/demo", "-once")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("the demo failed: %v\n%s", err, out)
	}
	for _, want := range []string{
		"The live page: http://127.0.0.1:", "alice@sip.example is dnd", "juliet@im.example is open", "Nothing is left running",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the demo does not say %q:\n%s", want, out)
		}
	}
}
