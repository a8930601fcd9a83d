package shell

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// An ExitError says that a command ended otherwise than well.
type ExitError struct {
	Program string         // without its arguments
	Code    int            // −1 when a signal ended it
	Signal  syscall.Signal // that ended it; 0: none
	Said    string         // its last lines on stderr, or on stdout if there are none there; secrets masked
}

// Error implements error.
func (e *ExitError) Error() string {
	how := fmt.Sprintf("exit code %d", e.Code)
	if e.Signal != 0 {
		how = fmt.Sprintf("ended by signal %d (%s)", int(e.Signal), e.Signal)
		if e.Signal == syscall.SIGKILL {
			how += " that was not ours: is the machine out of memory?"
		}
	}
	if e.Said != "" {
		how += ": " + e.Said
	}
	return e.Program + ": " + how
}

// How much of what a command said last is part of an error.
const (
	saidLines = 5
	saidBytes = 1000
)

func exitError(program string, s *os.ProcessState, r Result) *ExitError {
	e := &ExitError{Program: program, Code: s.ExitCode(), Said: lastLines(r.Stderr)}
	if e.Said == "" {
		e.Said = lastLines(r.Stdout)
	}
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		e.Signal = w.Signal()
	}
	return e
}

// lastLines is the end of a text: at most 5 lines and 1,000 bytes.
func lastLines(text string) string {
	text = strings.TrimSpace(text)
	lines := strings.Split(text, "\n")
	text = strings.Join(lines[max(0, len(lines)-saidLines):], "\n")
	if len(text) > saidBytes {
		text = "…" + strings.ToValidUTF8(text[len(text)-saidBytes:], "")
	}
	return text
}
