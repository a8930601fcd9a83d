package dbt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
)

// scope is what one call of a Runner has of its own.
type scope struct {
	inv    Invocation
	env    map[string]string
	redact func(string) string
}

func (r *Runner) newScope(inv Invocation) (*scope, error) {
	for key := range inv.Env {
		if key == "" || strings.ContainsAny(key, "=\x00") {
			return nil, fmt.Errorf("%w: Invocation.Env holds the name %q", ErrUsage, key)
		}
	}
	env := r.project.environment(os.LookupEnv, inv.Env)
	return &scope{inv: inv, env: env, redact: redactor(env)}, nil
}

func (s *scope) observe(n *NodeResult) {
	if s.inv.Observe != nil && n.Kind != "" { // hooks are no nodes
		s.inv.Observe(*n)
	}
}

// invoke runs one dbt command and tells onEvent of every event, after Log. It uses the long-lived process, starting it
// where needed, and the plain command where that cannot start.
func (r *Runner) invoke(ctx context.Context, s *scope, args []string, onEvent func(Event)) (ending, error) {
	onLine := func(line []byte) {
		e, ok := ParseEvent(line)
		if !ok {
			e = Event{Level: "warn", Message: strings.ToValidUTF8(stripColour(string(line)), "�")}
		}
		if s.inv.Log != nil && e.Message != "" {
			s.inv.Log(e.Level, e.UniqueID, s.redact(e.Message))
		}
		onEvent(e)
	}
	onStderr := r.stderrTo(s.redact)
	stop := stopper{grace: r.opts.Grace, clock: r.opts.Clock}
	for r.opts.KeepWarm > 0 {
		server, err := r.ensureServer(ctx, onStderr)
		if ctx.Err() != nil {
			return ending{code: -1, cut: context.Cause(ctx)}, nil
		}
		if err != nil {
			r.opts.Logger.Warn("the long-lived dbt process did not start; the dbt command is used", "error", s.redact(err.Error()))
			break
		}
		end, err := server.invoke(ctx, args, s.env, r.project.Dir, stop, onLine)
		if errors.Is(err, errNotBegun) { // it had died while idle: nothing happened, so begin anew
			r.dropServer()
			continue
		}
		if end.code == -1 || ctx.Err() != nil {
			r.dropServer()
		}
		return end, err
	}
	return invokeCLI(ctx, r.project, args, s.env, stop, onLine, onStderr)
}

// stderrTo passes what dbt's process writes to stderr (tracebacks, warnings of Python) to the log, at level debug.
func (r *Runner) stderrTo(redact func(string) string) func(string) {
	return func(line string) { r.opts.Logger.Debug("dbt", "stderr", redact(line)) }
}

func (r *Runner) ensureServer(ctx context.Context, onStderr func(string)) (*server, error) {
	if r.server != nil && r.server.alive() {
		return r.server, nil
	}
	r.dropServer()
	server, err := startServer(ctx, r.project, r.project.environment(os.LookupEnv, nil), r.opts.Clock, onStderr)
	if err != nil {
		return nil, err
	}
	r.server = server
	return server, nil
}

func (r *Runner) dropServer() {
	if r.idle != nil {
		r.idle.Stop()
		r.idle = nil
	}
	if r.server != nil {
		r.server.close()
		r.server = nil
	}
}

// command runs a dbt command that builds nothing, and returns the messages of its events of the given name.
func (r *Runner) command(ctx context.Context, s *scope, args []string, event string) ([]string, error) {
	var messages, problems []string
	end, err := r.invoke(ctx, s, args, func(e Event) {
		switch {
		case e.Name == event && event != "":
			messages = append(messages, e.Message)
		case e.Level == "error" && e.Message != "":
			problems = append(problems, e.Message)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("dbt %s: %w", args[0], err)
	}
	if end.code == 0 {
		return messages, nil
	}
	if end.why == "" {
		end.why = strings.Join(problems, "; ")
	}
	failure := &InvocationError{Command: Command(args[0]), ExitCode: end.code, Message: s.redact(end.reason())}
	switch {
	case end.cut != nil:
		failure.Cause = errors.Join(ErrInterrupted, end.cut)
	case end.usage:
		failure.Cause = ErrUsage
	}
	return nil, failure
}

// list asks dbt which nodes the invocation's selection holds.
func (r *Runner) list(ctx context.Context, s *scope, m *Manifest) ([]Node, error) {
	dir, err := r.newRunDir()
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // what is left is pruned with the runs
	lines, err := r.command(ctx, s, append(listArgs(s.inv), r.project.commonArgs(dir, r.savedParse())...), "PrintEvent")
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, line := range lines {
		var row struct {
			UniqueID string `json:"unique_id"`
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			continue // a macro's print()
		}
		if n, ok := m.Node(row.UniqueID); ok && !n.Ephemeral {
			ids = append(ids, row.UniqueID)
		}
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("dbt %s: %w: select %q, exclude %q", s.inv.Command, ErrEmptySelection, s.inv.Select, s.inv.Exclude)
	}
	return planned(m, ids), nil
}
