package postgres_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/storage/postgres"
)

// Five DAGs with the same right to slots, one of which has a hundred times as many ready tasks, claimed by two processes: over every
// hundred tasks leased in a row each DAG gets at least half and at most twice its share. The tasks of the big DAG come first in the queue.
func TestEachDAGGetsItsShareOverEveryHundredClaims(t *testing.T) {
	dags := []string{"big", "b", "c", "d", "e"}
	for _, path := range []struct {
		name  string
		exact bool
		pool  bool // and every second task takes a slot of a pool
	}{{"without limits", false, false}, {"under limits", true, false}, {"with pools", true, true}} {
		for _, slots := range []int{1, 8} {
			t.Run(fmt.Sprintf("%s, %d slots", path.name, slots), func(t *testing.T) {
				r := newRig(t, postgres.Options{})
				r.ok(r.SetPool(t.Context(), engine.Pool{Name: "p", Slots: 1 << 30}))
				for i, dag := range dags {
					n := 400 // as many as it may be given
					if i == 0 {
						n = 40_000
					}
					r.load(dag, n, path.pool)
				}
				execute(t, r.url, `ANALYZE tidemill.task_queue`)
				order := r.contend(dags, path.exact, slots, 1000)
				for from := 0; from+100 <= len(order); from++ {
					got := map[string]int{}
					for _, dag := range order[from : from+100] {
						got[dag]++
					}
					for _, dag := range dags {
						if got[dag] < 10 || got[dag] > 40 {
							t.Fatalf("of tasks %d to %d the DAGs got %v, want 10 to 40 each", from, from+99, got)
						}
					}
				}
			})
		}
	}
}

// load puts n ready tasks of a DAG into the queue.
func (r *rig) load(dag string, n int, pools bool) {
	r.Helper()
	execute(r, r.url, `WITH run AS (INSERT INTO tidemill.runs (dag_id, run_id, run_type, triggered_by, note, priority, deadline, queued_at, version, state)
			VALUES ($1, 'r', 'manual', '', '', 0, '0', now(), '', 'running') RETURNING id)
		INSERT INTO tidemill.task_queue (run_id, task_id, map_index, dag_id, try, priority, queue, queued_at, pool, slots)
		SELECT run.id, 't', i, $1, 1, 0, 'default', now(), CASE WHEN $3 AND i % 2 = 0 THEN 'p' END, CASE WHEN $3 AND i % 2 = 0 THEN 1 END
		FROM run, generate_series(1, $2) AS i`, dag, n, pools)
}

// contend lets two processes claim and end tasks of the DAGs until so many were leased, and returns whose they were, in order.
func (r *rig) contend(dags []string, exact bool, slots, n int) []string {
	r.Helper()
	var mu sync.Mutex
	var order []string
	var wg sync.WaitGroup
	for _, s := range []*postgres.Store{r.Store, openAt(r, r.url, postgres.Options{})} {
		worker, err := s.Join(r.Context(), engine.WorkerInfo{Name: "w"})
		r.ok(err)
		wg.Go(func() {
			for {
				c := engine.ClaimRequest{Worker: worker, Lease: uuid.New(), Slots: slots, Queues: []string{"default"}}
				for _, dag := range dags {
					c.DAGs = append(c.DAGs, engine.ClaimDAG{ID: dag, Room: 16, Pooled: exact})
				}
				leased, err := s.Claim(r.Context(), c)
				if err != nil {
					r.Error(err)
					return
				}
				mu.Lock()
				for _, l := range leased {
					order = append(order, l.DAG)
				}
				over := len(order) >= n
				mu.Unlock()
				if over || len(leased) == 0 && r.Failed() {
					return
				}
				if err := endAll(r, s, leased); err != nil {
					r.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return order
}

func endAll(r *rig, s *postgres.Store, leased []engine.Leased) error {
	t := engine.Transition{Decide: func(time.Time, []engine.RunRow, engine.Found) ([]engine.RunChange, error) { return nil, nil }}
	for _, l := range leased {
		t.Runs = append(t.Runs, l.Lease.Run)
		t.Ends = append(t.Ends, l.Lease)
	}
	return s.Transition(r.Context(), t)
}

// What ended tasks leave behind in a pool's ledger is gone after its next claim.
func TestLedgerOfAPoolStaysSmall(t *testing.T) {
	r := newRig(t, postgres.Options{})
	r.ok(r.SetPool(t.Context(), engine.Pool{Name: "p", Slots: 4}))
	r.load(testDAG, 100, true)
	claim := func() []engine.Leased {
		t.Helper()
		leased, err := r.Claim(t.Context(), engine.ClaimRequest{Worker: r.worker, Lease: uuid.New(), Slots: 4, Queues: []string{"default"},
			DAGs: []engine.ClaimDAG{{ID: testDAG, Room: 4, Pooled: true}}})
		r.ok(err)
		return leased
	}
	for leased := claim(); len(leased) > 0; leased = claim() {
		if n := value[int](t, r.url, `SELECT count(*) FROM tidemill.pool_leases`); n > 4 {
			t.Fatalf("%d rows for a pool of 4 slots", n)
		}
		r.ok(endAll(r, r.Store, leased))
	}
	if n := value[int](t, r.url, `SELECT count(*) FROM tidemill.task_queue`); n != 0 {
		t.Errorf("%d tasks are left", n)
	}
}

// A deleted run takes along what hangs on it.
func TestDeletedRunTakesAlongWhatWaits(t *testing.T) {
	r := newRig(t, postgres.Options{})
	keys := r.runs(2)
	r.transition(keys, nil, func(row engine.RunRow, c *engine.RunChange) {
		c.Waits = []engine.Wait{{TaskKey: key(row.Key, "t"), Kind: engine.WaitPast, Since: time.Now()}}
		c.Ask = []engine.QuestionRow{{TaskKey: key(row.Key, "t"), AskedAt: time.Now()}}
		c.Enqueue = []engine.QueueItem{item(row.Key, "t")}
	})
	for _, l := range r.claim(2) {
		r.ok(r.NameElement(t.Context(), l, "name"))
		r.ok(r.SetTaskNote(t.Context(), l.TaskKey, "note", "ann"))
	}
	execute(t, r.url, `DELETE FROM tidemill.runs WHERE id = $1`, keys[0])
	for _, table := range []string{"waits", "questions", "element_names", "task_notes"} {
		left := value[[]int64](t, r.url, `SELECT array_agg(run_id) FROM tidemill.`+table)
		if len(left) != 1 || left[0] != keys[1] {
			t.Errorf("%s: left are those of runs %v, want of %d", table, left, keys[1])
		}
	}
}
