package enginetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/quartz"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/secret"
)

// An Outcome is how a run of a DAG ended, with the states of its tasks and what they left behind.
type Outcome struct {
	engine.RunView
	store *Store
}

// Run runs a DAG once, in memory, to its end, and waits for its callbacks. params is what a trigger would give (nil: none), as
// [engine.Definition.EncodeParams] takes it. Bodies run for real; waits for retries and for callbacks that err pass at once. The test fails at once when
// the DAG is refused, the params do not fit, or the run is not over after a minute. A run that fails does not fail the test.
func Run(tb testing.TB, d engine.AnyDAG, params any) *Outcome {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	o, err := Once(ctx, d, params)
	if err != nil {
		tb.Fatal(err)
	}
	return o
}

// Once is [Run] for programs that are no test: it errs where Run fails the test, and when ctx ends before the run is over.
func Once(ctx context.Context, d engine.AnyDAG, params any) (*Outcome, error) {
	catalog, err := engine.Compile(d)
	if err != nil {
		return nil, err
	}
	t := Trial{}
	if params != nil {
		def, _ := catalog.DAG(catalog.IDs()[0])
		if t.Params, err = def.EncodeParams(params); err != nil {
			return nil, fmt.Errorf("encode params: %w", err)
		}
	}
	return Try(ctx, catalog, catalog.IDs()[0], t)
}

// A Trial says how [Try] runs a DAG. All fields may be left out.
type Trial struct {
	Params  []byte     // JSON object
	Logical *time.Time // of the run
	Log     *slog.Logger
	// Answers are those to the questions of Approve tasks, by task. One that is missing is waited for until its timeout, which passes at
	// once, and is an error where there is no timeout.
	Answers map[string]string
	// Secrets are those of [engine.Config].
	Secrets *secret.Redactor
	// Watch is told how the run stands, often.
	Watch func(engine.RunView)
}

// Try runs one DAG of a catalog once, in memory, to its end and that of its callbacks; the others are there to be triggered. Waits pass
// at once. It errs when the run cannot be made and when ctx ends before it is over; a run that fails is no error.
func Try(ctx context.Context, catalog *engine.Catalog, dag string, t Trial) (*Outcome, error) {
	if t.Log == nil {
		t.Log = slog.New(slog.DiscardHandler)
	}
	clock := &skipping{Clock: quartz.NewReal()}
	store := NewStore(clock)
	queues, err := t.prepare(ctx, catalog, store)
	if err != nil {
		return nil, fmt.Errorf("run DAG %s: %w", dag, err)
	}
	r, err := engine.NewRuntime(engine.Config{Store: store, Catalog: catalog, Queues: queues, Log: t.Log, Secrets: t.Secrets, Poll: 2 * time.Millisecond})
	if err != nil {
		return nil, err
	}
	work, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- r.Run(work) }()
	o, err := t.run(ctx, r, store, clock, dag, ended)
	stop()
	if err := errors.Join(err, <-ended); err != nil {
		return nil, fmt.Errorf("run DAG %s: %w", dag, err)
	}
	return o, nil
}

// trialSlots are those of each pool in a trial: enough for a task that takes many.
const trialSlots = 1 << 20

// prepare makes every pool that the DAGs name, and lists their queues: a trial has room for all. It refuses answers that nobody asks for.
func (t *Trial) prepare(ctx context.Context, catalog *engine.Catalog, store *Store) (queues []string, err error) {
	asks := map[string]bool{}
	queues = []string{engine.DefaultQueue}
	for _, id := range catalog.IDs() {
		d, _ := catalog.DAG(id)
		for _, task := range d.Spec.Tasks {
			asks[task.ID] = asks[task.ID] || len(task.Answers) > 0
			if !slices.Contains(queues, task.Queue) {
				queues = append(queues, task.Queue)
			}
			if task.Pool == "" {
				continue
			}
			if err := store.SetPool(ctx, engine.Pool{Name: task.Pool, Slots: trialSlots}); err != nil {
				return nil, err
			}
		}
	}
	for task := range t.Answers {
		if !asks[task] {
			return nil, &engine.InvalidError{Field: "answer", Message: fmt.Sprintf("no task %q asks anything", task)}
		}
	}
	return queues, nil
}

func (t *Trial) run(ctx context.Context, r *engine.Runtime, store *Store, clock *skipping, dag string, ended chan error) (*Outcome, error) {
	select {
	case <-r.Ready():
	case err := <-ended:
		ended <- nil
		return nil, fmt.Errorf("the runtime ended: %w", err)
	}
	row, err := r.Control().Trigger(ctx, engine.TriggerRequest{DAG: dag, Params: t.Params, Logical: t.Logical, By: "enginetest"})
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !store.settled(row.Key, clock) {
		if err := t.answer(ctx, r.Control(), store); err != nil {
			return nil, err
		}
		if t.Watch != nil {
			o, err := outcome(ctx, store, row.Key)
			if err != nil {
				return nil, err
			}
			t.Watch(o.RunView)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return outcome(ctx, store, row.Key)
}

// answer answers the questions that are open.
func (t *Trial) answer(ctx context.Context, c *engine.Control, store *Store) error {
	open, err := store.Questions(ctx, nil, 100)
	if err != nil {
		return err
	}
	for _, q := range open {
		choice, ok := t.Answers[q.Task]
		switch {
		case ok:
			rows, err := store.RunsByKey(ctx, []int64{q.Run})
			if err != nil {
				return err
			}
			if err := c.Answer(ctx, q.TaskKey, rows[0].DAG, rows[0].RunID, choice, "enginetest"); err != nil && !errors.Is(err, engine.ErrConflict) {
				return err
			}
		case q.DueAt == nil:
			return fmt.Errorf("%s asks %q (%q) and waits for ever: give an answer", q.Task, q.Text, q.Answers)
		}
	}
	return nil
}

func outcome(ctx context.Context, store *Store, key int64) (*Outcome, error) {
	rows, err := store.RunsByKey(ctx, []int64{key})
	if err != nil {
		return nil, err
	}
	views, err := engine.View(ctx, store, rows, true)
	if err != nil {
		return nil, err
	}
	return &Outcome{views[0], store}, nil
}

// State is the state of a task, or of an element of a mapped one ("load[2]"); none for a task that there is not.
func (o *Outcome) State(task string) engine.State {
	for _, tv := range o.Tasks {
		if instanceName(tv.TaskKey) == task {
			return tv.State
		}
	}
	return engine.None
}

// Output decodes the latest output of a task, or of an element of a mapped one, into v, a pointer. It errs when there is none.
func (o *Outcome) Output(task string, v any) error {
	for _, tv := range o.Tasks {
		if instanceName(tv.TaskKey) != task {
			continue
		}
		a, err := o.store.Attempt(context.Background(), tv.TaskKey, -1)
		if err != nil {
			return fmt.Errorf("output of %s: %w", task, err)
		}
		if a.Output == nil {
			return fmt.Errorf("output of %s, which is %s: %w", task, tv.State, engine.ErrNotFound)
		}
		if err := json.Unmarshal(a.Output, v); err != nil {
			return fmt.Errorf("output of %s: %w", task, err)
		}
		return nil
	}
	return fmt.Errorf("task %s: %w", task, engine.ErrNotFound)
}

func instanceName(k engine.TaskKey) string {
	if k.MapIndex < 0 {
		return k.Task
	}
	return fmt.Sprintf("%s[%d]", k.Task, k.MapIndex)
}

// skipping is the real clock, put forward whenever nothing is left to do but wait.
type skipping struct {
	quartz.Clock
	ahead atomic.Int64
}

// Now returns the real time and what was skipped.
func (c *skipping) Now(tags ...string) time.Time {
	return c.Clock.Now(tags...).Add(time.Duration(c.ahead.Load()))
}

func (c *skipping) skipTo(at time.Time) {
	if d := at.Sub(c.Now()); d > 0 {
		c.ahead.Add(int64(d))
	}
}

// settled tells whether a run and its callbacks are over. If all that is left is to wait, the clock is put forward.
func (s *Store) settled(key int64, clock *skipping) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.runs[key]
	var next *time.Time
	soonest := func(at time.Time) {
		if next == nil || at.Before(*next) {
			next = &at
		}
	}
	for _, other := range s.runs { // a run that this one has triggered must not be overtaken by the clock
		if r.row.State.Terminal() || other.row.State.Terminal() {
			continue
		}
		if len(other.queue) > 0 || other.row.State == engine.RunQueued && other.row.Hold == nil && !other.dag.status.Paused {
			return false
		}
		for _, w := range other.waits {
			if _, due := s.target(w); due {
				return false // the scheduler ends it
			}
		}
		for k, t := range other.timers {
			if k.kind != engine.TimerDeadline {
				soonest(t.DueAt)
			}
		}
	}
	for _, m := range s.pending {
		if m.row.Kind == engine.MessageCallback {
			if m.claim != [16]byte{} {
				return false // on its way
			}
			soonest(*m.row.NextAt)
		}
	}
	if next != nil {
		clock.skipTo(*next)
		return false
	}
	return r.row.State.Terminal()
}
