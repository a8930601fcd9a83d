package cli

import (
	"strings"
	"testing"
)

// Whoever mistypes a name is told of those that are near, and what was done to which instances is said in words.
func TestNamesThatAreNearAreTold(t *testing.T) {
	opts := []Option{ownProgram()}
	c := newCage(t, opts...)
	if code, _, errOut := c.command(opts, "dag", "trigger", "sales", "--run-id", "monday", "--wait"); code != exitDone {
		t.Fatalf("ended %d: %s", code, errOut)
	}
	for _, l := range []struct {
		args string
		code int
		want string
	}{
		{"dag show sale", exitFailed, `did you mean "sales"?`},
		{"run list sale", exitFailed, `did you mean "sales"?`},
		{"run show sale monday", exitFailed, `did you mean "sales"?`},
		{"run show sales mondy", exitFailed, `did you mean "monday"?`},
		{"run clear sales mondy", exitFailed, `did you mean "monday"?`},
		{"run mark sales mondy failed", exitFailed, `did you mean "monday"?`},
		{"run note sales mondy text", exitFailed, `did you mean "monday"?`},
		{"task why sales mondy report", exitFailed, `did you mean "monday"?`},
		{"task answer sales mondy ask yes", exitFailed, `did you mean "monday"?`},
		{"task why sales monday reprt", exitFailed, `did you mean "report"?`},
		{"task log sales monday reprt", exitFailed, `did you mean "report"?`},
		{"run clear sales monday --dry-run", exitDone, "1 task instance would be cleared:\n  report\n"},
		{"run clear sales monday --only-failed", exitDone, "no task instance cleared\n"},
		{"run mark sales monday success --task report", exitDone, "1 task instance marked success:\n  report\n"},
	} {
		code, out, errOut := c.command(opts, strings.Fields(l.args)...)
		if code != l.code || !strings.Contains(out+errOut, l.want) {
			t.Errorf("%s ended %d: %s%s; want %q", l.args, code, out, errOut, l.want)
		}
	}
}
