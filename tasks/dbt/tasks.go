package dbt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// Variables is what the input of a dbt task says to dbt: the run's own environment variables, such as the day that it is for.
type Variables interface {
	DBTVariables() map[string]string
}

// FullRefresher is an input of [Run] that may ask for incremental models and seeds to be rebuilt from scratch, as a param does.
type FullRefresher interface {
	DBTFullRefresh() bool
}

// Built is what a run of models yields, over all tries of the task.
type Built struct {
	Models    int               `json:"models"`
	Rows      map[string]int64  `json:"rows"` // affected, by model; none where the database did not say
	Seconds   float64           `json:"seconds"`
	Variables map[string]string `json:"variables"`
}

// DBTVariables hands the run's variables on to the tests.
func (b Built) DBTVariables() map[string]string { return b.Variables }

// Build makes the task dbt_build: seeds, snapshots, models and tests by one dbt, in graph order, each a task instance of its own (dbt_seed_<seed>,
// dbt_snapshot_<snapshot>, dbt_run_<model>, dbt_test_<test>); what a failed test stands before is skipped. A retry runs only what did not pass
// before. An input that is a [FullRefresher] may ask for --full-refresh.
func Build[T Variables](after engine.In[T], r *Runner, opts ...engine.TaskOption) engine.Node[Built] {
	return engine.After(after, "dbt_build", func(ctx context.Context, in T) (Built, error) {
		return build(ctx, r, CommandBuild, in)
	}, append(opts, engine.Virtual(known(r, CommandBuild)), engine.Lineage(lineage(r)))...)
}

// build runs models, and says what they came to.
func build[T Variables](ctx context.Context, r *Runner, c Command, in T) (Built, error) {
	vars := in.DBTVariables()
	full := false
	if f, ok := any(in).(FullRefresher); ok {
		full = f.DBTFullRefresh()
	}
	res, err := runNodes(ctx, r, Invocation{Command: c, Env: vars, FullRefresh: full})
	b := Built{Rows: map[string]int64{}, Seconds: res.Elapsed.Seconds(), Variables: vars}
	for _, n := range res.planned {
		if n.Kind == KindModel {
			b.Models++
		}
		if rows := res.standings[n.TaskID].Rows; rows != nil {
			b.Rows[n.Name] = *rows
		}
	}
	return b, err
}

// Tested is what a run of tests yields, over all tries of the task.
type Tested struct {
	Tests    int      `json:"tests"`
	Warnings []string `json:"warnings"` // task ids of tests of severity warn that found something
	Seconds  float64  `json:"seconds"`
}

// Run makes the task dbt_run: it builds the project's models by one dbt, and shows each as a task instance of its own,
// dbt_run_<model>. A retry builds only what did not pass before, and a model that is cleared alone is built alone. An input that is a [FullRefresher] may ask for --full-refresh.
func Run[T Variables](after engine.In[T], r *Runner, opts ...engine.TaskOption) engine.Node[Built] {
	return engine.After(after, "dbt_run", func(ctx context.Context, in T) (Built, error) {
		return build(ctx, r, CommandRun, in)
	}, append(opts, engine.Virtual(known(r, CommandRun)), engine.Lineage(lineage(r)))...)
}

// Test makes the task dbt_test: it runs the project's tests by one dbt, and shows each as a task instance of its own,
// dbt_test_<test>. A retry runs only what did not pass before.
func Test(after engine.In[Built], r *Runner, opts ...engine.TaskOption) engine.Node[Tested] {
	return engine.After(after, "dbt_test", func(ctx context.Context, in Built) (Tested, error) {
		res, err := runNodes(ctx, r, Invocation{Command: CommandTest, Env: in.Variables})
		t := Tested{Tests: len(res.planned), Warnings: []string{}, Seconds: res.Elapsed.Seconds()}
		for _, n := range res.planned {
			if res.standings[n.TaskID].Warned {
				t.Warnings = append(t.Warnings, n.TaskID)
			}
		}
		return t, err
	}, append(opts, engine.Virtual(known(r, CommandTest)), engine.Lineage(lineage(r)))...)
}

// known lists the nodes of a command as far as the project has been parsed.
func known(r *Runner, c Command) func() []engine.VirtualSpec {
	if r == nil { // only the definition is looked at
		return nil
	}
	return func() []engine.VirtualSpec {
		m, err := r.Parsed()
		if err != nil {
			return nil // not parsed yet: the nodes show with the first run
		}
		nodes, _ := r.plannedNow(m, c) // a selection that is not known yet shows with the first run
		ids := taskIDs(nodes)
		specs := make([]engine.VirtualSpec, len(nodes))
		for i, n := range nodes {
			specs[i] = engine.VirtualSpec{ID: n.TaskID, Doc: n.Description, Upstream: upstream(n, ids)}
		}
		return specs
	}
}

// edgesOf are the task ids that each planned node follows, by task id.
func edgesOf(nodes []Node) map[string][]string {
	ids, edges := taskIDs(nodes), make(map[string][]string, len(nodes))
	for _, n := range nodes {
		edges[n.TaskID] = upstream(n, ids)
	}
	return edges
}

func taskIDs(nodes []Node) map[string]string {
	ids := make(map[string]string, len(nodes))
	for _, n := range nodes {
		ids[n.UniqueID] = n.TaskID
	}
	return ids
}

func upstream(n Node, ids map[string]string) []string {
	var up []string
	for _, d := range n.DependsOn {
		if id, ok := ids[d]; ok {
			up = append(up, id)
		}
	}
	return up
}

// An outcome is how a task's nodes stand after a try.
type outcome struct {
	Result
	planned   []Node
	standings map[string]standing // by task id, of this try and those before
}

// runNodes runs a command inside a task and reports every node of it as it goes: of the task's nodes those that are the try's share.
func runNodes(ctx context.Context, r *Runner, inv Invocation) (outcome, error) {
	planned, err := r.Planned(ctx, inv.Command)
	if errors.Is(err, ErrEmptySelection) || errors.Is(err, ErrUsage) {
		return outcome{}, engine.Permanent(err)
	}
	if err != nil {
		return outcome{}, err
	}
	o := outcome{planned: planned}
	reported, err := engine.Reported(ctx)
	if err != nil {
		return o, err
	}
	log, mine := engine.Log(ctx), shareOf(o.planned, reported)
	inv.Log = logTo(ctx)
	if !mine.whole || len(r.project.Select) > 0 || len(r.project.Exclude) > 0 {
		log.Info("only what is selected, was cleared, or did not pass before, is run", "nodes", len(mine.nodes), "of", len(o.planned))
		for _, n := range mine.nodes {
			inv.Nodes = append(inv.Nodes, n.UniqueID)
		}
	}
	rep := newReporter(ctx, edgesOf(o.planned))
	kept := newAttachments(ctx, redactor(r.project.environment(os.LookupEnv, inv.Env)))
	inv.Observe = func(e NodeEvent) {
		kept.keep(e)
		rep.observe(e)
	}
	o.Result, err = r.Run(rep.ctx, inv)
	if rerr := rep.close(); rerr != nil {
		return o, errors.Join(rerr, err)
	}
	if errors.Is(err, ErrEmptySelection) || errors.Is(err, ErrUsage) {
		return o, engine.Permanent(err)
	}
	if err == nil {
		err = mine.leftError()
	}
	if err != nil {
		return o, err
	}
	if reported, err = engine.Reported(ctx); err != nil {
		return o, err
	}
	o.standings = standings(o.planned, reported)
	return o, nil
}

// logTo puts what dbt logs into the task's log, its debug lines left out.
func logTo(ctx context.Context) func(level, node, line string) {
	log := engine.Log(ctx)
	return func(level, node, line string) {
		switch level {
		case "error":
			log.Error(line, "node", node)
		case "warn":
			log.Warn(line, "node", node)
		case "info":
			log.Info(line, "node", node)
		}
	}
}

// A reporter turns dbt's events into the states of virtual nodes, in a goroutine of its own so that dbt's log is never held up by the
// store. Newer states of a node replace older ones that have not been stored yet.
type reporter struct {
	ctx     context.Context // ends when the lease is lost
	cancel  context.CancelCauseFunc
	edges   map[string][]string // of the whole project, by task id: what a retry runs knows only its own
	mu      sync.Mutex
	pending map[string]engine.VirtualState
	order   []string
	wake    chan struct{}
	done    chan struct{}
	err     error
}

func newReporter(ctx context.Context, edges map[string][]string) *reporter {
	r := &reporter{edges: edges, pending: map[string]engine.VirtualState{}, wake: make(chan struct{}, 1), done: make(chan struct{})}
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	store := context.WithoutCancel(ctx)
	go func() {
		defer close(r.done)
		for range r.wake {
			r.flush(store)
		}
		r.flush(store)
	}()
	return r
}

func (r *reporter) observe(e NodeEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := virtual(e, r.edges[e.TaskID])
	if _, ok := r.pending[v.ID]; !ok {
		r.order = append(r.order, v.ID)
	}
	r.pending[v.ID] = v
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *reporter) flush(ctx context.Context) {
	r.mu.Lock()
	states := make([]engine.VirtualState, 0, len(r.order))
	for _, id := range r.order {
		states = append(states, r.pending[id])
	}
	r.order = nil
	clear(r.pending)
	r.mu.Unlock()
	if len(states) == 0 {
		return
	}
	if err := engine.Report(ctx, states...); err != nil {
		r.mu.Lock()
		r.err = fmt.Errorf("report dbt's nodes: %w", err)
		r.mu.Unlock()
		r.cancel(err)
	}
}

// close stores what is left and returns the first error of storing.
func (r *reporter) close() error {
	close(r.wake)
	<-r.done
	r.cancel(nil)
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// virtual is a node as the engine shows it.
func virtual(e NodeEvent, upstream []string) engine.VirtualState {
	v := engine.VirtualState{ID: e.TaskID, Message: e.Message, Upstream: upstream}
	switch e.State {
	case Planned:
		v.State = engine.Queued
	case Running:
		v.State = engine.Running
	case Success, Warned:
		v.State = engine.Success
	case Failed:
		v.State = engine.Failed
	case Skipped:
		v.State = engine.UpstreamFailed
	}
	v.StartedAt, v.EndedAt = moment(e.StartedAt), moment(e.FinishedAt)
	details := map[string]any{"unique_id": e.UniqueID, "kind": e.Kind, "seconds": e.ExecutionTime.Seconds()}
	if e.Rows >= 0 {
		details["rows"] = e.Rows
	}
	if e.Kind == KindTest || e.Kind == KindUnitTest {
		details["failures"] = e.Failures
		details["warned"] = e.State == Warned
	}
	if e.Relation != "" {
		details["relation"] = e.Relation
	}
	if raw, err := json.Marshal(details); err == nil {
		v.Details = raw
	}
	return v
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Parsed returns the project's manifest where it has been parsed already, and an error that says so where it has not. It starts
// nothing.
func (r *Runner) Parsed() (*Manifest, error) {
	m, _, err := r.known()
	if err == nil && m == nil {
		err = errors.New("dbt: the project has not been parsed yet")
	}
	return m, err
}
