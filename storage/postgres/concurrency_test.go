package postgres_test

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/storage/postgres"
)

// Lock first, read later: with lock and read in one statement, each of two parents that end at once sees the other as
// running, and the child waits for ever.
func TestTwoParentsThatEndAtOnceReleaseTheirChild(t *testing.T) {
	r := newRig(t, postgres.Options{})
	runs := r.runs(60)
	for _, run := range runs {
		r.enqueue(run, "left", "right")
	}
	byRun := map[int64][]engine.Lease{}
	for _, l := range r.claim(1000) {
		byRun[l.Run] = append(byRun[l.Run], l)
	}
	for _, run := range runs {
		var both sync.WaitGroup
		for _, l := range byRun[run] {
			both.Go(func() {
				_, err := r.tryTransition([]int64{run}, []engine.Lease{l}, func(row engine.RunRow, c *engine.RunChange) {
					c.States = append(row.States, l.Task[0])
					if len(c.States) == 2 {
						c.Enqueue = append(c.Enqueue, item(run, "child"))
					}
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
	}
	rows, err := r.Queue(t.Context(), runs)
	r.ok(err)
	if len(rows) != len(runs) {
		t.Errorf("%d children are ready, want %d", len(rows), len(runs))
	}
}

// Transitions of overlapping sets of runs, named in any order, from two processes: each must count, and none may deadlock.
func TestOverlappingTransitionsNeitherDeadlockNorLoseAnything(t *testing.T) {
	r := newRig(t, postgres.Options{MaxConns: 6})
	other := rigOn(t, openAt(t, r.url, postgres.Options{MaxConns: 6}), r.url)
	runs := r.runs(12)
	for _, run := range runs {
		r.transition([]int64{run}, nil, func(_ engine.RunRow, c *engine.RunChange) { c.States = make([]byte, 2) })
	}
	var added atomic.Int64
	var all sync.WaitGroup
	for g := range 12 {
		who := []*rig{r, other}[g%2]
		all.Go(func() {
			for range 15 {
				some := rand.Perm(len(runs))[:5]
				var keys []int64
				for _, i := range some {
					keys = append(keys, runs[i])
				}
				_, err := who.tryTransition(keys, nil, func(row engine.RunRow, c *engine.RunChange) {
					n := int(row.States[0])<<8 + int(row.States[1]) + 1
					c.States = []byte{byte(n >> 8), byte(n)} //nolint:gosec // two bytes
				})
				if err != nil {
					t.Error(err)
					return
				}
				added.Add(int64(len(keys)))
			}
		})
	}
	all.Wait()
	rows, err := r.RunsByKey(t.Context(), runs)
	r.ok(err)
	sum := int64(0)
	for _, row := range rows {
		sum += int64(row.States[0])<<8 + int64(row.States[1])
	}
	if sum != added.Load() || sum != 12*15*5 {
		t.Errorf("runs count %d changes, want %d", sum, 12*15*5)
	}
	for _, s := range []*postgres.Store{r.Store, other.Store} {
		if n := s.Stats().Deadlocks; n != 0 {
			t.Errorf("%d deadlocks, want none", n)
		}
		t.Logf("%+v", s.Stats())
	}
}

// Limits need a lock, not a count: two claimers that overlap would both find room.
func TestOverlappingClaimersStayWithinALimit(t *testing.T) {
	r := newRig(t, postgres.Options{MaxConns: 8})
	for _, run := range r.runs(10) {
		r.enqueue(run, "a", "b", "c", "d", "e")
	}
	for _, limited := range []engine.ClaimDAG{
		{ID: testDAG, Room: 20, MaxActive: 7},
		{ID: testDAG, Room: 20, TaskLimits: map[string]int{"a": 3, "b": 0, "c": 0, "d": 0, "e": 0}},
	} {
		var got atomic.Int64
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				leased, err := r.Claim(t.Context(), engine.ClaimRequest{
					Worker: r.worker, Lease: uuid.New(), Slots: 20, Queues: []string{"default"}, DAGs: []engine.ClaimDAG{limited},
				})
				if err != nil {
					t.Error(err)
				}
				got.Add(int64(len(leased)))
			})
		}
		all.Wait()
		if want := int64(max(limited.MaxActive, limited.TaskLimits["a"])); got.Load() != want {
			t.Errorf("%+v: claimed %d, want %d", limited, got.Load(), want)
		}
		execute(t, r.url, `UPDATE tidemill.task_queue SET lease = NULL, worker = NULL, leased_at = NULL`)
	}
}

// Two processes that start runs at once together stay within the DAG's limit.
func TestOverlappingStartsStayWithinALimit(t *testing.T) {
	r := newRig(t, postgres.Options{MaxConns: 8})
	_, err := r.Register(t.Context(), []engine.DAGRecord{{ID: testDAG, Version: "v1", Build: "b1", MaxActiveRuns: 5}})
	r.ok(err)
	var fresh []engine.NewRun
	for range 40 {
		fresh = append(fresh, engine.NewRun{DAG: testDAG, RunID: uuid.NewString(), Type: engine.ManualRun})
	}
	_, err = r.CreateRuns(t.Context(), fresh)
	r.ok(err)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			_, err := r.StartRuns(t.Context(), []string{testDAG}, 3, startAll)
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	_, err = r.StartRuns(t.Context(), []string{testDAG}, 40, startAll)
	r.ok(err)
	if n := value[int](t, r.url, `SELECT count(*) FROM tidemill.runs WHERE state = 'running'`); n != 5 {
		t.Errorf("%d runs are running, want 5", n)
	}
}

// Of runs that are looked at together some may be held by another process: those are left as they are, and the others start, each with what
// was decided of it.
func TestAStartPassesByWhatOthersHold(t *testing.T) {
	r := newRig(t, postgres.Options{})
	var fresh []engine.NewRun
	for _, id := range []string{"a", "b", "c"} {
		fresh = append(fresh, engine.NewRun{DAG: testDAG, RunID: id, Type: engine.ManualRun})
	}
	created, err := r.CreateRuns(t.Context(), fresh)
	r.ok(err)
	other, err := pgx.Connect(t.Context(), r.url)
	r.ok(err)
	defer other.Close(t.Context()) //nolint:errcheck // its transaction is rolled back
	_, err = other.Exec(t.Context(), `BEGIN`)
	r.ok(err)
	_, err = other.Exec(t.Context(), `SELECT FROM tidemill.runs WHERE id = $1 FOR UPDATE`, created[0].Key)
	r.ok(err)
	n, err := r.StartRuns(t.Context(), []string{testDAG}, 10, func(_ time.Time, rows []engine.RunRow, _ engine.Found) ([]engine.RunChange, error) {
		var out []engine.RunChange
		for _, row := range rows {
			out = append(out, engine.RunChange{Key: row.Key, State: engine.RunRunning, Version: "of " + row.RunID})
		}
		return out, nil
	})
	r.ok(err)
	if got := value[string](t, r.url, `SELECT string_agg(run_id || ' ' || state || ' ' || version, ', ' ORDER BY run_id) FROM tidemill.runs`); n != 2 || got != "a queued , b running of b, c running of c" {
		t.Errorf("%d started: %s", n, got)
	}
}

// Every ready task is claimed once, by whoever comes first, and none is left over.
func TestOverlappingClaimersShareTheQueue(t *testing.T) {
	r := newRig(t, postgres.Options{MaxConns: 8})
	for _, run := range r.runs(20) {
		r.enqueue(run, "a", "b", "c", "d", "e")
	}
	var mu sync.Mutex
	seen := map[engine.TaskKey]int{}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for {
				leases := r.claim(7)
				if len(leases) == 0 {
					return
				}
				mu.Lock()
				for _, l := range leases {
					seen[l.TaskKey]++
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	for _, l := range r.claim(100) { // what was locked by others when the last of them looked
		seen[l.TaskKey]++
	}
	if len(seen) != 100 {
		t.Errorf("claimed %d tasks, want 100", len(seen))
	}
	for k, n := range seen {
		if n != 1 {
			t.Errorf("%v was claimed %d times", k, n)
		}
	}
}

// A worker that is buried while it claims gets nothing: the claim waits for its row and then finds it gone.
func TestClaimOfAWorkerThatIsBeingBuriedGetsNothing(t *testing.T) {
	r := newRig(t, postgres.Options{})
	run := r.runs(1)[0]
	r.enqueue(run, "a")
	conn, err := pgx.Connect(t.Context(), r.url)
	r.ok(err)
	defer conn.Close(t.Context()) //nolint:errcheck // nothing is pending
	tx, err := conn.Begin(t.Context())
	r.ok(err)
	_, err = tx.Exec(t.Context(), `DELETE FROM tidemill.workers WHERE id = $1`, r.worker)
	r.ok(err)
	claimed := make(chan int, 1)
	go func() { claimed <- len(r.claim(5)) }()
	eventually(t, "the claim waits for the worker's row", func() bool {
		return value[int](t, r.url, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) == 1
	})
	r.ok(tx.Commit(t.Context()))
	if n := <-claimed; n != 0 {
		t.Errorf("claimed %d tasks, want none", n)
	}
	if row := r.queueRow(run); row.Leased {
		t.Errorf("the task is leased")
	}
}

func (r *rig) queueRow(run int64) engine.QueueRow {
	r.Helper()
	rows, err := r.Queue(r.Context(), []int64{run})
	r.ok(err)
	if len(rows) != 1 {
		r.Fatalf("run %d has %d rows in the queue, want 1", run, len(rows))
	}
	return rows[0]
}

// A task that is cleared while a claim of it is under way leaves no row behind.
func TestDequeueOfATaskThatIsBeingClaimed(t *testing.T) {
	r := newRig(t, postgres.Options{})
	run := r.runs(1)[0]
	r.enqueue(run, "a")
	conn, err := pgx.Connect(t.Context(), r.url)
	r.ok(err)
	defer conn.Close(t.Context()) //nolint:errcheck // nothing is pending
	tx, err := conn.Begin(t.Context())
	r.ok(err)
	_, err = tx.Exec(t.Context(), `UPDATE tidemill.task_queue SET lease = gen_random_uuid(), worker = $1`, r.worker)
	r.ok(err)
	done := make(chan error, 1)
	go func() {
		_, err := r.tryTransition([]int64{run}, nil, func(_ engine.RunRow, c *engine.RunChange) { c.Dequeue = []engine.TaskKey{key(run, "a")} })
		done <- err
	}()
	eventually(t, "the transition waits for the claim", func() bool {
		return value[int](t, r.url, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) == 1
	})
	r.ok(tx.Commit(t.Context()))
	r.ok(<-done)
	rows, err := r.Queue(t.Context(), []int64{run})
	r.ok(err)
	if len(rows) != 0 {
		t.Errorf("the queue holds %v, want nothing", rows)
	}
}
