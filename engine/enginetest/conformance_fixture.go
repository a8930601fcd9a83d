package enginetest

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidemill/tidemill/engine"
)

// A fixture is a store under test with short words for what most cases do. Its methods end the test when the store errs.
type fixture struct {
	*testing.T
	engine.Store
	ctx  context.Context
	runs int // made so far, for names
}

func newFixture(t *testing.T, s engine.Store) *fixture {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute) // a store that hangs fails its test
	t.Cleanup(cancel)
	return &fixture{T: t, Store: s, ctx: ctx}
}

// ok ends the test when something failed.
func (f *fixture) ok(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// got ends the test when an operation failed, and returns its answer otherwise.
func got[T any](f *fixture) func(v T, err error) T {
	return func(v T, err error) T {
		f.Helper()
		f.ok(err)
		return v
	}
}

// equal reports a difference between what is and what should be.
func equal[T any](f *fixture, what string, have, want T) {
	f.Helper()
	if !reflect.DeepEqual(have, want) {
		f.Errorf("%s: have %v, want %v", what, have, want)
	}
}

// sameTime reports a difference between two moments, of which either can be nil.
func (f *fixture) sameTime(what string, have, want *time.Time) {
	f.Helper()
	if (have == nil) != (want == nil) || have != nil && !have.Equal(*want) {
		f.Errorf("%s: have %v, want %v", what, have, want)
	}
}

// now is the store's time, to the microsecond: finer is more than a database keeps.
func (f *fixture) now() time.Time {
	f.Helper()
	return got[time.Time](f)(f.Now(f.ctx)).Truncate(time.Microsecond)
}

func (f *fixture) past() time.Time   { f.Helper(); return f.now().Add(-time.Hour) }
func (f *fixture) future() time.Time { f.Helper(); return f.now().Add(time.Hour) }

// dag registers a DAG.
func (f *fixture) dag(id string, maxActiveRuns int) {
	f.Helper()
	got[[]engine.DAGStatus](f)(f.Register(f.ctx, []engine.DAGRecord{
		{ID: id, Version: "v1", Build: "b1", Spec: engine.Spec{DAG: id}, MaxActiveRuns: maxActiveRuns},
	}))
}

// queued makes queued manual runs of a DAG and returns their keys.
func (f *fixture) queued(dag string, n int) []int64 {
	f.Helper()
	return f.queuedAs(engine.NewRun{DAG: dag, Type: engine.ManualRun}, n)
}

// queuedAs makes runs that are like a model but for their ids.
func (f *fixture) queuedAs(model engine.NewRun, n int) []int64 {
	f.Helper()
	runs := make([]engine.NewRun, n)
	for i := range runs {
		f.runs++
		runs[i] = model
		runs[i].RunID = fmt.Sprintf("run %d", f.runs)
	}
	var keys []int64
	for _, c := range got[[]engine.Created](f)(f.CreateRuns(f.ctx, runs)) {
		if c.Exists {
			f.Fatalf("run %d exists already", c.Key)
		}
		keys = append(keys, c.Key)
	}
	return keys
}

// run makes a running run of a DAG.
func (f *fixture) run(dag string) int64 {
	f.Helper()
	key := f.queued(dag, 1)[0]
	f.change(engine.RunChange{Key: key, State: engine.RunRunning})
	return key
}

// running makes a DAG with a running run and returns its key.
func (f *fixture) running(dag string) int64 {
	f.Helper()
	f.dag(dag, 0)
	return f.run(dag)
}

// change makes one transition of a run and returns what it was told of the ends. State, States, Version and FailedTasks stay
// as they are where c has none.
func (f *fixture) change(c engine.RunChange, ends ...engine.Lease) []bool {
	f.Helper()
	var told []bool
	var worker int64 // to whom something is handed over
	for _, q := range c.Enqueue {
		worker = max(worker, q.Worker)
	}
	f.ok(f.Transition(f.ctx, engine.Transition{
		Runs: []int64{c.Key}, Ends: ends, Worker: worker,
		Decide: func(_ time.Time, runs []engine.RunRow, found engine.Found) ([]engine.RunChange, error) {
			if len(runs) != 1 || runs[0].Key != c.Key {
				return nil, fmt.Errorf("decide was given %v, want run %d", runs, c.Key)
			}
			told = slices.Clone(found.Held)
			c := c
			if c.State == "" {
				c.State = runs[0].State
			}
			if c.States == nil {
				c.States = runs[0].States
			}
			c.Version = cmp.Or(c.Version, runs[0].Version)
			c.FailedTasks = cmp.Or(c.FailedTasks, runs[0].FailedTasks)
			return []engine.RunChange{c}, nil
		},
	}))
	return told
}

// end ends leases of a run and changes nothing else.
func (f *fixture) end(ends ...engine.Lease) []bool {
	f.Helper()
	return f.change(engine.RunChange{Key: ends[0].Run}, ends...)
}

// enqueue makes tasks of a run of a DAG ready.
func (f *fixture) enqueue(dag string, run int64, tasks ...string) {
	f.Helper()
	c := engine.RunChange{Key: run}
	for _, t := range tasks {
		c.Enqueue = append(c.Enqueue, ready(dag, run, t))
	}
	f.change(c)
}

// ready is a plain item of the queue.
func ready(dag string, run int64, task string) engine.QueueItem {
	return engine.QueueItem{TaskKey: plain(run, task), DAG: dag, Try: 1, Queue: "default"}
}

// plain is the key of a task that is not mapped.
func plain(run int64, task string) engine.TaskKey {
	return engine.TaskKey{Run: run, Task: task, MapIndex: -1}
}

// join makes a worker.
func (f *fixture) join(name string) int64 {
	f.Helper()
	return got[int64](f)(f.Join(f.ctx, engine.WorkerInfo{Name: name, Build: "b1", Kind: "worker", Slots: 8}))
}

// claim leases what is ready of a DAG to a worker, up to n tasks.
func (f *fixture) claim(worker int64, dag string, n int) []engine.Leased {
	f.Helper()
	return f.claimAs(engine.ClaimRequest{Worker: worker, Slots: n, DAGs: []engine.ClaimDAG{{ID: dag, Room: n}}})
}

// claimAs claims with a fresh lease, from the queue "default" if it names none.
func (f *fixture) claimAs(c engine.ClaimRequest) []engine.Leased {
	f.Helper()
	c.Lease = uuid.New()
	if c.Queues == nil {
		c.Queues = []string{"default"}
	}
	return got[[]engine.Leased](f)(f.Claim(f.ctx, c))
}

// lease makes one task ready and leases it.
func (f *fixture) lease(worker int64, dag string, run int64, task string) engine.Lease {
	f.Helper()
	f.enqueue(dag, run, task)
	l := f.claim(worker, dag, 1)
	if len(l) != 1 || l[0].Task != task || l[0].ID == uuid.Nil {
		f.Fatalf("claim of task %q yielded %v", task, l)
	}
	return l[0].Lease
}

// row returns a run.
func (f *fixture) row(key int64) engine.RunRow {
	f.Helper()
	rows := got[[]engine.RunRow](f)(f.RunsByKey(f.ctx, []int64{key}))
	if len(rows) != 1 {
		f.Fatalf("run %d: found %d rows", key, len(rows))
	}
	return rows[0]
}

// inQueue returns the tasks that are in a run's queue, by name.
func (f *fixture) inQueue(run int64) []string {
	f.Helper()
	names := []string{}
	for _, q := range got[[]engine.QueueRow](f)(f.Queue(f.ctx, []int64{run})) {
		names = append(names, q.Task)
	}
	slices.Sort(names)
	return names
}

// queueRow returns the row of a task in the queue.
func (f *fixture) queueRow(key engine.TaskKey) engine.QueueRow {
	f.Helper()
	for _, q := range got[[]engine.QueueRow](f)(f.Queue(f.ctx, []int64{key.Run})) {
		if q.TaskKey == key {
			return q
		}
	}
	f.Fatalf("task %q of run %d is not in the queue", key.Task, key.Run)
	return engine.QueueRow{}
}

// tasksOf names what was leased, sorted: the order within one answer is no part of the contract.
func tasksOf(ls []engine.Leased) []string {
	names := []string{}
	for _, l := range ls {
		names = append(names, l.Task)
	}
	slices.Sort(names)
	return names
}

// sortedLeases orders leases by task.
func sortedLeases(ls []engine.Lease) []engine.Lease {
	ls = slices.Clone(ls)
	slices.SortFunc(ls, func(a, b engine.Lease) int { return slices.Compare([]byte(a.Task), []byte(b.Task)) })
	return ls
}
