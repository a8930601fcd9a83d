package shell

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/tasks/internal/mask"
)

// A Result is what a command left behind. Secrets in it are masked, and bytes that are no UTF-8 replaced.
type Result struct {
	Code        int    `json:"code"`         // exit code: 0, or another one that Succeeds
	Stdout      string `json:"stdout"`       // the last Keep bytes
	Stderr      string `json:"stderr"`       // the last Keep bytes
	StdoutBytes int64  `json:"stdout_bytes"` // of all that was printed
	StderrBytes int64  `json:"stderr_bytes"`
}

// Task makes a body for engine.After, Map and the like that runs the command which build makes of the task's input.
func Task[A any](build func(A) Command) func(context.Context, A) (Result, error) {
	return func(ctx context.Context, a A) (Result, error) { return Run(ctx, build(a)) }
}

// TaskJSON is [Task] with what the command prints on stdout as the output: one JSON value that fits B. Text that does not fit, or is
// longer than engine.MaxOutput or the Keep of the command, fails the task for good.
func TaskJSON[B, A any](build func(A) Command) func(context.Context, A) (B, error) {
	return func(ctx context.Context, a A) (B, error) {
		var b B
		c := build(a)
		if c.Keep == 0 {
			c.Keep = engine.MaxOutput
		}
		r, err := Run(ctx, c)
		if err != nil {
			return b, err
		}
		if int64(len(r.Stdout)) < r.StdoutBytes {
			return b, engine.Permanent(fmt.Errorf("%s: it printed %d bytes on stdout, more than the %d that are kept: print less, or a name of where the data is", c.program(), r.StdoutBytes, c.Keep))
		}
		if err := json.Unmarshal([]byte(r.Stdout), &b); err != nil {
			return b, engine.Permanent(fmt.Errorf("%s: what it printed on stdout is not one JSON value that fits %T (print all else on stderr): %w", c.program(), b, err))
		}
		return b, nil
	}
}

// Run runs a command to its end. An exit code that does not succeed is an [*ExitError], wrapped as what the code means: a
// *engine.SkipError, a *engine.PermanentError or nothing. A command that cannot be run as it is written is permanent too. When
// ctx ends first, the command is ended, and the error wraps the cause of ctx.
func Run(ctx context.Context, c Command) (Result, error) {
	if err := c.complete(); err != nil {
		return Result{}, engine.Permanent(err)
	}
	if ctx.Err() != nil {
		return Result{}, fmt.Errorf("%s: not started: %w", c.program(), context.Cause(ctx))
	}
	var info *engine.TaskInfo
	if i, ok := engine.Info(ctx); ok {
		info = &i
	}
	env, secrets := c.environment(os.LookupEnv, info)
	m := mask.New(secrets...)
	log := engine.Log(ctx)
	stdout, stderr := newSink(log, "stdout", m, c.Keep), newSink(log, "stderr", m, c.Keep)
	if c.Quiet {
		stdout.lines = nil
	}

	path, args := c.argv()
	cmd := exec.Command(path, args...) //nolint:gosec // what the DAG's author asks for
	cmd.Dir, cmd.Env = c.Dir, env
	p, err := start(cmd, c.Stdin, stdout, stderr)
	if err != nil {
		return Result{}, startError(&c, err)
	}
	log.Info("started", "program", m.String(c.program()), "pid", cmd.Process.Pid)
	stopped := p.wait(ctx, c.Grace)

	r := Result{Code: cmd.ProcessState.ExitCode(), Stdout: stdout.tail.String(), Stderr: stderr.tail.String(), StdoutBytes: stdout.tail.all, StderrBytes: stderr.tail.all}
	if stopped {
		return r, fmt.Errorf("%s: ended, as it was cancelled: %w", m.String(c.program()), context.Cause(ctx))
	}
	return r, c.verdict(r, exitError(m.String(c.program()), cmd.ProcessState, r))
}

// verdict is the error of a command that has exited, nil where that succeeds.
func (c *Command) verdict(r Result, exit *ExitError) error {
	if exit.Signal != 0 {
		return exit
	}
	switch c.meaning(r.Code) {
	case Succeeds:
		return nil
	case Skips:
		return engine.Skip(exit.Error())
	case Permanent:
		return engine.Permanent(exit)
	}
	return exit
}

func startError(c *Command, err error) error {
	if info, serr := os.Stat(c.Dir); c.Dir != "" && (serr != nil || !info.IsDir()) {
		return fmt.Errorf("%s: Dir %s is no folder that can be entered: make it first, or name another", c.program(), c.Dir)
	}
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		return engine.Permanent(fmt.Errorf("%s: no such program on this worker: install it, give its full path, or put the task on a queue whose workers have it: %w", c.program(), err))
	}
	if errors.Is(err, os.ErrPermission) {
		return engine.Permanent(fmt.Errorf("%s: not executable by this process: chmod +x it, or run it by its interpreter: %w", c.program(), err))
	}
	return fmt.Errorf("%s: start: %w", c.program(), err)
}
