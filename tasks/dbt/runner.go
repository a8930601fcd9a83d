package dbt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/coder/quartz"
)

// Options are what a Runner may be given beside its project. The zero value of each is its default.
type Options struct {
	Guard    Guard         // default: none; only this Runner's own runs exclude each other
	Rows     Rows          // reads the rows that tests have found; default: the Guard where it can, as Postgres does, else they are not shown
	Grace    time.Duration // between SIGINT and SIGKILL; default 25 s
	KeepWarm time.Duration // how long an idle dbt process (130 MB) is kept; default 5 min; negative: the plain dbt command is used
	KeepRuns int           // how many runs' files are kept below Project.TargetPath; default 20
	Clock    quartz.Clock  // default: the real one
	Logger   *slog.Logger  // default: slog.Default()
}

// Runner runs dbt on one project. Its methods may be called from many goroutines; invocations go one after the other.
type Runner struct {
	project Project
	opts    Options
	turn    chan struct{} // holds one token: who has it may use what is below
	server  *server       // nil while there is no process
	idle    *quartz.Timer // ends the idle server
	closed  bool

	parsedMu sync.Mutex
	parsed   *Manifest // of the fingerprint
	print    string
	selected selected
}

// NewRunner checks the project and returns a runner for it. It starts nothing. The caller closes it.
func NewRunner(p Project, o Options) (*Runner, error) {
	p, err := p.withDefaults()
	if err != nil {
		return nil, err
	}
	if o.Guard == nil {
		o.Guard = noGuard{}
	}
	if rows, ok := o.Guard.(Rows); ok && o.Rows == nil {
		o.Rows = rows
	}
	if o.Grace == 0 {
		o.Grace = 25 * time.Second
	}
	if o.KeepWarm == 0 {
		o.KeepWarm = 5 * time.Minute
	}
	if o.KeepRuns <= 0 {
		o.KeepRuns = 20
	}
	if o.Clock == nil {
		o.Clock = quartz.NewReal()
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	r := &Runner{project: p, opts: o, turn: make(chan struct{}, 1)}
	r.turn <- struct{}{}
	return r, nil
}

// Project returns the project with its defaults filled in.
func (r *Runner) Project() Project { return r.project }

// Close ends the dbt process and waits for it; a run that goes on is waited for first. Later calls err with ErrClosed.
func (r *Runner) Close() error {
	<-r.turn
	defer func() { r.turn <- struct{}{} }()
	r.closed = true
	r.dropServer()
	return nil
}

// Warm starts the long-lived dbt process ahead of its first use, so that its seconds of import overlap with other work.
func (r *Runner) Warm(ctx context.Context) error {
	if err := r.take(ctx); err != nil {
		return err
	}
	defer r.giveBack()
	if r.opts.KeepWarm < 0 {
		return nil
	}
	_, err := r.ensureServer(ctx, r.stderrTo(redactor(r.project.environment(os.LookupEnv, nil))))
	return err
}

// Run does what the invocation asks and returns what became of every planned node. The error is nil when all passed
// (with or without warnings); a *NodesError when nodes failed; ErrEmptySelection (by errors.Is) when nothing was
// selected; an *InvocationError when dbt could not do its work, was interrupted or died. Whenever nodes were planned the
// Result holds all of them, each in a terminal state, beside an error too.
func (r *Runner) Run(ctx context.Context, inv Invocation) (Result, error) {
	result := Result{Command: inv.Command}
	if err := inv.check(); err != nil {
		return result, err
	}
	if err := r.take(ctx); err != nil {
		return result, err
	}
	defer r.giveBack()

	held, release, err := r.opts.Guard.Lock(ctx, r.project.ApplicationName)
	if err != nil {
		return result, fmt.Errorf("dbt %s: %w", inv.Command, err)
	}
	defer release()
	if n, err := r.opts.Guard.Terminate(held, r.project.ApplicationName); err != nil {
		return result, fmt.Errorf("dbt %s: %w", inv.Command, err)
	} else if n > 0 {
		r.opts.Logger.Warn("ended what a killed dbt had left running", "sessions", n, "application_name", r.project.ApplicationName)
	}
	began := r.opts.Clock.Now()
	result, err = r.run(held, inv)
	result.Elapsed = r.opts.Clock.Since(began)
	return result, err
}

// run needs the turn and the lock.
func (r *Runner) run(ctx context.Context, inv Invocation) (Result, error) {
	result := Result{Command: inv.Command}
	s, err := r.newScope(inv)
	if err != nil {
		return result, err
	}
	m, err := r.manifest(ctx, s)
	if err != nil {
		return result, err
	}
	plan, err := r.plan(ctx, s, m)
	if err != nil {
		return result, err
	}
	if result.TargetPath, err = r.newRunDir(); err != nil {
		return result, err
	}
	t := newTracker(plan, m.Node)
	for _, n := range t.nodes {
		s.observe(n)
	}
	var exact []Node
	if len(inv.Nodes) > 0 {
		exact = plan
	}
	args := append(r.project.runArgs(inv, exact), r.project.commonArgs(result.TargetPath, r.savedParse())...)
	end, err := r.invoke(ctx, s, args, func(e Event) {
		if n := t.apply(e); n != nil {
			n.Message = s.redact(n.Message)
			n.CompiledPath = existing(filepath.Join(result.TargetPath, n.compiledPath))
			s.observe(n)
		}
	})
	if err != nil {
		end = ending{code: -1, why: err.Error()}
	}
	return r.finish(ctx, s, t, end, result)
}

// finish settles what dbt left open: in the database, and in the states of the nodes.
func (r *Runner) finish(ctx context.Context, s *scope, t *tracker, end ending, result Result) (Result, error) {
	if t.interrupted && end.cut == nil {
		end.cut = context.Cause(ctx)
	}
	end.why = s.redact(end.why)
	var problems []error
	if end.code != 0 && end.code != 1 && !errors.Is(end.cut, ErrLockLost) { // with the lock lost, the name may be another's
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
		_, err := r.opts.Guard.Terminate(clean, r.project.ApplicationName)
		cancel()
		problems = append(problems, err)
	}
	reported, err := readRunResults(result.TargetPath, result.Command)
	problems = append(problems, err)
	if result.Command == CommandFreshness && (end.code == 0 || end.code == 1) {
		t.forgetOpenHooks() // sources.json holds no hooks; the exit code tells of a failed one
	}
	for _, n := range t.reconcile(reported, end) {
		n.Message = s.redact(n.Message)
		s.observe(n)
	}
	for _, n := range t.nodes {
		n.CompiledPath = existing(filepath.Join(result.TargetPath, n.compiledPath))
	}
	r.readFailingRows(ctx, s, t)
	for _, n := range t.nodes {
		result.Nodes = append(result.Nodes, *n)
	}
	for _, n := range t.hooks {
		result.Hooks = append(result.Hooks, *n)
	}
	r.tidy(result.TargetPath)
	if err := verdict(s.inv.Command, t, end); err != nil {
		problems = append([]error{err}, problems...)
	}
	return result, errors.Join(problems...)
}

// plan is what the invocation will run.
func (r *Runner) plan(ctx context.Context, s *scope, m *Manifest) ([]Node, error) {
	inv := s.inv
	if len(inv.Nodes) > 0 {
		for _, id := range inv.Nodes {
			if n, ok := m.Node(id); !ok || !inv.Command.runs(n.Kind) {
				return nil, fmt.Errorf("%w: Invocation.Nodes holds %q: dbt %s has no such node", ErrUsage, id, inv.Command)
			}
		}
		return planned(m, inv.Nodes), nil
	}
	if len(inv.Select) == 0 && len(inv.Exclude) == 0 {
		plan := Nodes(m, inv.Command)
		if len(plan) == 0 {
			return nil, fmt.Errorf("dbt %s: %w", inv.Command, ErrEmptySelection)
		}
		return plan, nil
	}
	return r.list(ctx, s, m)
}

// take waits for the turn.
func (r *Runner) take(ctx context.Context) error {
	select {
	case <-r.turn:
	case <-ctx.Done():
		return fmt.Errorf("wait for dbt: %w", context.Cause(ctx))
	}
	if r.closed {
		r.turn <- struct{}{}
		return ErrClosed
	}
	if r.idle != nil {
		r.idle.Stop()
		r.idle = nil
	}
	return nil
}

// giveBack ends the turn; a server that stays idle for long enough is ended.
func (r *Runner) giveBack() {
	if r.server != nil && r.opts.KeepWarm > 0 {
		mine := r.server
		r.idle = r.opts.Clock.AfterFunc(r.opts.KeepWarm, func() {
			<-r.turn
			defer func() { r.turn <- struct{}{} }()
			if r.server == mine && r.idle != nil {
				r.dropServer()
			}
		})
	}
	r.turn <- struct{}{}
}

func existing(path string) string {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	return path
}
