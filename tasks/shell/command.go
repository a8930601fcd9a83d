package shell

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Defaults and bounds of a [Command].
const (
	DefaultGrace = 10 * time.Second
	MaxGrace     = 15 * time.Second // the engine leaves a body behind that goes on for 20 s after it was cancelled
	DefaultKeep  = 64 << 10
	MaxKeep      = 16 << 20
)

// A Command says what to run. Exactly one of Path and Script is required.
type Command struct {
	Path   string   // program: a path, or a name that is looked up in our PATH
	Script string   // for sh -eu -c: it ends at the first command that fails, and an unset variable is an error
	Args   []string // of the program; $1, $2 … of the script. Never part of a script's text, where they would be code

	Dir        string            // working directory; "": that of our process
	Env        map[string]string // variables beside [BaseEnv]
	SecretEnv  map[string]string // the same, with values that nobody may see
	InheritEnv []string          // names of variables that it gets from our process where they are set
	Secrets    []string          // other texts that nobody may see, such as a token among Args
	Stdin      []byte            // nil: empty

	Codes map[int]Meaning // of exit codes, beside 0: Succeeds and 99: Skips; all others: Fails
	Keep  int             // bytes of stdout, and of stderr, that are kept: the last ones. 0: [DefaultKeep]
	Quiet bool            // stdout is kept, but not logged
	Grace time.Duration   // from SIGTERM to SIGKILL when it is cancelled. 0: [DefaultGrace]; at most [MaxGrace]
}

// A Meaning is what an exit code means for the task.
type Meaning int

// The meanings of exit codes.
const (
	Fails     Meaning = iota // the attempt fails and is retried as the task's Retry says
	Succeeds                 // the task has succeeded
	Skips                    // the task is skipped, and what depends on its success with it
	Permanent                // the task fails at once: a retry would not mend it
)

// meaning is what an exit code means.
func (c *Command) meaning(code int) Meaning {
	if m, ok := c.Codes[code]; ok {
		return m
	}
	switch code {
	case 0:
		return Succeeds
	case 99: // as Airflow has it
		return Skips
	}
	return Fails
}

// complete checks the command and fills in its defaults.
func (c *Command) complete() error {
	switch {
	case c.Path == "" && c.Script == "":
		return errors.New("shell: the command is empty: set Path to a program, or Script to a text for sh")
	case c.Path != "" && c.Script != "":
		return errors.New("shell: both Path and Script are set: keep one of them")
	case c.Grace < 0 || c.Grace > MaxGrace:
		return fmt.Errorf("shell: Grace is %s: give one from 0 (%s) to %s, after which the engine would go on without the command", c.Grace, DefaultGrace, MaxGrace)
	case c.Keep < 0 || c.Keep > MaxKeep:
		return fmt.Errorf("shell: Keep is %d: give a number of bytes from 0 (%d) to %d", c.Keep, DefaultKeep, MaxKeep)
	}
	for code, m := range c.Codes {
		if code < 0 || code > 255 {
			return fmt.Errorf("shell: Codes has %d: exit codes are 0 to 255", code)
		}
		if m < Fails || m > Permanent {
			return fmt.Errorf("shell: Codes[%d] is %d: use Fails, Succeeds, Skips or Permanent", code, m)
		}
	}
	for i, a := range c.Args {
		if strings.ContainsRune(a, 0) {
			return fmt.Errorf("shell: Args[%d] has a NUL in it, which no program can be given: take it out", i)
		}
	}
	for _, env := range []map[string]string{c.Env, c.SecretEnv} {
		for name, value := range env {
			if name == "" || strings.ContainsAny(name, "=\x00") {
				return fmt.Errorf("shell: %q cannot be the name of a variable: use one without = and NUL", name)
			}
			if strings.ContainsRune(value, 0) {
				return fmt.Errorf("shell: variable %s has a NUL in it, which no program can be given: take it out", name)
			}
		}
	}
	if c.Grace == 0 {
		c.Grace = DefaultGrace
	}
	if c.Keep == 0 {
		c.Keep = DefaultKeep
	}
	return nil
}

// program names what runs, for people: without arguments, which may be secret.
func (c *Command) program() string {
	if c.Script != "" {
		return "script"
	}
	return c.Path
}

// argv is the program and its arguments.
func (c *Command) argv() (path string, args []string) {
	if c.Script == "" {
		return c.Path, c.Args
	}
	return "/bin/sh", append([]string{"-eu", "-c", c.Script, "sh"}, c.Args...)
}
