package postgres_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/storage/postgres"
)

// A rig is a store with one DAG and one worker, and short words for what tests do with them.
type rig struct {
	testing.TB
	*postgres.Store
	url    string
	worker int64
}

const testDAG = "dag"

func newRig(t testing.TB, opts postgres.Options) *rig {
	t.Helper()
	s, url := open(t, opts)
	return rigOn(t, s, url)
}

func rigOn(t testing.TB, s *postgres.Store, url string) *rig {
	t.Helper()
	r := &rig{TB: t, Store: s, url: url}
	_, err := s.Register(t.Context(), []engine.DAGRecord{{ID: testDAG, Version: "v1", Build: "b1"}})
	r.ok(err)
	r.worker = r.join()
	return r
}

func (r *rig) ok(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *rig) join() int64 {
	r.Helper()
	id, err := r.Join(r.Context(), engine.WorkerInfo{Name: "host:1", Kind: "serve"})
	r.ok(err)
	return id
}

// runs makes running runs without tasks.
func (r *rig) runs(n int) []int64 {
	r.Helper()
	var fresh []engine.NewRun
	for range n {
		fresh = append(fresh, engine.NewRun{DAG: testDAG, RunID: uuid.NewString(), Type: engine.ManualRun, Version: "v1"})
	}
	created, err := r.CreateRuns(r.Context(), fresh)
	r.ok(err)
	var keys []int64
	for _, c := range created {
		keys = append(keys, c.Key)
	}
	r.transition(keys, nil, func(row engine.RunRow, c *engine.RunChange) { c.State = engine.RunRunning })
	return keys
}

// transition makes one transition in which do changes each run.
func (r *rig) transition(runs []int64, ends []engine.Lease, do func(engine.RunRow, *engine.RunChange)) []bool {
	r.Helper()
	held, err := r.tryTransition(runs, ends, do)
	r.ok(err)
	return held
}

func (r *rig) tryTransition(runs []int64, ends []engine.Lease, do func(engine.RunRow, *engine.RunChange)) (held []bool, err error) {
	err = r.Transition(r.Context(), engine.Transition{Runs: runs, Ends: ends, Decide: func(_ time.Time, rows []engine.RunRow, found engine.Found) ([]engine.RunChange, error) {
		held = slices.Clone(found.Held)
		var out []engine.RunChange
		for _, row := range rows {
			c := engine.RunChange{Key: row.Key, State: row.State, States: row.States, Version: row.Version}
			do(row, &c)
			out = append(out, c)
		}
		return out, nil
	}})
	return held, err
}

// handing is a decision that enqueues items and changes nothing else.
func handing(items ...engine.QueueItem) engine.Decide {
	return func(_ time.Time, rows []engine.RunRow, _ engine.Found) ([]engine.RunChange, error) {
		var out []engine.RunChange
		for _, row := range rows {
			out = append(out, engine.RunChange{Key: row.Key, State: row.State, States: row.States, Version: row.Version, Enqueue: items})
		}
		return out, nil
	}
}

func nothing(engine.RunRow, *engine.RunChange) {}

func item(run int64, task string) engine.QueueItem {
	return engine.QueueItem{TaskKey: key(run, task), DAG: testDAG, Try: 1, Queue: "default"}
}

func key(run int64, task string) engine.TaskKey {
	return engine.TaskKey{Run: run, Task: task, MapIndex: -1}
}

func (r *rig) enqueue(run int64, tasks ...string) {
	r.Helper()
	r.transition([]int64{run}, nil, func(_ engine.RunRow, c *engine.RunChange) {
		for _, t := range tasks {
			c.Enqueue = append(c.Enqueue, item(run, t))
		}
	})
}

// claim leases up to n ready tasks to the rig's worker.
func (r *rig) claim(n int) []engine.Lease {
	r.Helper()
	got, err := r.Claim(r.Context(), engine.ClaimRequest{
		Worker: r.worker, Lease: uuid.New(), Slots: n, Queues: []string{"default"}, DAGs: []engine.ClaimDAG{{ID: testDAG, Room: n}},
	})
	r.ok(err)
	var out []engine.Lease
	for _, l := range got {
		out = append(out, l.Lease)
	}
	return out
}

// attempt is history of a success.
func attempt(k engine.TaskKey, output string) engine.Attempt {
	return engine.Attempt{TaskKey: k, Try: 1, State: engine.Success, Ending: engine.EndSuccess, EndedAt: time.Now(), Output: []byte(output)}
}

// value reads one value from the database beside the store.
func value[T any](t testing.TB, url, sql string, args ...any) T {
	t.Helper()
	var v T
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // nothing is pending
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// eventually waits until the condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
